"""Kills, full disks, two commands at once, foreign folders: what is left is whole, of one run, and says what to do."""

import errno
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import scsmd_nb as smd
from scsmd_nb import _files
from scsmd_nb.cli import app

ROOT = Path(__file__).resolve().parent.parent
QUICK = ["--max-epochs", "1", "--accelerator", "cpu", "--no-figures"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "cells.h5ad"
    smd.io.simulate(60, 40, 2, fold_change=8, random_state=0).write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def results(cells, tmp_path_factory) -> tuple[Path, Path]:
    "The folders of two runs."
    folder = tmp_path_factory.mktemp("results")
    for seed in (0, 1):
        done = run("fit", cells, "-k", 2, "--out", folder / str(seed), "--seed", seed, *QUICK)
        assert done.exit_code == 0, done.output
    return folder / "0", folder / "1"


# ---------------------------------------------------------------- whole files


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO]
)
@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_a_disk_that_refuses_is_told_in_words_whoever_wrote(tmp_path, number, kind):
    words = (number, os.strerror(number)) if kind is OSError else (f"I/O (os error {number})",)
    with pytest.raises(OSError, match="cannot write .*table.csv") as caught:
        with _files.atomic(tmp_path / "table.csv"):
            raise kind(*words)
    assert caught.value.errno == number and not list(tmp_path.iterdir())


def test_an_error_of_another_file_is_left_as_it_is(tmp_path):
    with pytest.raises(PermissionError, match="elsewhere"):
        with _files.atomic(tmp_path / "table.csv"):
            raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/source.csv")


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, r=real: (done.append(n), r(*a))[1])
    with _files.atomic(tmp_path / "table.csv") as part:
        part.write_text("cell")
    assert done == ["fsync", "replace", "fsync"]


def test_a_part_of_a_process_that_runs_is_left_alone(tmp_path):
    mine = _files._part(tmp_path / "x.csv", os.getppid())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = _files._part(tmp_path / "y.csv", gone.pid)
    for path in (mine, dead):
        path.write_text("half")
    with _files.atomic(tmp_path / "z.csv") as part:
        part.write_text("cell")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([mine.name, "z.csv"])


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", "", ".", "a\\b", "c:x"])
def test_a_manifest_that_leads_out_of_its_folder_removes_nothing(tmp_path, name):
    (tmp_path / "x").write_text("mine")
    folder = tmp_path / "results"
    stage = folder / _files.STAGE
    stage.mkdir(parents=True)
    (stage / "manifest.json").write_text(json.dumps({"files": {}, "replaces": [name]}))
    with pytest.raises(ValueError, match="not a file of its folder"):
        _files.publish(folder)
    assert (tmp_path / "x").exists()


# ---------------------------------------------------------------- runs that were disturbed


def test_a_few_kills_full_disks_and_a_pair():
    words = [sys.executable, "-P", ROOT / "tools/bench_faults.py", "--no-figures"]
    words += ["--kills", "2", "--full", "1", "--pairs", "1", "--seed", "7"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills: 0 faults" in done.stdout and "1 pairs: 0 faults" in done.stdout


def test_the_same_command_again_has_nothing_to_do(cells, results):
    before = (results[0] / "manifest.json").read_bytes()
    done = run("fit", cells, "-k", 2, "--out", results[0], "--seed", 0, *QUICK)
    assert done.exit_code == 0 and "holds these results already" in done.output
    assert "loading" not in done.output and (results[0] / "manifest.json").read_bytes() == before
    other = run("fit", cells, "-k", 2, "--out", results[0], "--seed", 2, *QUICK)
    assert other.exit_code == 1 and "add --force" in other.output


@pytest.mark.parametrize("swap", ["model", "labels.csv", "cells.h5ad"])
def test_predict_refuses_files_of_two_runs(cells, results, tmp_path, swap):
    import shutil

    out = shutil.copytree(results[0], tmp_path / "out")
    shutil.rmtree(out / swap) if swap == "model" else (out / swap).unlink()
    copy = shutil.copytree if swap == "model" else shutil.copy
    copy(results[1] / swap, out / swap)
    if swap == "labels.csv":  # runs as short as these may agree on every cell
        text = (out / swap).read_text()
        (out / swap).write_text(text[: text.rindex(",")] + ",0.1234\n")
    done = run("predict", out / "model", cells, "--out", tmp_path / "new.csv")
    assert done.exit_code == 1 and "not of one run" in done.output, done.output
    assert not (tmp_path / "new.csv").exists()
    alone = shutil.copytree(out / "model", tmp_path / "alone")
    assert run("predict", alone, cells, "--out", tmp_path / "new.csv").exit_code == 0


def test_results_that_were_sealed_are_completed_by_the_next_command(cells, results, tmp_path):
    import shutil

    out = tmp_path / "out"
    shutil.copytree(results[0], out / _files.STAGE)
    done = run("predict", out / "model", cells, "--out", tmp_path / "new.csv")
    assert done.exit_code == 1 and "The same command again completes them" in done.output
    done = run("fit", cells, "-k", 3, "--out", out, *QUICK)
    assert done.exit_code == 1 and "add --force" in done.output
    assert (out / "labels.csv").read_text() == (results[0] / "labels.csv").read_text()
    assert {p.name for p in out.iterdir()} == {p.name for p in results[0].iterdir()}


# ---------------------------------------------------------------- what is read but not written


def odd(kind: str) -> ad.AnnData:
    "Cells that anndata reads and does not write."
    a = smd.io.simulate(60, 40, 2, fold_change=8, random_state=0)
    index = pd.DataFrame({"_index": a.var_names}, index=a.var_names)
    if kind == "raw.var":
        a.raw = ad.AnnData(a.X, obs=a.obs[[]], var=index)
    elif kind in ("obs", "var"):
        getattr(a, kind)["_index"] = "x"
    elif kind == "obs names":
        a.obs_names = a.obs_names.astype("string")
    elif kind == "raw names":
        a.raw = ad.AnnData(a.X, obs=a.obs[[]], var=pd.DataFrame(index=a.var_names.astype("string")))
    elif kind == "uns":
        a.uns["words"] = {"deep": pd.array(["a", None], dtype="string")}
    elif kind == "obsm":
        a.obsm["table"] = pd.DataFrame({"_index": range(60)}, index=a.obs_names)
    return a


@pytest.mark.parametrize("kind", ["raw.var", "obs", "var", "obs names", "raw names", "uns", "obsm"])
def test_what_cannot_be_written_is_changed_before_training(kind, tmp_path):
    from scsmd_nb.cli.options import make_storable

    a = odd(kind)
    names = list(a.obs_names), list(a.var_names)
    said = make_storable(a)
    assert said and ("written" in said[0])
    a.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    assert (list(back.obs_names), list(back.var_names)) == names
    assert make_storable(a) == []
    assert make_storable(smd.io.simulate(60, 40, 2, random_state=0)) == []


# ---------------------------------------------------------------- a Python that is started


def test_several_devices_do_not_run_the_callers_script_again(tmp_path):
    (tmp_path / "script.py").write_text(
        textwrap.dedent("""
        print("begun")
        import scsmd_nb as smd
        a = smd.io.simulate(30, 20, 2, random_state=0)
        smd.cluster(a, 2, devices=2, accelerator="cpu", max_epochs=1, progress=False)
        """)
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, tmp_path / "script.py"]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.stdout.count("begun") == 1 and done.returncode == 1
    assert "torchrun --nproc_per_node=2" in done.stderr.splitlines()[-1]


def test_figures_of_three_cells_are_left_out_and_the_results_stay(tmp_path):
    from scsmd_nb.cli.results import write_figures

    drawn = {"umap.png": lambda: np.linalg.eigh(np.zeros((0, 1)))}
    write_figures(lambda text: None, tmp_path, drawn)
    assert not list(tmp_path.iterdir())
