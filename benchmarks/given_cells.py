"""The convex program over given cells: convexnn beside adelie, skglm and Clarabel.

    python benchmarks/given_cells.py --data DATA --environments ENVIRONMENTS

solves the program over 100 and 500 sampled cells, with cones (adelie, Clarabel) and
gated (adelie, skglm), and prints what each reached, how far its blocks leave their
cones, and the CPU seconds of its fastest run within 1e-5 of the best objective, on one
thread. Objectives are recomputed from the blocks. Where there are cones the best one
is taken among blocks that keep to them to 1e-9; a peer counts as there even if its
own do not.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
from statistics import median

from cases import SETS, beta_max, draw_cells, load
from peers import CELL_PEERS
from peers.launch import launch
from recompute import cell_objective, violation
from two_layer_tables import show

#: Relative distance to the best objective, and to the cones, that is asked for.
GAP, FEASIBLE = 1e-5, 1e-9

HEADER = (
    *("set", "beta/max", "cells", "network", "solver", "objective", "above best"),
    *("gap", "outside cone", "CPU s", "ended"),
)


def judge(reports, X, y, beta, patterns):
    """Return objective, violation, seconds and gap of each report."""
    found = []
    for report in reports:
        has_cones = "negative" in report.network
        found.append(
            (
                cell_objective(report.network, X, y, beta, patterns),
                violation(report.network, X, patterns) if has_cones else 0.0,
                report.seconds,
                report.facts.get("gap", math.nan),
            )
        )
    return found


def choose(found, best):
    """Return the fastest report within the gap, or else the lowest one."""
    near = [x for x in found if x[0] <= best * (1 + GAP)]
    return min(near, key=lambda x: x[2]) if near else min(found)


def run_case(case, network, arguments):
    """Return a line for each solver: name, how it ended, and what `choose` says."""
    outcome = {}
    for name, peer in CELL_PEERS[network].items():
        if peer.interpreter(arguments.environments) is None:
            print(f"absent: {name}")
            continue
        status, _, reports = launch(peer, case, arguments.limit, arguments.environments)
        numbers = (case["X"], case["y"], case["beta"], case["patterns"])
        outcome[name] = status, judge(reports, *numbers)
    feasible = [x for _, found in outcome.values() for x in found if x[1] <= FEASIBLE]
    best = min((x[0] for x in feasible), default=math.inf)
    lines = []
    for name, (status, found) in outcome.items():
        reached = choose(found, best) if found else (math.nan,) * 4
        lines.append((name, *reached, reached[0] / best - 1, status))
    return lines


def cells_of(name, arguments):
    """Yield the cases of a set: share of beta_max, and what `launch` takes."""
    X, y = load(name, arguments.data)
    largest = beta_max(X, y)
    for n_cells in arguments.cells:
        cells = draw_cells(X, n_cells)
        for share in arguments.betas:
            parts = {"patterns": cells.patterns, "gates": cells.gates, "centre": 0.0}
            yield share, parts | {"X": X, "y": y, "beta": share * largest, "seed": 0}


def targets(results):
    """Return the lines of the targets from (network, lines) of all cases."""
    gaps, outside, ratios = [], [], {"relu": [], "gated": []}
    for network, lines in results:
        near = {x[0]: x[3] for x in lines if x[5] <= GAP}
        ours = next(x for x in lines if x[0] == "convexnn")
        gaps.append(ours[4] if not math.isnan(ours[4]) else math.inf)
        outside.append(ours[2])
        fastest = min((v for k, v in near.items() if k != "convexnn"), default=math.inf)
        mine = near.get("convexnn", math.inf)
        ratios[network].append(math.inf if math.isinf(mine) else mine / fastest)
    lines = [
        ("largest gap", max(gaps), GAP),
        ("largest distance to the cones", max(outside), FEASIBLE),
    ]
    for network, found in ratios.items():
        if found:
            what = f"median of our time / fastest peer's, {network}"
            lines.append((what, median(found), 1.0))
    header = ("target", "reached", "wanted", "verdict")
    return [header] + [
        (what, f"{value:.3g}", f"<= {wanted:g}", "PASS" if value <= wanted else "FAIL")
        for what, value, wanted in lines
    ]


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default=os.environ.get("CONVEXNN_DATA"), help="or CONVEXNN_DATA")
    add("--environments", help="folder of the peers' environments, or CONVEXNN_PEERS")
    add("--output", default="docs/data/given_cells.csv")
    add("--sets", nargs="+", default=SETS[:3], choices=SETS)
    add("--betas", nargs="+", type=float, default=[0.1, 0.01], help="of beta_max")
    add("--cells", nargs="+", type=int, default=[100, 500])
    add("--networks", nargs="+", default=list(CELL_PEERS), choices=CELL_PEERS)
    add("--limit", type=float, default=60.0, help="CPU seconds of a solver on a case")
    return parser.parse_args()


def main():
    """Run everything, write the CSV as it comes, and print the targets."""
    arguments = parse()
    rows, results = [HEADER], []
    for name in arguments.sets:
        for share, case in cells_of(name, arguments):
            for network in arguments.networks:
                lines = run_case(case, network, arguments)
                results.append((network, lines))
                place = (name, share, case["patterns"].shape[1], network)
                for solver, value, outside, seconds, gap, above, status in lines:
                    known = "-" if math.isnan(gap) else f"{gap:.1e}"
                    numbers = (f"{value:.8g}", f"{above:.1e}", known, f"{outside:.0e}")
                    rows.append((*place, solver, *numbers, f"{seconds:.3g}", status))
                    print(*rows[-1], sep="  ", flush=True)
                with open(arguments.output, "w", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerows(rows)
    print()
    show(targets(results))


if __name__ == "__main__":
    main()
