"""adelie's coordinate descent over given cells, with cones or gated.

Its loss is the mean over the rows, so its lambda is beta / n. Each tolerance is a run
from nothing, and the benchmark takes the fastest that is close enough.
"""

from __future__ import annotations

import adelie
import numpy as np
from exchange import serve

TOLERANCES = (1e-7, 1e-10, 1e-13)

#: Settings of the solver behind one group's cone. Tighter ones make it give up.
_CONE = {"tol": 1e-10, "nnls_tol": 1e-9, "nnls_max_iters": 10**7, "max_iters": 1000}


def cones(X, patterns):
    """Return the constraints ``(2 D - I) X w >= 0`` of all cells, for both signs."""
    n, zero, free = len(X), np.zeros(len(X)), np.full(len(X), np.inf)
    rows = [
        np.ascontiguousarray(np.where(patterns[:, k], 1.0, -1.0).reshape(n, 1) * X)
        for k in range(patterns.shape[1])
    ]
    return [
        adelie.constraint.linear(A, zero, free, configs=_CONE)
        for _ in range(2)
        for A in rows
    ]


def fit(X, patterns, y, beta, tol, gated):
    """Return the blocks and the intercept, or None where adelie gives up."""
    n, n_inputs = X.shape
    n_groups = patterns.shape[1] * (1 if gated else 2)
    state = adelie.grpnet(
        adelie.matrix.convex_relu(X, patterns, gated=gated),
        adelie.glm.gaussian(y),
        constraints=None if gated else cones(X, patterns),
        groups=np.arange(n_groups) * n_inputs,
        penalty=np.ones(n_groups),
        lmda_path=np.array([beta / n]),
        early_exit=False,
        progress_bar=False,
        tol=tol,
        max_iters=10**7,
    )
    if not len(state.intercepts):
        return None
    blocks = state.betas.toarray()[-1].reshape(-1, patterns.shape[1], n_inputs)
    network = {"positive": blocks[0].T, "intercept": state.intercepts[-1]}
    return network if gated else network | {"negative": blocks[1].T}


def solve(case, watch):
    """Hand in a network for each tolerance."""
    X = np.asfortranarray(np.column_stack([case.X, np.ones(len(case.y))]))
    patterns = np.asfortranarray(case.patterns)
    gated = case.network == "gated"
    watch.start(case.limit)
    for tol in TOLERANCES:
        begun = watch.seconds()
        network = fit(X, patterns, case.y, case.beta, tol, gated)
        if network is not None:
            watch.hand_in(network, watch.seconds() - begun, tol=tol)


if __name__ == "__main__":
    serve(solve, ["adelie", "numpy"])
