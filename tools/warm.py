"""Imported once by the process that is forked for every notebook: what nearly all of them load, and UMAP, compiled."""

import igraph  # noqa: F401
import lightning_fabric  # noqa: F401
import numpy as np
import sklearn.cluster
import sklearn.decomposition
import sklearn.mixture  # noqa: F401

import scsmd_nb.bench.methods
import scsmd_nb.tl.model  # noqa: F401
from scsmd_nb.pp.exploration import umap_layout

umap_layout(np.random.default_rng(0).normal(size=(60, 5)), 5, progress=False)
