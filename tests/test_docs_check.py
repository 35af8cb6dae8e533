"""Each check of tools/docs_check.py catches a fault planted for it, and a site without faults passes."""

import json
from pathlib import Path

import addresses
import docs_check
import pytest

CONFIG = """
project: {type: website}
website:
  sidebar:
    contents:
      - index.ipynb
      - section: API
        contents: [api/00_data.ipynb]
"""


def md(source: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": source, "id": "a"}


def code(source: str, *outputs: dict) -> dict:
    return {
        "cell_type": "code",
        "metadata": {},
        "source": source,
        "outputs": list(outputs),
        "execution_count": None,
        "id": "b",
    }


STDOUT = {"output_type": "stream", "name": "stdout", "text": "1\n"}


def write(path: Path, *cells: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )


@pytest.fixture
def site(tmp_path) -> Path:
    "A small site without faults."
    (tmp_path / "settings.ini").write_text("[DEFAULT]\nlib_path = lib\n")
    (tmp_path / "_quarto.yml").write_text(CONFIG)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "data.py").write_text("")
    (tmp_path / "README.md").write_text(
        "# Read me\n\nSee [data](nbs/api/00_data.ipynb#the-counts).\n"
    )
    write(
        tmp_path / "nbs" / "index.ipynb",
        md("# Start\n\n> What it is for."),
        md(
            "Read [the data page](api/00_data.ipynb), or [above](#Start), or [far](https://example.org/x#y).\n\n"
            "```\n[not](a-link.md)\n# not a title\n```\n\nNor is `[this](one.md)`."
        ),
        code("print(1)", STDOUT),
    )
    write(
        tmp_path / "nbs" / "api" / "00_data.ipynb",
        md("# Data\n\n> Where counts come from."),
        md("## The counts"),
        code("#| default_exp data"),
        code("#| export\ndef read(): ..."),
        md("Back to [read](#read) and [home](../index.ipynb)."),
    )
    (tmp_path / "nbs" / "_quarto.yml").symlink_to("../_quarto.yml")
    return tmp_path


def only(site: Path, *words: str) -> None:
    "There is one fault, and its line holds all these words."
    found = docs_check.check(site)
    assert len(found) == 1, found
    for word in words:
        assert word in found[0]


def test_a_good_site_has_no_faults(site):
    assert docs_check.check(site) == []
    assert docs_check.main([str(site)]) == 0


def test_this_repository_is_where_main_looks():
    assert (docs_check.ROOT / "settings.ini").exists()


def test_yaml_that_does_not_parse(site):
    (site / "_quarto.yml").write_text("project: [website\n")
    only(site, "_quarto.yml", "does not parse")
    assert docs_check.main([str(site)]) == 1


@pytest.mark.parametrize(
    "line, words",
    [
        ("#| fig-alt: Two panels: left the cells, right the genes", "no YAML"),
        ("#| fig-alt: one\n#| fig-alt: two", "stands twice"),
        ("#| fig-alt: cluster #3 in the middle", "begins a comment"),
    ],
)
def test_cell_options_that_quarto_would_refuse_or_cut(site, line, words):
    write(
        site / "nbs" / "index.ipynb",
        md("# Start\n\n> What it is for."),
        code(line + "\nprint(1)", STDOUT),
    )
    only(site, "nbs/index.ipynb cell 1", words)
    write(
        site / "nbs" / "index.ipynb",
        md("# Start\n\n> What it is for."),
        code('#| fig-alt: "Two panels: cluster #3, and the rest"\n#| export\nprint(1)', STDOUT),
        code("#| default_exp x"),
    )
    assert not any("#|" in fault for fault in docs_check.check(site))


def test_config_link_that_is_gone(site):
    (site / "nbs" / "_quarto.yml").unlink()
    only(site, "nbs/_quarto.yml", "link")


def test_sidebar_page_that_does_not_exist(site):
    (site / "_quarto.yml").write_text(
        CONFIG.replace("[api/00_data.ipynb]", "[api/00_data.ipynb, api/99_gone.ipynb]")
    )
    only(site, "nbs/api/99_gone.ipynb", "does not exist")


def test_page_that_is_not_in_the_sidebar(site):
    write(site / "nbs" / "api" / "01_more.ipynb", md("# More\n\n> More."))
    only(site, "nbs/api/01_more.ipynb", "not in the sidebar")


def test_page_listed_twice(site):
    (site / "_quarto.yml").write_text(
        CONFIG.replace("[api/00_data.ipynb]", "[api/00_data.ipynb, index.ipynb]")
    )
    only(site, "index.ipynb", "twice")


@pytest.mark.parametrize(
    "link",
    [
        "[x](gone.ipynb)",
        "[x](api/gone.md)",
        "<a href='gone.html'>x</a>",
        "[x]()",
        "[![alt](images/gone.png)](index.ipynb)",
    ],
)
def test_dead_link(site, link):
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), md(link))
    only(site, "index.ipynb cell 1", "dead link")


def test_dead_link_in_the_readme(site):
    (site / "README.md").write_text("# R\n\n[x](docs/gone.md)\n")
    only(site, "README.md", "dead link docs/gone.md")


@pytest.mark.parametrize(
    "link", ["[x](#nowhere)", "[x](api/00_data.ipynb#nowhere)", "[x](api/00_data.html#nowhere)"]
)
def test_dead_anchor(site, link):
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), md(link))
    only(site, "index.ipynb cell 1", "no heading #nowhere")


@pytest.mark.parametrize(
    "heading, lab, anchor",
    [
        ("## The *MDAG* gate: why", "The-MDAG-gate:-why", "the-mdag-gate-why"),
        ("## `nb_loss` and 2 more", "nb_loss-and-2-more", "nb_loss-and-2-more"),
        ("## 3. Third step", "3.-Third-step", "third-step"),
        ("## Why? [Because](index.ipynb)", "Why?-Because", "why-because"),
    ],
)
def test_sections_in_lab_and_on_the_web(site, heading, lab, anchor):
    def linked(mark):
        write(
            site / "nbs" / "index.ipynb", md("# Start\n\n> For."), md(heading), md(f"[x](#{mark})")
        )

    linked(lab)
    assert docs_check.check(site) == []
    assert docs_check.for_the_web(f"[x](#{lab})") == f"[x](#{anchor})"
    assert anchor in docs_check.anchor(heading.strip("# "))
    if anchor != lab:
        linked(anchor)
        only(site, "index.ipynb cell 2", f"write #{lab}")


def test_anchor_of_a_page_of_text(site):
    (site / "README.md").write_text(
        "# R\n\n## Named {#own-id}\n\n## Or so\n\n[x](#own-id) [y](#or-so)"
    )
    assert docs_check.check(site) == []


@pytest.mark.parametrize(
    "picture", ["![](pic.png)", "<img src='pic.png'>", "<img src='pic.png' alt=''>"]
)
def test_picture_without_alt_text(site, picture):
    (site / "nbs" / "pic.png").write_bytes(b"png")
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), md(picture))
    only(site, "index.ipynb cell 1", "no alt text")


def test_notebook_without_title(site):
    write(site / "nbs" / "index.ipynb", md("Just words.\n\n> A quote."))
    only(site, "nbs/index.ipynb", "0 titles")


def test_notebook_with_two_titles(site):
    write(site / "nbs" / "index.ipynb", md("# One\n\n> For."), md("# Two"))
    only(site, "nbs/index.ipynb", "2 titles", "[0, 1]")


def test_notebook_without_blockquote(site):
    write(site / "nbs" / "index.ipynb", md("# Start\n\nWords."))
    only(site, "nbs/index.ipynb", "no blockquote")


def test_title_that_is_not_first(site):
    write(site / "nbs" / "index.ipynb", md("Words first."), md("# Start\n\n> For."))
    only(site, "nbs/index.ipynb", "first text cell")


def test_notebook_without_outputs(site):
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), code("x = 1\nx"))
    only(site, "nbs/index.ipynb", "no outputs stored")


def test_cell_that_prints_without_output(site):
    write(
        site / "nbs" / "index.ipynb",
        md("# Start\n\n> For."),
        code("print(1)", STDOUT),
        code("print(2)"),
    )
    only(site, "index.ipynb cell 2", "no stored output")


@pytest.mark.parametrize(
    "source",
    [
        "#| eval: false\nprint(1)",
        "#| slow\nprint(1)",
        "import sys\nprint(1, file=sys.stderr)",
        "x = 1",
        "%matplotlib inline",
    ],
)
def test_cells_that_need_no_output(site, source):
    write(
        site / "nbs" / "index.ipynb",
        md("# Start\n\n> For."),
        code("print(1)", STDOUT),
        code(source),
    )
    assert docs_check.check(site) == []


def test_error_output(site):
    error = {"output_type": "error", "ename": "ValueError", "evalue": "bad counts", "traceback": []}
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), code("f()", error))
    only(site, "index.ipynb cell 1", "ValueError: bad counts")


def test_export_without_module(site):
    (site / "lib" / "data.py").unlink()
    only(site, "00_data.ipynb", "lib/data.py does not exist")


def test_export_without_default_exp(site):
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), code("#| export\ndef f(): ..."))
    only(site, "nbs/index.ipynb", "no `#| default_exp`")


def test_notebook_that_is_not_json(site):
    (site / "nbs" / "index.ipynb").write_text("{")
    assert any(
        "index.ipynb: cannot be read as a notebook" in line for line in docs_check.check(site)
    )


def test_prose_in_the_title_cell_would_be_lost(site):
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For.\n\nMore words."))
    only(site, "index.ipynb cell 0", "drops the rest")


PICTURE = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "aGVsbG8="}}


def test_a_figure_without_alt_text(site):
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), code("draw()", PICTURE))
    only(site, "index.ipynb cell 1", "alt text")
    write(
        site / "nbs" / "index.ipynb",
        md("# Start\n\n> For."),
        code("#| fig-alt: a line that rises\ndraw()", PICTURE),
    )
    assert docs_check.check(site) == []


def test_a_file_that_a_cell_reads_and_that_is_not_there(site):
    read = code("rows = pd.read_csv('../nbs/rows.csv')")
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), read)
    only(site, "index.ipynb cell 1", "../nbs/rows.csv", "not there")
    (site / "nbs" / "rows.csv").write_text("a\n1\n")
    assert docs_check.check(site) == []


def test_a_figure_that_was_lost(site):
    words = {
        "output_type": "execute_result",
        "metadata": {},
        "execution_count": None,
        "data": {"text/plain": "<Figure size 640x480 with 1 Axes>"},
    }
    write(
        site / "nbs" / "index.ipynb",
        md("# Start\n\n> For."),
        code("#| fig-alt: a line that rises\ndraw()", words),
    )
    only(site, "index.ipynb cell 1", "not the picture")


def test_a_warning_that_the_text_does_not_speak_of(site):
    stderr = {
        "output_type": "stream",
        "name": "stderr",
        "text": "UserWarning: 2 of 8 clusters hold no cells",
    }
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), code("fit()", stderr))
    only(site, "index.ipynb cell 1", "does not speak of", "2 of 8")
    write(
        site / "nbs" / "index.ipynb",
        md("# Start\n\n> For."),
        md("A warning says which."),
        code("fit()", stderr),
    )
    assert docs_check.check(site) == []


def test_a_page_that_is_too_heavy(site):
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), md("x" * 3_100_000))
    only(site, "index.ipynb", "weighs 3.1 MB")


@pytest.mark.parametrize(
    "head, word",
    [
        ("title: A: b", "does not parse"),
        ("subtitle: a", "no title"),
        ("title: A\ntitle: B", "stands twice"),
    ],
)
def test_the_head_of_a_quarto_page(site, head, word):
    (site / "_quarto.yml").write_text(
        CONFIG.replace("[api/00_data.ipynb]", "[api/00_data.ipynb, slides.qmd]")
    )
    (site / "nbs" / "slides.qmd").write_text(f"---\n{head}\n---\n\n## One\n")
    only(site, "slides.qmd", word)


def test_yaml_that_quarto_refuses(site):
    (site / "_quarto.yml").write_text(CONFIG + "\nproject: {type: book}\n")
    only(site, "_quarto.yml", "stands twice")
    (site / "_quarto.yml").write_text(CONFIG.replace("website}", "manuscript}"))
    only(site, "_quarto.yml", "type: website")


def test_a_tutorial_opens_and_closes_as_agreed(site):
    (site / "settings.ini").write_text(
        "[DEFAULT]\nlib_path = lib\nuser = us\nrepo = it\nbranch = main\n"
    )
    (site / "_quarto.yml").write_text(
        CONFIG.replace("[api/00_data.ipynb]", "[api/00_data.ipynb, tutorials/01_a.ipynb]")
    )
    opening = (
        "**Needs** nothing; **takes** a minute. [Open in "
        "Colab](https://colab.research.google.com/github/us/it/blob/main/nbs/tutorials/01_a.ipynb)."
    )
    tutorial = site / "nbs" / "tutorials" / "01_a.ipynb"
    head, install = md("# A\n\n> For."), code(addresses.install_cell(site))
    last = md("## What to read next\n\n[Home](../index.ipynb).")
    write(tutorial, head, md(opening), install, last)
    assert docs_check.check(site) == []
    write(tutorial, head, md(opening.replace("/blob", "/tree")), install, last)
    only(site, "01_a.ipynb", "its opening lacks https://colab")
    write(tutorial, head, md(opening), install)
    only(site, "01_a.ipynb", "What to read next")
    write(tutorial, head, md(opening), code("print(1)", STDOUT), last)
    only(site, "01_a.ipynb", "does not install in Colab")
    assert addresses.write(site) == 1 and docs_check.check(site) == []


def test_an_address_that_settings_do_not_have(site):
    (site / "settings.ini").write_text("[DEFAULT]\nlib_path = lib\nuser = us\nrepo = it\n")
    page = site / "README.md"
    page.write_text("# Read\n\n<https://github.com/us/it>, <https://us.github.io/it/a.html>\n")
    assert addresses.shown(site) == {"README.md": {"us"}} and docs_check.check(site) == []
    page.write_text(page.read_text().replace("//us.github", "//them.github"))
    only(site, "README.md", "names the repository of them")
    (site / "CITATION.cff").write_text("version: 0.1\ntype: software\n")
    with (site / "settings.ini").open("a") as f:
        f.write("version = 0.2\n")
    assert any("CITATION.cff: another version" in line for line in addresses.check(site))
    assert addresses.write(site) == 2 and addresses.shown(site) == {"README.md": {"us"}}
    assert addresses.check(site) == []


def test_an_alt_text_is_short(site):
    for length, right in ((150, True), (151, False)):
        line = f"#| fig-alt: {'a' * length}\nprint(1)"
        write(site / "nbs/index.ipynb", md("# Start\n\n> For."), code(line, STDOUT))
        said = [fault for fault in docs_check.check(site) if "alt text of" in fault]
        assert not said if right else "151 characters" in said[0]


# ---------------------------------------------------------------- how the site looks

LOOK = """
format:
  html:
    theme: {light: [cosmo, site.scss], dark: [darkly, site.scss]}
    grid: {sidebar-width: 220px, body-width: 960px, margin-width: 180px, gutter-width: 1rem}
    html-math-method: {method: katex, url: "https://cdn.example.org/katex@0.16.22/dist/"}
"""


@pytest.mark.parametrize(
    "right, wrong, words",
    [
        ("", "", []),
        ("site.scss]}", "gone.scss]}", ["nbs/gone.scss, which does not exist"]),
        ("@0.16.22", "@latest", ["KaTeX has no fixed version"]),
        ("{method: katex, url", "{method: katex, link", ["KaTeX has no fixed version"]),
        ("220px", "320px", ["a line of code holds", "characters at 1280 px"]),
    ],
)
def test_the_look_of_the_site(site, right, wrong, words):
    (site / "nbs" / "site.scss").write_text("$code-px: 13px;\n")
    (site / "_quarto.yml").write_text(CONFIG + LOOK.replace(right, wrong))
    if words:
        only(site, "_quarto.yml", *words)
    else:
        assert docs_check.check(site) == []


def test_pictures_and_pages_named_in_the_head_of_the_site(site):
    (site / "_quarto.yml").write_text(
        CONFIG.replace("website:\n", "website:\n  favicon: images/gone.png\n")
    )
    only(site, "nbs/images/gone.png, which does not exist")
    (site / "_quarto.yml").write_text(
        CONFIG.replace("website:\n", "website:\n  navbar: {left: [{text: A, href: gone.ipynb}]}\n")
    )
    only(site, "navbar names nbs/gone.ipynb")


def test_the_width_of_a_page_is_quartos():
    "Measured in Chromium at 1280 px with Quarto's own widths: a column of 678 px."
    code_px = 10  # 6 px a character, 8 px of padding
    assert docs_check.characters({}, code_px, window=1280) == int((678 - 8) / 6)


@pytest.mark.parametrize(
    "title, words",
    [("# choose_k", "choose_k"), ("# data", "`data`")],
)
def test_a_name_in_the_sidebar_that_is_no_words(site, title, words):
    write(site / "nbs" / "api" / "00_data.ipynb", md(f"{title}\n\n> For."), md("## The counts"))
    only(site, "nbs/api/00_data.ipynb", words, "a name is words")
    (site / "_quarto.yml").write_text(
        CONFIG.replace("[api/00_data.ipynb]", "[{text: Counts, href: api/00_data.ipynb}]")
    )
    assert docs_check.check(site) == []


def test_numbered_pages_are_named_alike(site):
    write(site / "nbs" / "api" / "01_more.ipynb", md("# Lesson 2: more\n\n> For."))
    (site / "_quarto.yml").write_text(
        CONFIG.replace("[api/00_data.ipynb]", "[api/00_data.ipynb, api/01_more.ipynb]")
    )
    only(site, "nbs/api/00_data.ipynb", "not named as its neighbours")


def test_a_page_that_sends_back_instead_of_on(site):
    write(
        site / "nbs" / "api" / "00_data.ipynb",
        md("# Data\n\n> For."),
        md("## The counts\n\nNext: [home](../index.ipynb) again."),
    )
    only(site, "nbs/api/00_data.ipynb", "the footer has before it")


def test_numbers_of_files_that_the_site_does_not_show(site):
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), md("As page 07 says."))
    only(site, "index.ipynb cell 1", "page 07")


def test_tables_and_outputs_wider_than_a_page(site):
    words = " | ".join(["w" * 30] * 4)
    text = f"| {words} |\n|---|---|---|---|\n| a | b | c | d |"
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), md(text))
    only(site, "index.ipynb cell 1", "132 characters wide")
    columns, sentence = STDOUT | {"text": "1.5  " * 30}, STDOUT | {"text": "a word " * 30}
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), code("print(x)", columns))
    only(site, "index.ipynb cell 1", "150 characters wide")
    write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), code("print(x)", sentence))
    assert docs_check.check(site) == []


def test_terms_of_the_glossary_can_be_linked_to(site):
    (site / "_quarto.yml").write_text(
        CONFIG.replace("[api/00_data.ipynb]", "[api/00_data.ipynb, course/glossary.ipynb]")
    )
    glossary = site / "nbs" / "course" / "glossary.ipynb"
    write(glossary, md("# Glossary\n\n> For."), md("**Dead cluster.** One without cells."))
    link = "[x](course/glossary.ipynb#{})"
    for term, faults in (("dead-cluster", 0), ("dead-cell", 1)):
        write(site / "nbs" / "index.ipynb", md("# Start\n\n> For."), md(link.format(term)))
        assert len(docs_check.check(site)) == faults
