"""The comparison with other methods: data, runs, results.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "table": ("SCHEMA", "KEY", "COLUMNS", "STATUSES", "run_id", "read", "arrays", "overview"),
        "data": ("BUILT_IN", "dataset_names", "Labelled", "load", "blind"),
        "disturbances": ("dropout", "depth", "noise", "DISTURBANCES", "disturb", "parse_name"),
        "process": ("THREAD_VARIABLES", "group_memory", "STARTUP"),
        "suites": ("ALL", "all_methods", "Suite", "SUITES", "suite"),
        "runner": ("Interrupted", "TIME_LIMITS", "run"),
        "methods": ("leiden_clusters",),
        "figures": (),
})
