"""Prices of three-layer sub-networks: where to climb from, how, and what comes of it.

Units that cancel each other have narrow maxima, which wide smoothing hides and none
does not reach, so that climbs begin at several widths. With features of different
scales the gradient on the sphere points along the largest ones, so that half of the
climbs go in the coordinates in which the inputs are white.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..pricing import SMOOTHED, climb, distinct, draw_starts, maxima_at
from .three_layer_descent import preconditioner

__all__ = ["SubNetworkPricer", "WhiteCoordinates"]

#: First stages of the climbs.
_FIRST_STAGES = (0, 1, 2)

#: Steps of each stage.
_STEPS = 20


@dataclass(frozen=True)
class WhiteCoordinates:
    """An architecture's directions in coordinates z with first layers ``T z``.

    The ball stays that of ``T z``: correlations are divided by the square of the norm.

    Parameters
    ----------
    architecture : ThreeLayerReLU
        The sub-networks.
    white : ndarray of shape (d, d)
        Matrix T, of which the inputs that are passed must be multiples: ``X T``.
    """

    architecture: object
    white: np.ndarray

    def out(self, directions):
        """Return the directions in the original coordinates."""
        return self._times(self.white, directions)

    def into(self, directions):
        """Return original directions in these coordinates."""
        return self._times(np.linalg.inv(self.white), directions)

    def _times(self, matrix, directions):
        m = self.architecture.n_units
        matrix = matrix.astype(directions.dtype)
        first = matrix @ directions[:-m].reshape(len(matrix), -1)
        return np.concatenate([first.reshape(len(directions) - m, -1), directions[-m:]])

    def spread(self, X, directions):
        """Return the root mean squares of both layers' pre-activations."""
        return self.architecture.spread(X, directions)

    def correlate(self, X, v, directions, widths=None):
        """Return correlations of the unit directions that these stand for."""
        m = self.architecture.n_units
        values, gradients = self.architecture.correlate(X, v, directions, widths)
        actual = self.out(directions)
        squares = np.sum(actual * actual, axis=0)
        squares = np.maximum(squares, np.finfo(directions.dtype).tiny)
        values = values / squares
        pulled = self._times(self.white.T, actual)
        pulled[-m:] = directions[-m:]
        return values, (gradients - (2 * values) * pulled) / squares


class SubNetworkPricer:
    """Climbs from many starts and keeps what it found.

    Parameters
    ----------
    architecture : ThreeLayerReLU
        The sub-networks.
    X : ndarray of shape (n, d)
        Inputs.
    n_starts : int
        Random directions that climbs start from, in all.
    random_state : numpy.random.RandomState
        Source of the directions.
    """

    def __init__(self, architecture, X, n_starts, random_state):
        self.architecture, self.X = architecture, X
        self.n_starts, self.random_state = n_starts, random_state
        self.white = preconditioner(X)
        self.coarse = X.astype(np.float32)
        size = np.linalg.norm(self.white) / np.sqrt(len(self.white))
        self.coordinates = WhiteCoordinates(architecture, self.white / size)
        self.coarse_white = (X @ self.coordinates.white).astype(np.float32)

    def price(self, v, near):
        """Return distinct local maxima of the price of a dual point.

        Parameters
        ----------
        v : ndarray of shape (n,)
            Dual point.
        near : SubNetworks
            Sub-networks that are also climbed from, perturbed, and priced as they are.

        Returns
        -------
        LocalMaxima
            In descending order.
        """
        m = self.architecture.n_units
        known = np.zeros(((self.X.shape[1] + 1) * m, 0))
        near = near.without_zeros()
        if len(near):
            known = self.architecture.directions(near.groups, near.inner)
        ends = [known]
        n_starts = -(-self.n_starts // (2 * len(_FIRST_STAGES)))
        for first in _FIRST_STAGES:
            stages = SMOOTHED[first:]
            starts = self._drawn(n_starts, known)
            climbed = climb(
                self.architecture, self.coarse, v, starts, stages=stages, n_steps=_STEPS
            )
            ends.append(climbed.astype(float))
            starts = self._drawn(n_starts, self.coordinates.into(known))
            climbed = climb(
                *(self.coordinates, self.coarse_white, v, starts),
                stages=stages,
                n_steps=_STEPS,
            )
            ends.append(self.coordinates.out(climbed.astype(float)))
        return self.at(v, self._balanced(np.concatenate(ends, axis=1)))

    def at(self, v, directions):
        """Return the distinct ones of some directions with their prices."""
        return distinct(maxima_at(self.architecture, self.X, v, directions))

    def _drawn(self, n_starts, known):
        drawn = draw_starts(np.eye(len(known)), n_starts, self.random_state, known)
        # Layers of equal norm: those of the inputs have more entries.
        m = self.architecture.n_units
        drawn[-m:, :n_starts] *= np.sqrt(self.X.shape[1])
        return drawn

    def _balanced(self, directions):
        groups, inner = self.architecture.subnetworks(directions)
        kept = groups.any(axis=(0, 2))
        return self.architecture.directions(groups[:, kept], inner[kept])
