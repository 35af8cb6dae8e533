"""scGMAI: what its specification says must hold, and the contract every method keeps."""

import anndata as ad
import numpy as np
import pytest
import torch

from scsmd_nb.bench.methods import scgmai
from scsmd_nb.bench.methods.registry import get
from scsmd_nb.io.examples import pbmc700
from scsmd_nb.io.simulation import simulate
from scsmd_nb.tl.metrics import ari


@pytest.fixture(scope="module")
def cells():
    return simulate(n_cells=240, n_genes=120, n_clusters=3, random_state=0)


@pytest.fixture(scope="module")
def answer(cells):
    return get("scgmai", steps=100)(cells, n_clusters=3, random_state=1)


def test_contract(cells, answer):
    before, rng = cells.X.copy(), torch.random.get_rng_state()
    labels, embedding = get("scgmai", steps=100)(cells, n_clusters=3, random_state=1)
    assert labels.shape == (240,) and set(labels) == {0, 1, 2}
    assert (
        embedding.shape == (240, 2)
        and embedding.dtype == np.float32
        and np.isfinite(embedding).all()
    )
    assert (labels == answer[0]).all() and np.array_equal(embedding, answer[1])
    assert torch.equal(rng, torch.random.get_rng_state())
    assert abs(cells.X - before).max() == 0 and not cells.obsm and "scgmai" not in cells.obs


def test_first_loss_is_half_the_squared_norm():
    x = torch.randn(7, 30)
    net = scgmai.autoencoder(30)
    assert not net(x).any()
    assert scgmai.squared_error(net(x), x).item() == pytest.approx(
        0.5 * x.square().sum().item(), rel=1e-6
    )
    assert [layer.out_features for layer in net if hasattr(layer, "out_features")] == [
        800,
        400,
        800,
        30,
    ]


@pytest.mark.parametrize("unit_variance", [False, True])
def test_blobs_and_components(unit_variance):
    rng = np.random.default_rng(3)
    of = np.repeat(np.arange(3), 60)
    means = np.array([[0, 0], [5, 0], [0, 5.0]]) @ np.linalg.qr(rng.normal(size=(20, 2)))[0].T
    c = scgmai.independent_components(
        means[of] + 0.3 * rng.normal(size=(180, 20)), 0, unit_variance=unit_variance
    )
    scale = 1 if unit_variance else len(c)
    np.testing.assert_allclose(np.cov(c.T, bias=True) * scale, np.eye(2), atol=1e-6)
    fit, bic = scgmai.lowest_bic(c, 0, max_components=8)
    assert fit.n_components == 3 and len(bic) == 8 and ari(of, fit.predict(c)) == 1


def test_k_by_bic(cells):
    labels, _ = get("scgmai", steps=60, max_components=4)(cells, n_clusters=None, random_state=0)
    assert 1 <= labels.max() + 1 <= 4


def test_published_budget_reads_all_cells_each_step(monkeypatch):
    monkeypatch.setattr(scgmai, "STEPS", 3)
    seen = []
    monkeypatch.setattr(
        scgmai, "squared_error", lambda a, b: seen.append(len(b)) or 0.5 * (a - b).square().sum()
    )
    x = np.random.default_rng(0).normal(size=(300, 9)).astype(np.float32)
    _, losses = scgmai.train(x, np.random.default_rng(0), "published")
    assert seen == [300] * 3 and len(losses) == 3
    seen.clear()
    scgmai.train(x, np.random.default_rng(0), "laptop")
    assert set(seen) == {scgmai.BATCH}


def test_errors(cells):
    with pytest.raises(ValueError, match="from 1 to the number of cells, 240"):
        get("scgmai")(cells, n_clusters=241)
    with pytest.raises(ValueError, match="budget='big'"):
        get("scgmai", budget="big")
    with pytest.raises(ValueError, match="no option 'hidden'"):
        get("scgmai", hidden=3)
    empty = ad.AnnData(np.eye(40, dtype=np.float32))
    with pytest.raises(ValueError, match="0 of 40 genes have counts in more than 5% of cells"):
        get("scgmai")(empty, n_clusters=2)
    equal = ad.AnnData(np.full((30, 8), 4, dtype=np.float32))
    with pytest.raises(ValueError, match="nothing to cluster"):
        get("scgmai", steps=5)(equal, n_clusters=2)


def test_real_cells():
    a = pbmc700()
    labels, _ = get("scgmai", steps=100)(a, n_clusters=10, random_state=0)
    assert ari(a.obs["bulk_labels"], labels) > 0.25
