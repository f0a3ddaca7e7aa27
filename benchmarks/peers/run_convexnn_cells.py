"""convexnn over given cells: the interior-point solver, or FISTA for gated networks."""

from __future__ import annotations

import warnings

import numpy as np
from exchange import serve
from sklearn.exceptions import ConvergenceWarning

from convexnn import ConvexReLURegressor

TOLERANCE = 1e-5


def blocks(case, hidden, output, columns):
    """Return units as blocks of the cells that they belong to."""
    network = {
        name: np.zeros((len(hidden), case.patterns.shape[1]))
        for name in ("positive", "negative")
    }
    for w, a, k in zip(hidden.T, output, columns, strict=True):
        if case.network == "gated":
            network["positive"][:, k] += w * a
        else:
            network["positive" if a > 0 else "negative"][:, k] += w * abs(a)
    if case.network == "gated":
        del network["negative"]
    return network


def own_cells(case, hidden):
    """Return for each unit the cell whose cone it leaves least."""
    values = case.X @ hidden[:-1] + hidden[-1]
    found = []
    for column in values.T:
        outside = np.where(case.patterns, -column[:, None], column[:, None])
        found.append(outside.max(axis=0).argmin())
    return found


def gate_cells(case, gates):
    """Return for each unit the cell of its gate."""
    inputs = np.column_stack([case.X, np.ones(len(case.X))])
    places = {column.tobytes(): k for k, column in enumerate(case.patterns.T)}
    return [places[column.tobytes()] for column in (inputs @ gates >= 0).T]


def solve(case, watch):
    """Hand in one network."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    is_gated = case.network == "gated"
    model = ConvexReLURegressor(
        beta=1.0,
        activation="gated_relu" if is_gated else "relu",
        cells=np.random.default_rng(0).standard_normal((3, 2)),
        tol=TOLERANCE,
    )
    # The first fit of a process also loads the solver.
    model.fit(np.eye(8, 2), np.arange(8.0))
    model.set_params(beta=case.beta, cells=case.gates)
    watch.start(case.limit)
    model.fit(case.X, case.y)
    seconds = watch.seconds()
    hidden = np.vstack([model.coefs_[0], model.intercepts_[0]])
    columns = gate_cells(case, model.gates_) if is_gated else own_cells(case, hidden)
    network = blocks(case, hidden, model.coefs_[1][:, 0], columns)
    network["intercept"] = model.intercepts_[1][0]
    found = model.certificate_
    watch.hand_in(network, seconds, gap=found.relative_gap, scope=found.scope)


if __name__ == "__main__":
    serve(solve, ["numpy", "scipy", "scikit-learn", "convexnn"])
