"""Figures of quality control."""

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp
from pp_cells import (
    two_samples,
)

import scsmd_nb as smd
from scsmd_nb.pl import qc


@pytest.fixture
def two() -> ad.AnnData:
    return two_samples()


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
