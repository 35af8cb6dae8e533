"""Process the notebooks into pages for Quarto: nbdev_docs would hide exported code, run cells again, and need Quarto.

1. Exported code stays on the page (a student reads it), with nbdev's table of parameters after it.
2. nbdev executes the cells that hold an import, to be able to draw those tables. Here only the import lines of such a
   cell are executed, and the exported cells; so no page runs an experiment again, and a cell may mix imports and code.
3. Links to a section are written as JupyterLab wants them (#Two-commands); the site's are in small letters.

usage: docs_pages.py          writes _proc/
       docs_pages.py --check  writes to a temporary folder, to see that every page can be processed; needs no Quarto
"""

import ast
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nbdev.processors as processors
import nbdev.serve as serve
from docs_check import for_the_web
from nbdev.config import get_config

ROOT = Path(__file__).resolve().parent.parent
EXPORTED = {"export", "exports", "exporti", "exec_doc"}
HIDDEN = {"hide", "default_exp"}


class exec_for_tables(processors.exec_show_docs):
    "Execute imports, exported cells and show_doc calls, and keep the output of show_doc calls."

    def __call__(self, cell):
        source = cell.source or ""
        if (
            cell.cell_type == "code"
            and source
            and not cell.directives_.keys() & EXPORTED
            and not source.lstrip().startswith("show_doc")
            and not processors._is_showdoc(cell)
        ):
            tree = cell.parsed_()
            imports = [
                node for node in tree or [] if isinstance(node, (ast.Import, ast.ImportFrom))
            ]
            if imports and self.nb.has_docs_ and hasattr(self, "k"):
                self.k.run_cell("\n".join(map(ast.unparse, imports)))
                if self.k.exc:
                    raise RuntimeError(f"imports of a cell failed:\n{source}") from self.k.exc
            return
        super().__call__(cell)


def rm_hidden(cell):
    "Remove hidden cells and the cell that names the module; exported cells stay."
    if cell.directives_ and cell.directives_.keys() & HIDDEN:
        del cell["source"]


def small_anchors(cell):
    "Links to sections as the site names them."
    if cell.cell_type == "markdown":
        cell.source = for_the_web(cell.source)


class Pages(processors.FilterDefaults):
    "nbdev's processors with `exec_show_docs` and `rm_export` replaced."

    def base_procs(self):
        ours = {"exec_show_docs": exec_for_tables, "rm_export": rm_hidden}
        return [small_anchors, *(ours.get(proc.__name__, proc) for proc in super().base_procs())]


def process(into: Path) -> None:
    "Write the processed pages of this project, which is the working folder, to `into`/_proc."
    config = get_config()
    serve.FilterDefaults = Pages
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


def main() -> int:
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    if "--check" not in sys.argv[1:]:
        process(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as tmp:
        try:
            process(Path(tmp))
            pages = len(list((Path(tmp) / "_proc").rglob("*.ipynb")))
        except Exception as error:  # whatever a notebook may raise, said in one line with its cause
            print(f"  pages cannot be processed: {error}\n  because: {error.__cause__!r}")
            return 1
        finally:
            os.chdir(ROOT)
    print(f"  {pages} pages processed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
