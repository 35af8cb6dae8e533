"""scSMD behind the interface of the benchmark: presets, budgets, ablations, and no trace left behind."""

import json
import warnings

import numpy as np
import pytest
import torch

import scsmd_nb as smd
from scsmd_nb.bench import methods
from scsmd_nb.bench.suites import ABLATIONS
from scsmd_nb.tl.metrics import ari

NAMES = ("scsmd", "scsmd-paper", "scsmd-authors", "scsmd-no-mdag")
QUICK = dict(pretrain_epochs=1, min_steps=0, soft_epochs=1, first_epochs=1, second_epochs=1)


@pytest.fixture(scope="module")
def adata():
    return smd.io.simulate(n_cells=200, n_genes=120, n_clusters=3, random_state=0)


@pytest.fixture(scope="module")
def scsmd():
    from scsmd_nb.bench.methods import scsmd

    return scsmd


@pytest.mark.parametrize("name", NAMES)
def test_contract(adata, name):
    if name == "scsmd-authors":  # its image has 784 genes
        adata = smd.io.simulate(n_cells=100, n_genes=800, n_clusters=3, random_state=0)
    n = adata.n_obs
    X, obs = adata.X.copy(), adata.obs.copy()
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    method = methods.get(name, **QUICK)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*clusters asked for hold cells")
        (labels, z), (again, z_again) = method(adata, 3, 1), method(adata, 3, 1)
    assert labels.shape == (n,) and labels.dtype.kind == "i" and labels.min() == 0
    assert len(z) == n and z.dtype == np.float32 and np.isfinite(z).all()
    assert (labels == again).all() and (z == z_again).all()
    assert (
        torch.equal(before[0], torch.random.get_rng_state())
        and (before[1] == np.random.get_state()[1]).all()
    )
    assert (
        abs(adata.X - X).sum() == 0
        and adata.obs.equals(obs)
        and not adata.obsm
        and "scsmd" not in adata.uns
    )


def test_finds_the_types(adata):
    labels, z = methods.get("scsmd", cellnet=False)(adata, 3)
    assert ari(adata.obs["cell_type"].astype(str), labels) > 0.9 and z.shape == (200, 32)


def test_is_the_estimator(adata):
    "Nothing stands between the benchmark and the model that users call."
    labels, z = methods.get("scsmd", pretrain_epochs=2, min_steps=10)(adata, 3, 2)
    model = smd.SCSMD(
        3, random_state=2, accelerator="cpu", params=dict(pretrain_epochs=2, min_steps=10)
    ).fit(adata)
    assert (labels == model.labels_).all() and (z == model.embedding_).all()


def test_published_is_the_preset(scsmd):
    for preset in ("default", "paper", "authors"):
        assert scsmd.changes(preset, "published") == {}
    from scsmd_nb.tl.params import get_params

    assert get_params("paper", **scsmd.changes("paper", "published")).update == "per_cluster"
    assert get_params("paper", **scsmd.changes("paper", "laptop")).update == "joint"
    assert (
        scsmd.changes("paper", "laptop", update="per_cluster")["update"] == "per_cluster"
    )  # the caller wins


def test_no_mdag_has_no_gates(scsmd, monkeypatch):
    seen = {}

    class Fake:
        embedding_ = np.zeros((200, 2), np.float32)

        def __init__(self, n_clusters, **kwargs):
            seen.update(kwargs, n_clusters=n_clusters)

        def fit_predict(self, adata):
            return np.zeros(adata.n_obs, int)

    monkeypatch.setattr(scsmd, "SCSMD", Fake)
    adata = smd.io.simulate(n_cells=200, n_genes=50, n_clusters=2)
    methods.get("scsmd-no-mdag")(adata, 2)
    assert (
        seen["preset"] == "default"
        and seen["params"] == {"dilations": None}
        and seen["n_clusters"] == 2
    )
    methods.get("scsmd-authors", budget="published", **json.loads('{"dilations": [4, 6]}'))(
        adata, 2, 7
    )
    assert (
        seen["preset"] == "authors"
        and list(seen["params"]["dilations"]) == [4, 6]
        and seen["random_state"] == 7
    )


def test_every_ablation_is_known(scsmd):
    for name, options in ABLATIONS.items():
        scsmd.changes("default", **{k: v for k, v in options.items() if k != "cellnet"})
        assert json.loads(json.dumps(options)) == options, name


@pytest.mark.parametrize("layout", ["sequence", "image"])
@pytest.mark.parametrize("gene_order", ["random", "correlation"])
def test_layouts_run(adata, layout, gene_order):
    labels, _ = methods.get(
        "scsmd", cellnet=False, layout=layout, gene_order=gene_order, **{**QUICK, "soft_epochs": 0}
    )(adata, 3)
    assert labels.shape == (200,)


def test_errors(adata):
    with pytest.raises(ValueError, match="'noize' is not known. Did you mean 'noise'"):
        methods.get("scsmd", noize=0.0)(adata, 3)
    with pytest.raises(ValueError, match="n_clusters=None"):
        methods.get("scsmd")(adata, None)
    with pytest.raises(ValueError, match="cellnet=1 must be True or False"):
        methods.get("scsmd", cellnet=1)(adata, 3)
    with pytest.raises(ValueError, match="budget='desktop'"):
        methods.get("scsmd", budget="desktop")


def test_dead_clusters_are_said(adata):
    with pytest.warns(UserWarning, match="clusters asked for hold cells"):
        methods.get("scsmd", **QUICK, first_anchor=0.0, second_anchor=0.0)(adata, 9)


def test_authors_need_784_genes(adata):
    with pytest.raises(ValueError, match="exactly 784 genes"):
        methods.get("scsmd-authors", **QUICK)(adata, 3)


def test_without_cellnet_says_nothing(adata):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        methods.get(
            "scsmd",
            cellnet=False,
            **{
                k: v
                for k, v in QUICK.items()
                if k in ("pretrain_epochs", "min_steps", "soft_epochs")
            },
        )(adata, 3)
