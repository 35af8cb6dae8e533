"""Fit, choose K, name clusters, and judge them.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "params": ("Params", "PRESETS", "get_params"),
        "run": ("Batch", "Scaling", "CellData", "learn_scaling", "batches", "PHASES", "THREADS", "COLUMNS", "Run",
        "make_fabric", "new_run", "latent", "LatentData", "probabilities"),
        "training": ("cell_losses", "descend", "pretrain_step", "one_cycle", "add_linear_view", "place_centroids",
        "settle", "soft_step", "cellnet_step", "n_epochs", "begin", "STEPS", "train_epoch", "TrainingDiverged",
        "check_finite", "TrainingInterrupted", "train"),
        "saved": ("save_checkpoint", "load_checkpoint"),
        "model": ("SCSMD", "check_n_clusters", "FORMAT", "save_model", "load_model", "cluster"),
        "choose_k": ("spectrum", "STEPS", "eigengaps", "silhouette", "calinski_harabasz", "SILHOUETTE_SHARE",
        "CH_SHARE", "finest", "kmeans_scores", "RESOLUTIONS", "leiden_scan", "plateau", "JACCARD", "N_SUBSAMPLES",
        "subsample_stability", "VIEWS", "combine", "Choice", "N_GENES", "N_COMPONENTS", "suggest_k"),
        "annotation": ("marker_scores", "annotate"),
        "metrics": ("contingency", "ari", "nmi", "accuracy", "scores", "stability", "cluster_sizes"),
})
