"""Several samples: what batch_key removes, what it leaves, and what is said where samples cannot be compared."""

import warnings

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from typer.testing import CliRunner

import scsmd_nb as smd
from scsmd_nb.cli import app
from scsmd_nb.pp.batches import align, genes_within, has_counterpart
from scsmd_nb.pp.genes import select_genes
from scsmd_nb.tl.metrics import contingency

SIMULATED = dict(
    n_cells=360, n_genes=200, n_clusters=4, fold_change=4, library_size=3000, random_state=1
)
QUICK = dict(n_top_genes=80, max_epochs=1, start="kmeans", progress=False, accelerator="cpu")


def caught_otherwise(a, codes, seed=0, strength=1.5):
    "The counts as if the second sample had been caught by another protocol: each gene by its own factor."
    rng = np.random.default_rng(seed)
    caught = np.minimum(np.exp(rng.normal(-0.7, strength, a.n_vars)), 1)
    counts = a.X.toarray().astype(int)
    counts[codes == 1] = rng.binomial(counts[codes == 1], caught)
    return sp.csr_matrix(counts.astype(np.float32))


@pytest.fixture(scope="module")
def cells():
    "Four types in two samples; type_3 is in the first only."
    a = smd.io.simulate(**SIMULATED)
    codes = np.random.default_rng(0).integers(0, 2, a.n_obs)
    a.X = caught_otherwise(a, codes)
    a.obs["donor"] = np.array(["a", "b"])[codes]
    return a[(a.obs["cell_type"] != "type_3") | (codes == 0)].copy()


@pytest.fixture(scope="module")
def fitted(cells):
    a = cells.copy()
    _, model = smd.cluster(
        a,
        4,
        batch_key="donor",
        max_epochs=4,
        batch_size=64,
        progress=False,
        accelerator="cpu",
        return_model=True,
    )
    return a, model


def quiet(f, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f(*args, **kwargs)


def test_types_are_found_across_samples_and_one_that_only_one_sample_has_is_kept(fitted):
    a, _ = fitted
    assert smd.tl.ari(a.obs["cell_type"], a.obs["scsmd"]) > 0.95
    table = contingency(a.obs["cell_type"], a.obs["scsmd"]).to_numpy()
    f1 = 2 * table / (table.sum(0) + table.sum(1, keepdims=True))
    assert f1[3].max() > 0.9
    mixing = a.uns["scsmd"]["samples"]
    assert mixing["belongs_to"].tolist().count("a") == 1 and mixing["mixing"].max() > 0.9
    assert mixing["cells"].sum() == a.n_obs
    assert len(smd.pl.batches(a).axes) == 2


def test_the_result_can_be_written_and_the_model_knows_its_samples(fitted, tmp_path):
    a, model = fitted
    a.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad").uns["scsmd"]
    assert again["batch_key"] == "donor" and list(again["samples"]) == list(
        a.uns["scsmd"]["samples"]
    )
    model.save(tmp_path / "model")
    loaded = smd.SCSMD.load(tmp_path / "model")
    assert loaded.samples_ == ["a", "b"] and loaded.batch_key_ == "donor"
    assert (loaded.predict(a) == model.labels_).mean() > 0.99
    assert np.array_equal(loaded.predict(a.X, batch=a.obs["donor"]), loaded.predict(a))


def test_a_sample_that_came_later(fitted, cells):
    _, model = fitted
    later = smd.io.simulate(**SIMULATED)
    later.X = caught_otherwise(later, np.ones(360, int), seed=5)
    later = later[cells.obs_names].copy()  # the same cells, caught a third time
    later.obs["donor"] = "c"
    shift = model._run.shift
    with pytest.warns(UserWarning, match="'c' was not in the fit"):
        labels = model.predict(later)
    assert smd.tl.ari(later.obs["cell_type"], labels) > 0.9
    assert model._run.shift is shift and model.samples_ == ["a", "b"]
    with pytest.raises(ValueError, match="5 cells are too few"):
        model.predict(later[:5].copy())


def test_samples_of_cells_on_disk_are_known_too(fitted, cells, tmp_path):
    a, model = fitted
    later = cells.copy()
    later.obs["donor"] = np.where(cells.obs["donor"] == "b", "late", "a")
    for name, some in (("known", cells), ("new", later)):
        some.write_h5ad(tmp_path / f"{name}.h5ad")
        there = ad.read_h5ad(tmp_path / f"{name}.h5ad", backed="r")
        here = quiet(model.predict, some)
        assert np.array_equal(quiet(model.predict, there), here)
        donors = some.obs["donor"].to_numpy()
        assert np.array_equal(quiet(model.predict, there, batch=donors), here)


def test_types_that_are_elsewhere_have_counterparts_and_one_that_is_not_has_none():
    rng = np.random.default_rng(0)
    types, codes = np.arange(600) % 3, np.arange(600) // 300
    z = rng.normal(size=(600, 8)) + 6 * np.eye(8)[types]
    assert has_counterpart(z, codes).mean() > 0.95
    keep = (types < 2) | (codes == 0)  # the third type is in the first sample only
    found = has_counterpart(z[keep], codes[keep])
    assert found[types[keep] < 2].mean() > 0.95 and not found[types[keep] == 2].any()
    other = rng.normal(size=(600, 8)) + 6 * np.eye(8)[types + 3 * codes]  # no type in common
    assert has_counterpart(other - align(other, codes)[0][codes], codes).mean() < 0.05


def test_samples_without_a_type_in_common_stay_apart_and_are_named():
    a = smd.io.simulate(n_cells=600, n_genes=600, n_clusters=4, library_size=3000, random_state=1)
    codes = a.obs["cell_type"].isin(["type_0", "type_1"]).to_numpy().astype(int)
    a.obs["donor"] = codes.astype(str)
    with pytest.warns(UserWarning, match="hardly a group of cells is shared"):
        smd.cluster(a, 4, batch_key="donor", **QUICK | dict(n_top_genes=600))
    a.obs["donor"] = a.obs["cell_type"].astype(str)  # each sample is one type
    with pytest.warns(UserWarning, match="show no groups of cells"):
        smd.cluster(a, 4, batch_key="donor", **QUICK | dict(n_top_genes=600))


def test_genes_are_chosen_within_samples(cells):
    codes = (cells.obs["donor"] == "b").to_numpy().astype(int)
    assert np.array_equal(genes_within(cells.X, 0 * codes, 50), select_genes(cells.X, 50))
    loud = cells.X.toarray()
    loud[:, :10] = 30 * codes[:, None]
    loud = sp.csr_matrix(loud)
    assert select_genes(loud, 100)[:10].any() and not genes_within(loud, codes, 100)[:10].any()


def test_memory_disk_and_estimator_agree(cells, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    here = cells.copy()
    quiet(smd.cluster, here, 4, batch_key="donor", **QUICK)
    there = quiet(smd.cluster, tmp_path / "cells.h5ad", 4, batch_key="donor", **QUICK)
    assert np.array_equal(here.obsm["X_scsmd"], there.obsm["X_scsmd"])
    params = {k: QUICK[k] for k in ("n_top_genes", "max_epochs", "start")}
    own = smd.SCSMD(4, params=params, accelerator="cpu")
    quiet(own.fit, cells.X, batch=list(cells.obs["donor"]))
    assert np.array_equal(own.labels_.astype(str), here.obs["scsmd"].astype(str))
    with pytest.raises(ValueError, match="must know which one each cell is of"):
        own.predict(cells.X)


@pytest.mark.parametrize(
    "codes",
    [
        np.r_[0, np.ones(359, int)],
        np.arange(360) % 90,
        np.r_[np.zeros(20, int), np.arange(340) % 2 + 1],
    ],
    ids=["one cell", "ninety samples", "twenty cells"],
)
def test_odd_samples_run(cells, codes):
    a = cells.copy()
    a.obs["donor"] = codes[: a.n_obs].astype(str)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        smd.cluster(a, 4, batch_key="donor", **QUICK)
    few = any("fewer than 20 cells" in str(w.message) for w in said)
    assert few == (np.bincount(codes[: a.n_obs]).min() < 20)
    assert a.obs["scsmd"].notna().all() and np.isfinite(a.obsm["X_scsmd"]).all()


@pytest.mark.parametrize(
    "column, match",
    [
        (lambda n: ["a"] * n, "one sample only"),
        (lambda n: [None, *["a", "b"] * n][:n], "1 of .* cells have no sample"),
        (lambda n: np.arange(n) + 0.5, "numbers with decimals"),
        (lambda n: np.arange(n), "different values for"),
        (
            lambda n: ["Donor 1", "donor1"] * (n // 2) + ["donor1"] * (n % 2),
            "only in space or case",
        ),
    ],
)
def test_bad_columns(cells, column, match):
    a = cells.copy()
    a.obs["donor"] = column(a.n_obs)
    before = a.obs.copy(), set(a.uns), set(a.obsm)
    with pytest.raises(ValueError, match=match):
        smd.cluster(a, 4, batch_key="donor", **QUICK)
    assert a.obs.equals(before[0]) and (set(a.uns), set(a.obsm)) == before[1:]


def test_a_name_that_is_not_there(cells):
    with pytest.raises(ValueError, match="Did you mean 'donor'"):
        smd.cluster(cells.copy(), 4, batch_key="doner", **QUICK)


def test_a_column_that_clusters_follow_is_named_without_batch_key():
    a = smd.io.simulate(**SIMULATED)
    codes = np.arange(a.n_obs) % 2
    a.X, a.obs["donor"] = caught_otherwise(a, codes, strength=2.5), codes.astype(str)
    with pytest.warns(UserWarning, match="clusters follow obs\\['donor'\\]"):
        smd.cluster(a, 4, **QUICK | dict(max_epochs=4, batch_size=64))
    assert "batch_key" not in a.uns["scsmd"] and "samples" not in a.uns["scsmd"]


def test_the_command(cells, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    run = lambda *args: CliRunner().invoke(app, [str(a) for a in args])
    how = ("-o", "n_top_genes=80", "-o", "start=kmeans", "--max-epochs", "1", "--no-figures")
    fit = ("fit", tmp_path / "cells.h5ad", "-k", "4", "--out", tmp_path / "out", *how)
    wrong = run(*fit, "--batch", "doner")
    assert (
        wrong.exit_code
        and "--batch 'doner' is not a column of obs. Did you mean 'donor'" in wrong.output
    )
    done = run(*fit, "--batch", "donor")
    assert done.exit_code == 0, done.output
    assert "How samples mix" in done.output and "Cells of each donor" in done.output
    told = run(
        "predict", tmp_path / "out/model", tmp_path / "cells.h5ad", "--out", tmp_path / "l.csv"
    )
    assert told.exit_code == 0, told.output
    assert (tmp_path / "l.csv").exists()
    no = cells.copy()
    del no.obs["donor"]
    no.write_h5ad(tmp_path / "no.h5ad")
    told = run("predict", tmp_path / "out/model", tmp_path / "no.h5ad", "--out", tmp_path / "m.csv")
    assert told.exit_code and "Say with --batch" in told.output
