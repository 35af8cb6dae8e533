"""Quality control, normalisation, genes and principal components.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "species": ("GENOMES", "mito_genes", "mito_mask", "gene_species", "check_species", "keep_species"),
        "filtering": ("cell_metrics", "THRESHOLDS", "no_mito_words", "filter", "filter_table", "mad_thresholds",
        "sample_table"),
        "doublets": ("find_doublets",),
        "genes": ("size_factors", "log_normalize", "normalize", "not_constant", "FLAVORS", "select_genes",
        "highly_variable"),
        "preparation": ("preprocess", "neighbors"),
        "components": ("MAX_SD", "pca"),
        "jackstraw_test": ("SMALL", "JackStraw", "jackstraw"),
})
