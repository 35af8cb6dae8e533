"""scDCCA: contrastive losses by hand, the clean and the noisy path, and the contract of a method."""

import math

import numpy as np
import pytest
import torch

from scsmd_nb.bench.methods.registry import get
from scsmd_nb.bench.methods.scdcca import (
    DualAutoencoder,
    at_rest,
    cluster_loss,
    epoch_limits,
    hide,
    instance_loss,
    log_counts_input,
    scdcca,
    unevenness,
)
from scsmd_nb.io.simulation import simulate
from scsmd_nb.tl import metrics


@pytest.fixture(scope="module")
def cells():
    return simulate(150, 300, 3, random_state=2)


def test_views_can_be_swapped():
    g = torch.Generator().manual_seed(0)
    a, b = (torch.randn(9, 5, generator=g) for _ in range(2))
    torch.testing.assert_close(instance_loss(a, b), instance_loss(b, a))
    torch.testing.assert_close(
        cluster_loss(a.softmax(1), b.softmax(1)), cluster_loss(b.softmax(1), a.softmax(1))
    )


def test_an_empty_cluster_gives_no_nan():
    c = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    loss = cluster_loss(c, c)
    loss.backward()
    assert loss.isfinite() and unevenness(torch.tensor([[1.0, 0.0]])).item() == pytest.approx(
        math.log(2)
    )


def test_hide_takes_one_gene_in_five():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert (hide(torch.ones(100, 1000)) == 0).float().mean().item() == pytest.approx(
            0.2, abs=0.01
        )


def test_only_the_reconstruction_is_noisy():
    with torch.random.fork_rng():
        net, x, s = DualAutoencoder(30, 3), torch.randn(4, 30), torch.ones(4)
        assert torch.equal(net.encode(x), net.encode(x)) and not torch.equal(
            net(x, s)[0], net(x, s)[0]
        )
        net.noise = 0
        torch.testing.assert_close(
            net(x, 2 * s)[0], net(x, s)[0] + math.log(2)
        )  # twice the depth, twice the mean


def test_log_input_is_the_published_one(cells):
    data = log_counts_input(cells, n_top_genes=200)
    assert data.x.shape == (150, 200) and data.mask.sum() == 200
    row_totals = data.counts.sum(1)
    np.testing.assert_allclose(data.x.sum(1), np.median(row_totals), rtol=1e-4)
    np.testing.assert_allclose(data.size_factor, row_totals / np.median(row_totals), rtol=1e-4)
    total = (
        cells.X.sum(1).A1 if hasattr(cells.X.sum(1), "A1") else np.asarray(cells.X.sum(1)).ravel()
    )
    expected = np.log2(1 + cells.X[0].toarray().ravel() * 1e4 / total[0])[data.mask]
    np.testing.assert_allclose(data.counts[0], expected, rtol=1e-4)


def test_epoch_limits_and_rest():
    assert epoch_limits("published", 10**6) == (70, 100) and epoch_limits("laptop", 10**6) == (
        30,
        30,
    )
    assert epoch_limits("laptop", 3000) == (50, 50)
    still, one_cluster = (0.0, 0.0, 4), (0.0, 0.0, 1)
    assert (
        at_rest([still] * 3, 4, 0.005)
        and not at_rest([still] * 2, 4, 0.005)
        and not at_rest([still] * 3, 4, None)
    )
    assert not at_rest([one_cluster] * 3, 4, 0.005)


@pytest.mark.parametrize("kind", ["counts", "log"])
def test_contract(cells, kind, monkeypatch):
    monkeypatch.setattr("scsmd_nb.bench.methods.scdcca.LEAST_STEPS", 30)  # for speed
    before, state = cells.copy(), torch.get_rng_state()
    method = get("scdcca", input=kind)
    labels, z = method(cells, 3, 0)
    again, _ = method(cells, 3, 0)
    assert labels.shape == (150,) and z.shape == (150, 32) and z.dtype == np.float32
    assert set(np.unique(labels)) <= {0, 1, 2} and (labels == again).all()
    assert torch.equal(state, torch.get_rng_state())
    assert (before.X != cells.X).nnz == 0 and list(before.obs) == list(cells.obs) and not cells.obsm
    if kind == "counts":
        assert metrics.ari(cells.obs["cell_type"], labels) > 0.9 and len(np.unique(labels)) == 3


def test_labels_do_not_depend_on_the_truth(cells, monkeypatch):
    monkeypatch.setattr("scsmd_nb.bench.methods.scdcca.LEAST_STEPS", 10)
    bare = cells.copy()
    del bare.obs["cell_type"]
    assert (scdcca(bare, 3)[0] == scdcca(cells, 3)[0]).all()


def test_errors(cells):
    with pytest.raises(ValueError, match="n_clusters=1: it needs a whole number from 2"):
        scdcca(cells, 1)
    with pytest.raises(ValueError, match="n_clusters=None"):
        scdcca(cells, None)
    with pytest.raises(ValueError, match="budget='slow'"):
        scdcca(cells, 3, budget="slow")
    with pytest.raises(ValueError, match="input='raw'"):
        scdcca(cells, 3, input="raw")
    with pytest.raises(ValueError, match="has no option"):
        get("scdcca", depth=3)
