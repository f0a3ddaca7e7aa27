r"""Two-layer ReLU networks: convexnn beside what else minimises the same objective.

Tells, for every set and penalty, what every peer reached and when, in CPU seconds of
one thread, and at the end whether the targets of the package hold. The problem is

    1/2 sum_i (f(x_i) - y_i)^2 + beta/2 sum_j (norm2(w_j)^2 + b_j^2 + a_j^2)

with a free output intercept. Cases run one after the other, the peers of a case in
turn. Objectives are recomputed here from the weights. ``--limit`` is what a peer may
spend on a case: L-BFGS divides it among five starts, Adam among three rates, and the
coordinate descents among their tolerances. Each counts the time of its fastest run
alone, as if the best start, rate or tolerance had been known. convexnn is killed only
at ten times the limit. Loading and compiling are not counted.
"""

from __future__ import annotations

import math
from statistics import median
from types import SimpleNamespace

import numpy as np

from .. import pictures
from ..methods import processes
from ..objectives import cell_objective, count_units, relu_objective, violation
from ..problems import sets
from ..run import Part
from ..tables import as_table, grouped

SETTINGS = {
    "sets": sets.SETS,
    "shares": (0.1, 0.01, 0.001),  # of beta_max
    "peers": tuple(processes.PEERS),
    "cells": (100, 500),  # sampled
    "limit": 60.0,
    "environments": None,
}
QUICK = {"sets": ("diabetes",), "shares": (0.1,), "cells": (10,), "limit": 1.0}
CHOICES = {"sets": sets.SETS, "peers": tuple(processes.PEERS)}

#: Relative fall of the objective from one point of a stored curve to the next.
_STEP = 5e-5

#: How close to the best objective counts as there.
NEAR = (1e-2, 1e-3)

OURS = "convexnn"
KEYS = ("set", "share", "peer", "cells")


def problems(options):
    for name in sets.present(options.sets, options.data):
        yield from ({"set": name, "share": share} for share in options.shares)


def methods(options):
    """Yield peer and number of cells (0 without) in the order of running."""
    asked = {name: processes.PEERS[name] for name in options.peers}
    for name, peer in processes.present(asked, options.environments).items():
        for n_cells in options.cells if peer.uses_cells else [0]:
            yield {"peer": name, "cells": n_cells}


def load(options, case):
    """Return data, beta, cells, and the intercepts that peers find for these."""
    X, y, largest = sets.priced(case["set"], options.data)
    cells = {P: sets.draw_cells(X, P) for P in options.cells}
    beta, centres = case["share"] * largest, dict.fromkeys(options.cells, 0.0)
    return SimpleNamespace(X=X, y=y, beta=beta, cells=cells, centres=centres)


def thin(curve):
    """Yield the points of a curve at which the objective has fallen noticeably."""
    last = float("inf")
    for seconds, objective in curve:
        if objective < last - _STEP * abs(objective):
            last = objective
            yield {"seconds": seconds, "objective": objective}


def describe(network, peer, problem, cells):
    """Return what is recomputed from the network of one report."""
    found = {"neurons": count_units(network)}
    if peer.uses_cells:
        found["violation"] = violation(network, problem.X, cells.patterns)
    data = network, problem.X, problem.y, problem.beta
    is_gated = peer.network == "gated"
    value = cell_objective(*data, cells.patterns) if is_gated else relu_objective(*data)
    return found | {"objective": value}


def measure(options, case, problem):
    """Yield the runs of one peer on one case, and their curves."""
    peer, P = processes.PEERS[case["peer"]], case["cells"]
    cells = problem.cells.get(P)
    given = {"X": problem.X, "y": problem.y, "beta": problem.beta, "seed": 0}
    if P:
        given |= {"patterns": cells.patterns, "gates": cells.gates}
        given["centre"] = problem.centres[P]
    status, versions, reports = processes.launch(
        peer, given, options.limit, options.environments
    )
    if versions:
        options.about[case["peer"]] = versions
    n, d = problem.X.shape
    common = {"n": n, "d": d, "beta": problem.beta, "network": peer.network}
    common["status"] = status
    for k, report in enumerate(reports):
        found = describe(report.network, peer, problem, cells)
        facts = {name: report.facts.get(name) for name in ("gap", "scope")}
        yield common | found | facts | {"run": k, "seconds": report.seconds}
        for point in thin(report.curve):
            yield "two_layer_curves", {"run": k} | point
    if not reports:
        yield common | {"run": -1, "objective": math.nan, "seconds": options.limit}
    elif P and peer.network == "relu":
        problem.centres[P] = float(reports[-1].network["intercept"])


PARTS = {
    "two_layer_runs": Part(
        "set | n | d | share | beta | peer | cells | network | run | objective"
        " | violation | neurons | gap | scope | seconds | status",
        measure,
        problems,
        methods,
        load,
        beside={
            "two_layer_curves": "set | share | peer | cells | run | seconds @.4g"
            " | objective @.8g"
        },
    )
}


def about(options):
    return {"limit in CPU seconds": options.limit}


def curves_of(rows):
    """Return seconds and objectives by key and run."""
    return {
        name: [(row["seconds"], row["objective"]) for row in group]
        for name, group in grouped(rows, *KEYS, "run").items()
    }


def curve_of(run, curves):
    return curves.get(tuple(run[name] for name in (*KEYS, "run")), [])


def best_objectives(runs):
    """Return the smallest objective of a case by set, share and class of networks.

    Gated networks over given cells are a class of their own for each number of cells;
    ReLU networks are one class, wherever they come from.
    """
    best = {}
    for run in runs:
        best[_class(run)] = min(run["objective"], best.get(_class(run), math.inf))
    return best


def _class(run):
    gated = run["network"] == "gated"
    return run["set"], run["share"], run["network"], run["cells"] if gated else 0


def time_to(run, curve, level):
    """Return the CPU seconds after which a run is below `level`, or infinity.

    The curve counts only as far down as the network that the run ended with.
    """
    end = run["objective"]
    if not end <= level:
        return math.inf
    reached = (seconds for seconds, value in curve if max(value, end) <= level)
    return next(reached, run["seconds"])


def _lowest(lines, name):
    return min(lines, key=lambda x: (math.isnan(x[name]), x[name]))


def summarise(runs, curves):
    """Return one line for each peer on each case, over its runs."""
    best, lines = best_objectives(runs), []
    for group in grouped(runs, *KEYS).values():
        run = _lowest(group, "objective")
        level = best[_class(run)]
        line = run | {"above": run["objective"] / level - 1}
        for near in NEAR:
            times = [time_to(r, curve_of(r, curves), level * (1 + near)) for r in group]
            line[near] = min(times)
        lines.append(line)
    return lines


def cases(lines):
    """Return one dictionary a case: ours, the best peer, and the fastest one."""
    found, lines = [], [line for line in lines if line["network"] == "relu"]
    for group in grouped(lines, "set", "share").values():
        ours = next((line for line in group if line["peer"] == OURS), None)
        peers = [line for line in group if line["peer"] != OURS]
        if ours is not None and peers:
            fastest = min(peers, key=lambda x: x[1e-3])
            lowest = _lowest(peers, "above")
            found.append({"ours": ours, "lowest": lowest, "fastest": fastest})
    return found


def ratio(case):
    """Return our time to within 1e-3 over the fastest peer's; 0 if no peer gets there.

    Infinite if we do not, whoever else does.
    """
    ours, peer = case["ours"][1e-3], case["fastest"][1e-3]
    return math.inf if math.isinf(ours) else ours / peer


def targets(found):
    """Return the lines of the targets: what, reached, wanted, on how many, verdict."""
    above = [case["ours"]["above"] for case in found]
    ratios = [ratio(case) for case in found]
    total, near = len(found), sum(a <= 1e-4 for a in above)
    # 22 of the 24 cases of a full run, and as many in proportion of a part.
    least = math.ceil(22 * total / 24)
    lines = [
        ("cases within 1e-4 of the best", near, ">=", least),
        ("largest excess over the best", max(above, default=0.0), "<=", 0.001),
        ("median of our time / fastest peer's", median(ratios or [0.0]), "<=", 0.5),
        ("largest of our time / fastest peer's", max(ratios, default=0.0), "<=", 2),
    ]
    for share, wanted in ((0.1, 1e-3), (0.01, 5e-3)):
        mine = [case["ours"] for case in found]
        mine = [x for x in mine if x["share"] == share and x["n"] <= 2000]
        if mine:
            gap = max(x["gap"] or math.inf for x in mine)
            what = f"largest gap at {share} beta_max, n <= 2000"
            lines.append((what, gap, "<=", wanted))
    rows = [("target", "reached", "wanted", "cases", "verdict")]
    for what, reached, relation, wanted in lines:
        passed = reached >= wanted if relation == ">=" else reached <= wanted
        verdict = "PASS" if passed else "FAIL"
        rows.append((what, f"{reached:.3g}", f"{relation} {wanted}", total, verdict))
    return rows


def _seconds(value):
    return "-" if math.isinf(value) else f"{value:.3g}"


def _peer(line):
    return f"{line['peer']} ({line['cells']})" if line["cells"] else line["peer"]


def table(lines):
    """Return the long table, header first."""
    columns = "set | n | d | beta/max | peer | cells | objective @.7g"
    columns += " | above best @.1e | neurons | gap @.1e | scope | CPU s @.3g"
    shown = [
        x
        | {name: x[name] or "-" for name in ("cells", "neurons", "gap", "scope")}
        | {"beta/max": x["share"], "above best": x["above"], "CPU s": x["seconds"]}
        | {"to 1e-2": _seconds(x[1e-2]), "to 1e-3": _seconds(x[1e-3])}
        | {"ended": x["status"]}
        for x in lines
    ]
    return as_table(f"{columns} | to 1e-2 | to 1e-3 | ended", shown)


def case_table(found):
    """Return the short table: a line a case."""
    rows = [
        (
            *("set", "n", "d", "beta/max", "objective", "above best", "neurons", "gap"),
            *("best peer", "above best", "s to 1e-3", "fastest peer", "s to 1e-3"),
        )
    ]
    for case in found:
        ours, lowest, fastest = case["ours"], case["lowest"], case["fastest"]
        nobody = math.isinf(fastest[1e-3])
        gap = f"{ours['gap']:.1e}" if ours["gap"] != "" else "-"
        rows.append(
            (
                *(ours[name] for name in ("set", "n", "d", "share")),
                *(f"{ours['objective']:.7g}", f"{ours['above']:.0e}", ours["neurons"]),
                *(gap, _peer(lowest), f"{lowest['above']:.0e}", _seconds(ours[1e-3])),
                *("none" if nobody else _peer(fastest), _seconds(fastest[1e-3])),
            )
        )
    return rows


def losses(found):
    """Return the cases where a peer is lower by more than 1e-4, or faster."""
    rows = [("set", "beta/max", "where convexnn loses")]
    for case in found:
        ours, place = case["ours"], (case["ours"]["set"], case["ours"]["share"])
        if ours["above"] > 1e-4:
            lower = f"{_peer(case['lowest'])} is lower by {ours['above']:.1e}"
            rows.append((*place, lower))
        if ratio(case) > 1:
            theirs, mine = (_seconds(case[x][1e-3]) for x in ("fastest", "ours"))
            times = f"{theirs} s against {mine}"
            rows.append((*place, f"{_peer(case['fastest'])} is faster: {times}"))
    # A table without a row cannot be shown.
    return rows if len(rows) > 1 else [*rows, ("-", "-", "nowhere")]


def report(tables, options):
    lines = summarise(tables["two_layer_runs"], curves_of(tables["two_layer_curves"]))
    found = cases(lines)
    yield "two_layer_table", table(lines)
    yield "two_layer_cases", case_table(found)
    yield "two_layer_losses", losses(found)
    yield "two_layer_targets", targets(found)


#: Colour of each peer that is drawn, from a palette for all kinds of sight.
COLOURS = {
    OURS: pictures.OURS,
    **{"L-BFGS": "#0072b2", "Adam": "#009e73", "adelie": "#cc79a7"},
    **{"Clarabel": "#56b4e9", "pyscnn": "#999999"},
}

#: Smallest and largest distance shown, relative to the best.
_SPAN = (1e-6, 2.0)


def _panel(axes, runs, curves, best):
    """Draw the runs of one case, each with its end."""
    for run in runs:
        if run["peer"] not in COLOURS or not np.isfinite(run["objective"]):
            continue
        curve = curve_of(run, curves)
        points = np.array([*curve, (run["seconds"], run["objective"])])
        seconds = np.maximum(points[:, 0], 1e-3)
        values = np.maximum(points[:, 1], run["objective"])
        above = np.maximum(np.minimum.accumulate(values) / best - 1, _SPAN[0])
        style = {"color": COLOURS[run["peer"]]}
        ours = run["peer"] == OURS
        if curve:
            look = {"lw": 2.2, "zorder": 3} if ours else {"lw": 0.9, "alpha": 0.7}
            axes.step(seconds, above, where="post", **style | look)
        marker = "o" if curve else "x"
        size = 5 if ours else 3.5
        axes.plot(seconds[-1], above[-1], marker, ms=size, zorder=4, **style)
    axes.set(xscale="log", yscale="log", ylim=(_SPAN[0] / 1.5, _SPAN[1]))
    axes.set_xlim(1e-3, None)
    axes.grid(alpha=0.25, lw=0.5)
    axes.axhline(1e-3, color="0.4", lw=0.7, ls=":")
    axes.tick_params(labelsize=7)


def draw(tables, options):
    """Draw objectives above the best against CPU seconds, a panel a case."""
    runs, curves = tables["two_layer_runs"], curves_of(tables["two_layer_curves"])
    best = best_objectives(runs)
    names, shares = grouped(runs, "set"), grouped(runs, "share")
    shares = sorted(shares, reverse=True)
    figure, panels = pictures.grid(
        *(len(shares), len(names)), panel=(2.1, 2.0), sharey=True
    )
    chosen = grouped(runs, "set", "share", "network")
    for k, share in enumerate(shares):
        for j, name in enumerate(names):
            case = name, share, "relu"
            _panel(panels[k, j], chosen.get(case, []), curves, best.get((*case, 0)))
            panels[0, j].set_title(name, fontsize=10)
        panels[k, 0].set_ylabel(f"{share:g} beta_max", fontsize=9)
    present = {run["peer"] for run in runs}
    handles = [
        pictures.plt.Line2D([], [], color=colour, lw=2, label=peer)
        for peer, colour in COLOURS.items()
        if peer in present
    ]
    figure.supxlabel("CPU seconds", fontsize=9)
    figure.supylabel("objective above the best, relative", fontsize=9)
    pictures.legend_above(figure, handles=handles)
    return figure


PICTURES = {"two_layer": draw}
