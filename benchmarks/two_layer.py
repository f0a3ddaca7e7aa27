r"""Two-layer ReLU networks: convexnn beside what else minimises the same objective.

    python benchmarks/two_layer.py --data DATA --environments ENVIRONMENTS

prints, for every set and penalty, what every peer reached and when, in CPU seconds of
one thread, and at the end whether the targets of the package hold. The problem is

    1/2 sum_i (f(x_i) - y_i)^2 + beta/2 sum_j (norm2(w_j)^2 + b_j^2 + a_j^2)

with a free output intercept. Cases run one after the other, the peers of a case in
turn. Objectives are recomputed here from the weights. ``--limit`` is what a peer may
spend on a case: L-BFGS divides it among five starts, Adam among three rates, and the
coordinate descents among their tolerances. Each counts the time of its fastest run
alone, as if the best start, rate or tolerance had been known. convexnn is killed only
at ten times the limit. Loading and compiling are not counted.

Results are appended to ``two_layer_runs.csv`` and ``two_layer_curves.csv`` in
``--output``; ``--resume`` keeps what is there and runs what is missing.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
from pathlib import Path

import two_layer_tables as tables
from cases import SETS, beta_max, draw_cells, load
from peers import PEERS
from peers.launch import launch
from recompute import cell_objective, count_units, relu_objective, violation
from two_layer_picture import draw

BETAS = (0.1, 0.01, 0.001)
CELLS = (100, 500)
QUICK = {"sets": ["diabetes", "breast cancer", "yacht"], "cells": [100], "limit": 5.0}

#: Relative fall of the objective from one point of a stored curve to the next.
_STEP = 5e-5


class Store:
    """The results on disk, written as they come.

    Parameters
    ----------
    folder : path-like
        Where the files are.
    resume : bool
        Whether to keep what is there.
    """

    def __init__(self, folder, resume):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.about = {}
        if resume and self.path("json").exists():
            self.about = json.loads(self.path("json").read_text())
        for kind, header in (("runs", tables.RUN), ("curves", tables.CURVE)):
            path = self.path(f"{kind}.csv")
            if not (resume and path.exists()):
                self._append(kind, [header], mode="w")
        self.runs = tables.read_runs(self.path("runs.csv"))

    def path(self, kind):
        """Return the path of one file."""
        separator = "." if kind == "json" else "_"
        return self.folder / f"two_layer{separator}{kind}"

    def has(self, *key):
        """Whether a case of a peer is there: set, share, peer, cells."""
        return key in {tables.key(run) for run in self.runs}

    def beta_max(self, name):
        """Return the stored beta_max of a set, or None."""
        return next(
            (r["beta"] / r["share"] for r in self.runs if r["set"] == name), None
        )

    def add(self, runs, curves, about):
        """Append runs and curves, and note versions."""
        self._append("curves", curves)
        self._append("runs", [[run[k] for k in tables.RUN] for run in runs])
        self.runs += runs
        self.about |= about
        self.path("json").write_text(json.dumps(self.about, indent=1) + "\n")

    def _append(self, kind, rows, mode="a"):
        with open(self.path(f"{kind}.csv"), mode, newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def thin(curve):
    """Yield the points of a curve at which the objective has fallen noticeably."""
    last = float("inf")
    for seconds, objective in curve:
        if objective < last - _STEP * abs(objective):
            last = objective
            yield f"{seconds:.4g}", f"{objective:.8g}"


def describe(report, peer, X, y, beta, cells):
    """Return what is recomputed from the network of one report."""
    network = report.network
    found = {"neurons": count_units(network), "violation": ""}
    if peer.uses_cells:
        found["violation"] = violation(network, X, cells.patterns)
    if peer.network == "gated":
        found["objective"] = cell_objective(network, X, y, beta, cells.patterns)
    else:
        found["objective"] = relu_objective(network, X, y, beta)
    return found


def run_case(name, share, beta, peer_name, n_cells, data, limit, environments):
    """Run one peer on one case; return its runs, curves, versions and networks.

    Parameters
    ----------
    data : tuple
        X, y, the cells or None, and the intercept known for these cells.
    """
    X, y, cells, centre = data
    peer = PEERS[peer_name]
    case = {"X": X, "y": y, "beta": beta, "seed": 0}
    if peer.uses_cells:
        case |= {"patterns": cells.patterns, "gates": cells.gates, "centre": centre}
    status, versions, reports = launch(peer, case, limit, environments)
    common = dict(zip(tables.RUN, [""] * len(tables.RUN), strict=True)) | {
        "set": name,
        "n": X.shape[0],
        "d": X.shape[1],
        "share": share,
        "beta": beta,
        "peer": peer_name,
        "cells": n_cells,
        "network": peer.network,
        "status": status,
    }
    runs, curves = [], []
    for k, report in enumerate(reports):
        found = describe(report, peer, X, y, beta, cells)
        facts = {name: report.facts.get(name, "") for name in ("gap", "scope")}
        runs.append(common | found | facts | {"run": k, "seconds": report.seconds})
        head = (name, share, peer_name, n_cells, k)
        curves += [(*head, *point) for point in thin(report.curve)]
    if not runs:
        runs.append(common | {"run": -1, "objective": float("nan"), "seconds": limit})
    return runs, curves, {peer_name: versions} if versions else {}, reports


def jobs_of_case(peers, cells):
    """Yield peer and number of cells (0 without) in the order of running."""
    for name in peers:
        for n_cells in cells if PEERS[name].uses_cells else [0]:
            yield name, n_cells


def run_set(name, arguments, peers, store):
    """Run all that is missing for one set."""
    X, y = load(name, arguments.data)
    largest = store.beta_max(name) or beta_max(X, y)
    sampled = {P: draw_cells(X, P) for P in arguments.cells}
    for share in arguments.betas:
        centres = dict.fromkeys(arguments.cells, 0.0)
        for peer, P in jobs_of_case(peers, arguments.cells):
            if store.has(name, share, peer, P):
                continue
            data = (X, y, sampled.get(P), centres.get(P, 0.0))
            runs, curves, versions, reports = run_case(
                name,
                share,
                share * largest,
                peer,
                P,
                data,
                arguments.limit,
                arguments.environments,
            )
            if P and PEERS[peer].network == "relu" and reports:
                centres[P] = float(reports[-1].network["intercept"])
            store.add(runs, curves, versions)
            print(tables.progress(runs), flush=True)


def machine(arguments):
    """Return what the results depend on besides the packages."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [x.split(":")[1].strip() for x in lines if x.startswith("model name")]
    return {
        "python": platform.python_version(),
        "processor": models[0] if models else platform.machine(),
        "threads": 1,
        "limit in CPU seconds": arguments.limit,
    }


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default=os.environ.get("CONVEXNN_DATA"), help="or CONVEXNN_DATA")
    add("--environments", help="folder of the peers' environments, or CONVEXNN_PEERS")
    add("--output", default="docs/data", help="folder of the CSV files")
    add("--sets", nargs="+", default=list(SETS), choices=SETS)
    add("--betas", nargs="+", type=float, default=list(BETAS), help="of beta_max")
    add("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    add("--cells", nargs="+", type=int, default=list(CELLS), help="sampled cells")
    add("--limit", type=float, default=60.0, help="CPU seconds of a peer on a case")
    add("--quick", action="store_true", help=f"as if given {QUICK}")
    add("--resume", action="store_true", help="keep results, run what is missing")
    add("--picture", help="also draw the curves to this file")
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(QUICK)
    return arguments


def main():
    """Run everything and print the table and the targets."""
    arguments = parse()
    if not arguments.data:
        kept = [name for name in arguments.sets if name in SETS[:3]]
        left = sorted(set(arguments.sets) - set(kept))
        arguments.sets = kept
        print(f"absent sets, for want of --data: {', '.join(left) or 'none'}")
    present = [
        p for p in arguments.peers if PEERS[p].interpreter(arguments.environments)
    ]
    absent = [p for p in arguments.peers if p not in present]
    print(f"absent peers: {', '.join(absent) or 'none'}", flush=True)
    store = Store(arguments.output, arguments.resume)
    store.about |= machine(arguments)
    for name in arguments.sets:
        run_set(name, arguments, present, store)
    tables.report(store.folder)
    if arguments.picture:
        draw(store.folder, arguments.picture)


if __name__ == "__main__":
    main()
