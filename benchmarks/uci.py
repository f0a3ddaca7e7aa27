"""Prediction on UCI sets: convexnn beside methods that people use, all of them tuned.

    python benchmarks/uci.py --data DIR [--quick] [--output DIR] [--sets A,B]
    python benchmarks/uci.py --report [--output DIR] [--methods A,B]

Three times, two thirds of the rows of a set are trained on, all of them, and the others
predicted; splits are stratified for classification and the same for all methods. A
method sees nothing but its training rows: scaling and the choice of settings, on
three inner folds, are part of its fit. Scores are accuracy and R2; the seconds are
CPU seconds to tune and fit, on one thread. Every method runs on a split before the
next split begins.

Every result is appended to ``data/uci.csv`` below ``--output`` as it comes, and a run
goes on where the last one stopped. The tables that the documentation shows and the
picture are written at the end, or alone by ``--report``, which ``--methods`` restricts.
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
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits
from uci_methods import INNER, METHODS, NAMES, OURS, make_method, versions

from convexnn.data.datasets import load_folder, load_shipped

SPLITS, TRAINING, QUICK_ROWS = 3, 2 / 3, 100

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


def split_rows(y, is_regression, split, most=None):
    """Return training and test rows of a split, at most so many to train on."""
    n_training = round(TRAINING * len(y))
    return train_test_split(
        np.arange(len(y)),
        train_size=n_training if most is None else min(most, n_training),
        stratify=None if is_regression else y,
        random_state=split,
    )


def run_one(name, split, method, folder, quick):
    """Return the row of one method on one split of a set."""
    X, y, is_regression = load(name, folder)
    most = QUICK_ROWS if quick else None
    train, test = split_rows(y, is_regression, split, most)
    model = make_method(method, is_regression, len(train), X.shape[1], quick=quick)
    started = time.process_time()
    model.fit(X[train], y[train])
    seconds = time.process_time() - started
    return {
        "set": name,
        "kind": "regression" if is_regression else "classification",
        "n": len(X),
        "d": X.shape[1],
        "training rows": len(train),
        "split": split,
        "method": method,
        "score": f"{float(model.score(X[test], y[test])):.6f}",
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
    """Run what is missing from the file of results, whole splits first."""
    done = {tables.key(row) for row in tables.read(path)} if path.exists() else set()
    if OURS in arguments.methods:
        # The first fit of a process also loads the solver.
        make_method(OURS, True, 12, 2, quick=True).fit(np.eye(12, 2), np.arange(12.0))
    for split in range(arguments.splits):
        for name in arguments.sets:
            for method in arguments.methods:
                if (name, split, method) in done:
                    continue
                row = run_one(name, split, method, arguments.data, arguments.quick)
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
    add("--sets", type=names, help="sets to run, between commas; all by default")
    add("--methods", type=names, help="to run or report, between commas")
    add("--splits", type=int, default=SPLITS)
    add("--quick", action="store_true", help="one split of sets that are shipped")
    add("--report", action="store_true", help="write tables and picture, run nothing")
    arguments = parser.parse_args(given)
    known = SHIPPED if arguments.quick else tuple(SETS)
    methods = NAMES if arguments.report else METHODS
    arguments.sets = arguments.sets or list(known)
    arguments.methods = arguments.methods or list(methods)
    if arguments.quick:
        arguments.splits = 1
    for what, allowed in (("sets", known), ("methods", methods)):
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
        about = {"splits": arguments.splits, "folds": INNER, **versions()}
        write_environment(path.parent, "uci", **about)
    tables.report(path, folder, arguments.methods if arguments.report else NAMES)


if __name__ == "__main__":
    main()
