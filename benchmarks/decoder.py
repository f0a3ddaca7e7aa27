"""Recovery, iterations, time and noise of CenteredGDDecoder: the paper's figures.

    python benchmarks/decoder.py [--quick] [--part NAME ...] [--output docs]

Parts, each of which writes data/decoder_NAME.csv below the output:

- iterations: loss and error against iterations at n = 2 d (Fig. 3 of the paper),
- recovery: relative error against n / d (Fig. 2), ten draws,
- certain: share of 50 draws that are recovered from few samples,
- large: CPU seconds and memory at d = 2,000 and n = 4,000,
- size: factorised against iterative steps, for the rule of solver="auto",
- noise: error beside least squares on the true pattern.

Pictures are drawn from these files by decoder_picture.py. Everything is drawn at
random, so that there is no --data. CPU seconds are of one thread.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import tracemalloc
from pathlib import Path

import numpy as np
import scipy
import sklearn
from decoder_cases import (
    SOLVERS,
    draw,
    fit,
    iterations_to,
    least_squares,
    relative_error,
    trace,
)
from two_layer_tables import show

import convexnn
from convexnn.decoding import DecodingProblem
from convexnn.decoding.descent import largest_curvature
from convexnn.decoding.solvers import middle_start

#: Squared relative errors below this count as recovered.
RECOVERED = 1e-10

#: Steps of centred descent that are tried, in units of 2 / L at the start.
STEPS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1)


def write(folder, name, rows):
    """Print a table and write it."""
    print(f"\n{name}")
    show(rows)
    with open(folder / f"decoder_{name}.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def thinned(trials, n_points=60):
    """Return iterations and the mean, least and largest value of trials there."""
    longest = max(map(len, trials))
    values = np.array([np.pad(t, (0, longest - len(t)), mode="edge") for t in trials])
    steps = np.geomspace(1, longest - 1, n_points).round().astype(int)
    at = np.unique(np.append(0, steps))
    return zip(
        at, values.mean(0)[at], values.min(0)[at], values.max(0)[at], strict=True
    )


def iterations(folder, quick):
    """Write Fig. 3: paths, and iterations to a loss of 1e-6."""
    n_trials = 2 if quick else 10
    paths = [("d", "n", "solver", "what", "iteration", "mean", "least", "largest")]
    rows = [("d", "n", "sigma", "solver", "to 1e-6", "worst", "all", "final error")]
    for d, n, sigma in ((100, 200, 5.0), (500, 1000, 5.0), (100, 200, 1.0)):
        if quick and d > 100:
            continue
        for name in SOLVERS:
            tol, longest = (1e-6, 30_000) if name == "plain descent" else (1e-12, 5000)
            found = []
            for seed in range(n_trials):
                X, y, w = draw(d, n, sigma, seed)
                found.append(trace(name, X, y, w, max_iter=longest, tol=tol))
            losses, errors = zip(*found, strict=True)
            reached = [iterations_to(loss, 1e-6) for loss in losses]
            rows.append(
                (
                    *(d, n, sigma, name, np.median(reached), max(reached)),
                    max(len(loss) - 1 for loss in losses),
                    f"{max(error[-1] for error in errors):.0e}",
                )
            )
            if sigma == 5:
                for what, trials in (("loss", losses), ("error", errors)):
                    for at, *values in thinned(trials):
                        values = (f"{value:.4g}" for value in values)
                        paths.append((d, n, name, what, at, *values))
    write(folder, "iterations", rows)
    with open(folder / "decoder_paths.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(paths)


def recovery(folder, quick):
    """Write Fig. 2: relative error against n / d."""
    sizes = (50,) if quick else (50, 100, 200, 500)
    ratios = (1.0, 1.05, 1.1, 1.15, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5)
    solvers = {
        "auto": {},
        "auto, no theta": {"theta": None},
        "centred descent": {"solver": "centered_gd"},
        "nesterov": {"solver": "nesterov"},
    }
    columns = ("mean error", "least", "largest", "recovered", "CPU s")
    rows = [("d", "sigma", "n/d", "solver", *columns)]
    for d in sizes:
        for sigma in (1.0, 5.0):
            for ratio in ratios:
                draws = [
                    draw(d, round(ratio * d), sigma, seed)
                    for seed in range(2 if quick else 10)
                ]
                for name, parameters in solvers.items():
                    found = [fit(X, y, **parameters) for X, y, _ in draws]
                    errors = np.array(
                        [
                            relative_error(model.coef_, w)
                            for (model, _), (*_, w) in zip(found, draws, strict=True)
                        ]
                    )
                    values = (errors.mean(), errors.min(), errors.max())
                    seconds = np.median([seconds for _, seconds in found])
                    rows.append(
                        (
                            *(d, sigma, ratio, name),
                            *(f"{value:.3g}" for value in values),
                            np.mean(errors < RECOVERED),
                            f"{seconds:.3g}",
                        )
                    )
                print(f"d = {d}, sigma = {sigma}, n/d = {ratio}", flush=True)
    write(folder, "recovery", rows)


def certain(folder, quick):
    """Write the share of draws that are recovered from few samples."""
    columns = ("recovered", "exact", "largest error", "starts", "CPU s")
    rows = [("d", "sigma", "n/d", "solver", "draws", *columns)]
    cases = [(100, 5.0, 1.02), (100, 5.0, 1.05), (100, 1.0, 1.05), (100, 1.0, 1.1)]
    cases += [(100, 1.0, 1.15)] + ([] if quick else [(500, 5.0, 1.05)])
    for d, sigma, ratio in cases:
        draws = [
            draw(d, round(ratio * d), sigma, seed) for seed in range(5 if quick else 50)
        ]
        for name in ("newton", "newton_cg"):
            found = [fit(X, y, solver=name) for X, y, _ in draws]
            errors = np.array(
                [
                    relative_error(model.coef_, w)
                    for (model, _), (*_, w) in zip(found, draws, strict=True)
                ]
            )
            rows.append(
                (
                    *(d, sigma, ratio, name, len(draws), np.mean(errors < RECOVERED)),
                    np.mean([model.is_exact_ for model, _ in found]),
                    f"{errors.max():.1e}",
                    np.mean([model.n_starts_ for model, _ in found]),
                    f"{np.mean([seconds for _, seconds in found]):.3f}",
                )
            )
    write(folder, "certain", rows)


def memory_of(solver, X, y):
    """Return X and the peak of what a fit allocates, in arrays of n x d."""
    tracemalloc.start()
    fit(X, y, solver=solver)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return 1 + peak / X.nbytes


def large(folder, quick):
    """Write CPU seconds and memory where a factorisation is dear."""
    d, n = (400, 800) if quick else (2000, 4000)
    n_trials = 1 if quick else 5
    seconds, reached = {}, {}
    for seed in range(n_trials):
        X, y, w = draw(d, n, 5.0, seed)
        problem = DecodingProblem(X, y)
        curvature = largest_curvature(problem, middle_start(problem, 1), centered=True)
        loose = {"tol": np.sqrt(2e-6) / problem.scale, "max_iter": 1000}
        runs = {"auto": {}, "newton": {"solver": "newton"}}
        for share in STEPS:
            step = {"learning_rate": 2 * share / curvature}
            runs[f"centred, {share:g} x 2/L"] = {
                "solver": "centered_gd",
                **step,
                **loose,
            }
        for name, parameters in runs.items():
            model, spent = fit(X, y, **parameters)
            there = model.loss_ <= 1.01e-6
            seconds.setdefault(name, []).append(spent if there else np.inf)
            reached.setdefault(name, []).append(
                (model.n_iter_, model.loss_, relative_error(model.coef_, w))
            )
        print(f"draw {seed}", flush=True)
    columns = ("CPU s", "iterations", "loss", "largest error", "memory")
    rows = [("d", "n", "solver", *columns)]
    memory = {name: f"{memory_of(name, X, y):.2f}" for name in ("auto", "newton")}
    for name, spent in seconds.items():
        table = np.array(reached[name])
        rows.append(
            (
                *(d, n, name, f"{np.median(spent):.3f}", np.median(table[:, 0])),
                *(f"{np.median(table[:, 1]):.1e}", f"{table[:, 2].max():.1e}"),
                memory.get(name, ""),
            )
        )
    write(folder, "large", rows)


def size(folder, quick):
    """Write CPU seconds of factorised and iterative steps."""
    rows = [("sigma", "n/d", "d", "n d", "newton s", "newton_cg s", "ratio")]
    for sigma in (5.0, 1.0):
        for ratio in (1.2, 2.0, 4.0):
            for d in (50, 100) if quick else (50, 100, 150, 200, 300, 400, 600):
                spent = {"newton": [], "newton_cg": []}
                for seed in range(5):
                    X, y, _ = draw(d, round(ratio * d), sigma, seed)
                    for name, times in spent.items():
                        times.append(fit(X, y, solver=name)[1])
                one, other = (np.median(times) for times in spent.values())
                times = (f"{one:.4f}", f"{other:.4f}", f"{one / other:.2f}")
                rows.append((sigma, ratio, d, round(ratio * d) * d, *times))
    write(folder, "size", rows)


def noise(folder, quick):
    """Write errors beside those of least squares on the true pattern."""
    columns = ("median ratio", "90 %", "error", "CPU s")
    rows = [("d", "sigma", "n/d", "noise", "solver", *columns)]
    solvers = {
        "auto": {},
        "auto, no theta": {"theta": None},
        "centred descent": {"solver": "centered_gd"},
    }
    for sigma in (5.0, 1.0):
        for ratio in (1.2, 2.0, 4.0):
            for level in (0.01, 0.1, 1.0):
                draws = [
                    draw(100, round(100 * ratio), sigma, seed, level)
                    for seed in range(3 if quick else 30)
                ]
                best = [np.linalg.norm(least_squares(X, y, w) - w) for X, y, w in draws]
                for name, parameters in solvers.items():
                    found = [fit(X, y, **parameters) for X, y, _ in draws]
                    errors = [
                        np.linalg.norm(model.coef_ - w)
                        for (model, _), (*_, w) in zip(found, draws, strict=True)
                    ]
                    ratios = np.array(errors) / best
                    values = (np.median(ratios), np.quantile(ratios, 0.9))
                    rows.append(
                        (
                            *(100, sigma, ratio, level, name),
                            *(f"{value:.3f}" for value in values),
                            f"{np.median(errors):.3g}",
                            f"{np.median([seconds for _, seconds in found]):.3f}",
                        )
                    )
    write(folder, "noise", rows)


def versions(folder):
    """Write what the numbers were computed with."""
    rows = [("name", "version")]
    rows += [
        (module.__name__, module.__version__)
        for module in (convexnn, np, scipy, sklearn)
    ]
    rows += [("python", platform.python_version()), ("machine", platform.machine())]
    rows += [("threads", os.environ.get("OPENBLAS_NUM_THREADS", "not set"))]
    write(folder, "versions", rows)


#: Parts by name.
PARTS = {
    part.__name__: part for part in (iterations, recovery, certain, large, size, noise)
}


def main():
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few draws, small sizes")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--output", type=Path, default=Path("docs"))
    arguments = parser.parse_args()
    folder = arguments.output / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.part:
        PARTS[name](folder, arguments.quick)
    versions(folder)
    drawn = {"iterations", "recovery"} & set(arguments.part)
    if drawn:
        from decoder_picture import draw_pictures

        draw_pictures(folder, arguments.output / "images", drawn)


if __name__ == "__main__":
    main()
