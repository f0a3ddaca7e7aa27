"""Pricing over all directions: the unit that would lower the objective most.

The price of a dual point v is the largest ``abs(v' phi(X; u))`` over the unit ball of
an architecture. Finding it is hard in general; climbing from many starts finds local
maxima, so that what follows from the best of them is an estimate. Bounds of
:mod:`convexnn.architectures.bounds` are rigorous and looser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..architectures import OneLayer
from ..architectures.rectifiers import Rectifier, parabolic

__all__ = [
    "PLAIN",
    "SMOOTHED",
    "Climbed",
    "LocalMaxima",
    "climb",
    "distinct",
    "draw_starts",
    "maxima_at",
    "sharpen",
]


class Climbed(Protocol):
    """What climbs ask of an architecture, or of its directions in other coordinates."""

    def spread(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return the root mean squares of what enters the rectifiers."""

    def correlate(
        self,
        X: np.ndarray,
        v: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return correlations, and their derivatives by the directions."""


#: Stages of a climb that is not to stall at kinks: widths of the smoothing, relative to
#: the spread of a unit's pre-activations, and first steps.
SMOOTHED = ((1.0, 1.0), (0.3, 0.5), (0.1, 0.3), (0.03, 0.1), (0.01, 0.05), (0.0, 0.03))

#: The only stage of a climb from directions that are nearly maxima already.
PLAIN = ((0.0, 1.0),)

#: Relative step below which a stage has ended.
_SHORTEST_STEP = 1e-3


@dataclass(frozen=True)
class LocalMaxima:
    """Directions at which climbing ended.

    Attributes
    ----------
    directions : ndarray of shape (d, n_directions)
        Unit vectors.
    values : ndarray of shape (n_directions,)
        ``abs(v' phi)`` at each.
    signs : ndarray of shape (n_directions,)
        Signs of ``v' phi``: those of the output weight that lowers the loss.
    """

    directions: np.ndarray
    values: np.ndarray
    signs: np.ndarray

    @property
    def largest(self) -> float:
        """Largest value found, a lower bound on the price."""
        return float(self.values.max(initial=0.0))

    def joined(self, other: LocalMaxima) -> LocalMaxima:
        """Return the maxima of both."""
        return LocalMaxima(
            np.concatenate([self.directions, other.directions], axis=1),
            np.concatenate([self.values, other.values]),
            np.concatenate([self.signs, other.signs]),
        )

    def take(self, index: np.ndarray | slice) -> LocalMaxima:
        """Return some of the maxima."""
        return LocalMaxima(
            self.directions[:, index], self.values[index], self.signs[index]
        )


def draw_starts(
    white: np.ndarray,
    n_starts: int,
    random_state: np.random.RandomState,
    near: np.ndarray,
) -> np.ndarray:
    """Draw directions to climb from: Gaussian, whitened, and close to given ones.

    Parameters
    ----------
    white : ndarray of shape (d, d)
        From :func:`whitening`; it shapes the second half of the random directions.
    n_starts : int
        Number of random directions.
    random_state : numpy.random.RandomState
        Source of the directions.
    near : ndarray of shape (d, m)
        Directions, the longest `n_starts` of which are slightly perturbed.

    Returns
    -------
    ndarray of shape (d, n_starts + min(m, n_starts))
        Directions, not normalised.
    """
    d = len(white)
    drawn = random_state.standard_normal((d, n_starts))
    drawn[:, n_starts // 2 :] = white @ drawn[:, n_starts // 2 :]
    norms = np.linalg.norm(near, axis=0)
    longest = np.argsort(-norms, kind="stable")[:n_starts]
    shaken = near[:, longest] / norms[longest]
    shaken = shaken + 0.3 / np.sqrt(d) * random_state.standard_normal(shaken.shape)
    return np.concatenate([drawn, shaken], axis=1)


def climb(
    architecture: Climbed,
    X: np.ndarray,
    v: np.ndarray,
    starts: np.ndarray,
    *,
    stages: tuple[tuple[float, float], ...] = SMOOTHED,
    n_steps: int = 15,
    rectifier: Rectifier = parabolic,
) -> np.ndarray:
    """Climb ``abs(v' phi(X; u))`` on the unit sphere from many starts at once.

    Steps along gradients stall at the kinks of the units, where most maxima lie; those
    of smoothed units do not. Within a stage every start has its own step, which doubles
    after success and shrinks after failure, so that no smoothed value ever falls.

    Parameters
    ----------
    architecture : Architecture
        Of :mod:`convexnn.architectures`, or its directions in other coordinates.
    X : ndarray of shape (n, d)
        Inputs. All is done in their precision.
    v : ndarray of shape (n,)
        Dual point.
    starts : ndarray of shape (d, n_starts)
        Directions other than zero.
    stages : tuple of (float, float), default=SMOOTHED
        Width of the smoothing and length of the first step of each stage: the width
        relative to the root mean square of the pre-activations, 0 for none.
    n_steps : int, default=15
        Steps of each stage.
    rectifier : callable, default=parabolic
        What stands for the rectifier of smoothed units, of
        :mod:`convexnn.architectures.rectifiers`.

    Returns
    -------
    ndarray of shape (d, n_starts)
        Unit vectors where the climbs ended.
    """
    directions = (starts / np.linalg.norm(starts, axis=0)).astype(X.dtype)
    v = v.astype(X.dtype)
    for width, first_step in stages:
        widths = width * architecture.spread(X, directions) if width else None

        def correlate(directions, chosen=slice(None), widths=widths):
            chosen = None if widths is None else widths[chosen]
            return architecture.correlate(X, v, directions, chosen, rectifier)

        _climb_stage(correlate, directions, first_step, n_steps)
    return directions


def _climb_stage(correlate, directions, first_step, n_steps):
    """Climb with units smoothed to some widths, moving the directions in place."""
    dtype = directions.dtype
    values, gradients = correlate(directions)
    signs = np.where(values >= 0, 1.0, -1.0).astype(dtype)
    values, gradients = np.abs(values), gradients * signs
    steps = np.full(len(values), first_step, dtype=dtype)
    rounding, tiny = 1 + 4 * np.finfo(dtype).eps, np.finfo(dtype).tiny
    for _ in range(n_steps):
        moving = np.flatnonzero(steps >= _SHORTEST_STEP)
        if not len(moving):
            break
        slopes = gradients[:, moving]
        size = np.maximum(np.linalg.norm(slopes, axis=0), tiny)
        trial = directions[:, moving] + steps[moving] * (slopes / size)
        lengths = np.linalg.norm(trial, axis=0)
        trial /= np.maximum(lengths, tiny)
        reached, ahead = correlate(trial, moving)
        reached *= signs[moving]
        better = (reached > values[moving] * rounding) & (lengths > tiny)
        gained = moving[better]
        directions[:, gained] = trial[:, better]
        gradients[:, gained] = ahead[:, better] * signs[gained]
        values[gained] = reached[better]
        steps[moving] *= np.where(better, 2.0, 0.25).astype(dtype)


def maxima_at(
    architecture: Climbed, X: np.ndarray, v: np.ndarray, directions: np.ndarray
) -> LocalMaxima:
    """Return ``abs(v' phi(X; u))`` at directions where climbing ended.

    Parameters
    ----------
    architecture : Architecture
        Of :mod:`convexnn.architectures`, or its directions in other coordinates.
    X : ndarray of shape (n, d)
        Inputs.
    v : ndarray of shape (n,)
        Dual point.
    directions : ndarray of shape (d, n_directions)
        Directions other than zero.

    Returns
    -------
    LocalMaxima
        One for every direction, in their order and in the precision of `X`.
    """
    directions = directions.astype(X.dtype)
    directions /= np.linalg.norm(directions, axis=0)
    values, _ = architecture.correlate(X, v, directions)
    return LocalMaxima(directions, np.abs(values), np.where(values >= 0, 1.0, -1.0))


def distinct(
    maxima: LocalMaxima,
    *,
    above: float = 0.0,
    at_most: int = 40,
    tolerance: float = 1e-3,
) -> LocalMaxima:
    """Return the largest maxima above a value, nearly equal ones once.

    Parameters
    ----------
    maxima : LocalMaxima
        From :func:`maxima_at`.
    above : float, default=0.0
        Smaller ones are left out.
    at_most : int, default=40
        Largest number to return.
    tolerance : float, default=1e-3
        Directions of the same sign are equal if 1 minus their cosine is below this.

    Returns
    -------
    LocalMaxima
        In descending order.
    """
    order = np.argsort(-maxima.values, kind="stable")
    order = order[maxima.values[order] > above]
    cosines = maxima.directions[:, order].T @ maxima.directions[:, order]
    is_equal = (cosines > 1 - tolerance) & np.equal.outer(
        maxima.signs[order], maxima.signs[order]
    )
    is_new, kept = np.ones(len(order), dtype=bool), list[int]()
    for j in range(len(order)):
        if is_new[j] and len(kept) < at_most:
            kept.append(j)
            is_new &= ~is_equal[j]
    return maxima.take(order[kept])


def sharpen(
    architecture: OneLayer, X: np.ndarray, v: np.ndarray, maxima: LocalMaxima
) -> LocalMaxima:
    """Move each direction on to a local maximum, exactly.

    Parameters
    ----------
    architecture : Architecture
        Of :mod:`convexnn.architectures`, or its directions in other coordinates.
    X : ndarray of shape (n, d)
        Inputs.
    v : ndarray of shape (n,)
        Dual point.
    maxima : LocalMaxima
        Where climbing ended.

    Returns
    -------
    LocalMaxima
        As many, none lower.
    """
    directions, values = maxima.directions.copy(), maxima.values.copy()
    for j, sign in enumerate(maxima.signs):
        direction, value = architecture.ascend_cells(X, sign * v, directions[:, j])
        if value > values[j]:
            directions[:, j], values[j] = direction, value
    return LocalMaxima(directions, values, maxima.signs)
