"""What a backend returns, whatever it wraps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

__all__ = ["Solution", "SolverError"]


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
    multipliers: tuple | None = field(default=None, repr=False)
