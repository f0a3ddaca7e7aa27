"""Measures that several experiments share: CPU seconds, means, ranks."""

from __future__ import annotations

import time

import numpy as np
from scipy.stats import rankdata, studentized_range

__all__ = ["critical_difference", "fitted", "interleaved", "mean_ranks", "timed"]
__all__ += ["relative_error", "rmse"]


def timed(action, *arguments, **settings):
    """Return what an action returns, and its CPU seconds."""
    started = time.process_time()
    result = action(*arguments, **settings)
    return result, time.process_time() - started


def fitted(model, X, y):
    """Return a fitted estimator and its CPU seconds."""
    return timed(model.fit, X, y)


def interleaved(actions, repeats):
    """Return results and median CPU seconds of actions that take turns, by name."""
    results, seconds = {}, {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            results[name], spent = timed(action)
            seconds[name].append(spent)
    return results, {name: float(np.median(all_)) for name, all_ in seconds.items()}


def rmse(found, y):
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((found - y) ** 2)))


def relative_error(found, w):
    """Return the distance of a vector, or of the nearest column, relative to w."""
    found = found.reshape(len(w), -1)
    return float(np.linalg.norm(found - w[:, None], axis=0).min() / np.linalg.norm(w))


def mean_ranks(table):
    """Return the mean rank of each column; the largest score of a row ranks first."""
    return rankdata(-np.round(table, 6), axis=1).mean(axis=0)


def critical_difference(n_methods, n_sets, level=0.05):
    """Return Nemenyi's critical difference of mean ranks.

    J. Demsar, "Statistical comparisons of classifiers over multiple data sets",
    JMLR 7, 2006, section 3.2.2.
    """
    quantile = studentized_range.ppf(1 - level, n_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))
