"""qc: filters and their table, normalisation and gene selection against scanpy and plain formulas, nothing mutated."""

import hashlib
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import scsmd_nb as smd

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=10)
WHOLE = hnp.arrays(np.float64, SHAPES, elements=st.integers(0, 9).map(float))
REAL_VALUED = hnp.arrays(np.float64, SHAPES, elements=st.one_of(st.just(0.0), st.floats(1e-3, 1e4)))
OFF = dict(min_genes=None, max_genes=None, max_mito=None, min_cells=None)


def fingerprint(a: ad.AnnData) -> str:
    "A hash of everything in an AnnData."
    h = hashlib.sha256()
    for M in [a.X, *a.layers.values(), *a.obsm.values()]:
        parts = (M.data, M.indices, M.indptr) if sp.issparse(M) else (np.ascontiguousarray(M),)
        for p in parts:
            h.update(p.tobytes())
    for df in (a.obs, a.var):
        h.update(df.to_csv().encode())
    h.update(
        repr(
            (sorted(a.layers), sorted(a.obsm), sorted(a.obsp), sorted(a.varm), repr(a.uns))
        ).encode()
    )
    return h.hexdigest()


@pytest.fixture
def cells() -> ad.AnnData:
    "120 simulated cells of 400 genes, five of them mitochondrial, some cells thin, some genes rare."
    a = smd.io.simulate(120, 400, 3, library_size=600, random_state=3)
    a.var_names = [f"MT-{j}" for j in range(5)] + list(a.var_names[5:])
    X = a.X.toarray()
    X[:10] = np.random.default_rng(0).binomial(X[:10].astype(int), 0.05)
    X[10:20, :5] += 60
    X[1:, -20:] = 0
    a.X = sp.csr_matrix(X)
    return a


@settings(max_examples=60, deadline=None)
@given(WHOLE, st.integers(0, 5), st.integers(0, 9), st.integers(0, 4))
def test_filter_against_dense_numpy(X, min_genes, more, min_cells):
    a = ad.AnnData(sp.csr_matrix(X))
    cells = ((X > 0).sum(1) >= min_genes) & ((X > 0).sum(1) <= min_genes + more)
    genes = (X[cells] > 0).sum(0) >= min_cells
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not cells.any() or not genes.any():
            with pytest.raises(ValueError, match="removes all"):
                smd.pp.filter(a, min_genes, min_genes + more, None, min_cells)
            return
        out = smd.pp.filter(a, min_genes, min_genes + more, None, min_cells)
    bare = (X[:, genes] > 0).sum(1) == 0
    if min_genes:
        cells &= ~bare
    assert (out.X.toarray() == X[np.ix_(cells, genes)]).all()
    t = smd.pp.filter_table(out)
    assert len(X) - t.loc[t.axis == "cells", "removed"].sum() == out.n_obs
    assert X.shape[1] - t.loc[t.axis == "genes", "removed"].sum() == out.n_vars


def test_table_counts_in_turn_and_alone(cells):
    m = smd.pp.cell_metrics(cells)
    out = smd.pp.filter(cells, min_genes=100, max_genes=300, max_mito=0.2, min_cells=3)
    t, X = smd.pp.filter_table(out), cells[out.obs_names].X.toarray()
    few, mito = (m.n_genes < 100).to_numpy(), (m.mito_share > 0.2).to_numpy()
    assert few.sum() > 0 and mito.sum() > 0
    assert t.loc["min_genes", "removed"] == t.loc["min_genes", "removed_alone"] == few.sum()
    assert t.loc["max_mito", "removed_alone"] == mito.sum()
    assert t.loc["max_mito", "removed"] == (mito & ~few & (m.n_genes <= 300).to_numpy()).sum()
    assert t.loc["min_cells", "removed"] == ((X > 0).sum(0) < 3).sum() >= 20


def test_all_filters_off_removes_nothing(cells):
    out = smd.pp.filter(cells, **OFF)
    assert out.shape == cells.shape and len(smd.pp.filter_table(out)) == 0


def test_exactly_at_the_threshold_stays():
    a = ad.AnnData(sp.csr_matrix(np.array([[1.0, 9.0], [1.0, 8.0], [2.0, 8.0]])))
    a.var_names = ["MT-A", "B"]
    with pytest.warns(UserWarning, match="removed 2 of 3 cells"):
        out = smd.pp.filter(a, **OFF | {"max_mito": 0.10})
    assert out.obs_names.tolist() == ["0"]


def test_a_cell_left_without_genes_goes_too():
    X = np.eye(6)[:, :4]
    X[:5, 3] = 1
    X[5, :] = [0, 0, 1, 0]
    out = smd.pp.filter(ad.AnnData(sp.csr_matrix(X)), **OFF | {"min_genes": 1, "min_cells": 3})
    assert out.shape == (5, 1) and smd.pp.filter_table(out).loc["no_counts_left", "removed"] == 1
    with pytest.raises(ValueError, match="1 of 6 cells have no counts"):
        smd.pp.preprocess(ad.AnnData(sp.csr_matrix(X)), **OFF | {"min_cells": 3})


def test_layers_obsm_and_labels_follow(cells):
    cells.layers["counts"] = cells.X.copy()
    cells.X = cells.X.log1p()
    cells.obsm["Z"] = np.arange(240.0).reshape(120, 2)
    out = smd.pp.filter(cells, min_genes=100)
    keep = [cells.obs_names.get_loc(c) for c in out.obs_names]
    assert (out.obsm["Z"] == cells.obsm["Z"][keep]).all()
    assert (out.obs["cell_type"] == cells.obs["cell_type"].iloc[keep]).all()
    assert (out.layers["counts"] != cells[out.obs_names, out.var_names].layers["counts"]).nnz == 0


BAD = [
    ({"max_mito": 5}, "share between 0 and 1: write 0.05 for 5 %"),
    ({"min_genes": -1}, "min_genes=-1"),
    ({"min_genes": "200"}, "min_genes='200'"),
    ({"min_genes": 9, "max_genes": 3}, "no cell can pass both"),
    ({"min_genes": 401}, "min_genes=401 removes all 120 cells"),
    ({"min_cells": 121}, "min_cells=121 removes all 400 genes"),
    ({"max_genes": 0}, "max_genes=0 removes all"),
    ({"layer": "u"}, "no layer 'u'"),
]


@pytest.mark.parametrize("kwargs,words", BAD)
def test_bad_thresholds(cells, kwargs, words):
    before = fingerprint(cells)
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        smd.pp.filter(cells, **OFF | kwargs)
    assert fingerprint(cells) == before


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


@pytest.mark.parametrize(
    "spoil,words",
    [
        (lambda X: X.log1p(), "normalised or log"),
        (lambda X: -X, "negative"),
        (lambda X: X * np.nan, "NaN"),
        (lambda X: X * np.inf, "infinite"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        smd.pp.filter,
        smd.pp.normalize,
        smd.pp.highly_variable,
        smd.pp.preprocess,
        smd.pp.cell_metrics,
    ],
)
def test_bad_counts_fail_clearly_and_leave_the_input(cells, spoil, words, call):
    cells.X = spoil(cells.X)
    before = fingerprint(cells)
    with pytest.raises(ValueError, match=words):
        call(cells)
    assert fingerprint(cells) == before


def test_duplicate_names(cells):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells.obs_names = ["a"] * 120
    with pytest.raises(ValueError, match="more than once in adata.obs_names: 'a'"):
        smd.pp.filter(cells)


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


@pytest.mark.parametrize("target", [1e4, None])
def test_normalize_is_scanpys(cells, target):
    cells = smd.pp.filter(cells, min_genes=1)
    ref = cells.copy()
    sc.pp.normalize_total(ref, target_sum=target)
    sc.pp.log1p(ref)
    out = smd.pp.normalize(cells, target)
    assert (out.X != ref.X).nnz == 0 and (out.layers["counts"] != cells.X).nnz == 0
    np.testing.assert_allclose(
        smd.pp.log_normalize(cells.X, target).toarray(), ref.X.toarray(), rtol=1e-4, atol=1e-6
    )


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


@pytest.mark.parametrize("n", [10, 100, 700])
def test_select_genes_is_scanpys_choice(n):
    a = smd.io.pbmc700()
    theirs = sc.pp.highly_variable_genes(smd.pp.normalize(a), n_top_genes=n, inplace=False)[
        "highly_variable"
    ].to_numpy()
    assert (smd.pp.select_genes(a.X, n) == theirs).all()
    theirs = sc.experimental.pp.highly_variable_genes(a, n_top_genes=n, inplace=False)[
        "highly_variable"
    ].to_numpy()
    assert (smd.pp.select_genes(a.X, n, "pearson_residuals") == theirs).all()


def test_select_genes_does_not_depend_on_cell_order():
    X, p = smd.io.pbmc700().X, np.random.default_rng(0).permutation(700)
    assert (smd.pp.select_genes(X, 200) == smd.pp.select_genes(X[p], 200)).all()


@pytest.mark.parametrize(
    "args,words",
    [
        ((10, "suerat"), "Did you mean 'seurat'"),
        ((0,), "n_top_genes=0"),
        ((1.5,), "n_top_genes=1.5"),
    ],
)
def test_select_genes_errors(args, words):
    with pytest.raises(ValueError, match=words):
        smd.pp.select_genes(np.eye(4), *args)


def test_select_genes_empty():
    for shape in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="empty"):
            smd.pp.select_genes(np.zeros(shape))


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


def test_neighbors_are_scanpys_on_small_data():
    a = ad.AnnData(np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32))
    ref = sc.pp.neighbors(a, use_rep="X", copy=True)
    assert (
        abs(
            smd.pp.neighbors(a, use_rep="X").obsp["connectivities"] - ref.obsp["connectivities"]
        ).max()
        < 1e-6
    )


@pytest.mark.parametrize("name,lost", [("baron_mouse1", 0), ("zeisel", 0), ("pbmc_facs", 7)])
def test_default_filters_on_whole_transcriptomes(data_dir, name, lost):
    a = smd.io.load(name)
    assert a.n_obs - smd.pp.filter(a).n_obs == lost


@pytest.mark.parametrize("name", ["pbmc4k", "mouse_bladder", "cbmc_cite"])
def test_default_filters_warn_on_chosen_genes(data_dir, name):
    a = smd.io.load(name)
    with pytest.warns(UserWarning, match="meant for whole transcriptomes"):
        smd.pp.filter(a)
    assert smd.pp.filter(a, min_genes=None).n_obs == a.n_obs
