"""How all pictures of the benchmarks are begun, finished and saved."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("agg")
from matplotlib import pyplot as plt

__all__ = ["OURS", "grid", "legend_above", "plt", "save"]

#: Colour of convexnn, from a palette for all kinds of sight.
OURS = "#d55e00"


def grid(n_rows=1, n_columns=1, *, panel=(3.0, 2.8), **settings):
    """Return a figure and its panels, as an array of two dimensions."""
    size = panel[0] * n_columns, panel[1] * n_rows
    settings = {"figsize": size, "squeeze": False, "layout": "constrained"} | settings
    return plt.subplots(n_rows, n_columns, **settings)


def legend_above(figure, axes=None, *, n_columns=None, handles=None):
    """Put one legend above all panels: that of `axes`, or of the handles."""
    if handles is None:
        handles = axes.get_legend_handles_labels()[0]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=n_columns or len(handles),
        frameon=False,
        fontsize="small",
    )


def save(figure, path):
    """Save a figure and close it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)
