"""Proximal maps of a penalty and its cones, and what Newton steps need of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from ..programs.faces import Faces, face_bases
from ..programs.program import ConvexProgram
from .singular_values import SingularValuePoint, SingularValueShrinkage

__all__ = ["ProximalPoint", "proximal_map"]


class ProximalPoint:
    """Image of W under the proximal map of the penalty and the cones.

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

    #: What a Newton step there is for, set by who takes it.
    gradient: np.ndarray

    #: What the cones add to W before the shrinkage, and bases of their faces.
    shift, bases = 0.0, None

    def __init__(self, program: ConvexProgram, Q: np.ndarray, threshold: float) -> None:
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
    def mask(self) -> np.ndarray:
        """Patterns of the groups in use, of shape (n, k)."""
        return self._mask

    def output(self) -> np.ndarray:
        """Return the network's output at the point."""
        values = self.program.X @ self.U
        values *= self._mask
        return self.program.pool(values @ self.program.sign[self.groups])

    def full(self) -> np.ndarray:
        """Return the point with all its groups."""
        U = np.zeros(self.program.shape)
        U[:, self.groups] = self.U
        return U

    def distances(self, centre: np.ndarray) -> np.ndarray:
        """Return the norm of the move from another point, group by group."""
        return np.linalg.norm(self.full() - centre, axis=0)

    def multipliers(self) -> tuple[np.ndarray, ...] | None:
        """Return None: there are no cones."""
        return None


class _ConePoint(ProximalPoint):
    """The same with cones: each group moves along the face it was projected on."""

    def __init__(self, program, Q, threshold, projections):
        super().__init__(program, Q, threshold)
        faces = projections.faces
        self.shift = projections.shift
        self._rows = faces.rows.copy()
        self._blocks = faces.blocks[self.groups]
        self._weights = projections.weights / projections.sigma
        self._scale = faces.scale

    @cached_property
    def bases(self):
        """Orthonormal bases of the faces in use, a list of (d, r)."""
        return face_bases(self._blocks)

    def multipliers(self):
        """Return the multipliers of the cones, one array of shape (n, n_groups)."""
        values = np.zeros(self.program.mask.shape)
        group, slot = np.nonzero(self._rows >= 0)
        row = self._rows[group, slot]
        values[row, group] = self._weights[group, slot] * self._scale[row]
        return (values,)


class _Shrinkage:
    """The proximal map without cones."""

    def __init__(self, program):
        self.program = program

    def __call__(self, W, sigma):
        return ProximalPoint(self.program, W, sigma * self.program.beta)


class _ConicShrinkage(_Shrinkage):
    """The proximal map with cones; faces are kept from one call to the next.

    The multipliers of the last projections bound the norms of the next ones, so that
    only groups that may exceed the threshold are projected again.
    """

    def __init__(self, program):
        super().__init__(program)
        self.faces = Faces(program.X, program.side)
        self.sigma = 1.0
        self.shift = np.zeros(program.shape)
        self.weights = np.zeros(program.shape[::-1])

    def __call__(self, W, sigma):
        threshold = sigma * self.program.beta
        # Multipliers grow with sigma; points keep those they were made with.
        self.weights = self.weights * (sigma / self.sigma)
        Q = W + self.shift * (sigma / self.sigma)
        self.sigma = sigma
        doubtful = np.flatnonzero(np.linalg.norm(Q, axis=0) > threshold)
        if len(doubtful):
            points, weights, _ = self.faces.project(
                W[:, doubtful], doubtful, stop_below=threshold
            )
            Q[:, doubtful], self.weights[doubtful] = points, weights
        self.shift = Q - W
        return _ConePoint(self.program, Q, threshold, self)


def proximal_map(
    program: ConvexProgram,
) -> Callable[[np.ndarray, float], ProximalPoint | SingularValuePoint]:
    """Return the proximal map of a program's penalty.

    Parameters
    ----------
    program : ConvexProgram
        With or without cones, or of nuclear norms.

    Returns
    -------
    callable
        ``proximal(W, sigma)`` returning a :class:`ProximalPoint`, or what has the same
        methods.
    """
    if "nuclear_norms" in program.features:
        return SingularValueShrinkage(program)
    return (_ConicShrinkage if program.has_cones else _Shrinkage)(program)
