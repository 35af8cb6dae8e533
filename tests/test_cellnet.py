"""CellNet and its pair losses (formulas 14 and 15) against worked values, the literal loop, and known failures."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scsmd_nb.nn.cellnet import (
    CellNet,
    clusters_in_use,
    dead_clusters,
    harden,
    membership_loss,
    pair_counts,
    pair_loss,
    pair_loss_plain,
    usage_loss,
)

torch.set_num_threads(1)
P = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95]])
Q = torch.tensor([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8]])
BOTH = pytest.mark.parametrize("loss", [pair_loss_plain, pair_loss], ids=["loop", "matrix"])


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strict", [False, True])
def test_worked_values(loss, dtype, strict):
    p, q = P.to(dtype), Q.to(dtype)
    assert loss(p, q, 0.8, strict).item() == pytest.approx(1.5, abs=1e-6)
    assert loss(p, q, 0.8, strict, "mean").item() == pytest.approx(1.5 / 4, abs=1e-6)
    assert loss(q, q, 0.8, strict).item() == 0
    assert loss(q, q, 0.8, strict, "mean").item() == 0


@BOTH
def test_pairs_at_the_threshold(loss):
    r = torch.tensor(
        [[1.0, 0.0], [0.75, 0.25]], dtype=torch.float64
    )  # products 1, 0.75 and 0.625, all exact
    q = torch.tensor([[0.5, 0.5], [1.0, 0.0]], dtype=torch.float64)
    assert loss(r, q, 0.75).item() == pytest.approx(0.5 + 2 * 0.5)
    assert loss(r, q, 0.75, strict=True).item() == pytest.approx(0.5)
    eye = torch.eye(2, dtype=torch.float64)
    assert loss(eye, q, 1.0).item() == pytest.approx(0.5 + 0 + 2 * 0.5)
    assert loss(eye, q, 1.0, strict=True).item() == 0


def test_lower_threshold_is_not_spoiled_by_rounding():
    r = torch.tensor(
        [[1.0, 0.0], [0.2, 0.8]], dtype=torch.float64
    )  # 1 - 0.8 is 0.19999999999999996
    assert pair_counts(r, 0.8) == (1, 2)
    assert pair_counts(r, 0.8, strict=True) == (1, 0)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 9),
    k=st.integers(2, 5),
    delta=st.floats(0.51, 1.0),
    strict=st.booleans(),
    mean=st.booleans(),
    seed=st.integers(0, 999),
)
def test_matrix_form_equals_loop(n, k, delta, strict, mean, seed):
    g = torch.Generator().manual_seed(seed)
    r = (4 * torch.randn(n, k, generator=g, dtype=torch.float64)).softmax(1)
    logits = (2 * torch.randn(n, k, generator=g, dtype=torch.float64)).requires_grad_()
    results = []
    for loss in (pair_loss_plain, pair_loss):
        value = loss(r, logits.softmax(1), delta, strict, "mean" if mean else "sum")
        results.append((value, torch.autograd.grad(value, logits)[0]))
    for ours, plain in zip(*results):
        torch.testing.assert_close(ours, plain)


def test_counts_are_those_of_the_mean():
    r = torch.randn(30, 4).mul(3).softmax(1)
    q = torch.randn(30, 4).softmax(1)
    mean = pair_loss(r, q, reduction="mean").item()
    assert pair_loss(r, q).item() / sum(pair_counts(r)) == pytest.approx(mean, rel=1e-5)


def test_no_gradient_flows_through_the_choice_of_pairs():
    r = torch.eye(3).requires_grad_()
    q = torch.full((3, 3), 1 / 3).requires_grad_()
    pair_loss(r, q).backward()
    assert r.grad is None and q.grad is not None


def test_half_precision_does_not_move_pairs_over_the_threshold():
    r = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)).mul(2).softmax(1)
    plain = pair_loss(r, r), pair_counts(r)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = pair_loss(r, r), pair_counts(r)
    assert mixed[1] == plain[1]
    torch.testing.assert_close(mixed[0], plain[0])


@pytest.mark.parametrize("delta", [0.5, 0.2, 1.5, -1, float("nan")])
def test_bad_delta(delta):
    for f in (
        lambda: pair_loss(P, Q, delta),
        lambda: pair_counts(P, delta),
        lambda: pair_loss_plain(P, Q, delta),
    ):
        with pytest.raises(ValueError, match="above 0.5"):
            f()


def test_bad_batches():
    with pytest.raises(ValueError, match="r has 3 cells and q has 2"):
        pair_loss(P, Q[:2])
    for loss in (pair_loss, pair_loss_plain):
        with pytest.raises(ValueError, match="reduction='none'"):
            loss(P, Q, reduction="none")


def test_cellnet_of_another_width():
    assert CellNet(10, 4, hidden=16)(torch.randn(7, 10)).shape == (7, 4)


def test_harden():
    q = torch.tensor(
        [[0.995, 0.003, 0.002], [0.5, 0.495, 0.005], [0.99, 0.01, 0.0]], requires_grad=True
    )
    hard = harden(q)
    torch.testing.assert_close(hard, torch.tensor([[1, 0, 0], [0.5, 0.495, 0], [0.99, 0.01, 0]]))
    hard.sum().backward()
    assert q.grad.tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 0]]
    assert torch.equal(harden(q, low=0.0, high=1.0), q)


def test_usage_loss():
    even = torch.full((4,), 0.25)
    assert usage_loss(torch.eye(4), even).item() == pytest.approx(0, abs=1e-6)
    q = torch.tensor([[0.7, 0.1, 0.1, 0.1]])
    by_hand = sum(0.25 * math.log(0.25 / v) for v in (0.7, 0.1, 0.1, 0.1))
    assert usage_loss(q, even).item() == pytest.approx(by_hand, abs=1e-5)
    logits = torch.zeros(5, 4).requires_grad_()
    usage_loss(
        (logits + torch.tensor([60.0, 0, 0, 0])).softmax(1), torch.tensor([1.0, 0, 0, 0])
    ).backward()
    assert logits.grad.isfinite().all()
    dead = usage_loss(torch.eye(4)[[0, 0, 1]], even)
    assert dead.isfinite() and dead > usage_loss(torch.eye(4)[[0, 1, 2]], even) > 0


def test_membership_loss():
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    p = torch.rand(6, 3, generator=torch.Generator().manual_seed(1)).softmax(1)
    literal = (p * (p.log() - logits.log_softmax(1))).sum(1).mean()
    torch.testing.assert_close(membership_loss(logits, p), literal)
    far = torch.tensor([[1000.0, 0, 0]]).requires_grad_()
    membership_loss(far, torch.eye(3)[[1]]).backward()
    assert far.grad.isfinite().all() and far.grad.norm() > 1


@pytest.mark.parametrize(
    "labels",
    [
        [0, 2, 2, 5],
        np.array([0, 2, 2, 5]),
        torch.tensor([0, 2, 2, 5]),
        np.array([0, 2, 5], dtype=np.int32),
    ],
    ids=["list", "numpy", "torch", "int32"],
)
def test_counting_clusters(labels):
    assert dead_clusters(labels, 6) == [1, 3, 4]
    assert clusters_in_use(labels, 6) == 3


def test_counting_clusters_at_the_edges():
    assert dead_clusters([], 3) == [0, 1, 2] and clusters_in_use([], 3) == 0
    for bad in ([0, 3], [-1, 2]):
        with pytest.raises(ValueError, match="between 0 and 2"):
            dead_clusters(bad, 3)
