"""Ambient share and mixing against planted truth."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from pp_cells import (
    contaminated,
    marked_cells,
)

import scsmd_nb as smd
from scsmd_nb.pp import samples


@pytest.mark.parametrize("rho", [0.1, 0.3])
def test_ambient_finds_what_was_put_in(rho):
    a = marked_cells(600)
    clean, dirty = smd.pp.ambient(a), smd.pp.ambient(contaminated(a, rho))
    assert clean["share"] < 0.05 and abs(dirty["share"] - rho) < 0.05
    assert not any(g.startswith("MT-") for g in dirty["genes"])


def test_ambient_says_when_it_cannot_tell():
    for a in (
        marked_cells(60),
        marked_cells(300, fold=1.01),
        ad.AnnData(sp.csr_matrix(np.ones((200, 50), np.float32))),
    ):
        assert np.isnan(smd.pp.ambient(a)["share"])


def test_mixing_of_random_apart_and_one_sample():
    a = marked_cells(400, fold=20)
    free = smd.pp.mixing(a, "sample")
    assert free.between(0.85, 1.15).all() and free.index.tolist() == sorted(set(a.obs["sample"]))
    assert (smd.pp.mixing(a, "cell_type") < 0.05).all()
    a.obs["one"] = "x"
    with pytest.raises(ValueError, match="one sample only, 'x'"):
        smd.pp.mixing(a, "one")


def test_mixing_score_by_brute_force():
    rng = np.random.default_rng(0)
    Z, g = rng.normal(size=(40, 3)), rng.choice(["a", "b", "c"], 40)
    D = ((Z[:, None] - Z) ** 2).sum(-1)
    np.fill_diagonal(D, np.inf)
    near = np.argsort(D, 1)[:, :5]
    plain = [np.mean(g[near[i]] != g[i]) / ((g != g[i]).sum() / 39) for i in range(40)]
    np.testing.assert_allclose(samples._mixing_score(Z, g, 5), plain)


@pytest.mark.parametrize(
    "name,low,high", [("pbmc_facs", 0, 0.02), ("baron_human", 0, 0.05), ("cellmix_5lines", 0, 0.2)]
)
def test_ambient_on_real_cells(data_dir, name, low, high):
    assert low <= smd.pp.ambient(smd.io.load(name))["share"] <= high


def test_mixing_on_real_cells(data_dir):
    assert (smd.pp.mixing(smd.io.load("baron_human"), "donor") < 0.3).all()
    assert (smd.pp.mixing(smd.io.load("cellmix_5lines"), "plate") > 0.4).all()
