"""Paths of networks and grids of penalties, with their parameters checked."""

from __future__ import annotations

from dataclasses import replace

from sklearn.base import clone

from ..checks import validate_params
from ..solvers.time_limit import time_limit
from ..training.path import choose_betas, seed_of, trace
from .base import NetworkEstimator
from .constraints import PATHS, REGRESSION
from .convex_relu import ConvexReLURegressor
from .notices import warn_of_gaps, warn_of_time

__all__ = ["beta_grid", "penalty_path", "relu_path"]


@validate_params(
    {
        "estimator": [NetworkEstimator],
        "betas": PATHS["betas"],
        "beta_min_ratio": PATHS["beta_min_ratio"],
        "sample_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def penalty_path(
    estimator, X, y, *, betas=100, beta_min_ratio=1e-4, sample_weight=None
):
    """Train the networks of an estimator from beta_max down, each from the one before.

    At every penalty the estimator's objective is minimised, as its parameters say, to a
    relative duality gap of its `tol`; `beta`, `beta_ratio` and `warm_start` do not
    count. Samples are collected once, and listed cells are found once.

    Parameters
    ----------
    estimator : estimator
        A regressor or classifier of networks, of any depth or over patches; it is
        left as it is.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs, finite, scaled as they are to be: nothing is standardised. Sparse ones
        are made dense.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets or labels.
    betas : int or array-like of shape (n_betas,), default=100
        Number of penalties, evenly spaced on a logarithmic scale from beta_max on all
        the data down, or from 1 where that is 0; or the penalties, in (0, inf), which
        are sorted in descending order.
    beta_min_ratio : float, default=1e-4
        Smallest penalty divided by the largest, in (0, 1], where `betas` is a number.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights s, ones by default.

    Returns
    -------
    NetworkPath
        Networks, objectives, gaps, numbers of neurons and seconds. Outputs of
        classifiers are those of `decision_function`.

    Raises
    ------
    ValueError
        If a parameter or the data is not as described.
    convexnn.solvers.SolverError
        If a backend ends without any point.

    Warns
    -----
    ConvergenceWarning
        Once, naming the penalties whose gap stays above `tol`, and once if
        `max_seconds` of the estimator ended the path.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import ThreeLayerConvexRegressor, penalty_path
    >>> X = np.random.default_rng(0).standard_normal((30, 2))
    >>> y = np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0)
    >>> model = ThreeLayerConvexRegressor(n_units=3, random_state=0)
    >>> path = penalty_path(model, X, y, betas=3, beta_min_ratio=0.1)
    >>> path.predict(X).shape, int(path.n_neurons[0])
    ((30, 3), 0)
    """
    model = clone(estimator)
    model.set_params(random_state=seed_of(model.random_state))
    model._validate_params()
    with time_limit(model.max_seconds):
        trainer = model._trainer_of(X, y, sample_weight)
        betas = choose_betas(trainer, betas, beta_min_ratio)
        path, _ = trace(trainer, betas, may_stop=True)
    if len(path.betas) < len(betas):
        reached = f"{len(path.betas)} of {len(betas)} penalties were trained at"
        warn_of_time(model.max_seconds, reached, "or leave out small betas")
    warn_of_gaps(path.betas, path.gaps, model.tol)
    return replace(path, n_features=model.n_features_in_)


@validate_params(
    {
        **PATHS,
        **REGRESSION,
        "sample_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def relu_path(
    X,
    y,
    *,
    betas=100,
    beta_min_ratio=1e-4,
    sample_weight=None,
    loss="squared",
    epsilon=1.35,
    activation="relu",
    solver="auto",
    cells="auto",
    n_cells=50,
    fit_intercept=True,
    tol=1e-3,
    max_iter=20_000,
    max_neurons=None,
    max_seconds=None,
    solver_options=None,
    verbose=0,
    random_state=None,
):
    r"""Train networks from beta_max down, each started from the one before.

    At every :math:`\beta` the network minimises

    .. math::

        \frac12 \sum_i s_i (f(x_i) - y_i)^2
        + \frac{\beta}{2} \sum_j \left(\|w_j\|_2^2 + b_j^2 + a_j^2\right),

    the objective of :class:`~convexnn.ConvexReLURegressor`, to a relative duality gap
    of `tol`. Samples are collected once, and sampled or enumerated cells are found
    once.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Inputs, finite, scaled as they are to be: nothing is standardised. Sparse ones
        are made dense.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Targets, finite.
    betas : int or array-like of shape (n_betas,), default=100
        Number of penalties, evenly spaced on a logarithmic scale from beta_max on all
        the data down, or from 1 where that is 0; or the penalties, in (0, inf), which
        are sorted in descending order.
    beta_min_ratio : float, default=1e-4
        Smallest penalty divided by the largest, in (0, 1], where `betas` is a number.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights s, ones by default.
    loss, epsilon, activation, solver, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ConvexReLURegressor`.
    tol : float, default=1e-3
        Bound on the relative duality gap, (primal - dual) / primal, of every network,
        in [0, 1).
    max_iter : int, default=20000
        Largest number of iterations of the backend for each network.
    max_neurons, solver_options, verbose, random_state
        Of :class:`~convexnn.ConvexReLURegressor`.
    max_seconds : float, default=None
        Limit in seconds of wall time, in (0, inf); None for none. The path ends with
        the penalty at which it is reached.

    Returns
    -------
    NetworkPath
        Networks, objectives, gaps, numbers of neurons and seconds.

    Raises
    ------
    ValueError
        If a parameter or the data is not as described.
    convexnn.solvers.SolverError
        If a backend ends without any point.

    Warns
    -----
    ConvergenceWarning
        Once, naming the penalties whose gap stays above `tol`, and once if
        `max_seconds` ended the path.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn import relu_path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> path = relu_path(X, y, betas=4, beta_min_ratio=0.1, random_state=0)
    >>> int(path.n_neurons[0]), bool(path.gaps.max() <= 1e-3)
    (0, True)
    >>> bool((path.objectives[1:] < path.objectives[:-1]).all())
    True
    """
    model = ConvexReLURegressor(
        loss=loss,
        epsilon=epsilon,
        activation=activation,
        solver=solver,
        cells=cells,
        n_cells=n_cells,
        fit_intercept=fit_intercept,
        tol=tol,
        max_iter=max_iter,
        max_neurons=max_neurons,
        solver_options=solver_options,
        verbose=verbose,
        random_state=random_state,
        max_seconds=max_seconds,
    )
    settings = {"betas": betas, "beta_min_ratio": beta_min_ratio}
    return penalty_path(model, X, y, sample_weight=sample_weight, **settings)


@validate_params(PATHS, prefer_skip_nested_validation=True)
def beta_grid(
    X,
    y,
    *,
    betas=13,
    beta_min_ratio=1e-3,
    activation="relu",
    solver="auto",
    cells="auto",
    n_cells=50,
    fit_intercept=True,
    random_state=None,
):
    """Return penalties from beta_max down, evenly spaced on a logarithmic scale.

    ``beta_max`` is the smallest penalty for which the zero network is optimal: over
    listed cells, the largest norm of the projected correlations of the (centred)
    targets with the cells; for a solver that searches the cells, an estimate from
    below of the same over all cells.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Inputs, scaled as they will be in the fit.
    y : array-like of shape (n_samples,)
        Targets.
    betas : int or array-like of shape (n_betas,), default=13
        Number of penalties, evenly spaced on a logarithmic scale from beta_max on all
        the data down, or from 1 where that is 0; or the penalties, in (0, inf), which
        are sorted in descending order.
    beta_min_ratio : float, default=1e-3
        Smallest penalty divided by the largest, in (0, 1], where `betas` is a number.
    activation, solver, cells, n_cells, fit_intercept, random_state
        Of :class:`~convexnn.ConvexReLURegressor`.

    Returns
    -------
    ndarray of shape (n_betas,)
        Penalties in descending order.

    Raises
    ------
    ValueError
        If a parameter or the data is not as described.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn.estimators.paths import beta_grid
    >>> X, y = load_diabetes(return_X_y=True)
    >>> betas = beta_grid(X, y, betas=4, random_state=0)
    >>> (betas / betas[0]).round(6).tolist()
    [1.0, 0.1, 0.01, 0.001]
    """
    model = ConvexReLURegressor(
        activation=activation,
        solver=solver,
        cells=cells,
        n_cells=n_cells,
        fit_intercept=fit_intercept,
        random_state=random_state,
    )
    return choose_betas(model._trainer_of(X, y), betas, beta_min_ratio)
