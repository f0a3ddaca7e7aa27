"""The finite convex program of gated networks with several outputs.

For cells k with patterns D_k there is a matrix Z_k of shape (d, q) each, and the
program is ::

    minimise   L(sum_k D_k X Z_k) + beta * sum_k nuclear_norm(Z_k)

A matrix is a sum of units ``u a'`` of its cell, and the nuclear norm is the least sum
of ``norm2(u) * norm2(a)`` over all such sums, which the singular vectors attain: the
program is that of networks with any number of units behind every gate (Sahiner, Ergen,
Pauly and Pilanci, "Vector-output ReLU Neural Network Problems are Copositive
Programs", ICLR 2021; talk, "Vector Output Two-layer ReLU Networks: Nuclear Norm
Regularization").

All cells are handled at once: the variable `U` has the shape (d, n_groups, q), and
``U[:, k]`` is Z_k.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from .cells import Cells
from .losses import Loss, SmoothLoss
from .program import ConvexProgram, row_chunks

__all__ = ["NuclearNormProgram", "singular_triplets"]

#: Numbers in a block of rows times the entries of a matrix.
_BLOCK = 2**20


class NuclearNormProgram(ConvexProgram):
    """Sum of a loss of several outputs and of the nuclear norms of the cells' matrices.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs; a hidden bias is a column of ones.
    loss : Loss
        A loss of :mod:`convexnn.programs.losses` with targets of shape (n, q).
    beta : float
        Penalty on the nuclear norms.
    cells : convexnn.programs.cells.Cells
        Activation patterns and their gates.
    cell_of : ndarray of shape (n_groups,), default=None
        Cell of each group, no cell twice; by default all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.programs.cells import given_cells
    >>> from convexnn.programs.losses import SquaredLoss
    >>> from convexnn.programs.nuclear_norms import NuclearNormProgram
    >>> X, y = np.eye(2), np.array([[3.0, 0.0], [0.0, 4.0]])
    >>> cells = given_cells(X, np.ones((2, 1)))
    >>> loss = SquaredLoss(y, np.ones(2), intercept=False)
    >>> program = NuclearNormProgram(X, loss, 1.0, cells)
    >>> program.objective(y[:, None])
    7.0
    >>> program.objective(program.shrink(y[:, None], 1.0))
    6.0
    """

    def __init__(
        self,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        cells: Cells,
        *,
        cell_of: np.ndarray | None = None,
    ) -> None:
        cell_of = np.arange(len(cells)) if cell_of is None else cell_of
        super().__init__(
            X,
            loss,
            beta,
            cells,
            has_cones=False,
            cell_of=cell_of,
            sign=np.ones(len(cell_of)),
        )

    features = frozenset({"nuclear_norms"})

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (d, n_groups, q) of the variable."""
        return self.X.shape[1], self.n_groups, self.loss.y.shape[1]

    def restrict(self, groups: np.ndarray) -> NuclearNormProgram:
        """Return the program over some of the cells."""
        return NuclearNormProgram(
            self.X, self.loss, self.beta, self.cells, cell_of=self.cell_of[groups]
        )

    def quadratic_model(self, z: np.ndarray) -> ConvexProgram:
        """Return the program with squares near this one's loss at an output.

        Their weights differ from output to output.
        """
        return self.with_loss(cast(SmoothLoss, self.loss).outputwise_model(z))

    def output(self, U: np.ndarray) -> np.ndarray:
        """Return the sum of the cells' outputs, of shape (n, q)."""
        used = np.flatnonzero(U.any(axis=(0, 2)))
        mask = self.mask if len(used) == self.n_groups else self.mask[:, used]
        return masked_output(self.X, mask, U[:, used])

    def correlations(self, v: np.ndarray) -> np.ndarray:
        """Return ``X' D v`` for every cell, of shape (d, n_groups, q)."""
        return masked_correlations(self.X, self.mask, v)

    def norms(self, U: np.ndarray) -> np.ndarray:
        """Return the nuclear norm of every cell's matrix, of shape (n_groups,)."""
        values = np.zeros(self.n_groups)
        used = np.flatnonzero(U.any(axis=(0, 2)))
        matrices = U[:, used].transpose(1, 0, 2)
        values[used] = np.linalg.svd(matrices, compute_uv=False).sum(axis=1)
        return values

    def dual_norms(self, W: np.ndarray) -> np.ndarray:
        """Return the largest singular value of every cell's matrix: (n_groups,)."""
        matrices = W.transpose(1, 0, 2)
        if W.shape[0] < W.shape[2]:
            matrices = matrices.transpose(0, 2, 1)
        # The largest eigenvalue of a Gram matrix is exact to rounding.
        grams = matrices.transpose(0, 2, 1) @ matrices
        return np.sqrt(np.maximum(np.linalg.eigvalsh(grams)[:, -1], 0.0))

    def shrink(self, U: np.ndarray, threshold: float) -> np.ndarray:
        """Lower all singular values by a threshold, those below it to zero."""
        groups, left, values, right = singular_triplets(U, threshold)
        shrunk = np.zeros_like(U)
        kept = np.maximum(values - threshold, 0)[:, None, :]
        shrunk[:, groups] = ((left * kept) @ right).transpose(1, 0, 2)
        return shrunk

    def factored(self, U: np.ndarray) -> tuple[ConvexProgram, np.ndarray]:
        """Return the program of the singular vectors' units, and the point in it.

        The directions of output weights are the right singular vectors; groups of the
        program returned are one unit each.
        """
        groups, left, values, right = singular_triplets(U, 0.0)
        rounding = np.finfo(float).eps * max(U.shape[0], U.shape[2])
        owner, place = np.nonzero(values > rounding * values[:, :1])
        units = ConvexProgram(
            self.X,
            self.loss,
            self.beta,
            self.cells,
            has_cones=False,
            cell_of=self.cell_of[groups[owner]],
            sign=right[owner, place],
        )
        return units, (left[owner, :, place] * values[owner, place, None]).T

    def collected(self, units: ConvexProgram, V: np.ndarray) -> np.ndarray:
        """Return the point of this program from one of the program of its units."""
        group_of = np.zeros(len(self.cells), dtype=int)
        group_of[self.cell_of] = np.arange(self.n_groups)
        U = np.zeros(self.shape)
        np.add.at(
            U.transpose(1, 0, 2),
            group_of[units.cell_of],
            V.T[:, :, None] * units.sign[:, None, :],
        )
        return U


def singular_triplets(
    U: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the singular triplets of matrices that have some above a threshold.

    Parameters
    ----------
    U : ndarray of shape (d, n_groups, q)
        One matrix a group.
    threshold : float
        What the largest singular value has to exceed.

    Returns
    -------
    groups : ndarray of shape (k,)
        Groups of such matrices, in ascending order.
    left : ndarray of shape (k, d, r)
        Their left singular vectors, r = min(d, q), one a column.
    values : ndarray of shape (k, r)
        Their singular values, all of them, in descending order.
    right : ndarray of shape (k, r, q)
        Their right singular vectors, one a row.
    """
    # No singular value exceeds the norm of all entries.
    groups = np.flatnonzero(np.einsum("ikj,ikj->k", U, U) > threshold**2)
    left, values, right = np.linalg.svd(
        U[:, groups].transpose(1, 0, 2), full_matrices=False
    )
    kept = values[:, 0] > threshold
    return groups[kept], left[kept], values[kept], right[kept]


def masked_output(X: np.ndarray, mask: np.ndarray, U: np.ndarray) -> np.ndarray:
    """Return ``sum_k D_k X U[:, k]`` of shape (n, q), mask having D_k as columns."""
    (n, d), q = X.shape, U.shape[2]
    flat = np.ascontiguousarray(U.transpose(1, 0, 2)).reshape(len(U[0]), d * q)
    output = np.empty((n, q))
    for rows in row_chunks(n, d * q, _BLOCK):
        # A row's weights are the sum over the cells that it is active in.
        weights = (mask[rows] @ flat).reshape(-1, d, q)
        output[rows] = np.einsum("id,idj->ij", X[rows], weights)
    return output


def masked_correlations(X: np.ndarray, mask: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return ``X' D_k v`` for every column of a mask, of shape (d, n_groups, q)."""
    (n, d), q = X.shape, v.shape[1]
    total = np.zeros((mask.shape[1], d * q))
    for rows in row_chunks(n, d * q, _BLOCK):
        products = (X[rows, :, None] * v[rows, None, :]).reshape(-1, d * q)
        total += mask[rows].T @ products
    return total.reshape(-1, d, q).transpose(1, 0, 2)
