"""convexnn with its defaults: the searching solver."""

from __future__ import annotations

import warnings

import numpy as np
from exchange import serve
from sklearn.exceptions import ConvergenceWarning

from convexnn import ConvexReLURegressor

#: Times the limit after which a fit is killed; what it reached by then is lost.
_GRACE = 10


def solve(case, watch):
    """Fit once; the history of the fit is the curve."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    model = ConvexReLURegressor(
        beta=case.beta, solver="active_set", random_state=case.seed
    )
    # The first fit of a process also loads the solver.
    model.set_params(beta=1.0).fit(np.eye(8, 2), np.arange(8.0))
    model.set_params(beta=case.beta)
    watch.start(_GRACE * case.limit)
    model.fit(case.X, case.y)
    seconds = watch.seconds()
    network = {
        "hidden": model.coefs_[0],
        "bias": model.intercepts_[0],
        "output": model.coefs_[1][:, 0],
        "intercept": model.intercepts_[1][0],
    }
    found = model.certificate_
    history = model.history_
    curve = list(zip(history.seconds, history.objective, strict=True))
    watch.hand_in(network, seconds, curve, gap=found.relative_gap, scope=found.scope)


if __name__ == "__main__":
    serve(solve, ["numpy", "scipy", "scikit-learn", "convexnn"])
