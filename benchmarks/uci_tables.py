"""Scores, ranks and their statistics from the stored results of ``uci.py``.

Ranks are of the mean score on a set, 1 for the best, ties sharing their mean
(J. Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
2006): Friedman's test asks whether all methods are alike, and methods whose mean ranks
differ by less than Nemenyi's critical difference are not told apart. Ranks and means
are over the sets on which all methods have results.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from results import write_table
from scipy.stats import friedmanchisquare, rankdata, studentized_range
from two_layer_tables import show
from uci_methods import KIN, NAMES, OURS, TREES
from uci_picture import draw

__all__ = ["COLUMNS", "collect", "critical_difference", "key", "mean_ranks", "read"]
__all__ += ["report"]

#: Columns of the stored results.
COLUMNS = (
    *("set", "kind", "n", "d", "training rows", "split", "method"),
    *("score", "CPU s"),
)

#: Level of the tests.
LEVEL = 0.05

#: Whose CPU seconds those of convexnn are compared with.
RIVAL = "MLP"


class Results(NamedTuple):
    """Mean results over the splits of a set that all methods with results on it have.

    Attributes
    ----------
    sets : list of dict
        Name, kind, number of rows, and number of splits that count, of each set.
    methods : list of str
        Methods with any result.
    scores, seconds : ndarray of shape (n_sets, n_methods)
        Mean score and CPU seconds of a split; nan where a method lacks the set.
    """

    sets: list
    methods: list
    scores: np.ndarray
    seconds: np.ndarray

    def complete(self, kind=None):
        """Return which sets, of a kind, all methods have results on."""
        is_kind = [kind in (None, about["kind"]) for about in self.sets]
        return np.isfinite(self.scores).all(axis=1) & np.array(is_kind, dtype=bool)

    def among(self, group):
        """Return the indices of the methods of a group."""
        return [k for k, method in enumerate(self.methods) if method in group]


def key(row):
    """Return what identifies a result."""
    return row["set"], int(row["split"]), row["method"]


def read(path):
    """Return the stored results as dictionaries."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def collect(rows):
    """Return the results; sets without a split in common are left out."""
    found = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        name, split, method = key(row)
        found[name][method][split] = float(row["score"]), float(row["CPU s"])
    abouts = {row["set"]: (row["kind"], int(row["n"])) for row in rows}
    present = {method for by_method in found.values() for method in by_method}
    methods = [name for name in NAMES if name in present]
    sets, means = [], []
    for name in sorted(found, key=abouts.get):
        common = set.intersection(*map(set, found[name].values()))
        if common:
            kind, n = abouts[name]
            sets.append({"set": name, "kind": kind, "n": n, "splits": len(common)})
            means.append([_mean_over(found[name].get(k), common) for k in methods])
    means = np.array(means).reshape(len(sets), len(methods), 2)
    return Results(sets, methods, means[..., 0], means[..., 1])


def _mean_over(by_split, splits):
    """Return mean score and seconds of a method, nan if it has none."""
    if by_split is None:
        return np.full(2, np.nan)
    return np.mean([by_split[split] for split in splits], axis=0)


def mean_ranks(table):
    """Return the mean rank of each column; the largest score of a row ranks first."""
    return rankdata(-np.round(table, 6), axis=1).mean(axis=0)


def critical_difference(n_methods, n_sets):
    """Return Nemenyi's critical difference of mean ranks (Demsar, section 3.2.2)."""
    quantile = studentized_range.ppf(1 - LEVEL, n_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_sets)))


def report(path, folder, methods=NAMES):
    """Print and write the tables of some methods, and draw the picture."""
    rows = [row for row in read(path) if row["method"] in methods]
    results = collect(rows)
    for line in _gaps(results, {row["set"] for row in rows}):
        print(line)
    if not results.sets:
        print(f"no results to report of {', '.join(methods)}")
        return
    for name, table in {
        "uci_scores": _scores(results),
        "uci_seconds": _seconds(results),
        "uci_trees": _beside(results, TREES, "best trees"),
        "uci_kin": _beside(results, KIN, "best other"),
        "uci_ranks": _ranks(results),
        "uci_targets": _targets(results),
    }.items():
        print(f"\n{name}")
        show(table)
        write_table(path.parent, name, table)
    _tell_apart(results, folder / "images" / "uci.png")


def _gaps(results, names):
    """Yield what keeps sets out of the tables or out of the ranks."""
    for name in sorted(names - {about["set"] for about in results.sets}):
        yield f"{name}: left out, its methods have no split in common"
    for about, values in zip(results.sets, results.scores, strict=True):
        missing = [results.methods[k] for k in np.flatnonzero(np.isnan(values))]
        if missing:
            yield f"{about['set']}: not ranked, without {', '.join(missing)}"


def _shown(values, digits):
    """Return values as text, nothing for nan."""
    return ["" if np.isnan(value) else f"{value:.{digits}f}" for value in values]


def _scores(results):
    """Return the table of scores."""
    table = [("set", "kind", "n", "splits", *results.methods)]
    for about, values in zip(results.sets, results.scores, strict=True):
        table.append((*about.values(), *_shown(values, 3)))
    return table


def _seconds(results):
    """Return the table of CPU seconds."""
    table = [("set", *results.methods)]
    for about, values in zip(results.sets, results.seconds, strict=True):
        table.append((about["set"], *_shown(values, 2)))
    return table


def _ranks(results):
    """Return the table of mean ranks, mean scores and seconds."""
    scores, ranked = results.scores, results.complete()
    kin, rank_of_kin = results.among(KIN), np.full(len(results.methods), np.nan)
    rank_of_kin[kin] = _over(mean_ranks, scores[:, kin], ranked)
    columns = {
        "mean rank": (_over(mean_ranks, scores, ranked), 2),
        "rank without trees and k-NN": (rank_of_kin, 2),
        "mean accuracy": (_mean(scores, results.complete("classification")), 3),
        "mean R2": (_mean(scores, results.complete("regression")), 3),
        "CPU s": (_over(lambda x: x.sum(axis=0), results.seconds, ranked), 1),
    }
    order = np.argsort(columns["mean rank"][0], kind="stable")
    shown = [_shown(values[order], digits) for values, digits in columns.values()]
    methods = [results.methods[k] for k in order]
    return [("method", *columns), *zip(methods, *shown, strict=True)]


def _over(function, table, mask):
    """Return a function of the rows of some sets, nan for none."""
    return function(table[mask]) if mask.any() else np.full(table.shape[1], np.nan)


def _mean(table, mask):
    """Return the mean of the rows of some sets, nan for none."""
    return _over(lambda rows: rows.mean(axis=0), table, mask)


def _differences(results, group):
    """Yield set, score of convexnn, best of a group, which, and the difference."""
    others = [k for k in results.among(group) if results.methods[k] != OURS]
    for about, values in zip(results.sets, results.scores, strict=True):
        having = [k for k in others if np.isfinite(values[k])]
        for k in results.among([OURS]):
            if having and np.isfinite(values[k]):
                best = max(having, key=lambda j: values[j])
                name, found = results.methods[best], values[best]
                yield about["set"], values[k], found, name, values[k] - found


def _beside(results, group, best):
    """Return the table of convexnn beside the best of a group, losses first."""
    table = [("set", OURS, best, "which", "difference")]
    for name, ours, found, which, difference in sorted(
        _differences(results, group), key=lambda found: found[-1]
    ):
        table.append((name, f"{ours:.3f}", f"{found:.3f}", which, f"{difference:+.3f}"))
    return table


def _targets(results):
    """Return the table of what the comparison comes down to."""
    n_ranked = np.count_nonzero(results.complete())
    return [
        ("what", "found", "where"),
        *_speed(results),
        *_losses(results),
        ("sets that are ranked", f"{n_ranked} of {len(results.sets)}", ""),
    ]


def _speed(results):
    """Return the lines on CPU seconds, none without both methods on a set."""
    if not {OURS, RIVAL} <= set(results.methods):
        return []
    both = results.seconds[:, [results.methods.index(k) for k in (OURS, RIVAL)]]
    has_both = np.isfinite(both).all(axis=1)
    if not has_both.any():
        return []
    ours, rivals = both[has_both].T
    at = np.argmax(ours / rivals)
    where = results.sets[np.flatnonzero(has_both)[at]]["set"]
    what = f"CPU s of {OURS} over those of {RIVAL}"
    return [
        (f"{what}, sums", f"{ours.sum() / rivals.sum():.2f}", f"{len(ours)} sets"),
        (f"{what}, largest of a set", f"{ours[at] / rivals[at]:.2f}", where),
    ]


def _losses(results):
    """Return the lines on the best ensemble of trees, none without one."""
    found = {name: difference for name, *_, difference in _differences(results, TREES)}
    if not found:
        return []
    worst = min(found, key=found.get)
    # Ties of scores differ by rounding alone.
    n_held = sum(difference > -1e-6 for difference in found.values())
    return [
        (f"{OURS} less the best trees, smallest", f"{found[worst]:+.3f}", worst),
        (f"sets where {OURS} is no worse", f"{n_held} of {len(found)}", ""),
    ]


def _tell_apart(results, path):
    """Print Friedman's test and draw the mean ranks, from three sets and methods on."""
    table = results.scores[results.complete()]
    if min(table.shape) < 3:
        return
    difference = critical_difference(table.shape[1], len(table))
    p = friedmanchisquare(*np.round(table, 6).T).pvalue
    print(f"\nFriedman p = {p:.2g}; critical difference {difference:.2f} ({LEVEL})")
    draw(results.methods, mean_ranks(table), difference, path)
