"""README.md is made from the index notebook: links, hidden cells, outputs and pictures."""

import base64

import pytest
import readme


def md(source):
    return {"cell_type": "markdown", "source": source}


def code(source, *outputs):
    return {"cell_type": "code", "source": source, "outputs": list(outputs)}


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(**data):
    return {
        "output_type": "execute_result",
        "data": {k.replace("_", "/", 1): v for k, v in data.items()},
    }


def made(*cells) -> str:
    return readme.convert({"cells": list(cells)})[0]


@pytest.mark.parametrize(
    "before, after",
    [
        ("[data](api/00_data.ipynb#x)", "[data](nbs/api/00_data.ipynb#x)"),
        ("[licence](../LICENSE)", "[licence](LICENSE)"),
        ("![UMAP](images/umap.png)", "![UMAP](nbs/images/umap.png)"),
        ("[far](https://example.org/a)", "[far](https://example.org/a)"),
        ("[here](#part)", "[here](#part)"),
        ("`[n](o)`", "`[n](o)`"),
        ("[`code`](api/x.ipynb)", "[`code`](nbs/api/x.ipynb)"),
        ('<img src="images/a.png" alt="A">', '<img src="nbs/images/a.png" alt="A">'),
        ("```\n[n](o)\n```", "```\n[n](o)\n```"),
    ],
)
def test_links_move_to_the_top(before, after):
    assert after in made(md(before)).splitlines() or after in made(md(before))


def test_hidden_cells_stay_away():
    text = made(
        code("#| hide\nsecret"),
        code("#| default_exp x"),
        code("#| include: false\nsecret"),
        code("#| echo: false\nsecret", stream("seen")),
    )
    assert "secret" not in text and "seen" in text


def test_directives_are_not_shown_and_output_can_be_off():
    assert made(code("#| output: false\nrun()", stream("noise"))).endswith(
        "```python\nrun()\n```\n"
    )


def test_progress_bars_colours_and_stderr():
    text = made(
        code("run()", stream("10%\r100%\n\x1b[31mred\x1b[0m\n"), stream("warned", "stderr"))
    )
    assert (
        "100%\nred\n" in text
        and "10%\r" not in text
        and "\x1b" not in text
        and "warned" not in text
    )


def test_tables_come_as_plain_text():
    text = made(code("df", shown(text_html="<table></table>", text_plain="   a\n0  1")))
    assert "   a\n0  1" in text and "<table>" not in text


def test_markdown_output_comes_as_it_is():
    assert "| a |" in made(
        code("show()", shown(text_markdown="| a |\n|---|\n| 1 |", text_plain="<Markdown>"))
    )


def test_pictures_are_files_with_alt_text():
    raw = base64.b64encode(b"png bytes").decode()
    text, images = readme.convert(
        {"cells": [code('#| fig-alt: "UMAP of Cells"\nplot()', shown(image_png=raw))]}
    )
    assert (
        images == {"readme-1.png": b"png bytes"}
        and "![UMAP of Cells](nbs/images/readme-1.png)" in text
    )


def test_a_stored_error_stops_it():
    with pytest.raises(SystemExit, match="cell 0.*boom"):
        made(code("f()", {"output_type": "error", "ename": "E", "evalue": "boom", "traceback": []}))


def test_differences_are_named(tmp_path):
    (tmp_path / "nbs").mkdir()
    assert "nbs/index.ipynb is missing" in readme.differences(tmp_path)[0]
    (tmp_path / "nbs" / "index.ipynb").write_text(
        '{"cells": [{"cell_type": "markdown", "source": "# A"}]}'
    )
    assert readme.differences(tmp_path) == ["README.md differs from nbs/index.ipynb"]
    readme.write(tmp_path)
    assert readme.differences(tmp_path) == []
