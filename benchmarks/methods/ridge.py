"""Ridge regression whose penalty is chosen by folds or by rows held out."""

from __future__ import annotations

import numpy as np

__all__ = ["N_FOLDS", "PENALTIES", "Ridge", "balance", "beside", "held_out"]

N_FOLDS, PENALTIES = 5, np.logspace(-1, 4, 16)


class Ridge:
    """Ridge regression with an intercept, its penalty chosen by cross-validation.

    All penalties share the eigenvectors of a fold's Gram matrix.
    """

    def fit(self, features, y, penalty=None):
        self.centre, self.offset = features.mean(axis=0), y.mean()
        features, y = features - self.centre, y - self.offset
        gram, moment = features.T @ features, features.T @ y
        if penalty is None:
            penalty, self.validated = _choose(_folds(features, y, gram, moment))
        self.penalty = penalty
        self.weights = _path(gram, moment, np.array([penalty]))[:, 0]
        return self

    def predict(self, features):
        return (features - self.centre) @ self.weights + self.offset


def _folds(features, y, gram, moment):
    """Return the residuals of all rows, each left out once, for all penalties."""
    residuals = np.empty((len(y), len(PENALTIES)))
    for fold in range(N_FOLDS):
        left, labels = features[fold::N_FOLDS], y[fold::N_FOLDS]
        paths = _path(gram - left.T @ left, moment - left.T @ labels)
        residuals[fold::N_FOLDS] = left @ paths - labels[:, None]
    return residuals


def held_out(features, y, cut):
    """Return the penalty that predicts the rows from `cut` on best, and its error."""
    centre, offset = features[:cut].mean(axis=0), y[:cut].mean()
    features, y = features - centre, y - offset
    known, labels = features[:cut], y[:cut]
    paths = _path(known.T @ known, known.T @ labels)
    return _choose(features[cut:] @ paths - y[cut:, None])


def _choose(residuals):
    """Return the penalty of the column of least squares, and its error."""
    squares = np.mean(residuals**2, axis=0)
    best = int(squares.argmin())
    return PENALTIES[best], float(np.sqrt(squares[best]))


def _path(gram, moment, penalties=PENALTIES):
    """Return the weights for some penalties, one a column."""
    values, vectors = np.linalg.eigh(gram)
    coordinates = (vectors.T @ moment)[:, None]
    return vectors @ (coordinates / (np.maximum(values, 0)[:, None] + penalties))


def beside(images, extra, scale):
    """Return pixels and features side by side."""
    return np.hstack([images, scale * extra])


def balance(images, extra):
    """Return the factor that gives features the spread of the pixels."""
    return images.std() / (extra.std() or 1.0)
