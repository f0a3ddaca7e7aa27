"""What the displays draw alike: curves with a band, and logarithmic axes."""

from __future__ import annotations

import numpy as np

__all__ = ["draw_band", "scale_by_powers"]


def draw_band(axes, x, mean, spread, color):
    """Draw a curve and, on either side of it, its spread."""
    axes.plot(x, mean, marker="o", markersize=4, color=color)
    axes.fill_between(x, mean - spread, mean + spread, color=color, alpha=0.2, lw=0)


def scale_by_powers(axis, values):
    """Make an axis logarithmic if its positive values differ by more than threefold.

    Over few decades also the twos and fives get labels, so that there are always some
    and they never overlap.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = np.asarray(values)[np.asarray(values) > 0]
    decades = np.log10(values.max() / values.min()) if len(values) else 0.0
    if decades < np.log10(3):
        return
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    if decades < 2.5:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
