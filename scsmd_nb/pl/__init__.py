"""Every figure.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "colours": ("PALETTE", "palette"),
        "clusters": ("umap", "history", "confusion"),
        "components": ("pca_loadings", "pca_scores", "jackstraw_ecdf", "pca_umap", "pca_overview"),
        "qc": ("qc_violin", "qc_scatter"),
        "report": ("qc_report",),
        "k_views": ("choose_k",),
        "drawings": ("drawing",),
        "cluster_trust": ("trust",),
        "sample_mixing": ("batches",),
})
