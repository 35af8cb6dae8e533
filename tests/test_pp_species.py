"""Names of mitochondrial genes, and two species in one matrix."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from pp_cells import (
    OFF,
    two_samples,
)

import scsmd_nb as smd


@pytest.fixture
def two() -> ad.AnnData:
    return two_samples()


NAMES = {
    "MT-ND1": 1,
    "mt-Nd1": 1,
    "mt:ND1": 1,
    "MT.CYB": 1,
    "MT_CO1": 1,
    "GRCh38_MT-ND1": 1,
    "mm10___mt-Nd1": 1,
    "nduo-6": 1,
    "ENSG00000198888": 1,
    "ENSG00000198888.2": 1,
    "ENSMUSG00000064351": 1,
    "hg19_ENSG00000198888": 1,
    "MTOR": 0,
    "Mt1": 0,
    "mTOR": 0,
    "MTRNR2L12": 0,
    "atp-2": 0,
    "ENSG00000198889": 0,
    "GRCh38_MTOR": 0,
    "": 0,
    "MT": 0,
    "NDUO-X": 0,
}


@pytest.mark.parametrize("name,is_mito", NAMES.items())
def test_mitochondrial_names(name, is_mito):
    assert smd.pp.mito_genes([name])[0] == bool(is_mito)


def test_mito_given_by_the_caller_and_none_found(two):
    by_name, plain = smd.pp.cell_metrics(two), two.copy()
    plain.var_names = [f"g{j}" for j in range(500)]
    mine = [f"g{j}" for j in range(5)]
    assert (smd.pp.cell_metrics(plain, mito=mine)["mito_share"] == by_name["mito_share"]).all()
    with pytest.warns(
        UserWarning, match="no mitochondrial gene was found among the 500 genes .named like 'g0'."
    ):
        smd.pp.filter(plain, min_genes=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = smd.pp.filter(plain, min_genes=10, mito=mine)
        smd.pp.filter(plain, min_genes=10, max_mito=None)
    assert same.obs_names.equals(smd.pp.filter(two, min_genes=10).obs_names)
    with pytest.raises(ValueError, match="1 of the 1 names"):
        smd.pp.filter(plain, mito="MT-ND1")
    with pytest.raises(ValueError, match="500 genes"):
        smd.pp.cell_metrics(plain, mito=[True])


SPELLINGS = [
    ("GRCh38_X{}", "mm10_X{}"),
    ("hg19-X{}", "mm10---x{}"),
    ("ENSG{:011d}", "ENSMUSG{:011d}"),
    ("GEN{}", "Gen{}"),
]


@pytest.mark.parametrize("a,b", SPELLINGS)
def test_two_species_are_refused_and_can_be_parted(a, b):
    rng, n = np.random.default_rng(0), 60
    X = rng.poisson(3.0, (40, 2 * n)).astype(np.float32)
    X[:30, n:], X[30:, :n] = 0, 0
    X[29, n:] = 3  # one cell of both
    mixed = ad.AnnData(
        sp.csr_matrix(X),
        var=pd.DataFrame(index=[a.format(i) for i in range(n)] + [b.format(i) for i in range(n)]),
    )
    with pytest.raises(ValueError, match="60 human .* and 60 mouse .*smd.pp.keep_species"):
        smd.pp.filter(mixed, **OFF)
    with pytest.raises(ValueError, match="genes of 2 species"):
        smd.pp.preprocess(mixed, **OFF)
    human, mouse = smd.pp.keep_species(mixed, "human"), smd.pp.keep_species(mixed, "mouse")
    assert human.shape == (29, n) and mouse.shape == (10, n) and mixed.shape == (40, 2 * n)
    assert smd.pp.filter(human, **OFF).n_obs == 29
    with pytest.raises(ValueError, match="human, mouse"):
        smd.pp.keep_species(mixed, "rat")


def test_one_species_is_never_refused(data_dir):
    for name in smd.io.available():
        smd.pp.check_species(smd.io.load(name))
    fly = ad.AnnData(sp.csr_matrix(np.ones((2, 300), np.float32)))
    fly.var_names = (
        [f"CG{i}" for i in range(100)]
        + [f"Abc{i}" for i in range(100)]
        + [f"abc{i}" for i in range(100)]
    )
    smd.pp.check_species(fly)


def test_ensembl_mitochondrial_genes_of_real_cells(data_dir):
    a = smd.io.load("cellmix_5lines")
    assert (
        smd.pp.mito_genes(a.var_names).sum() == 15
        and 0.05 < smd.pp.cell_metrics(a)["mito_share"].median() < 0.4
    )
