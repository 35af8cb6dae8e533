"""The comparison with other methods: data, runs, results.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(
    __name__,
    {
        "table": ("read", "arrays", "overview"),
        "data": ("BUILT_IN", "dataset_names", "load", "blind"),
        "disturbances": ("DISTURBANCES", "dropout", "depth", "noise", "disturb", "parse_name"),
        "process": (),
        "suites": ("ALL", "all_methods", "SUITES", "Suite", "suite"),
        "runner": ("run", "Interrupted"),
        "methods": ("leiden_clusters",),
        "figures": (),
    },
)
