"""Models and checkpoints on disk: flipped bits are noticed, an older model survives, forms are checked."""

import json
import os
import warnings
from pathlib import Path
from unittest.mock import DEFAULT, patch

import numpy as np
import pytest
import torch
from safetensors.torch import save

import scsmd_nb as smd
from scsmd_nb.tl import saved

N_FLIPS = 40  # in each file; tools/bench_inputs.py makes 200
CELLS = smd.io.simulate(n_cells=60, n_genes=40, n_clusters=3, random_state=0)


def fit(**options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smd.SCSMD(3, max_epochs=1, accelerator="cpu", **options).fit(CELLS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    "A checkpoint and a model of one fit."
    folder = tmp_path_factory.mktemp("kept")
    fit(checkpoint=folder / "run.safetensors").save(folder / "model")
    return folder


def take_up(path: Path):
    "What a user would do with the file."
    if path.parent.name == "model":
        return smd.SCSMD.load(path.parent, accelerator="cpu")
    return fit(checkpoint=path)


@pytest.mark.parametrize(
    "name", ["run.safetensors", "model/weights.safetensors", "model/model.json"]
)
def test_any_flipped_bit_is_noticed(folder, name):
    path, rng = folder / name, np.random.default_rng(0)
    whole = path.read_bytes()
    take_up(path)
    places = rng.choice(8 * len(whole), N_FLIPS, replace=False)
    try:
        for i in [*range(0, 64, 9), *places]:
            bad = bytearray(whole)
            bad[i // 8] ^= 1 << i % 8
            path.write_bytes(bad)
            with pytest.raises(ValueError, match="cannot be read as a model|damaged"):
                take_up(path)
    finally:
        path.write_bytes(whole)


def test_an_older_model_survives_whatever_stops_the_writing(tmp_path):
    old, new = fit(), fit(random_state=1)
    old.save(tmp_path)
    for done in (0, 1):
        with patch(
            "os.replace", wraps=os.replace, side_effect=[DEFAULT] * done + [OSError("stop")]
        ):
            with pytest.raises(OSError):
                new.save(tmp_path)
        assert smd.SCSMD.load(tmp_path).seed_ == 0
    for _ in range(3):  # and is replaced where nothing does
        new.save(tmp_path)
        assert smd.SCSMD.load(tmp_path).seed_ == 1 and len(list(tmp_path.iterdir())) == 2


def resealed(text: bytes, **changes) -> bytes:
    "A model.json with other facts and a right seal, as someone may write it on purpose."
    facts = json.loads(text) | changes | dict(seal=saved._BLANK)
    return saved.seal(json.dumps({k: facts[k] for k in ["seal", *facts]}, indent=1).encode())


@pytest.mark.parametrize(
    "changes",
    [
        dict(n_clusters=None),
        dict(n_clusters=4),
        dict(seed=-1),
        dict(target_sum=[1]),
        dict(params=[]),
        dict(params={"n_latent": 10**9}),
        dict(arguments=None),
        dict(arguments={"checkpoint": "/tmp/elsewhere.safetensors"}),
        dict(features=["A"]),
        dict(features={"A": 1}),
        dict(history={"loss": 3}),
        dict(n_features_in=7),
        dict(weights="../weights.safetensors"),
        dict(format=None),
    ],
    ids=str,
)
def test_a_model_written_on_purpose_must_have_the_form(folder, changes):
    path = folder / "model" / "model.json"
    whole = path.read_bytes()
    try:
        path.write_bytes(resealed(whole, **changes))
        with pytest.raises(ValueError, match="cannot be read as a model"):
            smd.SCSMD.load(folder / "model")
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "changes",
    [
        dict(phase="sleep"),
        dict(epoch=-1),
        dict(epoch=None),
        dict(history=[[]]),
        dict(groups=None),
        dict(history=None),
    ],
    ids=str,
)
def test_a_checkpoint_written_on_purpose_must_have_the_form(folder, tmp_path, changes):
    data = (folder / "run.safetensors").read_bytes()
    head = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    facts = json.loads(head["scsmd_checkpoint"]) | changes
    meta = {"scsmd_checkpoint": json.dumps(facts), "seal": saved._BLANK}
    path = tmp_path / "run.safetensors"
    path.write_bytes(saved.seal(save({"rng": torch.zeros(3)}, metadata=meta)))
    with pytest.raises(ValueError, match="damaged"):
        fit(checkpoint=path)
