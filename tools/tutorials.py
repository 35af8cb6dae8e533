"""Run tutorials, and lessons with their solutions filled in, without a network: nbdev_test and nbconvert cannot.

usage: tutorials.py [NOTEBOOK ...]  the fast setting (SCSMD_FAST=1), two at a time, on copies, without a network;
                                    each lesson twice: as it stands, and with its solutions, which must all be right
       tutorials.py --solved        the same, lessons with their solutions only
       tutorials.py --full          every notebook of the site with its full setting, two at a time and one thread each,
                                    outputs stored in place; FORCE=1 runs those too that have not changed
Both end with a list of what ran on what data.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import forks
import nbformat
from run_notebooks import main as run_notebooks

ROOT = forks.ROOT
EXERCISE = re.compile(r"^# exercise (\d\.\d+)\s*$", re.M)
NO_NETWORK = """
import socket
_connect = socket.socket.connect
def connect(self, address):
    near = str(address[0]).startswith(("127.", "::1", "localhost"))
    if self.family in (socket.AF_INET, socket.AF_INET6) and not near:
        raise OSError(f"tutorials run without a network; this one wanted {address[0]}")
    return _connect(self, address)
socket.socket.connect = connect
"""


def tutorials() -> list[Path]:
    "Tutorials, then lessons, in the reader's order."
    return [
        *sorted((ROOT / "nbs/tutorials").glob("[0-9]*.ipynb")),
        *sorted((ROOT / "nbs/course").glob("[0-9]*.ipynb")),
    ]


def exercises(nb) -> dict:
    "The exercise cells of a notebook: number -> cell."
    return {
        m[1]: cell
        for cell in nb.cells
        if cell.cell_type == "code" and (m := EXERCISE.search(cell.source))
    }


def solved(path: Path):
    "A lesson with its solutions filled in, and the numbers of its exercises."
    nb = nbformat.read(path, as_version=4)
    solutions = exercises(nbformat.read(path.parent / "solutions" / path.name, as_version=4))
    asked = exercises(nb)
    if missing := sorted(asked.keys() ^ solutions.keys()):
        raise ValueError(
            f"exercises that stand in the lesson or in the solutions only: {', '.join(missing)}"
        )
    for number, cell in asked.items():
        cell.source = solutions[number].source
    return nb, sorted(asked)


def printed(nb) -> str:
    "Everything a run printed."
    outputs = [o for cell in nb.cells if cell.cell_type == "code" for o in cell.get("outputs", [])]
    return "".join(o["text"] for o in outputs if o.get("output_type") == "stream")


def data_of(nb) -> list[str]:
    "The lines of `smd.io.banner`: what data a notebook ran on."
    return list(dict.fromkeys(re.findall(r"^Data: (.*)$", printed(nb), re.M)))


def execute(source: str, run: str, folder: Path) -> None:
    "Run a notebook as IPython would, in the folder, and write it with its outputs; the error on standard error."
    from execnb.nbio import read_nb, write_nb
    from execnb.shell import CaptureShell

    sys.path.insert(0, str(ROOT))
    os.chdir(folder)
    shell = CaptureShell(folder, mpl_format="png")
    nb = read_nb(source)
    for cell in nb.cells:
        if cell.cell_type == "code":
            shell.cell(cell)
            if shell.exc:
                sys.exit(shell.prettytb(fname=folder))
    write_nb(nb, run)


def run(job: tuple[Path, bool]) -> tuple[str, str, float, list[str]]:
    "Run one notebook: its name, what went wrong, seconds, its data."
    path, filled = job
    name, started = (
        path.relative_to(ROOT / "nbs").as_posix() + (" (solved)" if filled else ""),
        time.perf_counter(),
    )
    try:
        nb, numbers = solved(path) if filled else (nbformat.read(path, as_version=4), [])
    except (OSError, ValueError) as error:
        return name, str(error), 0.0, []
    with tempfile.TemporaryDirectory() as tmp:
        before, after = f"{tmp}/before.ipynb", f"{tmp}/after.ipynb"
        nbformat.write(nb, before)
        ok, text = forks.run(execute, before, after, path.parent)
        wrong = "" if ok else text[-3000:]
        nb = nbformat.read(after, as_version=4) if ok else nb
    if ok:
        text = printed(nb)
        not_right = [n for n in numbers if not re.search(rf"^✓ {re.escape(n)} ", text, re.M)]
        if not_right:
            wrong = f"the solutions of {', '.join(not_right)} are not accepted"
        elif not data_of(nb):
            wrong = "prints no line `Data: ...`; end the cell that loads cells with smd.io.banner(adata)"
    return name, wrong, time.perf_counter() - started, data_of(nb)


def report(done: list[tuple[str, str, float, list[str]]], started: float) -> int:
    "The list at the end."
    print(f"\nWhat ran on what data ({(time.perf_counter() - started) / 60:.1f} minutes)")
    for name, wrong, seconds, data in done:
        print(f"  {'FAILED' if wrong else 'ok    '} {seconds:6.1f} s  {name}")
        for line in data:
            print(f"                     {line}")
    failed = [name for name, wrong, _, _ in done if wrong]
    print(
        f"{len(done) - len(failed)} of {len(done)} ran"
        + (f"; failed: {', '.join(failed)}" if failed else "")
    )
    return bool(failed)


@contextlib.contextmanager
def no_network(jobs: int):
    "Forks that cannot reach the network."
    with tempfile.TemporaryDirectory() as guard:
        (Path(guard) / "sitecustomize.py").write_text(NO_NETWORK)
        forks.start(jobs, PYTHONPATH=guard)
        yield


def fast(paths: list[Path], only_solved: bool) -> int:
    "Run with the fast setting, two at a time, nothing stored."
    started, done, lesson = time.perf_counter(), [], (True,) if only_solved else (False, True)
    jobs = [
        (path, filled)
        for path in paths
        for filled in (lesson if path.parent.name == "course" else (False,))
    ]
    with no_network(len(jobs)), ThreadPoolExecutor(forks.WORKERS) as pool:
        for name, wrong, seconds, data in pool.map(run, jobs):
            print(
                f"  {'FAILED' if wrong else 'ok    '} {seconds:6.1f} s  {name}"
                + (f"\n{wrong}" if wrong else ""),
                flush=True,
            )
            done.append((name, wrong, seconds, data))
    return report(done, started)


def full() -> int:
    "Run every notebook with its full setting and store the outputs; those that show others' outputs last, then README."
    os.environ.pop("SCSMD_FAST", None)
    from check_clean import notebooks

    started, last = time.perf_counter(), [ROOT / "nbs/gallery.ipynb", ROOT / "nbs/index.ipynb"]
    paths = sorted(
        set(notebooks()) - set(last), key=lambda path: (path.parent.name != "tutorials", path)
    )  # the longest first
    os.environ.update(dict.fromkeys(forks.THREADS, "1"))
    failed = run_notebooks([str(p) for p in paths], jobs=min(2, os.cpu_count() or 1))
    for name in forks.THREADS:
        del os.environ[name]
    failed |= run_notebooks(
        [str(p) for p in last]
    )  # alone: what they time is timed on a machine at rest
    subprocess.run([sys.executable, "tools/readme.py"], cwd=ROOT, check=True)
    print(f"\nWhat stands on what data ({(time.perf_counter() - started) / 60:.1f} minutes)")
    for path in tutorials():
        print(f"  {path.relative_to(ROOT / 'nbs')}")
        for line in data_of(nbformat.read(path, as_version=4)):
            print(f"      {line}")
    return failed


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    names = [Path(a).resolve() for a in sys.argv[1:] if a and not a.startswith("--")]
    sys.exit(full() if "--full" in sys.argv else fast(names or tutorials(), "--solved" in sys.argv))
