"""Two-layer ReLU networks trained through their convex program."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..architectures import ARCHITECTURES
from ..architectures.recovery import program_directions
from ..cells import enumerate_cells, given_cells, sample_cells
from ..certificate import price_groups
from ..losses import SquaredLoss
from ..network import GatedReLUNetwork, ReLUNetwork
from ..samples import collect_samples
from ..solvers import select_backend, solve_program
from ..solvers.driver import cap_width
from .validation import (
    Integral,
    Interval,
    Real,
    StrOptions,
    all_or_nothing,
    check_gates,
    check_objective,
    check_penalty,
    check_range,
    check_samples,
    check_weights,
    fit_context,
    validate_data,
)

__all__ = ["ConvexReLURegressor"]


class ConvexReLURegressor(RegressorMixin, BaseEstimator):
    r"""Two-layer ReLU network trained to a duality gap by convex optimisation.

    The network :math:`f(x) = \sum_j \max(x^\top w_j + b_j, 0)\, a_j + c` minimises

    .. math::

        \frac12 \sum_i s_i (f(x_i) - y_i)^2
        + \frac{\beta}{2} \sum_j \left(\|w_j\|_2^2 + b_j^2 + a_j^2\right),

    a sum over samples with weights :math:`s_i`, over all networks whose units keep
    to the given activation patterns (`cells`). That problem is the convex group
    lasso with cone constraints

    .. math::

        \min_{u_k, v_k} \frac12 \Bigl\| \sum_k D_k X (u_k - v_k) + c - y \Bigr\|_s^2
        + \beta \sum_k \left(\|u_k\|_2 + \|v_k\|_2\right)
        \quad\text{s.t.}\quad (2 D_k - I) X u_k \ge 0,\ (2 D_k - I) X v_k \ge 0

    with one diagonal matrix :math:`D_k` of zeros and ones per pattern [1]_. Standardise
    the inputs: the penalty does not adapt to their scale.

    Parameters
    ----------
    beta : float, default=3.0
        Penalty on the weights of both layers, in (0, inf). It weighs against a *sum*
        of squares, so it grows with the number of samples and with the square of the
        targets' scale; `beta_max_` is the value from which on the network is zero.
    activation : {"relu", "gated_relu"}, default="relu"
        "relu" is the network above. "gated_relu" fixes the gates g_k of the cells
        and drops the cones: :math:`f(x) = \sum_k 1[x^\top g_k \ge 0]\, (x^\top w_k
        + b_k)\, a_k + c`. Its weights mean nothing without `gates_`.
    solver : str, default="auto"
        Backend: "interior_point" (own, for "relu"), "fista" (own), "cvxpy" (any
        conic solver, Clarabel by default), "osqp", "active_set" (own, for "relu"),
        or a registered one. "auto" takes the first in this order that can solve the
        program. "active_set" with ``cells="sampled"`` does not stop at a list: it
        searches the cells of all networks while it solves, ends far lower, and its
        gap (scope "search") is an estimate.
    cells : {"sampled", "all"} or array-like of shape (n_inputs, n_gates)
        Activation patterns ``1[X g >= 0]`` that units may have. "sampled": `n_cells`
        distinct patterns of Gaussian gates g and their opposites. "all": every
        pattern of the hyperplane arrangement, enumerated; for data of low rank.
        An array: one gate a column, n_inputs being n_features, or n_features + 1
        with `fit_intercept`, the bias in the last row. The default is "sampled".
    n_cells : int, default=50
        Number of sampled patterns; fewer where the data has no more.
    fit_intercept : bool, default=True
        Give every unit a bias, penalised like its weights, and the output an
        intercept, which is not penalised.
    tol : float, default=1e-3
        Bound on the relative duality gap, (primal - dual) / primal, in [0, 1). It
        means the same for every backend and is computed from the fitted network.
    max_iter : int, default=20000
        Largest number of iterations of the backend in all: proximal steps of
        "fista", Newton steps of "interior_point", quadratic programs of "osqp",
        rounds of "active_set".
    max_neurons : int, default=None
        Largest number of units. A wider solution is cut to its largest units, which
        are then trained again; the certificate keeps bounding networks of any width.
    warm_start : bool, default=False
        Start from the network of the previous fit, if it has the same activation and
        number of features.
    solver_options : dict, default=None
        Further options of the backend: for "cvxpy" `solver` and whatever
        ``cvxpy.Problem.solve`` takes, for "osqp" its settings, for "active_set"
        `n_starts` (256, directions that pricing climbs from) and `n_units` (50, width
        of the random start).
    verbose : int, default=0
        1 prints a line a round, 2 a line an iteration.
    random_state : int, RandomState instance or None, default=None
        Source of sampled cells.

    Attributes
    ----------
    coefs_ : list of ndarray
        Hidden weights W of shape (n_features, n_neurons) and output weights a of
        shape (n_neurons, 1); only units that are not zero.
    intercepts_ : list of ndarray
        Hidden biases b of shape (n_neurons,) and output intercept c of shape (1,).
    gates_ : ndarray of shape (n_inputs, n_neurons)
        Gates of the units, bias row last. Only for "gated_relu".
    n_neurons_ : int
        Number of hidden units.
    objective_ : float
        Value of the objective above at the fitted network.
    certificate_ : convexnn.certificate.Certificate
        Primal value, dual bound, gap, relative gap, and what they hold over.
    history_ : convexnn.history.History
        Objective and dual bound after every round, against CPU seconds.
    beta_max_ : float
        Smallest beta for which the zero network is optimal over the cells; with
        scope "search" an estimate from below.
    n_iter_ : int
        Iterations of the backend.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, if `cells="all"`
        would list too many patterns, or if the backend cannot express the program.
    convexnn.solvers.SolverError
        In `fit`, if a backend ends without any point.

    Warns
    -----
    ConvergenceWarning
        If the relative duality gap stays above `tol`.

    References
    ----------
    .. [1] M. Pilanci and T. Ergen, "Neural Networks are Convex Regularizers: Exact
       Polynomial-time Convex Optimization Formulations for Two-layer Networks",
       ICML 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from convexnn import ConvexReLURegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), ConvexReLURegressor(beta=1000.0, random_state=0)
    ... ).fit(X, y)
    >>> bool(model[-1].certificate_.relative_gap <= 1e-3)
    True
    >>> round(model.score(X, y), 2)
    0.53
    """

    _parameter_constraints: dict = {
        "beta": [Interval(Real, 0, np.inf, closed="neither")],
        "activation": [StrOptions(set(ARCHITECTURES))],
        "solver": [str],
        "cells": [StrOptions({"sampled", "all"}), "array-like"],
        "n_cells": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_neurons": [Interval(Integral, 1, None, closed="left"), None],
        "warm_start": ["boolean"],
        "solver_options": [dict, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        beta=3.0,
        *,
        activation="relu",
        solver="auto",
        cells="sampled",
        n_cells=50,
        fit_intercept=True,
        tol=1e-3,
        max_iter=20_000,
        max_neurons=None,
        warm_start=False,
        solver_options=None,
        verbose=0,
        random_state=None,
    ):
        self.beta = beta
        self.activation = activation
        self.solver = solver
        self.cells = cells
        self.n_cells = n_cells
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.max_neurons = max_neurons
        self.warm_start = warm_start
        self.solver_options = solver_options
        self.verbose = verbose
        self.random_state = random_state

    @fit_context
    def fit(self, X, y, sample_weight=None):
        """Train the network to a relative duality gap of `tol`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, dense and finite.
        y : array-like of shape (n_samples,)
            Targets, finite.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 equals a repeated row, a weight of 0
            an absent one.

        Returns
        -------
        self : ConvexReLURegressor
            Fitted estimator.
        """
        with all_or_nothing(self):
            backend = select_backend(
                self.solver, self.activation, self.solver_options or ()
            )
            previous = self._previous_network()
            X, y = check_samples(self, X, y)
            if previous is not None and len(previous.hidden) != X.shape[1]:
                previous = None
            weights = check_weights(sample_weight, X)
            samples = collect_samples(X, y, weights, fit_intercept=self.fit_intercept)
            is_free = isinstance(self.cells, str) and self.cells == "sampled"
            run = self._search if backend.search and is_free else self._solve
            program, point, price = run(backend, samples, previous)
            self._warn_of_gap(backend, point)
            if self.max_neurons is not None:
                point = cap_width(
                    program, point, backend, self.max_neurons, **self._settings()
                )
            self._store(program, point, price, samples, X.dtype)
        return self

    def predict(self, X):
        """Return the network's outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, dense and finite.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predictions, in float32 if the network and `X` are.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._network().predict(X)

    def _architecture(self):
        return ARCHITECTURES[self.activation]

    def _loss_and_penalty(self, samples):
        loss = SquaredLoss(
            samples.y,
            samples.weights,
            intercept=self.fit_intercept,
            constant=samples.within,
        )
        return loss, check_penalty(self.beta, samples.beta_scale)

    def _find_cells(self, X):
        if not isinstance(self.cells, str):
            return given_cells(
                X, check_gates(self.cells, X.shape[1], self.fit_intercept)
            )
        if self.cells == "all":
            return enumerate_cells(X)
        return sample_cells(X, self.n_cells, check_random_state(self.random_state))

    def _previous_network(self):
        """Return the network to start from, if there is one of the right kind."""
        if not (self.warm_start and hasattr(self, "coefs_")):
            return None
        is_gated = hasattr(self, "gates_")
        return (
            self._network() if is_gated == (self.activation == "gated_relu") else None
        )

    def _settings(self):
        return {
            "tol": self.tol,
            "max_iter": self.max_iter,
            "options": self.solver_options,
            "verbose": int(self.verbose),
        }

    def _solve(self, backend, samples, previous):
        """Return the program over the listed cells, its solution, and its beta_max."""
        loss, beta = self._loss_and_penalty(samples)
        cells = self._find_cells(samples.X)
        program = self._architecture().program(samples.X, loss, beta, cells)
        start = None
        if previous is not None:
            start = self._architecture().locate(program, previous, samples)
        point = solve_program(program, backend, start=start, **self._settings())
        at_zero = program.loss.dual_point(np.zeros(len(samples.y)))
        return program, point, price_groups(program, at_zero).largest

    def _search(self, backend, samples, previous):
        """Return the same for a network whose cells the backend finds itself."""
        loss, beta = self._loss_and_penalty(samples)
        start = None
        if previous is not None:
            start = program_directions(previous, samples), np.sign(previous.output)
        found = backend.load_search()(
            samples.X,
            loss,
            beta,
            start=start,
            random_state=check_random_state(self.random_state),
            **self._settings(),
        )
        return found.program, found.point, found.price_at_zero

    def _warn_of_gap(self, backend, point):
        gap = point.certificate.relative_gap
        if gap > self.tol:
            warnings.warn(
                f"Relative duality gap {gap:.3g} above tol={self.tol:g} after "
                f"{point.n_iter} iterations of solver={backend.name!r} "
                f"({point.status}). Standardise X and y, increase max_iter, tol or "
                "beta, or try another solver.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _store(self, program, point, price_at_zero, samples, dtype):
        self.certificate_ = point.certificate.in_units(samples.objective_scale)
        check_objective(self.certificate_.primal)
        network = self._architecture().recover(program, point.U, samples)
        self.coefs_ = [
            check_range(network.hidden, dtype),
            check_range(network.output[:, None], dtype),
        ]
        self.intercepts_ = [
            check_range(network.hidden_bias, dtype),
            check_range([network.output_bias], dtype),
        ]
        vars(self).pop("gates_", None)
        if self.activation == "gated_relu":
            gates = [network.gates, network.gate_bias[None]]
            self.gates_ = np.vstack(gates if self.fit_intercept else gates[:1]).astype(
                dtype
            )
        self.n_neurons_ = network.n_neurons
        self.objective_ = self.certificate_.primal
        self.history_ = point.history.in_units(samples.objective_scale)
        self.beta_max_ = price_at_zero * samples.beta_scale
        self.n_iter_ = point.n_iter

    def _network(self):
        hidden, output = self.coefs_
        weights = (hidden, self.intercepts_[0], output[:, 0], self.intercepts_[1][0])
        if not hasattr(self, "gates_"):
            return ReLUNetwork(*weights)
        has_bias = len(self.gates_) > len(hidden)
        bias = self.gates_[-1] if has_bias else np.zeros_like(self.intercepts_[0])
        return GatedReLUNetwork(*weights, self.gates_[: len(hidden)], bias)
