"""Choosing K: each view against a trusted library or a planted truth, the rule that combines them, and bad input."""

import os
import random

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import calinski_harabasz_score, silhouette_score

import scsmd_nb as smd
from scsmd_nb.io.simulation import simulate
from scsmd_nb.nn.partition import neighbor_graph
from scsmd_nb.tl import choose_k, compactness


def blobs(sizes=(120, 90, 60, 40), d=8, distance=4.0, seed=0):
    "Round groups of unequal size."
    rng = np.random.default_rng(seed)
    types = np.repeat(np.arange(len(sizes)), sizes)
    centres = rng.normal(size=(len(sizes), d)) * distance
    return (centres[types] + rng.normal(size=(len(types), d))).astype(np.float32), types


Z, TYPES = blobs()


def ask(data, **kwargs):
    return smd.tl.suggest_k(data, **{"k_max": 10, "progress": False} | kwargs)


@pytest.mark.parametrize("K", [2, 4, 7])
@pytest.mark.parametrize("weak", [0.0, 0.02])
def test_eigengap_is_exact_on_planted_blocks(K, weak):
    W = np.kron(np.eye(K), np.ones((15, 15))) + weak
    np.fill_diagonal(W, 0)
    lam = choose_k.spectrum(sp.csr_matrix(W), K + 4)
    assert choose_k.eigengaps(lam).idxmax() == K
    if not weak:
        np.testing.assert_allclose(lam[:K], 0, atol=1e-9)


def test_lanczos_gives_the_dense_eigenvalues():
    z, _ = blobs((500, 400, 300))
    graph = neighbor_graph(z)
    s = 1 / np.sqrt(np.asarray(graph.sum(1)).ravel())
    dense = np.linalg.eigvalsh(np.eye(1200) - s[:, None] * graph.toarray() * s)[:12]
    np.testing.assert_allclose(
        choose_k.spectrum(graph, 12), dense, atol=1e-5
    )  # 1,200 cells: the sparse way


@pytest.mark.parametrize(
    "labels",
    [
        TYPES,
        np.random.default_rng(0).integers(6, size=len(TYPES)),
        np.append(np.zeros(len(TYPES) - 1, int), 1),
    ],
)
def test_scores_are_those_of_scikit_learn(labels):
    np.testing.assert_allclose(
        compactness.silhouette(compactness._distances(Z), labels),
        silhouette_score(Z, labels),
        atol=1e-4,
    )
    np.testing.assert_allclose(
        compactness.calinski_harabasz(Z, labels), calinski_harabasz_score(Z, labels), rtol=1e-5
    )


def test_finest_and_plateau():
    assert compactness.finest(pd.Series({2: 1.0, 3: 0.79, 4: 0.81, 5: 0.2}), 0.8) == 4
    assert compactness.finest(pd.Series({2: 1.0, 3: np.nan, 4: np.nan}), 0.5) == 2
    assert (
        choose_k.plateau([2, 4, 4, 5, 5, 9, 9, 40, 40, 40], 30) == 5
    )  # of equals the middle one; 40 is above k_max
    assert choose_k.plateau([1, 1, 7], 30) == 7
    assert choose_k.plateau([1, 1, 1], 30) == 1
    assert choose_k.plateau([50, 60], 30) == 30


@pytest.mark.parametrize(
    "named, k, interval",
    [
        ((5, 30, 30, 5, 5), 5, (3, 10)),  # the views of k-means have no say
        ((4, 2, 2, 8, 16), 8, (4, 16)),  # the geometric mean of the others
        ((2, 9, 9, 2, 2), 2, (1, 4)),
        ((2, 30, 30, 30, 1), 1, (1, 1)),  # nothing is stable
    ],
)
def test_the_rule_and_its_interval(named, k, interval):
    found, why = choose_k.combine(dict(zip(choose_k.VIEWS, named)))
    assert (found, choose_k.interval_of(found)) == (k, interval) and why.endswith(".")


def test_the_interval_holds_what_is_at_most_two_fold_away():
    for k in range(2, 31):
        low, high = choose_k.interval_of(k)
        assert k / 2 <= low < k / 2 + 1 and high == 2 * k


def test_planted_groups_are_found_with_reasons_table_and_plot():
    c = ask(Z)
    assert c.k == 4 and c.structure and c.interval == (2, 8) and "80 % interval 2 to 8" in str(c)
    assert set(c.views) == set(choose_k.VIEWS) and all(1 <= k <= 10 for k in c.views.values())
    assert (
        c.table.index.tolist() == list(range(1, 11))
        and c.table.loc[4, "silhouette"] == c.table["silhouette"].max()
    )
    assert all(s.endswith(".") for s in c.reasons) and "K = 4" in str(c)
    fig = smd.pl.choose_k(c)
    assert len(fig.axes) == 7 and all(
        ax.get_ylabel() for ax in fig.axes if not ax.get_title().startswith("Recom")
    )
    import matplotlib.pyplot as plt

    plt.close(fig)


@pytest.mark.parametrize("shape", [(300, 5), (500, 20)])
def test_noise_has_no_structure(shape):
    c = ask(np.random.default_rng(3).normal(size=shape))
    assert (c.k, c.structure) == (1, False)
    assert "No structure" in str(c) and c.interval == (1, 1)


def test_counts_known_types_untouched_and_labels_not_read():
    a = simulate(n_cells=400, n_genes=600, n_clusters=5, random_state=1)
    before, columns = a.X.copy(), list(a.obs)
    c = ask(a)
    assert c.k == 5
    assert (
        (a.X != before).nnz == 0
        and list(a.obs) == columns
        and not a.obsm
        and not a.uns.get("choose_k")
    )
    other = a.copy()
    other.obs = other.obs[[]].copy()
    assert ask(other).views == c.views


def test_same_seed_same_answer_whatever_the_global_state():
    first = ask(Z, random_state=4)
    random.seed(99)
    np.random.seed(99)
    state = random.getstate()
    second = ask(Z, random_state=4)
    pd.testing.assert_frame_equal(first.table, second.table)
    pd.testing.assert_frame_equal(first.scan, second.scan)
    assert random.getstate() == state  # Python's generator is left as it was


def test_more_cells_than_max_cells_are_sampled_and_it_is_said():
    c = ask(Z, max_cells=200)
    assert c.n_cells == 200 and "200 cells drawn from 310" in c.reasons[0] and c.k == 4


def test_counts_give_what_their_anndata_gives_and_marked_genes_are_looked_at():
    a = simulate(n_cells=200, n_genes=300, n_clusters=3, random_state=1)
    of_counts = choose_k.suggest_from_counts(a.X, k_max=10, progress=False)
    pd.testing.assert_frame_equal(of_counts.table, ask(a).table)
    genes = np.arange(300) < 150
    only = ask(a[:, genes].copy())
    total = np.asarray(a.X.sum(1)).ravel()
    marked = choose_k.suggest_from_counts(a.X, genes, k_max=10, progress=False)
    z = choose_k.components(a.X, genes, 0)
    assert not marked.table.equals(of_counts.table)
    # cells are scaled by all their genes, also where only some of them are looked at
    assert (total > np.asarray(a.X[:, genes].sum(1)).ravel()).all() and z.shape == (200, 30)
    assert not marked.table.equals(only.table)


def test_use_rep_is_the_matrix():
    a = ad.AnnData(np.zeros((len(Z), 1), dtype=np.float32), obsm={"latent": Z})
    assert ask(a, use_rep="latent").views == ask(Z).views


def test_duplicated_cells_and_few_distinct_rows():
    z = np.repeat(np.array([[0, 0], [5, 0], [0, 5], [9, 9]], dtype=float), 20, axis=0)
    c = ask(z)
    assert c.k == 4


HOLE = Z.copy()
HOLE[7, 2] = np.inf


@pytest.mark.parametrize(
    "data, kwargs, error, words",
    [
        (Z[:29], {}, ValueError, "nothing can be said .* of 29 cells.*Give n_clusters"),
        (Z[:30], {"k_max": 29}, ValueError, "30 cells are too few to look for up to k_max=29"),
        (Z, {"max_cells": 29}, ValueError, "max_cells=29"),
        (Z, {"k_max": True}, ValueError, "k_max=True"),
        (Z, {"random_state": -1}, ValueError, "random_state=-1"),
        (HOLE, {}, ValueError, r"z\[7, 2\] is inf"),
        (Z[:, 0], {}, ValueError, "shape"),
        (sp.csr_matrix(Z), {}, ValueError, "csr_matrix"),
        (np.full((50, 3), "a"), {}, ValueError, "not numbers"),
        (ad.AnnData(np.full((50, 3), 0.5, dtype=np.float32)), {}, ValueError, "0.5"),
        (ad.AnnData(np.eye(50, 30, dtype=np.float32)), {}, ValueError, "no counts"),
        (ad.AnnData(Z * 0, obsm={"X_pca": Z}), {"use_rep": "X_pcs"}, KeyError, "X_pca"),
    ],
)
def test_bad_input_is_a_clear_error(data, kwargs, error, words):
    with pytest.raises(error, match=words):
        ask(data, **kwargs)


@pytest.mark.skipif(
    "SCSMD_DATA_DIR" not in os.environ, reason="needs the labelled sets of SCSMD_DATA_DIR"
)
@pytest.mark.parametrize("name, most", [("cellmix_5lines", 0), ("zeisel_balanced550", 0.5)])
def test_small_real_sets(name, most):
    a = smd.io.load(name)
    c = smd.tl.suggest_k(a, progress=False)
    true = a.obs["cell_type"].nunique()
    assert abs(np.log2(c.k / true)) <= most and c.interval[0] <= true <= c.interval[1]
