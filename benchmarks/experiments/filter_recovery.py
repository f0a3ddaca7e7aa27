"""How many samples, seconds and how much noise the filter of one fit takes.

- filter_recovery: planted filters without noise: the share of draws whose relative
  error is below 1e-8.
- filter_seconds: one fit beside the same linear program (9) in HiGHS, in CPU seconds,
  interleaved.
- filter_noise: the median error beside that of least squares on the true active sets,
  and beside that of the refinement that starts from the true filter; "loss" is the
  median loss of the fit divided by that reached from the true filter.
"""

from __future__ import annotations

import numpy as np

from convexnn import ConvexCNNRegressor
from convexnn.filters.backends import select_relaxation_backend, solve_relaxation
from convexnn.filters.program import RelaxationProgram, data_direction
from convexnn.filters.refinement import refine_filter

from ..measures import interleaved, relative_error
from ..methods.filters import active_rows
from ..problems.drawn import patches_of, planted_filter
from ..run import Part

SETTINGS = {
    "draws": 60,
    "runs": 7,
    # Patches k, length p of the filter, and samples per length; or samples.
    "ratios": ((1, 50, 2.4), (2, 25, 1.7), (5, 10, 1.4), (5, 50, 1.25)),
    "noisy": (
        *((1, 50, 250), (1, 50, 500), (2, 25, 100), (2, 25, 250)),
        *((5, 10, 40), (5, 10, 100), (5, 50, 250), (5, 50, 500)),
    ),
    "noise": (0.01, 0.1, 0.3),
}
QUICK = {
    "draws": 3,
    "runs": 1,
    "noise": (0.01, 0.3),
    "ratios": ((5, 10, 1.4),),
    "noisy": ((5, 10, 40), (5, 10, 100)),
}


def fit(X, y, p):
    return ConvexCNNRegressor(filter_shape=p, random_state=0).fit(X, y)


def recoveries(options):
    return ({"k": k, "p": p, "n / p": ratio} for k, p, ratio in options.ratios)


def recovery(options, case, _):
    k, p, ratio = case.values()
    row = {"n": round(ratio * p), "draws": options.draws}
    row |= dict.fromkeys(("error < 1e-8", "zero residual", "not determined"), 0)
    most = 0
    for seed in range(options.draws):
        X, y, w = planted_filter(row["n"], k, p, seed)
        found = fit(X, y, p)
        row["error < 1e-8"] += relative_error(found.coef_, w) < 1e-8
        row["zero residual"] += found.recovered_
        # The active patches of the true filter lack full rank.
        row["not determined"] += np.linalg.matrix_rank(active_rows(X, w)) < p
        most = max(most, found.n_restarts_)
    passed = row["error < 1e-8"] >= 0.95 * options.draws
    return row | {"most starts": most, "verdict": "PASS" if passed else "FAIL"}


def seconds(options, case, _):
    """Yield the times at n = 1,000, d = 250, k = 5."""
    X, y, w = planted_filter(1000, 5, 50, 0)
    patches, size = patches_of(X, 50), np.sqrt(np.mean(y**2))
    direction = data_direction(patches, y / size)
    program = RelaxationProgram(patches, y / size, direction, None)

    def solved(name):
        backend = select_relaxation_backend(name, "linear")
        found = solve_relaxation(program, backend, tol=1e-6, max_iter=10**6)
        return found.point.w * size

    actions = {
        "one fit": lambda: fit(X, y, 50).coef_,
        "(9) in HiGHS": lambda: solved("highs"),
        "(9), own": lambda: solved("interior_point"),
    }
    found, medians = interleaved(actions, options.runs)
    for name, spent in medians.items():
        yield {
            "what": name,
            "CPU seconds": spent,
            "times one fit": spent / medians["one fit"],
            "relative error": relative_error(found[name], w),
        }


def noises(options):
    for k, p, n in options.noisy:
        yield from ({"k": k, "p": p, "n": n, "noise": size} for size in options.noise)


def noise(options, case, _):
    k, p, n, size = case.values()
    errors, losses = [], []
    for seed in range(options.draws):
        X, y, w = planted_filter(n, k, p, seed, size)
        oracle = np.linalg.lstsq(active_rows(X, w), y, rcond=None)[0]
        told = refine_filter(patches_of(X, p), y, w, max_iter=20_000)
        found = fit(X, y, p)
        errors.append([relative_error(v, w) for v in (found.coef_, oracle, told.w)])
        losses.append(found.objective_ / told.loss)
    ours, best, near = np.median(errors, axis=0)
    return {
        "median error": ours,
        "true active sets": best,
        "ratio": ours / best,
        "from the truth": near / best,
        "loss": np.median(losses),
        "verdict": "PASS" if ours <= 1.1 * best else "FAIL",
    }


PARTS = {
    "filter_recovery": Part(
        "k | p | n / p | n | draws | error < 1e-8 | zero residual | not determined"
        " | most starts | verdict",
        recovery,
        recoveries,
    ),
    "filter_seconds": Part(
        "what | CPU seconds @.4f | times one fit @.1f | relative error @.1e", seconds
    ),
    "filter_noise": Part(
        "k | p | n | noise | median error @.3g | true active sets @.3g | ratio @.3f"
        " | from the truth @.3f | loss @.3f | verdict",
        noise,
        noises,
    ),
}


def about(options):
    return {"draws": options.draws, "runs": options.runs}
