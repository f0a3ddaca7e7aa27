"""Coordinates in which the inputs are white."""

from __future__ import annotations

import numpy as np

from ..programs.row_space import row_space

__all__ = ["preconditioner", "whitening"]

#: Smallest eigenvalue of the second moments of features of one scale that is whitened,
#: relative to the largest.
_FLOOR = 1e-6


def whitening(X: np.ndarray) -> np.ndarray:
    """Return the matrix that turns Gaussian vectors into directions white over X.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.

    Returns
    -------
    ndarray of shape (d, d)
        Directions g = whitening @ z have values X g of even spread, up to directions
        in which X hardly varies; there is nothing in those in which it does not.
    """
    space = row_space(X)
    if space is not None:
        # Squares of the smallest directions are lost beside that of the mean.
        return space.whitening
    values, vectors = np.linalg.eigh(X.T @ X)
    varies = values >= 1e-12 * values[-1]
    return vectors * varies / np.sqrt(np.maximum(values, 1e-8 * values[-1] or 1.0))


def preconditioner(X: np.ndarray) -> np.ndarray:
    """Return the invertible matrix T for which the columns of ``X T`` are nearly white.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.

    Returns
    -------
    ndarray of shape (d, d)
        The matrix.
    """
    scales = np.sqrt(np.mean(X**2, axis=0))
    scales = np.where(scales > 0, scales, 1.0)
    scaled = X / scales
    values, vectors = np.linalg.eigh(scaled.T @ scaled / len(X))
    values = np.maximum(values, _FLOOR * max(values[-1], 1e-300))
    return ((vectors / np.sqrt(values)) @ vectors.T) / scales[:, None]
