"""Thresholds found in the data, for one sample and for several."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from pp_cells import (
    two_samples,
)

import scsmd_nb as smd
from scsmd_nb.pp import thresholds


@pytest.fixture
def two() -> ad.AnnData:
    return two_samples()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60), st.floats(0.5, 10))
def test_mad_bounds_against_the_formula(x, n):
    x = np.array(x, float)
    mad = np.median(abs(x - np.median(x)))
    low, high = thresholds._mad_bounds(x, n, log=False)
    if mad == 0:
        assert low is None and high is None
        return
    np.testing.assert_allclose((low, high), (np.median(x) - n * mad, np.median(x) + n * mad))
    inside = (x >= low) & (x <= high)
    assert n < 1 or inside.mean() >= 0.5  # the bulk is never called an outlier


def test_adaptive_thresholds_take_the_bad_and_leave_the_good(two):
    t = smd.pp.mad_thresholds(two, by="sample")
    assert t["by"] == "sample" and set(t["min_genes"]) == {"deep", "shallow"}
    assert t["min_counts"]["deep"] > 2 * t["min_counts"]["shallow"]
    out = smd.pp.filter(two, **t)
    assert out.obs["bad"].sum() == 0 and (~out.obs["bad"]).sum() >= 196
    for g, part in two.obs.groupby("sample"):  # alone, the sample gets the same thresholds
        alone = smd.pp.mad_thresholds(two[part.index].copy())
        assert alone == {k: v[g] for k, v in t.items() if k != "by"}


def test_small_groups_and_constant_values(two):
    two.obs["tiny"] = np.where(np.arange(240) < 5, "few", "many")
    with pytest.warns(UserWarning, match="'few' has 5"):
        t = smd.pp.mad_thresholds(two, by="tiny")
    assert t["min_genes"]["few"] == smd.pp.mad_thresholds(two)["min_genes"]
    same = ad.AnnData(sp.csr_matrix(np.ones((30, 9), np.float32)))
    assert set(smd.pp.mad_thresholds(same).values()) == {None}
    assert smd.pp.filter(same, **smd.pp.mad_thresholds(same)).n_obs == 30
