"""skglm's block coordinate descent for the gated program, on the explicit design.

Its loss is the mean over the rows, so its alpha is beta / n. Each tolerance is a run
from nothing; compiling is not counted.
"""

from __future__ import annotations

import warnings

import numpy as np
from exchange import serve
from skglm.datafits import QuadraticGroup
from skglm.penalties import WeightedGroupL2
from skglm.solvers import GroupBCD
from skglm.utils.data import grp_converter
from skglm.utils.jit_compilation import compiled_clone

TOLERANCES = (1e-4, 1e-6, 1e-8)


def fit(X, patterns, y, beta, tol):
    """Return the blocks and the intercept."""
    n, n_inputs = X.shape
    n_cells = patterns.shape[1]
    design = np.empty((n, n_cells * n_inputs), order="F")
    for k in range(n_cells):
        block = design[:, k * n_inputs : (k + 1) * n_inputs]
        np.multiply(patterns[:, k, None], X, out=block)
    indices, pointers = grp_converter(n_inputs, n_cells * n_inputs)
    datafit = compiled_clone(QuadraticGroup(pointers, indices))
    penalty = compiled_clone(
        WeightedGroupL2(beta / n, np.ones(n_cells), pointers, indices)
    )
    solver = GroupBCD(max_iter=10**4, max_epochs=10**5, tol=tol, fit_intercept=True)
    weights = solver.solve(design, y, datafit, penalty)[0]
    return {
        "positive": weights[:-1].reshape(n_cells, n_inputs).T,
        "intercept": weights[-1],
    }


def solve(case, watch):
    """Hand in a network for each tolerance."""
    warnings.simplefilter("ignore")
    X = np.column_stack([case.X, np.ones(len(case.y))])
    fit(X[:50], case.patterns[:50, :3], case.y[:50], case.beta, 1e-2)
    watch.start(case.limit)
    for tol in TOLERANCES:
        begun = watch.seconds()
        network = fit(X, case.patterns, case.y, case.beta, tol)
        watch.hand_in(network, watch.seconds() - begun, tol=tol)


if __name__ == "__main__":
    serve(solve, ["skglm", "numba", "numpy"])
