"""Figures and tables of the comparison, drawn from its results table.

Written by hand. A room loads when one of its names is first used.
"""

from ..._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "base": ("made_up", "METRICS", "title", "compared", "seed_means"),
        "scores": ("HIGHLIGHT", "OTHERS", "bars", "heatmap", "RankTest", "rank_test", "critical_difference"),
        "maps": ("SURPLUS", "match_labels", "umap_table", "draw_maps", "umap_panels", "umap_table_of_runs"),
        "parts": ("DEFAULT_DILATIONS", "dilation_runs", "dilations", "ablation_table", "ablation", "STRENGTHS",
        "disturbed", "robustness"),
        "cost": ("cost_medians", "time_accuracy", "memory"),
        "tables": ("summary", "budget_table", "losses", "provenance", "run_counts", "seeds_in_words"),
        "paper": ("SETS_OF_PAPER", "read_published", "dilation_table", "measured_beside_published"),
})
