"""Fig. 1 of the paper and Theorem 1: from how many samples on a filter is recovered.

Maps the relative error over the number of samples n and the dimension d for k = 1, 2, 5
patches: the paper's relaxation with random directions and gradient descent with random
starts, each with the best of all by the true filter, and one fit of convexnn, which
does not know it. Then the probability that the program (9) returns the filter for one
random direction, and for a pair of opposite ones, against n / d (Theorem 1).
"""

from __future__ import annotations

import numpy as np

from convexnn import ConvexCNNRegressor
from convexnn.filters.program import in_recovery_cone
from convexnn.plotting import PhaseTransitionDisplay

from ..measures import relative_error, timed
from ..methods.filters import descend, relax
from ..pictures import grid
from ..problems.drawn import planted_filter
from ..run import Part
from ..tables import as_table, grouped

SETTINGS = {
    "samples": tuple(range(1, 16)),  # in steps of 20 / k, 5 for k = 5
    "dimensions": tuple(range(10, 101, 10)),
    "trials": 100,  # directions and starts
    "curves": (5, 10, 20),  # dimensions
    "ratios": (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128),
    "draws": 200,
    "steps": {1: 20, 2: 10, 5: 5},
}
QUICK = {
    "samples": (1, 4, 7),
    "dimensions": (20, 60),
    "trials": 3,
    "curves": (5,),
    "ratios": (1, 4, 16),
    "draws": 20,
    "steps": {1: 40, 2: 20, 5: 10},
}

#: A slope of the border where convexnn passes, in n / d, for each k.
SLOPES = {1: (2.4,), 2: (0.85,), 5: (0.26,)}


def ours(X, y, w, trials, seed):
    model = ConvexCNNRegressor(
        filter_shape=len(w), n_restarts=trials, random_state=seed
    )
    return relative_error(model.fit(X, y).coef_, w)


def methods(options):
    """Return the methods by their names in the picture."""
    return {
        f"relaxation, {options.trials} directions": relax,
        f"gradient descent, {options.trials} starts": descend,
        "convexnn, one fit": ours,
    }


def cells(options):
    for k, step in options.steps.items():
        for samples in options.samples:
            for d in options.dimensions:
                yield {"k": k, "n": step * samples, "d": d}


def measure(options, case, _):
    k, n, d, method = case.values()
    X, y, w = planted_filter(n, k, d // k, seed=(k, n, d))
    found, seconds = timed(methods(options)[method], X, y, w, options.trials, seed=n)
    return {"relative error": found, "CPU seconds": seconds}


def curves(options):
    return ({"d": d, "n/d": ratio} for d in options.curves for ratio in options.ratios)


def probability(options, case, _):
    d, ratio = case.values()
    hits = np.zeros(2)
    for seed in range(options.draws):
        X, _, w = planted_filter(d * ratio, 1, d, seed=(d, ratio, seed))
        r = np.random.default_rng([seed, 3]).standard_normal(d)
        one = in_recovery_cone(X, w, r)
        hits += one, one or in_recovery_cone(X, w, -r)
    return dict(zip(("one direction", "pair"), hits / options.draws, strict=True))


PARTS = {
    "phase_transition_cells": Part(
        "k | n | d | method | relative error @.3g | CPU seconds @.4f",
        measure,
        cells,
        lambda options: [{"method": name} for name in methods(options)],
    ),
    "phase_transition_probability": Part(
        "d | n/d | one direction | pair", probability, curves
    ),
}


def about(options):
    return {"trials": options.trials, "jobs": options.jobs, "draws": options.draws}


def report(tables, options):
    groups, rows = grouped(tables["phase_transition_cells"], "k", "method"), []
    for (k, method), group in groups.items():
        found = [x["n"] / x["d"] for x in group if x["relative error"] <= 1e-5]
        counts = {"cells": len(group), "recovered": len(found)}
        least = {"smallest n/d": min(found, default=np.nan)}
        seconds = {"CPU seconds": sum(x["CPU seconds"] for x in group)}
        rows.append({"k": k, "method": method} | counts | least | seconds)
    columns = "k | method | cells | recovered | smallest n/d @.2f | CPU seconds @.1f"
    yield "phase_transition", as_table(columns, rows)


def draw_maps(tables, options):
    """Draw a row of panels for each k."""
    cells = tables["phase_transition_cells"]
    names, patches = grouped(cells, "method"), grouped(cells, "k")
    figure, panels = grid(
        *(len(patches), len(names)), panel=(2.8, 2.45), sharex=True, sharey="row"
    )
    for number, (axes, k) in enumerate(zip(panels, patches, strict=True)):
        rows = patches[k]
        errors = {(x["method"], x["n"], x["d"]): x["relative error"] for x in rows}
        sizes = [sorted({key[at] for key in errors}) for at in (1, 2)]
        maps = {
            name: np.array([[errors[name, n, d] for d in sizes[1]] for n in sizes[0]])
            for name in names
        }
        display = PhaseTransitionDisplay(*sizes, maps, slopes=SLOPES[k])
        display.plot(axes=axes, title=f"k = {k}")
        for ax in axes:
            if number > 0:
                ax.set_title("")
            if number < len(panels) - 1:
                ax.set_xlabel("")
    return figure


def draw_curves(tables, options):
    """Draw the probabilities against n / d."""
    curves = grouped(tables["phase_transition_probability"], "d")
    figure, ((ax,),) = grid(panel=(5, 3.4))
    lines = {"one direction": "o-", "pair": "s--"}
    for number, (d, chosen) in enumerate(curves.items()):
        for name, style in lines.items():
            points = [x["n/d"] for x in chosen], [x[name] for x in chosen]
            label = f"d = {d}" if name == "one direction" else None
            ax.plot(*points, style, ms=3.5, color=f"C{number}", label=label)
    for (name, style), label in zip(lines.items(), (None, "a pair r, -r"), strict=True):
        ax.plot([], [], style, ms=3.5, color="0.4", label=label or name)
    for level in (0.5, 1.0):
        ax.axhline(level, color="0.6", lw=0.8, ls=":")
    ax.set(xlabel="samples per dimension, n / d", ylabel="probability of recovery")
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.legend(frameon=False)
    return figure


PICTURES = {"phase_transition": draw_maps, "phase_transition_probability": draw_curves}
