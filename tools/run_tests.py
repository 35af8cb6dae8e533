"""Everything `make test` does, each step with its seconds; make would stop at the first that fails.

pytest comes last, so that its closing line is the last one.
"""

import os
import subprocess
import sys
import time
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
    ("notebooks run from top to bottom", [PY, "tools/test_notebooks.py"]),
    ("tutorials run, lessons with their solutions", [PY, "tools/tutorials.py", "--solved"]),
]
PYTEST = [PY, "-m", "pytest", "tests", "-n", "2", "-q", "-rs", "--durations=5"]


def step(name: str, command: list[str], env: dict) -> bool:
    "Run one step and say how long it took."
    print(f"== {name}", flush=True)
    started = time.perf_counter()
    ok = subprocess.run(command, cwd=ROOT, env=env).returncode == 0
    print(
        f"== {name}: {'ok' if ok else 'FAILED'} in {time.perf_counter() - started:.1f} s\n",
        flush=True,
    )
    return ok


def main() -> int:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    if data := env.get("SCSMD_DATA_DIR"):
        env["SCSMD_DATA_DIR"] = str(Path(data).resolve())
    failed = [name for name, command in STEPS if not step(name, command, env)]
    if failed:
        print(f"failed before the tests: {'; '.join(failed)}", flush=True)
    print("== tests", flush=True)
    code = subprocess.run(PYTEST, cwd=ROOT, env=env).returncode
    if failed:
        print(f"make test FAILED: {'; '.join(failed)}", flush=True)
    return code or bool(failed)


if __name__ == "__main__":
    sys.exit(main())
