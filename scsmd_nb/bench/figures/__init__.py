"""Figures and tables of the comparison, drawn from its results table.

Written by hand. A room loads when one of its names is first used.
"""

from ..._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "base": ("made_up", "worst_case", "METRICS", "title", "compared", "seed_means"),
        "scores": ("bars", "heatmap", "RankTest", "rank_test", "critical_difference"),
        "maps": ("match_labels", "umap_table", "umap_table_of_runs", "draw_maps", "umap_panels"),
        "parts": ("DEFAULT_DILATIONS", "dilation_runs", "dilations", "ablation_table", "worth", "ablation", "disturbed", "robustness"),
        "cost": ("cost_medians", "time_accuracy", "memory"),
        "tables": ("summary", "budget_table", "losses", "holm", "paired", "provenance", "run_counts", "seeds_in_words"),
        "paper": ("read_published", "dilation_table", "measured_beside_published"),
})
