"""The estimator and `smd.cluster` on real data sets, and what they promise about the caller's objects."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scsmd_nb as smd
from scsmd_nb.tl import training
from scsmd_nb.tl.choose_k import suggest_from_counts

QUICK = dict(max_epochs=1, accelerator="cpu")
SETS = {"pbmc4k": 8, "zeisel": 7, "baron_human": 6, "mouse_bladder": 16}


@pytest.fixture(scope="module")
def cells():
    return smd.io.simulate(n_cells=120, n_genes=80, n_clusters=3, random_state=0)


@pytest.mark.parametrize("name", SETS)
def test_real_sets_run_with_k_given(data_dir, name):
    adata = smd.io.load(name)[::3].copy()
    before = adata.X.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smd.cluster(adata, SETS[name], progress=False, **QUICK)
    assert (adata.X != before).nnz == 0
    assert adata.obsm["scsmd_proba"].shape == (adata.n_obs, SETS[name])
    np.testing.assert_allclose(adata.obsm["scsmd_proba"].sum(1), 1, atol=1e-5)
    sizes = adata.obs["scsmd"].value_counts().reindex(adata.obs["scsmd"].cat.categories)
    assert sizes.is_monotonic_decreasing and (sizes > 0).all()
    assert adata.obs["scsmd"].cat.categories.tolist() == [str(i) for i in range(len(sizes))]


def test_default_preset_on_five_cell_lines(data_dir):
    adata = smd.io.load("cellmix_5lines")[::4].copy()
    labels = smd.SCSMD(5, accelerator="cpu", max_epochs=15).fit_predict(adata)
    assert len(set(labels)) == 5
    # make bench-core judges whole sets and whole trainings
    assert smd.tl.ari(adata.obs["cell_type"].astype(str), labels) >= 0.9


def test_labels_cannot_reach_training(cells):
    "Fits with true, shuffled and no reference types in obs are the same fit."
    found = []
    for types in (cells.obs["cell_type"].to_numpy(), cells.obs["cell_type"].to_numpy()[::-1], None):
        a = cells.copy()
        if types is None:
            del a.obs["cell_type"]
        else:
            a.obs["cell_type"] = types
        smd.cluster(a, 3, progress=False, **QUICK)
        found.append(a.obsm["X_scsmd"])
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


@pytest.mark.parametrize("kind", ["dense", "csr", "csc", "int", "layer", "frame"])
def test_containers_give_the_same_labels(cells, kind):
    counts = cells.X
    expected = smd.SCSMD(3, **QUICK).fit(cells).embedding_
    if kind == "layer":
        a = ad.AnnData(
            np.log1p(counts.toarray()), obs=cells.obs, var=cells.var, layers={"counts": counts}
        )
    else:
        a = {
            "dense": counts.toarray(),
            "csr": counts,
            "csc": counts.tocsc(),
            "int": counts.astype(np.int64),
            "frame": cells.to_df(),
        }[kind]
    np.testing.assert_array_equal(smd.SCSMD(3, **QUICK).fit(a).embedding_, expected)


def test_view_is_filled_and_parent_untouched(cells):
    view = cells[:60]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smd.cluster(view, 3, progress=False, **QUICK)
    assert "scsmd" in view.obs and "scsmd" not in cells.obs


def test_copy_leaves_the_original(cells):
    out = smd.cluster(cells, 3, copy=True, progress=False, **QUICK)
    assert "scsmd" in out.obs and "scsmd" not in cells.obs and "scsmd" not in cells.uns


def test_marked_genes_are_read(cells):
    a = cells.copy()
    a.var["highly_variable"] = np.arange(a.n_vars) < 30
    _, model = smd.cluster(a, 3, progress=False, return_model=True, **QUICK)
    assert list(model.genes_) == list(a.var_names[:30])
    assert a.var["highly_variable"].sum() == 30


def test_auto_looks_at_what_the_fit_has(cells):
    "Counts and marked genes go to the choice of K as they are; without marks it chooses as suggest_k does."
    marked, k_max = np.arange(cells.n_vars) < 40, 30
    plain = smd.SCSMD("auto", **QUICK).fit(cells).k_choice_
    pd.testing.assert_frame_equal(plain.table, smd.tl.suggest_k(cells, k_max, progress=False).table)
    expected = suggest_from_counts(cells.X, marked, k_max, progress=False)
    assert not expected.table.equals(plain.table)
    a = cells.copy()
    a.var["highly_variable"] = marked
    _, model = smd.cluster(a, "auto", progress=False, return_model=True, **QUICK)
    pd.testing.assert_frame_equal(model.k_choice_.table, expected.table)
    again = smd.SCSMD("auto", **QUICK).fit(cells, genes=marked).k_choice_
    pd.testing.assert_frame_equal(again.table, expected.table)


@pytest.mark.parametrize("preset", ["default", "paper", "authors"])
def test_last_row_of_the_history_is_the_result(preset):
    "CellNet's clusters are counted at rest, not on labels taken while it trains."
    a = smd.io.simulate(n_cells=90, n_genes=1100, n_clusters=3, random_state=0)
    for K, seed in ((3, 0), (4 if preset == "authors" else 8, 1))[preset == "authors" :]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = smd.SCSMD(K, preset=preset, random_state=seed, **QUICK | {"max_epochs": 2}).fit(
                a
            )
        assert model.history_["n_clusters"][-1] == model.n_clusters_
        rows = smd.tl.prepare(smd.counts.get_counts(a), None, model.params_).rows
        assert model._run.labels.tolist() == model.order_[model.labels_][rows].tolist()


def test_asking_for_the_epochs_changes_nothing(cells):
    data = smd.tl.cell_data(cells.X, np.ones(cells.n_vars, bool), smd.tl.Params())
    run = smd.tl.new_run(data, smd.tl.Params(), 3, fabric=smd.tl.make_fabric("cpu"))
    run.phase = "cellnet"
    before = dict(vars(run))
    assert training.n_epochs(run, data) == 100 + 100
    assert all(vars(run)[k] is v for k, v in before.items())


def test_numbers_of_numpy_survive_saving(cells, tmp_path):
    model = smd.SCSMD(np.int64(3), checkpoint=tmp_path / "run.safetensors", **QUICK).fit(cells)
    again = smd.SCSMD.load(model.save(tmp_path / "model"), accelerator="cpu")
    assert again.n_clusters == 3 and again.checkpoint is None
    np.testing.assert_array_equal(again.predict(cells), model.labels_)


def test_finished_fit_with_a_checkpoint_is_taken_up_whole(cells, tmp_path):
    path = tmp_path / "run.safetensors"
    first = smd.SCSMD(3, checkpoint=path, **QUICK).fit(cells)
    again = smd.SCSMD(3, checkpoint=path, **QUICK).fit(cells)
    np.testing.assert_array_equal(again.probabilities_, first.probabilities_)
    assert len(again.history_["loss"]) == len(first.history_["loss"])
    with pytest.raises(ValueError, match="other data or parameters"):
        smd.SCSMD(3, random_state=1, checkpoint=path, **QUICK).fit(cells)


def test_backed_file_is_read_not_changed(cells, tmp_path):
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    before = path.read_bytes()
    backed = ad.read_h5ad(path, backed="r")
    labels = smd.SCSMD(3, **QUICK).fit(backed).embedding_
    backed.file.close()
    np.testing.assert_array_equal(labels, smd.SCSMD(3, **QUICK).fit(cells).embedding_)
    assert path.read_bytes() == before


def test_failure_leaves_adata_untouched(cells):
    a = cells.copy()
    a.X = sp.csr_matrix(a.X.toarray() + 0.5)
    with pytest.raises(ValueError, match="not a whole number"):
        smd.cluster(a, 3, progress=False, **QUICK)
    assert (
        set(a.obs) == set(cells.obs)
        and set(a.obsm) == set(cells.obsm)
        and set(a.var) == set(cells.var)
    )


@pytest.mark.parametrize("n", [257, 513, 9])
def test_no_batch_of_one(n):
    a = smd.io.simulate(n_cells=n, n_genes=40, n_clusters=2, random_state=1)
    labels = smd.SCSMD(2, batch_size=8 if n == 9 else 256, **QUICK).fit_predict(a)
    assert labels.shape == (n,)


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_other_presets_run(preset):
    a = smd.io.simulate(n_cells=60, n_genes=1100, n_clusters=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smd.SCSMD(2, preset=preset, batch_size=30, **QUICK).fit(a)
    assert np.isfinite(model.probabilities_).all() and model.embedding_.shape[1] == (
        2 if preset == "paper" else 10
    )


def test_authors_labels_do_not_depend_on_batch_mates():
    "Unlike in the public code, batch norm rests while labels are read."
    a = smd.io.simulate(n_cells=60, n_genes=900, n_clusters=2, random_state=0)
    model = smd.SCSMD(2, preset="authors", batch_size=30, **QUICK).fit(a)
    whole = model.transform(a)
    np.testing.assert_allclose(
        np.vstack([model.transform(a[i : i + 7].copy()) for i in range(0, 60, 7)]),
        whole,
        rtol=1e-4,
        atol=1e-4,
    )
