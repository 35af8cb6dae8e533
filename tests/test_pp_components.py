"""PCA against numpy and scanpy, on counts and on logged values."""

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from pp_cells import (
    fingerprint,
    standardise,
    three_types,
)

import scsmd_nb as smd


@pytest.fixture
def cells() -> ad.AnnData:
    return three_types()


def test_pca_is_scanpys_on_scaled_values(cells):
    smd.pp.pca(cells, 10)
    X = smd.pp.log_normalize(cells.X)
    dense = X.toarray().astype(float)
    Z = np.minimum((dense - dense.mean(0)) / dense.std(0), 10)
    theirs = ad.AnnData(Z)
    sc.pp.pca(theirs, n_comps=10, svd_solver="full")
    np.testing.assert_allclose(
        cells.uns["pca"]["variance_ratio"][:2], theirs.uns["pca"]["variance_ratio"][:2], rtol=1e-4
    )
    for k in range(2):
        assert (
            abs(np.corrcoef(cells.obsm["X_pca"][:, k], theirs.obsm["X_pca"][:, k])[0, 1]) > 0.9999
        )
        assert abs(np.corrcoef(cells.varm["PCs"][:, k], theirs.varm["PCs"][:, k])[0, 1]) > 0.9999


def test_counts_layer_counts_and_logged_x_give_the_same(cells):
    layered = cells.copy()
    layered.layers["counts"], layered.X = cells.X.copy(), cells.X * 0
    logged = smd.pp.normalize(cells)
    del logged.layers["counts"]
    named = cells.copy()
    named.layers["raw"], named.X = cells.X.copy(), -cells.X
    dense = cells.copy()
    dense.X = cells.X.toarray()
    expected = smd.pp.pca(cells, 5, copy=True).obsm["X_pca"]
    for a in (layered, logged, dense):
        np.testing.assert_allclose(smd.pp.pca(a, 5, copy=True).obsm["X_pca"], expected, atol=1e-3)
    np.testing.assert_allclose(
        smd.pp.pca(named, 5, layer="raw", copy=True).obsm["X_pca"], expected, atol=1e-3
    )


def test_marked_genes_only_and_zero_weights_elsewhere(cells):
    cells.var["highly_variable"] = np.arange(400) % 4 == 0
    smd.pp.pca(cells, 5)
    used = np.abs(cells.varm["PCs"]).sum(1) > 0
    assert (used == (np.arange(400) % 4 == 0)).all()
    assert (
        smd.pp.jackstraw(cells, 3, n_null=1000, progress=False).p_values.index
        == cells.var_names[used]
    ).all()


def test_a_marked_gene_that_became_constant_is_left_out(cells):
    cells.var["highly_variable"] = np.arange(400) < 50
    X = cells.X.toarray()
    X[:, 3] = 0
    cells.X = sp.csr_matrix(X)
    smd.pp.pca(cells, 5)
    assert (cells.varm["PCs"][3] == 0).all() and np.isfinite(cells.obsm["X_pca"]).all()


def test_two_thousand_genes_unless_marked():
    a = smd.io.simulate(60, 2500, 2, random_state=0)
    smd.pp.pca(a, 3)
    assert a.uns["pca"]["params"]["n_genes"] == 2000


def test_copy_view_h5ad_and_repeat(cells, tmp_path):
    before = fingerprint(cells)
    out = smd.pp.pca(cells, 5, copy=True)
    assert fingerprint(cells) == before and smd.pp.pca(cells[:100], 5, copy=True).n_obs == 100
    view = cells[:100]
    assert smd.pp.pca(view, 5) is None and view.obsm["X_pca"].shape == (100, 5)
    assert fingerprint(cells) == before
    np.testing.assert_array_equal(smd.pp.pca(cells, 5, copy=True).obsm["X_pca"], out.obsm["X_pca"])
    out.write_h5ad(tmp_path / "a.h5ad")
    smd.pl.pca_loadings(ad.read_h5ad(tmp_path / "a.h5ad"))


def test_errors_say_what_and_how(cells):
    before, few = fingerprint(cells), cells[:10].copy()
    same, scaled, cpm, bare = cells.copy(), cells.copy(), cells.copy(), cells.copy()
    same.X = sp.csr_matrix(np.ones(cells.shape, np.float32))
    scaled.X = sp.csr_matrix(
        standardise(cells.X.toarray() + np.random.default_rng(0).random(cells.shape))
    )
    cpm.X = cells.X * 333.3
    bare.X = None
    for a, kw, words in (
        (few, {}, "n_comps=50 is too many for 10 cells: the most is 9"),
        (cells[:, :20].copy(), {}, "too many for 20 genes that vary"),
        (cells[:2].copy(), {"n_comps": 1}, "at least 3"),
        (same, {}, "constant"),
        (scaled, {}, "negative"),
        (cpm, {}, "not a whole number"),
        (bare, {}, "empty"),
        (cells, {"n_comps": 2.5}, "whole number"),
        (cells, {"layer": "nope"}, "no layer 'nope'"),
    ):
        with pytest.raises(ValueError, match=words):
            smd.pp.pca(a, **kw)
        assert "X_pca" not in a.obsm and "pca" not in a.uns
    for f in (smd.pl.pca_loadings, smd.pl.pca_scores, smd.pl.pca_umap):
        with pytest.raises(ValueError, match="Run smd.pp.pca"):
            f(cells)
    with pytest.raises(TypeError, match="expected an AnnData"):
        smd.pp.pca(cells.X)
    with pytest.raises(TypeError, match="needs the result"):
        smd.pl.jackstraw_ecdf(cells)
    for kw, words in (
        ({"share": 0}, "share=0"),
        ({"n_null": 10}, "n_null=10"),
        ({"max_cells": 1}, "max_cells=1"),
        ({"n_comps": 300}, "too many"),
    ):
        with pytest.raises(ValueError, match=words):
            smd.pp.jackstraw(cells, progress=False, **kw)
    with pytest.raises(ValueError, match="Did you mean 'cell_type'"):
        smd.pl.pca_overview(cells, color="celltype")
    assert fingerprint(cells) == before


def test_marks_without_a_gene_that_varies(cells):
    cells.var["highly_variable"] = False
    with pytest.raises(ValueError, match="marks no gene"):
        smd.pp.pca(cells, 3)
    X = cells.X.toarray()
    X[:, :5] = 0
    cells.X, cells.var["highly_variable"] = sp.csr_matrix(X), np.arange(400) < 5
    with pytest.raises(ValueError, match="all 5 highly variable genes are constant"):
        smd.pp.pca(cells, 3)
