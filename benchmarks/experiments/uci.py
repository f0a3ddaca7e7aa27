"""Prediction on UCI sets: convexnn beside methods that people use, all of them tuned.

Three times, two thirds of the rows of a set are trained on, all of them, and the others
predicted; splits are stratified for classification and the same for all methods. A
method sees nothing but its training rows: scaling and the choice of settings, on
three inner folds, are part of its fit. Scores are accuracy and R2; the seconds are
CPU seconds to tune and fit. Every method runs on a split before the next split begins;
``--resume`` goes on where the last run stopped, and ``--report --methods`` restricts
the tables to some methods.

Ranks are of the mean score on a set, 1 for the best, ties sharing their mean
(J. Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
2006): Friedman's test asks whether all methods are alike, and methods whose mean ranks
differ by less than Nemenyi's critical difference are not told apart. Ranks and means
are over the sets on which all methods have results.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import friedmanchisquare
from sklearn.model_selection import train_test_split

from ..measures import critical_difference, fitted, mean_ranks
from ..methods.tuned import (
    INNER,
    KIN,
    METHODS,
    NAMES,
    OURS,
    TREES,
    make_method,
    versions,
)
from ..pictures import OURS as COLOUR
from ..pictures import plt
from ..problems.sets import CLASSIFICATION, REGRESSION, labelled, present
from ..run import Part
from ..tables import as_table

SETTINGS = {
    "sets": (*CLASSIFICATION, *REGRESSION),
    "methods": (),  # all by default
    "splits": 3,
    "most": 0,  # training rows, 0 for all
    "corner": False,  # of the grids
}
QUICK = {
    "sets": ("breast cancer", "wine", "diabetes"),
    **{"splits": 1, "most": 100, "corner": True},
}
CHOICES = {"methods": NAMES}
TRAINING = 2 / 3

#: Whose CPU seconds those of convexnn are compared with.
RIVAL = "MLP"


def split_rows(y, is_regression, split, most=0):
    """Return training and test rows of a split, at most so many to train on."""
    n_training = round(TRAINING * len(y))
    return train_test_split(
        np.arange(len(y)),
        train_size=min(most or n_training, n_training),
        stratify=None if is_regression else y,
        random_state=split,
    )


def problems(options):
    # The first fit of a process also loads the solver.
    make_method(OURS, True, 12, 2, quick=True).fit(np.eye(12, 2), np.arange(12.0))
    names = present(options.sets, options.data)
    for split in range(options.splits):
        yield from ({"set": name, "split": split} for name in names)


def measure(options, case, data):
    X, y, is_regression = data
    train, test = split_rows(y, is_regression, case["split"], options.most)
    shape = len(train), X.shape[1]
    model = make_method(case["method"], is_regression, *shape, quick=options.corner)
    _, seconds = fitted(model, X[train], y[train])
    return {
        "kind": "regression" if is_regression else "classification",
        **{"n": len(X), "d": X.shape[1], "training rows": len(train)},
        "score": float(model.score(X[test], y[test])),
        "CPU s": seconds,
    }


PARTS = {
    "uci": Part(
        "set | kind | n | d | training rows | split | method | score @.6f | CPU s @.3f",
        measure,
        problems,
        lambda options: [{"method": name} for name in options.methods or METHODS],
        lambda options, case: labelled(case["set"], options.data),
    )
}


def about(options):
    return {"splits": options.splits, "folds": INNER, **versions()}


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


def collect(rows):
    """Return the results; sets without a split in common are left out."""
    found, abouts = {}, {row["set"]: (row["kind"], row["n"]) for row in rows}
    for row in rows:
        splits = found.setdefault(row["set"], {}).setdefault(row["method"], {})
        splits[row["split"]] = row["score"], row["CPU s"]
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


def report(tables, options):
    asked = options.methods or NAMES
    rows = [row for row in tables["uci"] if row["method"] in asked]
    results = collect(rows)
    for name in sorted({row["set"] for row in rows} - {x["set"] for x in results.sets}):
        print(f"{name}: left out, its methods have no split in common")
    for about, values in zip(results.sets, results.scores, strict=True):
        missing = [results.methods[k] for k in np.flatnonzero(np.isnan(values))]
        if missing:
            print(f"{about['set']}: not ranked, without {', '.join(missing)}")
    if not results.sets:
        print(f"no results to report of {', '.join(asked)}")
        return
    yield "uci_scores", _by_set("set | kind | n | splits", results, results.scores, 3)
    yield "uci_seconds", _by_set("set", results, results.seconds, 2)
    yield "uci_trees", _beside(results, TREES, "best trees")
    yield "uci_kin", _beside(results, KIN, "best other")
    yield "uci_ranks", _ranks(results)
    yield "uci_targets", _targets(results)
    table = results.scores[results.complete()]
    if min(table.shape) >= 3:
        p = friedmanchisquare(*np.round(table, 6).T).pvalue
        difference = critical_difference(table.shape[1], len(table))
        names = ("Friedman p", "critical difference")
        yield "", [names, (f"{p:.2g}", f"{difference:.2f}")]


def _known(names, values):
    """Return the values that are not nan by name."""
    return {k: v for k, v in zip(names, values, strict=True) if not np.isnan(v)}


def _by_set(columns, results, table, digits):
    """Return a table of all sets and methods."""
    columns = " | ".join([columns, *(f"{x} @.{digits}f" for x in results.methods)])
    pairs = zip(results.sets, table, strict=True)
    rows = [about | _known(results.methods, values) for about, values in pairs]
    return as_table(columns, rows)


def _ranks(results):
    """Return the table of mean ranks, mean scores and seconds."""
    scores, ranked = results.scores, results.complete()
    kin, rank_of_kin = results.among(KIN), np.full(len(results.methods), np.nan)
    rank_of_kin[kin] = _over(mean_ranks, scores[:, kin], ranked)
    columns = {
        "mean rank @.2f": _over(mean_ranks, scores, ranked),
        "rank without trees and k-NN @.2f": rank_of_kin,
        "mean accuracy @.3f": _over(_mean, scores, results.complete("classification")),
        "mean R2 @.3f": _over(_mean, scores, results.complete("regression")),
        "CPU s @.1f": _over(lambda x: x.sum(axis=0), results.seconds, ranked),
    }
    names = [name.partition(" @")[0] for name in columns]
    rows = [
        {"method": results.methods[k]} | _known(names, [x[k] for x in columns.values()])
        for k in np.argsort(columns["mean rank @.2f"], kind="stable")
    ]
    return as_table(" | ".join(["method", *columns]), rows)


def _mean(rows):
    return rows.mean(axis=0)


def _over(function, table, mask):
    """Return a function of the rows of some sets, nan for none."""
    return function(table[mask]) if mask.any() else np.full(table.shape[1], np.nan)


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
    names = ("set", OURS, best, "which", "difference")
    found = sorted(_differences(results, group), key=lambda found: found[-1])
    rows = [dict(zip(names, row, strict=True)) for row in found]
    columns = f"set | {OURS} @.3f | {best} @.3f | which | difference @+.3f"
    return as_table(columns, rows)


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


#: Vertical distances: between labels, between bars, and of the first of each.
_LABEL, _BAR, _FIRST = 0.5, 0.22, 0.3


def groups(ranks, difference):
    """Return first and last of the longest runs of sorted ranks within a difference."""
    runs = []
    for first, rank in enumerate(ranks):
        last = int(np.searchsorted(ranks, rank + difference, side="right")) - 1
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs


def draw(tables, options):
    """Draw mean ranks, with bars over methods that are not told apart (Demsar)."""
    asked = options.methods or NAMES
    results = collect([x for x in tables["uci"] if x["method"] in asked])
    table = results.scores[results.complete()]
    if min(table.shape) < 3:
        return None
    ranks = mean_ranks(table)
    order = np.argsort(ranks, kind="stable")
    ranks, methods = ranks[order], [results.methods[k] for k in order]
    difference = critical_difference(len(methods), len(table))
    bars = groups(ranks, difference)
    lowest = _FIRST + _BAR * len(bars) + _LABEL * ((len(ranks) + 1) // 2) + 0.2
    figure, axes = plt.subplots(figsize=(7, 0.75 * (lowest + 1.4)))
    _scale(axes, len(ranks), difference)
    for level, (first, last) in enumerate(bars):
        ends = ranks[first] - 0.04, ranks[last] + 0.04
        at = [-_FIRST - _BAR * level] * 2
        axes.plot(ends, at, color=COLOUR, lw=3, solid_capstyle="round")
    _labels(axes, methods, ranks, -_FIRST - _BAR * len(bars))
    axes.set(xlim=(-1.2, len(ranks) + 2.2), ylim=(-lowest, 1.2))
    axes.axis("off")
    figure.tight_layout()
    return figure


def _scale(axes, high, difference):
    axes.plot([1, high], [0, 0], color="0.2", lw=1.2)
    for tick in range(1, high + 1):
        axes.plot([tick, tick], [0, 0.15], color="0.2", lw=1.2)
        axes.text(tick, 0.22, tick, ha="center", va="bottom", fontsize=9)
    axes.plot([1, 1 + difference], [0.95, 0.95], color="0.2", lw=1.2, marker="|")
    text = f"critical difference {difference:.2f}"
    axes.text(1.1 + difference, 0.95, text, va="center", fontsize=9)


def _labels(axes, methods, ranks, top):
    """Write names and ranks, the better half on the left."""
    n_left = (len(ranks) + 1) // 2
    for k, (rank, method) in enumerate(zip(ranks, methods, strict=True)):
        is_left = k < n_left
        row = k if is_left else len(ranks) - 1 - k
        at, end = top - _LABEL * (row + 0.5), 0.8 if is_left else len(ranks) + 0.2
        axes.plot([rank, rank, end], [0, at, at], color="0.4", lw=0.8)
        label = f"{method}  {rank:.2f}" if is_left else f"{rank:.2f}  {method}"
        axes.text(
            end + (-0.08 if is_left else 0.08),
            at,
            label,
            ha="right" if is_left else "left",
            va="center",
            fontsize=10,
            weight="bold" if method == OURS else "normal",
        )


PICTURES = {"uci": draw}
