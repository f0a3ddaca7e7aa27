"""How loose the rigorous bound of a search is, on scikit-learn's UCI sets.

Inputs and targets are standardised; beta is a share of beta_max. Prints, for each set,
the objective, the estimated relative gap, the rigorous bound as a share of the
objective, the neurons and the CPU seconds of ``solver="active_set"``.

    OPENBLAS_NUM_THREADS=1 python benchmarks/search_bound.py
"""

from __future__ import annotations

import time
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from convexnn import ConvexReLURegressor
from convexnn.data.datasets import SHIPPED, load_shipped


def main():
    """Print the table."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(
        f"{'set':14}{'beta/max':>9}{'objective':>11}{'gap':>9}{'bound':>7}{'m':>5}{'s':>7}"
    )
    for name in SHIPPED:
        X, y = load_shipped(name)
        X, y = scale(X), scale(y)
        search = ConvexReLURegressor(solver="active_set", tol=1e-3, random_state=0)
        beta_max = search.set_params(beta=None, beta_ratio=2.0).fit(X, y).beta_max_
        for share in (0.1, 0.01):
            started = time.process_time()
            search.set_params(beta=share * beta_max).fit(X, y)
            seconds = time.process_time() - started
            found = search.certificate_
            print(
                f"{name:14}{share:9}{found.primal:11.5g}{found.relative_gap:9.1e}"
                f"{found.bound / found.primal:7.2f}{search.n_neurons_:5}{seconds:7.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
