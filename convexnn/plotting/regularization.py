"""What the penalty does: error, score, width, objective and gap against beta."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .base import Display, draw_band, fitted_step, scale_by_powers

__all__ = ["BetaSearchDisplay", "RegularizationPathDisplay"]

#: Relative gaps up to this are rounding, of networks that are exactly optimal.
_ROUNDING = 1e-10


@dataclass(eq=False, repr=False, kw_only=True)
class RegularizationPathDisplay(Display):
    """Cross-validated error, neurons, objective and gap against beta.

    Use :meth:`from_estimator` or :meth:`from_path` to make a display. Curves over
    folds are drawn with their mean and one standard deviation on either side, the
    error with one standard error.

    Parameters
    ----------
    betas : ndarray of shape (n_betas,)
        Penalties.
    n_neurons, objectives : ndarray of shape (n_betas,) or (n_betas, n_folds)
        Widths and objectives of the networks.
    gaps : ndarray of shape (n_betas,) or (n_betas, n_folds), or None
        Relative duality gaps; None for networks of descents, which have none.
    tol : float
        Bound on the gaps that was asked for.
    is_estimate : bool
        Whether the gaps are estimates.
    errors : ndarray of shape (n_betas, n_folds), default=None
        Errors on the left-out parts.
    error_name : str, default="left-out MSE"
        What the errors are.
    beta : float, default=None
        Penalty that was chosen.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        Figure of the last plot.
    axes_ : tuple of matplotlib.axes.Axes
        Axes of the error, the neurons, the objective, and the gap; of those that there
        are.

    See Also
    --------
    convexnn.plotting.BetaSearchDisplay : The same for a search by GridSearchCV.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn import ConvexReLURegressorCV
    >>> from convexnn.plotting import RegularizationPathDisplay
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = ConvexReLURegressorCV(
    ...     betas=4,
    ...     beta_min_ratio=0.1,
    ...     cv=2,
    ...     fold_training="certified",
    ...     random_state=0,
    ... )
    >>> display = RegularizationPathDisplay.from_estimator(model.fit(X, y))
    >>> [axes.get_ylabel() for axes in display.axes_[:3]]
    ['left-out MSE', 'neurons', 'objective']
    """

    betas: np.ndarray
    n_neurons: np.ndarray
    objectives: np.ndarray
    gaps: np.ndarray | None
    tol: float
    is_estimate: bool
    errors: np.ndarray | None = None
    error_name: str = "left-out MSE"
    beta: float | None = None

    @classmethod
    def from_estimator(cls, estimator, **options):
        """Plot the paths of a fitted estimator that chose its penalty.

        Parameters
        ----------
        estimator : ConvexReLURegressorCV or ConvexReLUClassifierCV
            Fitted, or a Pipeline that ends with such a one.
        **options
            Of :meth:`plot`.

        Returns
        -------
        RegularizationPathDisplay
            The plotted display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it has no paths.
        """
        estimator = fitted_step(estimator)
        errors, name = _errors_of(estimator)
        display = cls(
            betas=estimator.betas_,
            n_neurons=estimator.n_neurons_path_,
            objectives=estimator.objective_path_,
            gaps=getattr(estimator, "gap_path_", None),
            tol=estimator.tol,
            is_estimate=estimator.certificate_.is_estimate,
            errors=errors,
            error_name=name,
            beta=estimator.beta_,
        )
        return display.plot(**options)

    @classmethod
    def from_path(cls, path, **options):
        """Plot a path.

        Parameters
        ----------
        path : NetworkPath
            From :func:`convexnn.relu_path`.
        **options
            Of :meth:`plot`.

        Returns
        -------
        RegularizationPathDisplay
            The plotted display.
        """
        display = cls(
            betas=path.betas,
            n_neurons=path.n_neurons,
            objectives=path.objectives,
            gaps=path.gaps,
            tol=path.tol,
            is_estimate=path.is_estimate,
        )
        return display.plot(**options)

    def plot(self, *, axes=None, title=None):
        """Draw one panel a quantity, all against beta on a logarithmic axis.

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, default=None
            Where to draw: axes for the neurons and the objectives, before them for
            errors and after them for gaps if there are any (folds that were certified
            have them). A new figure by default.
        title : str, default=None
            Title of the first axes.

        Returns
        -------
        RegularizationPathDisplay
            Itself, with `figure_` and `axes_`.

        Raises
        ------
        ValueError
            If `axes` are not as many as there are panels.
        """
        panels = [self._draw_neurons, self._draw_objectives]
        if self.gaps is not None:
            panels.append(self._draw_gaps)
        if self.errors is not None:
            panels.insert(0, self._draw_errors)
        n = len(panels)
        size = (5, 1 + 1.8 * n)
        axes = self._take_axes(axes, n, nrows=n, sharex=True, figsize=size)
        for panel, where in zip(panels, axes, strict=True):
            panel(where)
            scale_by_powers(where.xaxis, self.betas)
            where.grid(alpha=0.3)
        axes[0].set_title(title)
        axes[-1].set_xlabel("beta")
        return self

    def _draw_errors(self, axes):
        errors = self.errors[:, np.isfinite(self.errors[0])]
        spread = np.zeros(len(errors))
        if errors.shape[1] > 1:
            spread = errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1])
        draw_band(axes, self.betas, errors.mean(axis=1), spread, "C0")
        axes.axvline(
            self.beta, color="0.3", ls=":", label=f"chosen: beta = {self.beta:.3g}"
        )
        axes.legend(loc="upper left", framealpha=1, fontsize="small")
        axes.set_ylabel(self.error_name)

    def _draw_neurons(self, axes):
        self._draw_curve(axes, self.n_neurons, "C1")
        axes.set_ylim(bottom=0)
        axes.set_ylabel("neurons")

    def _draw_objectives(self, axes):
        self._draw_curve(axes, self.objectives, "C2")
        axes.set_ylim(bottom=0)
        axes.set_ylabel("objective")

    def _draw_gaps(self, axes):
        gaps = self.gaps if self.gaps.ndim == 1 else self.gaps.max(axis=1)
        positive = gaps > _ROUNDING
        axes.plot(self.betas[positive], gaps[positive], marker="o", ms=3.5, color="C3")
        if self.tol > 0:
            axes.axhline(self.tol, color="0.3", ls="--", lw=1)
            axes.annotate(
                f"tol = {self.tol:g}",
                (1, self.tol),
                xycoords=("axes fraction", "data"),
                xytext=(-4, 3),
                textcoords="offset points",
                ha="right",
                fontsize="small",
                color="0.3",
            )
        if positive.any() or self.tol > 0:
            axes.set_yscale("log")
            low = gaps[positive].min(initial=self.tol or np.inf)
            high = gaps[positive].max(initial=self.tol)
            axes.set_ylim(low / 3, high * 6)
        name = "largest gap of a fold" if self.gaps.ndim == 2 else "relative gap"
        axes.set_ylabel(f"{name}\n(estimate)" if self.is_estimate else name)

    def _draw_curve(self, axes, values, color):
        folds = values if values.ndim == 2 else values[:, None]
        draw_band(axes, self.betas, folds.mean(axis=1), folds.std(axis=1), color)
        if self.beta is not None:
            axes.axvline(self.beta, color="0.3", ls=":")


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


def _errors_of(estimator):
    """Return errors of an estimator that chose its penalty, and what they are."""
    if hasattr(estimator, "mse_path_"):
        return estimator.mse_path_, "left-out MSE"
    if hasattr(estimator, "error_path_"):
        names = {"log_loss": "left-out log loss", "accuracy": "left-out error rate"}
        return estimator.error_path_, names[estimator.scoring_]
    raise ValueError(
        "estimator must be a ConvexReLURegressorCV or ConvexReLUClassifierCV, got "
        f"{type(estimator).__name__}. Use from_path for a NetworkPath."
    )
