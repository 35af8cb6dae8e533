"""Run each notebook with nbdev's test in a process of its own; nbdev_test shares its workers and never stops one.

Every process is a fork of one that has torch and scanpy loaded, which takes seconds, and there are a hundred notebooks.

usage: test_notebooks.py [NOTEBOOK ...]   (all of nbs/ if none is named, but for those that tutorials.py runs)
"""

import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKERS = min(2, os.cpu_count() or 1)
LIMIT_S = 600
FORKS = multiprocessing.get_context("forkserver")
LOADED = ["nbdev.test", "scanpy", "scsmd_nb.tl.model", "seaborn", "skimage.filters", "warm"]
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_THREADING_LAYER": "workqueue",  # the one that bears a fork
    "MPLBACKEND": "agg",
    "TQDM_DISABLE": "1",
    "PYTHONWARNINGS": "ignore",
    "SCSMD_FAST": "1",  # a page that takes long asks for it
}


def child(path: Path, log: str) -> None:
    "Run one notebook with nbdev's test, what it prints into `log`; the exit status says how it went."
    with open(log, "w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.chdir(ROOT)
    from nbdev.config import get_config
    from nbdev.test import test_nb

    ok, _ = test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    sys.exit(not ok)


def run(path: Path) -> tuple[Path, bool, float, str]:
    "Run one notebook: its path, success, seconds, and what it printed if it failed."
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        job = FORKS.Process(target=child, args=(path, str(log)))
        job.start()
        job.join(LIMIT_S)
        if job.is_alive():
            job.kill()
            job.join()
            return path, False, time.perf_counter() - started, f"stopped after {LIMIT_S} s"
        text = log.read_text(errors="replace") if log.exists() else f"ended with {job.exitcode}"
    ok = job.exitcode == 0
    return path, ok, time.perf_counter() - started, "" if ok else text[-6000:]


def main(names: list[str]) -> int:
    from check_clean import notebooks  # not above: each fork reads the head of this file again
    from tutorials import tutorials

    paths = [Path(name).resolve() for name in names] or sorted(set(notebooks()) - set(tutorials()))
    if missing := [str(path) for path in paths if not path.exists()]:
        print(f"  no such notebook: {', '.join(missing)}")
        return 1
    os.environ.update(ENVIRONMENT | {"PYTHONPATH": str(ROOT / "tools")})  # for the module warm
    FORKS.set_forkserver_preload(LOADED)
    before = set((ROOT / "nbs").rglob("*"))
    failed = []
    with ThreadPoolExecutor(WORKERS) as pool:
        jobs = [pool.submit(run, path) for path in sorted(paths, key=lambda p: -p.stat().st_size)]
        for job in as_completed(jobs):
            path, ok, seconds, text = job.result()
            name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            print(f"  {'ok    ' if ok else 'FAILED'} {seconds:6.1f} s  {name}", flush=True)
            if not ok:
                failed.append(name)
                print(text, flush=True)
    ignored = {"__pycache__", ".ipynb_checkpoints"}
    left = [
        p
        for p in sorted(set((ROOT / "nbs").rglob("*")) - before)
        if p.suffix != ".ipynb" and not ignored & set(p.parts)
    ]
    if left:
        print(
            "  note: new under nbs/ since the start: "
            + ", ".join(str(p.relative_to(ROOT)) for p in left[:8])
        )
    if failed:
        print("  failed: " + ", ".join(map(str, failed)))
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main([name for name in sys.argv[1:] if name]))
