"""Pricing over all directions as a search does it: many starts, little work on each.

Starts climb in single precision; what they find is judged, and the best of it made
exact, in double precision.
"""

from __future__ import annotations

import numpy as np

from ..architectures import Architecture, Units
from ..architectures.whitening import preconditioner, whitening
from .climbing import (
    PLAIN,
    LocalMaxima,
    climb,
    distinct,
    draw_starts,
    maxima_at,
    sharpen,
)
from .coordinates import WhiteDirections
from .schedule import Schedule

__all__ = ["Pricer"]


class Pricer:
    """Finds directions of high price, for one dual point after another.

    Parameters
    ----------
    architecture : Architecture
        The units.
    X : ndarray of shape (n, d)
        Inputs.
    n_starts : int
        Random directions to climb from.
    schedule : Schedule
        Which climbs, and how much is kept of them.
    random_state : numpy.random.RandomState
        Source of the directions.

    Attributes
    ----------
    remembered : ndarray of shape (p, n_directions)
        Local maxima of the last dual point.
    n_exact : int
        Local maxima of a dual point that are made exact, at most.
    """

    def __init__(
        self,
        architecture: Architecture,
        X: np.ndarray,
        n_starts: int,
        schedule: Schedule,
        random_state: np.random.RandomState,
    ) -> None:
        self.architecture, self.X = architecture, X
        self.n_starts, self.random_state = n_starts, random_state
        self.schedule, self.n_exact = schedule, schedule.n_exact
        self.remembered = np.zeros((architecture.n_entries(X), 0))
        # In these units the digits of single precision are the same in any others.
        unit = float(np.abs(X).max(initial=0.0)) or 1.0
        self._single = (X / unit).astype(np.float32)
        self._thinning = -(-len(X) // schedule.pricing.many_rows)
        self._white = whitening(X)
        if any(each.is_white for each in schedule.climbs):
            white = preconditioner(X)
            size = np.linalg.norm(white) / np.sqrt(len(white))
            self._coordinates = WhiteDirections(architecture, white / size)
            self._single_white = ((X / unit) @ (white / size)).astype(np.float32)

    def remember(self, direction: np.ndarray) -> None:
        """Add a direction to those that the next climb starts from."""
        self.remembered = np.column_stack([self.remembered, direction])

    def climb(
        self, v: np.ndarray, units: Units, beta: float, share: int = 1
    ) -> LocalMaxima:
        """Return distinct local maxima of the prices of a dual point.

        Parameters
        ----------
        v : ndarray of shape (n,) or (n, q)
            Dual point.
        units : Units
            Units in use.
        beta : float
            Penalty.
        share : int, default=1
            One in so many starts are climbed from.

        Returns
        -------
        LocalMaxima
            In descending order, the promising ones exact.
        """
        near = self.architecture.directions(units)
        known = np.concatenate([near, self.remembered], axis=1)
        ends = []
        for each in self.schedule.climbs:
            n_starts = -(-int(self.n_starts * each.share) // share)
            starts = self._starts(each, n_starts, near, known)
            ends.append(self._climbed(each, v, starts) if each.ways else starts)
        directions = np.concatenate(ends, axis=1)
        return self._judged(v, self.architecture.canonical(directions), beta)

    def _judged(self, v, directions, beta):
        """Return the distinct local maxima of some directions, the best ones exact."""
        at_most = self.schedule.n_kept
        maxima = maxima_at(self.architecture, self.X, v, directions)
        maxima = distinct(maxima, at_most=at_most)
        if self.n_exact:
            pricing = self.schedule.pricing
            promising = maxima.values > pricing.promising * min(beta, maxima.largest)
            n_exact = pricing.exact_numbers // self.X.size
            n_exact = np.clip(n_exact, pricing.n_exact, self.n_exact)
            best = maxima.take(np.flatnonzero(promising)[:n_exact])
            best = sharpen(self.architecture, self.X, v, best)
            maxima = distinct(best.joined(maxima), at_most=at_most)
        self.remembered = maxima.directions
        return maxima

    def _starts(self, climbs, n_starts, near, known):
        """Return what climbs begin from, in their coordinates."""
        if climbs.start == "mixed":
            return draw_starts(self._white, n_starts, self.random_state, near)
        if climbs.start == "far":
            drawn = self.random_state.standard_normal((len(known), n_starts))
            # Layers of equal norm: those of the inputs have more entries.
            d = self.X.shape[1]
            drawn[d * self.architecture.n_first :] *= np.sqrt(d)
            return drawn
        if climbs.start == "known" or not known.shape[1]:
            return known
        chosen = known[:, self.random_state.randint(known.shape[1], size=n_starts)]
        if climbs.is_white:
            chosen = self._coordinates.into(chosen)
        chosen = chosen / np.linalg.norm(chosen, axis=0)
        noise = self.random_state.standard_normal(chosen.shape)
        size = np.resize(self.schedule.pricing.shaken, n_starts) / np.sqrt(len(chosen))
        return chosen + size * noise

    def _climbed(self, climbs, v, starts):
        """Return where climbs end, over some of the rows first if there are many."""
        if climbs.is_white:
            white = self._coordinates
            found = _all_ways(white, self._single_white, v, starts, climbs)
            return white.out(found.astype(float))
        if climbs.start in ("near", "known") or self._thinning == 1:
            return _all_ways(self.architecture, self._single, v, starts, climbs)
        thinned = self.architecture.thin(self._single, v, self._thinning)
        rough = _all_ways(self.architecture, *thinned, starts, climbs)
        rough = maxima_at(self.architecture, self.X, v, rough)
        pricing = self.schedule.pricing
        rough = distinct(rough, at_most=pricing.n_pursued, tolerance=pricing.similar)
        about = self.architecture, self._single, v, rough.directions
        return climb(*about, stages=PLAIN)


def _all_ways(architecture, X, v, starts, climbs):
    """Climb from the same starts in several ways: each finds what others miss."""
    ends = [
        climb(
            *(architecture, X, v, starts),
            stages=stages,
            n_steps=n_steps,
            rectifier=rectifier,
        )
        for rectifier, stages, n_steps in climbs.ways
    ]
    return np.concatenate(ends, axis=1)
