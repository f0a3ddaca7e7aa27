"""How many samples, seconds and how much noise the filter of one fit takes.

    python benchmarks/filter_recovery.py [--quick]

1. Planted filters without noise: the share of draws whose relative error is below 1e-8.
2. One fit beside the same linear program (9) in HiGHS, in CPU seconds, interleaved.
3. With noise, the median error beside that of least squares on the true active sets,
   and beside that of the refinement that starts from the true filter; "loss" is the
   median loss of the fit divided by that reached from the true filter.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from planted import draw, relative_error
from results import write_environment, write_table
from two_layer_tables import show

from convexnn import ConvexCNNRegressor
from convexnn.data.patches import Patches, patch_grid
from convexnn.filters import RelaxationProgram, data_direction, refine_filter
from convexnn.filters.backends import select_relaxation_backend, solve_relaxation

#: Patches k, length p of the filter, and samples per length.
RATIOS = ((1, 50, 2.4), (2, 25, 1.7), (5, 10, 1.4), (5, 50, 1.25))

#: Patches, length, and samples of the fits with noise, and its sizes.
NOISY = (
    *((1, 50, 250), (1, 50, 500), (2, 25, 100), (2, 25, 250)),
    *((5, 10, 40), (5, 10, 100), (5, 50, 250), (5, 50, 500)),
)
NOISE = (0.01, 0.1, 0.3)


def fit(X, y, p):
    return ConvexCNNRegressor(filter_shape=p, random_state=0).fit(X, y)


def is_determined(X, w):
    """Return whether the active patches of the true filter have full rank."""
    return np.linalg.matrix_rank(active_rows(X, w)) == len(w)


def active_rows(X, w):
    patches = Patches(X, patch_grid(X.shape[1], filter_shape=len(w)))
    return patches.combine(patches.responses(w) > 0)


def successes(n_draws):
    """Return the table of recoveries."""
    rows = [("k", "p", "n / p", "n", "draws", "error < 1e-8", "zero residual",
             "not determined", "most starts", "verdict")]  # fmt: skip
    for k, p, ratio in RATIOS:
        n = round(ratio * p)
        good = zero = open_ = most = 0
        for seed in range(n_draws):
            X, y, w = draw(n, k, p, seed)
            found = fit(X, y, p)
            good += relative_error(found.coef_, w) < 1e-8
            zero += found.recovered_
            open_ += not is_determined(X, w)
            most = max(most, found.n_restarts_)
        verdict = "PASS" if good >= 0.95 * n_draws else "FAIL"
        rows.append((k, p, ratio, n, n_draws, good, zero, open_, most, verdict))
    return rows


def seconds(n_runs):
    """Return the table of times at n = 1,000, d = 250, k = 5."""
    X, y, w = draw(1000, 5, 50, 0)
    patches = Patches(X, patch_grid(250, filter_shape=50))
    labels = y / np.sqrt(np.mean(y**2))
    program = RelaxationProgram(patches, labels, data_direction(patches, labels), None)
    backends = {
        name: select_relaxation_backend(name, "linear")
        for name in ("highs", "interior_point")
    }
    times = {"fit": [], **{name: [] for name in backends}}
    errors = {}
    for _ in range(n_runs):
        for name in times:
            started = time.process_time()
            if name == "fit":
                found = fit(X, y, 50).coef_
            else:
                solved = solve_relaxation(
                    program, backends[name], tol=1e-6, max_iter=10**6
                )
                found = solved.point.w * np.sqrt(np.mean(y**2))
            times[name].append(time.process_time() - started)
            errors[name] = relative_error(found, w)
    medians = {name: statistics.median(values) for name, values in times.items()}
    names = {"fit": "one fit", "highs": "(9) in HiGHS", "interior_point": "(9), own"}
    rows = [("what", "CPU seconds", "times one fit", "relative error")]
    for name, label in names.items():
        ratio = medians[name] / medians["fit"]
        rows.append(
            (label, f"{medians[name]:.4f}", f"{ratio:.1f}", f"{errors[name]:.1e}")
        )
    return rows


def with_noise(n_draws):
    """Return the table of errors beside least squares on the true active sets."""
    rows = [("k", "p", "n", "noise", "median error", "true active sets", "ratio",
             "from the truth", "loss", "verdict")]  # fmt: skip
    for k, p, n in NOISY:
        for noise in NOISE:
            errors, losses = [], []
            for seed in range(n_draws):
                X, y, w = draw(n, k, p, seed, noise)
                oracle = np.linalg.lstsq(active_rows(X, w), y, rcond=None)[0]
                patches = Patches(X, patch_grid(k * p, filter_shape=p))
                told = refine_filter(patches, y, w, max_iter=20_000)
                found = fit(X, y, p)
                filters = (found.coef_, oracle, told.w)
                errors.append([relative_error(v, w) for v in filters])
                losses.append(found.objective_ / told.loss)
            ours, best, near = np.median(errors, axis=0)
            verdict = "PASS" if ours <= 1.1 * best else "FAIL"
            ratios = (ours / best, near / best, np.median(losses))
            numbers = (f"{ours:.3g}", f"{best:.3g}", *(f"{r:.3f}" for r in ratios))
            rows.append((k, p, n, noise, *numbers, verdict))
    return rows


def main():
    """Measure, print and write the three tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer draws")
    parser.add_argument("--data", help="not used: the data are drawn")
    parser.add_argument("--output", default="docs", help="gets data/")
    arguments = parser.parse_args()
    n_draws, n_runs = (15, 3) if arguments.quick else (60, 7)
    data = Path(arguments.output) / "data"
    for name, table in (
        ("filter_recovery", successes(n_draws)),
        ("filter_seconds", seconds(n_runs)),
        ("filter_noise", with_noise(n_draws)),
    ):
        show(table)
        print()
        write_table(data, name, table)
    write_environment(data, "filter_recovery", draws=n_draws, runs=n_runs)


if __name__ == "__main__":
    main()
