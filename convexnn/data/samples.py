"""The rows a program sees: weights applied, duplicates merged, magnitudes normalised.

Every quantity is chosen so that the program over these samples is equivalent, up
to a known factor, to the one over the caller's rows. Rows of weight zero are
dropped and equal rows are merged before any activation pattern is drawn, which
makes a weight of two mean the same as a repeated row, and the order of the rows
irrelevant: bit for bit, since the steps of a search amplify any rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..programs.losses import LOSSES
from ..programs.program import pool
from .patches import Patches, PatchGrid

__all__ = ["Samples", "beyond_rounding", "collect_samples", "without_last_digits"]

#: Error of a target's deviation from the mean, relative to the target.
_ROUNDING = 4 * float(np.finfo(float).eps)

#: Numbers that are kept apart between 0 and 1.
_FINEST = 2.0**40


@dataclass(frozen=True)
class Samples:
    """Distinct weighted rows in the units the solvers work in.

    Parameters
    ----------
    X : ndarray of shape (n_distinct * n_patches, n_inputs), float64
        Distinct rows divided by `x_scale`, or their patches. With a hidden bias the
        last column is the constant one (divided by `x_scale` like the others).
    y : ndarray of shape (n_distinct,) or (n_distinct, q), float64
        Weighted mean of the targets of each row, less `y_offset`, divided by
        `y_scale`, to 40 binary digits; of repeated rows, for squares alone.
    weights : ndarray of shape (n_distinct,), float64
        Sum of the sample weights of each row, divided by `weight_scale`.
    within : float
        Half the weighted sum of squares of the targets around their row's mean,
        in units of `objective_scale`: the part of the loss that no network can
        change.
    x_scale : float
        A power of two, so that scaling is free of rounding: columns far from zero have
        no digit to spare.
    y_scale, weight_scale : float
        Largest magnitudes, which become 1: searches then take the same steps whatever
        the units of the data.
    y_offset : float or ndarray of shape (q,)
        Weighted mean of the targets where an output intercept is fitted, else 0; 0
        for labels.
    has_bias : bool
        Whether the column of ones is there.
    """

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray
    within: float = 0.0
    x_scale: float = 1.0
    y_scale: float = 1.0
    weight_scale: float = 1.0
    y_offset: float | np.ndarray = 0.0
    has_bias: bool = False

    @property
    def n_patches(self) -> int:
        """Rows of `X` for each target."""
        return len(self.X) // len(self.y)

    @property
    def objective_scale(self) -> float:
        """Factor from objective values here to those in the caller's units."""
        return self.y_scale**2 * self.weight_scale

    @property
    def beta_scale(self) -> float:
        """Factor from penalties here to those in the caller's units."""
        return self.x_scale * self.y_scale * self.weight_scale


def largest(values: np.ndarray) -> float:
    """Return ``max(abs(values))``; 1 for zeros."""
    return float(np.max(np.abs(values), initial=0.0)) or 1.0


def without_last_digits(values: np.ndarray) -> np.ndarray:
    """Return numbers of magnitude up to 1, rounded to multiples of 2^-40, or 1e-12.

    Other units of the data move the last digits of normalised numbers, and the
    steps of a search magnify any difference: rounded, they are the same numbers.
    """
    return np.round(values * _FINEST) / _FINEST


def power_of_two(values: np.ndarray) -> float:
    """Return the largest power of two not above ``max(abs(values))``; 1 for zeros."""
    largest = float(np.max(np.abs(values), initial=0.0))
    return float(2.0 ** np.floor(np.log2(largest))) if largest > 0 else 1.0


def collect_samples(
    X: ArrayLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    fit_intercept: bool = True,
    grid: PatchGrid | None = None,
    loss: str = "squared",
) -> Samples:
    """Merge, weight and scale the rows of a problem.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Finite inputs.
    y : ndarray of shape (n_samples,) or (n_samples, q)
        Finite targets, or labels as the loss has them.
    sample_weight : ndarray of shape (n_samples,), default=None
        Non-negative weights, not all zero; None stands for ones.
    fit_intercept : bool, default=True
        Append a column of ones (the hidden bias) and centre the targets (the
        output intercept).
    grid : PatchGrid, default=None
        Where the patches of the inputs lie; None for the inputs themselves.
    loss : str, default="squared"
        A name of :data:`~convexnn.programs.losses.LOSSES`. Rows of equal inputs and
        different targets are one row for squares alone.

    Returns
    -------
    Samples
        Rows of weight zero dropped, equal rows merged.
    """
    X = np.asarray(X, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    weights = (
        np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, float)
    )
    kept = weights > 0
    X, y, weights = X[kept], y[kept], weights[kept]

    weight_scale = power_of_two(weights)
    X, y, weights = _merge_equal_samples(X, y, weights / weight_scale)
    group = np.cumsum(_is_new(X)) - 1
    # Repeated rows of weight one are to have the scale of one row with their count.
    left = largest(np.bincount(group, weights=weights))
    weights, weight_scale = weights / left, weight_scale * left
    has_labels = LOSSES[loss].has_labels
    y_offset: float | np.ndarray = 0.0
    if fit_intercept and not has_labels:
        mean = np.average(y, weights=weights, axis=0)
        # Far from zero a mean has lost digits that the deviations from it still have.
        rest = np.average(y - mean, weights=weights, axis=0)
        # Of equal targets nothing but the rounding of their mean would be left.
        is_constant = np.all(y == y[0], axis=0)
        y_offset = np.where(is_constant, y[0], mean + rest)
        y_offset = float(y_offset) if y.ndim == 1 else y_offset
        y = np.where(is_constant, 0.0, (y - mean) - rest)
    y_scale = 1.0 if has_labels else largest(y)
    y = y if has_labels else without_last_digits(y / y_scale)

    rows, within = X, 0.0
    if loss == "squared":
        rows = X[_is_new(X)]
        y, weights, within = _average_targets(y, weights, group)
    if grid is not None:
        rows = Patches(rows, grid).stacked()
    if fit_intercept:
        rows = np.column_stack([rows, np.ones(len(rows))])
    x_scale = power_of_two(rows)
    return Samples(
        X=rows / x_scale,
        y=y,
        weights=weights,
        within=within,
        x_scale=x_scale,
        y_scale=y_scale,
        weight_scale=weight_scale,
        y_offset=y_offset,
        has_bias=fit_intercept,
    )


def beyond_rounding(beta_max: float, samples: Samples) -> float:
    """Return beta_max, or 0 where the rounding of constant targets explains it.

    Parameters
    ----------
    beta_max : float
        Of the samples, in the caller's units.
    samples : Samples
        What it was computed from.

    Returns
    -------
    float
        `beta_max` or 0.
    """
    offset = np.abs(samples.y_offset) / samples.y_scale
    sizes = (np.abs(samples.y) + offset).reshape(len(samples.y), -1).sum(axis=1)
    norms = pool(np.linalg.norm(samples.X, axis=1), samples.n_patches)
    limit = _ROUNDING * float(samples.weights @ (sizes * norms))
    return float(beta_max) if beta_max > limit * samples.beta_scale else 0.0


def _average_targets(
    y: np.ndarray, weights: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return mean targets and total weights of groups, and the squares around them."""
    first = np.flatnonzero(np.diff(group, prepend=-1))
    total = np.bincount(group, weights=weights)
    mean, within = y[first], 0.0
    for target, column in zip(_columns(y), _columns(mean), strict=True):
        # Around one target, equal targets average to themselves without rounding.
        above = np.bincount(group, weights=weights * (target - column[group]))
        column += above / total
        within += 0.5 * float(np.sum(weights * (target - column[group]) ** 2))
    return mean, total, within


def _columns(array: np.ndarray) -> np.ndarray:
    """Return views of the columns of a matrix, or of a vector as the only one."""
    return array.reshape(len(array), -1).T


def _merge_equal_samples(
    X: np.ndarray, y: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct pairs of a row and a target, sorted, and their weights.

    Each weight is the correctly rounded sum of its pair's weights: that of k
    repetitions is k times one weight, and no order of the rows gives another.
    """
    # -0.0 and 0.0 are the same number but not the same bytes.
    X, y = X + 0.0, y + 0.0
    order = np.lexsort((*_columns(y)[::-1], *X.T[::-1]))
    X, y, weights = X[order], y[order], weights[order]
    first = np.flatnonzero(_is_new(np.column_stack([X, y])))
    total = weights[first]
    ends = np.append(first[1:], len(y))
    for k in np.flatnonzero(ends - first > 1):
        total[k] = math.fsum(weights[first[k] : ends[k]])
    return X[first], y[first], total


def _is_new(rows: np.ndarray) -> np.ndarray:
    """Return which of some sorted rows differ from the one before."""
    differs = np.any(rows[1:] != rows[:-1], axis=1)
    return np.concatenate([[True], differs])
