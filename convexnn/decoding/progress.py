"""What iterations are told, their record, and where they ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .encoder import DecodingProblem

__all__ = ["Decoded", "Progress", "Settings"]


@dataclass(frozen=True)
class Decoded:
    """Where the iterations from one start ended.

    Attributes
    ----------
    w : ndarray of shape (n_features,)
        The vector found.
    losses : ndarray of shape (n_iter + 1,)
        Loss (2) before and after each iteration.
    has_converged : bool
        Whether they ended with an exact fit or because the loss fell no more.
    is_exact : bool
        Whether the root mean square of the residuals is at most `tol` times the scale
        of y.
    learning_rate : float or None
        The last step of a first-order solver.
    n_starts : int
        Starts of which this is the best.
    """

    w: np.ndarray
    losses: np.ndarray
    has_converged: bool
    is_exact: bool
    learning_rate: float | None = None
    n_starts: int = 1


@dataclass(frozen=True)
class Settings:
    """What a solver is told; parameters of :class:`convexnn.CenteredGDDecoder`.

    Attributes
    ----------
    theta, tol, max_iter, n_restarts, learning_rate, centered, n_batches, verbose
        Those parameters.
    watch : callable or None
        Called as ``watch(w)`` before the first iteration and after each.
    """

    theta: float
    tol: float = 1e-12
    max_iter: int = 1000
    n_restarts: int = 0
    learning_rate: float | None = None
    centered: bool = True
    n_batches: int = 1
    verbose: int = 0
    watch: Callable[[np.ndarray], object] | None = None


@dataclass
class Progress:
    """Records losses, shows them, and says when to stop, from one start.

    Parameters
    ----------
    problem : DecodingProblem
        What is solved.
    settings : Settings
        When to stop, and what to show.
    """

    problem: DecodingProblem
    settings: Settings
    losses: list[float] = field(default_factory=list)
    started: float = field(default_factory=time.process_time)

    def record(self, w: np.ndarray, loss: float) -> None:
        """Note the loss before the first iteration or after one."""
        self.losses.append(loss)
        if self.settings.verbose > 1:
            seconds = time.process_time() - self.started
            print(f"  iteration {self.n_iter:5d}  loss {loss:.6e}  {seconds:.2f} s")
        if self.settings.watch is not None:
            self.settings.watch(w)

    @property
    def n_iter(self) -> int:
        """Iterations so far."""
        return len(self.losses) - 1

    def is_exact(self, loss: float) -> bool:
        """Whether a loss is that of an exact fit, up to `tol`."""
        return bool(np.sqrt(2 * loss) <= self.settings.tol * self.problem.scale)

    def is_over(self, loss: float) -> bool:
        """Whether the fit is exact or the iterations are used up."""
        return self.is_exact(loss) or self.n_iter >= self.settings.max_iter

    def is_stalled(self, before: float, after: float) -> bool:
        """Whether an iteration changed what it minimises by next to nothing."""
        return bool(abs(before - after) <= self.settings.tol * before)

    def result(
        self, w: np.ndarray, *, has_converged: bool, learning_rate: float | None = None
    ) -> Decoded:
        """Return the end; the last loss recorded is that of `w`."""
        is_exact = self.is_exact(self.losses[-1])
        losses = np.array(self.losses)
        return Decoded(w, losses, has_converged or is_exact, is_exact, learning_rate)
