"""Pictures of the benchmark of Figs. 2 and 4 of the three-layer paper."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np

mpl.use("agg")
from matplotlib import pyplot as plt

__all__ = ["draw_convergence", "draw_landscape"]

#: Ways to solve the convex program: the marker of each.
_MARKERS = {"all blocks": "^", "200 sampled blocks": "s", "search": "D"}


def draw_convergence(curves, convex, summary, path):
    """Draw a panel for each K, and how many starts reached the optimum."""
    widths = [row["K"] for row in summary][:5]
    figure, grid = plt.subplots(2, 3, figsize=(9, 5.6), layout="constrained")
    panels = list(grid.flat)
    for axes, width in zip(panels, widths, strict=False):
        lines = [line for line in curves if line[0] == width]
        _draw_starts(axes, lines)
        _draw_convex(axes, convex)
        axes.set_title(f"K = {width}", fontsize="medium")
        axes.sharex(panels[0])
        axes.sharey(panels[0])
        axes.grid(alpha=0.3)
    for axes in (panels[0], panels[3]):
        axes.set_ylabel("objective")
    for axes in panels[2:5]:
        axes.set_xlabel("CPU seconds")
    _draw_shares(panels[5], summary)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        *(handles, labels),
        loc="outside upper center",
        ncols=len(labels),
        frameon=False,
        fontsize="small",
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_starts(axes, lines):
    for start in dict.fromkeys(line[1] for line in lines):
        seconds, values = np.array([x[3:] for x in lines if x[1] == start], float).T
        label = "SGD, one line a start" if start == 0 else None
        axes.plot(seconds, values, color="C0", lw=1.1, alpha=0.8, label=label)
    axes.set(xscale="log", yscale="log")


def _draw_convex(axes, convex):
    """Draw the programs' values, and the values of the networks recovered from them."""
    axes.axhline(convex[0]["convex objective"], color="0.4", lw=0.8, ls=":")
    for row in convex:
        place = [row["seconds"]], [row["convex objective"]]
        axes.plot(
            *place,
            _MARKERS[row["method"]],
            color="C2",
            ms=9,
            mfc="none",
            mew=1.5,
            label=row["method"],
        )
        is_last = row is convex[-1]
        label = f"network of {row['thinned K']} recovered" if is_last else None
        axes.plot(
            [row["seconds"]], [row["thinned"]], "o", color="C3", ms=3, label=label
        )


def _draw_shares(axes, summary):
    widths = [row["K"] for row in summary]
    places = range(len(widths))
    total = [row["starts on all draws"] for row in summary]
    starts = summary[0]["starts"]
    for key, scale, label, color, style in (
        ("draws with one", starts, f"best of {starts}, 1 %", "C1", "s-"),
        ("near on all draws", 1, "a start, 10 %", "C0", "o--"),
        ("reached on all draws", 1, "a start, 1 %", "C0", "o-"),
    ):
        shares = [scale * row[key] / n for row, n in zip(summary, total, strict=True)]
        axes.plot(places, shares, style, color=color, label=label, ms=4)
    axes.set(ylim=(-0.03, 1.35), xlabel="K", ylabel="share near the optimum")
    axes.set_xticks(places, widths)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_title(f"{total[0] // starts} draws of data", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(
        frameon=False,
        fontsize="small",
        loc="upper left",
        ncols=2,
        handlelength=1.3,
        columnspacing=0.8,
    )


def draw_landscape(planes, ends, ours, path):
    """Draw both planes of each K, and below them where all starts ended."""
    widths = list(planes)
    figure, grid = plt.subplots(
        *(3, len(widths)),
        figsize=(3.1 * len(widths), 8.2),
        layout="constrained",
        gridspec_kw={"height_ratios": (1, 1, 0.75)},
        squeeze=False,
    )
    for row in range(2):
        shown = [planes[width][row] for width in widths]
        limits = (
            min(plane.values.min() for plane in shown),
            max(plane.values.max() for plane in shown),
        )
        for axes, width, plane in zip(grid[row], widths, shown, strict=True):
            plane.plot(ax=axes, limits=limits, bar=axes is grid[row][-1])
            minima = "minimum" if len(plane.minima) == 1 else "minima"
            axes.set_title(
                f"K = {width}\n{len(plane.minima)} {minima}, "
                f"{100 * plane.nonconvex_share:.0f} % non-convex",
                fontsize="medium",
            )
            if axes is not grid[row][0]:
                axes.set_ylabel("")
    _draw_ends(_joined(figure, grid[2]), ends, ours)
    figure.savefig(path, dpi=75)
    plt.close(figure)


def _joined(figure, row):
    """Return axes in the place of a whole row of them."""
    spec = row[0].get_gridspec()
    for axes in row:
        axes.remove()
    return figure.add_subplot(spec[2, :])


def _draw_ends(axes, ends, ours):
    for position, values in enumerate(ends.values()):
        above = np.maximum(np.array(values) / ours["least"] - 1, 1e-4)
        spread = np.linspace(-0.25, 0.25, len(above))
        axes.plot(above, position + spread, "o", ms=4, alpha=0.7, color="C0")
    at = max(ours["objective"] / ours["least"] - 1, 1e-4)
    axes.axvline(at, color="C3", lw=1.2, label="convexnn's search (zeros are at 1e-4)")
    axes.axvline(5e-2, color="0.4", lw=0.8, ls=":", label="5 %")
    axes.set(
        xscale="log",
        xlabel="objective above the least known, relative, one dot a start of L-BFGS",
        yticks=range(len(ends)),
        yticklabels=[f"K = {width}" for width in ends],
        ylim=(len(ends) - 0.5, -0.5),
    )
    axes.grid(alpha=0.3, axis="x")
    axes.legend(frameon=False, fontsize="small")
