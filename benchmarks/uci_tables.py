"""Scores, ranks and their statistics from the stored results of ``uci.py``.

Ranks are of the mean score on a set, 1 for the best, ties sharing their mean
(J. Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
2006): Friedman's test asks whether all methods are alike, and methods whose mean ranks
differ by less than Nemenyi's critical difference are not told apart.
"""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
from results import write_table
from scipy.stats import friedmanchisquare, rankdata, studentized_range
from two_layer_tables import show
from uci_methods import METHODS
from uci_picture import draw

__all__ = ["COLUMNS", "critical_difference", "key", "mean_ranks", "read", "report"]

#: Columns of the stored results.
COLUMNS = (
    *("set", "kind", "n", "d", "training rows", "repeat", "method"),
    *("first score", "second score", "CPU s"),
)

#: Level of the tests.
LEVEL = 0.05

_HALVES = ("first", "second")


def key(row):
    """Return what identifies a result."""
    return row["set"], int(row["repeat"]), row["method"]


def read(path):
    """Return the stored results as dictionaries."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def collect(rows):
    """Return sets, methods, kinds, repeats, mean scores, and seconds of a repeat.

    Only the repeats of a set that all methods have are counted.

    Returns
    -------
    names, methods : list of str
        Sets with such a repeat, and the methods with any result.
    kinds, counts : dict
        Kind of each set, and number of its repeats that count.
    scores, seconds : ndarray of shape (n_sets, n_methods)
        Mean score over the halves; mean CPU seconds of a repeat, both its halves.
    """
    kinds = {row["set"]: row["kind"] for row in rows}
    present = {row["method"] for row in rows}
    methods = [name for name in METHODS if name in present]
    found_by = defaultdict(dict)
    for row in rows:
        halves = [float(row[f"{half} score"]) for half in _HALVES]
        found = np.mean(halves), float(row["CPU s"])
        found_by[row["set"], row["repeat"]][row["method"]] = found
    complete = defaultdict(list)
    for (name, _), found in found_by.items():
        if len(found) == len(methods):
            complete[name].append([found[method] for method in methods])
    names = [name for name in kinds if name in complete]
    means = np.array([np.mean(complete[name], axis=0) for name in names])
    means = means.reshape(len(names), len(methods), 2)
    counts = {name: len(complete[name]) for name in names}
    return names, methods, kinds, counts, means[..., 0], means[..., 1]


def mean_ranks(table):
    """Return the mean rank of each column; the largest score of a row ranks first."""
    return rankdata(-np.round(table, 6), axis=1).mean(axis=0)


def critical_difference(n_methods, n_sets):
    """Return Nemenyi's critical difference of mean ranks (Demsar, section 3.2.2)."""
    quantile = studentized_range.ppf(1 - LEVEL, n_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))


def report(path, folder):
    """Print and write the tables, and draw the picture."""
    names, methods, kinds, counts, table, seconds = collect(read(path))
    if not names:
        print("no set has results of all methods")
        return
    scores = [("set", "kind", "repeats", *methods)]
    for name, values in zip(names, table, strict=True):
        about = name, kinds[name], counts[name]
        scores.append((*about, *(f"{value:.3f}" for value in values)))
    masks = {
        kind: np.array([kinds[name] == kind for name in names])
        for kind in ("classification", "regression")
    }
    columns = {
        "mean rank": mean_ranks(table),
        **{f"{kind} rank": _over(table, mask) for kind, mask in masks.items()},
        "mean accuracy": _mean(table, masks["classification"]),
        "mean R2": _mean(table, masks["regression"]),
        "CPU s": seconds.sum(axis=0),
    }
    order = np.argsort(columns["mean rank"], kind="stable")
    ranks = [("method", *columns)]
    for k in order:
        digits = [2, 2, 2, 3, 3, 1]
        values = zip(columns.values(), digits, strict=True)
        ranks.append((methods[k], *(f"{column[k]:.{j}f}" for column, j in values)))
    show(scores)
    print()
    show(ranks)
    write_table(path.parent, "uci_scores", scores)
    write_table(path.parent, "uci_ranks", ranks)
    timed = [
        (name, *(f"{value:.2f}" for value in values))
        for name, values in zip(names, seconds, strict=True)
    ]
    write_table(path.parent, "uci_seconds", [("set", *methods), *timed])
    if len(names) > 2 and len(methods) > 2:
        difference = critical_difference(len(methods), len(names))
        p = friedmanchisquare(*np.round(table, 6).T).pvalue
        print(f"Friedman p = {p:.2g}; critical difference {difference:.2f} ({LEVEL})")
        draw(methods, mean_ranks(table), difference, folder / "images" / "uci.png")


def _over(table, mask):
    """Return mean ranks over some sets, nan over none."""
    return mean_ranks(table[mask]) if mask.any() else np.full(table.shape[1], np.nan)


def _mean(table, mask):
    """Return mean scores over some sets, nan over none."""
    return table[mask].mean(axis=0) if mask.any() else np.full(table.shape[1], np.nan)
