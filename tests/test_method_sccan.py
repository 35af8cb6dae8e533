"""scCAN: what its specification says must hold, and the contract every method keeps."""

import anndata as ad
import numpy as np
import pytest
import torch

from scsmd_nb.bench.methods import sccan
from scsmd_nb.bench.methods.base import seeded
from scsmd_nb.bench.methods.registry import get
from scsmd_nb.io.examples import pbmc700
from scsmd_nb.io.simulation import simulate
from scsmd_nb.tl.metrics import ari

POINTS = np.array([[0, 0], [1, 0], [0, 1], [5, 5.0]])


@pytest.fixture(scope="module")
def cells():
    return simulate(n_cells=240, n_genes=120, n_clusters=3, random_state=0)


@pytest.fixture(scope="module")
def blobs():
    rng, of = np.random.default_rng(2), np.repeat(np.arange(3), 60)
    centres = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0.0]])
    return [centres[of] + rng.normal(size=(180, 3)) for _ in range(3)], of


@pytest.fixture
def quick(monkeypatch):
    "Few epochs; the notebook shows what all of them lead to."
    for name in ("FILTER_EPOCHS", "WARM_UP", "MAIN"):
        monkeypatch.setattr(sccan, name, 3)


def test_contract(cells, quick):
    before, rng = cells.X.copy(), torch.random.get_rng_state()
    labels, embedding = get("sccan")(cells, n_clusters=3, random_state=1)
    again, _ = get("sccan")(cells, n_clusters=3, random_state=1)
    assert labels.shape == (240,) and set(labels) == {0, 1, 2} and (labels == again).all()
    assert (
        embedding.shape == (240, 15)
        and embedding.dtype == np.float32
        and np.isfinite(embedding).all()
    )
    assert torch.equal(rng, torch.random.get_rng_state())
    assert abs(cells.X - before).max() == 0 and not cells.obsm
    assert ari(cells.obs["cell_type"], labels) > 0.9


def test_fusion_is_the_dense_formula(blobs):
    views, of = blobs
    Ps = [sccan.symmetric(sccan.half_self(sccan.affinity(z))) for z in views]
    Ss = [sccan.nearest_only(P).toarray() for P in Ps]
    assert all((S > 0).sum(1).max() == 30 for S in Ss)
    for _ in range(10):
        Ps = [
            sccan.symmetric(
                sccan.half_self(Ss[t] @ (sum(P for u, P in enumerate(Ps) if u != t) / 2) @ Ss[t].T)
            )
            for t in range(3)
        ]
    fused = sccan.fuse(views)
    np.testing.assert_allclose(fused, sccan.symmetric(sccan.half_self(sum(Ps) / 3)), atol=1e-13)
    np.testing.assert_allclose(np.diag(fused), 0.5)
    assert (
        fused.min() >= 0 and np.array_equal(fused, fused.T) and abs(fused.sum(1) - 1).max() < 0.05
    )
    values = sccan.smallest_eigen(sccan.laplacian(fused, diagonal=False), 16, vectors=False)
    assert (
        values[2] < 0.1 and values[3] == pytest.approx(0.8, abs=0.1) and sccan.two_gaps(values) == 3
    )
    assert ari(of, sccan.spectral_labels(fused, 3)) == 1


def test_copies_of_a_cell_do_no_harm():
    z = np.repeat(np.random.default_rng(0).normal(size=(3, 4)), 30, axis=0).astype(np.float32)
    fused = sccan.fuse([z, z + np.float32(1e-7), z])
    assert np.isfinite(fused).all()


def test_divergence_and_views():
    assert sccan.divergence(
        torch.tensor([[1.0, 0]]), torch.tensor([[0.5, 0.5]])
    ).item() == pytest.approx(0.346574, abs=1e-6)
    vae = sccan.StackedVAE(9)
    x = torch.rand(5, 9)
    _, v, two = vae(x)
    assert torch.allclose(v.sum(1), torch.ones(5)) and not torch.equal(*two)
    vae.eval()
    assert torch.equal(vae.encode(x), vae.encode(x))
    assert sccan.settings(49_999).n_latent == 15 and sccan.settings(50_000)[:2] == (5000, 25)


def test_gene_filter_keeps_the_number_and_weights_stay_positive():
    a = simulate(n_cells=100, n_genes=80, n_clusters=2, random_state=1)
    with seeded(0) as rng:
        kept = sccan.filter_genes(torch.from_numpy(sccan.unit_input(a)), rng, n_genes=30)
    assert len(kept) == 30 and (kept.diff() > 0).all()


def test_two_gaps():
    assert sccan.two_gaps(np.array([0, 0, 0, 0.1, 0.9, 1.0, 1.9, 2.0])) == 4
    assert (
        sccan.two_gaps(np.array([0, 5, 5.1, 5.2, 5.9])) == 3
    )  # the gap above the first eigenvalue does not count
    assert sccan.two_gaps(np.linspace(0, 1, 40)) <= 15


def test_vote_and_own_k(cells, quick):
    labels, _ = get("sccan", n_fused=120)(cells, n_clusters=None, random_state=0)
    assert 2 <= labels.max() + 1 <= 15 and ari(cells.obs["cell_type"], labels) > 0.5
    z = np.array([[0.0], [0.1], [0.2], [9], [9.1], [9.2]])
    assert sccan.vote(z, np.array([0, 3]), np.array([1, 0]), n_neighbors=1).tolist() == [
        1,
        1,
        1,
        0,
        0,
        0,
    ]


def test_errors(cells):
    with pytest.raises(ValueError, match="at most the number of cells that are fused, 100"):
        get("sccan", n_fused=100)(cells, n_clusters=101)
    with pytest.raises(ValueError, match="no option 'alpha'"):
        get("sccan", alpha=3)
    empty = ad.AnnData(np.eye(12, dtype=np.float32))
    empty.X[2] = 0
    with pytest.raises(ValueError, match="cell '2'"):
        get("sccan")(empty, n_clusters=2)
    with pytest.raises(ValueError, match="at least two"):
        sccan.fuse([POINTS])


def test_real_cells(quick):
    a = pbmc700()[::3].copy()
    labels, _ = get("sccan")(a, n_clusters=10, random_state=0)
    assert ari(a.obs["bulk_labels"], labels) > 0.4
