"""The negative binomial (formulas 3 to 6) against SciPy, PyTorch, limits and finite differences."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scsmd_nb.nn.likelihood import (
    MU_BOUNDS,
    PHI_BOUNDS,
    NBHead,
    nb_log_prob,
    nb_log_prob_from_logs,
    nb_loss,
    nb_loss_from_logs,
    nb_moments,
)

torch.set_num_threads(1)
FORMS = [nb_log_prob, lambda x, mu, phi: nb_log_prob_from_logs(x, mu.log(), phi.log())]
D64 = torch.float64


def t(*values):
    return torch.tensor(values, dtype=D64)


@pytest.mark.parametrize("form", FORMS, ids=["literal", "fast"])
class TestBothForms:
    def test_worked_values(self, form):
        found = -form(t(3, 0, 3), t(2, 2, 2), t(1, 1.5, 1.5))
        np.testing.assert_allclose(found, [math.log(81 / 8), 1.270947, 2.167035], atol=1e-6)

    @settings(max_examples=150, deadline=None)
    @given(
        x=st.integers(0, 10**5),
        log_mu=st.floats(math.log(1e-5), math.log(1e6)),
        log_phi=st.floats(-9, 14),
    )
    def test_scipy(self, form, x, log_mu, log_phi):
        mu, phi = math.exp(log_mu), math.exp(log_phi)
        truth = stats.nbinom.logpmf(x, phi, phi / (phi + mu))
        if np.isfinite(truth):
            assert form(t(float(x)), t(mu), t(phi)).item() == pytest.approx(
                truth, rel=1e-6, abs=1e-6
            )

    def test_torch_distribution(self, form):
        rng = np.random.default_rng(0)
        mu, phi = (
            torch.tensor(rng.gamma(1, 5, (20, 30))),
            torch.tensor(rng.gamma(1, 2, (20, 30)) + 0.05),
        )
        x = torch.tensor(rng.poisson(4, (20, 30)), dtype=D64)
        truth = torch.distributions.NegativeBinomial(phi, logits=mu.log() - phi.log()).log_prob(x)
        torch.testing.assert_close(form(x, mu, phi), truth)

    def test_sums_to_one_with_the_right_mean_and_variance(self, form):
        x = torch.arange(0, 3000, dtype=D64)
        p = form(x, torch.full_like(x, 7.0), torch.full_like(x, 0.8)).exp()
        mean = (x * p).sum()
        assert p.sum().item() == pytest.approx(1, abs=1e-9)
        assert mean.item() == pytest.approx(7, abs=1e-6)
        assert ((x - mean) ** 2 * p).sum().item() == pytest.approx(7 + 49 / 0.8, rel=1e-6)

    def test_poisson_limit(self, form):
        assert -form(t(3), t(2), t(1e8)).item() == pytest.approx(1.712318, abs=1e-5)

    def test_float32_keeps_its_digits(self, form):
        phi = 10.0 ** torch.arange(-4, 8)
        x, mu = torch.full_like(phi, 5), torch.full_like(phi, 3)
        truth = stats.nbinom.logpmf(5, phi.double(), phi.double() / (phi.double() + 3))
        np.testing.assert_allclose(form(x, mu, phi), truth, rtol=1e-5, atol=1e-5)

    def test_gradients(self, form):
        x = t(0, 1, 2, 9, 30)
        leaves = t(0.1, 2, 2, 5, 40).requires_grad_(), t(0.2, 1, 7, 3, 90).requires_grad_()
        assert torch.autograd.gradcheck(lambda mu, phi: form(x, mu, phi), leaves)

    def test_gradient_vanishes_at_the_mean(self, form):
        x, phi = t(4), t(1.7)
        mu = t(4).requires_grad_()
        form(x, mu, phi).sum().backward()
        assert abs(mu.grad.item()) < 1e-12

    def test_real_valued_targets(self, form):
        x = t(0.4, 1.5, 2.25)
        mu, phi = t(1, 1, 3), t(2, 0.5, 4)
        truth = (
            torch.lgamma(x + phi)
            - torch.lgamma(x + 1)
            - torch.lgamma(phi)
            + phi * torch.log(phi / (phi + mu))
            + x * torch.log(mu / (phi + mu))
        )
        torch.testing.assert_close(form(x, mu, phi), truth)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_lifted(self, form, dtype):
        out = form(torch.ones(3), torch.ones(3, dtype=dtype), torch.ones(3, dtype=dtype))
        assert out.dtype == torch.float32
        np.testing.assert_allclose(out, math.log(1 / 4), rtol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 9),
    genes=st.integers(1, 12),
    per_gene=st.booleans(),
)
def test_fast_equals_literal_in_value_and_gradient(seed, n, genes, per_gene):
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.negative_binomial(0.7, 0.3, (n, genes)), dtype=D64)
    log_mu = torch.tensor(rng.normal(0, 2, (n, genes)))
    log_phi = torch.tensor(rng.normal(0, 2, genes if per_gene else (n, genes)))
    weight = torch.tensor(rng.random((n, 1)))
    results = []
    for f in (
        lambda m, p: nb_loss(x, m.exp(), p.exp(), "none"),
        lambda m, p: nb_loss_from_logs(x, m, p, "none"),
    ):
        m, p = log_mu.clone().requires_grad_(), log_phi.clone().requires_grad_()
        out = f(m, p)
        results.append((out, *torch.autograd.grad((weight * out).sum(), (m, p))))
    for literal, fast in zip(*results):
        torch.testing.assert_close(fast, literal, rtol=1e-8, atol=1e-9)


def test_all_zero_counts_and_whole_number_dtypes():
    log_mu, log_phi = torch.randn(4, 6), torch.randn(6)
    x = torch.zeros(4, 6, dtype=torch.int64)
    torch.testing.assert_close(
        nb_loss_from_logs(x, log_mu, log_phi),
        nb_loss(x, log_mu.exp(), log_phi.exp()),
        rtol=1e-5,
        atol=1e-5,
    )


def test_mean_zero_is_finite():
    assert nb_log_prob(torch.zeros(1), torch.zeros(1), torch.ones(1)).item() == pytest.approx(
        0, abs=1e-6
    )
    assert torch.isfinite(nb_log_prob(torch.ones(1), torch.zeros(1), torch.ones(1)))


def test_reductions():
    x, mu, phi = torch.tensor([[0.0, 3.0], [1.0, 0.0]]), torch.full((2, 2), 2.0), torch.ones(2)
    for f, args in ((nb_loss, (mu, phi)), (nb_loss_from_logs, (mu.log(), phi.log()))):
        each = f(x, *args, "none")
        assert each.shape == (2, 2)
        torch.testing.assert_close(f(x, *args, "cell"), each.sum(1))
        torch.testing.assert_close(f(x, *args), each.sum())
        torch.testing.assert_close(f(x, *args, reduction="mean"), each.mean())
        with pytest.raises(
            ValueError, match="'average' is not known: use 'sum', 'mean', 'cell' or 'none'"
        ):
            f(x, *args, "average")


@pytest.mark.parametrize("dispersion", ["gene", "gene-cell"])
@pytest.mark.parametrize("phi_link", ["exp", "softplus"])
class TestHead:
    def test_shapes_starts_and_size_factors(self, dispersion, phi_link):
        mean, phi = np.linspace(0.1, 9, 7), np.linspace(0.01, 40, 7)
        head = NBHead(4, 7, dispersion=dispersion, phi_link=phi_link, init_mean=mean, init_phi=phi)
        D, s = torch.zeros(3, 4), torch.tensor([0.5, 1.0, 3.0])
        mu, found = head(D, s)
        assert mu.shape == (3, 7) and found.shape == ((7,) if dispersion == "gene" else (3, 7))
        np.testing.assert_allclose(mu.detach(), np.outer(s, mean), rtol=1e-5)
        np.testing.assert_allclose(found.detach().expand(3, 7), np.tile(phi, (3, 1)), rtol=1e-4)
        np.testing.assert_allclose(head(D)[0].detach()[0], mean, rtol=1e-5)
        log_mu, log_phi = head.log_params(D, s)
        torch.testing.assert_close(log_mu.exp(), mu)
        torch.testing.assert_close(log_phi.exp(), found)

    def test_extreme_inputs_stay_finite_and_can_come_back(self, dispersion, phi_link):
        torch.manual_seed(0)
        head = NBHead(4, 7, dispersion=dispersion, phi_link=phi_link)
        D = torch.randn(5, 4) * 1e8
        mu, phi = head(D)
        assert mu.min() >= MU_BOUNDS[0] * 0.999 and mu.max() <= MU_BOUNDS[1] * 1.001
        assert phi.min() >= PHI_BOUNDS[0] * 0.999 and phi.max() <= PHI_BOUNDS[1] * 1.001
        x = torch.zeros(5, 7)
        nb_loss_from_logs(x, *head.log_params(D)).backward()
        assert all(p.grad.isfinite().all() for p in head.parameters())
        assert (
            head.W_mu.weight.grad.abs().sum() > 0
        )  # means far too high for zeros: the way down is open

    def test_every_parameter_learns(self, dispersion, phi_link):
        torch.manual_seed(0)
        head = NBHead(4, 7, dispersion=dispersion, phi_link=phi_link)
        nb_loss_from_logs(
            torch.poisson(torch.ones(5, 7)), *head.log_params(torch.rand(5, 4))
        ).backward()
        assert all(p.grad.abs().sum() > 0 for p in head.parameters())

    def test_autocast(self, dispersion, phi_link):
        head = NBHead(4, 7, dispersion=dispersion, phi_link=phi_link)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            log_mu, log_phi = head.log_params(torch.rand(5, 4), torch.ones(5))
            loss = nb_loss_from_logs(torch.ones(5, 7), log_mu, log_phi)
        assert log_mu.dtype == log_phi.dtype == loss.dtype == torch.float32


def test_genes_without_counts_start_at_the_lower_bound():
    head = NBHead(2, 3, init_mean=[0.0, 1.0, 2.0])
    np.testing.assert_allclose(
        head(torch.zeros(1, 2))[0][0].detach(), [MU_BOUNDS[0], 1, 2], rtol=1e-4
    )


@pytest.mark.parametrize(
    "kwargs, message",
    [
        (dict(phi_link="exponential"), "phi_link='exponential' is not known"),
        (dict(init_mean=[1.0, 2.0]), r"init_mean has shape \(2,\) but the head has 3 genes"),
        (dict(init_mean=[1.0, -2.0, 1.0]), "init_mean holds -2"),
        (dict(init_mean=[1.0, float("nan"), 1.0]), "init_mean holds nan"),
    ],
)
def test_head_errors(kwargs, message):
    with pytest.raises(ValueError, match=message):
        NBHead(2, 3, **kwargs)


@pytest.mark.parametrize(
    "size_factor, message",
    [
        (torch.tensor([1.0, 0.0]), r"size_factor\[1\] is 0"),
        (torch.tensor([float("nan"), 1.0]), r"size_factor\[0\] is nan"),
    ],
)
def test_size_factor_errors(size_factor, message):
    with pytest.raises(ValueError, match=message):
        NBHead(2, 3)(torch.zeros(2, 2), size_factor)


def test_moments_sparse_equals_dense_and_finds_the_truth():
    rng = np.random.default_rng(0)
    s = rng.lognormal(0, 0.3, 4000)
    mean, phi = np.array([2.0, 5.0, 20.0]), np.array([0.5, 2.0, 8.0])
    x = rng.poisson(rng.gamma(phi, 1 / phi, (4000, 3)) * mean * s[:, None]).astype(np.float32)
    x = np.column_stack([x, np.zeros(4000), np.ones(4000)])
    dense, sparse = nb_moments(x, s), nb_moments(sp.csr_matrix(x), s)
    for a, b in zip(dense, sparse):
        np.testing.assert_allclose(a, b, rtol=1e-5)
        assert a.dtype == np.float32 and np.isfinite(a).all()
    np.testing.assert_allclose(dense[0][:3], mean, rtol=0.1)
    np.testing.assert_allclose(dense[1][:3], phi, rtol=0.25)
    assert dense[0][3] == 0 and dense[1][3] == PHI_BOUNDS[1] == np.float32(nb_moments(x)[1][4])
    with pytest.raises(ValueError, match="one size factor per cell"):
        nb_moments(x, s[:5])
