"""Table 1 of the three-layer paper: six UCI sets, seven hidden units, beta = 0.1.

    python benchmarks/three_layer_uci.py --data DIR [--quick]
        [--part objectives errors] [--scaling standardised raw] [--sets NAME ...]

Every method trains the problem of the paper (eq. 4, no biases), with the features as
the collection standardised them and raw.

"objectives", over all rows: the best of five starts of L-BFGS, Adam and SGD. SGD is
plain, of batches of an eighth of the rows. The step of SGD is the best of seven by the
final objective of a whole run from the first start, that of Adam the best of five by
that of a quarter of a run; both fall to a tenth after 70 % of the run and to a
hundredth after 90 %. The sampled convex program has 30 blocks, each with both signs.

"errors": mean of the squared errors on the tenth left out, over the same ten splits for
all. SGD has ten sub-networks, the step chosen on the training rows with the paper's
beta, and that beta, or one by cross-validation as the search has.

Rows of parts, scalings and sets that are not asked for are kept as they are.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from peers.launch import THREADS
from results import write_environment, write_table
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from threadpoolctl import threadpool_limits
from three_layer_peers import N_UNITS, adam, best_of, lbfgs, sgd, tuned_step

from convexnn import ThreeLayerConvexRegressor
from convexnn.data.datasets import load_folder

mpl.use("agg")
from matplotlib import pyplot as plt

BETA = 0.1

#: Training objectives, then test errors, of SGD and of the convex program in the
#: paper's table.
PAPER = {
    "acute-inflammation": (0.0029, 0.0013, 0.0224, 0.0217),
    "acute-nephritis": (0.0039, 0.0021, 0.0198, 0.0192),
    "balloons": (0.7901, 0.6695, 0.2693, 0.1496),
    "breast-tissue": (0.5219, 0.3979, 1.4082, 1.0377),
    "fertility": (0.125, 0.1224, 0.3551, 0.5050),
    "pittsburg-bridges-span": (0.1723, 0.1668, 1.4373, 1.3112),
}
SCALINGS = {"standardised": "classification", "raw": "classification_raw"}

#: Penalties of the cross-validation, folds, and rounds and gap of its fits.
BETAS = (0.1, 1.0, 5.0)
FOLDS = KFold(3, shuffle=True, random_state=0)
VALIDATED = {"max_iter": 1, "tol": 0.01}

OURS, SAMPLED, PEER, SGD = "convexnn", "sampled", "L-BFGS K=100", "SGD K=10"
FIELDS = (
    *("part", "set", "scaling", "method", "value", "seconds"),
    *("gap", "reconstruction", "setting"),
)


def ours(X, y, **settings):
    """Return our estimator, fitted, and CPU seconds."""
    model = ThreeLayerConvexRegressor(
        **{"n_units": N_UNITS, "beta": BETA, "fit_intercept": False}
        | {"tol": 1e-3, "random_state": 0}
        | settings
    )
    started = time.process_time()
    model.fit(X, y)
    return model, time.process_time() - started


def objectives(X, y, quick):
    """Yield a row for each method."""
    n_steps, n_epochs, n_starts = (100, 20, 1) if quick else (2000, 1000, 5)
    for name, n_subnetworks in (("L-BFGS K=10", 10), (PEER, 100)):
        found = best_of(lbfgs, X, y, n_subnetworks, n_starts, 2 * n_steps, beta=BETA)
        yield {"method": name, "value": found[0], "seconds": found[-1]}
    # What a short run of SGD says of a step does not hold for a long one.
    for name, method, n_subnetworks, length, tried in (
        ("Adam K=100", adam, 100, n_steps, n_steps // 4),
        (SGD, sgd, 10, n_epochs, n_epochs),
    ):
        step = tuned_step(method, X, y, n_subnetworks, tried, beta=BETA)
        found = best_of(method, X, y, n_subnetworks, n_starts, length, step, beta=BETA)
        yield {
            **{"method": name, "value": found[0], "seconds": found[-1]},
            "setting": f"step {step:g}",
        }
    for name, settings in (
        (SAMPLED, {"cells": "sampled", "n_cells": 30}),
        (OURS, {}),
    ):
        model, seconds = ours(X, y, **settings)
        yield {
            **{"method": name, "value": model.objective_, "seconds": seconds},
            "gap": model.certificate_.relative_gap,
            "reconstruction": abs(model.objective_ / model.convex_objective_ - 1),
        }


def errors(X, y, quick):
    """Yield a row for each method, over the same ten splits."""
    splits = list(KFold(10, shuffle=True, random_state=0).split(X))
    n_epochs = 20 if quick else 500
    methods = {
        "SGD, beta=0.1": lambda A, b: _sgd(A, b, n_epochs, (BETA,)),
        "SGD": lambda A, b: _sgd(A, b, n_epochs, BETAS),
        OURS: _validated_ours,
    }
    for name, method in methods.items():
        found, chosen, started = [], [], time.process_time()
        for train, test in splits[: 2 if quick else None]:
            predict, beta = method(X[train], y[train])
            found.append(np.mean((predict(X[test]) - y[test]) ** 2))
            chosen.append(beta)
        yield {
            **{"method": name, "value": float(np.mean(found))},
            "seconds": (time.process_time() - started) / len(found),
            "setting": f"median beta {np.median(chosen):g}",
        }


def _sgd(X, y, n_epochs, betas):
    """Return how SGD's network predicts, and the beta chosen of some."""
    step = tuned_step(sgd, X, y, 10, n_epochs, beta=BETA)

    def fit(X, y, beta):
        _, network, flat, _ = best_of(sgd, X, y, 10, 1, n_epochs, step, beta=beta)
        return lambda new: network.predict(flat, new)

    missed = dict.fromkeys(betas, 0.0)
    if len(betas) > 1:
        for train, test in FOLDS.split(X):
            for beta in betas:
                residual = fit(X[train], y[train], beta)(X[test]) - y[test]
                missed[beta] += np.sum(residual**2)
    beta = min(missed, key=missed.get)
    return fit(X, y, beta), beta


def _validated_ours(X, y):
    model = ThreeLayerConvexRegressor(
        N_UNITS, fit_intercept=False, random_state=0, **VALIDATED
    )
    search = GridSearchCV(
        model, {"beta": BETAS}, cv=FOLDS, scoring="neg_mean_squared_error"
    ).fit(X, y)
    return search.predict, search.best_params_["beta"]


PARTS = {"objectives": objectives, "errors": errors}


def table(rows, part):
    """Return the header and one line a set and scaling, the paper's figures last.

    Ratios are those of the search, or of the paper's convex program, to SGD.
    """
    rows = [row for row in rows if row["part"] == part]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    paper = ("paper's SGD", "paper's convex", "paper's ratio")
    lines = [["set", "scaling", *methods, "ratio", *paper]]
    by_case = {}
    for row in rows:
        by_case.setdefault((row["scaling"], row["set"]), {})[row["method"]] = row
    order = [(scaling, name) for scaling in SCALINGS for name in PAPER]
    for scaling, name in order:
        found = by_case.get((scaling, name))
        if found is None:
            continue
        cells = [_cell(found[method], part) for method in methods]
        theirs = PAPER[name][:2] if part == "objectives" else PAPER[name][2:]
        sgd_name = SGD if part == "objectives" else "SGD"
        ratio = float(found[OURS]["value"]) / float(found[sgd_name]["value"])
        lines.append([name, scaling, *cells, f"{ratio:.3f}", *theirs])
        lines[-1].append(f"{theirs[1] / theirs[0]:.3f}")
    return lines


def _cell(row, part):
    if part == "errors":
        return f"{float(row['value']):.4f}"
    return f"{float(row['value']):.5g} ({float(row['seconds']):.1f})"


def draw(rows, path):
    """Draw each method's objective above the best of its set."""
    rows = [row for row in rows if row["part"] == "objectives"]
    names = list(PAPER)
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    for axes, scaling in zip(panels, SCALINGS, strict=True):
        for j, method in enumerate(methods):
            at, above = [], []
            for k, name in enumerate(names):
                values = {
                    row["method"]: float(row["value"])
                    for row in rows
                    if (row["set"], row["scaling"]) == (name, scaling)
                }
                if method in values:
                    at.append(k + 0.1 * (j - 0.5 * len(methods)))
                    above.append(max(values[method] / min(values.values()) - 1, 1e-5))
            axes.plot(at, above, "D" if method == OURS else "o", label=method, ms=5)
        axes.set_yscale("log")
        axes.set_title(f"{scaling} features")
        short = [name.replace("pittsburg-", "") for name in names]
        axes.set_xticks(range(len(names)), short, rotation=35, ha="right")
        axes.grid(axis="y", lw=0.4)
    panels[0].set_ylabel("objective above the best, relative")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=6, loc="upper center", frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 0.93))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write(rows, folder):
    """Write all rows, the tables of the docs, the versions and the picture."""
    data = folder / "data"
    every = [FIELDS, *([row.get(field, "") for field in FIELDS] for row in rows)]
    write_table(data, "three_layer_uci", every)
    for part in dict.fromkeys(row["part"] for row in rows):
        write_table(data, f"three_layer_uci_{part}", table(rows, part))
    write_environment(data, "three_layer_uci", beta=BETA, n_units=N_UNITS)
    draw(rows, folder / "images" / "three_layer_uci.png")


def read(path):
    """Return the rows of an earlier run, if there is one."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return [row for row in csv.DictReader(file) if "part" in row]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--scaling", nargs="+", choices=SCALINGS, default=list(SCALINGS)
    )
    parser.add_argument("--sets", nargs="+", choices=PAPER, default=list(PAPER))
    parser.add_argument("--output", default="docs")
    options = parser.parse_args()
    folder = Path(options.output)
    names = ["balloons"] if options.quick else options.sets
    cases = [
        (part, scaling, name)
        for part in options.part
        for scaling in options.scaling
        for name in names
    ]
    warnings.simplefilter("ignore", ConvergenceWarning)
    # The first fit of a process also loads the conic solver.
    ours(np.eye(4, 2), np.arange(4.0), cells="sampled")
    rows = read(folder / "data" / "three_layer_uci.csv")
    with threadpool_limits(limits=int(THREADS["OMP_NUM_THREADS"])):
        for part, scaling, name in cases:
            X, y = load_folder(f"{SCALINGS[scaling]}/{name}", options.data)
            case = {"part": part, "scaling": scaling, "set": name}
            rows = [row for row in rows if any(row[k] != case[k] for k in case)]
            for row in PARTS[part](X, y, options.quick):
                rows.append(case | row)
                print(
                    f"{part:11}{name:24}{scaling:14}{row['method']:14}"
                    f"{row['value']:12.6f}{row['seconds']:8.2f} s"
                    f"  {row.get('setting', '')}",
                    flush=True,
                )
            write(rows, folder)


if __name__ == "__main__":
    main()
