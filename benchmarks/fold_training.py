"""What judges a penalty on the folds: descents beside certified paths.

    python benchmarks/fold_training.py --data DIR [--output DIR] [--sets A,B]

On the training rows of the first split of ``uci.py``, the estimators that choose their
penalty are fitted twice, with ``fold_training="descent"`` and ``"certified"``, over
the same ten penalties down to 0.003 of beta_max and three folds, to gaps of 0.1. The
table has the penalties chosen, as shares of beta_max, the scores on the test rows, and
CPU seconds on one thread; the picture the errors on the left-out rows along both kinds
of paths.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from results import write_environment, write_table
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from two_layer_tables import show
from uci import load, split_rows
from uci_methods import INNER

import convexnn

mpl.use("agg")
from matplotlib import pyplot as plt

#: Sets on which certified folds end in reasonable time.
SETS = (
    *("yacht", "energy", "diabetes", "ionosphere", "blood"),
    *("breast-cancer-wisc-diag", "statlog-vehicle", "statlog-german-credit"),
)

KINDS = ("descent", "certified")


def fit(kind, X, y, is_regression):
    """Return an estimator fitted with folds of one kind, and its CPU seconds."""
    folds = KFold if is_regression else StratifiedKFold
    name = f"ConvexReLU{'Regressor' if is_regression else 'Classifier'}CV"
    model = getattr(convexnn, name)(
        betas=10,
        beta_min_ratio=3e-3,
        patience=None,
        fold_training=kind,
        cv=folds(INNER, shuffle=True, random_state=0),
        random_state=0,
    )
    started = time.process_time()
    model.fit(X, y)
    return model, time.process_time() - started


def errors_of(model):
    """Return mean errors on the left-out rows along the path."""
    paths = model.mse_path_ if hasattr(model, "mse_path_") else model.error_path_
    return paths.mean(axis=1)


def compare(name, folder, axes):
    """Return the row of a set, and draw its panel."""
    X, y, is_regression = load(name, folder)
    train, test = split_rows(y, is_regression, 0)
    scaler = StandardScaler().fit(X[train])
    if is_regression:
        y = (y - y[train].mean()) / y[train].std()
    row = [name]
    for kind, style in zip(KINDS, ("o-", "s--"), strict=True):
        model, seconds = fit(kind, scaler.transform(X[train]), y[train], is_regression)
        score = model.score(scaler.transform(X[test]), y[test])
        ratio = model.beta_ / model.beta_max_
        row += [f"{ratio:.2g}", f"{score:.3f}", f"{seconds:.2f}"]
        shares = model.betas_ / model.betas_[0]
        (line,) = axes.plot(shares, errors_of(model), style, ms=4, lw=1.2, label=kind)
        axes.axvline(ratio, color=line.get_color(), lw=0.8, ls=":")
    axes.set(title=name, xscale="log", xlabel=r"$\beta / \beta_{\max}$")
    if not is_regression:
        axes.set_ylim(top=1.05 * errors_of(model)[0])
    return row


def main(given=None):
    """Run all sets, and write table and picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default=os.environ.get("CONVEXNN_DATA"))
    parser.add_argument(
        "--output", default="docs", help="folder with data/ and images/"
    )
    parser.add_argument("--sets", default=",".join(SETS), help="between commas")
    arguments = parser.parse_args(given)
    names = arguments.sets.split(",")
    columns = -(-len(names) // 2) if len(names) > 1 else 1
    figure, panels = plt.subplots(
        min(len(names), 2), columns, figsize=(3 * columns, 5.2), layout="constrained"
    )
    rows = []
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, axes in zip(names, np.ravel(panels), strict=False):
            rows.append(compare(name, arguments.data, axes))
            print(*rows[-1], sep="  ", flush=True)
    np.ravel(panels)[0].legend(fontsize=8)
    np.ravel(panels)[0].set_ylabel("error on left-out rows")
    header = ["set"]
    header += [f"{kind}: {what}" for kind in KINDS for what in ("share", "score", "s")]
    show([header, *rows])
    output = Path(arguments.output)
    write_table(output / "data", "fold_training", [header, *rows])
    write_environment(output / "data", "fold_training", folds=INNER, tol=0.1)
    (output / "images").mkdir(parents=True, exist_ok=True)
    figure.savefig(output / "images" / "fold_training.png", dpi=100)


if __name__ == "__main__":
    main()
