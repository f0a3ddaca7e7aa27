"""What the estimators check; the one place that imports scikit-learn's internals."""

from __future__ import annotations

import math
import sys
import warnings
from contextlib import contextmanager
from inspect import signature
from numbers import Integral, Real

import numpy as np
from scipy.sparse import issparse
from sklearn.base import _fit_context
from sklearn.exceptions import EfficiencyWarning
from sklearn.utils import validation as _validation
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_X_y,
    column_or_1d,
)

__all__ = [
    "DENSE_LIMIT",
    "DIRECTIONS",
    "Integral",
    "Interval",
    "Real",
    "StrOptions",
    "all_or_nothing",
    "as_dense",
    "check_block_gates",
    "check_direction",
    "check_gates",
    "check_labelled_samples",
    "check_objective",
    "check_penalty",
    "check_range",
    "check_samples",
    "check_unused",
    "check_weights",
    "fit_context",
    "is_routing_enabled",
    "validate_data",
    "validate_params",
    "warn_user",
]

#: Most entries that a sparse X may have once it is dense: 800 MB in float64.
DENSE_LIMIT = 100_000_000

#: Squares of targets beyond this overflow in float64.
_LARGEST_TARGET = 1e150

#: Modules whose calls are not the user's: ours, and those of decorators.
_INSIDE = (
    f"{__name__.partition('.')[0]}.",
    "sklearn.base",
    "sklearn.utils._param_validation",
)

#: Directions of the relaxation of convolutional networks that are not arrays.
DIRECTIONS = ("data", "gaussian", "antithetic")

fit_context = _fit_context(prefer_skip_nested_validation=True)
is_routing_enabled = _routing_enabled


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


def as_dense(X, *, is_told=True):
    """Return inputs as they are, and sparse ones as an array.

    Parameters
    ----------
    X : array-like or sparse matrix or array
        Inputs, not validated otherwise.
    is_told : bool, default=True
        Whether to warn of sparse ones.

    Returns
    -------
    array-like
        The same inputs, not sparse.

    Raises
    ------
    ValueError
        If they are sparse and would have more than :data:`DENSE_LIMIT` entries.

    Warns
    -----
    EfficiencyWarning
        If they are sparse, and `is_told`.

    Examples
    --------
    >>> from scipy.sparse import eye_array
    >>> from convexnn.checks import as_dense
    >>> as_dense(eye_array(2), is_told=False)
    array([[1., 0.],
           [0., 1.]])
    """
    if not issparse(X):
        return X
    size = math.prod(X.shape)
    if size > DENSE_LIMIT:
        raise ValueError(
            f"X is sparse, of shape {X.shape}. Networks are trained on dense arrays, "
            f"and made dense it would have {size:,} entries, more than the limit of "
            f"{DENSE_LIMIT:,}. Use fewer columns or rows; or, if memory allows, pass a "
            "dense array, such as encoders return with sparse_output=False."
        )
    if is_told:
        warn_user(
            f"X is sparse, of shape {X.shape}, and was made dense, with {size:,} "
            "entries: networks are trained on dense arrays. Pass a dense array to "
            "avoid this warning; encoders return one with sparse_output=False.",
            EfficiencyWarning,
        )
    # Rows in memory one after the other, as sums run along memory.
    return X.toarray(order="C")


def warn_user(message, category=UserWarning):
    """Warn at the line that called the package, however many calls ago.

    Fits are reached by ways of different lengths, through scikit-learn's decorator of
    `fit` and of functions.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def validate_data(estimator, X, y="no_validation", *, reset=True, **checks):
    """Validate data as scikit-learn does, sparse inputs as the array they stand for.

    Parameters
    ----------
    estimator : estimator
        With `reset` gets `n_features_in_` and, for data frames, `feature_names_in_`;
        otherwise X has to agree with these.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs. Sparse ones go through :func:`as_dense`, with a warning if `reset`:
        once a fit, and never in predictions.
    y : array-like, default="no_validation"
        Targets.
    reset : bool, default=True
        True in fits.
    **checks
        Of :func:`sklearn.utils.validation.check_array`.

    Returns
    -------
    ndarray or tuple of ndarray
        X, and y where it was given.

    Raises
    ------
    ValueError
        If the data is not as asked for, or too large to be made dense.
    """
    X = as_dense(X, is_told=reset)
    return _validation.validate_data(estimator, X, y, reset=reset, **checks)


def check_samples(estimator, X, y, *, multi_output=False):
    """Validate a regression problem and return it with floating-point inputs.

    Parameters
    ----------
    estimator : estimator or None
        Gets `n_features_in_` and, for data frames, `feature_names_in_`.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Finite, real. float32 is kept; everything else becomes float64. Sparse inputs
        are made dense, with an EfficiencyWarning, up to 1e8 entries.
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
        X, y = check_X_y(as_dense(X), y, **settings)
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
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Finite, real. float32 is kept; everything else becomes float64. Sparse inputs
        are made dense, with an EfficiencyWarning, up to 1e8 entries.
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


def check_unused(estimator, chooser, users):
    """Refuse parameters that are set where what was chosen does not use them.

    Parameters
    ----------
    estimator : estimator
        Whose parameters they are.
    chooser : str
        The parameter that chooses.
    users : dict of str to tuple of str
        Values of `chooser` that use a parameter, by the name of this.

    Raises
    ------
    ValueError
        If one is not at its default, and `chooser` is another value.
    """
    chosen = getattr(estimator, chooser)
    defaults = signature(type(estimator)).parameters
    for name, values in users.items():
        given, default = getattr(estimator, name), defaults[name].default
        is_left = given is default or (np.ndim(given) == 0 and given == default)
        if not is_left and chosen not in values:
            raise ValueError(
                f"{name}={given!r} is used by {chooser}="
                f"{' or '.join(map(repr, values))} only, got {chooser}={chosen!r}. "
                f"Leave {name}={default!r}."
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
