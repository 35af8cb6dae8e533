"""scVI and Seurat: clear words where they are missing; the whole road where they are there, or played by a stand-in."""

import importlib.util
import os
import stat
import sys

import numpy as np
import pytest
import torch

import scsmd_nb as smd
from scsmd_nb.bench import methods
from scsmd_nb.bench.methods import optional as O
from scsmd_nb.tl.metrics import ari

NAMES = ("scvi-kmeans", "scvi-leiden", "seurat")

STAND_IN = f"""#!{sys.executable}
# answers as Rscript with Seurat would: checks the files it is given, writes labels and components
import sys
from pathlib import Path
arguments = sys.argv[1:]
assert arguments[0] == "--vanilla"
if arguments[1] == "-e":
    print("Loading something", "{{there}}", sep="\\n", end="")
    sys.exit()
script, folder, seed, k, resolution, n_genes = arguments[1:]
folder = Path(folder)
assert "FindClusters" in Path(script).read_text()
lines = [line for line in (folder / "counts.mtx").read_text().splitlines() if not line.startswith("%")]
genes, cells, entries = map(int, lines[0].split())
assert len(lines) == entries + 1
if seed == "13":
    sys.exit("Error in FindClusters: bad luck")
groups = int(k) or 2
(folder / "labels.txt").write_text("\\n".join(str(1 + i % groups) for i in range(cells)) + "\\n")
(folder / "pcs.txt").write_text("\\n".join(" ".join(["0.5"] * 30) for _ in range(cells)) + "\\n")
"""


@pytest.fixture(scope="module")
def adata():
    return smd.io.simulate(n_cells=120, n_genes=80, n_clusters=3, random_state=0)


@pytest.fixture()
def no_software(monkeypatch, tmp_path):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        O.importlib.util, "find_spec", lambda name, *a: None if name == "scvi" else found(name, *a)
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SCSMD_SCVI_PYTHON", raising=False)


def stand_in(monkeypatch, folder, there="TRUE"):
    program = folder / "Rscript"
    program.write_text(STAND_IN.replace("{there}", there))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    "name,words",
    [
        ("scvi-kmeans", "pip install scvi-tools"),
        ("scvi-leiden", "pip install scvi-tools"),
        ("seurat", "no Rscript was found .* apt install r-cran-seurat"),
    ],
)
def test_missing_software_is_said(adata, no_software, name, words):
    assert name in methods.names()
    with pytest.raises(ImportError, match=words):
        methods.get(name)(adata, 3)
    assert O.missing(name)


def test_a_wrong_interpreter_for_scvi_is_said(adata, monkeypatch, tmp_path):
    "A path that leads nowhere, and a file that cannot be run."
    (tmp_path / "python").write_text("no program")
    for wrong in (tmp_path / "none", tmp_path / "python"):
        monkeypatch.setenv("SCSMD_SCVI_PYTHON", str(wrong))
        with pytest.raises(ImportError, match="is no program that can be run. Let it name"):
            methods.get("scvi-kmeans")(adata, 3)
    monkeypatch.setenv("SCSMD_SCVI_PYTHON", sys.executable)
    assert O.missing("scvi-leiden") == ""


def test_r_without_seurat(adata, monkeypatch, tmp_path):
    stand_in(monkeypatch, tmp_path, there="FALSE")
    with pytest.raises(ImportError, match="R package Seurat, which this R does not have"):
        methods.get("seurat")(adata, 3)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a program for POSIX systems")
def test_seurat_road(adata, monkeypatch, tmp_path):
    "Counts go out, labels and components come back, and nothing is left behind."
    bin_, tmp = tmp_path / "bin", tmp_path / "with space; $(touch x)"
    bin_.mkdir(), tmp.mkdir()
    stand_in(monkeypatch, bin_)
    monkeypatch.setattr(O.tempfile, "tempdir", str(tmp))
    X = adata.X.copy()
    labels, z = methods.get("seurat")(adata, 3)
    assert (
        labels.shape == (120,)
        and set(labels) == {0, 1, 2}
        and z.shape == (120, 30)
        and z.dtype == np.float32
    )
    assert len(set(methods.get("seurat", resolution=0.8)(adata)[0])) == 2  # K is not used
    assert not list(tmp.iterdir()) and abs(adata.X - X).sum() == 0
    with pytest.raises(RuntimeError, match="R ended with status 1: .*bad luck"):
        methods.get("seurat")(adata, 3, 13)
    assert not list(tmp.iterdir())


def test_k_or_resolution(adata, monkeypatch, tmp_path):
    monkeypatch.setattr(O, "_need", lambda name: None)
    for name in ("seurat", "scvi-leiden"):
        with pytest.raises(ValueError, match="neither n_clusters nor a resolution"):
            methods.get(name)(adata, None)


@pytest.mark.parametrize("name", NAMES)
def test_real_program(name):
    if words := O.missing(name):
        pytest.skip(words)
    adata = smd.io.simulate(n_cells=300, n_genes=200, n_clusters=3, random_state=0)
    before = torch.random.get_rng_state(), dict(os.environ)
    (labels, z), (again, _) = (methods.get(name)(adata, 3, 1) for _ in range(2))
    assert (
        labels.shape == (300,)
        and z.dtype == np.float32
        and len(z) == 300
        and (labels == again).all()
    )
    assert ari(adata.obs["cell_type"].astype(str), labels) > 0.8
    assert torch.equal(before[0], torch.random.get_rng_state()) and before[1] == dict(os.environ)
