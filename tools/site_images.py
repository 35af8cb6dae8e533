"""Draw the site's favicon and the card that is shown where a link to it is shared: nbs/images/favicon.png, card.png.

The map on the card is a stored one (nbs/results/umap_zeisel.csv.gz): real cells, coloured by the clusters of scSMD.
"""

import sys
from pathlib import Path

import matplotlib
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
INK, PAPER = "#1d2b3a", "#ffffff"


def favicon(colours: list[str]):
    "Three groups of dots, which stay apart at 16 pixels."
    from matplotlib.figure import Figure

    figure = Figure(figsize=(0.64, 0.64), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    groups = [((0.3, 0.68), 0.24), ((0.72, 0.6), 0.2), ((0.46, 0.24), 0.2)]
    for (centre, radius), colour in zip(groups, colours):
        axes.add_patch(matplotlib.patches.Circle(centre, radius, color=colour))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.axis("off")
    return figure


def card(colours: list[str]):
    "Name and purpose beside a map of cells, 1200 x 630 pixels."
    from matplotlib.figure import Figure

    cells = pd.read_csv(
        ROOT / "nbs/results/umap_zeisel.csv.gz",
        dtype={"panel": str, "label": str},
        keep_default_na=False,
    )
    cells = cells[cells["panel"] == "scsmd"]
    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor=PAPER)
    axes = figure.add_axes((0.5, 0.04, 0.48, 0.92))
    for colour, (_, one) in zip(colours, cells.groupby("label")):
        axes.scatter(one["x"].astype(float), one["y"].astype(float), s=7, color=colour, lw=0)
    axes.axis("off")
    figure.text(0.05, 0.6, "scsmd_nb", size=54, weight="bold", color=INK)
    figure.text(
        0.05, 0.42, "Deep clustering of single cells,\nexplained in notebooks", size=24, color=INK
    )
    figure.text(
        0.05,
        0.08,
        f"{len(cells):,} cells of the mouse cortex, clustered by scSMD",
        size=14,
        color=INK,
    )
    return figure


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from scsmd_nb.pl import PALETTE

    images, colours = ROOT / "nbs" / "images", list(PALETTE)
    favicon(colours).savefig(images / "favicon.png", transparent=True, metadata={"Software": None})
    card(colours).savefig(images / "card.png", metadata={"Software": None})
    print("nbs/images/favicon.png and card.png drawn")
    return 0


if __name__ == "__main__":
    sys.exit(main())
