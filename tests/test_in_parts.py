"""A batch in parts: the same result on any number of cores, and the user's threads as they were."""

import threading
import warnings

import numpy as np
import pytest
import torch

import scsmd_nb as smd
from scsmd_nb.nn import in_parts
from scsmd_nb.tl import run as runs

QUICK = dict(n_top_genes=100, max_epochs=2, progress=False)


@pytest.fixture(scope="module")
def cells():
    return smd.io.simulate(n_cells=330, n_genes=120, n_clusters=3, random_state=0)


def fitted(cells, **options):
    out = smd.cluster(cells, 3, copy=True, **QUICK | options)
    return out.obs["scsmd"].tolist(), out.obsm["X_scsmd"]


@pytest.mark.parametrize("options", [{}, {"preset": "paper"}, {"batch_size": 60}], ids=str)
def test_any_number_of_cores_gives_the_same_clusters(cells, monkeypatch, options):
    found = []
    for cores in (1, 2, 4):
        monkeypatch.setattr(in_parts, "CORES", cores)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(fitted(cells, **options))
    for labels, latent in found[1:]:
        assert labels == found[0][0]
        np.testing.assert_array_equal(latent, found[0][1])


def test_two_fits_side_by_side_are_the_fits_alone(cells, monkeypatch):
    monkeypatch.setattr(in_parts, "CORES", 2)
    alone = [fitted(cells, random_state=s)[1] for s in (0, 1)]
    both = {}
    jobs = [
        threading.Thread(target=lambda s=s: both.update({s: fitted(cells, random_state=s)[1]}))
        for s in (0, 1)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    for s in (0, 1):
        np.testing.assert_array_equal(both[s], alone[s])


def test_the_users_threads_are_given_back(cells):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        fitted(cells)
        assert torch.get_num_threads() == 3
        with pytest.raises(FloatingPointError):
            smd.cluster(cells, 3, copy=True, pretrain_lr=1e9, schedule="constant", **QUICK)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_an_error_in_one_part_is_the_error_of_all(monkeypatch):
    monkeypatch.setattr(in_parts, "CORES", 2)
    with pytest.raises(ZeroDivisionError):
        in_parts.in_threads(lambda n: 1 / n, [2, 1, 0])
    assert in_parts._Block.depth == 0 and in_parts._Block.pool is None


def test_an_error_waits_for_nobody(monkeypatch):
    "Other parts may be at work in a block of their own when one fails; no lock is held then."
    monkeypatch.setattr(in_parts, "CORES", 2)
    go = threading.Event()

    def job(n):
        if n == 0:
            raise KeyboardInterrupt
        go.wait(10)
        with in_parts.one_thread():
            return n

    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        in_parts.in_threads(job, [0, 1])
    go.set()
    assert in_parts.in_threads(abs, [-1, -2]) == [1, 2]
    assert in_parts._Block.depth == 0 and torch.get_num_threads() == before


def test_half_precision_reaches_every_part(cells, monkeypatch):
    monkeypatch.setattr(in_parts, "CORES", 2)
    labels, latent = fitted(cells, precision="bf16-mixed")
    assert np.isfinite(latent).all()
    assert not np.array_equal(latent, fitted(cells)[1])


def test_large_data_are_looked_at_in_part(cells, monkeypatch):
    "The watched cells and the cells of a phase are a sample, and every cell gets its cluster."
    monkeypatch.setattr(runs, "WATCHED", 100)
    _, model = smd.cluster(
        cells, 3, copy=True, return_model=True, cells_a_phase=9000, **QUICK | {"max_epochs": 40}
    )
    assert len(model._run.labels) == 100 and len(model.labels_) == 330
    assert smd.tl.ari(cells.obs["cell_type"], model.labels_) > 0.5
