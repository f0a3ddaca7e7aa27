r"""pyscnn's augmented Lagrangian over given cells.

It minimises ``1/(2n) ||f - y||^2 + lam * sum ||u||``, has no output intercept, and
scales the columns, which changes the penalty. So it gets the columns divided by
sqrt(n) beforehand (standardised ones then have norm 1, as its own scaling makes them),
``lam = beta / n^1.5``, which is the same problem for ``u * sqrt(n)``, and targets less
`centre`, the intercept that another solver found for these cells. The intercept of
its network is the best one for its outputs.
"""

from __future__ import annotations

import numpy as np
import torch
from exchange import serve
from scnn.metrics import Metrics
from scnn.models import ConvexReLU
from scnn.optimize import optimize_model
from scnn.regularizers import NeuronGL1
from scnn.solvers import AL

TOLERANCES = (1e-6, 1e-8)


def fit(X, y, gates, lam, tol):
    """Return the blocks of both signs, one a column, in the order of the gates."""
    model = ConvexReLU(gates, bias=False)
    solver = AL(
        model, max_primal_iters=10**7, max_dual_iters=10**5, tol=tol, constraint_tol=tol
    )
    model, _ = optimize_model(
        model,
        solver,
        Metrics(metric_freq=10**6),
        X,
        y,
        regularizer=NeuronGL1(lam),
        return_convex=True,
        unitize_data=False,
        dtype="float64",
    )
    order = match(X @ gates >= 0, X @ np.asarray(model.G, float) >= 0)
    return [np.asarray(part, float)[0].T[:, order] for part in model.parameters[:2]]


def match(patterns, found):
    """Return where each pattern is among those that pyscnn keeps, in its order."""
    places = {column.tobytes(): k for k, column in enumerate(found.T)}
    return [places[column.tobytes()] for column in patterns.T]


def solve(case, watch):
    """Hand in a network for each tolerance."""
    torch.set_num_threads(1)
    n = len(case.y)
    X = np.column_stack([case.X, np.ones(n)])
    scaled, lam = X / np.sqrt(n), case.beta / n**1.5
    watch.start(case.limit)
    for tol in TOLERANCES:
        begun = watch.seconds()
        blocks = fit(scaled, case.y - case.centre, case.gates, lam, tol)
        seconds = watch.seconds() - begun
        positive, negative = (block / np.sqrt(n) for block in blocks)
        outputs = np.maximum(X @ positive, 0).sum(axis=1)
        outputs -= np.maximum(X @ negative, 0).sum(axis=1)
        network = {"positive": positive, "negative": negative}
        network["intercept"] = np.mean(case.y - outputs)
        watch.hand_in(network, seconds, tol=tol)


if __name__ == "__main__":
    serve(solve, ["pyscnn", "torch", "numpy"])
