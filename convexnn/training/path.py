"""Regularisation paths: networks from the penalty that silences them downwards."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, column_or_1d

from ..architectures import ARCHITECTURES
from ..checks import (
    REGRESSION_CONSTRAINTS,
    TRAINING_CONSTRAINTS,
    Interval,
    Real,
    check_samples,
    check_weights,
    validate_params,
)
from ..data.samples import collect_samples
from ..estimators.limit import LIMIT_CONSTRAINTS, warn_of_time
from ..estimators.penalty import beyond_rounding
from ..solvers import select_backend
from ..solvers.time_limit import is_out_of_time, time_limit
from .trainer import Trainer

__all__ = ["PATH_CONSTRAINTS", "ReLUPath", "beta_grid", "choose_betas", "relu_path"]

#: Parameters of everything that follows a path.
PATH_CONSTRAINTS = {
    **TRAINING_CONSTRAINTS,
    "betas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    "beta_min_ratio": [Interval(Real, 0, 1, closed="right")],
}


@dataclass(frozen=True)
class ReLUPath:
    """Networks along a path of penalties.

    Attributes
    ----------
    betas : ndarray of shape (n_betas,)
        Penalties in descending order.
    networks : tuple of ReLUNetwork
        The network of each penalty, in float64.
    certificates : tuple of Certificate
        Objective and dual bound of each network, and what the bound holds over.
    gaps : ndarray of shape (n_betas,)
        Relative duality gaps, (primal - dual) / primal, before any cut to
        `max_neurons`.
    seconds : ndarray of shape (n_betas,)
        CPU seconds of the process that each network took.
    tol : float
        Bound on the gaps that was asked for.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn import relu_path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> path = relu_path(X, y, betas=5, beta_min_ratio=0.1, random_state=0)
    >>> path.predict(X).shape
    (442, 5)
    """

    betas: np.ndarray
    networks: tuple
    certificates: tuple
    gaps: np.ndarray
    seconds: np.ndarray
    tol: float

    @property
    def objectives(self):
        """Objectives of the networks, of shape (n_betas,)."""
        return np.array([certificate.primal for certificate in self.certificates])

    @property
    def n_neurons(self):
        """Numbers of hidden units, of shape (n_betas,)."""
        return np.array([network.n_neurons for network in self.networks])

    @property
    def is_estimate(self):
        """Whether the gaps are estimates, because the bounds rest on local pricing."""
        return any(certificate.is_estimate for certificate in self.certificates)

    def predict(self, X):
        """Return the outputs of all networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, dense and finite.

        Returns
        -------
        ndarray of shape (n_samples, n_betas) or (n_samples, n_outputs, n_betas)
            The last axis runs over the penalties.

        Raises
        ------
        ValueError
            If X is not as described.
        """
        X = check_array(X, dtype=[np.float64, np.float32], input_name="X")
        n_features = len(self.networks[0].hidden)
        if X.shape[1] != n_features:
            raise ValueError(
                f"X must have the {n_features} features of the path, got {X.shape[1]}."
            )
        return np.stack([network.predict(X) for network in self.networks], axis=-1)


@validate_params(
    {
        **PATH_CONSTRAINTS,
        **REGRESSION_CONSTRAINTS,
        **LIMIT_CONSTRAINTS,
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
        Number of penalties, evenly spaced on a logarithmic scale from beta_max down,
        or from 1 where that is 0, or the penalties, in (0, inf); they are sorted in
        descending order.
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
    ReLUPath
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
    backend = select_backend(
        solver,
        ARCHITECTURES[activation].features,
        solver_options or (),
        subject=f"activation={activation!r}",
    )
    X, y = check_samples(None, X, y, multi_output=True)
    weights = check_weights(sample_weight, X)
    trainer = Trainer(
        collect_samples(X, y, weights, fit_intercept=fit_intercept, loss=loss),
        backend,
        loss=loss,
        epsilon=epsilon,
        architecture=ARCHITECTURES[activation],
        cells=cells,
        n_cells=n_cells,
        tol=tol,
        max_iter=max_iter,
        max_neurons=max_neurons,
        solver_options=solver_options,
        verbose=verbose,
        random_state=seed_of(random_state),
    )
    betas = choose_betas(trainer, betas, beta_min_ratio)
    with time_limit(max_seconds):
        path, _ = trace(trainer, betas, may_stop=True)
    if len(path.betas) < len(betas):
        reached = f"{len(path.betas)} of {len(betas)} penalties were trained at"
        warn_of_time(max_seconds, reached, "or leave out small betas", stacklevel=4)
    warn_of_gaps(path.betas, path.gaps, tol, stacklevel=4)
    return path


def trace(trainer, betas, *, is_warm=True, previous=None, may_stop=False):
    """Return the path of a trainer, each network started from the one before.

    With it comes what was trained last, for `previous` of a path that goes on. A path
    that may stop does so when time is up.
    """
    trained, seconds = [], []
    for beta in betas:
        started = time.process_time()
        if previous is None or not is_warm:
            previous = trainer.train(beta)
        else:
            previous = trainer.train(beta, previous.network, previous.known)
        trained.append(previous)
        seconds.append(time.process_time() - started)
        if may_stop and is_out_of_time():
            break
    path = ReLUPath(
        betas=np.asarray(betas[: len(trained)], dtype=float),
        networks=tuple(one.network for one in trained),
        certificates=tuple(one.certificate for one in trained),
        gaps=np.array([one.gap for one in trained]),
        seconds=np.array(seconds),
        tol=trainer.tol,
    )
    return path, previous


def seed_of(random_state):
    """Return an integer that every penalty can start from; an integer is its own."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def choose_betas(trainer, betas, beta_min_ratio):
    """Return penalties in descending order: the given ones, or so many below beta_max.

    Parameters
    ----------
    trainer : Trainer
        Tells beta_max.
    betas : int or array-like of shape (n_betas,)
        Number of penalties or the penalties themselves.
    beta_min_ratio : float
        Smallest penalty divided by the largest, where `betas` is a number.

    Returns
    -------
    ndarray of shape (n_betas,)
        The penalties.

    Raises
    ------
    ValueError
        If given penalties are not a vector of numbers in (0, inf).
    """
    if not isinstance(betas, Integral):
        given = check_array(
            betas, dtype=np.float64, ensure_2d=False, input_name="betas"
        )
        if given.ndim != 1 or not given.min() > 0:
            raise ValueError(
                "betas must be a number of penalties or a vector of penalties in "
                f"(0, inf), got {betas!r}."
            )
        return np.sort(given)[::-1]
    # Where y is constant or X is zero, every penalty gives the constant network.
    beta_max = beyond_rounding(trainer.beta_max(), trainer.samples) or 1.0
    return beta_max * np.geomspace(1.0, beta_min_ratio, betas)


def warn_of_gaps(betas, gaps, tol, *, where="", stacklevel):
    """Warn once of all penalties whose gap is above the tolerance."""
    missed = gaps > tol
    if missed.any():
        names = ", ".join(f"{beta:.4g}" for beta in betas[missed])
        warnings.warn(
            f"Relative duality gap above tol={tol:g}{where} at {missed.sum()} of "
            f"{len(betas)} penalties, up to {gaps.max():.3g}: beta = {names}. "
            "Standardise X and y, increase max_iter or tol, leave out small betas, or "
            "try another solver.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


def beta_grid(
    X,
    y,
    *,
    n_betas=10,
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
    n_betas : int, default=10
        Number of penalties, at least 1.
    beta_min_ratio : float, default=1e-3
        Smallest penalty divided by the largest, in (0, 1].
    activation : {"relu", "gated_relu"}, default="relu"
        Architecture.
    solver : str, default="auto"
        Backend of the fit.
    cells : {"auto", "sampled", "all"} or array-like of shape (n_inputs, n_gates)
        Cells of the fit, as in :class:`~convexnn.ConvexReLURegressor`; "auto" by
        default.
    n_cells : int, default=50
        Number of sampled cells.
    fit_intercept : bool, default=True
        Whether biases and an output intercept are fitted.
    random_state : int, RandomState instance or None, default=None
        Source of the cells or of the search.

    Returns
    -------
    ndarray of shape (n_betas,)
        Penalties in descending order, the first being beta_max, or 1 where that is 0
        because the targets are constant or the inputs are zero.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn.training.path import beta_grid
    >>> X, y = load_diabetes(return_X_y=True)
    >>> betas = beta_grid(X, y, n_betas=4, random_state=0)
    >>> (betas / betas[0]).round(6).tolist()
    [1.0, 0.1, 0.01, 0.001]
    """
    if n_betas < 1:
        raise ValueError(f"n_betas must be at least 1, got {n_betas!r}.")
    if not 0 < beta_min_ratio <= 1:
        raise ValueError(f"beta_min_ratio must be in (0, 1], got {beta_min_ratio!r}.")
    if activation not in ARCHITECTURES:
        raise ValueError(
            f"activation must be one of {sorted(ARCHITECTURES)}, got {activation!r}."
        )
    if isinstance(cells, str) and cells not in ("auto", "sampled", "all"):
        raise ValueError(
            "cells must be 'auto', 'sampled', 'all' or an array of gates, got "
            f"{cells!r}."
        )
    X, y = check_array(X), column_or_1d(check_array(y, ensure_2d=False))
    check_consistent_length(X, y)
    trainer = Trainer(
        collect_samples(X, y, fit_intercept=fit_intercept),
        select_backend(solver, ARCHITECTURES[activation].features),
        architecture=ARCHITECTURES[activation],
        cells=cells,
        n_cells=n_cells,
        random_state=random_state,
    )
    return choose_betas(trainer, n_betas, beta_min_ratio)
