"""Counts in Dask arrays: genes, filters and clusters as in memory, and clear words where all is needed."""

import os

import anndata as ad
import numpy as np
import pytest

import scsmd_nb as smd
from scsmd_nb.tl import on_disk as module

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install scsmd_nb[dask]")
QC = dict(min_genes=100, max_genes=None, max_mito=0.2, min_cells=200)


@pytest.fixture(scope="module")
def cells():
    out = smd.io.simulate(n_cells=257, n_genes=120, n_clusters=3, random_state=0)
    out.var_names = [f"MT-{j}" for j in range(13)] + list(out.var_names[13:])
    return out


def lazy(cells, chunks=(60, -1), dense=False):
    X = cells.X.toarray() if dense else cells.X
    return ad.AnnData(da.from_array(X, chunks=chunks), obs=cells.obs.copy(), var=cells.var.copy())


def noted(block):
    "The block; the process that computes it remembers that it did."
    os.environ["SCSMD_NOTED"] = "1"
    return block


def same_filter(cells, dasked):
    "Metrics and filter of both are equal."
    assert smd.pp.cell_metrics(dasked).equals(smd.pp.cell_metrics(cells))
    made, expected = smd.pp.filter(dasked, **QC), smd.pp.filter(cells, **QC)
    assert smd.pp.filter_table(made).equals(smd.pp.filter_table(expected))
    assert made.obs.equals(expected.obs) and 0 < made.n_obs < 257 and made.n_vars < 120
    return made, expected


def same_quality_control(cells, dasked):
    "Filter, scale and genes of both are equal; all that is as large as the counts stays Dask."
    made, expected = (smd.pp.normalize(a) for a in same_filter(cells, dasked))
    made, expected = (smd.pp.highly_variable(a, 50) for a in (made, expected))
    assert made.var.equals(expected.var) and made.obs.equals(expected.obs)
    assert smd.counts.is_dask(made.X) and smd.counts.is_dask(made.layers["counts"])
    np.testing.assert_array_equal(made.X.compute().toarray(), expected.X.toarray())
    for a in (made, expected):
        smd.pp.pca(a, 5)
    x, y = made.obsm["X_pca"], expected.obsm["X_pca"]
    np.testing.assert_allclose(np.abs(x), np.abs(y), atol=2e-3)
    np.testing.assert_allclose(made.uns["pca"]["variance"], expected.uns["pca"]["variance"], 1e-4)


@pytest.mark.parametrize("chunks, dense", [((60, -1), False), ((100, 70), True)])
def test_quality_control(cells, chunks, dense):
    same_quality_control(cells, lazy(cells, chunks, dense))


@pytest.mark.parametrize("size", [100, 8192])
@pytest.mark.parametrize("chunks, dense", [((60, 50), False), ((257, -1), True)])
def test_a_fit_reads_the_same(cells, chunks, dense, size, monkeypatch):
    monkeypatch.setattr(smd.counts.row_blocks, "__defaults__", (size,))
    dasked, params = lazy(cells, chunks, dense), smd.tl.Params(n_top_genes=50)
    pair = (module.prepare(smd.io.counts_of(a), None, params) for a in (dasked, cells))
    made, expected = pair
    np.testing.assert_array_equal(made.mask, expected.mask)
    assert made.fingerprint.hex() == expected.fingerprint.hex()
    for a, b in zip(*(p.cells.batch(np.array([256, 3, 3, 100])) for p in (made, expected))):
        np.testing.assert_array_equal(a, b)


def test_clusters_from_a_lazy_file(cells, tmp_path):
    pytest.importorskip("xarray")
    counted = cells.copy()
    counted.layers["counts"], counted.X = counted.X, counted.X.log1p()
    counted.write_h5ad(tmp_path / "cells.h5ad")
    quick = dict(n_top_genes=50, max_epochs=1, start="kmeans", progress=False)
    expected = smd.cluster(cells, 3, copy=True, **quick)
    dasked = ad.experimental.read_lazy(tmp_path / "cells.h5ad")
    _, model = smd.cluster(dasked, 3, return_model=True, **quick)
    assert list(dasked.obs["scsmd"]) == list(expected.obs["scsmd"])
    np.testing.assert_array_equal(dasked.obsm["X_scsmd"], expected.obsm["X_scsmd"])
    np.testing.assert_array_equal(model.predict(dasked), model.predict(cells))
    done = ad.read_h5ad(smd.io.copy_cells(dasked, tmp_path / "done.h5ad"))
    assert (done.layers["counts"] != cells.X).nnz == 0 and "scsmd" in done.obs
    dasked.file.close()


def test_what_needs_all_counts_says_so(cells):
    dasked = lazy(cells)
    for call in (smd.pp.find_doublets, smd.pp.ambient, smd.pp.qc_findings, smd.pp.explore):
        with pytest.raises(ValueError, match=r"X is a Dask array.*compute\(\)"):
            call(dasked)
    with pytest.raises(ValueError, match="Take 'seurat'"):
        smd.pp.highly_variable(dasked, 10, "pearson_residuals")
    with pytest.raises(ValueError, match=r"Call smd.pp.pca\(adata\) first"):
        smd.pp.neighbors(dasked)
    with pytest.raises(TypeError, match="anndata.AnnData"):
        smd.SCSMD().fit(dasked.X)
    smd.pp.pca(dasked, 5)
    wrong = lazy(cells)
    wrong.X = wrong.X * 0.5
    with pytest.raises(ValueError, match=f"not a whole number.*{cells.obs_names[0]}"):
        smd.cluster(wrong, 3)


def test_an_array_that_gives_other_numbers_each_time(cells):
    calls = []

    def unsteady(block):
        calls.append(1)
        return block * len(calls)

    a = lazy(cells)
    a.X = a.X.map_blocks(unsteady, meta=a.X._meta)
    with pytest.raises(ValueError, match="other counts when it was read again"):
        module.prepare(smd.io.counts_of(a), None, smd.tl.Params(n_top_genes=50))


def test_two_worker_processes(cells):
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    quiet = dict(dashboard_address=None, worker_dashboard_address=None)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **quiet) as cluster,
        distributed.Client(cluster) as client,
    ):
        dasked = lazy(cells, (64, -1))
        dasked.X = dasked.X.map_blocks(noted, dtype=np.float32, meta=cells.X[:0])
        same_filter(cells, dasked)
        params = smd.tl.Params(n_top_genes=50)
        pair = (module.prepare(smd.io.counts_of(a), None, params) for a in (dasked, cells))
        assert np.array_equal(*(p.mask for p in pair))
        where = client.run(lambda: __import__("os").environ.get("SCSMD_NOTED"))
        assert "1" in where.values() and "SCSMD_NOTED" not in os.environ
