"""Prediction on UCI sets: convexnn beside methods that people use, all of them tuned.

    python benchmarks/uci.py --data DIR [--quick] [--output DIR] [--sets A,B]

Five times, the rows of a set are split into halves, stratified for classification;
each half is trained on once and the other predicted (5 x 2 cross-validation). Halves of
more than 1,000 rows are subsampled to that many for training, the same rows for
all methods. A method sees nothing but its training rows: scaling and the choice of
settings, on three inner folds, are part of its fit. Scores are accuracy and R2; the
seconds are CPU seconds to tune and fit, on one thread.

Every result is appended to ``data/uci.csv`` below ``--output`` as it comes, and a run
goes on where the last one stopped. The tables that the documentation shows and the
picture are written at the end, or alone by ``--report``.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
import warnings
from pathlib import Path

import numpy as np
import uci_tables as tables
from results import write_environment
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from threadpoolctl import threadpool_limits
from uci_methods import METHODS, OURS, make_method

from convexnn.datasets import load_folder, load_shipped

REPEATS, MOST_ROWS, QUICK_ROWS = 5, 1000, 100

#: Where each set is, below the folder of the data.
CLASSIFICATION = {
    name: f"classification/{name}"
    for name in (
        *("balloons", "fertility", "breast-tissue", "acute-inflammation"),
        *("acute-nephritis", "pittsburg-bridges-span", "ionosphere"),
        *("breast-cancer-wisc-diag", "blood", "statlog-vehicle"),
        *("statlog-german-credit", "car", "abalone", "spambase", "waveform", "magic"),
    )
} | {
    # The collection's own version counts rows without a label as a class.
    "pittsburg-bridges-span": "classification_raw/pittsburg-bridges-span_corrected"
}
REGRESSION = {
    name: f"regression/{name}"
    for name in ("yacht", "energy", "concrete", "kin8nm", "power-plant")
}
SETS = CLASSIFICATION | REGRESSION
SHIPPED = ("breast cancer", "wine", "diabetes")


def load(name, folder):
    """Return inputs, targets, and whether they are numbers rather than labels."""
    if name in SHIPPED:
        X, y = load_shipped(name)
        is_regression = name == "diabetes"
    else:
        X, y = load_folder(SETS[name], folder)
        is_regression = name in REGRESSION
    return X, y if is_regression else y.astype(int), is_regression


def halves(X, y, is_regression, repeat, most):
    """Yield training and test rows of the two folds of a repeat."""
    kind = KFold if is_regression else StratifiedKFold
    for train, test in kind(2, shuffle=True, random_state=repeat).split(X, y):
        if len(train) > most:
            labels = None if is_regression else y[train]
            train, _ = train_test_split(
                train, train_size=most, stratify=labels, random_state=repeat
            )
        yield train, test


def run_one(name, repeat, method, folder, quick):
    """Return the row of one method on one repeat of a set."""
    X, y, is_regression = load(name, folder)
    scores, seconds = [], 0.0
    most = QUICK_ROWS if quick else MOST_ROWS
    for train, test in halves(X, y, is_regression, repeat, most):
        model = make_method(method, is_regression, len(train), X.shape[1], quick=quick)
        started = time.process_time()
        model.fit(X[train], y[train])
        seconds += time.process_time() - started
        scores.append(float(model.score(X[test], y[test])))
    return {
        "set": name,
        "kind": "regression" if is_regression else "classification",
        "n": len(X),
        "d": X.shape[1],
        "training rows": len(train),
        "repeat": repeat,
        "method": method,
        "first score": f"{scores[0]:.6f}",
        "second score": f"{scores[1]:.6f}",
        "CPU s": f"{seconds:.3f}",
    }


def append(path, row):
    """Append a row to a file, after the header if the file is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, tables.COLUMNS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def run(arguments, path):
    """Run what is missing from the file of results, whole repeats first."""
    done = {tables.key(row) for row in tables.read(path)} if path.exists() else set()
    if OURS in arguments.methods:
        # The first fit of a process also loads the solver.
        make_method(OURS, True, 12, 2, quick=True).fit(np.eye(12, 2), np.arange(12.0))
    for repeat in range(arguments.repeats):
        for name in arguments.sets:
            for method in arguments.methods:
                if (name, repeat, method) in done:
                    continue
                row = run_one(name, repeat, method, arguments.data, arguments.quick)
                append(path, row)
                print(*row.values(), sep="  ", flush=True)


def parse(given=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )

    def names(text):
        return [name for name in text.split(",") if name]

    add = parser.add_argument
    add("--data", default=os.environ.get("CONVEXNN_DATA"), help="or CONVEXNN_DATA")
    add("--output", default="docs", help="folder with data/ and images/")
    add("--sets", type=names, help="names, between commas; all by default")
    add("--methods", type=names, default=list(METHODS), help="between commas")
    add("--repeats", type=int, default=REPEATS)
    add("--quick", action="store_true", help="one repeat of sets that are shipped")
    add("--report", action="store_true", help="write tables and picture, run nothing")
    arguments = parser.parse_args(given)
    known = SHIPPED if arguments.quick else tuple(SETS)
    arguments.sets = arguments.sets or list(known)
    if arguments.quick:
        arguments.repeats = 1
    for what, allowed in (("sets", known), ("methods", METHODS)):
        wrong = [name for name in getattr(arguments, what) if name not in allowed]
        if wrong:
            parser.error(f"--{what} must be among {', '.join(allowed)}, got {wrong}")
    if not (arguments.data or arguments.quick or arguments.report):
        parser.error("--data or CONVEXNN_DATA must name the folder of the sets")
    return arguments


def main(given=None):
    """Run, and write tables and picture."""
    arguments = parse(given)
    folder = Path(arguments.output)
    path = folder / "data" / "uci.csv"
    if not arguments.report:
        with threadpool_limits(limits=1), warnings.catch_warnings():
            # Few iterations and few members of a class are part of the comparison.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", UserWarning)
            run(arguments, path)
        write_environment(path.parent, "uci", most_training_rows=MOST_ROWS)
    tables.report(path, folder)


if __name__ == "__main__":
    main()
