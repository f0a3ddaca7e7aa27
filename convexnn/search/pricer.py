"""Pricing over all directions as a search does it: many starts, little work on each.

Starts climb in single precision; what they find is judged, and the best of it made
exact, in double precision.
"""

from __future__ import annotations

import numpy as np

from .climbing import (
    PLAIN,
    climb,
    distinct,
    draw_starts,
    maxima_at,
    sharpen,
    whitening,
)

__all__ = ["Pricer"]

#: Local maxima that are kept as starts of the next climb, at most.
_REMEMBERED = 512

#: Share of beta, or of the largest price, above which a local maximum is made exact;
#: the fewest that are, and by how many numbers of X that can be gone through.
_PROMISING = 0.95
_SHARPENED = 10
_EXACT_NUMBERS = 20_000_000

#: Rows beyond which climbing begins on every second row, or fewer; how many directions,
#: distinct up to 1 minus this cosine, then climb on over all rows.
_MANY_ROWS = 5000
_PURSUED = 64
_SIMILAR = 1e-2


class Pricer:
    """Finds directions of high price, for one dual point after another.

    Parameters
    ----------
    architecture : object
        With what :mod:`convexnn.architectures` asks of those that are searched.
    X : ndarray of shape (n, d)
        Inputs.
    n_starts : int
        Random directions to climb from.
    random_state : numpy.random.RandomState
        Source of the directions.
    n_exact : int, default=100
        Local maxima of a dual point that are made exact, at most.

    Attributes
    ----------
    remembered : ndarray of shape (d, n_directions)
        Local maxima of the last dual point.
    """

    def __init__(self, architecture, X, n_starts, random_state, *, n_exact=100):
        self.architecture, self.X = architecture, X
        self.n_starts, self.random_state = n_starts, random_state
        self.n_exact = n_exact
        self.remembered = np.zeros((X.shape[1], 0))
        self._white = whitening(X)
        # In these units the digits of single precision are the same in any others.
        unit = float(np.abs(X).max(initial=0.0)) or 1.0
        self._single = (X / unit).astype(np.float32)
        self._thinning = -(-len(X) // _MANY_ROWS)

    def remember(self, direction):
        """Add a direction to those that the next climb starts from."""
        self.remembered = np.column_stack([self.remembered, direction])

    def climb(self, v, near, beta, share=1):
        """Return distinct local maxima of the prices of a dual point.

        Parameters
        ----------
        v : ndarray of shape (n,)
            Dual point.
        near : ndarray of shape (d, m)
            Directions of the units in use.
        beta : float
            Penalty.
        share : int, default=1
            One in so many starts are climbed from.

        Returns
        -------
        LocalMaxima
            In descending order, the promising ones exact.
        """
        n_starts = -(-self.n_starts // share)
        fresh = draw_starts(self._white, n_starts, self.random_state, near)
        fresh = self._climb_afar(v, fresh)
        known = np.concatenate([near, self.remembered], axis=1)
        known = climb(self.architecture, self._single, v, known, stages=PLAIN)
        directions = np.concatenate([fresh, known], axis=1)
        maxima = maxima_at(self.architecture, self.X, v, directions)
        maxima = distinct(maxima, at_most=_REMEMBERED)
        promising = maxima.values > _PROMISING * min(beta, maxima.largest)
        n_exact = np.clip(_EXACT_NUMBERS // self.X.size, _SHARPENED, self.n_exact)
        best = maxima.take(np.flatnonzero(promising)[:n_exact])
        best = sharpen(self.architecture, self.X, v, best)
        maxima = distinct(best.joined(maxima), at_most=_REMEMBERED)
        self.remembered = maxima.directions
        return maxima

    def _climb_afar(self, v, starts):
        """Return where climbs from afar end, over some of the rows first if many."""
        if self._thinning == 1:
            return self._climb_both_ways(self._single, v, starts)
        thinned = self.architecture.thin(self._single, v, self._thinning)
        rough = self._climb_both_ways(*thinned, starts)
        rough = maxima_at(self.architecture, self.X, v, rough)
        rough = distinct(rough, at_most=_PURSUED, tolerance=_SIMILAR).directions
        return climb(self.architecture, self._single, v, rough, stages=PLAIN)

    def _climb_both_ways(self, X, v, starts):
        """Climb smoothed units, which pass kinks, and plain ones, which end elsewhere.

        Where many rows tie, each finds maxima that the other misses.
        """
        smoothed = climb(self.architecture, X, v, starts)
        plain = climb(self.architecture, X, v, starts, stages=PLAIN)
        return np.concatenate([smoothed, plain], axis=1)
