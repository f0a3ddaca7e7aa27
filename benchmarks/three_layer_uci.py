"""Table 1 of the three-layer paper: six UCI sets, seven hidden units, beta = 0.1.

    python benchmarks/three_layer_uci.py --data DIR [--quick] [--splits 10]

Every method trains the problem of the paper (eq. 4, no biases) on all rows of a set,
standardised as the collection has it and raw, and on nine tenths of them for the
error on the rest, the mean of the squares, over ten splits. SGD is plain, of batches of
an eighth of the rows, its step the best final objective of 0.1 to 0.0001 on the first
start. Adam takes steps of 0.01, then 0.001. The sampled convex program has 30 blocks,
each with both signs.
"""

from __future__ import annotations

import argparse
import csv
import platform
import time
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import scipy
import sklearn
from peers.launch import THREADS
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

import convexnn
from convexnn import ThreeLayerConvexRegressor
from convexnn.datasets import load_folder

mpl.use("agg")
from matplotlib import pyplot as plt

N_UNITS, BETA = 7, 0.1

#: Training objectives of SGD and of the convex program in the paper's table.
PAPER = {
    "acute-inflammation": (0.0029, 0.0013),
    "acute-nephritis": (0.0039, 0.0021),
    "balloons": (0.7901, 0.6695),
    "breast-tissue": (0.5219, 0.3979),
    "fertility": (0.125, 0.1224),
    "pittsburg-bridges-span": (0.1723, 0.1668),
}
SCALINGS = {"standardised": "classification", "raw": "classification_raw"}


class Network:
    """The objective of eq. (4), the first layers divided by their norms."""

    def __init__(self, X, y, n_subnetworks, seed):
        self.X, self.y, self.n = X, y, n_subnetworks
        rng = np.random.default_rng(seed)
        d = X.shape[1]
        self.ends = np.cumsum([d * self.n * N_UNITS, self.n * N_UNITS, self.n])
        self.start = np.concatenate(
            [
                rng.standard_normal(self.ends[0]) / np.sqrt(d),
                rng.standard_normal(self.n * N_UNITS) / np.sqrt(N_UNITS),
                rng.standard_normal(self.n) / np.sqrt(self.n),
            ]
        )

    def parts(self, flat):
        first = flat[: self.ends[0]].reshape(-1, self.n, N_UNITS)
        second = flat[self.ends[0] : self.ends[1]].reshape(self.n, N_UNITS)
        return first, second, flat[self.ends[1] :]

    def predict(self, flat, X):
        first, second, third = self.parts(flat)
        norms = np.sqrt(np.sum(first**2, axis=(0, 2)))
        values = np.maximum(X @ (first / norms[:, None]).reshape(len(first), -1), 0)
        values = values.reshape(len(X), self.n, N_UNITS)
        return np.maximum(np.einsum("ikj,kj->ik", values, second), 0) @ third

    def __call__(self, flat, rows=slice(None)):
        """Return the objective, its loss over some rows scaled to all, and gradient."""
        X, y = self.X[rows], self.y[rows]
        factor = len(self.X) / len(X)
        first, second, third = self.parts(flat)
        norms = np.sqrt(np.sum(first**2, axis=(0, 2)))
        unit = first / norms[:, None]
        values = X @ unit.reshape(len(unit), -1)
        inner = np.maximum(values, 0).reshape(len(X), self.n, N_UNITS)
        hidden = np.einsum("ikj,kj->ik", inner, second)
        outer = np.maximum(hidden, 0)
        residual = factor * (outer @ third - y)
        pull = residual[:, None] * third * (hidden > 0)
        by_second = np.einsum("ik,ikj->kj", pull, inner) + BETA * second
        pulled = pull[:, :, None] * second * (inner > 0)
        by_unit = (X.T @ pulled.reshape(len(X), -1)).reshape(unit.shape)
        along = np.sum(by_unit * unit, axis=(0, 2))
        by_first = (by_unit - unit * along[:, None]) / norms[:, None]
        by_third = outer.T @ residual + BETA * third
        squares = np.sum(second**2) + np.sum(third**2)
        value = 0.5 * residual @ residual / factor + 0.5 * BETA * squares
        gradient = [by_first.ravel(), by_second.ravel(), by_third]
        return float(value), np.concatenate(gradient)


def lbfgs(network, n_steps):
    options = {"maxiter": n_steps, "maxfun": 2 * n_steps, "ftol": 1e-12, "gtol": 1e-10}
    return minimize(
        network, network.start, jac=True, method="L-BFGS-B", options=options
    ).x


def adam(network, n_steps):
    flat, mean, square = network.start.copy(), 0.0, 0.0
    for t in range(1, n_steps + 1):
        _, gradient = network(flat)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        step = 0.01 if t < 0.7 * n_steps else 0.001
        root = np.sqrt(square / (1 - 0.999**t)) + 1e-8
        flat -= step * (mean / (1 - 0.9**t)) / root
    return flat


def sgd(network, n_epochs, step):
    flat, rng = network.start.copy(), np.random.default_rng(0)
    n = len(network.X)
    size = max(n // 8, 1)
    for epoch in range(n_epochs):
        rate = step * (0.1 if epoch > 0.8 * n_epochs else 1.0)
        order = rng.permutation(n)
        for first in range(0, n, size):
            _, gradient = network(flat, order[first : first + size])
            # A step as long as the weights ends plain descent on raw data.
            norm = np.linalg.norm(gradient)
            flat -= rate * gradient * min(1.0, 10.0 / max(norm, 1e-300))
    return flat


def best_of(method, X, y, n_subnetworks, n_starts, *settings):
    """Return objective, network, its weights, and CPU seconds of all starts."""
    started, best = time.process_time(), (np.inf, None, None)
    for seed in range(n_starts):
        network = Network(X, y, n_subnetworks, seed)
        flat = method(network, *settings)
        value = network(flat)[0]
        if np.isfinite(value) and value < best[0]:
            best = value, network, flat
    return (*best, time.process_time() - started)


def ours(X, y, **settings):
    model = ThreeLayerConvexRegressor(
        N_UNITS, beta=BETA, fit_intercept=False, random_state=0, **settings
    )
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return model, time.process_time() - started


def methods(quick):
    """Return the peers: a name, K, starts, and how they train."""
    steps, epochs = (200, 50) if quick else (4000, 1000)
    return {
        "L-BFGS K=10": (lbfgs, 10, 5, steps),
        "L-BFGS K=100": (lbfgs, 100, 5, steps),
        "Adam K=100": (adam, 100, 1 if quick else 5, steps // 3),
        "SGD K=10": (sgd, 10, 5, epochs),
    }


def tuned(name, X, y, n_epochs):
    """Return the settings after K and starts; SGD's step is chosen on one start."""
    if not name.startswith("SGD"):
        return (n_epochs,)
    values = {}
    for step in (0.1, 0.01, 0.001, 0.0001):
        with np.errstate(all="ignore"):
            values[step] = best_of(sgd, X, y, 10, 1, n_epochs // 4, step)[0]
    return n_epochs, min(values, key=values.get)


def run_set(name, scaling, folder, quick, n_splits):
    """Yield a row for each method on one set."""
    X, y = load_folder(f"{SCALINGS[scaling]}/{name}", folder)
    splits = list(KFold(10, shuffle=True, random_state=0).split(X))[:n_splits]
    common = {"set": name, "scaling": scaling}
    for peer, (method, n_subnetworks, n_starts, steps) in methods(quick).items():
        settings = tuned(peer, X, y, steps)
        arguments = method, X, y, n_subnetworks, n_starts, *settings
        value, _, _, seconds = best_of(*arguments)
        row = common | {"method": peer, "objective": value, "seconds": seconds}
        if n_subnetworks == 10 and splits:
            errors = []
            for train, test in splits:
                _, network, flat, _ = best_of(
                    method, X[train], y[train], n_subnetworks, 1, *settings
                )
                missed = network.predict(flat, X[test]) - y[test]
                errors.append(np.mean(missed**2))
            row["error"] = float(np.mean(errors))
        yield row
    kinds = {"sampled": {"cells": "sampled", "n_cells": 30}, "convexnn": {}}
    for kind, settings in kinds.items():
        model, seconds = ours(X, y, **settings)
        row = common | {
            "method": kind,
            "objective": model.objective_,
            "seconds": seconds,
            "gap": model.certificate_.relative_gap,
            "reconstruction": abs(model.objective_ / model.convex_objective_ - 1),
        }
        if kind == "convexnn" and splits:
            missed = [
                np.mean((ours(X[a], y[a])[0].predict(X[b]) - y[b]) ** 2)
                for a, b in splits
            ]
            row["error"] = float(np.mean(missed))
        yield row


def draw(rows, path):
    """Draw each method's objective above the best of its set."""
    names = list(PAPER)
    peers = list(dict.fromkeys(row["method"] for row in rows))
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True)
    for axes, scaling in zip(panels, SCALINGS, strict=True):
        for j, peer in enumerate(peers):
            at, above = [], []
            for k, name in enumerate(names):
                values = {
                    row["method"]: row["objective"]
                    for row in rows
                    if (row["set"], row["scaling"]) == (name, scaling)
                }
                if peer in values:
                    at.append(k + 0.1 * (j - 0.5 * len(peers)))
                    above.append(max(values[peer] / min(values.values()) - 1, 1e-5))
            axes.plot(at, above, "D" if peer == "convexnn" else "o", label=peer, ms=5)
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--splits", type=int, default=10, help="0: no test errors")
    parser.add_argument("--output", default="docs")
    options = parser.parse_args()
    versions = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "sklearn": sklearn.__version__,
        "convexnn": convexnn.__version__,
        "threads": THREADS["OMP_NUM_THREADS"],
    }
    # The first fit of a process also loads the conic solver.
    ours(np.eye(4, 2), np.arange(4.0), cells="sampled")
    rows, names = [], list(PAPER)[2:3] if options.quick else list(PAPER)
    n_splits = 2 if options.quick else options.splits
    settings = options.data, options.quick, n_splits
    with threadpool_limits(limits=1):
        for scaling in SCALINGS:
            for name in names:
                for row in run_set(name, scaling, *settings):
                    paper = dict(
                        zip(("paper_sgd", "paper_convex"), PAPER[name], strict=False)
                    )
                    rows.append(row | paper | versions)
                    print(
                        f"{name:24}{scaling:14}{row['method']:14}"
                        f"{row['objective']:12.6f}{row['seconds']:8.2f} s"
                        f"  error {row.get('error', np.nan):.4f}"
                        f"  paper {PAPER[name][0]} {PAPER[name][1]}",
                        flush=True,
                    )
    folder = Path(options.output)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    fields = ["set", "scaling", "method", "objective", "seconds", "error", "gap"]
    fields += ["reconstruction", "paper_sgd", "paper_convex", *versions]
    with open(folder / "data" / "three_layer_uci.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw(rows, folder / "images" / "three_layer_uci.png")


if __name__ == "__main__":
    main()
