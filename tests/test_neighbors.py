"""The neighbour graph above 4,096 cells, where scanpy's default crashes with scipy 1.17.1 and pynndescent 0.7.0."""

import anndata as ad
import numpy as np
import pytest

from scsmd_nb.pp.preparation import neighbors

N = 9_000


def cells(n: int = N, d: int = 20) -> ad.AnnData:
    "Cells around eight centres, in a latent space `X_latent`."
    rng = np.random.default_rng(0)
    group = rng.integers(0, 8, n)
    latent = (4 * rng.normal(size=(8, d))[group] + rng.normal(size=(n, d))).astype(np.float32)
    return ad.AnnData(latent.copy(), obsm={"X_latent": latent}, obs={"group": group.astype(str)})


@pytest.fixture(scope="module")
def graph() -> ad.AnnData:
    adata = cells()
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
    again = neighbors(cells(), use_rep="X_latent", n_neighbors=15, random_state=0)
    assert (again.obsp["connectivities"] != graph.obsp["connectivities"]).nnz == 0


def test_leiden_finds_the_eight_centres(graph):
    import scanpy as sc

    adata = graph.copy()
    sc.tl.leiden(adata, resolution=0.2, flavor="igraph", n_iterations=2, random_state=0)
    share = adata.obs.groupby("leiden", observed=True)["group"].agg(
        lambda g: g.value_counts(normalize=True).iloc[0]
    )
    assert share.min() > 0.95
