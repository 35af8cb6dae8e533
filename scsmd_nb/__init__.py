"""Deep clustering of single-cell RNA-seq with scSMD (Cui et al. 2025).

Written by hand (nbdev only keeps `__version__` in step). A wing loads when it is first used, so that
`import scsmd_nb` needs neither torch nor scanpy.
"""

from ._faces import hand_on

__version__ = "0.2.0"

WINGS = ("counts", "io", "pp", "nn", "tl", "pl", "bench", "course", "cli")
__getattr__, __dir__, __all__ = hand_on(
    __name__, {wing: () for wing in WINGS} | {"tl": ("cluster", "SCSMD")}
)
