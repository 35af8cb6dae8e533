"""No cluster is lost: CellNet goes on until all are there; what loses none is as it was; else the reason is said."""

import warnings

import numpy as np
import pytest
import torch

import scsmd_nb as smd
from scsmd_nb.tl import refill
from scsmd_nb.tl import training as T
from scsmd_nb.tl.params import Params
from scsmd_nb.tl.run import cell_data, latent, new_run, probabilities
from scsmd_nb.tl.saved import Checkpoint

CPU = smd.tl.make_fabric("cpu")


@pytest.fixture(scope="module")
def cells():
    counts = smd.counts.get_counts(smd.io.simulate(150, 80, n_clusters=5, random_state=0))
    return cell_data(counts, np.ones(80, bool), Params())


def trained(cells, K=5, checkpoint=None, **options):
    run = new_run(cells, Params(start="kmeans", **options), K, fabric=CPU)
    if checkpoint is not None:
        run.checkpoint = Checkpoint(checkpoint, "mark")
        if checkpoint.exists():
            run.checkpoint.load(run)
    return T.train(run, cells, progress=False)


def test_an_empty_cluster_is_refilled(cells):
    "Two passes of CellNet lose clusters; more bring each of them back, on new cells, too."
    run = trained(cells, max_epochs=1)
    sizes = [row["n_clusters"] for row in run.history if row["phase"] == "cellnet"]
    assert max(sizes[:2]) < sizes[-1] == 5 and len(sizes) > 2
    u = latent(run, cells)
    sizes = np.bincount(probabilities(run, u).argmax(1), minlength=5)
    assert (2 * sizes >= refill.held(run, u)).all()


def test_what_loses_no_cluster_is_as_it_was_bit_for_bit(cells, monkeypatch):
    same = dict(pretrain_epochs=0, min_steps=40, soft_epochs=1)
    now = trained(cells, K=3, **same)
    monkeypatch.setattr(T, "goes_on", lambda *args: False)
    before = trained(cells, K=3, **same)
    assert now.history[-1]["n_clusters"] == 3 and len(now.history) == len(before.history)
    for a, b in zip(now.cellnet.state_dict().values(), before.cellnet.state_dict().values()):
        assert torch.equal(a, b)


def test_a_stopped_refill_goes_on(cells, tmp_path, monkeypatch):
    whole, file = trained(cells, max_epochs=1), tmp_path / "run.safetensors"

    class Stop(Exception):
        pass

    def one_epoch(run, *args, old=T._one_epoch):
        if run.phase == "cellnet" and run.epoch == 5:
            raise Stop
        return old(run, *args)

    with monkeypatch.context() as m:
        m.setattr(T, "_one_epoch", one_epoch)
        with pytest.raises(Stop):
            trained(cells, checkpoint=file, max_epochs=1)
    again = trained(cells, checkpoint=file, max_epochs=1)
    assert len(again.history) == len(whole.history) and (again.labels == whole.labels).all()


def test_it_ends(cells, monkeypatch):
    "Where a cluster does not come back, after so many steps, and the reason is said."
    monkeypatch.setattr(refill, "MORE", 3)
    run = trained(cells, K=9, max_epochs=1)
    assert sum(row["phase"] == "cellnet" for row in run.history) == 2 + 3
    u = latent(run, cells)
    found = len(set(probabilities(run, u).argmax(1)))
    assert found < 9 and "too much like their neighbours" in refill.missing(run, u, found)


def test_the_reason_where_cells_are_copies():
    x = np.repeat(np.random.default_rng(0).poisson(3, (3, 60)), 20, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smd.SCSMD(4, max_epochs=1, n_top_genes=60).fit(x)
    assert model.n_clusters_ <= 3 and "different kinds" in model.warnings_[0]


def test_the_paper_s_presets_are_not_changed(cells):
    run = new_run(cells, smd.tl.get_params("paper", n_latent=4), 3, fabric=CPU)
    assert not refill.guarded(run)
