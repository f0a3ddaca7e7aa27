"""CPU seconds and memory of one fit by the searching solver to a drawn teacher."""

from __future__ import annotations

import resource
import sys
import warnings

import numpy as np
from exchange import serve
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from convexnn import ConvexReLURegressor
from convexnn.data.datasets import make_relu_teacher

N_FEATURES, N_NEURONS, N_STARTS, N_ARRAYS = 50, 20, 256, 8


def peak():
    """Return the peak of the process's memory in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def solve(case, watch):
    """Hand in what one fit took."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    model = ConvexReLURegressor(beta_ratio=2.0, solver="active_set", random_state=0)
    # The first fit of a process also loads the solver.
    model.fit(np.eye(8, 2), np.arange(8.0))
    before = peak()
    X, y = make_relu_teacher(
        case.n, N_FEATURES, n_neurons=N_NEURONS, noise=0.1, random_state=0
    )
    y = scale(y)
    largest = model.fit(X, y).beta_max_
    model.set_params(beta=case.share * largest, tol=1e-3)
    watch.start(case.limit)
    model.fit(X, y)
    seconds = watch.seconds()
    width = model.n_neurons_ + N_STARTS
    watch.hand_in(
        {"hidden": model.coefs_[0]},
        seconds,
        rounds=model.n_iter_,
        neurons=model.n_neurons_,
        gap=model.certificate_.relative_gap,
        peak=peak() - before,
        allowed=8 * case.n * (N_FEATURES + N_ARRAYS * width),
    )


if __name__ == "__main__":
    serve(solve, ["numpy", "scipy", "scikit-learn", "convexnn"])
