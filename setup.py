"""Packaging: every value comes from settings.ini."""

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).resolve().parent
parser = ConfigParser(delimiters=["="])
parser.read(here / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]


def lines(key: str) -> list[str]:
    "The non-empty lines of a value that holds one item a line."
    return [line.strip() for line in cfg.get(key, "").splitlines() if line.strip()]


readme = here / "README.md"
long_description = readme.read_text(encoding="utf-8") if readme.exists() else cfg["description"]
# links are relative in the repository; a package index needs whole ones, of pictures and of pages
for picture, view in ((r"!", "raw"), (r"(?<!!)", "blob")):
    long_description = re.sub(
        rf"({picture}\[[^\]]*\]\()(?!https?:|#|mailto:)",
        rf"\1{cfg['git_url']}/{view}/{cfg['branch']}/",
        long_description,
    )

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=long_description,
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    project_urls={"Documentation": cfg["doc_host"] + cfg["doc_baseurl"], "Source": cfg["git_url"]},
    license="Apache-2.0",
    keywords=cfg["keywords"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        f"Intended Audience :: {cfg['audience']}",
        "Natural Language :: English",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)),
        "Topic :: Scientific/Engineering :: Bio-Informatics",
    ],
    packages=find_packages(include=["scsmd_nb", "scsmd_nb.*"]),
    include_package_data=True,
    python_requires=f">={cfg['min_python']}",
    install_requires=lines("requirements"),
    extras_require={
        "bench": lines("bench_requirements"),
        "dask": lines("dask_requirements"),
        "samples": lines("samples_requirements"),
        "dev": [r for key in ("dev", "bench", "dask") for r in lines(f"{key}_requirements")],
    },
    entry_points={
        "console_scripts": lines("console_scripts"),
        "nbdev": [f"{cfg['lib_name']}={cfg['lib_path']}._modidx:d"],
    },
    zip_safe=False,
)
