"""preprocess through files; the neighbour graph, also above 4,096 cells.

There scanpy's default crashes with scipy 1.17.1 and pynndescent 0.7.0.
"""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from pp_cells import (
    OFF,
    fingerprint,
    thin_cells,
)

import scsmd_nb as smd
from scsmd_nb.pp.preparation import neighbors


@pytest.fixture
def cells() -> ad.AnnData:
    return thin_cells()


def test_nothing_is_mutated_and_results_are_separate(cells):
    before = fingerprint(cells)
    kept = smd.pp.filter(cells, min_genes=100)
    results = [
        kept,
        smd.pp.normalize(kept),
        smd.pp.highly_variable(kept, 50),
        smd.pp.neighbors(kept, "X"),
        smd.pp.preprocess(cells, min_genes=100, n_top_genes=50),
    ]
    smd.pp.cell_metrics(cells)
    assert fingerprint(cells) == before
    for r in results:
        r.X.data[:] = 0
        r.obs["cell_type"] = "x"
        r.uns.clear()
    assert fingerprint(cells) == before
    assert kept.uns == {} and results[1].layers["counts"].sum() > 0


def test_preprocess_goes_through_a_file(cells, tmp_path):
    out = smd.pp.preprocess(cells, min_genes=100, n_top_genes=50)
    out.write_h5ad(tmp_path / "a.h5ad")
    back = smd.io.read(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(smd.pp.filter_table(back), smd.pp.filter_table(out))
    assert (
        back.var["highly_variable"].sum() == 50
        and (smd.counts.get_counts(back) != out.layers["counts"]).nnz == 0
    )
    assert (
        smd.pp.preprocess(back, **OFF, n_top_genes=50)
        .var["highly_variable"]
        .equals(back.var["highly_variable"])
    )


def test_preprocess_from_a_backed_file(cells, tmp_path):
    cells.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    out = smd.pp.preprocess(backed, min_genes=100, n_top_genes=50)
    backed.file.close()
    ref = smd.pp.preprocess(cells, min_genes=100, n_top_genes=50)
    assert (out.X != ref.X).nnz == 0 and not out.isbacked


def test_scanpy_goes_on_from_here(cells):
    out = smd.pp.preprocess(cells, min_genes=100, n_top_genes=100)
    sc.pp.pca(out, n_comps=10)
    out = smd.pp.neighbors(out, use_rep="X_pca")
    sc.tl.rank_genes_groups(out, "cell_type")
    assert {"distances", "connectivities"} <= set(out.obsp) and "rank_genes_groups" in out.uns


@pytest.mark.parametrize("n", [3, 10, 16])
def test_neighbors_of_few_cells(n):
    Z = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = smd.pp.neighbors(ad.AnnData(Z), use_rep="X")
    assert out.obsp["connectivities"].shape == (n, n)


N = 9_000


def centres(n: int = N, d: int = 20) -> ad.AnnData:
    "Cells around eight centres, in a latent space `X_latent`."
    rng = np.random.default_rng(0)
    group = rng.integers(0, 8, n)
    latent = (4 * rng.normal(size=(8, d))[group] + rng.normal(size=(n, d))).astype(np.float32)
    return ad.AnnData(latent.copy(), obsm={"X_latent": latent}, obs={"group": group.astype(str)})


@pytest.fixture(scope="module")
def graph() -> ad.AnnData:
    adata = centres()
    found = neighbors(adata, use_rep="X_latent", n_neighbors=15, random_state=0)
    assert "neighbors" not in adata.uns and not adata.obsp  # the caller's object stays as it was
    return found


def test_fills_scanpys_slots(graph):
    assert graph.obsp["connectivities"].shape == graph.obsp["distances"].shape == (N, N)
    assert graph.uns["neighbors"]["params"]["n_neighbors"] == 15
    assert graph.uns["neighbors"]["params"]["use_rep"] == "X_latent"


def test_graph_is_symmetric_and_complete(graph):
    connectivities = graph.obsp["connectivities"]
    assert abs(connectivities - connectivities.T).max() < 1e-6
    assert (np.diff(connectivities.tocsr().indptr) >= 14).all()


def test_neighbours_are_the_nearest(graph):
    latent, distances = graph.obsm["X_latent"].astype(float), graph.obsp["distances"].tocsr()
    for i in (0, N // 2, N - 1):
        away = np.linalg.norm(latent - latent[i], axis=1)
        row = distances[[i]].tocoo()
        assert set(row.coords[1][row.data > 0]) == set(np.argsort(away)[1:15])
        np.testing.assert_allclose(np.sort(row.data[row.data > 0]), np.sort(away)[1:15], rtol=1e-3)


def test_same_seed_same_graph(graph):
    again = neighbors(centres(), use_rep="X_latent", n_neighbors=15, random_state=0)
    assert (again.obsp["connectivities"] != graph.obsp["connectivities"]).nnz == 0


def test_leiden_finds_the_eight_centres(graph):
    import scanpy as sc

    adata = graph.copy()
    sc.tl.leiden(adata, resolution=0.2, flavor="igraph", n_iterations=2, random_state=0)
    share = adata.obs.groupby("leiden", observed=True)["group"].agg(
        lambda g: g.value_counts(normalize=True).iloc[0]
    )
    assert share.min() > 0.95
