"""How a fit converged: objective and bound against time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .base import Display, fitted_step, scale_by_powers

__all__ = ["ConvergenceDisplay"]


@dataclass(eq=False, repr=False)
class ConvergenceDisplay(Display):
    """Objective of the network and its lower bound against CPU seconds.

    Use :meth:`from_estimator` to make a display; :meth:`plot` plots again.

    Parameters
    ----------
    history : History
        What was reached, and when.
    is_estimate : bool, default=False
        Whether the bound is an estimate, which the legend then says.

    Attributes
    ----------
    ax_, figure_ : matplotlib.axes.Axes and matplotlib.figure.Figure
        Those of the last plot.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn import ConvexReLURegressor
    >>> from convexnn.plotting import ConvergenceDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = ConvexReLURegressor(
    ...     beta=1000.0, solver="fista", n_cells=10, random_state=0
    ... )
    >>> display = ConvergenceDisplay.from_estimator(model.fit(X, y))
    >>> [line.get_label() for line in display.ax_.lines]
    ['objective', 'lower bound']
    """

    history: object
    is_estimate: bool = field(default=False, kw_only=True)

    @classmethod
    def from_estimator(cls, estimator, **options):
        """Plot the history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `history_` and `certificate_`; or a Pipeline that ends with
            such a one.
        **options
            Of :meth:`plot`.

        Returns
        -------
        ConvergenceDisplay
            The plotted display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it keeps no history.
        """
        network = fitted_step(estimator, "history_")
        display = cls(network.history_, is_estimate=network.certificate_.is_estimate)
        return display.plot(**options)

    def plot(self, *, ax=None, title=None):
        """Draw the objective and the bound as steps.

        Axes are logarithmic where values differ by more than threefold. Bounds that are
        not positive are left out.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; new axes by default.
        title : str, default=None
            Title of the axes.

        Returns
        -------
        ConvergenceDisplay
            Itself, with `ax_` and `figure_`.
        """
        ax = self._take_ax(ax)
        seconds, objective = self.history.seconds, self.history.objective
        bound = np.where(self.history.dual > 0, self.history.dual, np.nan)
        style = {"drawstyle": "steps-post", "marker": "o", "ms": 3.5}
        label = "lower bound (estimate)" if self.is_estimate else "lower bound"
        ax.plot(seconds, objective, color="C0", label="objective", **style)
        ax.plot(seconds, bound, color="C3", label=label, **style)
        ax.fill_between(
            seconds, bound, objective, step="post", color="0.5", alpha=0.15, lw=0
        )
        ax.set(xlabel="CPU seconds", ylabel="objective", title=title)
        scale_by_powers(ax.xaxis, seconds)
        scale_by_powers(ax.yaxis, np.append(objective, bound))
        ax.grid(alpha=0.3)
        ax.legend(loc="best", frameon=False)
        return self
