"""Figs. 2 and 4 of the three-layer paper: descent, landscape, and the convex program.

    python benchmarks/three_layer_convergence.py [--quick] [--output DIR]

Fig. 4: n = 5, d = 2, three hidden units, beta = 0.002, batches of five rows, which are
all; five starts of SGD for each number K of sub-networks from one to five, beside the
convex program over every block and the network recovered from it. The paper leaves open
what the data are and the steps: inputs are Gaussian, targets those of a Gaussian
network with K = 5, and the rate is the one of 0.3, 0.1, 0.03 and 0.01 whose median
objective is smallest over other starts, after a fifth of the steps. Then the same on
more draws of data, and for larger K.

Fig. 2: n = 100, d = 10, ten hidden units, targets of a Gaussian network with K = 1;
planes through networks that L-BFGS reached for K = 1, 5 and 20, and the objectives of
all that it reached. The paper names no beta; here it is 0.1.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from results import write_environment, write_table
from scipy.optimize import linprog
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from three_layer_convergence_pictures import draw_convergence, draw_landscape
from three_layer_descent import (
    Problem,
    as_subnetworks,
    draw_weights,
    lbfgs,
    sgd,
    teacher,
)
from two_layer_tables import show

from convexnn import ThreeLayerConvexRegressor
from convexnn.networks.three_layer import ThreeLayerNetwork
from convexnn.plotting import LossLandscapeDisplay

mpl.use("agg")
from matplotlib import pyplot as plt

#: Fig. 4 of the paper.
N, D, M, BETA, WIDTHS, STARTS = 5, 2, 3, 0.002, (1, 2, 3, 4, 5), 5

#: Larger numbers of sub-networks than the paper's.
WIDER = (10, 20)

#: Fig. 2 of the paper, and the beta that it does not name.
LANDSCAPE = {"n": 100, "d": 10, "m": 10, "beta": 0.1}

RATES = (0.3, 0.1, 0.03, 0.01)

#: An end counts as the optimum, or as near it, up to this, relative to the optimum.
REACHED, NEAR = 1e-2, 1e-1

SETTINGS = {
    "quick": {
        "steps": 2000,
        "draws": 2,
        "wider": (),
        "widths": (1, 5),
        "landscape_starts": 4,
        "planes": 2,
        "lbfgs_steps": 300,
        "n_points": 11,
    },
    "full": {
        "steps": 50_000,
        "draws": 10,
        "wider": WIDER,
        "widths": (1, 5, 20),
        "landscape_starts": 30,
        "planes": 10,
        "lbfgs_steps": 5000,
        "n_points": 61,
    },
}


def fit(X, y, m, beta, **settings):
    """Return a fitted estimator and its CPU seconds."""
    model = ThreeLayerConvexRegressor(
        m,
        beta=beta,
        fit_intercept=False,
        random_state=0,
        **{"tol": 1e-3} | settings,
    )
    started = time.process_time()
    with warnings.catch_warnings():
        # What is reached is in the table.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return model, time.process_time() - started


def thinned(subnetworks, X):
    """Return at most n of the sub-networks, scaled, with the same output and penalty.

    An optimal network is a sum of atoms whose prices are equal, so that a basic
    solution of the linear program for the same output has the same penalty.
    """
    sizes = np.array([np.linalg.norm(w2) * abs(w3) for _, w2, w3 in subnetworks])
    outputs = [ThreeLayerNetwork([one], 0.0, False).predict(X) for one in subnetworks]
    columns = np.column_stack(outputs)
    found = linprog(sizes, A_eq=columns, b_eq=columns.sum(axis=1), method="highs-ds")
    roots = np.sqrt(found.x)
    return [
        (W1, root * w2, root * w3)
        for (W1, w2, w3), root in zip(subnetworks, roots, strict=True)
        if root > 0
    ]


def starts_of(draw, n_subnetworks, numbers):
    """Return the weights that some runs start from, stacked."""
    drawn = [draw_weights(D, M, n_subnetworks, [draw, n_subnetworks, s])
             for s in numbers]  # fmt: skip
    return tuple(np.concatenate(layers) for layers in zip(*drawn, strict=True))


def stacked(parts):
    return tuple(np.concatenate(layers) for layers in zip(*parts, strict=True))


def tuned_rates(data, n_subnetworks, n_steps):
    """Return for each draw of data the rate with the smallest median objective."""
    weights, rows = [], []
    for draw in range(len(data)):
        weights.append(starts_of(draw, n_subnetworks, range(100, 100 + STARTS)))
        rows += [draw] * STARTS
    weights, rows = stacked(weights), np.array(rows)
    problem = Problem(*(np.stack(each)[rows] for each in zip(*data, strict=True)), BETA)
    medians = []
    for rate in RATES:
        ends = sgd(problem, weights, np.full(len(rows), rate), [n_steps])[1][-1]
        medians.append(np.median(ends.reshape(-1, STARTS), axis=1))
    return np.array(RATES)[np.argmin(medians, axis=0)]


def run_descent(X, y, n_subnetworks, rate, records):
    """Return lines of the curves of the first draw, one start at a time."""
    lines = []
    for start in range(STARTS):
        weights = starts_of(0, n_subnetworks, [start])
        _, objectives, seconds = sgd(
            Problem(X[None], y[None], BETA), weights, np.array([rate]), records
        )
        lines += [
            (n_subnetworks, start, int(step), spent, value)
            for step, spent, value in zip(
                records, seconds, objectives[:, 0], strict=True
            )
        ]
    return lines


def run_draws(data, optima, n_subnetworks, rates, n_steps):
    """Return ends of all starts on all draws, relative to the optimum."""
    weights = stacked(
        [starts_of(k, n_subnetworks, range(STARTS)) for k in range(len(data))]
    )
    rows = np.repeat(np.arange(len(data)), STARTS)
    problem = Problem(*(np.stack(each)[rows] for each in zip(*data, strict=True)), BETA)
    ends = sgd(problem, weights, rates[rows], [n_steps])[1][-1]
    return (ends / optima[rows]).reshape(-1, STARTS)


def solve_convex(X, y):
    """Return lines on the convex ways to train the first draw, and its optimum."""
    # The first fit of a process also loads the conic solver.
    fit(np.eye(4, 2), np.arange(4.0), M, BETA, cells="sampled")
    lines = []
    for name, settings in {
        "all blocks": {"cells": "all"},
        "200 sampled blocks": {"cells": "sampled", "n_cells": 200},
        "search": {"cells": "auto", "tol": 1e-6},
    }.items():
        model, seconds = fit(X, y, M, BETA, **settings)
        kept = thinned(model.subnetworks_, X)
        network = ThreeLayerNetwork(kept, 0.0, False)
        lines.append(
            {
                "method": name,
                "convex objective": model.convex_objective_,
                "network": model.objective_,
                "K": model.n_neurons_,
                "thinned": network.objective(X, y, BETA),
                "thinned K": len(kept),
                "gap": model.certificate_.relative_gap,
                "holds over": model.certificate_.scope,
                "seconds": seconds,
            }
        )
    return lines


def measure_convergence(settings):
    """Return all tables of Fig. 4."""
    data = [teacher(N, D, M, max(WIDTHS), draw) for draw in range(settings["draws"])]
    convex = solve_convex(*data[0])
    others = [fit(*one, M, BETA, cells="all")[0].objective_ for one in data[1:]]
    optima = np.array([convex[0]["network"], *others])
    n_steps = settings["steps"]
    records = np.unique(np.geomspace(1, n_steps, 60).astype(int))
    curves, summary = [], []
    for width in (*WIDTHS, *settings["wider"]):
        rates = tuned_rates(data, width, n_steps // 5)
        lines = run_descent(*data[0], width, rates[0], records)
        curves += lines
        first = np.array([line[4] for line in lines if line[2] == n_steps])
        ends = run_draws(data, optima, width, rates, n_steps)
        found = ends <= 1 + REACHED
        summary.append(
            {
                "K": width,
                "rate": rates[0],
                "best": first.min(),
                "median": np.median(first),
                "worst": first.max(),
                "reached": int(np.sum(first <= (1 + REACHED) * optima[0])),
                "starts": STARTS,
                "reached on all draws": int(found.sum()),
                "starts on all draws": found.size,
                "near on all draws": int(np.sum(ends <= 1 + NEAR)),
                "draws with one": int(found.any(axis=1).sum()),
                "least over optimum": ends.min(),
                "median over optimum": np.median(ends),
            }
        )
    return convex, curves, summary


def reach(problem, n_subnetworks, settings):
    """Return where L-BFGS ends from all starts, the lowest first."""
    ends = []
    for start in range(settings["landscape_starts"]):
        weights = draw_weights(
            *(LANDSCAPE["d"], LANDSCAPE["m"], n_subnetworks),
            [start, n_subnetworks],
        )
        weights, value = lbfgs(problem, weights, settings["lbfgs_steps"])
        ends.append((value, as_subnetworks(weights)))
    return sorted(ends, key=lambda end: end[0])


def measure_landscape(settings):
    """Return a summary of each width, its ends, and the two planes to draw."""
    n, d, m, beta = LANDSCAPE.values()
    X, y = teacher(n, d, m, 1, 0)
    model, seconds = fit(X, y, m, beta)
    ends = {
        width: reach(Problem(X[None], y[None], beta), width, settings)
        for width in settings["widths"]
    }
    least = min(model.objective_, *(found[0][0] for found in ends.values()))
    rows, planes = [], {}
    common = {"beta": beta, "n_points": settings["n_points"]}
    for width, found in ends.items():
        random = [
            LossLandscapeDisplay.from_network(
                found[0][1], X, y, random_state=seed, **common
            )
            for seed in range(settings["planes"])
        ]
        three = LossLandscapeDisplay.from_networks(
            {f"{k + 1}": found[k][1] for k in range(3)}, X, y, **common
        )
        plt.close("all")
        planes[width] = random[0], three
        values = np.array([value for value, _ in found])
        rows.append(
            {
                "K": width,
                "starts": len(values),
                "least": values[0],
                "median": np.median(values),
                "worst": values[-1],
                "within 5 % of the least known": int(np.sum(values <= 1.05 * least)),
                "minima in a random plane": np.mean([len(p.minima) for p in random]),
                "nonconvex share of a random plane": np.mean(
                    [p.nonconvex_share for p in random]
                ),
                "largest in a random plane": np.median(
                    [p.values.max() for p in random]
                ),
                "lowest wall": min(three.walls.values()),
                "highest wall": max(three.walls.values()),
            }
        )
    ours = {"objective": model.objective_, "seconds": seconds, "least": least}
    return ours, rows, {k: [v for v, _ in found] for k, found in ends.items()}, planes


def as_table(rows, digits=6):
    """Return a header and lines of dictionaries that share their keys."""
    lines = [
        tuple(f"{v:.{digits}g}" if isinstance(v, float) else v for v in row.values())
        for row in rows
    ]
    return [tuple(rows[0]), *lines]


def main():
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="seconds, not minutes")
    parser.add_argument("--data", help="not used: the data are drawn")
    parser.add_argument("--output", default="docs", help="gets data/ and images/")
    arguments = parser.parse_args()
    name = "quick" if arguments.quick else "full"
    settings, started = SETTINGS[name], time.perf_counter()
    with threadpool_limits(limits=1):
        convex, curves, summary = measure_convergence(settings)
        for rows in (convex, summary):
            show(as_table(rows))
            print(flush=True)
        ours, rows, ends, planes = measure_landscape(settings)
    show(as_table(rows))
    print({key: float(f"{value:.6g}") for key, value in ours.items()})
    data, images = Path(arguments.output) / "data", Path(arguments.output) / "images"
    images.mkdir(parents=True, exist_ok=True)
    header = ("K", "start", "step", "CPU seconds", "objective")
    short = [(*line[:3], f"{line[3]:.4g}", f"{line[4]:.6g}") for line in curves]
    write_table(data, "three_layer_convergence", [header, *short])
    write_table(data, "three_layer_convergence_convex", as_table(convex, 9))
    write_table(data, "three_layer_convergence_ends", as_table(summary))
    write_table(data, "three_layer_landscape", as_table(rows))
    write_environment(
        *(data, "three_layer_convergence"),
        settings=name,
        landscape=LANDSCAPE,
        landscape_search=ours,
        wall_seconds=round(time.perf_counter() - started, 1),
    )
    draw_convergence(curves, convex, summary, images / "three_layer_convergence.png")
    draw_landscape(planes, ends, ours, images / "three_layer_landscape.png")


if __name__ == "__main__":
    main()
