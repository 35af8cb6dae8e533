"""Functions run in forks of a process that has torch and scanpy loaded, which takes seconds; others start anew.

Used by test_notebooks.py and tutorials.py, which run a hundred and thirty notebooks.
"""

import multiprocessing
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORKERS = min(2, os.cpu_count() or 1)
LIMIT_S = 600
FORKS = multiprocessing.get_context("forkserver")
LOADED = ["nbdev.test", "scanpy", "seaborn", "skimage.filters", "tutorials", "warm"]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
ENVIRONMENT = dict.fromkeys(THREADS, "1") | {
    "NUMBA_THREADING_LAYER": "workqueue",  # the one that bears a fork
    "SCSMD_FAST": "1",  # a page that takes long asks for it
    "TQDM_DISABLE": "1",
}


def start(jobs: int, **environment: str) -> None:
    "Set the environment of all forks, and what they find loaded if there are many of them."
    folders = [str(ROOT / "tools"), environment.pop("PYTHONPATH", ""), os.environ.get("PYTHONPATH")]
    os.environ.update(ENVIRONMENT | environment)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    if jobs > 4:
        FORKS.set_forkserver_preload(LOADED)


def _inside(function, args: tuple, log: str) -> None:
    "What a fork does: all that is printed, by other programs too, goes into `log`."
    with open(log, "w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    function(*args)


def run(function, *args) -> tuple[bool, str]:
    "Call it in a fork: whether that ended well, and all that it printed."
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        job = FORKS.Process(target=_inside, args=(function, args, str(log)))
        job.start()
        job.join(LIMIT_S)
        if job.is_alive():
            job.kill()
            job.join()
            return False, f"stopped after {LIMIT_S} s"
        text = log.read_text(errors="replace") if log.exists() else ""
    return job.exitcode == 0, text or f"ended with {job.exitcode}"
