"scDeepCluster: the properties of its specification, the contract of all methods, and its ARI on the authors' data."

import numpy as np
import pytest
import torch

import scsmd_nb as smd
from scsmd_nb.bench.methods.base import (
    clean,
    count_input,
    pretraining_epochs,
)
from scsmd_nb.bench.methods.registry import get
from scsmd_nb.bench.methods.scdeepcluster import EPOCHS, STEPS, network, pretrain, refine, start

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
    from scsmd_nb.bench.methods import scdeepcluster as module

    monkeypatch.setattr(module, "EPOCHS", {"laptop": (2, 2), "published": (3, 3)})


@pytest.mark.parametrize("version", ["pytorch", "keras"])
def test_clean_path_is_repeatable_and_the_noisy_one_is_not(tensors, version):
    x, _, size = tensors
    net = network(x.shape[1], version).train()
    assert torch.equal(clean(net, x), clean(net, x)) and net.encode.training
    assert not torch.equal(net(x, size)[1], net(x, size)[1])
    net.eval()
    assert torch.equal(clean(net, x), net(x, size)[0]) and not net.encode.training


def test_versions_differ_where_they_should():
    noises = {
        v: [m.sd for m in network(20, v).encode if hasattr(m, "sd") and m.sd]
        for v in ("pytorch", "keras")
    }
    assert noises == {"pytorch": [2.5], "keras": [2.5, 2.5, 2.5]}
    assert all(
        (m.bias == 0).all()
        for m in network(20, "keras").modules()
        if isinstance(m, torch.nn.Linear)
    )
    assert [
        tuple(m.weight.shape) for m in network(20).modules() if isinstance(m, torch.nn.Linear)
    ] == [(256, 20), (64, 256), (32, 64), (64, 32), (256, 64), (20, 256), (20, 256), (20, 256)]


def test_history_and_watch_tell_the_same(tensors):
    "Labels before and after each epoch, and the share that changed; the centres given are not changed in place."
    x, counts, size = tensors
    net, rng = network(x.shape[1]), np.random.default_rng(0)
    centers = start(clean(net, x).detach(), 3, 0)
    given, seen = centers.clone(), []
    labels, history = refine(
        net,
        centers,
        x,
        counts,
        size,
        rng,
        epochs=3,
        stop_early=False,
        tolerance=-1,
        watch=seen.append,
    )
    assert torch.equal(centers, given) and len(history) == 3 and len(seen) == 4
    np.testing.assert_array_equal(labels, seen[-1])
    assert [round(c, 6) for _, c in history] == [
        round((a != b).mean(), 6) for a, b in zip(seen, seen[1:])
    ]


def test_refinement_ends_when_labels_rest(tensors):
    x, counts, size = tensors
    net = network(x.shape[1])
    centers = start(clean(net, x).detach(), 3, 0)
    _, history = refine(
        net,
        centers,
        x,
        counts,
        size,
        np.random.default_rng(0),
        epochs=50,
        stop_early=False,
        tolerance=1.1,
    )
    assert len(history) == 1


def test_pretraining_lowers_the_loss(tensors):
    losses = pretrain(
        network(tensors[0].shape[1]),
        *tensors,
        np.random.default_rng(0),
        epochs=30,
        stop_early=False,
    )
    assert len(losses) == 30 and losses[-1] < losses[0]


def test_budgets():
    assert (
        pretraining_epochs(4271, "published", EPOCHS, STEPS)
        == (300, False)
        == pretraining_epochs(50, "published", EPOCHS, STEPS)
    )
    assert pretraining_epochs(4271, "laptop", EPOCHS, STEPS) == (30, True) and pretraining_epochs(
        100_000, "laptop", EPOCHS, STEPS
    ) == (30, True)
    assert pretraining_epochs(700, "laptop", EPOCHS, STEPS) == (167, False) and pretraining_epochs(
        100, "laptop", EPOCHS, STEPS
    ) == (300, False)
    with pytest.raises(ValueError, match="budget='lap' is not known"):
        pretraining_epochs(100, "lap", EPOCHS, STEPS)


@pytest.mark.parametrize("budget", ["laptop", "published"])
def test_contract(cells, quick, budget):
    before, state = cells.X.copy(), torch.random.get_rng_state()
    obs, uns = cells.obs.copy(), set(cells.uns)
    runs = [get("scdeepcluster", budget)(cells, 3, 5) for _ in range(2)]
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
    np.testing.assert_array_equal(
        get("scdeepcluster")(cells, 3)[1], get("scdeepcluster")(bare, 3)[1]
    )


def test_quality_and_k_from_louvain(cells):
    for k in (3, None):
        labels, _ = get("scdeepcluster")(cells, k)
        assert len(set(labels)) == 3 and smd.tl.ari(cells.obs["cell_type"], labels) > 0.9


def test_bad_input(cells, quick):
    with pytest.raises(
        ValueError, match="n_clusters=91: it needs a whole number from 1 to the number of cells, 90"
    ):
        get("scdeepcluster")(cells, 91)
    with pytest.raises(ValueError, match="use 'pytorch' or 'keras'"):
        get("scdeepcluster", version="tf")(cells, 3)
    with pytest.raises(ValueError, match="has no option 'noise'"):
        get("scdeepcluster", noise=1)
    with pytest.raises(ValueError, match="budget"):
        get("scdeepcluster", "fast")
    logged = cells.copy()
    logged.X = logged.X.log1p()
    with pytest.raises(ValueError, match="whole number"):
        get("scdeepcluster")(logged, 3)


def test_pbmc4k(data_dir, monkeypatch):
    "The published ARI on these cells is 0.784 and 0.747 (README, tutorial); half the cells, a quarter of the budget."
    from scsmd_nb.bench.methods import scdeepcluster as module

    monkeypatch.setattr(module, "EPOCHS", {"laptop": (15, 6), "published": (15, 6)})
    adata = smd.io.load("pbmc4k")[::2].copy()
    labels, _ = get("scdeepcluster", "published")(adata, 8)
    assert smd.tl.ari(adata.obs["cell_type"].astype(str), labels) > 0.65
