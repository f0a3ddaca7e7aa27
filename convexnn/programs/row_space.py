"""Coordinates of rows that lie far from zero: their mean and what differs from it.

Rows whose columns vary little around a large mean are nearly parallel: the years 1950
and 1960, with a one for the bias, at a sine of 3e-6. Sums over their columns cancel,
and all that tells one row from another sits in the last digits. In an orthonormal
basis of the mean's direction and the principal directions of the deviations each
column is as small as what it stands for, and has all its digits. Norms, and with them
penalties and optima, are those of the original columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Protocol, Self, TypeVar, cast

import numpy as np

__all__ = ["RowSpace", "in_row_space", "row_space"]

#: Mean of a column, as a multiple of its standard deviation, from which on it is far.
_FAR = 50.0

#: Columns below this, relative to what rounding leaves of the deviations, are zero.
_ZERO = 8 * np.finfo(float).eps


class _HasRows(Protocol):
    """A program whose rows can be replaced while its variable is turned."""

    def with_rows(self, X: np.ndarray, turn: np.ndarray) -> Self: ...


Program = TypeVar("Program", bound=_HasRows)
Solver = TypeVar("Solver", bound=Callable)


@dataclass(frozen=True)
class RowSpace:
    """An orthonormal basis and the rows in its coordinates.

    Attributes
    ----------
    basis : ndarray of shape (d, d)
        The direction of the mean, then those of the deviations, largest first.
    rows : ndarray of shape (n, d)
        ``X @ basis``, from deviations that are formed before they are rotated.
    """

    basis: np.ndarray
    rows: np.ndarray

    @property
    def whitening(self) -> np.ndarray:
        """Matrix that turns Gaussian vectors into directions white over the rows.

        In directions in which the rows are zero there is nothing.
        """
        sizes = np.sqrt(np.mean(self.rows**2, axis=0))
        varies = sizes > _ZERO * sizes[1:].max(initial=0.0)
        return self.basis * varies / np.where(varies, sizes, 1.0)

    def program(self, program: Program) -> Program:
        """Return a program of these rows with its variable in these coordinates."""
        return program.with_rows(self.rows, self.basis.T)

    def original(self, program: Program, X: np.ndarray) -> Program:
        """Return a program of these rows with its variable as that of the rows `X`."""
        return program.with_rows(X, self.basis)


def row_space(X: np.ndarray) -> RowSpace | None:
    """Return the coordinates of rows that lie far from zero.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows.

    Returns
    -------
    RowSpace or None
        None where no column that varies has a mean of 50 standard deviations, or where
        the coordinates are these already.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.programs.row_space import row_space
    >>> X = np.column_stack([[1950.0, 1960.0, 1980.0, 2000.0], np.ones(4)])
    >>> abs(row_space(X).rows).max(axis=0).round(3)
    array([2.0e+03, 1.4e-02])
    >>> row_space(X - [1972.0, 0.0]) is None
    True
    """
    mean = X.mean(axis=0)
    deviations = X - mean
    # The rounding of a long sum is no spread.
    spread = np.sqrt(np.mean((deviations - deviations.mean(axis=0)) ** 2, axis=0))
    is_far = (np.abs(mean) > _FAR * spread) & (spread > _ZERO * np.abs(mean))
    if not is_far.any() or _is_first(mean):
        return None
    size = np.linalg.norm(mean)
    frame = np.linalg.qr((mean / size)[:, None], mode="complete").Q
    frame[:, 0] = mean / size
    across = deviations @ frame[:, 1:]
    principal = np.linalg.svd(across, full_matrices=len(X) < X.shape[1]).Vh.T
    basis = np.column_stack([frame[:, 0], frame[:, 1:] @ principal])
    along = size + deviations @ frame[:, 0]
    return RowSpace(basis, np.column_stack([along, across @ principal]))


def _is_first(mean):
    """Return whether all of a mean is in the first coordinate, but for rounding."""
    return bool(np.abs(mean[1:]).max(initial=0.0) <= 1e-12 * abs(mean[0]))


def in_row_space(solve: Solver) -> Solver:
    """Make a solver work in the coordinates of rows that lie far from zero.

    Parameters
    ----------
    solve : callable
        ``solve(program, *args, start, **settings)`` returning a dataclass with the
        point `U`.

    Returns
    -------
    callable
        The same, for programs with cones in those coordinates where there are any.
    """

    @wraps(solve)
    def solve_there(program, *args, start=None, **settings):
        space = row_space(program.X) if program.has_cones else None
        if space is None:
            return solve(program, *args, start=start, **settings)
        start = None if start is None else space.basis.T @ start
        result = solve(space.program(program), *args, start=start, **settings)
        return replace(result, U=space.basis @ result.U)

    return cast(Solver, solve_there)
