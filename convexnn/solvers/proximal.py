"""Proximal maps of a program's penalty, and what Newton steps need of them."""

from __future__ import annotations

import numpy as np

__all__ = ["ProximalPoint", "proximal_map"]


class ProximalPoint:
    """Image of W under the proximal map of ``t * sum_g norm2``.

    Attributes
    ----------
    groups : ndarray of shape (k,)
        Groups that are not mapped to zero.
    U : ndarray of shape (d, k)
        Their images.
    sizes : ndarray of shape (k,)
        The norms of the images.
    directions : ndarray of shape (d, k)
        Unit vectors along the images.
    shrinkage : ndarray of shape (k,)
        Factors between the projections and the images.
    """

    def __init__(self, program, Q, threshold):
        self.program = program
        norms = np.linalg.norm(Q, axis=0)
        self.groups = np.flatnonzero(norms > threshold)
        norms = norms[self.groups]
        self.sizes = norms - threshold
        self.directions = Q[:, self.groups] / norms
        self.shrinkage = self.sizes / norms
        self.U = self.directions * self.sizes
        self._mask = program.mask[:, self.groups]

    @property
    def mask(self):
        """Patterns of the groups in use, of shape (n, k)."""
        return self._mask

    def output(self):
        """Return the network's output at the point."""
        values = self.program.X @ self.U
        values *= self._mask
        return values @ self.program.sign[self.groups]

    def full(self):
        """Return the point with all its groups."""
        U = np.zeros(self.program.shape)
        U[:, self.groups] = self.U
        return U

    def distances(self, centre):
        """Return the norm of the move from another point, group by group."""
        return np.linalg.norm(self.full() - centre, axis=0)

    @property
    def shift(self):
        """What the cones add to W before the shrinkage: nothing."""
        return 0.0

    def bases(self):
        """Return None: groups without cones move in all directions."""
        return None

    def multipliers(self):
        """Return None: there are no cones."""
        return None


class _Shrinkage:
    """The proximal map without cones."""

    def __init__(self, program):
        self.program = program

    def __call__(self, W, sigma):
        return ProximalPoint(self.program, W, sigma * self.program.beta)

    def along(self, W, D):
        """Return per group W'W, W'D and D'D after projection on the present faces."""
        return (
            np.einsum("ij,ij->j", W, W),
            np.einsum("ij,ij->j", W, D),
            np.einsum("ij,ij->j", D, D),
        )


def proximal_map(program):
    """Return the proximal map of a program's penalty.

    Parameters
    ----------
    program : ConvexProgram
        Without cones.

    Returns
    -------
    callable
        ``proximal(W, sigma)`` returning a :class:`ProximalPoint`.
    """
    return _Shrinkage(program)
