"""Fit, choose K, name clusters, and judge them.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
    "params": ("Params", "PRESETS", "get_params"),
    "run": ("CellData", "cell_data", "batches", "Run", "new_run", "latent", "LatentData", "probabilities", "watched"),
    "devices": ("make_fabric",),
    "training": ("add_linear_view", "place_centroids", "begin", "train_epoch", "train_phase", "train",
                 "TrainingDiverged", "TrainingInterrupted"),
    "saved": ("Checkpoint",),
    "on_disk": ("RowFile", "memory_blocks", "prepare"),
    "progress": ("Progress",),
    "model": ("SCSMD", "cluster"),
    "choose_k": ("suggest_k", "Choice", "spectrum", "eigengaps", "leiden_scan", "subsample_stability"),
    "steps": ("k_steps",),
    "compactness": ("silhouette", "calinski_harabasz", "kmeans_scores"),
    "trust": ("assess", "judge", "Trust"),
    "samples": ("mixing_table",),
    "annotation": ("annotate", "marker_scores"),
    "references": ("transfer",),
    "metrics": ("contingency", "ari", "nmi", "accuracy", "scores", "stability", "cluster_sizes"),
})
