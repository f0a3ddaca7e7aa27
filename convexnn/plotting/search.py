"""Score and width of the network against the penalty, from a cross-validated search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .base import Display, draw_band, scale_by_powers

__all__ = ["BetaSearchDisplay"]


@dataclass(eq=False, repr=False, kw_only=True)
class BetaSearchDisplay(Display):
    """Cross-validated score and number of neurons against beta.

    Parameters
    ----------
    betas : ndarray of shape (n_betas,)
        Penalties in ascending order.
    score, score_spread : ndarray of shape (n_betas,)
        Mean and standard deviation of the score over the folds.
    neurons, neurons_spread : ndarray of shape (n_betas,) or None
        The same of the number of neurons.
    best_beta : float
        Penalty that the search chose.
    score_name : str
        Label of the score.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Figure of the last plot.
    axes_ : tuple of matplotlib.axes.Axes
        Axes of the score and of the neurons.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import GridSearchCV
    >>> from convexnn import ConvexReLURegressor
    >>> from convexnn.plotting import BetaSearchDisplay
    >>> from convexnn.estimators.scoring import score_fit
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = GridSearchCV(
    ...     ConvexReLURegressor(random_state=0), {"beta": [100.0, 300.0]},
    ...     scoring=score_fit, refit="r2", cv=2,
    ... ).fit(X, y)
    >>> display = BetaSearchDisplay.from_search(search)
    >>> display.axes_[1].get_ylabel()
    'neurons'
    """

    betas: np.ndarray
    score: np.ndarray
    score_spread: np.ndarray
    neurons: np.ndarray | None
    neurons_spread: np.ndarray | None
    best_beta: float
    score_name: str = "score"

    @classmethod
    def from_search(cls, search, **options):
        """Plot a fitted search over beta.

        Parameters
        ----------
        search : GridSearchCV
            Fitted search over a parameter named beta (of a Pipeline's step too) and
            nothing else. With ``scoring=score_fit`` the neurons are drawn.
        **options
            Of :meth:`plot`.

        Returns
        -------
        BetaSearchDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If the search is not one over beta alone.
        """
        check_is_fitted(search, "cv_results_")
        results = search.cv_results_
        names = [name for name in results if name.startswith("param_")]
        if len(names) != 1 or names[0].split("_")[-1] != "beta":
            raise ValueError(
                "search must vary one parameter, called beta; got "
                f"{[name.removeprefix('param_') for name in names]}."
            )
        betas = np.asarray(results[names[0]], dtype=float)
        order = np.argsort(betas)
        score = "r2" if "mean_test_r2" in results else "score"
        has_neurons = "mean_test_neurons" in results
        display = cls(
            betas=betas[order],
            score=results[f"mean_test_{score}"][order],
            score_spread=results[f"std_test_{score}"][order],
            neurons=results["mean_test_neurons"][order] if has_neurons else None,
            neurons_spread=results["std_test_neurons"][order] if has_neurons else None,
            best_beta=float(search.best_params_[names[0].removeprefix("param_")]),
            score_name="cross-validated R²" if score == "r2" else "score",
        )
        return display.plot(**options)

    def plot(self, *, axes=None, title=None):
        """Draw the score with its spread and, if known, the neurons below it.

        Parameters
        ----------
        axes : sequence of two matplotlib.axes.Axes, default=None
            Where to draw the score and the neurons; a new figure by default.
        title : str, default=None
            Title of the upper axes.

        Returns
        -------
        BetaSearchDisplay
            Itself, with `figure_` and `axes_`.
        """
        above, below = self._take_axes(axes, 2, nrows=2, sharex=True, figsize=(4, 5))
        draw_band(above, self.betas, self.score, self.score_spread, "C0")
        above.axvline(self.best_beta, color="0.4", linestyle=":", label="best beta")
        above.set(ylabel=self.score_name, title=title)
        if self.neurons is not None:
            draw_band(below, self.betas, self.neurons, self.neurons_spread, "C1")
            below.set_ylim(bottom=0)
        below.axvline(self.best_beta, color="0.4", linestyle=":")
        below.set(xlabel="beta", ylabel="neurons")
        for ax in self.axes_:
            scale_by_powers(ax.xaxis, self.betas)
        return self
