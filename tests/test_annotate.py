"""annotate: clusters get the type whose markers they express, and "unsure" where the list does not tell."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scsmd_nb as smd
from scsmd_nb.io.catalog import info
from scsmd_nb.tl.annotation import annotate, marker_scores

MARKERS = info("osteosarcoma").markers


def tumour(markers=MARKERS, n=40, rise=6.0, seed=0, genes=None) -> ad.AnnData:
    "Cells of each type that express its markers (all genes of MARKERS are measured); the truth in obs['truth']."
    rng = np.random.default_rng(seed)
    genes = genes or sorted({g for gs in MARKERS.values() for g in gs})
    base = np.concatenate([rng.lognormal(0, 1, 600), np.full(len(genes), 0.15)])
    raised = rise * rng.lognormal(0, 0.7, len(genes))
    X, truth = [], []
    for name, own in markers.items():
        p = base.copy()
        for g in own:
            p[600 + genes.index(g)] += raised[genes.index(g)]
        mean = rng.lognormal(np.log(2500), 0.3, (n, 1)) * p / p.sum()
        X.append(rng.poisson(rng.gamma(2.0, mean / 2)))
        truth += [name] * n
    a = ad.AnnData(sp.csr_matrix(np.vstack(X), dtype=np.float32))
    a.var_names, a.obs["truth"] = [f"G{j}" for j in range(600)] + genes, truth
    a.obs["scsmd"] = pd.Categorical(truth)
    return a


@pytest.mark.parametrize("seed", range(3))
def test_all_eleven_types_are_recognised(seed):
    a = tumour(seed=seed)
    t = annotate(a, "osteosarcoma")
    assert len(t) == 11 and not ((t["type"] != t.index) & (t["type"] != "unsure")).any()
    assert (t["nearest"] == t.index).all() and (t["type"] == t.index).sum() >= 10


def test_only_two_columns_are_added_and_they_agree_with_the_table():
    a = tumour()
    a.layers["counts"], a.X = a.X.copy(), a.X.log1p()
    before = a.copy()
    t = annotate(a, MARKERS)
    assert list(a.obs.columns) == ["truth", "scsmd", "scsmd_type", "scsmd_type_margin"]
    assert (
        (a.X != before.X).nnz == 0
        and list(a.var.columns) == []
        and not a.uns
        and set(a.layers) == {"counts"}
    )
    assert list(a.obs["scsmd_type"].astype(str)) == list(t.loc[a.obs["scsmd"].astype(str), "type"])
    assert np.allclose(a.obs["scsmd_type_margin"], t.loc[a.obs["scsmd"].astype(str), "margin"])
    assert (t["margin"] >= 0).all() and (t["nearest"] != t["second"]).all()


def test_nothing_is_named_where_nothing_is_expressed():
    a = tumour(rise=1e-9)
    rng = np.random.default_rng(0)
    a.obs["scsmd"] = rng.permutation(a.obs["scsmd"].astype(str).to_numpy())
    assert (annotate(a, MARKERS)["type"] == "unsure").mean() > 0.8


def test_a_mixture_and_a_stranger_are_unsure():
    a = tumour(MARKERS | {"stranger": ()})
    a.obs["scsmd"] = a.obs["truth"].replace({"pericytes": "mix", "myoblasts": "mix"})
    t = annotate(a, MARKERS)
    assert t.loc["stranger", "type"] == "unsure" and t.loc["stranger", "score"] < 0.25
    assert (
        t.loc["mix", "type"] == "unsure"
        or t.loc["mix", "margin"] > 2 * t.loc["mix", "margin_error"]
    )
    assert t.loc["mix", "margin"] < t.loc[["MSC", "myeloid"], "margin"].min() / 2


def test_types_that_share_genes_but_are_absent_do_not_win():
    some = {t: MARKERS[t] for t in ("osteoblastic", "myeloid", "endothelial")}
    t = annotate(tumour(some), MARKERS)
    assert list(t["type"][list(some)]) == list(some)


def test_one_cell_alone_is_unsure():
    a = tumour()
    a = a[
        (a.obs["truth"] != "MSC")
        | (np.arange(a.n_obs) == np.flatnonzero(a.obs["truth"] == "MSC")[0])
    ].copy()
    t = annotate(a, MARKERS)
    assert (
        t.loc["MSC", "cells"] == 1
        and t.loc["MSC", "type"] == "unsure"
        and t.loc["MSC", "nearest"] == "MSC"
    )


def test_scores_are_standardised_and_the_cell_order_does_not_matter():
    a = tumour(n=15)
    z = marker_scores(a, ["COL1A1", "VWF"])
    assert np.allclose(z.mean(), 0, atol=1e-6) and np.allclose(z.std(ddof=0), 1)
    again = marker_scores(a[::-1].copy(), ["COL1A1", "VWF"])
    assert np.allclose(again[::-1], z, atol=1e-6)


def test_a_matrix_of_markers_only_has_no_controls_and_still_works():
    a = tumour()
    a = a[:, 600:].copy()
    t = annotate(a, MARKERS)
    assert (t["nearest"] == t.index).mean() > 0.9


def test_missing_markers_are_said_and_wrong_input_is_refused():
    a = tumour(n=10)
    with pytest.warns(UserWarning, match="MYL1, MYLPF; without any are myoblasts"):
        annotate(a[:, ~a.var_names.isin(["MYLPF", "MYL1"])].copy(), MARKERS)
    before = a.obs.copy()
    mouse = a.copy()
    mouse.var_names = [g.capitalize() for g in mouse.var_names]
    nan = a.copy()
    nan.obs["scsmd"] = nan.obs["scsmd"].where(nan.obs["scsmd"] != "MSC")
    for b, markers, kwargs, says in (
        (mouse, MARKERS, {}, "another species"),
        (a, MARKERS, {"key": "scsm"}, "Did you mean 'scsmd'"),
        (a, "osteosarkoma", {}, "Did you mean 'osteosarcoma'"),
        (a, {"x": ["VWF"]}, {}, "at least 2"),
        (a, {"x": "VWF", "y": ["CD14"]}, {}, "Give a list"),
        (nan, MARKERS, {}, "10 cells have no cluster"),
        (a, MARKERS, {"layer": "umi"}, "no layer 'umi'"),
    ):
        with pytest.raises(ValueError, match=says):
            annotate(b, markers, **kwargs)
    assert a.obs.equals(before)


def test_real_sorted_blood_cells(data_dir):
    "Labels from cell sorting, independent of counts: B cells, monocytes and NK cells are found by their markers."
    a = smd.io.load("pbmc_facs")
    names = a.obs["cell_type"].astype(str)
    a.obs["scsmd"] = pd.Categorical(names)
    blood = {
        "B": ("CD79A", "MS4A1"),
        "NK": ("GNLY", "NKG7"),
        "monocyte": ("CD14", "LYZ"),
        "T": ("CD3D", "CD3E", "IL7R"),
        "CD34+": ("CD34", "SPINK2"),
    }
    genes = {g for gs in blood.values() for g in gs}
    if len(genes & set(a.var_names)) < 8:
        pytest.skip(f"only {len(genes & set(a.var_names))} of the markers have names in this file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        t = annotate(a, blood)
    found = {c: n for c, n in t["nearest"].items()}
    assert len(set(found.values())) == len(found), found
