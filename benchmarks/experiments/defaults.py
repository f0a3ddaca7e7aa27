r"""How many sampled cells and which beta serve best: 5-fold R2 on UCI sets.

The sets are those of scikit-learn, inputs and targets standardised inside each fold,
and the networks keep to sampled cells (``cells="sampled"``). A line is of a set, a
number of cells and a beta (as a multiple of the number of training rows, since the
penalty weighs against a sum); the means are over the sets.
"""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexnn import ConvexReLURegressor

from ..measures import fitted
from ..problems.sets import SHIPPED, raw
from ..run import Part
from ..tables import as_table, grouped

SETTINGS = {
    "sets": SHIPPED,
    "cells": (10, 25, 50, 100, 200),
    "betas": (0.3, 1.0, 3.0, 10.0, 30.0),
    "folds": 5,
    "max_rows": 500,
}
QUICK = {
    "sets": ("diabetes", "wine"),
    "cells": (10, 25),
    "betas": (3.0,),
    "folds": 2,
    "max_rows": 100,
}


def problems(options):
    for cells, beta, name in product(options.cells, options.betas, options.sets):
        yield {"set": name, "cells": cells, "beta": beta}


def measure(options, case, _):
    X, y = raw(case["set"], options.data)
    rows = np.random.RandomState(0).permutation(len(y))[: options.max_rows]
    X, y = X[rows], y[rows]
    network = ConvexReLURegressor(
        case["beta"], cells="sampled", n_cells=case["cells"], tol=1e-3, random_state=0
    )
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), network), transformer=StandardScaler()
    )
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for train, test in KFold(options.folds, shuffle=True, random_state=0).split(X):
            found, seconds = fitted(clone(model), X[train], y[train])
            inner = found.regressor_[-1]
            score = found.score(X[test], y[test])
            gap = inner.certificate_.relative_gap
            results.append((score, inner.n_neurons_, gap, seconds))
    names = ("R2", "neurons", "relative gap", "CPU s")
    return dict(zip(names, np.mean(results, axis=0), strict=True))


PARTS = {
    "defaults": Part(
        "set | cells | beta | R2 @.3f | neurons @.0f | relative gap @.1e | CPU s @.2f",
        measure,
        problems,
    )
}


def report(tables, options):
    means = [
        {"cells": cells, "beta": beta}
        | {name: np.mean([row[name] for row in rows]) for name in ("R2", "CPU s")}
        for (cells, beta), rows in grouped(tables["defaults"], "cells", "beta").items()
    ]
    yield "defaults_mean", as_table("cells | beta | R2 @.3f | CPU s @.2f", means)
