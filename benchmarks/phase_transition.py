"""Fig. 1 of the paper and Theorem 1: from how many samples on a filter is recovered.

    python benchmarks/phase_transition.py [--quick]

maps the relative error over the number of samples n and the dimension d for k = 1, 2, 5
patches: the paper's relaxation with random directions and gradient descent with random
starts, each with the best of all by the true filter, and one fit of convexnn, which
does not know it. Then the probability that the program (9) returns the filter for one
random direction, and for a pair of opposite ones, against n / d (Theorem 1).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from planted import descend, draw, relative_error, relax
from results import write_environment, write_table
from sklearn.utils.parallel import Parallel, delayed
from two_layer_tables import show

from convexnn import ConvexCNNRegressor
from convexnn.filters import in_recovery_cone
from convexnn.plotting import PhaseTransitionDisplay

mpl.use("agg")
from matplotlib import pyplot as plt

PATCHES = (1, 2, 5)

#: Samples of the map are these multiples of the step of their k.
STEPS = {"quick": {1: 40, 2: 20, 5: 10}, "full": {1: 20, 2: 10, 5: 5}}

#: Settings of the map and of the curves; samples in steps.
SETTINGS = {
    "quick": {
        "samples": np.arange(1, 7),
        "dimensions": np.arange(20, 101, 20),
        "trials": 10,
        "dims_of_curves": (5, 10),
        "ratios": (1, 2, 4, 8, 16),
        "draws": 50,
    },
    "full": {
        "samples": np.arange(1, 16),
        "dimensions": np.arange(10, 101, 10),
        "trials": 100,
        "dims_of_curves": (5, 10, 20),
        "ratios": (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128),
        "draws": 200,
    },
}

#: A slope of the border where convexnn passes, in n / d, for each k.
SLOPES = {1: (2.4,), 2: (0.85,), 5: (0.26,)}


def relaxation(X, y, w, trials, seed):
    return relax(X, y, w, trials, seed)


def gradient_descent(X, y, w, trials, seed):
    return descend(X, y, w, trials, seed)


def ours(X, y, w, trials, seed):
    model = ConvexCNNRegressor(
        filter_shape=len(w), n_restarts=trials, random_state=seed
    )
    return relative_error(model.fit(X, y).coef_, w)


def methods(trials):
    """Return the methods by their names in the picture."""
    return {
        f"relaxation, {trials} directions": relaxation,
        f"gradient descent, {trials} starts": gradient_descent,
        "convexnn, one fit": ours,
    }


def measure(k, n, d, trials):
    """Return one line for each method on one draw."""
    X, y, w = draw(n, k, d // k, seed=(k, n, d))
    lines = []
    for name, method in methods(trials).items():
        started = time.process_time()
        error = method(X, y, w, trials, seed=n)
        lines.append((k, n, d, name, error, time.process_time() - started))
    return lines


def probabilities(d, ratio, draws):
    """Return how often one direction, and a pair, has the filter as its solution."""
    hits = np.zeros(2)
    for seed in range(draws):
        X, _, w = draw(d * ratio, 1, d, seed=(d, ratio, seed))
        r = np.random.default_rng([seed, 3]).standard_normal(d)
        one = in_recovery_cone(X, w, r)
        hits += one, one or in_recovery_cone(X, w, -r)
    return hits / draws


def samples_of(settings, steps):
    """Return the numbers of samples of each k."""
    return {k: step * settings["samples"] for k, step in steps.items()}


def draw_maps(lines, settings, steps, path):
    """Draw a row of panels for each k."""
    dimensions = settings["dimensions"]
    names = list(methods(settings["trials"]))
    figure, grid = plt.subplots(
        *(len(PATCHES), len(names)),
        figsize=(8.4, 7.4),
        sharex=True,
        sharey="row",
        layout="constrained",
    )
    for row, (k, samples) in zip(
        grid, samples_of(settings, steps).items(), strict=True
    ):
        errors = {}
        for name in names:
            cells = {(n, d): e for j, n, d, m, e, _ in lines if (j, m) == (k, name)}
            errors[name] = np.array(
                [[cells[n, d] for d in dimensions] for n in samples]
            )
        display = PhaseTransitionDisplay(samples, dimensions, errors, slopes=SLOPES[k])
        display.plot(axes=row, title=f"k = {k}")
        if k != PATCHES[0]:
            for ax in row:
                ax.set_title("")
        if k != PATCHES[-1]:
            for ax in row:
                ax.set_xlabel("")
    figure.savefig(path, dpi=90)
    plt.close(figure)


def draw_curves(rows, path):
    """Draw the probabilities against n / d."""
    figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
    for number, d in enumerate(dict.fromkeys(row[0] for row in rows)):
        chosen = np.array([row[1:] for row in rows if row[0] == d], float)
        color = f"C{number}"
        ax.plot(chosen[:, 0], chosen[:, 1], "o-", ms=3.5, color=color, label=f"d = {d}")
        ax.plot(chosen[:, 0], chosen[:, 2], "s--", ms=3.5, color=color)
    ax.plot([], [], "o-", ms=3.5, color="0.4", label="one direction")
    ax.plot([], [], "s--", ms=3.5, color="0.4", label="a pair r, -r")
    for level in (0.5, 1.0):
        ax.axhline(level, color="0.6", lw=0.8, ls=":")
    ax.set(xlabel="samples per dimension, n / d", ylabel="probability of recovery")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.legend(frameon=False)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def summarise(lines):
    """Return recovered cells and CPU seconds for each k and method."""
    table = [("k", "method", "cells", "recovered", "smallest n/d", "CPU seconds")]
    for k in PATCHES:
        for name in dict.fromkeys(line[3] for line in lines):
            cells = [x for x in lines if x[0] == k and x[3] == name]
            found = [x for x in cells if x[4] <= 1e-5]
            least = min((x[1] / x[2] for x in found), default=np.nan)
            seconds = sum(x[5] for x in cells)
            table.append(
                (k, name, len(cells), len(found), f"{least:.2f}", f"{seconds:.1f}")
            )
    return table


def main():
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="minutes, not half an hour"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--trials", type=int, help="directions and starts")
    parser.add_argument("--data", help="not used: the data are drawn")
    parser.add_argument("--output", default="docs", help="gets data/ and images/")
    arguments = parser.parse_args()
    name = "quick" if arguments.quick else "full"
    settings = SETTINGS[name]
    if arguments.trials:
        settings = settings | {"trials": arguments.trials}
    started = time.perf_counter()
    steps = STEPS[name]
    cells = [(k, n, d) for k, samples in samples_of(settings, steps).items()
             for n in samples for d in settings["dimensions"]]  # fmt: skip
    found = Parallel(n_jobs=arguments.jobs)(
        delayed(measure)(int(k), int(n), int(d), settings["trials"])
        for k, n, d in cells
    )
    lines = [line for group in found for line in group]
    curves = [
        (d, ratio, *probabilities(d, ratio, settings["draws"]))
        for d in settings["dims_of_curves"]
        for ratio in settings["ratios"]
    ]
    table = summarise(lines)
    show(table)
    print()
    header = ("d", "n/d", "one direction", "pair")
    show([header, *((d, ratio, f"{a:.3f}", f"{b:.3f}") for d, ratio, a, b in curves)])
    data, images = Path(arguments.output) / "data", Path(arguments.output) / "images"
    images.mkdir(parents=True, exist_ok=True)
    cell = ("k", "n", "d", "method", "relative error", "CPU seconds")
    short = [(*line[:4], f"{line[4]:.3g}", f"{line[5]:.4f}") for line in lines]
    write_table(data, "phase_transition_cells", [cell, *short])
    write_table(data, "phase_transition", table)
    write_table(data, "phase_transition_probability", [header, *curves])
    write_environment(
        *(data, "phase_transition"),
        settings=name,
        trials=settings["trials"],
        jobs=arguments.jobs,
        wall_seconds=round(time.perf_counter() - started, 1),
        cores=os.cpu_count(),
    )
    draw_maps(lines, settings, steps, images / "phase_transition.png")
    draw_curves(curves, images / "phase_transition_probability.png")


if __name__ == "__main__":
    main()
