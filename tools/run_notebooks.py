"""Execute notebooks and store clean outputs: nbconvert leaves none alone that is unchanged, and does not clean.

usage: run_notebooks.py [NOTEBOOK ...]   (all of nbs/ if none is named; FORCE=1 runs unchanged ones too)
"""

import hashlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import nbformat
from check_clean import notebooks
from execnb.nbio import read_nb, write_nb
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbdev.clean import _nbdev_clean

ROOT = Path(__file__).resolve().parent.parent
STAMPS = (
    ROOT / ".venv" / ".scsmd-notebooks.json"
)  # what each notebook and the library were when it last ran here


def fingerprint(path: Path) -> str:
    "Hash of a notebook (outputs included), of the library and of the lock file."
    digest = hashlib.sha256(path.read_bytes())
    for part in [*sorted((ROOT / "scsmd_nb").rglob("*.py")), ROOT / "requirements.lock"]:
        digest.update(part.read_bytes())
    return digest.hexdigest()


def execute(path: Path) -> None:
    "Run a notebook in its own folder and write it back, outputs stored and metadata cleaned."
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    client = NotebookClient(
        nb, timeout=3600, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    part = path.with_suffix(".part")
    nbformat.write(nb, part)
    clean = read_nb(part)
    _nbdev_clean(clean)
    write_nb(clean, part)
    part.replace(path)


def main(names: list[str], jobs: int = 1) -> int:
    "Run the notebooks that have changed, `jobs` at a time; 1 if any failed."
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    stamps, lock = json.loads(STAMPS.read_text()) if STAMPS.exists() else {}, Lock()

    def run(path: Path) -> bool:
        name, started = path.relative_to(ROOT).as_posix(), time.perf_counter()
        if not os.environ.get("FORCE") and stamps.get(name) == fingerprint(path):
            print(f"  as it was  {name}")
            return True
        try:
            execute(path)
        except (CellExecutionError, CellTimeoutError) as error:
            print(f"  FAILED     {name} (left as it was)\n{str(error)[-3000:]}", flush=True)
            return False
        print(f"  ran {time.perf_counter() - started:5.1f} s  {name}", flush=True)
        with lock:
            stamps[name] = fingerprint(path)
            STAMPS.write_text(json.dumps(stamps, indent=1))
        return True

    with ThreadPoolExecutor(jobs) as pool:
        return int(
            not all(list(pool.map(run, [Path(name).resolve() for name in names] or notebooks())))
        )


if __name__ == "__main__":
    sys.exit(main([name for name in sys.argv[1:] if name]))
