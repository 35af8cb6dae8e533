"scziDesk: the properties of its specification and the contract of all methods."

import numpy as np
import pytest
import torch

import scsmd_nb as smd
from scsmd_nb.bench.methods.base import (
    clean,
    count_input,
    kmeans_start,
    pretraining_epochs,
)
from scsmd_nb.bench.methods.registry import get
from scsmd_nb.bench.methods.sczidesk import (
    EPOCHS,
    STEPS,
    network,
    pretrain,
    refine,
    self_training,
    soft_kmeans,
)

CENTERS = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
CELLS = torch.tensor([[0.0, 0.0], [0.5, 0.0], [2.0, 0.0]])


@pytest.fixture(scope="module")
def cells():
    return smd.io.simulate(n_cells=90, n_genes=80, n_clusters=3, random_state=0)


@pytest.fixture(scope="module")
def tensors(cells):
    return [torch.from_numpy(a) for a in count_input(cells)[:3]]


@pytest.fixture
def quick(monkeypatch):
    "Few epochs: these tests are about the contract, not about quality."
    from scsmd_nb.bench.methods import sczidesk as module

    monkeypatch.setattr(module, "EPOCHS", {"laptop": (2, 2), "published": (3, 3)})


def test_self_training_is_a_sum_over_all_pairs():
    "Against the formula, pair by pair, in double precision."
    z = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)).double()
    total = 0.0
    for i in range(12):
        others = [j for j in range(12) if j != i]
        p = torch.stack([1 / (1 + (z[i] - z[j]).square().sum()) for j in others])
        p = p / p.sum()
        q = p**2 / (p**2).sum()
        total += (q * (q / p).log()).sum()
    torch.testing.assert_close(self_training(z), total)


@pytest.mark.parametrize(
    "z", [torch.zeros(2, 4), torch.zeros(1, 4), torch.zeros(5, 4), 1e4 * torch.eye(5)]
)
def test_losses_are_finite_with_gradient(z):
    z = z.clone().requires_grad_()
    loss = self_training(z) + soft_kmeans(z, torch.zeros(2, z.shape[1]))
    loss.backward()
    assert loss.isfinite() and z.grad.isfinite().all()


def test_gradient_passes_through_weights_and_centres():
    z, c = CELLS.clone().requires_grad_(), CENTERS.clone().requires_grad_()
    soft_kmeans(z, c).backward()
    d = torch.cdist(CELLS, CENTERS).square()
    w = torch.softmax(-2 * d, 1)[..., None]
    held = (2 * w * (CELLS[:, None] - CENTERS)).sum(1) / 3  # what it would be with w held fixed
    assert c.grad.abs().sum() > 0 and not torch.allclose(z.grad, held)


def test_network_and_noise():
    for on in (False, True):
        net = network(20, on)
        assert [m.sd for m in net.encode if hasattr(m, "sd") and m.sd] == ([1.5] * 3 if on else [])
        assert all((m.bias == 0).all() for m in net.modules() if isinstance(m, torch.nn.Linear))
        x = torch.randn(4, 20)
        assert torch.equal(net.train().encode(x), net.encode(x)) is not on
        assert torch.equal(net.eval().encode(x), net.encode(x))


def test_pretraining_lowers_the_loss(tensors):
    x, counts, size = tensors
    losses = pretrain(
        network(x.shape[1]), x, counts, size, np.random.default_rng(0), epochs=20, stop_early=False
    )
    assert len(losses) == 20 and losses[-1] < losses[0]


def test_every_tenth_epoch_is_a_check(tensors):
    x, counts, size = tensors
    net, seen = network(x.shape[1]), []
    centers = kmeans_start(clean(net, x), 3, 0)[0]
    given = centers.clone()
    labels, z, history = refine(
        net,
        centers,
        x,
        counts,
        size,
        np.random.default_rng(0),
        epochs=18,
        tolerance=-1,
        watch=seen.append,
    )
    assert len(seen) == 3 and len(history) == 18 and np.shape(history) == (18, 3)
    assert torch.equal(centers, given)
    np.testing.assert_array_equal(labels, seen[-1])
    _, _, history = refine(
        net, centers, x, counts, size, np.random.default_rng(0), epochs=50, tolerance=1.1
    )
    assert len(history) == 9


def test_clean_path_has_no_noise(tensors):
    net = network(tensors[0].shape[1], noise=True).train()
    assert torch.equal(clean(net, tensors[0]), clean(net, tensors[0])) and net.encode.training


def test_budgets():
    assert (
        pretraining_epochs(4271, "published", EPOCHS, STEPS)
        == (1000, False)
        == pretraining_epochs(50, "published", EPOCHS, STEPS)
    )
    assert (
        pretraining_epochs(4271, "laptop", EPOCHS, STEPS)[1]
        and not pretraining_epochs(700, "laptop", EPOCHS, STEPS)[1]
    )
    assert (
        pretraining_epochs(700, "laptop", EPOCHS, STEPS)[0]
        > pretraining_epochs(4271, "laptop", EPOCHS, STEPS)[0]
        == pretraining_epochs(50_000, "laptop", EPOCHS, STEPS)[0]
    )
    with pytest.raises(ValueError, match="budget='lap' is not known"):
        pretraining_epochs(100, "lap", EPOCHS, STEPS)


@pytest.mark.parametrize("budget", ["laptop", "published"])
def test_contract(cells, quick, budget):
    before, state = cells.X.copy(), torch.random.get_rng_state()
    obs, uns = cells.obs.copy(), set(cells.uns)
    runs = [get("sczidesk", budget)(cells, 3, 5) for _ in range(2)]
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    labels, z = runs[0]
    assert (
        labels.shape == (90,)
        and z.shape == (90, 32)
        and np.isfinite(z).all()
        and set(labels) <= {0, 1, 2}
    )
    assert (
        (cells.X != before).nnz == 0
        and cells.obs.equals(obs)
        and set(cells.uns) == uns
        and not cells.obsm
    )
    assert torch.equal(state, torch.random.get_rng_state())


def test_labels_in_obs_make_no_difference(cells, quick):
    bare = cells.copy()
    del bare.obs["cell_type"]
    np.testing.assert_array_equal(get("sczidesk")(cells, 3)[1], get("sczidesk")(bare, 3)[1])


def test_quality(cells):
    labels, _ = get("sczidesk")(cells, 3)
    assert smd.tl.ari(cells.obs["cell_type"], labels) > 0.9


def test_bad_input(cells, quick):
    with pytest.raises(
        ValueError, match="n_clusters=91: it needs a whole number from 1 to the number of cells, 90"
    ):
        get("sczidesk")(cells, 91)
    with pytest.raises(ValueError, match="n_clusters=None"):
        get("sczidesk")(cells, None)
    with pytest.raises(ValueError, match="has no option 'gamma'"):
        get("sczidesk", gamma=1)
    with pytest.raises(ValueError, match="budget"):
        get("sczidesk", "fast")
    logged = cells.copy()
    logged.X = logged.X.log1p()
    with pytest.raises(ValueError, match="whole number"):
        get("sczidesk")(logged, 3)
