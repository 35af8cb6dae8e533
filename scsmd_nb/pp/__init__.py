"""Quality control, normalisation, genes and principal components.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(
    __name__,
    {
        "species": ("GENOMES", "mito_genes", "gene_species", "check_species", "keep_species"),
        "qc_metrics": ("cell_metrics",),
        "doublets": ("find_doublets",),
        "thresholds": ("THRESHOLDS", "DEFAULTS", "mad_thresholds", "screen"),
        "filtering": ("filter", "filter_table"),
        "genes": (
            "FLAVORS",
            "size_factors",
            "log_normalize",
            "normalize",
            "not_constant",
            "select_genes",
            "highly_variable",
        ),
        "preparation": ("preprocess", "neighbors"),
        "samples": ("sample_table", "ambient", "mixing"),
        "findings": ("qc_findings",),
        "components": ("pca",),
        "jackstraw_test": ("JackStraw", "jackstraw"),
        "exploration": ("explore", "umap_layout"),
    },
)
