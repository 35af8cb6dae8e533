"""A file that is handed on: what is in it, what it leaves alone, and that R reads it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scsmd_nb as smd

PAGE = Path(__file__).parent.parent / "nbs/api/io/10_exporting.ipynb"
R_PACKAGES = "q(status = !all(c('Seurat', 'hdf5r', 'Matrix') %in% rownames(installed.packages())))"


@pytest.fixture
def cells():
    adata = smd.io.simulate(n_cells=30, n_genes=20, n_clusters=2, random_state=0)
    adata.obs["scsmd"] = adata.obs["cell_type"]
    adata.obs["donor"] = pd.array(["a", None, "b"] * 10, "string")
    adata.obs["n"] = pd.array([1, None, 3] * 10, "Int64")
    adata.obs["G2/M"] = np.arange(30.0)
    rng = np.random.default_rng(0)
    adata.obsm["X_scsmd"] = rng.normal(size=(30, 4)).astype(np.float32)
    adata.obsm["X_umap"] = rng.normal(size=(30, 2))
    return adata


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, sp.csr_array, np.asarray])
def test_counts_stay_whatever_their_form(cells, form):
    counts = cells.X.toarray()
    cells.X = form(counts)
    shared = smd.io.export(cells)
    assert np.array_equal(shared.raw.X.toarray(), counts)
    assert np.array_equal(shared.layers["counts"].toarray(), counts)
    assert isinstance(shared.X, sp.csr_matrix) and shared.X.dtype == np.float32


def test_counts_of_a_layer(cells):
    counts = cells.X.copy()
    cells.layers["mine"], cells.X = counts, smd.pp.log_normalize(counts)
    shared = smd.io.export(cells, layer="mine")
    assert np.array_equal(shared.raw.X.toarray(), counts.toarray())
    with pytest.raises(ValueError, match="count"):
        smd.io.export(cells)


def test_a_file_is_written_whole_or_not_at_all(cells, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(ad.AnnData, "write_h5ad", full)
    (tmp_path / "x.h5ad").write_text("older")
    with pytest.raises(OSError):
        smd.io.export(cells, tmp_path / "x.h5ad")
    assert (tmp_path / "x.h5ad").read_text() == "older"
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5ad"]


def test_only_plain_encodings(cells, tmp_path):
    cells.raw = cells.copy()
    cells.uns["deep"] = {"a": {"b": 1}}
    smd.io.export(cells, tmp_path / "x.h5ad")
    with h5py.File(tmp_path / "x.h5ad") as f:
        kinds = {f[t][c].attrs["encoding-type"] for t in ("obs", "var", "raw/var") for c in f[t]}
        assert kinds <= {"array", "string-array", "categorical"}
        assert not list(f["uns"]) and "G2_M" in f["obs"]


def test_r_reads_it_as_the_page_says(cells, tmp_path):
    rscript = shutil.which("Rscript")
    if not rscript or subprocess.run([rscript, "-e", R_PACKAGES], capture_output=True).returncode:
        pytest.skip("needs R with Seurat and hdf5r (Debian: r-cran-seurat r-cran-hdf5r)")
    smd.io.export(cells, tmp_path / "shared.h5ad")
    text = "".join("".join(c["source"]) for c in json.loads(PAGE.read_text())["cells"])
    code = re.search(r"```r\n(.*?)```", text, re.S)[1].replace("DimPlot", "p <- DimPlot")
    told = """
    out <- list(counts = as.matrix(GetAssayData(cells, "counts")), donor = as.character(cells$donor),
                n = cells$n, scsmd = as.character(Idents(cells)), umap = Embeddings(cells, "umap"))
    for (name in names(out)) write.csv(out[[name]], paste0(name, ".csv"))
    """
    (tmp_path / "read.R").write_text(code + told)
    done = subprocess.run([rscript, "read.R"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    table = {p.stem: pd.read_csv(p, index_col=0) for p in tmp_path.glob("*.csv")}
    assert np.array_equal(table["counts"].to_numpy().T, cells.X.toarray())
    assert list(table["counts"].columns) == list(cells.obs_names)
    assert list(table["scsmd"].iloc[:, 0].astype(str)) == list(cells.obs["scsmd"])
    assert list(table["donor"].iloc[:3, 0].isna()) == [False, True, False]
    assert np.allclose(table["umap"], cells.obsm["X_umap"], atol=1e-6)
