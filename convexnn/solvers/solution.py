"""What a backend returns, whatever it wraps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["BlockSolution", "Solution", "SolverError"]


class SolverError(RuntimeError):
    """A backend ended without any point that could be certified."""


@dataclass
class Solution:
    """Point that a backend reached.

    Attributes
    ----------
    U : ndarray of shape (d, n_groups)
        Point, not necessarily feasible: it is projected on the cones afterwards.
    n_iter : int
        Iterations spent.
    status : str
        What the backend says of the point, for messages.
    multipliers : ndarray of shape (n, n_groups) or None
        Non-negative multipliers of the cones, where the backend has them. They
        tighten the dual bound and cannot make it wrong.
    """

    U: np.ndarray
    n_iter: int
    status: str = ""
    multipliers: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class BlockSolution:
    """Point of the program of three-layer networks that a backend reached.

    Attributes
    ----------
    W : ndarray of shape (d, n_blocks, m)
        Point, feasible up to the solver's accuracy.
    multipliers : tuple of ndarray
        Of the first cones, (n, n_blocks, m), and of the second, (n, n_blocks).
    n_iter : int
        Iterations spent.
    status : str
        What the solver says of the point.
    """

    W: np.ndarray
    multipliers: tuple
    n_iter: int
    status: str

    @classmethod
    def zero(cls, program, status):
        """Return the zero network, without multipliers."""
        n, (_, n_blocks, m) = len(program.X), program.shape
        multipliers = np.zeros((n, n_blocks, m)), np.zeros((n, n_blocks))
        return cls(np.zeros(program.shape), multipliers, 1, status)
