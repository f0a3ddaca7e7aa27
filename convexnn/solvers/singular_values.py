"""Proximal map and Newton systems of nuclear norms, for programs of several outputs.

The proximal map lowers the singular values of every cell's matrix by a threshold, down
to zero. With thin singular vectors P and Q, values s and f(s) = max(s - threshold, 0),
its derivative in a direction H has, in the coordinates ``P' H Q``, the coefficients ::

    (f(s_i) - f(s_j)) / (s_i - s_j)  on the symmetric part,
    (f(s_i) + f(s_j)) / (s_i + s_j)  on the antisymmetric part,

and ``f(s_i) / s_i`` on what H has outside of the span of P or of Q.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import LinAlgError

from ..programs.nuclear_norms import (
    masked_correlations,
    masked_output,
    singular_triplets,
)
from ..programs.program import ConvexProgram
from .algebra import conjugate_gradients
from .newton_numbers import NUCLEAR

__all__ = ["NuclearNormSystem", "SingularValueShrinkage"]


class SingularValuePoint:
    """Image of W under the proximal map; see `ProximalPoint` for the same without q.

    Attributes
    ----------
    groups : ndarray of shape (k,)
        Groups that are not mapped to zero.
    U : ndarray of shape (d, k, q)
        Their images.
    sizes : ndarray of shape (k,)
        The nuclear norms of the images.
    """

    #: What a Newton step there is for, set by who takes it.
    gradient: np.ndarray

    #: What is added to W before the shrinkage: nothing.
    shift = 0.0

    def __init__(self, program: ConvexProgram, W: np.ndarray, threshold: float) -> None:
        self.program = program
        self.groups, self._left, values, self._right = singular_triplets(W, threshold)
        kept = np.maximum(values - threshold, 0)
        self.sizes = kept.sum(axis=1)
        images = (self._left * kept[:, None, :]) @ self._right
        self.U = images.transpose(1, 0, 2)
        self._values, self._kept = values, kept
        self._mask = program.mask[:, self.groups]

    @property
    def mask(self) -> np.ndarray:
        """Patterns of the groups in use, of shape (n, k)."""
        return self._mask

    def output(self) -> np.ndarray:
        """Return the network's output at the point."""
        return masked_output(self.program.X, self._mask, self.U)

    def full(self) -> np.ndarray:
        """Return the point with all its groups."""
        U = np.zeros(self.program.shape)
        U[:, self.groups] = self.U
        return U

    def distances(self, centre: np.ndarray) -> np.ndarray:
        """Return the norm of the move from another point, group by group."""
        moved = self.full() - centre
        return np.sqrt(np.einsum("ikj,ikj->k", moved, moved))

    def multipliers(self) -> None:
        """Return None: there are no cones."""
        return None

    def derivative(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the derivative of the proximal map, as a function of (k, d, q)."""
        left, right, values, kept = self._left, self._right, self._values, self._kept
        above = (kept > 0).astype(float)
        difference = values[:, :, None] - values[:, None, :]
        total = values[:, :, None] + values[:, None, :]
        tiny = 1e-12 * values[:, :1, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            symmetric = (kept[:, :, None] - kept[:, None, :]) / difference
            turning = (kept[:, :, None] + kept[:, None, :]) / total
            outside = kept / values
        both = 0.5 * (above[:, :, None] + above[:, None, :])
        symmetric = np.where(np.abs(difference) > tiny, symmetric, both)
        turning = np.where(total > tiny, turning, 0.0)
        outside = np.where(kept > 0, outside, 0.0)
        d, q = left.shape[1], right.shape[2]
        r = values.shape[1]
        left_, right_ = left.transpose(0, 2, 1), right.transpose(0, 2, 1)

        def apply(H):
            rows, columns = left_ @ H, H @ right_
            inner = rows @ right_
            flipped = inner.transpose(0, 2, 1)
            mixed = 0.5 * (symmetric * (inner + flipped) + turning * (inner - flipped))
            image = left @ mixed @ right
            if d > r:
                image += ((columns - left @ inner) * outside[:, None, :]) @ right
            if q > r:
                image += (left * outside[:, None, :]) @ (rows - inner @ right)
            return image

        return apply


class SingularValueShrinkage:
    """The proximal map of the nuclear norms of a program."""

    def __init__(self, program: ConvexProgram) -> None:
        self.program = program

    def __call__(self, W: np.ndarray, sigma: float) -> SingularValuePoint:
        """Return the image of W with sigma times the penalty."""
        return SingularValuePoint(self.program, W, sigma * self.program.beta)


class NuclearNormSystem:
    """Solves ``(I + sigma * A J A') step = -gradient`` by conjugate gradients.

    A is the linear map from the matrices to the output in the coordinates of the loss,
    J the derivative of the proximal map. Only the cells in use take part in a product.

    Parameters
    ----------
    program : NuclearNormProgram
        Program of the cells.
    """

    def __init__(self, program: ConvexProgram) -> None:
        root = np.sqrt(program.loss.weights)
        self.root = root if root.ndim == 2 else root[:, None]
        # The largest weights bound the eigenvalues of X'X.
        self.X = self.root.max(axis=1, keepdims=True) * program.X
        self.inputs = program.X
        self.constant = None
        if program.loss.intercept:
            self.constant = self.root / np.linalg.norm(self.root, axis=0)

    def solve(self, point: SingularValuePoint, sigma: float) -> np.ndarray:
        """Return the Newton step at a proximal point, of shape (n, q).

        It is approximate, and a direction of descent after any number of products.
        """
        gradient = point.gradient
        if not np.isfinite(gradient).all():
            raise LinAlgError("the Newton system overflowed")
        if not len(point.groups):
            return -gradient
        derivative = point.derivative()

        def times(v):
            inner = masked_correlations(self.inputs, point.mask, self.root * v)
            image = sigma * derivative(inner.transpose(1, 0, 2)).transpose(1, 0, 2)
            product = self.root * masked_output(self.inputs, point.mask, image)
            if self.constant is not None:
                product -= self.constant * np.sum(self.constant * product, axis=0)
            return v + product

        return conjugate_gradients(
            *(times, -gradient),
            residual=NUCLEAR.residual,
            max_products=NUCLEAR.n_products,
        )[0]
