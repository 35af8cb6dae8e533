"""DCA: the properties of the specification, the training rules, and the contract of a method."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import scsmd_nb as smd
from scsmd_nb.bench import methods
from scsmd_nb.bench.methods import dca as D
from scsmd_nb.bench.methods.base import count_input, seeded
from scsmd_nb.tl.metrics import ari


@pytest.fixture(scope="module")
def adata():
    return smd.io.simulate(n_cells=240, n_genes=150, n_clusters=3, random_state=0)


@pytest.fixture()
def few_epochs(monkeypatch):
    monkeypatch.setattr(D, "EPOCHS", {"published": 8, "laptop": 8})


@pytest.mark.parametrize("recipe,width", [("code", 32), ("denoised", 2)])
@pytest.mark.parametrize("zero_inflated", [True, False])
def test_contract(adata, few_epochs, recipe, width, zero_inflated):
    X, obs = adata.X.copy(), adata.obs.copy()
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    method = methods.get("dca", recipe=recipe, zero_inflated=zero_inflated)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (labels, z), (again, z_again), (other, _) = (
            method(adata, 3, 1),
            method(adata, 3, 1),
            method(adata, 3, 2),
        )
    assert labels.shape == (240,) and set(labels) == {0, 1, 2} and set(other) == {0, 1, 2}
    assert z.shape == (240, width) and z.dtype == np.float32
    assert (labels == again).all() and (z == z_again).all()
    assert (
        torch.equal(before[0], torch.random.get_rng_state())
        and (before[1] == np.random.get_state()[1]).all()
    )
    assert abs(adata.X - X).sum() == 0 and adata.obs.equals(obs) and not adata.obsm


def test_finds_the_types(adata):
    assert ari(adata.obs["cell_type"].astype(str), methods.get("dca")(adata, 3)[0]) > 0.9


def test_labels_do_not_need_the_truth(adata, few_epochs):
    blind = adata.copy()
    blind.obs = blind.obs[[]]
    assert (methods.get("dca")(adata, 3)[0] == methods.get("dca")(blind, 3)[0]).all()


def test_code_is_linear_and_has_negative_entries(adata):
    data = count_input(adata)
    with seeded(0):
        net = D.DCA(data.x.shape[1]).eval()
    z = net.encode(torch.from_numpy(data.x))
    assert (z < 0).any() and isinstance(list(net.encode)[-1], nn.Linear)
    assert [type(layer) for layer in net.encode] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in net.decode] == [
        nn.BatchNorm1d,
        nn.ReLU,
        nn.Linear,
        nn.BatchNorm1d,
        nn.ReLU,
    ]


def test_norm_shifts_and_does_not_scale():
    layer = D.shift_norm(4)
    assert not layer.weight.requires_grad and (layer.weight == 1).all() and layer.bias.requires_grad
    layer.train()
    layer(torch.full((6, 4), 10.0))
    torch.testing.assert_close(layer.running_mean, torch.full((4,), 0.1))  # Keras' momentum 0.99


def test_scales_stay_one_in_training(adata, few_epochs):
    data = count_input(adata)
    with seeded(0) as rng:
        net, history = D.train(data, "laptop", True, "last", rng)
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    assert (
        len(norms) == 3
        and all((m.weight == 1).all() for m in norms)
        and any((m.bias != 0).any() for m in norms)
    )
    assert len(history) <= 8 and history[-1][0] < history[0][0] and not net.training


def test_plateau():
    "Ten epochs without a better loss lower the rate, fifteen end; a better loss starts the count again."
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    watch = D.Plateau(optimizer)
    assert not any(watch(v) for v in [5.0] + [6.0] * 9)
    assert optimizer.param_groups[0]["lr"] == 1.0
    assert not watch(6.0) and optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    assert not watch(4.0) and watch.stale == 0
    assert [watch(5.0) for _ in range(15)] == [False] * 14 + [True]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_held_out_cells():
    rng = np.random.default_rng(0)
    inside, outside = D._split(50, "last", rng)
    assert inside.tolist() == list(range(45)) and outside.tolist() == list(range(45, 50))
    inside, outside = D._split(50, "random", rng)
    assert sorted(inside.tolist() + outside.tolist()) == list(
        range(50)
    ) and outside.tolist() != list(range(45, 50))
    for n in (2, 3, 11):
        assert min(map(len, D._split(n, "last", rng))) >= 1


def test_denoised_components_do_not_see_depth():
    rng = np.random.default_rng(0)
    mu = rng.gamma(2.0, size=(60, 20)).astype(np.float32)
    deeper = mu * rng.uniform(0.5, 2, (60, 1)).astype(np.float32)
    share = lambda m: np.log1p(m / m.sum(1, keepdims=True) * np.median(mu.sum(1)))
    np.testing.assert_allclose(share(mu), share(deeper), rtol=1e-4)
    assert D.denoised_components(deeper).shape == (60, 2)


def test_budgets(adata, monkeypatch):
    seen = []

    def fake(data, budget, *rest):
        seen.append((budget, data.x.shape[1]))
        raise KeyboardInterrupt

    monkeypatch.setattr(D, "train", fake)
    many = smd.io.simulate(n_cells=40, n_genes=2300, n_clusters=2)
    for budget in ("laptop", "published"):
        with pytest.raises(KeyboardInterrupt):
            methods.get("dca", budget=budget)(many, 2)
    assert seen[0] == ("laptop", 2000) and seen[1][0] == "published" and seen[1][1] > 2000
    assert D.EPOCHS == {"published": 300, "laptop": 60}


@pytest.mark.parametrize(
    "options,words",
    [({"recipe": "soup"}, "recipe='soup'"), ({"held_out": "first"}, "held_out='first'")],
)
def test_bad_options(adata, options, words):
    with pytest.raises(ValueError, match=words):
        methods.get("dca", **options)(adata, 3)


@pytest.mark.parametrize("bad", [None, 0, True, 2.5])
def test_bad_k(adata, bad):
    with pytest.raises(ValueError, match=f"n_clusters={bad}"):
        methods.get("dca")(adata, bad)


def test_unknown_option():
    with pytest.raises(ValueError, match="no option 'dropout'"):
        methods.get("dca", dropout=0.1)


def test_pbmc4k(data_dir, few_epochs):
    adata = smd.io.read(data_dir / "pbmc4k.h5ad")[::2].copy()
    assert ari(adata.obs["cell_type"].astype(str), methods.get("dca")(adata, 8)[0]) > 0.55
