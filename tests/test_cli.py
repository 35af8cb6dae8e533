"""The `scsmd` command as a user meets it: installed, in a process of its own; and its commands on small files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import scsmd_nb as smd
from scsmd_nb.cli import app, options

PROGRAM = Path(sys.executable).with_name("scsmd")
QUICK = ["--max-epochs", "2", "--accelerator", "cpu", "--no-figures"]


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> Path:
    "A file with 160 simulated cells of two types, counts in X and in a layer."
    a = smd.io.simulate(n_cells=160, n_genes=300, n_clusters=2, fold_change=8, random_state=0)
    a.layers["umi"] = a.X.copy()
    path = tmp_path_factory.mktemp("cells") / "cells.h5ad"
    a.write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def fitted(cells, tmp_path_factory) -> Path:
    "The folder of a quick fit."
    out = tmp_path_factory.mktemp("fitted") / "results"
    result = run("fit", cells, "-k", 2, "--out", out, "--reference", "cell_type", *QUICK)
    assert result.exit_code == 0, result.output
    return out


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def error(*words) -> str:
    "The one line that the command prints when it fails with exit code 1."
    result = run(*words)
    assert result.exit_code == 1, result.output
    line = result.output.strip().splitlines()[-1]
    assert line.startswith("error: ") and "Traceback" not in result.output, result.output
    return line


# ---------------------------------------------------------------- the program


def test_nothing_heavy_is_loaded_for_help():
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom scsmd_nb.cli import app\n"
        "asked = ['--version'] + [f'{c} --help' for c in ('', 'fit', 'demo', 'predict', 'data get', 'bench')]\n"
        "for words in asked:\n"
        "    assert CliRunner().invoke(app, words.split()).exit_code == 0, words\n"
        "heavy = 'torch scanpy anndata numpy scipy pandas sklearn matplotlib numba rich'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_installed_program_and_version():
    from scsmd_nb import __version__

    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == f"scsmd_nb {__version__}"
    assert (
        "fit"
        in subprocess.run([PROGRAM], capture_output=True, text=True).stdout
        + done.stdout
        + run().output
    )


def test_wrong_usage_ends_with_2_and_no_traceback(cells, tmp_path):
    for words in (
        ["fit", cells, "--n-clusters", "2.5", "--out", tmp_path],
        ["fit", cells],
        ["fitt"],
        ["demo", "--seed", "-1"],
    ):
        result = run(*words)
        assert result.exit_code == 2 and "Traceback" not in result.output


# ---------------------------------------------------------------- fit


def test_fit_writes_what_it_says(cells, fitted):
    assert sorted(p.name for p in fitted.iterdir()) == [
        "cells.h5ad",
        "clusters.csv",
        "labels.csv",
        "manifest.json",
        "model",
        "summary.txt",
    ]
    a, table = (
        ad.read_h5ad(fitted / "cells.h5ad"),
        pd.read_csv(fitted / "labels.csv", dtype={"cluster": str}),
    )
    assert list(table.columns) == ["cell", "cluster", "confidence"]
    assert list(table["cell"]) == list(a.obs_names) and list(table["cluster"]) == list(
        a.obs["scsmd"]
    )
    assert np.allclose(table["confidence"], a.obs["scsmd_confidence"], atol=1e-4)
    assert (a.X != ad.read_h5ad(cells).X).nnz == 0
    assert (
        "ARI" in (fitted / "summary.txt").read_text()
        and "preset default, seed 0" in (fitted / "summary.txt").read_text()
    )


def test_fit_says_that_no_cells_are_filtered_and_where_results_are(cells, tmp_path):
    result = run(
        "fit",
        cells,
        "-k",
        2,
        "--out",
        tmp_path / "new" / "deep",
        "--layer",
        "umi",
        "--key",
        "mine",
        *QUICK,
    )
    assert result.exit_code == 0
    assert (
        "no cells are filtered" in result.output
        and f"Written to {tmp_path / 'new' / 'deep'}/" in result.output
    )
    assert (
        "mine" in ad.read_h5ad(tmp_path / "new/deep/cells.h5ad").obs and "ARI" not in result.output
    )


def test_figures_are_drawn_and_old_ones_removed(cells, tmp_path, monkeypatch):
    flat = lambda adata, key, *a, **k: adata.obsm[f"X_{key}"][:, :2]  # UMAP takes long to compile
    monkeypatch.setattr("scsmd_nb.pl.clusters.embed_cells", flat)
    words = ["fit", cells, "-k", 2, "--out", tmp_path, "--max-epochs", 2, "--accelerator", "cpu"]
    assert run(*words, "--reference", "cell_type").exit_code == 0
    assert {p.name for p in tmp_path.glob("*.png")} == {"umap.png", "history.png", "confusion.png"}
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in tmp_path.glob("*.png"))
    assert ad.read_h5ad(tmp_path / "cells.h5ad").obsm["X_umap"].shape == (160, 2)
    assert run(*words, "--force", "--no-figures").exit_code == 0
    assert not list(tmp_path.glob("*.png"))


def test_quality_control_with_thresholds(cells, tmp_path):
    result = run(
        "fit",
        cells,
        "-k",
        2,
        "--out",
        tmp_path,
        "--qc",
        "-o",
        "min_genes=180",
        "-o",
        "max_mito=none",
        *QUICK,
    )
    assert result.exit_code == 0 and "min_genes" in result.output
    left = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert 0 < left.n_obs < 160 and left.obs["qc_n_genes"].min() >= 180
    assert "Add --qc" in error(
        "fit", cells, "-k", 2, "--out", tmp_path / "other", "-o", "min_genes=180"
    )


@pytest.mark.parametrize(
    "words, says",
    [
        (["--layer", "uni"], "Did you mean 'umi'"),
        (["--preset", "defalt"], "Did you mean 'default'"),
        (["--reference", "celltype"], "Did you mean 'cell_type'"),
        (["-o", "n_top_gene=5"], "Did you mean 'n_top_genes'"),
        (["-o", "layer=umi"], "use --layer"),
        (["-o", "alpha"], "name=value"),
        (["--key", "a/b"], "--key 'a/b'"),
        (["--key", "cell_type", "--reference", "cell_type"], "would be overwritten"),
        (["--accelerator", "abacus"], "abacus"),
        (["-k", "1"], "at least 2"),
        (["-k", "161"], "only 160 cells"),
        (["--layer", "raw"], "has no .raw"),
        (["--qc", "-o", "check_counts=false"], "Leave one of them out"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(cells, tmp_path, words, says):
    clusters = [] if "-k" in words else ["-k", "2"]
    assert says in error("fit", cells, "--out", tmp_path / "new", *QUICK, *clusters, *words)
    assert list(tmp_path.iterdir()) == []


def test_counts_in_raw_are_reached_from_the_command(cells, tmp_path):
    a = ad.read_h5ad(cells)
    a.raw = a.copy()
    a.X = np.log1p(a.X)
    del a.layers["umi"]
    a.write_h5ad(tmp_path / "normal.h5ad")
    words = ["fit", tmp_path / "normal.h5ad", "-k", 2, "--out", tmp_path / "out", *QUICK]
    line = error(*words)
    assert "adata.raw does hold counts: add --layer raw" in line
    assert "to_adata" not in line and "layer='" not in line
    assert run(*words, "--layer", "raw").exit_code == 0
    words = ["predict", tmp_path / "out/model", tmp_path / "normal.h5ad", "--layer", "raw"]
    assert run(*words, "--out", tmp_path / "new.csv").exit_code == 0
    new, old = (pd.read_csv(tmp_path / name) for name in ("new.csv", "out/labels.csv"))
    pd.testing.assert_frame_equal(new[["cell", "cluster"]], old[["cell", "cluster"]])


def test_messages_name_options_of_the_command(cells, tmp_path):
    words = ["fit", cells, "-k", 2, "--out", tmp_path / "out", "--qc", "-o", "min_genes=none"]
    said = " ".join(run(*words, *QUICK).output.split())
    assert "no mitochondrial gene" in said and "-o max_mito=none says so" in said
    assert "mito=[...]" not in said and '-o "mito=' in said
    done = run(*words, "-o", "mito=['gene_1']", *QUICK, "--force")
    assert "no mitochondrial gene" not in done.output or "gene_1" in done.output


def test_samples_are_counted_in_each_cluster(cells, tmp_path):
    a = ad.read_h5ad(cells)
    a.obs["sample"] = pd.Categorical(["left", "right"] * 80)
    a.obs["empty"] = np.nan
    a.write_h5ad(tmp_path / "two.h5ad")
    words = ["fit", tmp_path / "two.h5ad", "-k", 2, "--out", tmp_path / "out", *QUICK]
    line = error(*words, "--reference", "empty")
    assert "none of the 160 cells has a value" in line and not (tmp_path / "out").exists()
    result = run(*words)
    table = result.output.partition("Cells of each sample:\n")[2].splitlines()
    assert table[0].split() == ["cluster", "left", "right"]
    assert sum(int(n) for row in table[1:3] for n in row.split()[1:]) in (160, 80)


LOADED = """
import json, sys
from pathlib import Path
from bench_faults import command, status
import scanpy, scsmd_nb.tl.model
for line in sys.stdin:
    words, log = json.loads(line)
    print(process := command(words, Path(log), wait=False), flush=True)
    print(status(process), flush=True)
"""


@pytest.fixture(scope="module")
def loaded():
    "A process that has loaded all that a fit needs, and runs each command in a fork of itself."
    tools = Path(__file__).parent.parent / "tools"
    paths = [str(tools), str(tools.parent), os.environ.get("PYTHONPATH")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with subprocess.Popen([sys.executable, "-c", LOADED], env=env, **pipes) as process:
        yield process


def command(loaded, words, log, number=None, sight=None) -> tuple[int, str]:
    "Exit code and words of a command; the signal of this number is sent when the file is seen."
    loaded.stdin.write(json.dumps([[str(word) for word in words], str(log)]) + "\n")
    loaded.stdin.flush()
    process, limit = int(loaded.stdout.readline()), time.monotonic() + 120
    if number:
        while not sight.exists() and time.monotonic() < limit:
            time.sleep(0.02)
        os.kill(process, number)
    return int(loaded.stdout.readline()), log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_system_may_end_it_too(loaded, cells, tmp_path, number):
    words = ["fit", cells, "-k", 2, "--out", tmp_path / "out", *QUICK]
    words += ["-o", "pretrain_epochs=60", "-o", "min_steps=0"]
    lock = tmp_path / "out/.scsmd.lock"
    code, text = command(loaded, words, tmp_path / "log", number, lock)
    assert code == 128 + number and "stopped" in text and "Traceback" not in text
    left = [p.name for p in (tmp_path / "out").glob("*")] if (tmp_path / "out").exists() else []
    assert set(left) <= {"checkpoint.safetensors"}


def test_a_wrong_file_is_one_line(tmp_path):
    (tmp_path / "broken.h5ad").write_bytes(b"\x89HDF\r\n\x1a\n" + b"0" * 100)
    assert "truncated, damaged" in error(
        "fit", tmp_path / "broken.h5ad", "-k", 2, "--out", tmp_path / "new"
    )
    assert "Did you mean broken.h5ad" in error(
        "fit", tmp_path / "broke.h5ad", "-k", 2, "--out", tmp_path / "new"
    )


def test_results_and_input_are_safe(cells, fitted):
    before = (fitted / "labels.csv").read_bytes()
    assert "add --force" in error("fit", cells, "-k", 3, "--out", fitted)
    assert (fitted / "labels.csv").read_bytes() == before
    assert "is the input" in error("fit", cells, "-k", 2, "--out", cells.parent, "--force")


def test_a_folder_that_cannot_be_written_is_noticed_first(cells, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    assert "is a file, not a folder" in error("fit", cells, "-k", 2, "--out", tmp_path / "file")
    assert "loading" not in run("fit", cells, "-k", 2, "--out", tmp_path / "file" / "deep").output
    with monkeypatch.context() as m:
        m.setattr(options.shutil, "disk_usage", lambda place: type("Usage", (), {"free": 1e6})())
        assert "1 MB are free" in error("fit", cells, "-k", 2, "--out", tmp_path / "new")
    with monkeypatch.context() as m:

        def refuse(dir):
            raise PermissionError(13, "Permission denied")

        m.setattr(options.tempfile, "TemporaryFile", refuse)
        assert "Permission denied" in error("fit", cells, "-k", 2, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_full_disk_while_writing_is_one_line_and_keeps_the_checkpoint(
    cells, tmp_path, monkeypatch
):
    import errno

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    words = ["fit", cells, "-k", 2, "--out", tmp_path, *QUICK]
    with monkeypatch.context() as m:
        m.setattr(ad.AnnData, "write_h5ad", full)
        assert "no space left" in error(*words).lower()
    assert (tmp_path / "checkpoint.safetensors").exists() and not (tmp_path / "cells.h5ad").exists()
    assert run(*words).exit_code == 0
    assert not (tmp_path / "checkpoint.safetensors").exists() and (tmp_path / "cells.h5ad").exists()


def test_ctrl_c_keeps_a_checkpoint_and_the_same_command_goes_on(loaded, cells, tmp_path):
    def words(out):
        fit = ["fit", cells, "-k", 2, "--out", out, "--accelerator", "cpu", "--no-figures"]
        return [*fit, "-o", "pretrain_epochs=25", "-o", "min_steps=0"]

    out, checkpoint = tmp_path / "out", tmp_path / "out/checkpoint.safetensors"
    code, text = command(loaded, words(out), tmp_path / "1.log", signal.SIGINT, checkpoint)
    assert code == 130 and "The same command again goes on" in text and "Traceback" not in text
    assert [p.name for p in out.iterdir()] == ["checkpoint.safetensors"]
    code, text = command(loaded, words(out), tmp_path / "2.log")
    assert code == 0 and "going on from" in text and not checkpoint.exists()
    assert command(loaded, words(tmp_path / "whole"), tmp_path / "3.log")[0] == 0
    assert (out / "labels.csv").read_text() == (tmp_path / "whole/labels.csv").read_text()


# ---------------------------------------------------------------- predict


def test_predict_gives_the_labels_of_the_fit(cells, fitted, tmp_path):
    result = run(
        "predict",
        fitted / "model",
        cells,
        "--out",
        tmp_path / "new.csv",
        "--layer",
        "umi",
        "--accelerator",
        "cpu",
    )
    assert result.exit_code == 0 and "300 of the model's 300 genes found (100.0%)" in result.output
    new, old = (pd.read_csv(p) for p in (tmp_path / "new.csv", fitted / "labels.csv"))
    pd.testing.assert_frame_equal(new[["cell", "cluster"]], old[["cell", "cluster"]])
    assert "results exist already" in error(
        "predict", fitted / "model", cells, "--out", tmp_path / "new.csv"
    )


def test_predict_puts_its_table_beside_the_file_and_names_it_after_it(
    cells, fitted, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    new = tmp_path / "there" / "new.h5ad"
    new.write_bytes(cells.read_bytes())
    assert run("predict", fitted / "model", new, "--accelerator", "cpu").exit_code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
    table = pd.read_csv(tmp_path / "there" / "new.labels.csv")
    assert list(table.columns) == ["cell", "cluster", "probability"]


def test_predict_refuses_what_is_not_a_model(cells, fitted, tmp_path):
    assert "model.json" in error("predict", fitted, cells, "--out", tmp_path / "new.csv")
    assert "is a folder" in error("predict", fitted / "model", cells, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- demo


def test_the_demo_names_only_what_is_installed():
    from configparser import ConfigParser

    from scsmd_nb.cli.main import SITE, _closing

    settings = ConfigParser()
    settings.read(Path(__file__).parent.parent / "settings.ini")
    site = settings["DEFAULT"]["doc_host"] + settings["DEFAULT"]["doc_baseurl"]
    assert SITE == site and SITE in _closing() and "make lab" not in _closing()


def test_demo_does_not_replace_other_results(fitted):
    assert "add --force" in error("demo", "--out", fitted)


# ---------------------------------------------------------------- data


@pytest.fixture
def registry(cells, tmp_path, monkeypatch):
    "A cache of its own, and a data set 'ours' whose only file has to be put there by hand."
    from dataclasses import replace

    import scsmd_nb as smd

    monkeypatch.setenv("SCSMD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SCSMD_DATA_DIR", raising=False)
    entry = replace(
        smd.io.DATASETS["zeisel"],
        name="ours",
        files=(smd.io.File("", "ours.h5ad"),),
        parser=lambda folder: ad.read_h5ad(folder / "ours.h5ad"),
    )
    monkeypatch.setitem(smd.io.DATASETS, "ours", entry)
    return tmp_path / "cache"


def test_data_list_and_info(registry):
    import scsmd_nb as smd

    listed = run("data", "list").output
    for name in smd.io.DATASETS:
        assert f"\n{name} " in listed
    assert (
        listed.splitlines()[0].split() == ["name", "cells", "types", "here", "title"]
        and "by hand" in listed
    )
    text = run("data", "info", "osteosarcoma").output
    assert "GSE152048" in text and "COL1A1, CDH11, RUNX2" in text and "unverified" in text
    assert "Did you mean 'zeisel'" in error("data", "info", "zeisl")


def test_data_get_fetches_once_copies_and_replaces_nothing(registry, cells, tmp_path):
    assert "ours.h5ad" in error("data", "get", "ours") and not (registry / "ours.h5ad").exists()
    (registry / "raw/ours/ours.h5ad").write_bytes(cells.read_bytes())
    result = run("data", "get", "ours", "--out", tmp_path / "deep/copy.h5ad")
    assert (
        result.exit_code == 0
        and "160 cells x 300 genes" in result.output
        and "fit" in result.output
    )
    assert (ad.read_h5ad(tmp_path / "deep/copy.h5ad").X != ad.read_h5ad(cells).X).nnz == 0
    assert "add --force" in error("data", "get", "ours", "--out", tmp_path / "deep/copy.h5ad")
    assert "is a folder" in error("data", "get", "ours", "--out", tmp_path)
    assert (
        run("data", "get", "ours", "--out", tmp_path / "deep/copy.h5ad", "--force").exit_code == 0
    )
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["copy.h5ad"]
    assert "Did you mean 'ours'" in error("data", "get", "our")


# ---------------------------------------------------------------- bench


@pytest.mark.parametrize(
    "words, says",
    [
        (["--suite", "quik"], "Did you mean 'quick'"),
        ([], "give --suite"),
        (["--methods", "kmeans"], "give --suite"),
        (["--methods", "kmeanz", "--datasets", "pbmc700"], "Did you mean 'kmeans'"),
        (["--methods", "kmeans", "--datasets", "pbmc70"], "Did you mean 'pbmc700'"),
        (["--suite", "quick", "--seeds", "one"], "--seeds 'one'"),
        (["--suite", "quick", "--budget", "laptops"], "Did you mean 'laptop'"),
    ],
)
def test_a_mistake_in_bench_is_one_line_and_leaves_nothing(tmp_path, words, says):
    assert says in error("bench", *words, "--out", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_bench_lists_and_runs(tmp_path):
    listed = run("bench", "--list").output
    for word in ("quick", "ablation", "scdeepcluster", "Seurat", "pbmc700", "+dropout=0.2"):
        assert word in listed
    assert "--out is missing" in error("bench", "--suite", "quick")
    words = [
        "bench",
        "--suite",
        "quick",
        "--methods",
        "kmeans",
        "--datasets",
        "simulated",
        "--seeds",
        "0,1",
        "--out",
        tmp_path / "out",
        "--jobs",
        2,
    ]
    result = run(*words)
    assert result.exit_code == 0 and f"Written to {tmp_path / 'out/results.csv'}" in result.output
    assert "±" in result.output and {"kmeans", "ARI", "seconds"} <= set(result.output.split())
    before = (tmp_path / "out/results.csv").read_bytes()
    assert run(*words).exit_code == 0 and (tmp_path / "out/results.csv").read_bytes() == before


def test_help_is_answered_at_once():
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run([PROGRAM, "--help"], capture_output=True, check=True)
        after = os.times()
        seconds.append(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
    assert min(seconds) < 0.5, (
        seconds
    )  # processor time: the wall clock depends on what else the machine does
