"""DeepScena: its size and shapes, batch norm at rest, and the contract of a method."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from scsmd_nb.bench.methods.deepscena import (
    Bottleneck,
    autoencoder,
    deepscena,
    fit,
    image_input,
    settings,
    settle_norms,
)
from scsmd_nb.bench.methods.registry import get
from scsmd_nb.io.examples import pbmc700
from scsmd_nb.io.simulation import simulate
from scsmd_nb.tl.run import latent, probabilities


@pytest.fixture(scope="module")
def cells():
    return simulate(100, 800, 3, random_state=2)


@pytest.fixture(scope="module")
def short_run(cells):
    params = replace(settings("laptop", 100, 0), soft_epochs=2, first_epochs=1, second_epochs=1)
    data = image_input(cells, params)
    return fit(data, params, 3), data


def size(module):
    return sum(p.numel() for p in module.parameters())


def test_bottleneck_sees_its_neighbours_only():
    with torch.random.fork_rng():
        block, x = Bottleneck(8).eval(), torch.rand(1, 8, 9, 9, requires_grad=True)
        seen = torch.autograd.grad(block(x)[:, :, 4, 4].sum(), x)[0].abs().sum((0, 1)) > 0
    assert seen.sum() <= 9 and not seen[:3].any() and not seen[6:].any()


def test_settings():
    p = settings("published", 4000)
    assert (p.batch_size, p.alpha, p.beta, p.fuzzifier, p.pretrain_epochs, p.update) == (
        200,
        0.1,
        0.1,
        1.5,
        0,
        "per_cluster",
    )
    assert (
        p.soft_epochs,
        p.first_epochs,
        p.second_epochs,
        p.soft_lr,
        p.encoder_lr,
        p.hardened,
    ) == (20, 2, 18, 1e-6, 1e-6, True)
    assert settings("laptop", 4000).update == "joint" and settings("laptop", 4000).soft_epochs == 8
    assert [settings("laptop", n).pretrain_epochs for n in (200, 2000, 4000)] == [20, 10, 5]
    assert (
        settings("laptop", 200, 0).pretrain_epochs == 0
        and settings("published", 4000, 7).pretrain_epochs == 7
    )


def test_input(cells):
    batch = image_input(cells, settings("laptop", 100)).batch(np.arange(100))
    assert (
        batch.x.shape == (100, 784)
        and batch.size_factor is None
        and torch.equal(batch.target, batch.x.round())
    )
    assert (batch.x >= 0).all() and batch.x.max() <= np.log1p(1e4)


def test_norms_are_settled_without_moving_a_weight(cells):
    with torch.random.fork_rng():
        net, data = autoencoder(), image_input(cells, settings("laptop", 100))
        before = {k: v.clone() for k, v in net.named_parameters()}
        settle_norms(net.encoder, data)
        assert all(torch.equal(before[k], v) for k, v in net.named_parameters())
        norm = net.encoder.convolutions[1]
        assert (
            norm.momentum == 0.1 and norm.running_mean.abs().sum() > 0 and not net.encoder.training
        )


def test_a_label_depends_on_its_cell_alone(cells, short_run):
    run, data = short_run
    z = latent(run, data)
    np.testing.assert_allclose(latent(run, data, batch_size=17), z, atol=1e-4)
    order = np.random.default_rng(0).permutation(100)
    moved = latent(run, image_input(cells[order], run.params))
    np.testing.assert_allclose(moved, z[order], atol=1e-4)
    assert (probabilities(run, moved).argmax(1) == probabilities(run, z)[order].argmax(1)).all()


def test_published_update_takes_a_step_for_each_cluster(cells):
    params = replace(settings("published", 100), soft_epochs=1, first_epochs=1, second_epochs=1)
    run = fit(image_input(cells, params), params, 3)
    assert [h["phase"] for h in run.history] == [
        "soft",
        "cellnet",
        "cellnet",
    ] and run.phase == "done"
    assert np.isfinite([h["loss"] for h in run.history]).all()


def test_pretraining_learns(cells):
    params = replace(
        settings("laptop", 100, 8), batch_size=25, soft_epochs=1, first_epochs=1, second_epochs=1
    )
    data = image_input(cells, params)
    run = fit(data, params, 3)
    losses = [h["reconstruction"] for h in run.history if h["phase"] == "pretrain"]
    assert len(losses) == 8 and losses[-1] < 0.8 * losses[0]


def test_contract(cells, monkeypatch):
    monkeypatch.setattr(
        "scsmd_nb.bench.methods.deepscena.LAPTOP", {"pretrain": (1, 1, 1), "soft": (2, 1, 2)}
    )  # for speed
    before, state = cells.copy(), torch.get_rng_state()
    labels, z = get("deepscena")(cells, 3, 0)
    again, _ = deepscena(cells, 3, 0)
    assert labels.shape == (100,) and z.shape == (100, 10) and z.dtype == np.float32
    assert (
        len(np.unique(labels)) <= 3 and (labels == np.unique(again, return_inverse=True)[1]).all()
    )
    assert torch.equal(state, torch.get_rng_state())
    assert (before.X != cells.X).nnz == 0 and list(before.obs) == list(cells.obs) and not cells.obsm
    bare = cells.copy()
    del bare.obs["cell_type"]
    assert (deepscena(bare, 3, 0)[0] == again).all()


def test_errors(cells):
    with pytest.raises(ValueError, match="folds 784 genes .* only 7"):
        deepscena(pbmc700(), 10)
    with pytest.raises(ValueError, match="n_clusters=1: it needs a whole number from 2"):
        deepscena(cells, 1)
    with pytest.raises(ValueError, match="n_clusters=201: it needs"):
        deepscena(cells, 201)
    with pytest.raises(ValueError, match="budget='slow'"):
        deepscena(cells, 3, budget="slow")
    with pytest.raises(ValueError, match="pretrain_epochs=2.5"):
        deepscena(cells, 3, pretrain_epochs=2.5)
