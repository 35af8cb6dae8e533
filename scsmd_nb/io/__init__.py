"""Read files, fetch public data, simulate cells.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "opening": ("SUPPORTED",),
        "tables": ("write_csv",),
        "tenx": (),
        "reading": ("read",),
        "parsing": ("File", "Dataset", "DATASETS"),
        "paper_sets": ("parse_pbmc4k", "parse_bhattacherjee", "parse_zeisel", "parse_baron_human",
        "parse_baron_human1", "parse_osteosarcoma"),
        "other_sets": ("parse_zheng_sorted", "parse_muraro", "parse_segerstolpe", "parse_mouse_bladder",
        "parse_cbmc_cite", "parse_paul15", "parse_young_kidney", "parse_worm_neuron"),
        "catalog": ("info", "cache_dir"),
        "downloads": ("fetch", "available", "load"),
        "simulation": ("simulate", "true_mean"),
        "examples": ("pbmc700", "load_or_simulate", "banner"),
})
