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
    """Return kinds, mean scores by set and method, and seconds by method and set.

    Sets that lack a method which others have are left out, and methods without any
    result.
    """
    kinds, scores, seconds = {}, defaultdict(dict), defaultdict(dict)
    found = defaultdict(list)
    for row in rows:
        kinds[row["set"]] = row["kind"]
        found[row["set"], row["method"]].append(row)
    for (name, method), group in found.items():
        halves = [float(row[f"{half} score"]) for row in group for half in _HALVES]
        scores[name][method] = float(np.mean(halves))
        seconds[method][name] = sum(float(row["CPU s"]) for row in group)
    methods = [name for name in METHODS if name in seconds]
    complete = [name for name in scores if len(scores[name]) == len(methods)]
    table = np.array(
        [[scores[name][method] for method in methods] for name in complete]
    )
    return complete, methods, kinds, table, seconds


def mean_ranks(table):
    """Return the mean rank of each column; the largest score of a row ranks first."""
    return rankdata(-np.round(table, 6), axis=1).mean(axis=0)


def critical_difference(n_methods, n_sets):
    """Return Nemenyi's critical difference of mean ranks (Demsar, section 3.2.2)."""
    quantile = studentized_range.ppf(1 - LEVEL, n_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))


def report(path, folder):
    """Print and write the tables, and draw the picture."""
    names, methods, kinds, table, seconds = collect(read(path))
    if not names:
        print("no set has results of all methods")
        return
    scores = [("set", "kind", *methods)]
    for name, values in zip(names, table, strict=True):
        scores.append((name, kinds[name], *(f"{value:.3f}" for value in values)))
    masks = {
        kind: np.array([kinds[name] == kind for name in names])
        for kind in ("classification", "regression")
    }
    columns = {
        "mean rank": mean_ranks(table),
        **{f"{kind} rank": _over(table, mask) for kind, mask in masks.items()},
        "mean accuracy": _mean(table, masks["classification"]),
        "mean R2": _mean(table, masks["regression"]),
        "CPU s": [sum(seconds[method][name] for name in names) for method in methods],
    }
    order = np.argsort(columns["mean rank"], kind="stable")
    ranks = [("method", *columns)]
    for k in order:
        digits = [2, 2, 2, 3, 3, 0]
        values = zip(columns.values(), digits, strict=True)
        ranks.append((methods[k], *(f"{column[k]:.{j}f}" for column, j in values)))
    show(scores)
    print()
    show(ranks)
    write_table(path.parent, "uci_scores", scores)
    write_table(path.parent, "uci_ranks", ranks)
    write_table(path.parent, "uci_seconds", _seconds(names, methods, seconds))
    if len(names) > 2 and len(methods) > 2:
        difference = critical_difference(len(methods), len(names))
        p = friedmanchisquare(*np.round(table, 6).T).pvalue
        print(f"Friedman p = {p:.2g}; critical difference {difference:.2f} ({LEVEL})")
        draw(methods, mean_ranks(table), difference, folder / "images" / "uci.png")


def _seconds(names, methods, seconds):
    yield "set", *methods
    for name in names:
        yield name, *(f"{seconds[method][name]:.1f}" for method in methods)


def _over(table, mask):
    """Return mean ranks over some sets, nan over none."""
    return mean_ranks(table[mask]) if mask.any() else np.full(table.shape[1], np.nan)


def _mean(table, mask):
    """Return mean scores over some sets, nan over none."""
    return table[mask].mean(axis=0) if mask.any() else np.full(table.shape[1], np.nan)
