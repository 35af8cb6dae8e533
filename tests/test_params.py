"""The table of parameters: good values become Python's own, bad ones are refused with their name."""

import json

import numpy as np
import pytest

import scsmd_nb as smd
from scsmd_nb.tl.params import ARGUMENTS, RULES, check_value

CELLS = smd.io.simulate(n_cells=40, n_genes=30, n_clusters=3, random_state=0)
WRONG = {
    "whole": (-1, 1.5, np.nan, "3", True, None, [3]),
    "number": (-1.0, np.nan, np.inf, "0.5", True, 1j),
    "flag": ("no", 1, 0, None, "True"),
    "word": ("nothing", 3, None, ["adam"]),
    "rates": (4, (), (4, -6), (4, 6.5), "4,6", [[4]]),
    "text": ("", 3, ["a"]),
    "path": ("", 3, ["a"]),
}


@pytest.mark.parametrize("name", RULES | ARGUMENTS)
def test_bad_values_are_refused_by_name(name):
    rules = RULES if name in RULES else ARGUMENTS
    for value in WRONG[rules[name].kind]:
        if value is None and rules[name].none:
            continue
        with pytest.raises(ValueError, match=f"^{name}="):
            check_value(name, value, rules)


FITS = {
    "n_latent": {"n_latent": 0},
    "max_epochs": {"max_epochs": 0},
    "precision": {"precision": "64-true"},
    "devices": {"devices": 0},
    "random_state": {"random_state": -1},
    "strict": {"params": {"strict": "no"}},
    "dilations": {"params": {"dilations": 4}},
    "pretrain_beta": {"params": {"pretrain_beta": 0.0}},
    "params": {"params": {"n_latent": 4}, "n_latent": 8},
    "progress": {"progress": "yes"},
    "check_counts": {"check_counts": 1},
}


@pytest.mark.parametrize("name", FITS)
def test_fits_with_bad_values_stop_at_once(name):
    with pytest.raises(ValueError, match=f"^{name}="):
        smd.SCSMD(2, **FITS[name]).fit(CELLS)


def test_numbers_of_numpy_become_pythons():
    given = dict(
        n_latent=np.int64(4), noise=np.float32(0.5), strict=np.True_, dilations=[np.int8(2)]
    )
    p = smd.tl.get_params(**given)
    assert json.loads(json.dumps(vars(p)))["dilations"] == [2]
    assert [type(getattr(p, k)) for k in given] == [int, float, bool, tuple]


def test_marks_and_names_of_genes():
    mask = np.arange(CELLS.n_vars) < 12
    quick = dict(max_epochs=1, accelerator="cpu")
    by_mask = smd.SCSMD(2, **quick).fit(CELLS, genes=mask)
    by_name = smd.SCSMD(2, **quick).fit(CELLS, genes=list(CELLS.var_names[:12]))
    assert list(by_mask.genes_) == list(by_name.genes_) == list(CELLS.var_names[:12])
    for wrong in ([0, 1, 2], mask[:5], ["no such gene"], np.zeros(30, bool), 3, "CD3E"):
        with pytest.raises(ValueError, match="genes"):
            smd.SCSMD(2, **quick).fit(CELLS, genes=wrong)
