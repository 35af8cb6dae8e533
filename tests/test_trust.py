"""Confidence and the table of clusters: what comes back, what does not, and what is said of it."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import scsmd_nb as smd


@pytest.fixture(scope="module")
def cells():
    "Three groups far apart, and a fourth cluster that cuts one of them at random."
    a = smd.io.simulate(n_cells=240, n_genes=80, n_clusters=3, random_state=0)
    rng, codes = np.random.default_rng(0), a.obs["cell_type"].cat.codes.to_numpy().astype(int)
    centres = 10 * rng.normal(size=(3, 8))
    a.obsm["X_mine"] = (centres[codes] + rng.normal(size=(240, 8))).astype(np.float32)
    cut = (codes == 0) & (rng.random(240) < 0.5)
    a.obs["mine"] = np.where(cut, 3, codes).astype(str)
    return a


def test_a_cluster_that_is_cut_at_random_is_named(cells, tmp_path):
    a = cells.copy()
    with pytest.warns(UserWarning, match="hardly ever found again"):
        table = smd.tl.assess(a, "mine")
    assert table["jaccard"][["0", "3"]].max() < 0.75
    assert table.loc["3", "nearest"] == "0" and table.loc["3", "genes"] < table.loc["1", "genes"]
    a.write_h5ad(tmp_path / "a.h5ad")
    again = ad.read_h5ad(tmp_path / "a.h5ad").uns["mine"]["clusters"]
    pd.testing.assert_frame_equal(again, table, check_names=False)


def test_groups_far_apart_come_back(cells):
    told = smd.tl.judge(cells.obsm["X_mine"], cells.obs["cell_type"], cells.X)
    assert told.clusters["jaccard"].min() > 0.9 and told.confidence.min() > 0.9
    assert told.notes == []


def test_names_of_clusters_do_not_matter_and_nothing_is_changed(cells):
    z, x = cells.obsm["X_mine"], cells.X.copy()
    ours = smd.tl.judge(z, cells.obs["mine"], cells.X)
    other = smd.tl.judge(z, cells.obs["mine"].map(dict(zip("0123", "abcd"))), cells.X)
    assert np.array_equal(ours.confidence, other.confidence) and (cells.X != x).nnz == 0
    assert np.array_equal(ours.clusters["jaccard"], other.clusters["jaccard"])


def test_one_cluster_and_very_few_cells():
    z = np.random.default_rng(0).normal(size=(5, 4))
    counts = sp.csr_matrix(np.ones((5, 6), np.float32))
    few = smd.tl.judge(z, [0, 0, 1, 2, 2], counts)
    assert np.isnan(few.confidence).all() and few.notes == []
    one = smd.tl.judge(z, np.zeros(5, int), counts)
    assert (one.confidence > 0.9).all() and one.clusters["jaccard"].tolist() == [1.0]


def test_samples_are_told(cells):
    batch = np.where(cells.obs["mine"] == "1", "b", "a")
    table = smd.tl.judge(cells.obsm["X_mine"], cells.obs["mine"], cells.X, samples=batch).clusters
    assert table["sample"].tolist() == ["a", "b", "a", "a"] and (table["sample_share"] == 1).all()


def test_two_partitions_that_are_about_equally_good_are_both_kept(cells):
    rng, a = np.random.default_rng(0), cells.copy()
    far = (
        10 * np.eye(8)[:3]
    )  # two groups of two halves each, alike; three clusters can cut only one
    halves = np.array([0, 0, 1, 1])[np.arange(240) % 4]
    z = far[halves] + np.where(np.arange(240) % 2, 2.2, -2.2)[:, None] * np.eye(8)[4 + halves]
    a.obsm["X_two"] = (z + rng.normal(size=z.shape)).astype(np.float32)
    a.obs["two"] = np.where(halves == 0, 0, np.arange(240) % 2 + 1).astype(str)
    with pytest.warns(UserWarning, match="the other of two partitions"):
        smd.tl.assess(a, "two")
    assert a.obs["two_other"].nunique() == 3
    first, second = (smd.tl.ari(halves, a.obs[c]) for c in ("two", "two_other"))
    assert smd.tl.ari(a.obs["two"], a.obs["two_other"]) < 0.6 < min(first, second) + 0.2
    a.obs["mine"] = a.obs["cell_type"].astype(str)
    smd.tl.assess(a, "mine")
    assert "mine_other" not in a.obs
