"""Mean ranks on a line, with bars over methods that are not told apart.

The picture of J. Demsar, "Statistical comparisons of classifiers over multiple data
sets", JMLR 7, 2006, figure 1.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("agg")
from matplotlib import pyplot as plt

__all__ = ["draw", "groups"]

#: Vertical distances: between labels, between bars, and of the first of each.
_LABEL, _BAR, _FIRST = 0.5, 0.22, 0.3


def groups(ranks, difference):
    """Return first and last of the longest runs of sorted ranks within a difference."""
    runs = []
    for first, rank in enumerate(ranks):
        last = int(np.searchsorted(ranks, rank + difference, side="right")) - 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def draw(methods, ranks, difference, path):
    """Draw mean ranks and their critical difference and save the picture."""
    order = np.argsort(ranks, kind="stable")
    ranks, methods = np.asarray(ranks)[order], [methods[k] for k in order]
    bars = groups(ranks, difference)
    n_left = (len(ranks) + 1) // 2
    lowest = _FIRST + _BAR * len(bars) + _LABEL * n_left + 0.2
    low, high = 1, len(ranks)
    figure, axes = plt.subplots(figsize=(7, 0.75 * (lowest + 1.4)))
    axes.plot([low, high], [0, 0], color="0.2", lw=1.2)
    for tick in range(low, high + 1):
        axes.plot([tick, tick], [0, 0.15], color="0.2", lw=1.2)
        axes.text(tick, 0.22, tick, ha="center", va="bottom", fontsize=9)
    axes.plot([low, low + difference], [0.95, 0.95], color="0.2", lw=1.2, marker="|")
    text = f"critical difference {difference:.2f}"
    axes.text(low + difference + 0.1, 0.95, text, va="center", fontsize=9)
    for level, (first, last) in enumerate(bars):
        at = -_FIRST - _BAR * level
        ends = ranks[first] - 0.04, ranks[last] + 0.04
        axes.plot(ends, [at, at], color="#d55e00", lw=3, solid_capstyle="round")
    for k, (rank, method) in enumerate(zip(ranks, methods, strict=True)):
        is_left = k < n_left
        row = k if is_left else len(ranks) - 1 - k
        at = -_FIRST - _BAR * len(bars) - _LABEL * (row + 0.5)
        end = low - 0.2 if is_left else high + 0.2
        axes.plot([rank, rank, end], [0, at, at], color="0.4", lw=0.8)
        label = f"{method}  {rank:.2f}" if is_left else f"{rank:.2f}  {method}"
        axes.text(
            end + (-0.08 if is_left else 0.08),
            at,
            label,
            ha="right" if is_left else "left",
            va="center",
            fontsize=10,
            weight="bold" if method == "convexnn" else "normal",
        )
    axes.set(xlim=(low - 2.2, high + 2.2), ylim=(-lowest, 1.2))
    axes.axis("off")
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, bbox_inches="tight", pad_inches=0.1)
    plt.close(figure)
