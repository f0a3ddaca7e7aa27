"""The finite convex program of parallel sub-networks of several layers over blocks.

A block has all activation patterns and signs of one sub-network, see
:mod:`convexnn.programs.blocks`. Over the groups g = (block b, unit j), each block with
the outer signs s = +1 and -1, the program of three layers is ::

    minimise   L(sum_b s_b D2_b sum_j I_bj D1_bj X w_bj) + beta sum_bj norm2(w_bj)
    subject to (2 D1_bj - I) X w_bj >= 0                for every group
               (2 D2_b - I) sum_j I_bj D1_bj X w_bj >= 0  for every block

(three-layer paper, Theorem 1, eq. 12). It is that of two layers with the patterns
``D2_b D1_bj``, the signs ``s_b I_bj``, and a second family of cones, which couples the
groups of a block. Each further layer would add a family: what enters it is a sum over
successive groups, multiplied by the signs and patterns of all layers below.
"""

from __future__ import annotations

from functools import cached_property
from typing import Self

import numpy as np

from .blocks import Blocks
from .losses import Loss
from .program import ConvexProgram, CoupledCones

__all__ = ["ParallelProgram"]


class ParallelProgram(ConvexProgram):
    """The convex program over some blocks; its units are the sub-networks.

    The variable has the shape (d, n_blocks * m): groups b * m + j, those of a block
    one after the other.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs; a hidden bias is a column of ones.
    loss : Loss
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty on the groups' norms.
    blocks : convexnn.programs.blocks.Blocks
        The blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.programs.blocks import sample_blocks
    >>> from convexnn.programs.certificate import certify
    >>> from convexnn.programs.losses import SquaredLoss
    >>> from convexnn.programs.parallel import ParallelProgram
    >>> X = np.random.default_rng(0).standard_normal((12, 3))
    >>> loss = SquaredLoss(X[:, 0] * X[:, 1], np.ones(12), intercept=False)
    >>> blocks = sample_blocks(X, 2, 5, np.random.RandomState(0))
    >>> program = ParallelProgram(X, loss, 0.1, blocks)
    >>> program.shape, sorted(program.features)
    ((3, 20), ['cones', 'coupled_cones'])
    >>> certify(program, np.zeros(program.shape))[1].scope
    'cells'
    """

    has_cones, n_patches = True, 1

    #: Blocks are read off sub-networks and have no gates of their own.
    gates = None

    def __init__(self, X: np.ndarray, loss: Loss, beta: float, blocks: Blocks) -> None:
        self.X, self.loss, self.beta, self.blocks = X, loss, beta, blocks
        inner, outer = blocks.inner, blocks.sign
        # No two groups share a cell and a sign, which is the product of both signs of
        # a group: (n_groups,) or (n_groups, q).
        self.cell_of = np.arange(inner.size)
        signs = np.multiply.outer(inner.reshape(-1), np.ones(outer.shape[1:]))
        self.sign = signs * np.repeat(outer, inner.shape[1], axis=0)

    @property
    def features(self) -> frozenset[str]:
        """What a solver has to know: names of `FEATURES`."""
        return super().features | {"coupled_cones"}

    @property
    def scope(self) -> str:
        """What a bound over the program holds over: that of its blocks."""
        return self.blocks.scope

    @cached_property
    def _first(self):
        """Diagonals of D1, one group a column."""
        return self.blocks.first.reshape(len(self.X), -1)

    @cached_property
    def mask(self) -> np.ndarray:
        """Diagonals of D2 D1, one group a column, as floats of shape (n, n_groups)."""
        second = np.repeat(self.blocks.second, self.blocks.inner.shape[1], axis=1)
        return (self._first & second).astype(self.X.dtype)

    @cached_property
    def side(self) -> np.ndarray:
        """Diagonals of 2 D1 - I, one group a column."""
        return 2 * self._first.astype(self.X.dtype) - 1

    @cached_property
    def coupled(self) -> tuple[CoupledCones, ...]:
        """The cones of the second layers."""
        blocks = self.blocks
        side = np.where(blocks.second, 1.0, -1.0) * blocks.is_mixed
        return (CoupledCones(self._first * blocks.inner.reshape(-1), side),)

    @property
    def outer(self) -> np.ndarray:
        """Factors between what enters the last layer and the output, (n, n_blocks)."""
        return self.blocks.second * self.blocks.sign

    def groups_of(self, units: np.ndarray) -> np.ndarray:
        """Return the groups of some blocks."""
        return np.arange(self.n_groups).reshape(self.blocks.inner.shape)[units].ravel()

    def with_rows(self, X: np.ndarray, turn: np.ndarray) -> Self:
        """Return the program with other rows; it has no gates to turn."""
        return type(self)(X, self.loss, self.beta, self.blocks)

    def restrict(self, units: np.ndarray) -> ParallelProgram:
        """Return the program over some of the blocks."""
        return ParallelProgram(self.X, self.loss, self.beta, self.blocks.take(units))

    def sizes(self, U: np.ndarray) -> np.ndarray:
        """Return the sum of the norms of each block's groups, of shape (n_blocks,)."""
        return self.norms(U).reshape(self.blocks.inner.shape).sum(axis=1)

    def contributions(self, U: np.ndarray) -> np.ndarray:
        """Return each sub-network's output, all rectifiers applied: (n, n_blocks).

        For q outputs the shape is (n, q, n_blocks). In the cones these are the terms
        of `output`.
        """
        hidden = np.maximum(self.X @ U, 0) * self.blocks.inner.reshape(-1)
        hidden = hidden.reshape(self.blocks.first.shape).sum(axis=2)
        atoms = np.maximum(hidden, 0)
        if self.blocks.sign.ndim == 2:
            return atoms[:, None, :] * self.blocks.sign.T
        return atoms * self.blocks.sign

    def network_output(self, U: np.ndarray) -> np.ndarray:
        """Return the output of the sub-networks, all rectifiers applied."""
        return self.contributions(U).sum(axis=-1)
