"""What a path of penalties costs beside one fit, and beside cold fits.

    python benchmarks/path_cost.py

times ``relu_path`` over 30 penalties down to 1e-3 of beta_max, a single fit at the
smallest of them, and a cold fit at each, in CPU seconds of one thread. The excess is
the largest by which an objective of the path lies above the cold fit's, relative.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

import numpy as np
from cases import SETS, load
from sklearn.exceptions import ConvergenceWarning
from two_layer_tables import show

import convexnn
from convexnn import ConvexReLURegressor

N_BETAS, SMALLEST = 30, 1e-3

#: Largest cost of the path, in single fits and as a share of the cold fits.
SINGLE, COLD = 4.0, 0.2


def timed(action, *arguments, **options):
    """Return CPU seconds and result."""
    started = time.process_time()
    result = action(*arguments, **options)
    return time.process_time() - started, result


def cold_fits(X, y, betas):
    """Return CPU seconds and objective of a fit at each penalty."""
    fits = []
    for beta in betas:
        model = ConvexReLURegressor(
            beta=beta, solver="active_set", tol=1e-3, random_state=0
        )
        fits.append((timed(model.fit, X, y)[0], model.objective_))
    return np.array(fits).T


def path_fits(X, y):
    """Return the CPU seconds of the path, its penalties and its objectives."""
    seconds, path = timed(
        convexnn.relu_path,
        *(X, y),
        betas=N_BETAS,
        beta_min_ratio=SMALLEST,
        solver="active_set",
        random_state=0,
    )
    found = [certificate.primal for certificate in path.certificates]
    return seconds, path.betas, np.array(found)


def compare(name, X, y):
    """Return the line of one set."""
    seconds, betas, objectives = path_fits(X, y)
    cold, reached = cold_fits(X, y, betas)
    single, total = seconds / cold[-1], seconds / cold.sum()
    verdict = "PASS" if single <= SINGLE and total <= COLD else "FAIL"
    excess = f"{(objectives / reached - 1).max():.1e}"
    times = (f"{seconds:.2f}", f"{cold[-1]:.2f}", f"{single:.2f}")
    return name, *times, f"{cold.sum():.2f}", f"{total:.2f}", excess, verdict


def main():
    """Print a line a set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data = os.environ.get("CONVEXNN_DATA")
    parser.add_argument("--data", default=data, help="or CONVEXNN_DATA")
    parser.add_argument("--sets", nargs="+", default=SETS[:3], choices=SETS)
    arguments = parser.parse_args()
    if not hasattr(convexnn, "relu_path"):
        parser.exit(1, "this version of convexnn has no relu_path\n")
    warnings.simplefilter("ignore", ConvergenceWarning)
    header = ("path s", "single s", "ratio", "30 cold s", "ratio", "excess", "verdict")
    rows = [("set", *header)]
    for name in arguments.sets:
        rows.append(compare(name, *load(name, arguments.data)))
    show(rows)
    print(f"wanted: at most {SINGLE:g} single fits, and {COLD:g} of the cold ones")


if __name__ == "__main__":
    main()
