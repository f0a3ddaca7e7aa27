"""Figs. 2 and 4 of the three-layer paper: descent, landscape, and the convex program.

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

from functools import lru_cache

import numpy as np
from scipy.optimize import linprog

from convexnn import ThreeLayerConvexRegressor
from convexnn.networks.three_layer import ThreeLayerNetwork
from convexnn.plotting import LossLandscapeDisplay

from ..measures import fitted
from ..methods.three_layer import (
    Flat,
    Problem,
    as_subnetworks,
    draw_weights,
    lbfgs,
    sgd,
    teacher,
)
from ..pictures import grid, legend_above, plt
from ..run import Part
from ..tables import grouped

#: Fig. 4 of the paper.
N, D, M, BETA, STARTS = 5, 2, 3, 0.002, 5

SETTINGS = {
    "widths": (1, 2, 3, 4, 5, 10, 20),  # of Fig. 4; the last two are not the paper's
    "steps": 50_000,
    "draws": 10,
    "landscape": {"n": 100, "d": 10, "m": 10, "beta": 0.1},
    "landscape_widths": (1, 5, 20),
    "landscape_starts": 30,
    "planes": 10,
    "lbfgs_steps": 5000,
    "points": 61,
}
QUICK = {
    **{"widths": (1, 3), "steps": 200, "draws": 1, "landscape_widths": (1, 5)},
    **{"landscape": {"n": 15, "d": 2, "m": 2, "beta": 0.1}, "landscape_starts": 3},
    **{"planes": 2, "lbfgs_steps": 300, "points": 5},
}

RATES = (0.3, 0.1, 0.03, 0.01)

#: An end counts as the optimum, or as near it, up to this, relative to the optimum.
REACHED, NEAR = 1e-2, 1e-1

#: Ways to solve the convex program: settings, and the marker of each.
WAYS = {
    "all blocks": ({"cells": "all"}, "^"),
    "200 sampled blocks": ({"cells": "sampled", "n_cells": 200}, "s"),
    "search": ({"cells": "auto", "tol": 1e-6}, "D"),
}


def fit(X, y, m, beta, **settings):
    """Return a fitted estimator and its CPU seconds."""
    model = ThreeLayerConvexRegressor(
        m, beta=beta, fit_intercept=False, random_state=0, **settings
    )
    return fitted(model, X, y)


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


def stacked(parts):
    return tuple(np.concatenate(layers) for layers in zip(*parts, strict=True))


def starts_of(draw, K, numbers):
    """Return the weights that some runs start from, stacked."""
    return stacked([draw_weights(D, M, K, [draw, K, number]) for number in numbers])


def runs_of(data, K, first):
    """Return problem, weights and draw of all starts from a number on."""
    numbers = range(first, first + STARTS)
    weights = stacked([starts_of(draw, K, numbers) for draw in range(len(data))])
    rows = np.repeat(np.arange(len(data)), STARTS)
    X, y = (np.stack(each)[rows] for each in zip(*data, strict=True))
    return Problem(X, y, BETA), weights, rows


def tuned_rates(data, K, n_steps):
    """Return for each draw of data the rate with the smallest median objective."""
    problem, weights, rows = runs_of(data, K, 100)
    medians = []
    for rate in RATES:
        ends = sgd(problem, weights, np.full(len(rows), rate), [n_steps])[0][-1]
        medians.append(np.median(ends.reshape(-1, STARTS), axis=1))
    return np.array(RATES)[np.argmin(medians, axis=0)]


@lru_cache(maxsize=1)
def data_of(draws):
    """Return draws of data and the optimum of each."""
    data = [teacher(N, D, M, 5, draw) for draw in range(draws)]
    optima = [fit(*one, M, BETA, cells="all")[0].objective_ for one in data]
    return data, np.array(optima)


def convex(options, case, _):
    """Return a line on a convex way to train the first draw."""
    # The first fit of a process also loads the conic solver.
    fit(np.eye(4, 2), np.arange(4.0), M, BETA, cells="sampled")
    X, y = teacher(N, D, M, 5, 0)
    model, seconds = fit(X, y, M, BETA, **WAYS[case["method"]][0])
    kept = thinned(model.subnetworks_, X)
    network = ThreeLayerNetwork(kept, 0.0, False)
    return {
        "convex objective": model.objective_,
        "network": model.network_.objective(X, y, BETA),
        "K": model.n_neurons_,
        "thinned": network.objective(X, y, BETA),
        "thinned K": len(kept),
        "gap": model.certificate_.relative_gap,
        "holds over": model.certificate_.scope,
        "seconds": seconds,
    }


def descent(options, case, _):
    """Yield curves of the first draw, one start at a time, and the ends of all."""
    (data, optima), K, n_steps = data_of(options.draws), case["K"], options.steps
    records = np.unique(np.geomspace(1, n_steps, 60).astype(int))
    rates, first = tuned_rates(data, K, n_steps // 5), []
    X, y = data[0]
    for start in range(STARTS):
        problem = Problem(X[None], y[None], BETA)
        weights = starts_of(0, K, [start])
        values, seconds = sgd(problem, weights, rates[:1], records)
        first.append(values[-1, 0])
        for step, spent, value in zip(records, seconds, values[:, 0], strict=True):
            point = {"step": step, "CPU seconds": spent, "objective": value}
            yield "three_layer_convergence", {"start": start} | point
    problem, weights, rows = runs_of(data, K, 0)
    ends = sgd(problem, weights, rates[rows], [n_steps])[0][-1]
    ends = (ends / optima[rows]).reshape(-1, STARTS)
    found, first = ends <= 1 + REACHED, np.array(first)
    yield {
        **{"rate": rates[0], "best": first.min(), "median": np.median(first)},
        "worst": first.max(),
        "reached": np.sum(first <= (1 + REACHED) * optima[0]),
        "starts": STARTS,
        "reached on all draws": found.sum(),
        "starts on all draws": found.size,
        "near on all draws": np.sum(ends <= 1 + NEAR),
        "draws with one": found.any(axis=1).sum(),
        "least over optimum": ends.min(),
        "median over optimum": np.median(ends),
    }


def reach(X, y, K, options):
    """Return where L-BFGS ends from all starts, the lowest first."""
    beta, ends = options.landscape["beta"], []
    for start in range(options.landscape_starts):
        weights = draw_weights(X.shape[1], options.landscape["m"], K, [start, K])
        flat = Flat(X, y, weights, beta)
        point = lbfgs(flat, options.lbfgs_steps, gtol=1e-5)
        ends.append((flat(point)[0], as_subnetworks(flat.weights(point)[0])))
    return sorted(ends, key=lambda end: end[0])


def landscape(options, case, _):
    """Yield a summary of each width, its ends, and the two planes to draw."""
    n, d, m, beta = options.landscape.values()
    X, y = teacher(n, d, m, 1, 0)
    model, seconds = fit(X, y, m, beta)
    ends = {K: reach(X, y, K, options) for K in options.landscape_widths}
    least = min(model.objective_, *(found[0][0] for found in ends.values()))
    ours = {"objective": model.objective_, "seconds": seconds, "least": least}
    options.about["landscape_search"] = ours
    yield "three_layer_landscape_ends", {"objective": model.objective_}
    common = {"beta": beta, "n_points": options.points}
    for K, found in ends.items():
        random = [
            LossLandscapeDisplay.from_network(
                *(found[0][1], X, y), random_state=seed, **common
            )
            for seed in range(options.planes)
        ]
        networks = {f"{k + 1}": found[k][1] for k in range(3)}
        three = LossLandscapeDisplay.from_networks(networks, X, y, **common)
        plt.close("all")
        values = np.array([value for value, _ in found])
        yield {
            **{"K": K, "starts": len(values), "least": values[0]},
            **{"median": np.median(values), "worst": values[-1]},
            "within 5 % of the least known": np.sum(values <= 1.05 * least),
            "minima in a random plane": np.mean([len(p.minima) for p in random]),
            "nonconvex share of a random plane": np.mean(
                [p.nonconvex_share for p in random]
            ),
            "largest in a random plane": np.median([p.values.max() for p in random]),
            "lowest wall": min(three.walls.values()),
            "highest wall": max(three.walls.values()),
        }
        for value in values:
            yield "three_layer_landscape_ends", {"K": K, "objective": value}
        for plane in (random[0], three):
            yield from _points_of(plane, K, "random" if plane is not three else "three")


def _points_of(plane, K, kind):
    """Yield the points of a plane, and then the networks in it."""
    head = {"K": K, "plane": kind, "x axis": plane.axis_names[0]}
    head["y axis"] = plane.axis_names[1]
    for (i, j), value in np.ndenumerate(plane.values):
        point = {"x": plane.first[j], "y": plane.second[i], "objective": value}
        yield "three_layer_landscape_planes", head | point
    for name, (x, y) in plane.points.items():
        yield "three_layer_landscape_planes", head | {"network": name, "x": x, "y": y}


PARTS = {
    "three_layer_convergence_convex": Part(
        "method | convex objective @.9g | network @.9g | K | thinned @.9g | thinned K"
        " | gap @.9g | holds over | seconds @.9g",
        convex,
        methods=lambda options: [{"method": name} for name in WAYS],
    ),
    "three_layer_convergence_ends": Part(
        "K | rate | best @.6g | median @.6g | worst @.6g | reached | starts"
        " | reached on all draws | starts on all draws | near on all draws"
        " | draws with one | least over optimum @.6g | median over optimum @.6g",
        descent,
        lambda options: [{"K": K} for K in options.widths],
        beside={
            "three_layer_convergence": "K | start | step | CPU seconds @.4g"
            " | objective @.6g"
        },
    ),
    "three_layer_landscape": Part(
        "K | starts | least @.6g | median @.6g | worst @.6g"
        " | within 5 % of the least known | minima in a random plane @.6g"
        " | nonconvex share of a random plane @.6g | largest in a random plane @.6g"
        " | lowest wall @.6g | highest wall @.6g",
        landscape,
        beside={
            "three_layer_landscape_ends": "K | objective",
            "three_layer_landscape_planes": "K | plane | network | x axis | y axis"
            " | x @.9g | y @.9g | objective @.9g",
        },
    ),
}


def about(options):
    return {"landscape": options.landscape, "steps": options.steps}


def draw_convergence(tables, options):
    """Draw a panel for each K, and how many starts reached the optimum."""
    curves = grouped(tables["three_layer_convergence"], "K")
    convex, ends = (tables[f"three_layer_convergence_{x}"] for x in ("convex", "ends"))
    figure, panels = grid(2, 3, panel=(3, 2.8))
    panels = panels.ravel()
    for axes, row in zip(panels[:5], ends, strict=False):
        for start, chosen in grouped(curves[row["K"]], "start").items():
            points = [[x[k] for x in chosen] for k in ("CPU seconds", "objective")]
            label = "SGD, one line a start" if start == 0 else None
            axes.plot(*points, color="C0", lw=1.1, alpha=0.8, label=label)
        axes.set(xscale="log", yscale="log")
        _draw_convex(axes, convex)
        axes.set_title(f"K = {row['K']}", fontsize="medium")
        axes.sharex(panels[0])
        axes.sharey(panels[0])
        axes.grid(alpha=0.3)
    for axes in (panels[0], panels[3]):
        axes.set_ylabel("objective")
    for axes in panels[2:5]:
        axes.set_xlabel("CPU seconds")
    _draw_shares(panels[5], ends)
    legend_above(figure, panels[0])
    return figure


def _draw_convex(axes, convex):
    """Draw the programs' values, and the values of the networks recovered from them."""
    axes.axhline(convex[0]["convex objective"], color="0.4", lw=0.8, ls=":")
    for row in convex:
        style = {"color": "C2", "ms": 9, "mfc": "none", "mew": 1.5}
        place, marker = row["seconds"], WAYS[row["method"]][1]
        axes.plot(place, row["convex objective"], marker, label=row["method"], **style)
        is_last = row is convex[-1]
        label = f"network of {row['thinned K']} recovered" if is_last else None
        axes.plot(place, row["thinned"], "o", color="C3", ms=3, label=label)


def _draw_shares(axes, ends):
    places = range(len(ends))
    total, starts = ends[0]["starts on all draws"], ends[0]["starts"]
    for name, scale, label, color, style in (
        ("draws with one", starts, f"best of {starts}, 1 %", "C1", "s-"),
        ("near on all draws", 1, "a start, 10 %", "C0", "o--"),
        ("reached on all draws", 1, "a start, 1 %", "C0", "o-"),
    ):
        shares = [scale * row[name] / total for row in ends]
        axes.plot(places, shares, style, color=color, label=label, ms=4)
    axes.set(ylim=(-0.03, 1.35), xlabel="K", ylabel="share near the optimum")
    axes.set_xticks(places, [row["K"] for row in ends])
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_title(f"{total // starts} draws of data", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize="small", loc="upper left", ncols=2)


def planes_of(rows):
    """Return the planes by kind and K."""
    planes = {}
    for key, group in grouped(rows, "plane", "K").items():
        points = {str(x["network"]): (x["x"], x["y"]) for x in group if x["network"]}
        values = [x for x in group if not x["network"]]
        first, second = (sorted({x[axis] for x in values}) for axis in "xy")
        shape = len(second), len(first)
        planes[key] = LossLandscapeDisplay(
            *(first, second, np.reshape([x["objective"] for x in values], shape)),
            points=points,
            axis_names=(group[0]["x axis"], group[0]["y axis"]),
        )
    return planes


def draw_landscape(tables, options):
    """Draw both planes of each K, and below them where all starts ended."""
    planes = planes_of(tables["three_layer_landscape_planes"])
    ends = grouped(tables["three_layer_landscape_ends"], "K")
    widths = [K for K in ends if K]
    figure, panels = grid(
        *(3, len(widths)),
        panel=(3.1, 2.75),
        gridspec_kw={"height_ratios": (1, 1, 0.75)},
    )
    for row, kind in zip(panels[:2], ("random", "three"), strict=True):
        shown = [planes[kind, K] for K in widths]
        limits = min(p.values.min() for p in shown), max(p.values.max() for p in shown)
        for axes, K, plane in zip(row, widths, shown, strict=True):
            plane.plot(ax=axes, limits=limits, bar=axes is row[-1])
            minima = "minimum" if len(plane.minima) == 1 else "minima"
            share = f"{100 * plane.nonconvex_share:.0f} % non-convex"
            title = f"K = {K}\n{len(plane.minima)} {minima}, {share}"
            axes.set_title(title, fontsize="medium")
            if axes is not row[0]:
                axes.set_ylabel("")
    for axes in panels[2]:
        axes.remove()
    _draw_ends(figure.add_subplot(panels[2, 0].get_gridspec()[2, :]), ends, widths)
    return figure


def _draw_ends(axes, ends, widths):
    values = {K: np.array([row["objective"] for row in ends[K]]) for K in ends}
    (ours,), least = values.pop(""), min(map(min, values.values()))
    least = min(least, ours)
    for position, K in enumerate(widths):
        above = np.maximum(values[K] / least - 1, 1e-4)
        spread = np.linspace(-0.25, 0.25, len(above))
        axes.plot(above, position + spread, "o", ms=4, alpha=0.7, color="C0")
    at, label = max(ours / least - 1, 1e-4), "convexnn's search (zeros are at 1e-4)"
    axes.axvline(at, color="C3", lw=1.2, label=label)
    axes.axvline(5e-2, color="0.4", lw=0.8, ls=":", label="5 %")
    axes.set(
        xscale="log",
        xlabel="objective above the least known, relative, one dot a start of L-BFGS",
        yticks=range(len(widths)),
        yticklabels=[f"K = {K}" for K in widths],
        ylim=(len(widths) - 0.5, -0.5),
    )
    axes.grid(alpha=0.3, axis="x")
    axes.legend(frameon=False, fontsize="small")


PICTURES = {
    "three_layer_convergence": draw_convergence,
    "three_layer_landscape": draw_landscape,
}
