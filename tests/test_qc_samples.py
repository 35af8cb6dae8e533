"""qc, several samples: adaptive thresholds, tables per sample, names of genes, two species, figures, doublets."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import scsmd_nb as smd

OFF = dict(min_genes=None, max_genes=None, max_mito=None, min_cells=None)


@pytest.fixture
def two() -> ad.AnnData:
    "Two samples of 120 cells, the second a quarter as deep; ten empty droplets and ten dying cells in each."
    parts = []
    for name, depth, seed in (("deep", 1.0, 1), ("shallow", 0.25, 2)):
        a = smd.io.simulate(120, 500, 3, library_size=2000, library_sd=0.2, random_state=3)
        rng, X = np.random.default_rng(seed), a.X.toarray().astype(int)
        X[:, :5] = rng.poisson(12, (120, 5))
        X[:10] = rng.binomial(X[:10], 0.03)
        X[10:20, :5] += 100
        a.X = sp.csr_matrix(rng.binomial(X, depth).astype(np.float32))
        a.obs_names = [f"{name}_{i}" for i in range(120)]
        a.obs["sample"], a.obs["bad"] = name, np.arange(120) < 20
        parts.append(a)
    out = ad.concat(parts)
    out.var_names = [f"MT-{j}" for j in range(5)] + [f"GENE{j}" for j in range(5, 500)]
    return out


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=60), st.floats(0.5, 10))
def test_mad_bounds_against_the_formula(x, n):
    x = np.array(x, float)
    mad = np.median(abs(x - np.median(x)))
    low, high = filtering._mad_bounds(x, n, log=False)
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


def test_small_groups_and_constant_values(two):
    two.obs["tiny"] = np.where(np.arange(240) < 5, "few", "many")
    with pytest.warns(UserWarning, match="'few' has 5"):
        t = smd.pp.mad_thresholds(two, by="tiny")
    assert t["min_genes"]["few"] == smd.pp.mad_thresholds(two)["min_genes"]
    same = ad.AnnData(sp.csr_matrix(np.ones((30, 9), np.float32)))
    assert set(smd.pp.mad_thresholds(same).values()) == {None}
    assert smd.pp.filter(same, **smd.pp.mad_thresholds(same)).n_obs == 30


def test_no_survivor_says_who_took_how_many(two):
    words = "no cell is left: max_mito=0 removes all .* of 240 cells, min_genes=100 took"
    with pytest.raises(ValueError, match=words):
        smd.pp.filter(two, min_genes=100, max_mito=0)


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


def test_figures_show_the_thresholds_and_change_nothing(two):
    before = (two.X.copy(), two.obs.copy(), repr(two.uns))
    t = smd.pp.mad_thresholds(two, by="sample")
    fig = smd.pl.qc_violin(two, **t)
    kept = smd.pp.filter(two, **t).n_obs
    assert fig.get_suptitle().startswith(f"{kept} of 240 cells")
    lines = [
        c
        for ax in fig.axes
        for c in ax.collections
        if c.get_linestyle() and c.get_linestyle()[0][1] is not None
    ]
    assert len(lines) == 2 * 5  # five thresholds of two samples
    assert (
        smd.pl.qc_scatter(two, **t).get_suptitle() == f"The filters take {240 - kept} of 240 cells"
    )
    for draw in (smd.pl.qc_violin, smd.pl.qc_scatter):
        with pytest.raises(ValueError, match="Did you mean 'min_genes'"):
            draw(two, min_gene=3)
    one = ad.AnnData(sp.csr_matrix(np.ones((1, 3), np.float32)))
    smd.pl.qc_violin(one), smd.pl.qc_scatter(one)
    assert (
        (two.X != before[0]).nnz == 0 and two.obs.equals(before[1]) and repr(two.uns) == before[2]
    )


def test_doublets_per_sample(two):
    a = smd.io.simulate(300, 800, 3, library_size=3000, fold_change=20, random_state=1)
    rng = np.random.default_rng(0)
    i, j = rng.permutation(300)[:30], rng.permutation(300)[:30]
    differ = a.obs["cell_type"].to_numpy()[i] != a.obs["cell_type"].to_numpy()[j]
    pairs = ad.AnnData(sp.csr_matrix(a.X[i] + a.X[j])[differ], var=a.var[[]])
    pairs.obs_names = [f"pair{k}" for k in range(pairs.n_obs)]
    both = ad.concat([a, pairs])
    alone = smd.pp.find_doublets(both)
    assert (
        alone.loc[pairs.obs_names, "doublet_score"].median()
        > 3 * alone.loc[a.obs_names, "doublet_score"].median()
    )
    small = two[:50].copy()
    small.var_names = both.var_names[:500]
    mixed = ad.concat([both, small], join="outer")
    mixed.obs["run"] = ["a"] * both.n_obs + ["b"] * 50
    with pytest.warns(UserWarning, match="sample 'b' .50 cells are too few"):
        found = smd.pp.find_doublets(mixed, by="run")
    np.testing.assert_allclose(
        found["doublet_score"][: both.n_obs], alone["doublet_score"], atol=1e-6
    )
    assert (
        found["doublet_score"][both.n_obs :].isna().all()
        and not found["doublet"][both.n_obs :].any()
    )


@pytest.mark.parametrize("low, high", [(164, 360), (1_100, 1_900), (40, 41), (3, 90_000)])
def test_axes_show_numbers_of_genes_whatever_the_range(low, high):
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    ax.set_ylim(np.log10(low), np.log10(high))
    qc._log_ticks(ax.yaxis)
    shown = [int(t.get_text().replace(",", "")) for t in ax.get_yticklabels()]
    plt.close(fig)
    assert shown and all(low <= n <= high for n in shown)
    np.testing.assert_allclose(10 ** ax.get_yticks(), shown, rtol=1e-9)


def test_a_limit_that_takes_a_type_for_its_many_genes_is_named():
    x = np.zeros((100, 400), np.float32)
    x[:90, :200], x[90:, :] = 1, 1  # ten cells have twice the genes
    with pytest.warns(UserWarning, match=r"max_genes takes 10 of 100 cells \(10%\)"):
        smd.pp.filter(ad.AnnData(sp.csr_matrix(x)), min_genes=1, max_genes=300, max_mito=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        smd.pp.filter(ad.AnnData(sp.csr_matrix(x[:94])), min_genes=1, max_genes=300, max_mito=None)
