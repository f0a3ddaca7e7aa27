"""First-order iterations for decoding through ReLU: centred, plain, accelerated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from .encoder import DecodingProblem, Evaluation
from .progress import Decoded, Progress

__all__ = [
    "AcceleratedSteps",
    "GradientSteps",
    "descend",
    "largest_curvature",
]


@dataclass(frozen=True)
class _Numbers:
    """Numbers of descents.

    Attributes
    ----------
    stable, cautious : float
        Share of the largest stable step 2 / L that a descent takes by default, and
        share of that step which an accelerated one takes: 0.95 / L.
    diverged : float
        A loss this many times the first one is called divergence.
    small : int
        Below this many entries of w the curvature comes from the whole matrix.
    """

    stable: float = 0.9
    cautious: float = 0.95 / 1.8
    diverged: float = 1e3
    small: int = 16


_DESCENT = _Numbers()


def largest_curvature(
    problem: DecodingProblem, w: np.ndarray, *, centered: bool
) -> float:
    """Return the largest eigenvalue of the Hessian of the loss at `w`.

    Parameters
    ----------
    problem : DecodingProblem
        Whose loss.
    w : ndarray of shape (n_features,)
        Where.
    centered : bool
        Of the loss of the centred residuals, or of the loss (2).

    Returns
    -------
    float
        To a relative accuracy of about one per cent; 0 if no unit changes the loss.
    """
    slopes = problem.slopes()
    activity = problem.evaluate(w, slopes).activity
    shift = activity if centered else np.zeros_like(activity)
    d = len(w)
    if d <= _DESCENT.small:
        hessian = slopes.gram() - np.outer(shift, shift)
        return max(float(np.linalg.eigvalsh(hessian)[-1]), 0.0)

    def product(vector: np.ndarray) -> np.ndarray:
        vector = np.ravel(vector)
        return slopes.product(vector) - shift * (shift @ vector)

    operator = LinearOperator((d, d), matvec=product, dtype=np.float64)
    start = np.random.RandomState(0).standard_normal(d)
    largest = eigsh(operator, k=1, v0=start, tol=1e-2, return_eigenvectors=False)
    return max(float(largest[0]), 0.0)


def _auto_rate(problem: DecodingProblem, w: np.ndarray, centered: bool) -> float:
    """Return the default step; any does where no unit changes the loss."""
    curvature = largest_curvature(problem, w, centered=centered)
    return 2.0 * _DESCENT.stable / curvature if curvature > 0 else 1.0


class GradientSteps:
    r"""Projected steps along the centred gradient (4), or along the plain one (3).

    The centred gradient is the gradient of half the variance of the residuals, so a
    constant step below 2 / L is stable, L being the largest curvature of *that*
    function. The plain loss has a far larger one, along the vector of ones.

    Parameters
    ----------
    problem : DecodingProblem
        What is solved.
    theta : float
        Half-width of the box.
    start : ndarray of shape (n_features,)
        Where the step is chosen.
    learning_rate : float or None
        Constant step. None takes 1.8 / L at the start, and less where what is
        minimised has risen.
    centered : bool
        Centre the residuals.
    batches : list of DecodingProblem
        Iteration t takes the gradient of number t modulo their number.
    """

    def __init__(
        self,
        problem: DecodingProblem,
        theta: float,
        start: np.ndarray,
        *,
        learning_rate: float | None,
        centered: bool,
        batches: list[DecodingProblem],
    ) -> None:
        self.problem, self.theta = problem, theta
        self.centered, self.batches = centered, batches
        self.is_constant = learning_rate is not None
        self.rate = learning_rate or _auto_rate(problem, start, centered)
        self.n_steps = 0
        self.last = np.inf

    def objective(self, evaluation: Evaluation) -> float:
        """Return what the steps minimise."""
        return evaluation.centered_loss if self.centered else evaluation.loss

    def advance(self, w: np.ndarray, at: Evaluation) -> np.ndarray:
        """Return the next iterate."""
        reached = self.objective(at)
        if not self.is_constant and reached > self.last:
            again = _auto_rate(self.problem, w, self.centered)
            self.rate = min(0.5 * self.rate, again)
        self.last = reached
        batch = self.batches[self.n_steps % len(self.batches)]
        here = at if batch is self.problem else batch.evaluate(w)
        gradient = here.centered_gradient if self.centered else here.gradient
        self.n_steps += 1
        return np.clip(w - self.rate * gradient, -self.theta, self.theta)


class AcceleratedSteps:
    """Nesterov's steps along the centred gradient, with restart.

    Each iterate is the extrapolated point, projected on the box, so that loss and
    gradient come from one pass. The momentum restarts when it points uphill [1]_.

    Parameters
    ----------
    problem, theta, start
        As in :class:`GradientSteps`.
    learning_rate : float or None
        Constant step; None takes 0.95 / L, L the largest curvature at the start.

    References
    ----------
    .. [1] B. O'Donoghue and E. Candes, "Adaptive Restart for Accelerated Gradient
       Schemes", Foundations of Computational Mathematics, 2015.
    """

    def __init__(
        self,
        problem: DecodingProblem,
        theta: float,
        start: np.ndarray,
        *,
        learning_rate: float | None,
    ) -> None:
        self.theta = theta
        share = _DESCENT.cautious
        self.rate = learning_rate or share * _auto_rate(problem, start, True)
        self.last, self.momentum = start, 1.0

    def objective(self, evaluation: Evaluation) -> float:
        """Return what the steps minimise."""
        return evaluation.centered_loss

    def advance(self, w: np.ndarray, at: Evaluation) -> np.ndarray:
        """Return the next iterate."""
        new = np.clip(w - self.rate * at.centered_gradient, -self.theta, self.theta)
        moved = new - self.last
        if (w - new) @ moved > 0:
            self.momentum = 1.0
        grown = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * self.momentum**2))
        speed = (self.momentum - 1.0) / grown
        self.last, self.momentum = new, grown
        return np.clip(new + speed * moved, -self.theta, self.theta)


def descend(
    problem: DecodingProblem,
    start: np.ndarray,
    progress: Progress,
    steps: GradientSteps | AcceleratedSteps,
    *,
    may_stall: bool = True,
) -> Decoded:
    """Take first-order steps until the fit is exact, stalls, diverges or is cut.

    Parameters
    ----------
    problem : DecodingProblem
        What is solved.
    start : ndarray of shape (n_features,)
        Where to begin, inside the box.
    progress : Progress
        Records losses and says when to stop.
    steps : GradientSteps or AcceleratedSteps
        Where to go.
    may_stall : bool, default=True
        Stop where an iteration changes what is minimised by next to nothing.

    Returns
    -------
    Decoded
        The last iterate.
    """
    w, at = start, problem.evaluate(start)
    progress.record(w, at.loss)
    has_stalled = has_diverged = False
    while not (progress.is_over(at.loss) or has_stalled or has_diverged):
        w = steps.advance(w, at)
        before, at = steps.objective(at), problem.evaluate(w)
        progress.record(w, at.loss)
        has_stalled = may_stall and progress.is_stalled(before, steps.objective(at))
        has_diverged = not at.loss <= _DESCENT.diverged * progress.losses[0]
    return progress.result(
        w, has_converged=has_stalled and not has_diverged, learning_rate=steps.rate
    )
