"""One filter from the relaxation, as :class:`~convexnn.ConvexCNNRegressor` keeps it."""

from __future__ import annotations

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..checks import check_direction, warn_user
from ..filters.backends import select_relaxation_backend
from ..filters.trainer import FilterTrainer
from ..networks.network import ConvolutionalReLUNetwork
from .notices import warn_of_time

__all__ = ["train_filter"]


def train_filter(estimator, X, y, weights, grid):
    """Train one filter with an estimator's parameters, and warn of what was missed.

    Parameters
    ----------
    estimator : ConvexCNNRegressor
        Whose parameters they are.
    X, y, weights : ndarray
        Validated samples; weights may be None.
    grid : PatchGrid
        Where the patches lie.

    Returns
    -------
    network : ConvolutionalReLUNetwork
        The filter, without a bias, of output weight 1.
    trained : TrainedFilter
        What is known about it.

    Raises
    ------
    ValueError
        If the backend cannot express the program, the direction is not as described,
        or no program has a solution.
    """
    weight = estimator.linear_weight
    beta = None if isinstance(weight, str) else float(weight)
    kind = "linear" if beta is None else "quadratic" if beta > 0 else "naive"
    names = ("n_restarts", "refine", "max_iter", "n_jobs", "verbose", "random_state")
    trainer = FilterTrainer(
        *(X, y, weights, grid),
        backend=select_relaxation_backend(estimator.solver, kind),
        beta=beta,
        direction=check_direction(estimator.direction, grid),
        tol=estimator.accuracy,
        **{name: getattr(estimator, name) for name in names},
    )
    trained = trainer.train()
    _warn(estimator, trained, has_positive=bool((y > 0).any()))
    weights = trained.w[:, None], np.zeros(1), np.ones(1), 0.0
    return ConvolutionalReLUNetwork(*weights, grid), trained


def _warn(estimator, trained, *, has_positive):
    """Tell what was not reached."""
    accuracy, max_iter = estimator.accuracy, estimator.max_iter
    error = f"relaxation's relative error {trained.violation:.3g}"
    residual = f"relative residual is {trained.residual:.3g}"
    if trained.is_out_of_time:
        of = f"after {trained.n_restarts} of up to {estimator.n_restarts} starts the "
        reached = of + residual
        if not estimator.refine:
            reached += f", and the {error}"
        remedy = "or accuracy, or decrease n_restarts"
        warn_of_time(estimator.max_seconds, reached, remedy)
        return
    if not estimator.refine and trained.violation > accuracy:
        message = (
            f"The {error} is above accuracy={accuracy:g}. Increase max_iter or "
            "accuracy, or try another solver."
        )
    elif not trained.is_converged:
        message = (
            f"The refinement ended at max_iter={max_iter}, where the {residual}. "
            "Increase max_iter."
        )
    elif trained.is_zero and has_positive:
        message = (
            "The network is zero: no patch of the training rows has a positive "
            "response, although there are positive labels. Check X, or use "
            "direction='data', refine=True and linear_weight > 0."
        )
    else:
        return
    warn_user(message, ConvergenceWarning)
