"""Levenberg-Marquardt iterations with the exact box, for decoding through ReLU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .box_quadratic import minimize_by_conjugate_gradients, minimize_by_pivoting
from .encoder import DecodingProblem, Slopes
from .progress import Decoded, Progress

__all__ = ["FactorizedSteps", "IterativeSteps", "decode_newton", "finish_on_kinks"]


@dataclass(frozen=True)
class _Numbers:
    """Numbers of the iterations.

    Attributes
    ----------
    first, least, most : float
        Damping at the start, and its bounds; slopes are 0 and 1, so it needs no
        scaling.
    eased, tightened, felt : float
        Factors of the damping after a step that lowers the loss, and after one that
        fails, when it becomes at least the last of the three.
    firm : float
        Factor of the damping where the matrix of a cell is singular.
    crawl : float
        Two iterations in a row that lower the loss by less than this share are a crawl.
    accuracy : float
        Relative accuracy of a step by conjugate gradients; of those tried, 1e-1 to
        1e-4, the one with the fewest products in all.
    most_products : int
        Products that conjugate gradients may take for a step.
    """

    first: float = 1e-3
    least: float = 1e-13
    most: float = 1e4
    eased: float = 0.1
    tightened: float = 5.0
    felt: float = 1e-6
    firm: float = 100.0
    crawl: float = 1e-3
    accuracy: float = 1e-3
    most_products: int = 2000


_NEWTON = _Numbers()


class _Steps:
    """Steps from a point, from the slopes there.

    Parameters
    ----------
    slopes : Slopes
        The Jacobian at the point that the steps leave from.
    """

    def __init__(self, slopes: Slopes) -> None:
        self._slopes = slopes

    def leave_from(self, w: np.ndarray) -> None:
        """Take a new point, of which the slopes are those already."""

    def stay_at(self, w: np.ndarray) -> None:
        """Take the point again after a trial elsewhere, where the slopes now are."""


class FactorizedSteps(_Steps):
    """Steps from the normal equations, whose matrix is formed and factorised."""

    def leave_from(self, w: np.ndarray) -> None:
        """Form the matrix, which outlives trials elsewhere."""
        self._gram = self._slopes.gram()

    def step(
        self, gradient: np.ndarray, damping: float, lower: np.ndarray, upper: np.ndarray
    ) -> np.ndarray | None:
        """Return the minimiser of the damped model over the box, or None."""
        matrix = self._gram.copy()
        matrix[np.diag_indices_from(matrix)] += damping
        try:
            return minimize_by_pivoting(matrix, gradient, lower, upper)
        except np.linalg.LinAlgError:
            return None


class IterativeSteps(_Steps):
    """Steps by conjugate gradients: nothing but products with the Jacobian."""

    def stay_at(self, w: np.ndarray) -> None:
        """Restore the slopes after a trial elsewhere."""
        self._slopes.fill(w)

    def step(
        self, gradient: np.ndarray, damping: float, lower: np.ndarray, upper: np.ndarray
    ) -> np.ndarray:
        """Return an approximate minimiser of the damped model over the box."""
        # Products are in single precision, whose range is small.
        scale = max(float(np.max(np.abs(gradient))), np.finfo(float).tiny)
        with np.errstate(over="ignore"):
            bounds = lower / scale, upper / scale
        step, _ = minimize_by_conjugate_gradients(
            lambda vector: self._slopes.product(vector) + damping * vector,
            gradient / scale,
            *bounds,
            tol=_NEWTON.accuracy,
            max_products=_NEWTON.most_products,
        )
        return scale * step


def decode_newton(
    problem: DecodingProblem,
    theta: float,
    start: np.ndarray,
    progress: Progress,
    *,
    factorize: bool,
) -> Decoded:
    r"""Minimise the loss (2) over the box by Levenberg-Marquardt iterations.

    Each iteration minimises :math:`\frac12 s^\top (J^\top P J + \lambda I) s +
    g^\top s` over the s that stay in the box, J being the slopes. Steps that do not
    lower the loss are tried again with more damping :math:`\lambda`. In the cell of
    the solution the model is the loss itself, so that one undamped step ends there.

    Parameters
    ----------
    problem : DecodingProblem
        What is solved.
    theta : float
        Half-width of the box.
    start : ndarray of shape (n_features,)
        Where to begin, inside the box.
    progress : Progress
        Records losses and says when to stop.
    factorize : bool
        Form and factorise the matrix, or use conjugate gradients.

    Returns
    -------
    Decoded
        The last iterate. It has converged if the fit is exact, or if the iterations
        crawl or end because the minimum lies on kinks, for `finish_on_kinks` to find.
    """
    slopes = problem.slopes()
    steps = FactorizedSteps(slopes) if factorize else IterativeSteps(slopes)
    w, damping = start, _NEWTON.first
    at = problem.evaluate(w, slopes)
    progress.record(w, at.loss)
    n_crawled = 0
    while not progress.is_over(at.loss) and n_crawled < 2:
        steps.leave_from(w)
        lower = None
        while lower is None and damping <= _NEWTON.most:
            moved = steps.step(at.gradient, damping, -theta - w, theta - w)
            if moved is not None:
                point = np.clip(w + moved, -theta, theta)
                trial = problem.evaluate(point, slopes)
                lower = trial if trial.loss < at.loss else None
            if lower is None:
                damping = max(_NEWTON.tightened * damping, _NEWTON.felt)
                steps.stay_at(w)
        if lower is None:
            return progress.result(w, has_converged=True)
        crawls = at.loss - lower.loss < _NEWTON.crawl * at.loss
        n_crawled = n_crawled + 1 if crawls else 0
        w, at = point, lower
        damping = max(_NEWTON.eased * damping, _NEWTON.least)
        progress.record(w, at.loss)
    return progress.result(w, has_converged=n_crawled > 1)


def finish_on_kinks(
    problem: DecodingProblem,
    theta: float,
    w: np.ndarray,
    progress: Progress,
    *,
    factorize: bool,
) -> Decoded:
    r"""Minimise the loss (2) from cell to cell, down to a point with no descent.

    Where the minimum has residuals, it lies on kinks, :math:`w_k = -x_{ik}` for some
    entries, near which the model of `decode_newton` fails. Within a cell the loss is
    a quadratic, and the cell is a box, over which each iteration minimises it. The
    slopes on either side then tell the next cell. Where none of them points down, no
    direction does: directional derivatives are sums of those along the entries.

    Parameters
    ----------
    problem, theta, factorize
        Of :func:`decode_newton`.
    w : ndarray of shape (n_features,)
        Where to begin, inside the box.
    progress : Progress
        Continued; its last loss is that of `w`.

    Returns
    -------
    Decoded
        The last iterate.
    """
    slopes = problem.slopes()
    steps = FactorizedSteps(slopes) if factorize else IterativeSteps(slopes)
    at = problem.evaluate(w, slopes)
    has_stalled = False
    while not (progress.is_over(at.loss) or has_stalled):
        gradient, lower, upper = problem.best_cell(w, at, slopes)
        lower, upper = np.maximum(lower, -theta), np.minimum(upper, theta)
        steps.leave_from(w)
        moved, damping = None, _NEWTON.least
        while moved is None:
            moved = steps.step(gradient, damping, lower - w, upper - w)
            damping = _NEWTON.firm * damping
        point = np.clip(w + moved, lower, upper)
        trial = problem.evaluate(point, slopes)
        has_stalled = not trial.loss < (1.0 - progress.settings.tol) * at.loss
        if trial.loss < at.loss:
            w, at = point, trial
            progress.record(w, at.loss)
    return progress.result(w, has_converged=has_stalled)
