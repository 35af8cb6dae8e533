"""Write nbs/api/index.ipynb, the page that lists every public function and class in one line.

usage: docs_index.py [--check]   (--check writes nothing and fails if the page is out of step with the modules)
"""

import hashlib
import json
import os
import sys
from pathlib import Path

from docs_tables import Entry, Library, in_words, row_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = "api/index.ipynb"
FIRST = {  # each a section of its own: a search for the very title of a section finds it first
    "cluster": "Clusters the cells of an AnnData or of a file in one call, and fills its slots.",
    "SCSMD": "The same as an estimator of scikit-learn: fit, predict, transform, save, load.",
}
WINGS = {
    "io": "read, fetch, simulate",
    "pp": "prepare",
    "tl": "fit, choose K, name, judge",
    "pl": "draw",
    "nn": "the parts of the model",
    "bench": "compare methods",
    "cli": "the command",
    "course": "check exercises",
    "": "the ground under all of them",
}
HEAD = """# All functions

> Every public function and class in one line, `smd.cluster` and `smd.SCSMD` first."""
OPENING = (
    "After `import scsmd_nb as smd`, names that begin with `smd.` are called as they stand here; the others are "
    "imported from their module. A link leads to the page where a thing is written, with a table of what it takes. "
    "The checks of the exercises are on the pages of the [solutions](../course/solutions/01_counts_and_qc.ipynb)."
)


def linked(entry: Entry, names: dict) -> str:
    "Its name, which leads to the page where it is written."
    goal = os.path.relpath(entry.page, os.path.dirname(PAGE))
    return f"[`{names[id(entry)]}`]({goal}#{entry.name.lower()})"


def called(library: Library, entry: Entry) -> str:
    "smd.wing.name for what a wing hands on, else the name with its module."
    parts = entry.module.split(".")
    if entry.name in FIRST and entry.name in library.handed_on[""]:
        return f"smd.{entry.name}"
    for n in range(len(parts) - 1, 0, -1):
        wing = ".".join(parts[:n])
        if entry.name in library.handed_on.get(wing, ()):
            return f"smd.{wing}.{entry.name}"
    return f"{entry.module}.{entry.name}"


def place(library: Library, entry: Entry, name: str) -> tuple:
    "Where it stands in its section: what the face hands on in its order, then the rest by module."
    wing, _, last = name.removeprefix("smd.").rpartition(".")
    handed_on = library.handed_on.get(wing, []) if name.startswith("smd.") else []
    order = handed_on.index(last) if last in handed_on else -1 if name.startswith("smd.") else 999
    return (
        not name.startswith("smd."),
        wing if handed_on else "",
        order,
        entry.module,
        entry.node.lineno,
    )


def sections(library: Library) -> list[str]:
    "The markdown of the page, cell by cell."
    known = [e for e in library.entries if e.page and not e.page.startswith("course/")]
    names = {id(e): called(library, e) for e in known}
    first = [e for name in FIRST for e in known if names[id(e)] == f"smd.{name}"]
    parts = [
        HEAD,
        OPENING,
        *(f"## {e.name}\n\n{linked(e, names)}: {FIRST[e.name]}" for e in first),
    ]
    for wing, purpose in WINGS.items():
        here = [e for e in known if (e.module.split(".")[0] if "." in e.module else "") == wing]
        here.sort(key=lambda e: place(library, e, names[id(e)]))
        if here:
            title = f"smd.{wing}: {purpose}" if wing else purpose[0].upper() + purpose[1:]
            parts.append(table_of(title, here, names))
    return parts


def table_of(title: str, entries: list[Entry], names: dict) -> str:
    rows = [row_of(["name", "what it gives"]), "|---|---|"]
    rows += [row_of([linked(e, names), in_words(e.says)]) for e in entries]
    return "\n".join([f"## {title}", "", *rows])


def notebook(library: Library) -> str:
    "The text of the page."
    cells = [
        {
            "cell_type": "markdown",
            "id": hashlib.sha256(f"{i}".encode()).hexdigest()[:8],
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        for i, text in enumerate(sections(library))
    ]
    kernel = {"display_name": "python3", "language": "python", "name": "python3"}
    book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def differences(root: Path = ROOT, library: Library | None = None) -> list[str]:
    "What is out of step, one line; empty if the page lists what the modules define."
    path, fresh = root / "nbs" / PAGE, notebook(library or Library(root))
    if path.exists() and path.read_text(encoding="utf-8") == fresh:
        return []
    return [f"nbs/{PAGE} does not list what the modules define"]


def main() -> int:
    found = differences()
    if "--check" in sys.argv[1:]:
        for line in found:
            print(f"  {line}; run `make export`")
        return bool(found)
    if found:
        (ROOT / "nbs" / PAGE).write_text(notebook(Library(ROOT)), encoding="utf-8")
    print(f"nbs/{PAGE} written" if found else f"nbs/{PAGE} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
