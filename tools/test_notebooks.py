"""Run each notebook with nbdev_test in a process of its own; nbdev_test shares its workers and never stops one.

usage: test_notebooks.py [NOTEBOOK ...]   (all of nbs/ if none is named, but for those that tutorials.py runs)
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from check_clean import notebooks
from tutorials import tutorials

ROOT = Path(__file__).resolve().parent.parent
WORKERS = min(2, os.cpu_count() or 1)
LIMIT_S = 600


def run(path: Path) -> tuple[Path, bool, float, str]:
    "Run one notebook: its path, success, seconds, and what it printed if it failed."
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
        "TQDM_DISABLE": "1",
        "PYTHONWARNINGS": "ignore",
    }
    started = time.perf_counter()
    command = [
        str(Path(sys.executable).with_name("nbdev_test")),
        "--path",
        str(path),
        "--n_workers",
        "0",
    ]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=LIMIT_S
        )
        ok, text = done.returncode == 0 and "Success." in done.stdout, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        ok, text = False, f"stopped after {LIMIT_S} s"
    return path, ok, time.perf_counter() - started, "" if ok else text[-6000:]


def main(names: list[str]) -> int:
    paths = [Path(name).resolve() for name in names] or sorted(set(notebooks()) - set(tutorials()))
    if missing := [str(path) for path in paths if not path.exists()]:
        print(f"  no such notebook: {', '.join(missing)}")
        return 1
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
