"""Process the notebooks into pages for Quarto: nbdev_docs would hide exported code, run cells again, and need Quarto.

1. Exported code stays on the page (a student reads it), a table of parameters after it; private helpers are folded.
2. The tables are read from the source (docs_tables.py), so no cell is run: nbdev would import torch to draw them.
3. A name in backticks leads to its own page first, else only if one thing bears it.
4. Links to a section are written as JupyterLab wants them (#Two-commands); the site's are in small letters.
5. Slides take their pictures from the stored outputs of the lessons.
6. Long lines of outputs are folded between words, and tables get columns in proportion to what stands in them.

usage: docs_pages.py          writes _proc/
       docs_pages.py --check  writes to a temporary folder and checks what is there; needs no Quarto
"""

import ast
import base64
import os
import re
import shutil
import sys
import tempfile
import textwrap
from itertools import zip_longest
from pathlib import Path
from urllib.parse import unquote

import nbdev.processors as processors
import nbdev.serve as serve
from addresses import is_install_cell
from docs_check import (
    COLUMNS,
    GLOSSARY,
    TABLE,
    TERM,
    anchors_of,
    for_the_web,
    is_words,
    links_in,
    load,
    markdown_parts,
    shown,
    split_row,
    term_anchor,
    text_of,
)
from docs_tables import DEFINITION, Library, table
from execnb.nbio import mk_cell
from nbdev.config import get_config

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = {"hide", "default_exp"}
EXPORTED = {"export", "exports"}
OWN_WAY = {
    "hide",
    "echo:",
    "code-fold:",
}  # directives of cells that say themselves how they are shown
LEFT_OUT = {"add_show_docs", "clean_show_doc", "mv_exports", "add_fold"}
RESULTS = ("reproduced", "comparison", "results/", "explanations/")  # pages read for their tables
FEW = 6  # lines of code that such a page shows unfolded; long cells that a table keeps
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)#\s]+\.ipynb)#([^\s]*?)\)(?=\s|$)")  # a section's picture
CELL = re.compile(r"<(t[dh])((?:\s[^>]*)?)>(.*?)</\1>", re.S)
LONG, SHORT = (
    60,
    16,
)  # characters of a cell of a table that need a wide column, and that fit on one line


class documented(processors.Processor):
    "A table of parameters after each exported function or class; private helpers folded."

    library = None

    def begin(self):
        nbs = get_config().nbs_path.resolve()
        self.page = Path(self.nb.path_).resolve().relative_to(nbs).as_posix()
        texts = [c.source for c in self.nb.cells if c.cell_type == "markdown"]
        self.taught = self.library.taught_in("\n".join(texts))
        self.here = {e.name: e for e in self.library.entries if e.page == self.page}
        self.nb.cells = [new for cell in self.nb.cells for new in self.cells_of(cell)]

    def cells_of(self, cell) -> list:
        "A cell as the page shows it, and the tables that follow it."
        if cell.cell_type == "markdown":
            cell.source = self.linked(outward(cell.source, self.page, self.library))
            if self.page == GLOSSARY:
                cell.source = with_anchors(cell.source)
        if cell.cell_type != "code" or cell.directives_.keys() & OWN_WAY:
            return [cell]
        if not cell.directives_.keys() & EXPORTED:
            if self.page.startswith(RESULTS) and cell.source.count("\n") > FEW:
                cell.source = "#| code-fold: true\n" + cell.source
            return [cell]
        defined = [n for n in ast.parse(cell.source).body if isinstance(n, DEFINITION)]
        public = [self.here[n.name] for n in defined if n.name in self.here]
        if defined and not public:
            cell.source = folded(defined[0]) + cell.source
        tables = [self.linked(self.library.documented(e, self.taught)) for e in public]
        return [cell, *(mk_cell(text, "markdown") for text in tables)]

    def linked(self, text: str) -> str:
        return self.library.linked(text, self.page)


def outward(text: str, page: str, library: Library) -> str:
    "Markdown whose links to files outside nbs/, which the site has not, lead to the repository."

    def moved(m):
        path = os.path.normpath(os.path.join("nbs", os.path.dirname(page), m[2]))
        out = not path.startswith(("nbs/", "..")) and (library.root / path).exists()
        return f"{m[1]}{library.source}/{path}" if out else m[0]

    return re.sub(r"(\]\()(\.\./[^)#\s]*)", moved, text)


def folded(node: ast.AST) -> str:
    "The `#|` lines that fold a cell, with the helper's name and what it says of itself."
    says = (ast.get_docstring(node) or "").split("\n")[0]
    summary = f"{node.name}: {says}".replace("\\", "\\\\").replace('"', '\\"')
    return f'#| code-fold: true\n#| code-summary: "{summary}"\n'


def rm_hidden(cell):
    "Remove hidden cells, the one that names the module and the one that installs in Colab; exported cells stay."
    hidden = cell.directives_ and cell.directives_.keys() & HIDDEN
    if hidden or cell.cell_type == "code" and is_install_cell(cell.source):
        del cell["source"]


def small_anchors(cell):
    "Links to sections as the site names them."
    if cell.cell_type == "markdown":
        cell.source = for_the_web(cell.source)


def laid_out(cell):
    "Tables in proportion, long lines of text outputs folded."
    if cell.cell_type == "markdown":
        cell.source = in_proportion(cell.source)
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "text" in output:
            output["text"] = folded_lines(text_of(output["text"]))
        for kind, change in (
            ("text/plain", folded_lines),
            ("text/markdown", lambda text: in_proportion(for_the_web(text))),
            ("text/html", with_widths),
        ):
            if kind in data:
                data[kind] = change(text_of(data[kind]))


def folded_lines(text: str) -> str:
    "Lines of words longer than a page is wide, folded and indented; those laid out in columns stay."
    out = []
    for line in text.split("\n"):
        if len(line) <= COLUMNS or not is_words(line):
            out.append(line)
            continue
        margin = re.match(r"\s*", line)[0]
        out += textwrap.wrap(
            line, COLUMNS, subsequent_indent=margin + "    ", break_on_hyphens=False,
            break_long_words=True, drop_whitespace=True, replace_whitespace=False,
        )  # fmt: skip
    return "\n".join(out)


def in_proportion(text: str) -> str:
    "Markdown whose tables have dashes in proportion to what stands in their columns: pandoc's widths."
    return TABLE.sub(lambda m: f"{m[1]}\n{dashes(m)}\n{m[3]}", text)


def dashes(m: re.Match) -> str:
    "The line of dashes of a table: a column is as wide as its longest word at least, and none is very wide."
    rows = [split_row(row) for row in f"{m[1]}\n{m[3]}".strip().split("\n")]
    marks = [mark.strip() for mark in m[2].strip().strip("|").split("|")]
    widths = []
    for j in range(len(marks)):
        cells = [shown(row[j]) for row in rows if j < len(row)]
        word = max((len(w) for cell in cells for w in cell.split()), default=0)
        longest = max(map(len, cells), default=0)
        widths.append(max(word, min(longest, LONG)) + 5)  # the padding of cells and of code
    lines = [
        (":" if mark.startswith(":") else "") + "-" * width + (":" if mark.endswith(":") else "")
        for mark, width in zip(marks, widths)
    ]
    return f"|{'|'.join(lines)}|"


def length(cell: str) -> int:
    "Characters that a reader sees of an HTML cell."
    return len(re.sub(r"<[^>]*>|&#?\w+;", "", cell).strip())


def with_notes(html: str) -> str:
    "An HTML table with many long cells, which are numbered and stand below it: no row is many lines high."
    notes = list(dict.fromkeys(m[3].strip() for m in CELL.finditer(html) if length(m[3]) > LONG))
    if sum(length(m[3]) > LONG for m in CELL.finditer(html)) <= FEW or html.count("<table") != 1:
        return html

    def numbered(m):
        text = m[3].strip()
        return m[0].replace(m[3], f"note {notes.index(text) + 1}") if text in notes else m[0]

    items = "".join(f"<li>{note}</li>" for note in notes)
    return CELL.sub(numbered, html).replace("</table>", f"</table>\n<ol>{items}</ol>")


def with_widths(html: str) -> str:
    "An HTML table whose cells say whether they need a wide column or must not be broken; small letters if it is wide."
    html = with_notes(html)

    def sized(m):
        n = length(m[3])
        kind = "cell-long" if n > LONG else "cell-short" if n <= SHORT else "cell-middle"
        return f"<{m[1]}{with_class(m[2], kind)}>{m[3]}</{m[1]}>"

    rows = [[length(m[3]) for m in CELL.finditer(row)] for row in html.split("<tr")]
    least = [  # characters of a column: 25em, 9em or the words as they are
        max(42 if n > LONG else min(n, SHORT) for n in column)
        for column in zip_longest(*rows, fillvalue=0)
    ]
    if sum(least) + 2 * len(least) > COLUMNS:
        html = re.sub(
            r"<table((?:\s[^>]*)?)>", lambda m: f"<table{with_class(m[1], 'wide')}>", html
        )
    return CELL.sub(sized, html)


def with_class(attributes: str, name: str) -> str:
    "The attributes of a tag with one class more."
    if 'class="' in attributes:
        return attributes.replace('class="', f'class="{name} ', 1)
    return f'{attributes} class="{name}"'


def with_anchors(text: str) -> str:
    "The glossary, whose terms can be linked to: **Dead cluster.** is #dead-cluster."
    return TERM.sub(lambda m: f"[]{{#{term_anchor(m[1])}}}", text)


class Pages(processors.FilterDefaults):
    "nbdev's processors, with those replaced that run cells, hide code or guess links."

    def base_procs(self):
        ours = {"exec_show_docs": documented, "rm_export": rm_hidden, "add_links": laid_out}
        theirs = [p for p in super().base_procs() if p.__name__ not in LEFT_OUT]
        return [small_anchors, *(ours.get(proc.__name__, proc) for proc in theirs)]


def section_picture(page: Path, anchor: str) -> bytes:
    "The first picture among the stored outputs of a section of a notebook, as PNG."
    inside = False
    for cell in load(page)["cells"]:
        text = text_of(cell["source"])
        if cell["cell_type"] == "markdown":
            heads = re.findall(r"^#+ (.*)$", text, re.M)
            inside = inside if not heads else heads[-1].strip().replace(" ", "-") == anchor
        for output in cell.get("outputs", []) if inside else ():
            if png := text_of(output.get("data", {}).get("image/png", "")):
                return base64.b64decode(png)
    raise ValueError(f"{page.name} has no picture in the section #{anchor}")


def with_pictures(text: str, slides: Path, into: Path) -> str:
    "Slides whose pictures are sections of a lesson: the picture is taken from there and put beside them."

    def taken(m):
        page, anchor = (slides.parent / m[2]).resolve(), unquote(m[3])
        name = f"{page.stem}-{re.sub(r'[^a-z0-9-]', '', anchor.lower())}.png"
        (into / name).write_bytes(section_picture(page, anchor))
        return f'![{m[1]}]({name}){{fig-alt="{m[1]}"}}'

    return PICTURE.sub(taken, text)


def process(into: Path) -> None:
    "Write the processed pages of this project, which is the working folder, to `into`/_proc."
    config = get_config()
    serve.FilterDefaults = Pages
    documented.library = Library(ROOT)
    if into != ROOT:
        for name in ("settings.ini", "_quarto.yml"):
            shutil.copy(ROOT / name, into)
        shutil.copytree(
            ROOT / "nbs",
            into / "nbs",
            symlinks=True,
            ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
        )
        os.chdir(into)
        get_config.cache_clear()
        config = get_config()
    serve.proc_nbs(config.nbs_path, n_workers=0, force=True)
    for slides in sorted(Path(config.nbs_path).rglob("*.qmd")):
        copy = Path("_proc") / slides.relative_to(Path(config.nbs_path))
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = slides.read_text(encoding="utf-8")
        copy.write_text(with_pictures(text, slides, copy.parent), encoding="utf-8")


def faults(pages: Path, library: Library) -> list[str]:
    "What is wrong with processed pages: heads, tables that lack, links that lead nowhere, lines too long."
    texts, anchors, found = {}, {}, []
    for path in sorted(pages.rglob("*.ipynb")):
        name, cells = path.relative_to(pages).as_posix(), load(path)["cells"]
        texts[name] = [text for _, text in markdown_parts(path)]
        anchors[path.resolve()] = anchors_of(path).keys()
        if cells[0]["cell_type"] != "raw" or not text_of(cells[0]["source"]).startswith("---\n"):
            found.append(f"{name}: no head with its title")
        found += [
            f"{name} cell {i}: a line of words is longer than {COLUMNS} characters"
            for i, cell in enumerate(cells)
            for output in cell.get("outputs", [])
            for line in text_of(output.get("text", "")).split("\n")
            if len(line) > COLUMNS and is_words(line)
        ]
    for e in library.entries:
        heads = (f"### {e.name}\n", table(library.parameters(e)).partition("\n")[0])
        if not any(all(head in text for head in heads) for text in texts.get(e.page, ())):
            found.append(f"{e.page or e.module}: {e.name} has no table of parameters")
    for name, parts in texts.items():
        for _, words, target in (link for text in parts for link in links_in(text)):
            file, _, mark = target.partition("#")
            goal = (pages / name).parent / file if file else pages / name
            if re.match(r"[a-z][a-z0-9+.-]*:|//", target, re.I):
                continue
            if not goal.exists():
                found.append(f"{name}: the site has no {target}")
            elif mark and mark.lower() not in anchors.get(goal.resolve(), (mark.lower(),)):
                found.append(f"{name}: `{words}` leads to #{mark}, which {goal.name} has not")
    return found


def main() -> int:
    os.chdir(ROOT)
    if "--check" not in sys.argv[1:]:
        process(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as tmp:
        try:
            process(Path(tmp))
            pages = Path(tmp) / "_proc"
            found, number = faults(pages, documented.library), len(list(pages.rglob("*.ipynb")))
        except Exception as error:  # whatever a notebook may raise, said in one line with its cause
            print(f"  pages cannot be processed: {error}\n  because: {error.__cause__!r}")
            return 1
        finally:
            os.chdir(ROOT)
    for line in found:
        print(f"  {line}")
    print(f"  {number} pages processed, {len(found) or 'no'} faults")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
