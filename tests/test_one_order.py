"""The same clusters, to the last bit, with cells or genes in another order, and as CSR, CSC or dense."""

import numpy as np
import pytest
import scipy.sparse as sp

import scsmd_nb as smd
from scsmd_nb.tl.one_order import one_order

QUICK = dict(max_epochs=1, start="kmeans", n_top_genes=60)


def fit(a, **more):
    how = dict(progress=False, return_model=True, copy=True, random_state=0)
    return smd.cluster(a, 3, **QUICK, **how, **more)[1]


@pytest.fixture(scope="module")
def cells():
    return smd.io.simulate(n_cells=150, n_genes=80, n_clusters=3, random_state=0)


@pytest.fixture(scope="module")
def first(cells):
    return fit(cells)


@pytest.mark.parametrize("what", ["cells", "genes"])
def test_another_order(cells, first, what):
    rng = np.random.default_rng(1)
    rows = rng.permutation(150) if what == "cells" else np.arange(150)
    columns = rng.permutation(80) if what == "genes" else np.arange(80)
    other = fit(cells[rows, columns].copy())
    assert np.array_equal(other.labels_, first.labels_[rows])
    assert np.array_equal(other.embedding_, first.embedding_[rows])
    assert np.array_equal(other.transform(cells), first.transform(cells))
    assert set(other.genes_) == set(first.genes_)


@pytest.mark.parametrize("kind", [sp.csc_matrix, lambda x: x.toarray()], ids=["csc", "dense"])
def test_another_format(cells, first, kind):
    other = cells.copy()
    other.X = kind(cells.X)
    assert np.array_equal(fit(other).embedding_, first.embedding_)


def test_results_are_in_the_order_of_the_file(cells, first, tmp_path):
    assert np.array_equal(first.transform(cells), first.embedding_)
    assert np.array_equal(first.predict(cells), first.labels_)
    loaded = smd.SCSMD.load(first.save(tmp_path / "model"))
    assert np.array_equal(loaded.transform(cells[:, ::-1].copy()), first.embedding_)


def test_genes_with_the_same_counts_in_other_cells_are_told_apart():
    "Rare genes: each in one cell, once; and equal cells."
    x = np.zeros((40, 12))
    x[:, :2] = np.random.default_rng(0).poisson(2, (40, 2)) + 1
    x[np.arange(10), 2 + np.arange(10)] = 1
    x[39] = x[38]
    rng = np.random.default_rng(2)
    orders = []
    for _ in range(3):
        rows, columns = rng.permutation(40), rng.permutation(12)
        y = sp.csr_matrix(x[rows][:, columns], dtype=np.float32)
        r, c = one_order(y, np.asarray(y.sum(1, dtype=np.float64)).ravel())
        orders.append(y[r][:, c].toarray())
    assert (orders[0] == orders[1]).all() and (orders[0] == orders[2]).all()
