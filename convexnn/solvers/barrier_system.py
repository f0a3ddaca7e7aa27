"""The linear maps of a program and the Newton systems of its interior point.

Arrays have the units (cells, or blocks of groups) first and the rows last, so that
sums over rows run along memory: variables are of shape (n_units, m, d) with m groups a
unit, slacks of the groups' cones of shape (n_units, m, n), of coupled ones of shape
(n_units, n). Rows of zeros, which bound nothing and enter nothing, are left out; there
are n others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.blas import dsymv, dsyr2

from ..programs.losses import SquaredLoss
from ..programs.program import ConvexProgram, row_chunks
from .algebra import add_gram, inverse_roots, lower_root
from .barrier_numbers import BarrierNumbers

__all__ = ["BarrierSystem", "ConeMaps"]


class ConeMaps:
    """The maps from the variable to the slacks of all cones and to the output.

    Parameters
    ----------
    program : ConvexProgram
        With cones, one output, and at most one coupled family, over whole units.
    """

    def __init__(self, program: ConvexProgram) -> None:
        X = program.X
        self.n_samples = len(X)
        self.counted = X.any(axis=1)
        self.rows = np.ascontiguousarray(X[self.counted])
        self.columns = np.ascontiguousarray(self.rows.T)
        self.outer = self._turned(program.outer)
        self.n_units, n = self.outer.shape
        self.shape = self.n_units, program.n_groups // max(self.n_units, 1), X.shape[1]
        by_group = *self.shape[:2], n
        #: Sides of the families of cones; zero where nothing is asked.
        self.sides = [self._turned(program.side).reshape(by_group)]
        #: What hidden units are multiplied by before they are summed; None for one.
        self.factors = None
        for family in program.coupled:
            self.factors = self._turned(family.factors).reshape(by_group)
            self.sides.append(self._turned(family.side))

    def _turned(self, array):
        return np.ascontiguousarray(array[self.counted].T, dtype=float)

    def forward(self, W: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the slacks of all families, and the output."""
        values = W.reshape(-1, W.shape[2]) @ self.columns
        values = values.reshape(*W.shape[:2], -1)
        if self.factors is None:
            hidden = values[:, 0]
        else:
            hidden = np.einsum("bjn,bjn->bn", self.factors, values)
        output = self.spread(np.einsum("bn,bn->n", self.outer, hidden))
        coupled = [side * hidden for side in self.sides[1:]]
        values *= self.sides[0]
        return [values, *coupled], output

    def pull_back(
        self,
        multipliers: Sequence[np.ndarray] | None = None,
        v: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the adjoint of `forward`, of the shape of the variable."""
        first, *others = multipliers or (None,)
        inner: Any = 0.0 if v is None else self.outer * v[self.counted]
        for side, each in zip(self.sides[1:], others, strict=False):
            inner = inner + side * each
        pulled: Any = 0.0 if first is None else self.sides[0] * first
        if np.ndim(inner):
            inner = inner[:, None]
            pulled = pulled + (inner if self.factors is None else self.factors * inner)
        return (pulled.reshape(-1, len(self.rows)) @ self.rows).reshape(self.shape)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return values of the counted rows with zeros for the others."""
        everything = np.zeros((self.n_samples, *values.shape[1:]))
        everything[self.counted] = values
        return everything


class BarrierSystem:
    """Solves (blockdiag(H_b) + C'SC) W = R, C being the map to the centred output.

    The blocks are of size m * d. They meet in the loss alone: by the matrix inversion
    lemma in one system of the size of the rows, or where that is larger, in one of the
    size of the variable.

    Parameters
    ----------
    maps : ConeMaps
        Maps of the program.
    loss : Loss
        A quadratic loss, with weights S.
    numbers : BarrierNumbers
        What factorisations try, and in parts of which size.
    least_shift : float
        The first raise of the diagonal that factorisations try.
    """

    def __init__(
        self,
        maps: ConeMaps,
        loss: SquaredLoss,
        numbers: BarrierNumbers,
        least_shift: float,
    ) -> None:
        self.numbers = numbers
        self.shifts = [shift for shift in numbers.shifts if shift >= least_shift]
        self.maps, self.loss = maps, loss
        self._root = np.sqrt(loss.weights)
        self._scaled_outer = maps.outer * self._root[maps.counted]
        self._upper = np.triu_indices(maps.shape[2])
        size = int(np.prod(maps.shape))
        self._gram = self._whole_gram() if size <= len(self._root) else None

    def factorise(self, blocks: np.ndarray, weights: list[np.ndarray]) -> None:
        """Factorise for Hessians of the norms and weights of the cones' rows.

        Parameters
        ----------
        blocks : ndarray of shape (n_units, m, d, d)
            Hessians of the norms; overwritten.
        weights : list of ndarray
            Weights of the rows of every family of cones.
        """
        self._add_cones(blocks, weights[0])
        n_units, m, d = self.maps.shape
        hessians = np.empty((n_units, m * d, m * d))
        n = len(self.maps.rows)
        matrix = np.zeros((n, n), order="F") if self._gram is None else None
        self._inverse = np.empty_like(hessians)
        chunk, least = self.numbers.chunk, self.numbers.n_added
        step = max(chunk // max(n * m * d, 1), least // (m * d), 1)
        for start in range(0, n_units, step):
            part = slice(start, start + step)
            rows = self._rows_of(part)
            hessians[part] = self._hessians(rows, blocks[part], weights, part)
            if matrix is not None:
                self._inverse[part] = inverse_roots(hessians[part], self.shifts)
                scaled = self._scaled(self._inverse[part], rows, part)
                matrix = add_gram(matrix, scaled.T)
        if self._gram is not None:
            matrix = self._gram.copy()
            for b, hessian in enumerate(hessians):
                at = slice(b * m * d, (b + 1) * m * d)
                matrix[at, at] += hessian
            self._factor = lower_root(matrix.T, self.shifts), True
        else:
            self._factor = lower_root(self._whole(matrix), self.shifts), True

    def _add_cones(self, blocks, weights):
        """Add ``X' diag(weights) X`` of every group, half of it computed."""
        maps, (i, j) = self.maps, self._upper
        flat = weights.reshape(-1, weights.shape[2])
        total = np.zeros((len(flat), len(i)))
        for part in row_chunks(len(maps.rows), len(i), 4 * self.numbers.chunk):
            rows = maps.rows[part]
            total += flat[:, part] @ (rows[:, i] * rows[:, j])
        total = total.reshape(*weights.shape[:2], -1)
        blocks[..., i, j] += total
        below = i != j
        blocks[..., j[below], i[below]] += total[..., below]

    def _rows_of(self, part):
        """Return what hidden units of some units sum, ``factors * X``, transposed."""
        maps = self.maps
        if maps.factors is None:
            return maps.columns
        factors = maps.factors[part]
        rows = factors[:, :, None] * maps.columns
        return rows.reshape(len(factors), -1, factors.shape[2])

    def _hessians(self, rows, blocks, weights, part):
        """Return the blocks of some units, coupled by their second cones."""
        if self.maps.factors is None:
            return blocks[:, 0]
        n_units, m, d, _ = blocks.shape
        hessians = (rows * weights[1][part][:, None]) @ rows.transpose(0, 2, 1)
        unit = np.arange(m)
        by_unit = hessians.reshape(n_units, m, d, m, d)
        by_unit[:, unit, :, unit] += blocks.swapaxes(0, 1)
        return hessians

    def _scaled(self, inverse, rows, part):
        """Return the inverse roots of some units times C', of shape (k, n)."""
        if rows.ndim == 2:
            scaled = inverse.reshape(-1, len(rows)) @ rows
            scaled = scaled.reshape(*inverse.shape[:2], -1)
        else:
            scaled = inverse @ rows
        scaled *= self._scaled_outer[part][:, None]
        return scaled.reshape(-1, scaled.shape[2])

    def _whole_gram(self):
        """Return C'SC."""
        maps, (n_units, m, d) = self.maps, self.maps.shape
        everything = slice(0, n_units)
        same = np.broadcast_to(np.eye(m * d), (n_units, m * d, m * d))
        scaled = maps.spread(
            self._scaled(same, self._rows_of(everything), everything).T
        )
        if self.loss.intercept:
            constant = self._root / np.linalg.norm(self._root)
            scaled -= np.outer(constant, constant @ scaled)
        return scaled.T @ scaled

    def _whole(self, matrix):
        """Return the system of the loss from that of its counted rows: lower halves."""
        counted, loss = self.maps.counted, self.loss
        if not counted.all():
            whole = np.zeros((len(counted), len(counted)), order="F")
            whole[np.ix_(counted, counted)] = matrix
            matrix = whole
        if loss.intercept:
            constant = self._root / np.linalg.norm(self._root)
            along = dsymv(1.0, matrix, constant, lower=1)
            along -= 0.5 * (constant @ along) * constant
            matrix = dsyr2(-1.0, constant, along, a=matrix, lower=1, overwrite_a=1)
        matrix[np.diag_indices_from(matrix)] += 1.0
        return matrix

    def solve(self, R: np.ndarray) -> np.ndarray:
        """Solve for the right-hand side R of the shape of the variable."""
        maps, loss = self.maps, self.loss
        if self._gram is not None:
            return cho_solve(self._factor, R.reshape(-1)).reshape(R.shape)
        first = self._apply_inverse(R)
        output = maps.forward(first)[1]
        inner = cho_solve(self._factor, self._root * loss.centre(output))
        inner = self._root * loss.centre(inner / self._root)
        return first - self._apply_inverse(maps.pull_back(v=self._root * inner))

    def _apply_inverse(self, R):
        half = self._inverse @ R.reshape(len(R), -1, 1)
        return (self._inverse.transpose(0, 2, 1) @ half).reshape(R.shape)
