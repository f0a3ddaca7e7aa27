"""Errors of a method over numbers of samples and dimensions, as a map."""

from __future__ import annotations

import numpy as np

from .base import Display, outline

__all__ = ["PhaseTransitionDisplay"]

#: Errors below this are drawn as if they were this: the filter is recovered.
_SMALLEST_ERROR = 1e-6


class PhaseTransitionDisplay(Display):
    """Error of recovered filters over the number of samples and the dimension.

    One panel is one method; each of its cells is the mean over the draws of data of
    that size, so that the border between dark and bright is the phase transition.

    Parameters
    ----------
    n_samples : ndarray of shape (n_rows,)
        Numbers of samples, ascending.
    dimensions : ndarray of shape (n_columns,)
        Dimensions of the input, ascending.
    errors : dict of str to ndarray of shape (n_rows, n_columns) or more axes
        For each method the errors, relative to the norm of the filter; further axes
        are draws.
    slopes : tuple of float, default=()
        Lines ``n = slope * d`` to draw.

    Attributes
    ----------
    axes_ : tuple of matplotlib.axes.Axes
        A panel for each method, in order.
    figure_ : matplotlib.figure.Figure
        Figure of the last plot.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.plotting import PhaseTransitionDisplay
    >>> n, d = np.array([10, 20, 40]), np.array([5, 10])
    >>> errors = np.where(n[:, None] > 2 * d, 1e-12, 1.0)
    >>> display = PhaseTransitionDisplay(n, d, {"ours": errors}).plot()
    >>> display.recovered("ours").tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]
    >>> display.axes_[0].get_title()
    'ours'
    """

    def __init__(self, n_samples, dimensions, errors, *, slopes=()):
        self.n_samples = np.asarray(n_samples)
        self.dimensions = np.asarray(dimensions)
        self.errors = errors
        self.slopes = slopes
        expected = (len(self.n_samples), len(self.dimensions))
        for name, values in errors.items():
            if np.shape(values)[:2] != expected:
                raise ValueError(
                    f"errors[{name!r}] must have shape {expected}, one row for each "
                    f"of n_samples and one column for each of dimensions, got "
                    f"{np.shape(values)}."
                )

    def recovered(self, name, tol=1e-6):
        """Return the share of draws whose error is at most `tol`.

        Parameters
        ----------
        name : str
            Method.
        tol : float, default=1e-6
            Largest error that counts as recovery.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            Shares.
        """
        found = np.asarray(self.errors[name]) <= tol
        return found.reshape(*found.shape[:2], -1).mean(axis=2)

    def plot(self, *, axes=None, title=None, share=None):
        """Draw a panel for each method.

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, default=None
            One for each method; a new figure by default.
        title : str, default=None
            What to write beside the first panel, above its label.
        share : float, default=None
            Draw the share of draws with an error up to this instead of the error,
            whose logarithm is averaged over the draws otherwise.

        Returns
        -------
        PhaseTransitionDisplay
            Itself, with `figure_` and `axes_`.

        Raises
        ------
        ValueError
            If the number of axes is not that of the methods.
        """
        names = list(self.errors)
        size = (2.6 * len(names) + 1.2, 2.9)
        axes = self._take_axes(
            *(axes, len(names)), ncols=len(names), figsize=size, sharey=True
        )
        for ax, name in zip(axes, names, strict=True):
            image = self._draw(ax, self._values(name, share), share)
            ax.set_title(name, fontsize="medium")
            ax.set_xlabel("dimension d")
        label = "samples n"
        axes[0].set_ylabel(label if title is None else f"{title}\n{label}")
        text = "relative error" if share is None else "share recovered"
        self.figure_.colorbar(image, ax=axes, label=text, pad=0.02)
        return self

    def _values(self, name, share):
        if share is not None:
            return self.recovered(name, share)
        errors = np.maximum(np.asarray(self.errors[name], float), _SMALLEST_ERROR)
        logs = np.log10(errors).reshape(*errors.shape[:2], -1)
        return 10 ** logs.mean(axis=2)

    def _draw(self, ax, values, share):
        from matplotlib.colors import LogNorm

        if share is None:
            style = {"norm": LogNorm(_SMALLEST_ERROR, 1.0), "cmap": "viridis_r"}
        else:
            style = {"vmin": 0.0, "vmax": 1.0, "cmap": "viridis"}
        edges = _edges(self.dimensions), _edges(self.n_samples)
        image = ax.pcolormesh(*edges, values, rasterized=True, **style)
        for slope in self.slopes:
            self._draw_slope(ax, slope, *edges)
        ax.set(xlim=edges[0][[0, -1]], ylim=edges[1][[0, -1]])
        return image

    @staticmethod
    def _draw_slope(ax, slope, columns, rows):
        """Draw a line and name it where it leaves, outlined to be seen anywhere."""
        line = ax.axline((0, 0), slope=slope, color="black", lw=1, ls="--")
        line.set_path_effects(outline(2.5))
        is_steep = slope * columns[-1] > rows[-1]
        d = min(columns[-1], rows[-1] / slope)
        ax.annotate(
            f"n = {slope:g} d",
            (d, slope * d),
            xytext=(-12, -4) if is_steep else (-5, 7),
            textcoords="offset points",
            fontsize="small",
            ha="right",
            va="top" if is_steep else "bottom",
            path_effects=outline(2.5),
        )


def _edges(centres):
    """Return the borders of cells around the centres."""
    middles = (centres[1:] + centres[:-1]) / 2
    first = middles[:1] if len(middles) else centres[:1] - 0.5
    last = middles[-1:] if len(middles) else centres[-1:] + 0.5
    return np.concatenate([2 * centres[:1] - first, middles, 2 * centres[-1:] - last])
