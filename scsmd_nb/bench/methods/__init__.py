"""The methods that scSMD is compared with, behind one interface.

Written by hand. A room loads when one of its names is first used.
"""

from ..._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "registry": ("BUDGETS", "Method", "get", "names", "register", "title"),
        "base": (),
        "simple": ("leiden_clusters",),
        "scdeepcluster": (),
        "sczidesk": (),
        "dca": (),
        "scgmai": (),
        "sccan": (),
        "scdcca": (),
        "deepscena": (),
        "scsmd": (),
        "optional": (),
})
