"""Kills, full disks and two commands at once: what `scsmd fit` leaves behind. `make bench-faults` prints the counts.

The parent loads and compiles everything once; each command runs in a fork of it, so that a run takes seconds.
"""

import argparse
import errno
import os
import random
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MPLBACKEND", "agg")
os.environ.setdefault("NUMBA_THREADING_LAYER", "workqueue")  # may be forked

STEPS = ("replace", "unlink", "mkdir", "fsync", "rmdir")  # calls that change what is on the disk
SIGNALS = ("SIGKILL", "SIGKILL", "SIGKILL", "SIGTERM", "SIGHUP", "SIGINT")


def at_step(number: int, act) -> list[int]:
    "Count the calls that change the disk, and do `act` before the one of this number; the count grows in the list."
    count = [0]

    def wrap(call):
        def counted(*args, **kwargs):
            count[0] += 1
            if count[0] == number:
                act()
            return call(*args, **kwargs)

        return counted

    for name in STEPS:
        setattr(os, name, wrap(getattr(os, name)))
    return count


def refuse() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def command(words: list, log: Path, before=None, wait: bool = True):
    "Run the command in a fork; its exit code (negative: the signal that ended it), or its process id."
    process = os.fork()
    if process:
        return status(process) if wait else process
    code = 70
    try:
        for stream in (1, 2):
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
        if before is not None:
            before()
        from scsmd_nb.cli import app

        app([str(word) for word in words])
    except SystemExit as e:
        code = e.code or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def status(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


class Bench:
    "A small file of cells, the labels of a run that nobody disturbed, and what went wrong in the others."

    def __init__(self, folder: Path, figures: bool, seed: int):
        import scsmd_nb as smd

        self.folder, self.random, self.faults = folder, random.Random(seed), []
        cells = smd.io.simulate(100, 60, 3, fold_change=8, random_state=1)
        cells.write_h5ad(folder / "cells.h5ad")
        self.words = ["fit", folder / "cells.h5ad", "-k", 3, "--max-epochs", 10]
        self.words += ["--accelerator", "cpu"] + ["--no-figures"] * (not figures)
        self.names = {"cells.h5ad", "clusters.csv", "labels.csv", "manifest.json", "model"}
        self.names |= {"summary.txt"}
        self.names |= {"umap.png", "history.png"} if figures else set()
        self.warm()
        clock, log = time.monotonic(), folder / "reference.log"
        code = command([*self.words, "--out", folder / "reference"], log, self.count_steps)
        self.seconds, self.steps = time.monotonic() - clock, int((folder / "steps").read_text())
        self.expect(code == 0, f"the reference run ended with {code}", log)
        command([*self.words, "--seed", 1, "--out", folder / "other"], log)
        self.labels = {self.read(folder / "reference"): "new", self.read(folder / "other"): "old"}

    def warm(self):
        "Load and compile: one command in this process."
        from typer.testing import CliRunner

        from scsmd_nb.cli import app

        words = [*self.words, "--out", self.folder / "warm"]
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == 0, result.output

    def count_steps(self):
        count, leave = at_step(0, refuse), os._exit

        def leave_and_tell(code):
            (self.folder / "steps").write_text(str(count[0]))
            leave(code)

        os._exit = leave_and_tell

    def expect(self, true: bool, what: str, log: Path | None = None):
        if not true:
            last = log.read_text().strip().splitlines()[-3:] if log and log.exists() else []
            self.faults.append(" | ".join([what, *last]))

    def read(self, out: Path) -> str | None:
        path = out / "labels.csv"
        return path.read_text() if path.exists() else None

    def fresh(self, name: str, old: bool) -> tuple[Path, list, Path]:
        "Folder, words and log of a trial; with the results of another run in the folder if `old`."
        import shutil

        out = self.folder / name
        if old:
            shutil.copytree(self.folder / "other", out)
        return out, [*self.words, "--out", out] + ["--force"] * old, self.folder / f"{name}.log"

    def check_one_run(self, out: Path, old: bool, name: str):
        "What can be seen is of one run: the earlier one, or the new one, or less of it."
        from scsmd_nb._files import altered, file_hash, read_manifest

        if (found := read_manifest(out)) is not None:
            self.expect(not altered(out, found), f"{name}: files do not belong to the manifest")
        known = read_manifest(self.folder / "other")["files"] if old else {}
        seen = [p for n in self.names for p in [out / n, *(out / n).glob("*")] if p.is_file()]
        seen = [p for p in seen if p.name != "manifest.json"]
        runs = {known.get(p.relative_to(out).as_posix()) == file_hash(p) for p in seen}
        self.expect(len(runs) <= 1, f"{name}: a mixture of two runs")

    def check_end(self, code: int, out: Path, name: str, log: Path):
        "The command that came after has ended well: the labels of the reference, and nothing left over."
        self.expect(code == 0, f"{name}: the same command again ended with {code}", log)
        self.expect(self.labels.get(self.read(out)) == "new", f"{name}: other labels", log)
        there = {p.name for p in out.iterdir()} if out.exists() else set()
        self.expect(there == self.names, f"{name}: left over or missing {there ^ self.names}")
        self.check_one_run(out, False, name)

    def kill(self, i: int, n: int):
        "One kill: half of them spread over the time, half over the steps that change the disk."
        old, share = i % 3 == 2, (i + self.random.random()) / n
        out, words, log = self.fresh(f"kill{i}", old)
        number = getattr(signal, self.random.choice(SIGNALS))
        if i % 2:
            step = 1 + int(share * self.steps)
            command(words, log, lambda: at_step(step, lambda: os.kill(os.getpid(), number)))
            name = f"kill {i} ({signal.Signals(number).name}, step {step}, old={old})"
        else:
            process = command(words, log, wait=False)
            time.sleep(share * self.seconds)
            os.kill(process, number)
            status(process)
            name = f"kill {i} ({signal.Signals(number).name}, {share:.0%} of the time, old={old})"
        if out.exists():
            self.check_one_run(out, old, name)
        self.check_end(command(words, log), out, name, log)

    def full(self, i: int, n: int):
        "A disk that is full: at one step, or for every file above a size."
        out, words, log = self.fresh(f"full{i}", old=i % 3 == 2)
        if i % 2:
            what = 1 + int((i + self.random.random()) / n * self.steps)
            code = command(words, log, lambda: at_step(what, refuse))
        else:
            what = int(4000 * 40 ** ((i + self.random.random()) / n))
            limit = (what, what)
            code = command(words, log, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        name, text = f"full disk {i} ({what})", log.read_text()
        self.expect(code in (0, 1), f"{name}: ended with {code}", log)
        self.expect("should not happen" not in text and "Traceback" not in text, name, log)
        last = (text.strip().splitlines() or [""])[-1]
        self.expect(code == 0 or "cannot write" in last or "No space" in last, name, log)
        if out.exists():
            self.check_one_run(out, i % 3 == 2, name)
        self.check_end(command(words, log), out, name, log)

    def pair(self, i: int):
        "Two commands on one folder: one wins, the other says so at once."
        out = self.folder / f"pair{i}"
        logs = [self.folder / f"pair{i}.{k}.log" for k in (0, 1)]
        words = [[*self.words, "--seed", k, "--out", out] for k in (0, 1)]
        both = [command(w, log, wait=False) for w, log in zip(words, logs)]
        codes, name = [status(process) for process in both], f"pair {i}"
        self.expect(sorted(codes) == [0, 1], f"{name}: both ended with {codes}", logs[0])
        if sorted(codes) == [0, 1]:
            loser, run = codes.index(1), {0: "new", 1: "old"}[codes.index(0)]
            self.expect("in use by" in logs[loser].read_text(), name, logs[loser])
            self.expect(self.labels.get(self.read(out)) == run, f"{name}: not the winner's labels")
            self.check_one_run(out, False, name)


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--full", type=int, default=20, help="full disks")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-figures", action="store_true")
    asked = parser.parse_args(argv)
    clock = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="scsmd-faults-") as folder:
        bench = Bench(Path(folder), not asked.no_figures, asked.seed)
        print(
            f"one run: {bench.seconds:.1f} s, {bench.steps} steps that change the disk", flush=True
        )
        counts = {"kills": asked.kills, "full disks": asked.full, "pairs": asked.pairs}
        for what, trial in (
            ("kills", bench.kill),
            ("full disks", bench.full),
            ("pairs", bench.pair),
        ):
            before = len(bench.faults)
            for i in range(counts[what]):
                trial(i) if what == "pairs" else trial(i, counts[what])
            found = bench.faults[before:]
            print(f"{counts[what]} {what}: {len(found)} faults", flush=True)
            for fault in found:
                print("  " + fault)
    print(f"{len(bench.faults)} faults in {time.monotonic() - clock:.0f} s")
    return bool(bench.faults)


if __name__ == "__main__":
    sys.exit(main())
