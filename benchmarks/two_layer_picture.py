"""Objective above the best against CPU seconds, a panel a case.

python benchmarks/two_layer_picture.py docs/data docs/images/two_layer.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import two_layer_tables as tables

mpl.use("agg")
from matplotlib import pyplot as plt

__all__ = ["draw"]

#: Colour of each peer that is drawn, from a palette for all kinds of sight.
COLOURS = {
    "convexnn": "#d55e00",
    "L-BFGS": "#0072b2",
    "Adam": "#009e73",
    "adelie": "#cc79a7",
    "Clarabel": "#56b4e9",
    "pyscnn": "#999999",
}

#: Smallest and largest distance shown, relative to the best.
_SPAN = (1e-6, 2.0)


def steps(run, curve, best):
    """Return times and relative distances of one run, its end included."""
    points = [*curve, (run["seconds"], run["objective"])]
    seconds = np.maximum([t for t, _ in points], 1e-3)
    values = np.maximum([v for _, v in points], run["objective"])
    return seconds, np.maximum(np.minimum.accumulate(values) / best - 1, _SPAN[0])


def panel(axes, runs, curves, best):
    """Draw the runs of one case."""
    for run in runs:
        colour = COLOURS.get(run["peer"])
        if colour is None or not np.isfinite(run["objective"]):
            continue
        curve = curves.get((*tables.key(run), run["run"]), [])
        seconds, above = steps(run, curve, best)
        ours = run["peer"] == tables.OURS
        if curve:
            axes.step(
                *(seconds, above),
                where="post",
                color=colour,
                lw=2.2 if ours else 0.9,
                alpha=1.0 if ours else 0.7,
                zorder=3 if ours else 2,
            )
        axes.plot(
            *(seconds[-1], above[-1]),
            "o" if curve else "x",
            color=colour,
            ms=5 if ours else 3.5,
            zorder=4,
        )


def decorate(axes, k, j, name, share):
    """Scale and label one panel."""
    axes.set(xscale="log", yscale="log", ylim=(_SPAN[0] / 1.5, _SPAN[1]))
    axes.set_xlim(1e-3, None)
    axes.grid(alpha=0.25, lw=0.5)
    axes.axhline(1e-3, color="0.4", lw=0.7, ls=":")
    if k == 0:
        axes.set_title(name, fontsize=10)
    if j == 0:
        axes.set_ylabel(f"{share:g} beta_max", fontsize=9)
    axes.tick_params(labelsize=7)


def draw(folder, path):
    """Draw the stored results of `folder` and save the picture at `path`."""
    folder = Path(folder)
    runs = tables.read_runs(folder / "two_layer_runs.csv")
    curves = tables.read_curves(folder / "two_layer_curves.csv")
    best = tables.best_objectives(runs)
    names = list(dict.fromkeys(run["set"] for run in runs))
    shares = sorted({run["share"] for run in runs}, reverse=True)
    size = (1.9 * len(names) + 1.2, 1.9 * len(shares) + 0.9)
    figure, grid = plt.subplots(
        len(shares), len(names), figsize=size, sharey=True, squeeze=False
    )
    for k, share in enumerate(shares):
        for j, name in enumerate(names):
            chosen = [
                run
                for run in runs
                if (run["set"], run["share"], run["network"]) == (name, share, "relu")
            ]
            panel(grid[k, j], chosen, curves, best[name, share, "relu", 0])
            decorate(grid[k, j], k, j, name, share)
    present = {run["peer"] for run in runs}
    handles = [
        plt.Line2D([], [], color=colour, lw=2, label=peer)
        for peer, colour in COLOURS.items()
        if peer in present
    ]
    figure.supxlabel("CPU seconds", fontsize=9)
    figure.supylabel("objective above the best, relative", fontsize=9)
    figure.legend(handles=handles, loc="upper center", ncols=6, frameon=False)
    figure.tight_layout(rect=(0.015, 0, 1, 0.95))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    draw(*sys.argv[1:])
