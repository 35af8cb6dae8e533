"""Two processes share a fit: the same result in both, and that of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import scsmd_nb as smd
from scsmd_nb.nn.in_parts import n_parts, parts_here, share

ROOT = Path(__file__).resolve().parent.parent
HOW = dict(params=dict(n_gates=0, min_steps=40, start="kmeans"), n_top_genes=120, accelerator="cpu")
SCRIPT = """
import json, os, sys
import scsmd_nb as smd

cells, how = smd.io.simulate(300, 120, 3, random_state=0), json.loads(sys.argv[1])
rank = int(os.environ["RANK"])  # the seed of the first process counts
model = smd.SCSMD(3, devices=2, random_state=rank, checkpoint="run.safetensors", progress=True, **how)
model.fit(cells).save("model")
facts = [model.history_, model.labels_.tolist(), model.embedding_.tolist()]
open(f"{rank}.json", "w").write(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    "Folder in which two processes have fitted the same cells, and what they wrote on the terminal."
    folder = tmp_path_factory.mktemp("two")
    (folder / "script.py").write_text(SCRIPT)
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [*run, "script.py", json.dumps(HOW)]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_two_processes_give_one_result_and_it_is_that_of_one(two):
    first, second = (json.loads((two[0] / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    history, labels, embedding = first
    cells = smd.io.simulate(300, 120, 3, random_state=0)
    alone = smd.SCSMD(3, **HOW).fit(cells)
    assert smd.tl.ari(alone.labels_, labels) >= 0.99
    pre = history["phase"].count("pretrain")
    np.testing.assert_allclose(history["loss"][:pre], alone.history_["loss"][:pre], rtol=1e-4)
    np.testing.assert_allclose(embedding, alone.embedding_, atol=0.1)  # rounding, after 40 steps


def test_the_first_process_writes(two):
    folder, said = two
    model = smd.SCSMD.load(folder / "model", accelerator="cpu")
    labels = json.loads((folder / "1.json").read_text())[1]
    cells = smd.io.simulate(300, 120, 3, random_state=0)
    assert model.predict(cells).tolist() == labels
    assert (folder / "run.safetensors").exists() and not list(folder.glob(".*part*"))
    assert said.count("choosing genes") == 1  # one progress line


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 8])
def test_shares_are_whole_parts_of_the_batch(processes):
    for n in (2 * processes, 99, 150, 199, 256, 500, 5000):
        mine = [share(n, processes, i) for i in range(processes)]
        assert [s.start for s in mine] == [0, *(s.stop for s in mine[:-1])] and mine[-1].stop == n
        counts = [n_parts(s.stop - s.start, parts_here(processes)) for s in mine]
        if processes in (1, 2, 4) and n_parts(n) >= processes:
            assert sum(counts) == n_parts(n)  # cut as one process would cut it
        assert min(s.stop - s.start for s in mine) >= 2
