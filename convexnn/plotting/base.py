"""What all displays share: axes, the fitted end of a pipeline, bands and scales."""

from __future__ import annotations

import numpy as np
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "Display",
    "draw_band",
    "fitted_step",
    "outline",
    "scale_by_powers",
    "step_and_inputs",
]


class Display:
    """A result to draw: `plot` draws it again, on the same axes or others.

    Class methods ``from_*`` compute and plot, and hand further keyword arguments to
    `plot`. Only plotting loads matplotlib.
    """

    def _take_ax(self, ax, figsize=(5, 3.5)):
        """Keep the axes, new ones by default, and return them."""
        (self.ax_,) = _given_or_new(None if ax is None else [ax], 1, figsize=figsize)
        self.figure_ = self.ax_.figure
        return self.ax_

    def _take_axes(self, axes, n_panels, **figure):
        """Keep the axes of all panels, those of a new figure by default."""
        self.axes_ = _given_or_new(axes, n_panels, **figure)
        self.figure_ = self.axes_[0].figure
        return self.axes_


def _given_or_new(axes, n_panels, **figure):
    if axes is None:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(layout="constrained", **figure)
    axes = tuple(np.ravel(axes))
    if len(axes) != n_panels:
        raise ValueError(
            f"axes must be {n_panels}, one for each panel of this display, got "
            f"{len(axes)}."
        )
    return axes


def fitted_step(estimator, *attributes):
    """Return a fitted estimator, of a Pipeline the last step.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If it is not fitted.
    ValueError
        If it lacks one of the attributes.
    """
    step = estimator[-1] if hasattr(estimator, "named_steps") else estimator
    check_is_fitted(step)
    for name in attributes:
        if not hasattr(step, name):
            raise ValueError(
                f"estimator must have the attribute {name}, got a fitted "
                f"{type(step).__name__} without it."
            )
    return step


def step_and_inputs(estimator, X):
    """Return the :func:`fitted_step` of an estimator, and the inputs that reach it."""
    step = fitted_step(estimator)
    return step, X if step is estimator else estimator[:-1].transform(X)


def draw_band(axes, x, mean, spread, color):
    """Draw a curve and, on either side of it, its spread."""
    axes.plot(x, mean, marker="o", markersize=4, color=color)
    axes.fill_between(x, mean - spread, mean + spread, color=color, alpha=0.2, lw=0)


def outline(width):
    """Return path effects that make lines and texts visible on any ground."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground="white")]


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
