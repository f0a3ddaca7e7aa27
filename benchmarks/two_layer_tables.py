"""Tables and targets from the stored results of ``two_layer.py``.

    python benchmarks/two_layer_tables.py docs/data

reads ``two_layer_runs.csv`` and ``two_layer_curves.csv`` there, prints the tables, and
writes those that the documentation shows.
"""

from __future__ import annotations

import csv
import math
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

__all__ = ["CURVE", "RUN", "key", "progress", "read_curves", "read_runs", "report"]

#: Columns of the stored runs and curves.
RUN = (
    *("set", "n", "d", "share", "beta", "peer", "cells", "network", "run"),
    *("objective", "violation", "neurons", "gap", "scope", "seconds", "status"),
)
CURVE = ("set", "share", "peer", "cells", "run", "seconds", "objective")

#: How close to the best objective counts as there.
NEAR = (1e-2, 1e-3)

OURS = "convexnn"


def key(run):
    """Return what identifies a peer on a case."""
    return run["set"], run["share"], run["peer"], run["cells"]


def _numbers(row, integers, floats):
    return (
        row
        | {k: int(row[k]) for k in integers}
        | {k: float(row[k]) for k in floats if row[k] != ""}
    )


def read_runs(path):
    """Return the stored runs as dictionaries."""
    floats = ("share", "beta", "objective", "violation", "gap", "seconds")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return [_numbers(row, ("n", "d", "cells", "run"), floats) for row in rows]


def read_curves(path):
    """Return the stored curves: seconds and objectives by key and run."""
    curves = defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            row = _numbers(row, ("cells", "run"), ("share", "seconds", "objective"))
            curves[*key(row), row["run"]].append((row["seconds"], row["objective"]))
    return curves


def best_objectives(runs):
    """Return the smallest objective of a case by set, share and class of networks.

    Gated networks over given cells are a class of their own for each number of cells;
    ReLU networks are one class, wherever they come from.
    """
    best = defaultdict(lambda: math.inf)
    for run in runs:
        if run["objective"] < best[_class(run)]:
            best[_class(run)] = run["objective"]
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


def summarise(runs, curves):
    """Return one line for each peer on each case, over its runs."""
    best = best_objectives(runs)
    groups = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    lines = []
    for group in groups.values():
        run = min(group, key=lambda r: (math.isnan(r["objective"]), r["objective"]))
        level = best[_class(run)]
        line = run | {"above": run["objective"] / level - 1}
        for near in NEAR:
            line[near] = min(
                time_to(r, curves.get((*key(r), r["run"]), ()), level * (1 + near))
                for r in group
            )
        lines.append(line)
    return lines


def cases(lines):
    """Return one dictionary a case: ours, the best peer, and the fastest one."""
    grouped = defaultdict(list)
    for line in lines:
        if line["network"] == "relu":
            grouped[line["set"], line["share"]].append(line)
    found = []
    for group in grouped.values():
        ours = next((line for line in group if line["peer"] == OURS), None)
        peers = [line for line in group if line["peer"] != OURS]
        if ours is None or not peers:
            continue
        lowest = min(peers, key=lambda x: (math.isnan(x["above"]), x["above"]))
        fastest = min(peers, key=lambda x: x[1e-3])
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
    total = len(found)
    near = sum(a <= 1e-4 for a in above)
    lines = [
        ("cases within 1e-4 of the best", near, f">= {_share(22, total)}"),
        ("largest excess over the best", max(above, default=0.0), "<= 0.001"),
        ("median of our time / fastest peer's", median(ratios or [0.0]), "<= 0.5"),
        ("largest of our time / fastest peer's", max(ratios, default=0.0), "<= 2"),
    ]
    for share, wanted in ((0.1, 1e-3), (0.01, 5e-3)):
        gaps = [
            float(case["ours"]["gap"] or "inf")
            for case in found
            if case["ours"]["share"] == share and case["ours"]["n"] <= 2000
        ]
        if gaps:
            what = f"largest gap at {share} beta_max, n <= 2000"
            lines.append((what, max(gaps), f"<= {wanted}"))
    return [(*line, total, _verdict(*line[1:])) for line in lines]


def _share(count, total):
    # 22 of the 24 cases of a full run, and as many in proportion of a part.
    return math.ceil(count * total / 24)


def _verdict(value, wanted):
    relation, bound = wanted.split()
    passed = value >= float(bound) if relation == ">=" else value <= float(bound)
    return "PASS" if passed else "FAIL"


def _seconds(value):
    return "-" if math.isinf(value) else f"{value:.3g}"


def _gap(value):
    return "-" if value == "" else f"{value:.1e}"


def table(lines):
    """Return the long table, header first."""
    header = (
        *("set", "n", "d", "beta/max", "peer", "cells", "objective", "above best"),
        *("neurons", "gap", "scope", "CPU s", "to 1e-2", "to 1e-3", "ended"),
    )
    rows = [header]
    for x in lines:
        rows.append(
            (
                *(x["set"], x["n"], x["d"], x["share"], x["peer"], x["cells"] or "-"),
                *(f"{x['objective']:.7g}", f"{x['above']:.1e}", x["neurons"] or "-"),
                *(_gap(x["gap"]), x["scope"] or "-", f"{x['seconds']:.3g}"),
                *(_seconds(x[near]) for near in NEAR),
                x["status"],
            )
        )
    return rows


def case_table(found):
    """Return the short table: a line a case."""
    header = (
        *("set", "n", "d", "beta/max", "objective", "above best", "neurons", "gap"),
        *("best peer", "above best", "s to 1e-3", "fastest peer", "s to 1e-3"),
    )
    rows = [header]
    for case in found:
        ours, lowest, fastest = case["ours"], case["lowest"], case["fastest"]
        nobody = math.isinf(fastest[1e-3])
        rows.append(
            (
                *(ours["set"], ours["n"], ours["d"], ours["share"]),
                *(f"{ours['objective']:.7g}", f"{ours['above']:.0e}", ours["neurons"]),
                *(_gap(ours["gap"]), _peer(lowest), f"{lowest['above']:.0e}"),
                _seconds(ours[1e-3]),
                *("none" if nobody else _peer(fastest), _seconds(fastest[1e-3])),
            )
        )
    return rows


def _peer(line):
    return f"{line['peer']} ({line['cells']})" if line["cells"] else line["peer"]


def losses(found):
    """Return the cases where a peer is lower by more than 1e-4, or faster."""
    rows = [("set", "beta/max", "where convexnn loses")]
    for case in found:
        ours, place = case["ours"], (case["ours"]["set"], case["ours"]["share"])
        if ours["above"] > 1e-4:
            lower = f"{_peer(case['lowest'])} is lower by {ours['above']:.1e}"
            rows.append((*place, lower))
        if ratio(case) > 1:
            times = (
                f"{_seconds(case['fastest'][1e-3])} s against {_seconds(ours[1e-3])}"
            )
            rows.append((*place, f"{_peer(case['fastest'])} is faster: {times}"))
    # A table without a row cannot be shown.
    return rows if len(rows) > 1 else [*rows, ("-", "-", "nowhere")]


def progress(runs):
    """Return a line on what a peer has just done."""
    run = min(runs, key=lambda r: (math.isnan(r["objective"]), r["objective"]))
    peer = _peer(run)
    return (
        f"{run['set']:14}{run['share']:<7}{peer:20}{run['objective']:12.7g}"
        f"{sum(r['seconds'] for r in runs):9.2f} s  {run['status']}"
    )


def show(rows):
    """Print a table with aligned columns."""
    widths = [max(len(str(row[k])) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(x).ljust(w) for x, w in zip(row, widths, strict=True)))


def report(folder):
    """Print the tables and write those of the documentation."""
    folder = Path(folder)
    runs = read_runs(folder / "two_layer_runs.csv")
    lines = summarise(runs, read_curves(folder / "two_layer_curves.csv"))
    found = cases(lines)
    verdicts = [
        ("target", "reached", "wanted", "cases", "verdict"),
        *((a, f"{b:.3g}", *rest) for a, b, *rest in targets(found)),
    ]
    written = {
        "table": table(lines),
        "cases": case_table(found),
        "losses": losses(found),
        "targets": verdicts,
    }
    for name, rows in written.items():
        with open(folder / f"two_layer_{name}.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    for name in ("table", "losses", "targets"):
        print()
        show(written[name])


if __name__ == "__main__":
    report(*sys.argv[1:])
