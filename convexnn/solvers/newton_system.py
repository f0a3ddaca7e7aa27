"""The linear systems of semismooth Newton steps, at the size that is smaller.

Without cones a product with the matrix costs no more than pricing, and a factorisation
is many of them. There conjugate gradients are tried first.
"""

from __future__ import annotations

import numpy as np

from ..programs.program import ConvexProgram
from .algebra import add_gram, conjugate_gradients, solve_positive
from .newton_numbers import NEWTON
from .proximal import ProximalPoint
from .singular_values import NuclearNormSystem

__all__ = ["NewtonSystem", "newton_system"]


class NewtonSystem:
    """Solves ``(I + sigma * A J A') step = -gradient`` at a proximal point.

    A is the linear map from the groups to the output, in the coordinates of the
    loss, and J the Jacobian of the proximal map: for a group with shrinkage c,
    direction q and a face with orthonormal basis N, the block
    ``c N N' + (1 - c) q q'``. For several outputs, whose weights are the same in every
    output, a direction's image is the outer product of its row with the group's
    direction of output weights; inner products are products of the two parts'.

    Parameters
    ----------
    program : ConvexProgram
        Program of the groups.
    """

    def __init__(self, program: ConvexProgram) -> None:
        root = np.sqrt(program.loss.weights)
        self.program = program
        self.X = program.spread(root)[:, None] * program.X
        self.constant = root / np.linalg.norm(root) if program.loss.intercept else None
        self._gram = None
        # From this sigma on conjugate gradients have been seen to take too long.
        self._hard = np.inf

    def solve(self, point: ProximalPoint, sigma: float) -> np.ndarray:
        """Return the Newton step at a proximal point.

        Parameters
        ----------
        point : ProximalPoint
            Where to take the step; its `gradient` is the right-hand side.
        sigma : float
            Weight of A J A'.

        Returns
        -------
        ndarray of shape (n,)
            The step.
        """
        gradient = point.gradient
        if not len(point.groups):
            return -gradient
        n, d = len(gradient), self.X.shape[1]
        bases = point.bases
        if gradient.ndim == 2:
            return self._several_outputs(point, sigma)
        if bases is None and sigma < self._hard:
            step = self._by_products(point, sigma)
            if step is not None:
                return step
            self._hard = sigma
        if bases is None and d * len(point.groups) > n:
            return -solve_positive(self._by_patterns(point, sigma), gradient)
        sizes = _sizes(point, bases, d)
        if sizes.sum() <= NEWTON.smaller * n:
            parts = [self._directions(point, bases, sigma, p) for p in _parts(sizes, n)]
            rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
            matrix = add_gram(np.eye(len(rows), order="F"), rows.T, transposed=True)
            return rows.T @ solve_positive(matrix, rows @ gradient) - gradient
        matrix = np.eye(n, order="F")
        for groups in _parts(sizes, n):
            rows = self._directions(point, bases, sigma, groups)
            matrix = add_gram(matrix, rows.T)
        return -solve_positive(matrix, gradient)

    def _several_outputs(self, point, sigma):
        """Return the step where the outputs are several, at the size of directions."""
        sizes = _sizes(point, point.bases, self.X.shape[1])
        every = slice(0, len(sizes))
        rows = self._directions(point, point.bases, sigma, every)
        heads = np.repeat(self.program.sign[point.groups], sizes, axis=0)
        gram = add_gram(np.zeros((len(rows),) * 2, order="F"), rows.T, transposed=True)
        gram *= heads @ heads.T
        gram[np.diag_indices_from(gram)] += 1.0
        inner = np.einsum("ij,ij->i", rows @ point.gradient, heads)
        solved = solve_positive(gram, inner)
        return rows.T @ (solved[:, None] * heads) - point.gradient

    def _by_products(self, point, sigma):
        """Return an approximate step by conjugate gradients, None if it takes long."""
        short = sigma * point.shrinkage
        along = sigma - short

        def times(vector):
            inner = self.X.T @ (point.mask * vector[:, None])
            lengths = np.einsum("ij,ij->j", point.directions, inner)
            inner = inner * short + point.directions * (along * lengths)
            product = np.einsum("ij,ij->i", self.X @ inner, point.mask)
            if self.constant is not None:
                product -= (self.constant @ product) * self.constant
            return vector + product

        step, is_solved = conjugate_gradients(
            *(times, -point.gradient),
            residual=NEWTON.residual,
            max_products=NEWTON.n_products,
        )
        return step if is_solved else None

    def _directions(self, point, bases, sigma, groups):
        """Return rows of ``sqrt(sigma J) A'``, those of J's null space left out."""
        directions = point.directions[:, groups]
        long = np.sqrt(sigma * point.shrinkage[groups])
        along = np.sqrt(sigma) - long
        d, k = directions.shape
        if bases is None:
            sizes = np.full(k, d)
            factors = np.tile(np.eye(d), (k, 1))
        else:
            sizes = np.array([basis.shape[1] for basis in bases[groups]])
            factors = np.concatenate([basis.T for basis in bases[groups]])
        owner = np.repeat(np.arange(k), sizes)
        inner = np.einsum("ij,ij->i", factors, directions.T[owner])
        factors = factors * long[owner, None]
        factors += (along[owner] * inner)[:, None] * directions.T[owner]
        rows = factors @ self.X.T
        rows *= np.ascontiguousarray(point.mask[:, groups].T)[owner]
        rows = self.program.pool(rows.T).T
        if self.constant is not None:
            rows -= np.outer(rows @ self.constant, self.constant)
        return rows

    def _by_patterns(self, point, sigma):
        """Return the matrix of size n, without cones.

        ``sum_g c_g D_g X X' D_g`` is the product, entry by entry, of X X' and the
        weighted Gram matrix of the patterns.
        """
        if self._gram is None:
            self._gram = self.X @ self.X.T
        weighted = point.mask * np.sqrt(sigma * point.shrinkage)
        outputs = (self.X @ point.directions) * point.mask
        outputs *= np.sqrt(sigma * (1 - point.shrinkage))
        matrix = weighted @ weighted.T
        matrix *= self._gram
        matrix += outputs @ outputs.T
        if self.constant is not None:
            inner = matrix @ self.constant
            inner -= 0.5 * (self.constant @ inner) * self.constant
            matrix -= np.outer(inner, self.constant)
            matrix -= np.outer(self.constant, inner)
        matrix[np.diag_indices_from(matrix)] += 1.0
        return matrix


def newton_system(program: ConvexProgram) -> NewtonSystem | NuclearNormSystem:
    """Return what solves the systems of a program: see :class:`NewtonSystem`."""
    is_nuclear = "nuclear_norms" in program.features
    return (NuclearNormSystem if is_nuclear else NewtonSystem)(program)


def _sizes(point, bases, d):
    """Return the number of directions in which each group can move."""
    if bases is None:
        return np.full(len(point.groups), d)
    return np.array([basis.shape[1] for basis in bases])


def _parts(sizes, n):
    """Yield slices of groups whose directions fit a block."""
    part = np.cumsum(sizes) * n // NEWTON.block
    ends = np.append(np.flatnonzero(np.diff(part)) + 1, len(sizes))
    first = 0
    for end in ends:
        yield slice(first, int(end))
        first = int(end)
