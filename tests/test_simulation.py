"""simulation, examples: the simulator keeps its promises, and the 700 cells are made anew each time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scsmd_nb as smd
from scsmd_nb.io import simulation


def test_pbmc700_gives_a_new_object_each_time():
    a = smd.io.pbmc700()
    a.X.data[:] = 0
    assert smd.io.pbmc700().X.sum() > 0


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 6), st.integers(0, 10))
def test_simulate_holds_what_it_promises(n_cells, n_genes, n_clusters, seed):
    if n_clusters > n_cells:
        with pytest.raises(ValueError, match="n_clusters"):
            smd.io.simulate(n_cells, n_genes, n_clusters)
        return
    a = smd.io.simulate(n_cells, n_genes, n_clusters, random_state=seed)
    smd.counts.check_counts(a.X)
    assert a.shape == (n_cells, n_genes) and a.obs["cell_type"].nunique() == n_clusters
    assert np.allclose(a.varm["profile"].sum(0), 1) and (a.var["phi"] > 0).all()
    assert np.allclose(smd.io.true_mean(a).sum(1), a.obs["library_size"])
    assert (smd.io.simulate(n_cells, n_genes, n_clusters, random_state=seed).X != a.X).nnz == 0


@given(st.integers(1, 500), st.lists(st.floats(0.01, 100), min_size=1, max_size=8))
def test_cluster_sizes_sum_up(n_cells, proportions):
    if len(proportions) > n_cells:
        return
    p = np.array(proportions) / np.sum(proportions)
    sizes = simulation._cluster_sizes(n_cells, p)
    assert sizes.sum() == n_cells and (sizes >= 1).all()
    if (p * n_cells >= 1).all():
        assert np.abs(sizes - p * n_cells).max() < 1


def test_simulate_across_blocks_of_cells():
    a = smd.io.simulate(2500, 20, 3, proportions=[5, 3, 2])
    assert a.obs["cell_type"].value_counts().to_dict() == {
        "type_0": 1250,
        "type_1": 750,
        "type_2": 500,
    }
