"""The finite convex program over a list of cells.

For cells k with patterns D_k, the groups are pairs (k, sign), each with a vector u
of R^d, and the program is ::

    minimise   L(sum_g sign_g * D_g X u_g) + beta * sum_g norm2(u_g)
    subject to (2 D_g - I) X u_g >= 0  for every group g, where `has_cones`.

Where an input has several patches, every row of X is one of them, those of an input
follow each other, and the outputs of an input's rows are summed ("pooled").

With cones it is the program of Pilanci and Ergen for two-layer ReLU networks (the
talk, "ReLU Neural Networks are Convex Group Lasso Models"); without, that of gated
ReLU networks, where one sign per cell is enough.

All groups are handled at once: the columns of `U`, of shape (d, n_groups). Programs of
more layers (:mod:`convexnn.programs.parallel`) have further families of cones, which
couple successive groups; what a network is made of, a group here, is a *unit*, and
several groups there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, cast

import numpy as np

from .cells import Cells
from .losses import Loss, SmoothLoss

__all__ = [
    "FEATURES",
    "ConvexProgram",
    "CoupledCones",
    "heads_of",
    "lengths_of",
    "pool",
    "row_chunks",
]

#: What programs may have that a solver has to know, in words.
FEATURES = {
    "cones": "cones",
    "coupled_cones": "cones that couple units (three layers)",
    "nuclear_norms": "nuclear norms (gated units of several outputs)",
    "patches": "units pooled over patches",
    "several_outputs": "output weights that are vectors",
}


def lengths_of(output: np.ndarray) -> np.ndarray:
    """Return the norms of units' output weights, of shape (m,) or (m, q)."""
    return np.abs(output) if output.ndim == 1 else np.linalg.norm(output, axis=1)


def heads_of(output: np.ndarray) -> np.ndarray:
    """Return the signs of output weights, or for several outputs their directions."""
    if output.ndim == 1:
        return np.sign(output)
    lengths = lengths_of(output)[:, None]
    return output / np.where(lengths > 0, lengths, 1.0)


def pool(values: np.ndarray, n_patches: int) -> np.ndarray:
    """Return the sums over every `n_patches` rows in a row."""
    if n_patches == 1:
        return values
    inputs = len(values) // n_patches
    return values.reshape(inputs, n_patches, *values.shape[1:]).sum(axis=1)


def row_chunks(n: int, width: int, room: int) -> Iterator[slice]:
    """Yield slices of n rows, in which ``rows * width`` numbers have room, 16 at least.

    Examples
    --------
    >>> from convexnn.programs.program import row_chunks
    >>> list(row_chunks(50, 4, 100))
    [slice(0, 25, None), slice(25, 50, None)]
    """
    step = max(room // max(width, 1), 16)
    for first in range(0, n, step):
        yield slice(first, first + step)


@dataclass(frozen=True)
class CoupledCones:
    """Cones ``side * sum_g factors_g X u_g >= 0``, each over as many successive groups.

    Attributes
    ----------
    factors : ndarray of shape (n, n_groups)
        Products of signs and patterns of the layers below.
    side : ndarray of shape (n, n_cones)
        +1 or -1, and 0 in rows that nothing is asked of: there the cones of the layers
        below leave one sign only.
    """

    factors: np.ndarray
    side: np.ndarray

    @property
    def size(self) -> int:
        """Number of groups in a cone."""
        return self.factors.shape[1] // max(self.side.shape[1], 1)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sums over each cone's groups, from ``X u`` of every group."""
        n, n_cones = self.side.shape
        shape = n, n_cones, self.size
        return np.einsum(
            "icj,icj->ic", values.reshape(shape), self.factors.reshape(shape)
        )

    def slack(self, values: np.ndarray) -> np.ndarray:
        """Return the slacks, of shape (n, n_cones), zero where nothing is asked."""
        return self.side * self.sum(values)

    def pull_back(self, multipliers: np.ndarray) -> np.ndarray:
        """Return the adjoint of `slack`, of shape (n, n_groups)."""
        return self.factors * np.repeat(self.side * multipliers, self.size, axis=1)


class ConvexProgram:
    """Group lasso over cells, with or without their cones.

    What other programs do in their own way, they override; all else is written once.

    Parameters
    ----------
    X : ndarray of shape (n, d), or (n * n_patches, d)
        Inputs, or their patches; a hidden bias is a column of ones.
    loss : Loss
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty on the groups' norms.
    cells : convexnn.programs.cells.Cells
        Activation patterns and their gates.
    has_cones : bool
        Whether each group stays in the cone of its cell.
    cell_of, sign : ndarray of shape (n_groups,), default=None
        Cell and sign of each group. By default every cell with +1 and, where there
        are cones, every cell with -1 after them. For q outputs the signs are vectors of
        norm 1, of shape (n_groups, q).
    n_patches : int, default=1
        Rows of `X` for each target.
    slopes : tuple of float, default=(0.0, 1.0)
        Slope of a unit where its pattern is inactive, and where it is active: what D
        has on its diagonal. The defaults are those of a rectifier.
    """

    def __init__(
        self,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        cells: Cells,
        *,
        has_cones: bool,
        cell_of: np.ndarray | None = None,
        sign: np.ndarray | None = None,
        n_patches: int = 1,
        slopes: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self.X = X
        self.loss = loss
        self.beta = beta
        self.cells = cells
        self.has_cones = has_cones
        if cell_of is None:
            signs = (1.0, -1.0) if has_cones else (1.0,)
            cell_of = np.tile(np.arange(len(cells)), len(signs))
            sign = np.repeat(signs, len(cells))
        self.cell_of = cell_of
        self.sign = cast(np.ndarray, sign)
        self.n_patches = n_patches
        self.slopes = slopes

    @property
    def coupled(self) -> tuple[CoupledCones, ...]:
        """Families of cones that couple groups: none."""
        return ()

    @property
    def features(self) -> frozenset[str]:
        """What a solver has to know: a set of names of `FEATURES`."""
        has = {
            "cones": self.has_cones,
            "patches": self.n_patches > 1,
            "several_outputs": self.sign.ndim == 2,
        }
        return frozenset(name for name, is_there in has.items() if is_there)

    @property
    def scope(self) -> str:
        """What a bound over the program holds over: that of its cells."""
        return self.cells.scope

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return len(self.cell_of)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (d, n_groups) of the variable."""
        return self.X.shape[1], self.n_groups

    @cached_property
    def mask(self) -> np.ndarray:
        """Diagonals of D, one group a column, as floats of shape (n, n_groups)."""
        patterns = self.cells.patterns[:, self.cell_of].astype(self.X.dtype)
        inactive, active = self.slopes
        if self.slopes == (0.0, 1.0):
            return patterns
        return inactive + (active - inactive) * patterns

    @cached_property
    def side(self) -> np.ndarray:
        """Sides of the hyperplanes, +1 where active, else -1: (n, n_groups)."""
        return 2 * self.cells.patterns[:, self.cell_of].astype(self.X.dtype) - 1

    @property
    def gates(self) -> np.ndarray | None:
        """A gate inside the cell of each group, of shape (d, n_groups)."""
        return self.cells.gates[:, self.cell_of]

    @property
    def outer(self) -> np.ndarray:
        """Factors between what enters the last layer and the output, (n, n_units)."""
        return self.mask * self.sign

    def groups_of(self, units: np.ndarray) -> np.ndarray:
        """Return the groups of some units: a unit is one of them."""
        return units

    def with_rows(self, X: np.ndarray, turn: np.ndarray) -> Self:
        """Return the program with other rows, its variable multiplied by a matrix."""
        changed = copy(self)
        changed.X = X
        changed.cells = replace(self.cells, gates=turn @ self.cells.gates)
        return changed

    def restrict(self, groups: np.ndarray) -> ConvexProgram:
        """Return the program over some of the groups."""
        return ConvexProgram(
            self.X,
            self.loss,
            self.beta,
            self.cells,
            has_cones=self.has_cones,
            cell_of=self.cell_of[groups],
            sign=self.sign[groups],
            n_patches=self.n_patches,
            slopes=self.slopes,
        )

    def with_loss(self, loss: Loss) -> Self:
        """Return the program with another loss."""
        changed = copy(self)
        changed.loss = loss
        return changed

    def quadratic_model(self, z: np.ndarray) -> ConvexProgram:
        """Return the program with a squared loss near this one's at an output."""
        return self.with_loss(cast(SmoothLoss, self.loss).quadratic_model(z))

    def pool(self, values: np.ndarray) -> np.ndarray:
        """Return the sums over the patches of each input: (n * n_patches, ...) to n."""
        return pool(values, self.n_patches)

    def spread(self, v: np.ndarray) -> np.ndarray:
        """Return what belongs to an input for each of its patches."""
        return v if self.n_patches == 1 else np.repeat(v, self.n_patches, axis=0)

    def contributions(self, U: np.ndarray) -> np.ndarray:
        """Return each group's output ``sign * D X u``: (n, n_groups).

        For q outputs the shape is (n, q, n_groups).
        """
        values = self.X @ U
        values *= self.mask
        values = self.pool(values)
        if self.sign.ndim == 2:
            return values[:, None, :] * self.sign.T
        values *= self.sign.astype(values.dtype)
        return values

    def output(self, U: np.ndarray) -> np.ndarray:
        """Return the sum of the groups' outputs, of shape (n,) or (n, q)."""
        values = self.X @ U
        values *= self.mask
        return self.pool(values @ self.sign.astype(values.dtype))

    def correlations(self, v: np.ndarray) -> np.ndarray:
        """Return ``sign * X' D v`` for every group, of shape (d, n_groups)."""
        if self.sign.ndim == 2:
            return self.X.T @ (self.mask * self.spread(v @ self.sign.T))
        masked = self.mask * self.spread(v)[:, None]
        return (self.X.T @ masked) * self.sign.astype(masked.dtype)

    def slack(self, U: np.ndarray) -> np.ndarray:
        """Return ``(2 D - I) X U``, non-negative inside the cones of the groups."""
        return (self.X @ U) * self.side

    def slacks(self, U: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the slacks of every family of cones, those of the groups first."""
        if not self.has_cones:
            return ()
        values = self.X @ U
        coupled = (family.slack(values) for family in self.coupled)
        return values * self.side, *coupled

    def violation(self, U: np.ndarray) -> float:
        """Return the largest violation of a cone, in units of the pre-activations."""
        return max((-float(s.min(initial=0.0)) for s in self.slacks(U)), default=0.0)

    def pull_back(self, multipliers: Sequence[np.ndarray | None]) -> np.ndarray:
        """Return the adjoint of `slacks`, of shape (d, n_groups).

        `multipliers` has an array for each family; None, for the first, and what is
        left out stand for zeros.
        """
        first, *others = cast(Sequence[np.ndarray], multipliers)
        pulled = 0.0 if first is None else self.side * first
        for family, each in zip(self.coupled, others, strict=False):
            pulled = pulled + family.pull_back(each)
        return self.X.T @ pulled

    def sizes(self, U: np.ndarray) -> np.ndarray:
        """Return the sum of the norms of each unit's groups, of shape (n_units,)."""
        return np.linalg.norm(U, axis=0)

    def norms(self, U: np.ndarray) -> np.ndarray:
        """Return the norm of every group that is penalised, of shape (n_groups,)."""
        return np.linalg.norm(U, axis=0)

    def dual_norms(self, W: np.ndarray) -> np.ndarray:
        """Return the norms dual to these, whose largest is a price: (n_groups,)."""
        return np.linalg.norm(W, axis=0)

    def shrink(self, U: np.ndarray, threshold: float) -> np.ndarray:
        """Return the proximal map of the norms times a threshold."""
        norms = self.norms(U)
        with np.errstate(divide="ignore", invalid="ignore"):
            return U * np.where(norms > 0, np.maximum(1 - threshold / norms, 0), 0)

    def factored(self, U: np.ndarray) -> tuple[ConvexProgram, np.ndarray]:
        """Return a program whose groups are units, and the point in it: these."""
        return self, U

    def collected(self, units: ConvexProgram, V: np.ndarray) -> np.ndarray:
        """Return the point of this program from one of the program of its units."""
        return V

    def penalty(self, U: np.ndarray) -> float:
        """Return ``beta * sum_g norm2(u_g)``."""
        return self.beta * float(self.norms(U).sum())

    def objective(self, U: np.ndarray) -> float:
        """Return the program's objective at U, feasible or not."""
        return float(self.loss.value(self.output(U))) + self.penalty(U)

    def network_output(self, U: np.ndarray) -> np.ndarray:
        """Return the output of the network that a feasible U stands for."""
        return self.output(U)

    def network_objective(self, U: np.ndarray) -> float:
        """Return the objective of that network."""
        return float(self.loss.value(self.network_output(U))) + self.penalty(U)
