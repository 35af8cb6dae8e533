"""Read files, fetch public data, simulate cells.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
    "opening": ("SUPPORTED",),
    "values": (),
    "tables": (),
    "mtx": (),
    "tenx": (),
    "samples": (),
    "reading": ("read",),
    "backed": ("open_backed", "copy_cells"),
    "blocks": ("DiskCounts", "counts_of", "on_disk", "rows_in_memory"),
    "parsing": ("File", "Dataset"),
    "paper_sets": (),
    "other_sets": (),
    "catalog": ("DATASETS", "info", "cache_dir", "whereabouts"),
    "downloads": ("fetch", "available", "load"),
    "simulation": ("simulate", "true_mean"),
    "exporting": ("export", "lacking_fields", "DISCOVER"),
    "examples": ("pbmc700", "load_or_simulate", "banner"),
    "writing": ("write_csv",),
})
