"""Run each notebook with nbdev's test in a process of its own; nbdev_test shares its workers and never stops one.

usage: test_notebooks.py [NOTEBOOK ...]   (all of nbs/ if none is named; lessons with their solutions, see tutorials.py)
"""

import os
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import forks
import tutorials
from check_clean import notebooks

ROOT = forks.ROOT


def test(path: Path) -> None:
    "Run one notebook with nbdev's test; the exit status says how it went."
    os.chdir(ROOT)
    warnings.simplefilter("ignore")
    from nbdev.config import get_config
    from nbdev.test import test_nb

    ok, _ = test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    sys.exit(not ok)


def run(path: Path) -> tuple[Path, bool, float, str]:
    "Run one notebook: its path, success, seconds, and what it printed if it failed."
    started = time.perf_counter()
    if path in tutorials.tutorials():
        _, text, *_ = tutorials.run((path, path.parent.name == "course"))
        ok = not text
    else:
        ok, text = forks.run(test, path)
    return path, ok, time.perf_counter() - started, "" if ok else text[-6000:]


def main(names: list[str]) -> int:
    paths = [Path(name).resolve() for name in names] or notebooks()
    if missing := [str(path) for path in paths if not path.exists()]:
        print(f"  no such notebook: {', '.join(missing)}")
        return 1
    before, failed = set((ROOT / "nbs").rglob("*")), []
    longest = sorted(paths, key=lambda p: (p not in tutorials.tutorials(), -p.stat().st_size))
    with tutorials.no_network(len(paths)), ThreadPoolExecutor(forks.WORKERS) as pool:
        for job in as_completed([pool.submit(run, path) for path in longest]):
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
