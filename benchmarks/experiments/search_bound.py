"""How loose the rigorous bound of a search is, on scikit-learn's UCI sets.

Inputs and targets are standardised; beta is a share of beta_max. The rigorous bound is
given as a share of the objective.
"""

from __future__ import annotations

from convexnn import ConvexReLURegressor

from ..measures import fitted
from ..problems.sets import SHIPPED, priced
from ..run import Part

SETTINGS = {"sets": SHIPPED, "shares": (0.1, 0.01)}
QUICK = {"sets": ("diabetes",), "shares": (0.1,)}


def problems(options):
    for name in options.sets:
        yield from ({"set": name, "beta/max": share} for share in options.shares)


def measure(options, case, _):
    X, y, largest = priced(case["set"], options.data)
    model = ConvexReLURegressor(
        case["beta/max"] * largest, solver="active_set", tol=1e-3, random_state=0
    )
    model, seconds = fitted(model, X, y)
    found = model.certificate_
    return {
        "objective": found.primal,
        "gap": found.relative_gap,
        "bound": found.bound / found.primal,
        "neurons": model.n_neurons_,
        "CPU s": seconds,
    }


PARTS = {
    "search_bound": Part(
        "set | beta/max | objective @.5g | gap @.1e | bound @.2f | neurons"
        " | CPU s @.1f",
        measure,
        problems,
    )
}
