"""The `scsmd` command.

Written by hand. A room loads when one of its names is first used.
"""

from .._faces import hand_on

__getattr__, __dir__, __all__ = hand_on(__name__, {
        "terminal": (),
        "options": (),
        "results": (),
        "data": (),
        "bench": (),
        "predict": (),
        "exporting": (),
        "main": ("app",),
        "memory": (),
})
