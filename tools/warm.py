"""Imported once by the process that test_notebooks.py forks: UMAP is compiled on first use, which takes seconds."""

import numpy as np

from scsmd_nb.pp.exploration import umap_layout

umap_layout(np.random.default_rng(0).normal(size=(60, 5)), 5, progress=False)
