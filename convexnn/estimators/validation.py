"""What the estimators check; the one place that imports scikit-learn's internals."""

from __future__ import annotations

from contextlib import contextmanager
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_X_y,
    column_or_1d,
    validate_data,
)

from ..architectures import ARCHITECTURES

__all__ = [
    "CLASSIFICATION_CONSTRAINTS",
    "DIRECTIONS",
    "REGRESSION_CONSTRAINTS",
    "TRAINING_CONSTRAINTS",
    "Integral",
    "Interval",
    "Real",
    "StrOptions",
    "all_or_nothing",
    "check_block_gates",
    "check_direction",
    "check_gates",
    "check_labelled_samples",
    "check_objective",
    "check_penalty",
    "check_range",
    "check_samples",
    "check_weights",
    "fit_context",
    "validate_data",
    "validate_params",
]

#: Squares of targets beyond this overflow in float64.
_LARGEST_TARGET = 1e150

#: The loss of everything that predicts numbers, and of what predicts classes.
REGRESSION_CONSTRAINTS = {
    "loss": [StrOptions({"squared", "huber"})],
    "epsilon": [Interval(Real, 0, np.inf, closed="neither")],
}
CLASSIFICATION_CONSTRAINTS = {
    "loss": [StrOptions({"log_loss", "squared_hinge", "hinge"})],
    "class_weight": [dict, StrOptions({"balanced"}), None],
}

#: Parameters that everything that trains a network has.
TRAINING_CONSTRAINTS = {
    "activation": [StrOptions(set(ARCHITECTURES))],
    "solver": [str],
    "cells": [StrOptions({"auto", "sampled", "all"}), "array-like"],
    "n_cells": [Interval(Integral, 1, None, closed="left")],
    "fit_intercept": ["boolean"],
    "tol": [Interval(Real, 0, 1, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "max_neurons": [Interval(Integral, 1, None, closed="left"), None],
    "solver_options": [dict, None],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}

#: Directions of the relaxation of convolutional networks that are not arrays.
DIRECTIONS = ("data", "gaussian", "antithetic")

fit_context = _fit_context(prefer_skip_nested_validation=True)


@contextmanager
def all_or_nothing(estimator):
    """Put an estimator back into its former state if the block is left by any error."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def check_samples(estimator, X, y, *, multi_output=False):
    """Validate a regression problem and return it with floating-point inputs.

    Parameters
    ----------
    estimator : estimator or None
        Gets `n_features_in_` and, for data frames, `feature_names_in_`.
    X : array-like of shape (n_samples, n_features)
        Dense, finite, real. float32 is kept; everything else becomes float64.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Finite, real, at most 1e150 in magnitude.
    multi_output : bool, default=False
        Whether y may have several columns. A single column is read as a vector, with
        a DataConversionWarning.

    Returns
    -------
    X, y : ndarray
        The checked arrays.

    Raises
    ------
    ValueError
        If either is not as described.
    """
    settings = {
        "dtype": [np.float64, np.float32],
        "y_numeric": True,
        "multi_output": multi_output,
    }
    if estimator is None:
        X, y = check_X_y(X, y, **settings)
    else:
        X, y = validate_data(estimator, X, y, **settings)
    if issparse(y):
        raise ValueError("y must be dense, got a sparse matrix.")
    y = np.asarray(y, dtype=np.float64)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    largest = float(np.max(np.abs(y), initial=0.0))
    if largest > _LARGEST_TARGET:
        raise ValueError(
            f"y must not exceed {_LARGEST_TARGET:g} in magnitude, got {largest:g}: its "
            "squares overflow. Rescale y."
        )
    return X, y


def check_labelled_samples(estimator, X, y):
    """Validate a classification problem and return it with floating-point inputs.

    Parameters
    ----------
    estimator : estimator
        Gets `n_features_in_` and, for data frames, `feature_names_in_`.
    X : array-like of shape (n_samples, n_features)
        Dense, finite, real. float32 is kept; everything else becomes float64.
    y : array-like of shape (n_samples,)
        Labels: whole numbers, booleans or strings.

    Returns
    -------
    X, y : ndarray
        The checked arrays.

    Raises
    ------
    ValueError
        If either is not as described.
    """
    X, y = validate_data(estimator, X, y, dtype=[np.float64, np.float32])
    check_classification_targets(y)
    return X, y


def check_range(array, dtype):
    """Return an array in the data's precision, refusing what that cannot hold."""
    with np.errstate(over="ignore"):
        converted = np.asarray(array).astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(
            f"y is out of the range of {np.dtype(dtype).name}, the precision of X: the "
            "network's weights overflow. Rescale y, or pass X as float64."
        )
    return converted


def check_weights(sample_weight, X):
    """Return sample weights as float64, or None; finite, non-negative, not all zero."""
    if sample_weight is None:
        return None
    weights = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if not weights.any():
        raise ValueError("sample_weight must have a positive entry, got only zeros.")
    return weights


def check_gates(cells, n_inputs, fit_intercept):
    """Return gates given as an array, in float64, one a column.

    Raises
    ------
    ValueError
        If the shape is not (n_inputs, n_gates) with n_gates >= 1, or an entry is not
        finite.
    """
    gates = check_array(cells, dtype=np.float64, input_name="cells")
    if gates.shape[0] != n_inputs:
        rows = "n_features + 1 rows, the bias last (fit_intercept=True)"
        rows = rows if fit_intercept else "n_features rows"
        raise ValueError(
            f"cells as an array of gates must have {rows}: shape ({n_inputs}, "
            f"n_gates), got {gates.shape}."
        )
    return gates


def check_block_gates(cells, n_inputs, n_units, fit_intercept):
    """Return gates of three-layer blocks given as an array, in float64.

    Raises
    ------
    ValueError
        If the shape is not (n_blocks, n_inputs + 1, n_units) with n_blocks >= 1, or
        an entry is not finite.
    """
    gates = check_array(
        cells,
        dtype=np.float64,
        input_name="cells",
        allow_nd=True,
        ensure_2d=False,
        ensure_min_samples=0,
    )
    shape = (n_inputs + 1, n_units)
    if gates.ndim != 3 or gates.shape[1:] != shape or not len(gates):
        rows = "n_features weights, one bias (fit_intercept=True)"
        rows = rows if fit_intercept else "n_features weights"
        raise ValueError(
            "cells as an array of gates must hold, for each block and n_units="
            f"{n_units} columns, {rows} and one weight of the second layer: shape "
            f"(n_blocks, {shape[0]}, {shape[1]}) with n_blocks >= 1, got {gates.shape}."
        )
    return gates


def check_penalty(beta, scale):
    """Return beta divided by its scale, refusing what float64 cannot hold."""
    scaled = float(beta) / scale
    if not 0 < scaled < np.inf:
        raise ValueError(
            f"beta={beta!r} is out of range for data of this magnitude: divided by "
            f"the scale {scale:g} of the data it is {scaled:g}. Standardise X and y, "
            "or change beta."
        )
    return scaled


def check_objective(value):
    """Refuse an objective that overflowed in the caller's units."""
    if not np.isfinite(value):
        raise ValueError(
            "The objective overflows: y and sample_weight are too large together. "
            "Rescale one of them."
        )


def check_direction(direction, grid):
    """Return a direction of the relaxation: names as they are, arrays flattened.

    Raises
    ------
    ValueError
        If an array does not have the filter's size, or is not real, finite and
        different from zero.
    """
    if isinstance(direction, str):
        return direction
    array = np.asarray(direction)
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"direction must be one of {DIRECTIONS} or an array of real numbers, got "
            f"an array of {array.dtype}."
        )
    array = array.astype(np.float64).ravel()
    if array.size != grid.filter_size:
        raise ValueError(
            "direction as an array must have one entry for each of the "
            f"{grid.filter_size} weights of the filter of shape {grid.filter_shape}, "
            f"got shape {np.shape(direction)}."
        )
    if not np.isfinite(array).all() or not array.any():
        raise ValueError(
            "direction as an array must be finite and not zero, got "
            f"{'zeros' if np.isfinite(array).all() else 'NaN or infinity'}."
        )
    return array
