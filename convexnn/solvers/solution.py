"""What a backend returns, whatever it wraps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..programs.program import ConvexProgram

__all__ = ["Solution", "Solve", "SolverError"]


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
    multipliers : tuple of ndarray or None
        Non-negative multipliers of every family of cones, where the backend has them:
        of the groups' own, of shape (n, n_groups), then of coupled ones. They tighten
        the dual bound and cannot make it wrong.
    """

    U: np.ndarray
    n_iter: int
    status: str = ""
    multipliers: tuple[np.ndarray, ...] | None = field(default=None, repr=False)


class Solve(Protocol):
    """A backend as a function."""

    def __call__(
        self,
        program: ConvexProgram,
        *,
        tol: float,
        max_iter: int,
        start: np.ndarray | None,
        verbose: int,
        options: dict[str, Any] | None,
    ) -> Solution:
        """Solve a program, from a start where that helps."""
