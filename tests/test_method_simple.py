"""The simple methods: the contract, what each formula asks for, and no trace left behind."""

import random
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

import scsmd_nb as smd
from scsmd_nb.bench import methods
from scsmd_nb.bench.methods import simple
from scsmd_nb.nn.partition import neighbor_graph
from scsmd_nb.tl.metrics import ari

TOLD = [n for n in simple.SIMPLE if n not in ("leiden", "louvain")]


@pytest.fixture(scope="module")
def adata():
    return smd.io.simulate(n_cells=300, n_genes=400, n_clusters=4, random_state=0)


def state(adata):
    return (
        adata.X.copy(),
        adata.obs.copy(),
        sorted(adata.obsm),
        sorted(adata.uns),
        sorted(adata.layers),
    )


@pytest.mark.parametrize("name", simple.SIMPLE)
def test_contract(adata, name):
    X, obs, *slots = state(adata)
    before, numpy_before = random.getstate(), np.random.get_state()[1].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing leaks from scanpy, scikit-learn or igraph
        labels, z = methods.get(name)(adata, 4, 0)
        again, z_again = methods.get(name, budget="published")(adata, 4, 0)
    assert labels.shape == (adata.n_obs,) and labels.dtype.kind == "i"
    assert z.shape == (adata.n_obs, 30) and z.dtype == np.float32
    assert (labels == again).all() and (z == z_again).all()
    if name in TOLD:
        assert len(set(labels)) == 4
    assert ari(adata.obs["cell_type"].astype(str), labels) > 0.8
    assert random.getstate() == before and (np.random.get_state()[1] == numpy_before).all()
    assert abs(adata.X - X).sum() == 0 and adata.obs.equals(obs)
    assert [sorted(adata.obsm), sorted(adata.uns), sorted(adata.layers)] == slots


@pytest.mark.parametrize("name", TOLD)
def test_no_k(adata, name):
    for bad in (None, 0, 2.5, True, adata.n_obs + 1):
        with pytest.raises(ValueError, match=f"{name} was given n_clusters={bad}"):
            methods.get(name)(adata, bad)


@pytest.mark.parametrize("name", simple.SIMPLE)
def test_unknown_option(name):
    with pytest.raises(ValueError, match="no option 'colour'"):
        methods.get(name, colour="red")


@pytest.mark.parametrize("name", TOLD)
def test_more_clusters_and_tiny_data(name):
    rng = np.random.default_rng(0)
    adata = smd.io.simulate(n_cells=25, n_genes=12, n_clusters=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels, z = methods.get(name)(adata, 3, int(rng.integers(100)))
    assert labels.shape == (25,) and z.shape[1] <= 11


def test_dense_and_sparse_agree(adata):
    dense = adata.copy()
    dense.X = adata.X.toarray() if sp.issparse(adata.X) else adata.X
    np.testing.assert_allclose(simple.components(adata), simple.components(dense), atol=1e-4)


def test_components_of_many_genes():
    adata = smd.io.simulate(n_cells=120, n_genes=3000, n_clusters=3, random_state=1)
    assert simple.components(adata, n_pcs=10).shape == (120, 10)


def test_resolution_raises_the_number_of_communities():
    adata = smd.io.pbmc700()
    for name in ("leiden", "louvain"):
        found = [len(set(methods.get(name, resolution=r)(adata)[0])) for r in (0.05, 1.0, 5.0)]
        assert found[0] < found[1] < found[2]
        for bad in (0, -1, float("nan"), "1"):
            with pytest.raises(ValueError, match="must be a positive number"):
                methods.get(name, resolution=bad)(adata)


def test_louvain_is_modularity_at_any_resolution():
    "Two cliques joined by one link: the best partition is known by hand."
    W = np.zeros((10, 10))
    W[:5, :5] = W[5:, 5:] = 1
    W[4, 5] = W[5, 4] = 1
    np.fill_diagonal(W, 0)
    labels = simple.louvain_groups(sp.csr_matrix(W))
    assert ari(np.repeat([0, 1], 5), labels) == 1
    assert len(set(simple.louvain_groups(sp.csr_matrix(W), resolution=0.05))) == 1
    assert len(set(simple.louvain_groups(sp.csr_matrix(W), resolution=50.0))) == 10
    assert len(set(simple.louvain_groups(sp.csr_matrix((4, 4))))) == 4  # no links at all


def test_bisect_takes_the_nearest():
    calls = []

    def law(resolution):  # jumps from 2 to 9
        calls.append(resolution)
        return np.arange(90) % (2 if resolution < 1 else 9)

    labels, at = simple.bisect(law, 4)
    assert len(set(labels)) == 2 and at < 1 and len(calls) == 25
    labels, at = simple.bisect(law, 9)
    assert len(set(labels)) == 9 and at >= 1


def test_seeds_differ_only_by_chance(adata):
    graph = neighbor_graph(simple.components(adata))
    for find in (simple.leiden_groups, simple.louvain_groups):
        assert (find(graph, 1.0, 3) == find(graph, 1.0, 3)).all()
        assert np.mean([ari(find(graph, 1.0, s), find(graph, 1.0, s + 1)) for s in range(4)]) > 0.7


def test_pbmc4k(data_dir):
    adata = smd.io.read(data_dir / "pbmc4k.h5ad")[::3].copy()
    types = adata.obs["cell_type"].astype(str)
    least = {
        "kmeans": 0.60,
        "ward": 0.55,
        "spectral": 0.60,
        "gmm": 0.60,
        "leiden": 0.45,
        "louvain": 0.45,
        "leiden-k": 0.60,
        "louvain-k": 0.60,
    }
    for name in simple.SIMPLE:
        assert ari(types, methods.get(name)(adata, 8, 0)[0]) > least[name], name
