"""The parts of the model, formulas (3) to (15) of the paper.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "likelihood": ("PHI_BOUNDS", "MU_BOUNDS", "nb_moments", "nb_log_prob", "nb_loss", "nb_log_prob_from_logs",
        "nb_loss_from_logs", "bounded", "NBHead"),
        "mdag": ("TrimmedConv2d", "conv", "receptive_field", "seen_positions", "MultiDilatedConv", "SelectionModule",
        "MDAG", "DilatedGate", "GatedBottleneck", "SqueezeAttention"),
        "autoencoder": ("image_side", "GeneLayout", "GENE_ORDERS", "gene_order", "stages", "Encoder", "DeconvDecoder",
        "DenseDecoder", "Decoded", "Autoencoder", "TwoViews", "fit_linear", "AuthorsEncoder", "AuthorsDecoder",
        "xavier", "build_autoencoder"),
        "soft_clustering": ("squared_distances", "memberships", "update_centroids", "cluster_loss", "joint_loss"),
        "partition": ("neighbor_graph", "over_cluster", "merge", "refine", "average_linkage", "consensus", "N_GROUPS",
        "WARD", "METHODS", "start_partition"),
        "cellnet": ("CellNet", "pair_loss_plain", "pair_loss", "pair_counts", "harden", "dead_clusters",
        "clusters_in_use", "membership_loss", "usage_loss"),
})
