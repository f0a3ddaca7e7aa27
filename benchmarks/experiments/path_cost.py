"""What a path of penalties costs beside one fit, and beside cold fits.

Times ``relu_path`` over 30 penalties down to 1e-3 of beta_max, a single fit at the
smallest of them, and a cold fit at each, in CPU seconds. The excess is the largest by
which an objective of the path lies above the cold fit's, relative. Wanted: at most 4
single fits, and a fifth of the cold ones.
"""

from __future__ import annotations

import numpy as np

from convexnn import ConvexReLURegressor, relu_path

from ..measures import fitted, timed
from ..problems.sets import SETS, present, standardised
from ..run import Part

SETTINGS = {"sets": SETS[:3], "betas": 30, "smallest": 1e-3}
QUICK = {"sets": ("diabetes",), "betas": 3, "smallest": 0.1}
CHOICES = {"sets": SETS}

#: Largest cost of the path, in single fits and as a share of the cold fits.
SINGLE, COLD = 4.0, 0.2


def measure(options, case, _):
    X, y = standardised(case["set"], options.data)
    settings = {"solver": "active_set", "random_state": 0}
    path, seconds = timed(
        relu_path,
        *(X, y),
        betas=options.betas,
        beta_min_ratio=options.smallest,
        **settings,
    )
    fits = [
        fitted(ConvexReLURegressor(beta, tol=1e-3, **settings), X, y)
        for beta in path.betas
    ]
    cold = np.array([spent for _, spent in fits])
    reached = np.array([model.objective_ for model, _ in fits])
    objectives = np.array([found.primal for found in path.certificates])
    single, total = seconds / cold[-1], seconds / cold.sum()
    return {
        "path s": seconds,
        "single s": cold[-1],
        "path / single": single,
        "cold s": cold.sum(),
        "path / cold": total,
        "excess": (objectives / reached - 1).max(),
        "verdict": "PASS" if single <= SINGLE and total <= COLD else "FAIL",
    }


PARTS = {
    "path_cost": Part(
        "set | path s @.2f | single s @.2f | path / single @.2f | cold s @.2f"
        " | path / cold @.2f | excess @.1e | verdict",
        measure,
        lambda options: [{"set": x} for x in present(options.sets, options.data)],
    )
}
