"""filter and its table: against numpy, nothing mutated, bad thresholds, several samples."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from pp_cells import OFF, WHOLE, fingerprint, thin_cells, two_samples

import scsmd_nb as smd


@pytest.fixture
def cells() -> ad.AnnData:
    return thin_cells()


@pytest.fixture
def two() -> ad.AnnData:
    return two_samples()


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
    ({"min_genes": -1}, "min_genes=-1"),
    ({"max_genes": 0}, "max_genes=0 removes all"),
]


@pytest.mark.parametrize("kwargs,words", BAD)
def test_bad_thresholds(cells, kwargs, words):
    before = fingerprint(cells)
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        smd.pp.filter(cells, **OFF | kwargs)
    assert fingerprint(cells) == before


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


def test_tables_per_sample_add_up(two):
    out = smd.pp.filter(two, **smd.pp.mad_thresholds(two, by="sample"))
    samples, table = smd.pp.filter_table(out, per_sample=True), smd.pp.filter_table(out)
    assert (
        samples.drop(columns=["cells", "left"]).sum(1) + samples["left"] == samples["cells"]
    ).all()
    assert samples["left"].to_dict() == out.obs["sample"].value_counts().to_dict()
    for name in table.index[table["axis"] == "cells"]:
        assert samples[name].sum() == table.loc[name, "removed"]
    s = smd.pp.sample_table(two, "sample")
    deep = two[two.obs["sample"] == "deep"]
    assert s.loc["deep", "genes_detected"] == (deep.X.toarray() > 0).any(0).sum()
    assert s.loc["deep", "total_counts"] == np.median(deep.X.toarray().sum(1))


def test_thresholds_per_sample_equal_filtering_each_sample(two):
    t = {"min_genes": {"deep": 150, "shallow": 60}, "max_mito": {"deep": 0.1, "shallow": None}}
    out = smd.pp.filter(two, **OFF | t, by="sample")
    alone = [
        smd.pp.filter(two[two.obs["sample"] == g].copy(), **OFF | {k: v[g] for k, v in t.items()})
        for g in ("deep", "shallow")
    ]
    assert out.obs_names.tolist() == [c for a in alone for c in a.obs_names]


def test_results_go_through_a_file(two, tmp_path):
    out = smd.pp.filter(two, **smd.pp.mad_thresholds(two, by="sample"))
    out.write_h5ad(tmp_path / "a.h5ad")
    back = ad.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(
        smd.pp.filter_table(back, True), smd.pp.filter_table(out, True), check_names=False
    )


def test_groups_that_cannot_be_used(two):
    two.obs["holes"] = two.obs["sample"].where(np.arange(240) > 3)
    for kwargs, words in (
        ({"by": "smaple"}, "Did you mean 'sample'"),
        ({"by": "holes"}, "4 of 240 cells have no value"),
        ({"min_genes": {"deep": 1}}, "by=..."),
        ({"min_genes": {"deep": 1}, "by": "sample"}, "no value for the group 'shallow'"),
        (
            {
                "min_counts": {"deep": 9, "shallow": 1},
                "max_counts": {"deep": 3, "shallow": 5},
                "by": "sample",
            },
            "min_counts=9 is more than max_counts=3 .for 'deep'.",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            smd.pp.filter(two, **kwargs)
    with pytest.raises(ValueError, match="by=..."):
        smd.pp.filter_table(smd.pp.filter(two, min_genes=1), per_sample=True)


def test_doublets_are_a_filter_and_must_fit(two):
    called = pd.DataFrame(
        {"doublet_score": 0.0, "doublet": np.arange(240) % 5 == 0}, index=two.obs_names
    )
    out = smd.pp.filter(two, **OFF, doublets=called.iloc[::-1])  # order of the rows does not matter
    assert (
        smd.pp.filter_table(out).loc["doublets", "removed"] == 48
        and not called.loc[out.obs_names, "doublet"].any()
    )
    for wrong, words in (
        (called.iloc[:9], "no value for 231"),
        (np.zeros(9, bool), "shape"),
        (np.zeros(240), "float64"),
    ):
        with pytest.raises(ValueError, match=words):
            smd.pp.filter(two, **OFF, doublets=wrong)


def test_a_limit_that_takes_a_type_for_its_many_genes_is_named():
    x = np.zeros((100, 400), np.float32)
    x[:90, :200], x[90:, :] = 1, 1  # ten cells have twice the genes
    with pytest.warns(UserWarning, match=r"max_genes takes 10 of 100 cells \(10%\)"):
        smd.pp.filter(ad.AnnData(sp.csr_matrix(x)), min_genes=1, max_genes=300, max_mito=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        smd.pp.filter(ad.AnnData(sp.csr_matrix(x[:94])), min_genes=1, max_genes=300, max_mito=None)
