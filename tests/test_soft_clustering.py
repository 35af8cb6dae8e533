"""Memberships, centroids and losses (formulas 7 to 10): worked numbers, limits, gradients, errors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scsmd_nb.nn.soft_clustering import (
    cluster_loss,
    joint_loss,
    memberships,
    squared_distances,
    update_centroids,
)

CENTROIDS = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
CELLS = torch.tensor([[0.5, 0.0], [1.0, 0.0], [1.8, 0.0]])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("fuzzifier", [1.01, 1.5, 2, 100])
def test_cell_on_centroids(dtype, fuzzifier):
    c = torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]], dtype=dtype)
    p = memberships(c, c, fuzzifier)
    assert p.dtype == dtype and p.tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]


@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1.0, 1e20, 1e37])
def test_scale_makes_no_difference(scale):
    torch.testing.assert_close(
        memberships(scale * CELLS, scale * CENTROIDS), memberships(CELLS, CENTROIDS)
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 30),
    st.integers(1, 12),
    st.integers(1, 8),
    st.floats(1.001, 50),
    st.floats(-30, 30),
    st.integers(0, 2**31),
)
def test_rows_sum_to_one(n, k, d, fuzzifier, log_scale, seed):
    g = torch.Generator().manual_seed(seed)
    u, c = (torch.randn(m, d, generator=g).round(decimals=1) * 10**log_scale for m in (n, k))
    p = memberships(u, c, fuzzifier)
    assert p.shape == (n, k) and p.isfinite().all() and (p >= 0).all() and (p <= 1).all()
    torch.testing.assert_close(p.sum(1), torch.ones(n))
    nearest = squared_distances(u.double(), c.double())
    assert (
        nearest.gather(1, p.argmax(1, keepdim=True))[:, 0] <= nearest.min(1).values * (1 + 1e-3)
    ).all()


def test_memberships_do_not_depend_on_block_or_order():
    u, c = torch.randn(50, 4), torch.randn(3, 4)
    p = memberships(u, c)
    assert torch.equal(p, memberships(u, c, block_size=7)) and torch.equal(
        p.flip(0), memberships(u.flip(0), c)
    )


def test_memberships_have_no_gradient():
    u = CELLS.clone().requires_grad_()
    assert (
        not memberships(u, CENTROIDS).requires_grad
        and not update_centroids(u, torch.ones(3, 2)).requires_grad
    )
    with torch.inference_mode():
        assert memberships(u, CENTROIDS).isfinite().all()


def test_empty_set_of_cells():
    assert memberships(torch.zeros(0, 2), CENTROIDS).shape == (0, 2)


@pytest.mark.parametrize("fuzzifier", [1, 0.5, -2, float("inf"), float("nan")])
def test_fuzzifier_is_checked(fuzzifier):
    for call in (
        lambda: memberships(CELLS, CENTROIDS, fuzzifier),
        lambda: update_centroids(CELLS, torch.ones(3, 2), fuzzifier),
    ):
        with pytest.raises(ValueError, match="fuzzifier=.* above 1"):
            call()


@pytest.mark.parametrize("n_clusters", [1, 2, 8])
@pytest.mark.parametrize("rec_weight", [1.0, 0.05])
def test_joint_is_the_sum_with_equal_gradients(n_clusters, rec_weight):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(7, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4)
    ).double()
    x, c = torch.randn(20, 7).double(), torch.randn(n_clusters, 4).double()
    p = memberships(net(x), c)

    def parts():
        u = net(x)
        return p, u.square().sum(1), u.abs().sum(1), u, c, 0.2, 0.1, 1.7, rec_weight

    total = sum(cluster_loss(k, *parts()) for k in range(n_clusters))
    one = joint_loss(*parts())
    torch.testing.assert_close(one, total, rtol=1e-12, atol=0)
    for a, b in zip(
        torch.autograd.grad(total, net.parameters()), torch.autograd.grad(one, net.parameters())
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_memberships_and_centroids_are_constants():
    p = torch.full((3, 2), 0.5, requires_grad=True)
    c, u = CENTROIDS.clone().requires_grad_(), CELLS.clone().requires_grad_()
    for loss in (
        joint_loss(p, torch.zeros(3), torch.zeros(3), u, c, 1, 1),
        cluster_loss(0, p, torch.zeros(3), torch.zeros(3), u, c, 1, 1),
    ):
        loss.backward()
    assert p.grad is None and c.grad is None and u.grad.abs().sum() > 0


def test_gradient_of_a_cell_on_its_centroid_is_finite():
    u = CENTROIDS.clone().requires_grad_()
    joint_loss(
        memberships(u, CENTROIDS), torch.zeros(2), torch.zeros(2), u, CENTROIDS, 1, 1
    ).backward()
    assert u.grad.tolist() == [[0, 0], [0, 0]]


def test_shapes_are_checked():
    p, r = torch.full((3, 2), 0.5), torch.zeros(3)
    with pytest.raises(ValueError, match=r"r has shape \(3, 1\)"):
        joint_loss(p, r[:, None], r, CELLS, CENTROIDS, 1, 1)
    with pytest.raises(ValueError, match=r"nb has shape \(2,\)"):
        cluster_loss(0, p, r, r[:2], CELLS, CENTROIDS, 1, 1)
    with pytest.raises(ValueError, match=r"p has shape \(2, 2\)"):
        joint_loss(p[:2], r, r, CELLS, CENTROIDS, 1, 1)
    with pytest.raises(ValueError, match="same number of columns"):
        squared_distances(CELLS, torch.zeros(2, 3))
