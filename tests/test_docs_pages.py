"""The pages of the site: tables of parameters, links from names, folded code, widths. Nothing here runs a notebook."""

import json
import re
from pathlib import Path

import docs_index
import docs_pages
import pytest
from docs_check import COLUMNS
from docs_tables import Library, Parameter, in_words, table
from execnb.nbio import read_nb

ROOT = Path(docs_pages.ROOT)
LIBRARY = Library(ROOT)
ROW = re.compile(r"^\| (?:`|<code>)(\**\w+)", re.M)


def entry(name: str, module: str):
    return next(e for e in LIBRARY.entries if (e.name, e.module) == (name, module))


# ---------------------------------------------------------------- tables of parameters


def test_every_public_name_has_its_table_on_a_page():
    assert len(LIBRARY.entries) > 500
    lacking = []
    for e in LIBRARY.entries:
        names = [p.name for p in LIBRARY.parameters(e)]
        section = LIBRARY.documented(e).split("\n#### ")[0]
        if not (ROOT / "nbs" / e.page).is_file() or ROW.findall(section) != names or not e.says:
            lacking.append(f"{e.module}.{e.name}")
        if any(not p.words for p in LIBRARY.parameters(e)):
            lacking.append(f"{e.module}.{e.name}: a parameter without words")
    assert not lacking


@pytest.mark.parametrize(
    "module, name, rows",
    [
        ("tl.model", "cluster", ["adata", "n_clusters", "**options"]),
        ("io.reading", "read", ["path"]),
        ("pp.filtering", "filter", ["adata"]),
        ("nn.likelihood", "nb_loss", ["x", "mu"]),
        ("pl.clusters", "history", ["adata_or_history", "key", "title"]),
        ("bench.runner", "run", ["methods"]),
        ("cli.main", "fit", ["file"]),
        ("tl.run", "Run", ["params", "history"]),
    ],
)
def test_the_table_of_one_of_each_wing(module, name, rows):
    text = LIBRARY.documented(entry(name, module), "[lesson 1](../../course/01.ipynb)")
    assert text.startswith(f"### {name}\n")
    assert [r for r in rows if r not in ROW.findall(text)] == []
    assert "VAR_KEYWORD" not in text and "NoneType" not in text and f"def {name}" not in text
    assert f"/blob/main/scsmd_nb/{module.replace('.', '/')}.py#L" in text
    assert "taught in [lesson 1]" in text


def test_a_class_lists_its_methods_and_those_it_inherits():
    text = LIBRARY.documented(entry("SCSMD", "tl.model"))
    for name in "fit fit_predict transform predict predict_proba save load".split():
        assert f"#### SCSMD.{name}\n" in text, name
    assert "| `n_clusters` | <code>int &#124; str</code> | `8` |" in text
    assert "SCSMD._" not in text and "get_params" not in text


def test_what_comes_back_has_its_own_comment_and_no_other():
    text = LIBRARY.documented(entry("nb_loss", "nn.likelihood"))
    assert "Returns `torch.Tensor`: nats; shape as `reduction` says." in text
    text = LIBRARY.documented(entry("suggest_k", "tl.choose_k"))
    assert re.findall("^Returns.*", text, re.M) == ["Returns `Choice`."]


def test_the_words_of_a_command_are_its_help():
    by = {p.name: p for p in LIBRARY.parameters(entry("predict", "cli.predict"))}
    assert by["accelerator"] == Parameter("accelerator", "str", "'auto'", "auto, cpu, cuda or mps.")


def test_what_a_table_would_take_for_something_else_is_escaped():
    text = table([Parameter("**options", "int | None", "'|'", "a|b, [n] and `c|d` and x_y*")])
    row = text.split("\n")[-1]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    assert "`**options`" in row and r"\[n\]" in row and "<code>c&#124;d</code>" in row
    assert in_words("p < 0.05 and '$x$'") == r"p \< 0.05 and \'\$x\$\'"


# ---------------------------------------------------------------- links from names


@pytest.mark.parametrize(
    "words, page, goal",
    [
        ("fit", "index.ipynb", None),  # several
        ("predict", "api/tl/04_model.ipynb", "#scsmd.predict"),  # its own page first
        ("read", "index.ipynb", None),
        ("read", "api/io/08_reading.ipynb", "#read"),
        ("smd.io.read", "index.ipynb", "api/io/08_reading.ipynb#read"),
        ("smd.bench.read", "api/io/08_reading.ipynb", "../bench/00_table.ipynb#read"),
        ("smd.cluster", "course/index.ipynb", "../api/tl/04_model.ipynb#cluster"),
        ("SCSMD.load", "index.ipynb", "api/tl/04_model.ipynb#scsmd.load"),
        ("load", "index.ipynb", None),
        ("scores", "index.ipynb", None),
        ("nb_loss()", "index.ipynb", "api/nn/00_likelihood.ipynb#nb_loss"),
        ("get_counts", "index.ipynb", "api/00_counts.ipynb#get_counts"),
        ("filter", "api/pp/04_filtering.ipynb", None),  # Python's own
        ("_history", "api/pl/00_clusters.ipynb", None),  # private
        ("batch_size", "api/tl/02_training.ipynb", None),  # a parameter
        ("scsmd", "index.ipynb", None),  # the command, not the method of the benchmark
        ("no_such_name", "index.ipynb", None),
    ],
)
def test_where_a_name_leads(words, page, goal):
    assert LIBRARY.link(words, page) == goal


def test_names_in_headings_code_and_links_are_left():
    text = "## `nb_loss`\n\n[`nb_loss`](x.ipynb) ``a `nb_loss` ``\n\n```\n`nb_loss`\n```\n"
    assert LIBRARY.linked(text, "index.ipynb") == text
    assert "[`nb_loss`](api/nn/00_likelihood.ipynb#nb_loss)" in LIBRARY.linked(
        "So `nb_loss` it is", "index.ipynb"
    )


def test_files_that_the_site_has_not_are_shown_in_the_repository():
    text = docs_pages.outward("[a](../LICENSE) [b](api/00_counts.ipynb)", "index.ipynb", LIBRARY)
    assert f"[a]({LIBRARY.source}/LICENSE) [b](api/00_counts.ipynb)" == text


# ---------------------------------------------------------------- the index, and whole pages


def test_the_page_of_all_functions_lists_them_and_begins_with_two():
    text = "\n".join(docs_index.sections(LIBRARY))
    first = re.findall(r"^(?:\| )?\[`([\w.]+)`\]", text, re.M)
    assert first[:2] == ["smd.cluster", "smd.SCSMD"]
    assert re.findall("^## (.*)", text, re.M)[:2] == ["cluster", "SCSMD"]
    checks = [e for e in LIBRARY.entries if e.page.startswith("course/")]
    assert len(first) == len(LIBRARY.entries) - len(checks) + 2  # the two stand in their wing too
    assert docs_index.differences(library=LIBRARY) == []


def processed(page: str) -> list:
    "The cells of a page as the site gets them."
    docs_pages.documented.library = LIBRARY
    nb = read_nb(ROOT / "nbs" / page)
    docs_pages.Pages()(nb)
    return nb.cells


def test_a_page_has_tables_after_its_code_and_private_helpers_folded(monkeypatch):
    monkeypatch.chdir(ROOT)
    cells = processed("api/pl/05_colours.ipynb")
    at = next(i for i, c in enumerate(cells) if "\ndef palette(" in "\n" + c.source)
    assert cells[at + 1].source.startswith("### palette\n") and "code-fold" not in cells[at].source
    assert cells[0].cell_type == "raw" and cells[0].source.startswith("---\n")
    helpers = [c.source for c in processed("api/io/00_guards.ipynb") if "\ndef _" in c.source]
    assert helpers and all(s.startswith("#| code-fold: true\n#| code-summary: ") for s in helpers)
    page = processed("comparison.ipynb")
    assert any(c.source.startswith("#| code-fold") for c in page if c.cell_type == "code")
    assert page[0].source.startswith("---\n")
    assert any("[]{#ablation}**Ablation.**" in c.source for c in processed("course/glossary.ipynb"))


# ---------------------------------------------------------------- widths


def test_long_lines_of_words_are_folded_and_columns_stay():
    words, columns = "ValueError: " + "word " * 60, "  ".join(["1.234"] * 40)
    folded = docs_pages.folded_lines(f"{words}\n{columns}\nshort").split("\n")
    assert max(map(len, folded[:-2])) <= COLUMNS and folded[1].startswith("    word")
    assert folded[-2:] == [columns, "short"]


def test_dashes_are_in_proportion():
    text = "| a | what it is |\n|---|:---:|\n| `solutions` | " + "many words " * 20 + "|\n"
    first, second = docs_pages.in_proportion(text).split("\n")[1].strip("|").split("|")
    assert len(first) == len("solutions") + 5 and second == ":" + "-" * (docs_pages.LONG + 5) + ":"
    assert docs_pages.in_proportion("no table, a | b\n") == "no table, a | b\n"


def test_cells_of_an_output_say_how_wide_they_are():
    html = f'<tr><th>0.5</th><td class="data">{"w " * 20}</td><td>{"w " * 50}</td></tr>'
    found = re.findall(r'class="([^"]+)"', docs_pages.with_widths(html))
    assert found == ["cell-short", "cell-middle data", "cell-long"]
    wide = docs_pages.with_widths(f"<table><tr>{'<td>0.123456789</td>' * 12}</tr></table>")
    assert wide.startswith('<table class="wide">')


def test_many_long_cells_become_numbered_notes():
    a, b = "other cells, other labels " * 4, "another entropy of NMI " * 4
    rows = "".join(f"<tr><td>0.5</td><td>{text}</td></tr>" for text in (a, b, a, a, b, a, a))
    html = docs_pages.with_widths(f"<table>{rows}</table>")
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert cells[1::2] == [f"note {n}" for n in (1, 2, 1, 1, 2, 1, 1)]
    assert html.endswith(f"</table>\n<ol><li>{a.strip()}</li><li>{b.strip()}</li></ol>")


# ---------------------------------------------------------------- the check of processed pages


def test_faults_of_processed_pages_are_found(tmp_path):
    def page(name, *cells, head="---\ntitle: A\n---\n"):
        raw = {"cell_type": "raw", "source": head}
        (tmp_path / name).write_text(json.dumps({"cells": [raw, *cells]}))

    def md(text):
        return {"cell_type": "markdown", "source": text}

    long = {"output_type": "stream", "name": "stdout", "text": "word " * 40}
    library = Library(tmp_path)  # of nothing
    page("a.ipynb", md("### fit\n\n[b](b.ipynb#two) [c](#fit) [d](https://a.org/x#y)"))
    page("b.ipynb", md("## Two"), {"cell_type": "code", "source": "", "outputs": []})
    assert docs_pages.faults(tmp_path, library) == []
    page("a.ipynb", md("[b](b.ipynb#three) [c](c.ipynb)"))
    page("b.ipynb", {"cell_type": "code", "source": "", "outputs": [long]}, head="#| code-fold")
    library.entries.append(entry("cluster", "tl.model"))
    found = docs_pages.faults(tmp_path, library)
    for words in (
        "b.ipynb: no head",
        "b.ipynb cell 1: a line of words",
        "cluster has no table of parameters",
        "leads to #three, which b.ipynb has not",
        "the site has no c.ipynb",
    ):
        assert sum(words in line for line in found) == 1, words
    assert len(found) == 5


def test_slides_take_the_pictures_of_a_lesson(tmp_path):
    import base64

    cells = [
        {"cell_type": "markdown", "source": "## A gate: why?"},
        {"cell_type": "code", "source": "", "outputs": []},
        {"cell_type": "code", "source": "", "outputs": [{"data": {"image/png": "cG5n"}}]},
        {"cell_type": "markdown", "source": "## Next"},
    ]
    (tmp_path / "lesson.ipynb").write_text(json.dumps({"cells": cells}))
    deck = tmp_path / "slides" / "deck.qmd"
    deck.parent.mkdir()
    text = docs_pages.with_pictures("![Gate](../lesson.ipynb#A-gate:-why?)\n", deck, deck.parent)
    assert text == '![Gate](lesson-a-gate-why.png){fig-alt="Gate"}\n'
    assert (deck.parent / "lesson-a-gate-why.png").read_bytes() == base64.b64decode("cG5n")
    with pytest.raises(ValueError, match="no picture in the section #Next"):
        docs_pages.with_pictures("![None](../lesson.ipynb#Next)\n", deck, deck.parent)
