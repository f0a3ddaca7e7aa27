"""Prices of three-layer sub-networks: where to climb from, how, and what comes of it.

Climbs without smoothing end far below the penalty, wherever they begin. From random
directions the best maxima are found by wide smoothing and many steps; the narrow ones,
of units that cancel each other, only from close to the sub-networks in use and to the
maxima of the last dual point. Two ways of rounding the kinks lead to different maxima.
With features of different scales the gradient on the sphere points along the largest
ones, so that half of the climbs go in the coordinates in which the inputs are white.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..architectures.three_layer import parabolic, rounded
from .climbing import SMOOTHED, climb, distinct, maxima_at
from .three_layer_descent import preconditioner

__all__ = ["SubNetworkPricer", "WhiteCoordinates"]

#: Rounding and first stage of the climbs from random directions, stages of those from
#: near known ones, and steps of a stage. Wide smoothing hides maxima where rows tie.
_FAR, _FAR_STEPS = ((rounded, 0), (parabolic, 0), (parabolic, 2)), 40
_NEAR, _NEAR_STEPS = SMOOTHED[1:], 20

#: Norms of the perturbations of known directions.
_SHAKEN = (0.1, 0.3)

#: Local maxima of the last dual point that the next climbs also begin near.
_REMEMBERED = 40


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
        self.remembered = np.zeros(((X.shape[1] + 1) * architecture.n_units, 0))

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
        known = self.remembered
        near = near.without_zeros()
        if len(near):
            used = self.architecture.directions(near.groups, near.inner)
            known = np.concatenate([used, known], axis=1)
        n_starts = -(-self.n_starts // 8)
        ends = [known]
        for rounding, first in _FAR:
            starts = self._drawn(n_starts), self._drawn(n_starts)
            ends += self._climbed(v, starts, rounding, SMOOTHED[first:], _FAR_STEPS)
        starts = [self._shaken(known, 2 * n_starts, k) for k in range(2)]
        ends += self._climbed(v, starts, parabolic, _NEAR, _NEAR_STEPS)
        maxima = self.at(v, self._balanced(np.concatenate(ends, axis=1)))
        self.remembered = maxima.directions[:, :_REMEMBERED]
        return maxima

    def _climbed(self, v, starts, rounding, stages, n_steps):
        """Return where climbs in the coordinates of the inputs and in white ones end.

        The starts of both are given in the coordinates they climb in.
        """
        architecture = replace(self.architecture, rounding=rounding)
        white = replace(self.coordinates, architecture=architecture)
        settings = {"stages": stages, "n_steps": n_steps}
        plain = climb(architecture, self.coarse, v, starts[0], **settings)
        climbed = climb(white, self.coarse_white, v, starts[1], **settings)
        return plain.astype(float), white.out(climbed.astype(float))

    def at(self, v, directions):
        """Return the distinct ones of some directions with their prices."""
        return distinct(maxima_at(self.architecture, self.X, v, directions))

    def _drawn(self, n_starts):
        drawn = self.random_state.standard_normal((len(self.remembered), n_starts))
        # Layers of equal norm: those of the inputs have more entries.
        drawn[-self.architecture.n_units :] *= np.sqrt(self.X.shape[1])
        return drawn

    def _shaken(self, known, n_starts, is_white):
        """Return perturbed known directions, in white coordinates if so asked."""
        if not known.shape[1]:
            return known
        chosen = known[:, self.random_state.randint(known.shape[1], size=n_starts)]
        if is_white:
            chosen = self.coordinates.into(chosen)
        chosen = chosen / np.linalg.norm(chosen, axis=0)
        noise = self.random_state.standard_normal(chosen.shape)
        size = np.resize(_SHAKEN, n_starts) / np.sqrt(len(chosen))
        return chosen + size * noise

    def _balanced(self, directions):
        groups, inner = self.architecture.subnetworks(directions)
        kept = groups.any(axis=(0, 2))
        return self.architecture.directions(groups[:, kept], inner[kept])
