"""The start partition: graph, merging, consensus, and exactly as many clusters as were asked for."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage

from scsmd_nb.nn import partition as P
from scsmd_nb.tl.metrics import ari


def blobs(sizes=(300, 150, 60, 40), n_latent=6, spread=1.0, distance=8.0, seed=0):
    "Round groups of unequal size around random centres, shuffled."
    rng = np.random.default_rng(seed)
    types = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = np.linalg.qr(rng.normal(size=(n_latent, n_latent)))[0][: len(sizes)] * distance
    return (centres[types] + spread * rng.normal(size=(len(types), n_latent))).astype(
        np.float32
    ), types


Z, TYPES = blobs()
GRAPH = P.neighbor_graph(Z)


@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")  # scanpy's own
def test_graph_is_that_of_scanpy():
    import anndata as ad

    from scsmd_nb.pp.preparation import neighbors

    z = np.concatenate([Z, np.repeat(Z[:5], 30, axis=0)])  # with copies of five cells
    a = neighbors(
        ad.AnnData(np.zeros((len(z), 1), dtype=np.float32), obsm={"z": z}),
        use_rep="z",
        n_neighbors=15,
    )
    theirs, ours = (
        a.obsp["connectivities"][:550, :550].toarray(),
        P.neighbor_graph(z)[:550, :550].toarray(),
    )
    away = ~(z[:550, None] == z[:5]).all(-1).any(
        1
    )  # among copies, which are the nearest is a matter of chance
    np.testing.assert_allclose(ours[away][:, away], theirs[away][:, away], atol=2e-4)


def test_graph_of_few_or_equal_cells():
    assert P.neighbor_graph(np.ones((40, 3))).data.max() == 1
    assert (
        P.neighbor_graph(np.eye(3)).shape == (3, 3) and P.neighbor_graph(np.ones((1, 2))).nnz == 0
    )
    assert (
        (abs(GRAPH - GRAPH.T)).max() == 0 and GRAPH.diagonal().sum() == 0 and GRAPH.data.min() > 0
    )


def test_merge_keeps_its_arguments_and_few_groups():
    labels = TYPES.copy()
    assert (P.merge(GRAPH, labels, 9) == TYPES).all() and (labels == TYPES).all()
    assert set(P.merge(GRAPH, labels, 1)) == {0}
    with pytest.raises(ValueError, match="ward=2 needs z"):
        P.merge(GRAPH, labels, 2, ward=2)


def test_consensus_of_everything_and_of_too_much():
    assert set(P.consensus([TYPES, TYPES[::-1]], 1)) == {0}
    noise = np.random.default_rng(0).integers(0, 4, (8, 550))
    assert len(set(P.consensus(noise, 4, max_groups=100))) == 4


def test_consensus_of_cells_is_linkage_of_cells():
    "Groups with sizes give the tree of the single cells."
    labelings = [
        np.where(np.random.default_rng(s).random(550) < 0.15, s % 4, TYPES) for s in range(9)
    ]
    from scipy.cluster.hierarchy import fcluster
    from scipy.spatial.distance import pdist

    cells = fcluster(linkage(pdist(np.stack(labelings, 1), "hamming"), "average"), 4, "maxclust")
    assert ari(P.consensus(labelings, 4), cells) > 0.99


@pytest.mark.parametrize("method", P.METHODS)
def test_start_finds_separate_groups(method):
    labels = P.start_partition(Z, 4, method)
    assert ari(labels, TYPES) > 0.99
    assert np.bincount(labels).tolist() == sorted(np.bincount(labels), reverse=True)


@pytest.mark.parametrize("method", P.METHODS)
@pytest.mark.parametrize(
    "n, k", [(2, 2), (5, 4), (12, 10), (60, 3), (61, 3), (150, 7), (400, 19), (600, 30)]
)
def test_start_returns_k_clusters(method, n, k):
    z = np.random.default_rng(0).normal(size=(n, 4))
    assert sorted(set(P.start_partition(z, k, method))) == list(range(k))


@pytest.mark.parametrize("method", P.METHODS)
def test_equal_rows(method):
    corners = np.repeat(np.eye(5), 60, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ari(P.start_partition(corners, 5, method), corners.argmax(1)) == 1
        assert np.bincount(P.start_partition(corners, 4, method)).tolist() == [120, 60, 60, 60]
        assert set(P.start_partition(np.ones((50, 3)), 1, method)) == {0}
    with pytest.warns(UserWarning, match="only 1 distinct row"):
        assert set(P.start_partition(np.ones((300, 3)), 4, method)) == {0}
    with pytest.warns(UserWarning, match="only 5 distinct rows"):
        assert len(set(P.start_partition(corners, 7, method))) == 5
    rare = np.zeros((500, 3))
    rare[:3] = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert np.bincount(P.start_partition(rare, 3, method)).min() >= 1


@pytest.mark.parametrize("method", P.METHODS)
def test_same_seed_same_labels_and_input_untouched(method):
    z, _ = blobs(distance=2)
    before = z.copy()
    a, b = (P.start_partition(z, 5, method, random_state=7) for _ in range(2))
    assert (a == b).all() and (z == before).all()


def test_same_labels_in_another_process_with_other_threads(tmp_path):
    z, _ = blobs(distance=2.5)
    np.save(tmp_path / "z.npy", z)
    code = (
        f"import numpy as np; from scsmd_nb.nn.partition import start_partition as s\n"
        f"np.save(r'{tmp_path}/l.npy', s(np.load(r'{tmp_path}/z.npy'), 5, random_state=3))"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"OMP_NUM_THREADS": "2"}
    )
    assert (np.load(tmp_path / "l.npy") == P.start_partition(z, 5, random_state=3)).all()


def test_consensus_depends_less_on_the_seed_than_one_partition():
    z, types = blobs((300, 250, 80, 60, 40), distance=3.2, spread=1.0)
    graph = P.neighbor_graph(z)
    one = [
        ari(P.merge(graph, P.kmeans(z, 50, n_init=1, random_state=s), 5), types) for s in range(5)
    ]
    vote = [ari(P.start_partition(z, 5, random_state=s), types) for s in range(5)]
    assert np.std(vote) < np.std(one) + 0.01 and np.mean(vote) > np.mean(one) - 0.02


def test_large():
    z = np.random.default_rng(0).normal(
        size=(4_000, 32)
    )  # no structure at all: the worst case for the vote
    assert len(set(P.start_partition(z, 8))) == 8


@pytest.mark.parametrize(
    "change, said",
    [
        (dict(n_clusters=0), "at least 1"),
        (dict(n_clusters=True), "whole number"),
        (dict(z=Z[:0]), "must be a matrix"),
        (dict(z=np.where(np.arange(550)[:, None] == 7, np.inf, Z)), r"z\[7, 0\] is inf"),
    ],
)
def test_errors(change, said):
    with pytest.raises(ValueError, match=said):
        P.start_partition(**dict(z=Z, n_clusters=4) | change)
