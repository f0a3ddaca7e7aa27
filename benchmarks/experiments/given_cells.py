"""The convex program over given cells: convexnn beside adelie, skglm and Clarabel.

Solves the program over 100 and 500 sampled cells, with cones (adelie, Clarabel) and
gated (adelie, skglm), and tells what each reached, how far its blocks leave their
cones, and the CPU seconds of its fastest run within 1e-5 of the best objective, on one
thread. Objectives are recomputed from the blocks. Where there are cones the best one
is taken among blocks that keep to them to 1e-9; a peer counts as there even if its
own do not.
"""

from __future__ import annotations

import math
from itertools import product
from statistics import median

from ..methods.processes import CELL_PEERS, launch, present
from ..objectives import cell_objective, violation
from ..problems import sets
from ..run import Part
from ..tables import as_table, grouped

SETTINGS = {
    "sets": sets.SETS[:3],
    "shares": (0.1, 0.01),  # of beta_max
    "cells": (100, 500),
    "networks": tuple(CELL_PEERS),
    "limit": 60.0,  # CPU seconds of a solver on a case
    "environments": None,
}
QUICK = {"sets": ("diabetes",), "shares": (0.1,), "cells": (10,), "limit": 5.0}
CHOICES = {"sets": sets.SETS, "networks": tuple(CELL_PEERS)}

KEYS = ("set", "beta/max", "cells", "network")

#: Relative distance to the best objective, and to the cones, that is asked for.
GAP, FEASIBLE = 1e-5, 1e-9


def problems(options):
    names = sets.present(options.sets, options.data)
    for name, cells in product(names, options.cells):
        for share, network in product(options.shares, options.networks):
            yield dict(zip(KEYS, (name, share, cells, network), strict=True))


def judge(report, X, y, beta, patterns, **_):
    """Return objective, violation, seconds and gap of a report."""
    has_cones = "negative" in report.network
    return (
        cell_objective(report.network, X, y, beta, patterns),
        violation(report.network, X, patterns) if has_cones else 0.0,
        report.seconds,
        report.facts.get("gap", math.nan),
    )


def choose(found, best):
    """Return the fastest report within the gap, or else the lowest one."""
    near = [x for x in found if x[0] <= best * (1 + GAP)]
    return min(near, key=lambda x: x[2]) if near else min(found)


def measure(options, case, _):
    X, y, largest = sets.priced(case["set"], options.data)
    cells = sets.draw_cells(X, case["cells"])
    given = {"X": X, "y": y, "beta": case["beta/max"] * largest, "seed": 0}
    given |= {"patterns": cells.patterns, "gates": cells.gates, "centre": 0.0}
    outcome = {}
    for name, peer in present(
        CELL_PEERS[case["network"]], options.environments
    ).items():
        status, _, reports = launch(peer, given, options.limit, options.environments)
        outcome[name] = status, [judge(report, **given) for report in reports]
    feasible = [x for _, found in outcome.values() for x in found if x[1] <= FEASIBLE]
    best = min((x[0] for x in feasible), default=math.inf)
    for name, (status, found) in outcome.items():
        value, outside, seconds, gap = choose(found, best) if found else [math.nan] * 4
        yield {
            "solver": name,
            **{"objective": value, "above best": value / best - 1},
            **{"gap": "-" if math.isnan(gap) else gap, "outside cone": outside},
            **{"CPU s": seconds, "ended": status},
        }


PARTS = {
    "given_cells": Part(
        "set | beta/max | cells | network | solver | objective @.8g | above best @.1e"
        " | gap @.1e | outside cone @.0e | CPU s @.3g | ended",
        measure,
        problems,
    )
}


def report(tables, options):
    """Yield the targets."""
    groups = {
        key: {row["solver"]: row for row in rows}
        for key, rows in grouped(tables["given_cells"], *KEYS).items()
    }
    ours = [group["convexnn"] for group in groups.values()]
    gaps = [math.inf if row["gap"] == "-" else row["gap"] for row in ours]
    lines = [
        ("largest gap", max(gaps), GAP),
        (
            "largest distance to the cones",
            max(x["outside cone"] for x in ours),
            FEASIBLE,
        ),
    ]
    ratios = {}
    for (*_, network), group in groups.items():
        near = {k: x["CPU s"] for k, x in group.items() if x["above best"] <= GAP}
        mine = near.pop("convexnn", math.inf)
        fastest = min(near.values(), default=math.inf)
        ratio = mine if math.isinf(mine) else mine / fastest
        ratios.setdefault(network, []).append(ratio)
    for network, found in ratios.items():
        what = f"median of our time / fastest peer's, {network}"
        lines.append((what, median(found), 1.0))
    names = ("target", "reached", "wanted", "verdict")
    rows = [
        dict(zip(names, (*x, "PASS" if x[1] <= x[2] else "FAIL"), strict=True))
        for x in lines
    ]
    yield "", as_table("target | reached @.3g | wanted @g | verdict", rows)
