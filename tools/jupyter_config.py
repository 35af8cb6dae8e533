"""JupyterLab's settings for `make lab`; nbdev's own hook is installed for all notebooks of a user, this one only here.

A notebook that is opened, run and saved differs from the one in git in its outputs only.
"""

from nbdev.clean import _nbdev_clean


def clean(model, **kwargs) -> None:
    "Take out what JupyterLab adds to a notebook when it saves: the kernel's version, numbers of runs, times."
    if model["type"] == "notebook" and model["content"]["nbformat"] == 4:
        _nbdev_clean(model["content"])


c = get_config()  # noqa: F821, JupyterLab brings it
c.FileContentsManager.pre_save_hook = clean
