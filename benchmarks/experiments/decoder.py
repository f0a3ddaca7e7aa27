"""Recovery, iterations, time and noise of CenteredGDDecoder: the paper's figures.

- decoder_iterations: loss and error against iterations at n = 2 d (Fig. 3 of the
  paper); the paths are in decoder_paths,
- decoder_recovery: relative error against n / d (Fig. 2), ten draws,
- decoder_certain: share of 50 draws that are recovered from few samples,
- decoder_large: CPU seconds and memory at d = 2,000 and n = 4,000,
- decoder_size: factorised against iterative steps, for the rule of solver="auto",
- decoder_noise: error beside least squares on the true pattern.

Everything is drawn at random, so that --data is not used.
"""

from __future__ import annotations

import platform
import tracemalloc
from itertools import product

import numpy as np
import scipy
import sklearn

import convexnn
from convexnn.decoding.descent import largest_curvature
from convexnn.decoding.encoder import DecodingProblem
from convexnn.decoding.solvers import middle_start
from convexnn.plotting import DecodingDisplay
from convexnn.plotting.decoding import DecodingCurve

from ..measures import relative_error
from ..methods.decoders import SOLVERS, fit, iterations_to, least_squares, trace
from ..pictures import grid, legend_above
from ..problems.drawn import rectified_sums
from ..run import Part
from ..tables import grouped

RATIOS = (1.0, 1.05, 1.1, 1.15, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5)
SETTINGS = {
    "draws": {"iterations": 10, "recovery": 10, "certain": 50, "large": 5, "size": 5}
    | {"noise": 30},
    "traced": ((100, 200, 5.0), (500, 1000, 5.0), (100, 200, 1.0)),
    "sizes": (50, 100, 200, 500),
    "ratios": RATIOS,
    "few": (
        *((100, 5.0, 1.02), (100, 5.0, 1.05), (100, 1.0, 1.05), (100, 1.0, 1.1)),
        *((100, 1.0, 1.15), (500, 5.0, 1.05)),
    ),
    "large": 2000,
    "dimensions": (50, 100, 150, 200, 300, 400, 600),
    "wide": (1.2, 2.0, 4.0),
    "levels": (0.01, 0.1, 1.0),
}
QUICK = {
    "draws": dict.fromkeys(SETTINGS["draws"], 2),
    "traced": ((40, 80, 5.0),),
    "sizes": (20,),
    "ratios": (1.1, 2.0),
    "few": ((50, 5.0, 1.05),),
    "large": 100,
    "dimensions": (20, 40),
    "wide": (2.0,),
    "levels": (0.1,),
}

#: Squared relative errors below this count as recovered.
RECOVERED = 1e-10

#: Steps of centred descent that are tried, in units of 2 / L at the start.
STEPS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1)

#: Lowest value shown: of paths, and of recovery, where less is rounding.
_FLOOR, _ROUNDING = 1e-26, 1e-18

WAYS = {
    "auto": {},
    "auto, no theta": {"theta": None},
    "centred descent": {"solver": "centered_gd"},
    "nesterov": {"solver": "nesterov"},
    "newton": {"solver": "newton"},
    "newton_cg": {"solver": "newton_cg"},
}


def drawn(what):
    """Return the loader of the draws of a case."""

    def load(options, case):
        d, ratio, noise = case["d"], case["n/d"], case.get("noise", 0.0)
        return [
            rectified_sums(d, round(ratio * d), case["sigma"], seed, noise)
            for seed in range(options.draws[what])
        ]

    return load


def solvers(*names):
    return lambda options: [{"solver": name} for name in names]


def fits(case, draws):
    """Return models, squared relative errors and CPU seconds of all draws."""
    found = [fit(X, y, **WAYS[case["solver"]]) for X, y, _ in draws]
    models, seconds = zip(*found, strict=True)
    pairs = zip(models, draws, strict=True)
    errors = [relative_error(model.coef_, w) ** 2 for model, (*_, w) in pairs]
    return models, np.array(errors), np.array(seconds)


def thinned(trials, n_points=60):
    """Yield iterations and the mean, least and largest value of trials there."""
    longest = max(map(len, trials))
    values = np.array([np.pad(t, (0, longest - len(t)), mode="edge") for t in trials])
    steps = np.geomspace(1, longest - 1, n_points).round().astype(int)
    for at in np.unique(np.append(0, steps)):
        column = values[:, at]
        yield {
            **{"iteration": at, "mean": column.mean()},
            **{"least": column.min(), "largest": column.max()},
        }


def iterations(options, case, _):
    d, n, sigma, name = case.values()
    tol, longest = (1e-6, 30_000) if name == "plain descent" else (1e-12, 5000)
    found = [
        trace(name, *rectified_sums(d, n, sigma, seed), max_iter=longest, tol=tol)
        for seed in range(options.draws["iterations"])
    ]
    losses, errors = zip(*found, strict=True)
    reached = [iterations_to(loss, 1e-6) for loss in losses]
    yield {
        **{"to 1e-6": np.median(reached), "worst": max(reached)},
        "all": max(len(loss) - 1 for loss in losses),
        "final error": max(error[-1] for error in errors),
    }
    if sigma == 5:
        for what, trials in (("loss", losses), ("error", errors)):
            yield from (("decoder_paths", {"what": what} | x) for x in thinned(trials))


def recovery(options, case, draws):
    _, errors, seconds = fits(case, draws)
    return {
        **{"mean error": errors.mean(), "least": errors.min()},
        **{"largest": errors.max(), "recovered": np.mean(errors < RECOVERED)},
        "CPU s": np.median(seconds),
    }


def certain(options, case, draws):
    models, errors, seconds = fits(case, draws)
    return {
        **{"draws": len(draws), "recovered": np.mean(errors < RECOVERED)},
        "exact": np.mean([model.is_exact_ for model in models]),
        "largest error": errors.max(),
        "starts": np.mean([model.n_starts_ for model in models]),
        "CPU s": np.mean(seconds),
    }


def memory_of(solver, X, y):
    """Return X and the peak of what a fit allocates, in arrays of n x d."""
    tracemalloc.start()
    fit(X, y, solver=solver)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return 1 + peak / X.nbytes


def large(options, case, _):
    """Yield CPU seconds and memory where a factorisation is dear."""
    d, n = case.values()
    found = {}
    for seed in range(options.draws["large"]):
        X, y, w = rectified_sums(d, n, 5.0, seed)
        problem = DecodingProblem(X, y)
        curvature = largest_curvature(problem, middle_start(problem, 1), centered=True)
        loose = {"tol": np.sqrt(2e-6) / problem.scale, "max_iter": 1000}
        loose |= {"solver": "centered_gd"}
        runs = {"auto": {}, "newton": {"solver": "newton"}} | {
            f"centred, {share:g} x 2/L": {"learning_rate": 2 * share / curvature}
            | loose
            for share in STEPS
        }
        for name, parameters in runs.items():
            model, spent = fit(X, y, **parameters)
            error = relative_error(model.coef_, w) ** 2
            spent = spent if model.loss_ <= 1.01e-6 else np.inf
            row = spent, model.n_iter_, model.loss_, error
            found.setdefault(name, []).append(row)
    for name, rows in found.items():
        spent, steps, loss, error = np.array(rows).T
        yield {
            **{"solver": name, "CPU s": np.median(spent)},
            **{"iterations": np.median(steps), "loss": np.median(loss)},
            "largest error": error.max(),
            "memory": memory_of(name, X, y) if name in ("auto", "newton") else None,
        }


def size(options, case, draws):
    spent = {"newton": [], "newton_cg": []}
    for X, y, _ in draws:
        for name, times in spent.items():
            times.append(fit(X, y, solver=name)[1])
    one, other = (np.median(times) for times in spent.values())
    work = {"n d": round(case["n/d"] * case["d"]) * case["d"], "ratio": one / other}
    return work | {"newton s": one, "newton_cg s": other}


def noise(options, case, draws):
    models, _, seconds = fits(case, draws)
    best = [np.linalg.norm(least_squares(X, y, w) - w) for X, y, w in draws]
    pairs = zip(models, draws, strict=True)
    errors = np.array([np.linalg.norm(model.coef_ - w) for model, (*_, w) in pairs])
    return {
        **{"median ratio": np.median(errors / best), "error": np.median(errors)},
        **{"90 %": np.quantile(errors / best, 0.9), "CPU s": np.median(seconds)},
    }


def versions(options, case, _):
    modules = (convexnn, np, scipy, sklearn)
    found = {module.__name__: module.__version__ for module in modules}
    found |= {"python": platform.python_version(), "machine": platform.machine()}
    found |= {"threads": options.threads}
    yield from ({"name": name, "version": value} for name, value in found.items())


def cases(names, *entries):
    """Return the problems of all values of some settings."""

    def problems(options):
        values = (getattr(options, x) if isinstance(x, str) else x for x in entries)
        return (dict(zip(names, case, strict=True)) for case in product(*values))

    return problems


PARTS = {
    "decoder_iterations": Part(
        "d | n | sigma | solver | to 1e-6 | worst | all | final error @.0e",
        iterations,
        lambda o: (dict(zip(("d", "n", "sigma"), x, strict=True)) for x in o.traced),
        solvers(*SOLVERS),
        beside={
            "decoder_paths": "d | n | solver | what | iteration | mean @.4g"
            " | least @.4g | largest @.4g"
        },
    ),
    "decoder_recovery": Part(
        "d | sigma | n/d | solver | mean error @.3g | least @.3g | largest @.3g"
        " | recovered | CPU s @.3g",
        recovery,
        cases(("d", "sigma", "n/d"), "sizes", (1.0, 5.0), "ratios"),
        solvers("auto", "auto, no theta", "centred descent", "nesterov"),
        drawn("recovery"),
    ),
    "decoder_certain": Part(
        "d | sigma | n/d | solver | draws | recovered | exact | largest error @.1e"
        " | starts | CPU s @.3f",
        certain,
        lambda o: (dict(zip(("d", "sigma", "n/d"), x, strict=True)) for x in o.few),
        solvers("newton", "newton_cg"),
        drawn("certain"),
    ),
    "decoder_large": Part(
        "d | n | solver | CPU s @.3f | iterations | loss @.1e | largest error @.1e"
        " | memory @.2f",
        large,
        lambda options: [{"d": options.large, "n": 2 * options.large}],
    ),
    "decoder_size": Part(
        "sigma | n/d | d | n d | newton s @.4f | newton_cg s @.4f | ratio @.2f",
        size,
        cases(("sigma", "n/d", "d"), (5.0, 1.0), "wide", "dimensions"),
        load=drawn("size"),
    ),
    "decoder_noise": Part(
        "d | sigma | n/d | noise | solver | median ratio @.3f | 90 % @.3f"
        " | error @.3g | CPU s @.3f",
        noise,
        cases(("d", "sigma", "n/d", "noise"), (100,), (5.0, 1.0), "wide", "levels"),
        solvers("auto", "auto, no theta", "centred descent"),
        drawn("noise"),
    ),
    "decoder_versions": Part("name | version", versions),
}


def curves_of(rows, group, label, x):
    """Return the curves of a table, by the values of the columns in `group`."""
    curves = {}
    for (*key, name), points in grouped(rows, *group, label).items():
        mean = "mean" if "mean" in points[0] else "mean error"
        values = np.array(
            [[p[k] for k in (x, mean, "least", "largest")] for p in points]
        )
        curves.setdefault(tuple(key), []).append(DecodingCurve(name, *values.T))
    return curves


def finish(figure, panels, n_columns):
    """Put one legend above the panels."""
    for panel in panels.flat:
        if panel.get_legend():
            panel.get_legend().remove()
        panel.label_outer()
    legend_above(figure, panels.flat[0], n_columns=n_columns)
    return figure


def draw_iterations(tables, options):
    """Draw loss and error against iterations: Fig. 3 of the paper."""
    found = curves_of(
        tables["decoder_paths"], ("d", "n", "what"), "solver", "iteration"
    )
    sizes = list(dict.fromkeys((d, n) for d, n, _ in found))
    figure, panels = grid(2, len(sizes), panel=(4, 3), sharex="col", sharey="row")
    names = {"loss": "loss", "error": "relative recovery error"}
    for column, (d, n) in zip(panels.T, sizes, strict=True):
        for panel, (what, label) in zip(column, names.items(), strict=True):
            display = DecodingDisplay(
                *(found[d, n, what],),
                xlabel="iterations",
                ylabel=label,
                log_x=True,
                floor=_FLOOR,
            )
            title = f"d = {d}, n = {n}" if what == "loss" else None
            display.plot(ax=panel, title=title)
    return finish(figure, panels, 5)


def draw_recovery(tables, options):
    """Draw error against n / d: Fig. 2 of the paper."""
    rows = tables["decoder_recovery"]
    found = curves_of(rows, ("sigma", "d"), "solver", "n/d")
    sigmas, sizes = (sorted({key[at] for key in found}) for at in (0, 1))
    figure, panels = grid(
        *(len(sigmas), len(sizes)), panel=(2.8, 2.8), sharex=True, sharey=True
    )
    for panel, (sigma, d) in zip(panels.flat, product(sigmas, sizes), strict=True):
        display = DecodingDisplay(
            *(found[sigma, d],),
            xlabel="n / d",
            ylabel="relative recovery error",
            floor=_ROUNDING,
        )
        display.plot(ax=panel, title=f"d = {d}, sigma = {sigma:g}")
    return finish(figure, panels, 4)


PICTURES = {"decoder_iterations": draw_iterations, "decoder_recovery": draw_recovery}
