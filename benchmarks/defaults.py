r"""How many sampled cells and which beta serve best: 5-fold R2 on UCI sets.

The sets are those of scikit-learn, inputs and targets standardised inside each fold,
and the networks keep to sampled cells (``cells="sampled"``). Writes a CSV with one line
per set, number of cells and beta (as a multiple of the number of training rows, since
the penalty weighs against a sum), and prints the means over the sets.

    python benchmarks/defaults.py --output docs/data/defaults.csv
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexnn import ConvexReLURegressor
from convexnn.data.datasets import SHIPPED, load_shipped

CELLS = (10, 25, 50, 100, 200)
BETAS = (0.3, 1.0, 3.0, 10.0, 30.0)


def cross_validate(name, n_cells, beta, *, n_folds=5, max_rows=500):
    """Return the mean R2, neurons, relative gap and CPU seconds over the folds."""
    X, y = load_shipped(name)
    rows = np.random.RandomState(0).permutation(len(y))[:max_rows]
    X, y = X[rows], y[rows]
    network = ConvexReLURegressor(
        beta=beta, cells="sampled", n_cells=n_cells, tol=1e-3, random_state=0
    )
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), network), transformer=StandardScaler()
    )
    results = []
    for train, test in KFold(n_folds, shuffle=True, random_state=0).split(X):
        started = time.process_time()
        fitted = clone(model).fit(X[train], y[train])
        seconds = time.process_time() - started
        inner = fitted.regressor_[-1]
        gap = inner.certificate_.relative_gap
        score = fitted.score(X[test], y[test])
        results.append((score, inner.n_neurons_, gap, seconds))
    return np.mean(results, axis=0)


def summarise(rows):
    """Return the mean R2 and CPU seconds over the sets, by cells and beta."""
    means = []
    for n_cells in CELLS:
        for beta in BETAS:
            chosen = [r for r in rows if (int(r[1]), float(r[2])) == (n_cells, beta)]
            score, seconds = (np.mean([float(r[k]) for r in chosen]) for k in (3, 6))
            means.append((n_cells, beta, f"{score:.3f}", f"{seconds:.2f}"))
    return means


def write(path, header, rows):
    """Write one table."""
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main():
    """Run the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="defaults.csv")
    parser.add_argument("--summary", default="defaults_mean.csv")
    parser.add_argument("--max-rows", type=int, default=500)
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    rows = []
    for n_cells in CELLS:
        for beta in BETAS:
            for name in SHIPPED:
                score, neurons, gap, seconds = cross_validate(
                    name, n_cells, beta, max_rows=arguments.max_rows
                )
                row = (name, n_cells, beta, f"{score:.3f}", f"{neurons:.0f}")
                rows.append((*row, f"{gap:.1e}", f"{seconds:.2f}"))
                print(*rows[-1], flush=True)
    header = ("set", "cells", "beta", "R2", "neurons", "relative gap", "CPU s")
    write(arguments.output, header, rows)
    write(arguments.summary, ("cells", "beta", "R2", "CPU s"), summarise(rows))


if __name__ == "__main__":
    main()
