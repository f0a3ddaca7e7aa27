"""CPU time and memory of the searching solver against the number of rows.

    python benchmarks/scaling.py

fits 20-neuron teachers in 50 dimensions with 2,000 to 200,000 rows, each in a process
of its own, on one thread. Memory is the peak of the process less what it had before the
data were made, and is compared with X and 8 arrays of n x (neurons + starts) floats.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
from cases import beta_max
from peers.launch import THREADS
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale
from two_layer_tables import show

from convexnn import ConvexReLURegressor
from convexnn.data.datasets import make_relu_teacher

ROWS = (2_000, 6_000, 20_000, 60_000, 200_000)
N_FEATURES, N_NEURONS, N_STARTS, N_ARRAYS = 50, 20, 256, 8


def peak():
    """Return the peak of the process's memory in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(n_rows, share):
    """Return what one fit took, in a process that does nothing else."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    # The first fit of a process also loads the solver.
    beta_max(np.eye(8, 2), np.arange(8.0))
    before = peak()
    X, y = make_relu_teacher(
        n_rows, N_FEATURES, n_neurons=N_NEURONS, noise=0.1, random_state=0
    )
    y = scale(y)
    beta = share * beta_max(X, y)
    model = ConvexReLURegressor(
        beta=beta, solver="active_set", tol=1e-3, random_state=0
    )
    started = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - started
    width = model.n_neurons_ + N_STARTS
    return {
        "n": n_rows,
        "seconds": seconds,
        "rounds": model.n_iter_,
        "neurons": model.n_neurons_,
        "gap": model.certificate_.relative_gap,
        "peak": peak() - before,
        "allowed": 8 * n_rows * (N_FEATURES + N_ARRAYS * width),
    }


def in_own_process(n_rows, share, limit):
    """Return what `measure` returns, or None if it passes the limit."""
    command = [sys.executable, __file__, "--one", str(n_rows), "--beta", str(share)]
    ended = subprocess.run(
        command,
        env=os.environ | THREADS,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)),
    )
    if ended.returncode:
        print((ended.stderr.splitlines() or [f"{n_rows} rows: past the limit"])[-1])
        return None
    return json.loads(ended.stdout)


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", type=int, default=ROWS)
    parser.add_argument("--beta", type=float, default=0.1, help="of beta_max")
    parser.add_argument("--limit", type=int, default=1800, help="CPU seconds of a fit")
    parser.add_argument("--output", default="docs/data/scaling.csv")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    """Print and write the table and the slope."""
    arguments = parse()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.beta)))
        return
    memory = ("peak MB", "allowed MB", "verdict")
    rows = [("n", "CPU s", "rounds", "neurons", "gap", *memory)]
    found = []
    for n_rows in arguments.rows:
        one = in_own_process(n_rows, arguments.beta, arguments.limit)
        if one is None:
            break
        found.append(one)
        verdict = "PASS" if one["peak"] <= one["allowed"] else "FAIL"
        reached = (one["rounds"], one["neurons"], f"{one['gap']:.1e}")
        memory = (f"{one['peak'] / 1e6:.0f}", f"{one['allowed'] / 1e6:.0f}", verdict)
        rows.append((n_rows, f"{one['seconds']:.2f}", *reached, *memory))
        print(*rows[-1], sep="  ", flush=True)
    with open(arguments.output, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    print()
    show(rows)
    if len(found) > 1:
        logs = np.log([(one["n"], one["seconds"]) for one in found])
        print(f"time grows as n to the {np.polyfit(*logs.T, 1)[0]:.2f}")


if __name__ == "__main__":
    main()
