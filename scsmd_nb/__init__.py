"""Deep clustering of single-cell RNA-seq with scSMD (Cui et al. 2025).

Written by hand (nbdev only keeps `__version__` in step). Submodules load when first used, so that
`import scsmd_nb` needs neither torch nor scanpy.
"""

__version__ = "0.1.0"

_SUBMODULES = (
    "data", "readers", "datasets", "qc", "qc_report", "explore", "choose_k", "annotate", "likelihood", "mdag",
    "autoencoder", "soft_clustering", "partition", "cellnet", "training", "model", "metrics", "plot", "baselines",
    "benchmark", "benchmark_figures", "cli", "course",
)
_NAMES = {"cluster": "model", "SCSMD": "model"}  # public name -> the submodule that defines it

__all__ = [*_SUBMODULES, *_NAMES, "__version__"]


def __getattr__(name: str):
    "Load a submodule, or a name from one, at its first use (PEP 562)."
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"{__name__}.{name}")
    if name in _NAMES:
        value = getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = value
        return value
    from difflib import get_close_matches

    near = get_close_matches(name, __all__, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
