"""Everything `make test` does, each step with its seconds; make would stop at the first that fails.

Steps of one process run beside the notebooks, which leave a core idle at first. pytest comes last, so that its closing
line is the last one.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PY = sys.executable
STEPS = [
    ("environment", [PY, "-m", "pip", "check", "--disable-pip-version-check"]),
    ("lint", [PY, "-m", "ruff", "check", "."]),
    ("layout", [PY, "-m", "ruff", "format", "--check", "--quiet", "."]),
    ("modules and README in step with the notebooks", [PY, "tools/check_sync.py"]),
    ("notebooks clean", [PY, "tools/check_clean.py"]),
    ("pages, links and outputs", [PY, "tools/docs_check.py"]),
    ("pages can be processed for the site", [PY, "tools/docs_pages.py", "--check"]),
]
NOTEBOOKS = ("notebooks, tutorials and solved lessons run", [PY, "tools/test_notebooks.py"])
PYTEST = [PY, "-m", "pytest", "tests", "-n", "2", "-q", "-rs", "--durations=5"]


def step(name: str, command: list[str], env: dict, live: bool = False) -> bool:
    "Run one step and say how long it took; what it says at once, or together at its end."
    started, said = time.perf_counter(), "" if live else f"== {name}\n"
    if live:
        print(f"== {name}", flush=True)
    catch = {} if live else dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    done = subprocess.run(command, cwd=ROOT, env=env, **catch)
    ok = done.returncode == 0
    took = f"{'ok' if ok else 'FAILED'} in {time.perf_counter() - started:.1f} s"
    print(f"{said}{done.stdout or ''}== {name}: {took}\n", flush=True)
    return ok


def main() -> int:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    if data := env.get("SCSMD_DATA_DIR"):
        env["SCSMD_DATA_DIR"] = str(Path(data).resolve())
    with ThreadPoolExecutor(1) as pool:
        jobs = [pool.submit(step, *one, env) for one in STEPS]
        run = step(*NOTEBOOKS, env, live=True)
        fine = [*(job.result() for job in jobs), run]
    failed = [name for (name, _), ok in zip([*STEPS, NOTEBOOKS], fine) if not ok]
    if failed:
        print(f"failed before the tests: {'; '.join(failed)}", flush=True)
    print("== tests", flush=True)
    code = subprocess.run(PYTEST, cwd=ROOT, env=env).returncode
    if failed:
        print(f"make test FAILED: {'; '.join(failed)}", flush=True)
    return code or bool(failed)


if __name__ == "__main__":
    sys.exit(main())
