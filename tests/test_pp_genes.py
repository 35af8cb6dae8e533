"""Scale and choice of genes on any matrix, against the formulas."""

import warnings

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pp_cells import (
    SHAPES,
    WHOLE,
    thin_cells,
)

import scsmd_nb as smd


@pytest.fixture
def cells() -> ad.AnnData:
    return thin_cells()


REAL_VALUED = hnp.arrays(np.float64, SHAPES, elements=st.one_of(st.just(0.0), st.floats(1e-3, 1e4)))


@settings(max_examples=60, deadline=None)
@given(st.one_of(WHOLE, REAL_VALUED), st.sampled_from([1e4, 1.0, None]))
def test_log_normalize_against_the_formula(X, target):
    total = X.sum(1, keepdims=True)
    t = target if target is not None else np.median(total[total > 0]) if total.any() else 1
    plain = np.log1p(np.divide(X * t, total, out=np.zeros_like(X), where=total > 0))
    for M in (X, sp.csr_matrix(X), sp.csc_matrix(X)):
        kept = M.copy()
        out = smd.pp.log_normalize(M, target)
        assert out.dtype == np.float32 and out.format == "csr"
        np.testing.assert_allclose(out.toarray(), plain, rtol=1e-4, atol=1e-6)
        assert np.array_equal(sp.csr_matrix(M).toarray(), sp.csr_matrix(kept).toarray())


@settings(max_examples=40, deadline=None)
@given(st.one_of(WHOLE, REAL_VALUED))
def test_size_factors(X):
    if (X.sum(1) == 0).any():
        words = f"{(X.sum(1) == 0).sum()} of {len(X)} cells have no counts"
        with pytest.raises(ValueError, match=words):
            smd.pp.size_factors(X)
        return
    s = smd.pp.size_factors(sp.csr_matrix(X))
    assert s.dtype == np.float32
    np.testing.assert_allclose(s, X.sum(1) / np.median(X.sum(1)), rtol=1e-5)


def test_normalize_says_when_a_counts_layer_is_replaced(cells):
    cells = smd.pp.filter(cells, min_genes=1)
    cells.layers["counts"], cells.layers["spliced"] = cells.X.copy(), cells.X * 2
    with pytest.warns(UserWarning, match=r"layers\['counts'\] is replaced"):
        out = smd.pp.normalize(cells, layer="spliced")
    assert (out.layers["counts"] != cells.X * 2).nnz == 0


@pytest.mark.parametrize("flavor", ["seurat", "pearson_residuals"])
@settings(max_examples=60, deadline=None)
@given(X=st.one_of(WHOLE, REAL_VALUED), n=st.integers(1, 12))
def test_select_genes_on_any_matrix(flavor, X, n):
    varies = (X.astype(np.float32) != X[0].astype(np.float32)).any(0)
    if not varies.any():
        with pytest.raises(ValueError, match="constant"):
            smd.pp.select_genes(X, n, flavor)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mask = smd.pp.select_genes(sp.csr_matrix(X), n, flavor)
    assert mask.dtype == bool and mask.sum() == min(n, varies.sum()) and not (mask & ~varies).any()
    assert (smd.pp.select_genes(X, n, flavor) == mask).all()


def test_select_genes_does_not_depend_on_cell_order():
    X, p = smd.io.pbmc700().X, np.random.default_rng(0).permutation(700)
    assert (smd.pp.select_genes(X, 200) == smd.pp.select_genes(X[p], 200)).all()


def test_select_genes_empty():
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="empty"):
            smd.pp.select_genes(np.zeros(shape))
