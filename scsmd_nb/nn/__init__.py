"""The parts of the model, formulas (3) to (15) of the paper.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "likelihood": ("nb_moments", "nb_log_prob", "nb_loss", "nb_log_prob_from_logs", "nb_loss_from_logs", "NBHead"),
        "mdag": ("conv", "receptive_field", "seen_positions", "TrimmedConv2d", "MultiDilatedConv", "SelectionModule",
        "MDAG", "DilatedGate", "GatedBottleneck", "SqueezeAttention"),
        "autoencoder": ("GeneLayout", "GENE_ORDERS", "gene_order", "Encoder", "DenseDecoder", "DeconvDecoder",
        "Autoencoder", "Decoded", "TwoViews", "fit_linear", "AuthorsEncoder", "AuthorsDecoder", "build_autoencoder"),
        "soft_clustering": ("squared_distances", "memberships", "update_centroids", "cluster_loss", "joint_loss"),
        "partition": ("neighbor_graph", "over_cluster", "merge", "refine", "consensus", "start_partition"),
        "in_parts": ("InParts",),
        "cellnet": ("CellNet", "pair_loss", "pair_loss_plain", "pair_counts", "harden", "dead_clusters",
        "clusters_in_use", "membership_loss", "usage_loss"),
})
