"""Pictures of the decoding benchmark, from its files.

python benchmarks/decoder_picture.py docs/data docs/images
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl
import numpy as np

from convexnn.plotting import DecodingDisplay
from convexnn.plotting.decoding import DecodingCurve

mpl.use("agg")
from matplotlib import pyplot as plt

__all__ = ["draw_pictures"]

#: Lowest value shown: of paths, and of recovery, where less is rounding.
_FLOOR, _ROUNDING = 1e-26, 1e-18


def read_curves(path, group, label, x):
    """Return the curves of a file, by the values of the columns in `group`."""
    tables = defaultdict(lambda: defaultdict(list))
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            mean = row.get("mean") or row["mean error"]
            values = (row[x], mean, row["least"], row["largest"])
            key = tuple(row[name] for name in group)
            tables[key][row[label]].append([float(value) for value in values])
    return {
        key: [DecodingCurve(name, *np.array(rows).T) for name, rows in curves.items()]
        for key, curves in tables.items()
    }


def finish(figure, axes, path, n_columns):
    """Put one legend above the panels, and save."""
    handles, labels = axes.flat[0].get_legend_handles_labels()
    for panel in axes.flat:
        if panel.get_legend():
            panel.get_legend().remove()
        panel.label_outer()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=n_columns, frameon=False
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_iterations(folder, path):
    """Draw loss and error against iterations: Fig. 3 of the paper."""
    found = read_curves(
        folder / "decoder_paths.csv", ("d", "n", "what"), "solver", "iteration"
    )
    sizes = list(dict.fromkeys((d, n) for d, n, _ in found))
    figure, axes = plt.subplots(
        2, len(sizes), figsize=(8, 6), squeeze=False, layout="constrained", sharex="col"
    )
    for column, (d, n) in zip(axes.T, sizes, strict=True):
        for panel, what in zip(column, ("loss", "error"), strict=True):
            ylabel = "loss" if what == "loss" else "relative recovery error"
            display = DecodingDisplay(
                found[d, n, what],
                xlabel="iterations",
                ylabel=ylabel,
                log_x=True,
                floor=_FLOOR,
            )
            title = f"d = {d}, n = {n}" if what == "loss" else None
            display.plot(ax=panel, title=title)
    for row in axes:
        low = min(panel.get_ylim()[0] for panel in row)
        high = max(panel.get_ylim()[1] for panel in row)
        for panel in row:
            panel.set_ylim(low, high)
    finish(figure, axes, path, 5)


def draw_recovery(folder, path):
    """Draw error against n / d: Fig. 2 of the paper."""
    found = read_curves(
        folder / "decoder_recovery.csv", ("sigma", "d"), "solver", "n/d"
    )
    sigmas = sorted({sigma for sigma, _ in found}, key=float)
    sizes = sorted({d for _, d in found}, key=int)
    figure, axes = plt.subplots(
        *(len(sigmas), len(sizes)),
        figsize=(2.6 * len(sizes) + 1, 5.6),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for k, sigma in enumerate(sigmas):
        for j, d in enumerate(sizes):
            display = DecodingDisplay(
                found[sigma, d],
                xlabel="n / d",
                ylabel="relative recovery error",
                floor=_ROUNDING,
            )
            title = f"d = {d}, sigma = {float(sigma):g}"
            display.plot(ax=axes[k, j], title=title)
    finish(figure, axes, path, 4)


def draw_pictures(folder, images, names=("iterations", "recovery")):
    """Draw the pictures of the parts named."""
    drawers = {"iterations": draw_iterations, "recovery": draw_recovery}
    for name in names:
        drawers[name](Path(folder), Path(images) / f"decoder_{name}.png")


if __name__ == "__main__":
    draw_pictures(*sys.argv[1:])
