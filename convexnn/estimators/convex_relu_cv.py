"""Two-layer ReLU networks whose penalty is chosen by cross-validation along paths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed

from ..path import PATH_CONSTRAINTS, choose_betas, seed_of, trace, warn_of_gaps
from ..samples import collect_samples
from ..solvers import select_backend
from ..training import Trainer
from .two_layer import TwoLayerRegressor
from .validation import (
    Integral,
    StrOptions,
    all_or_nothing,
    check_samples,
    check_weights,
    fit_context,
)

__all__ = ["ConvexReLURegressorCV"]

#: Mean errors within this share of ``sqrt(tol)`` of the smallest are a near tie:
#: networks within `tol` of the optimum predict equally well up to about that.
_NEAR_TIE = 0.5


class ConvexReLURegressorCV(TwoLayerRegressor):
    r"""Two-layer ReLU network with its penalty chosen by cross-validation.

    On the training part of every fold, networks are trained along one descending path
    of penalties :math:`\beta`, each minimising

    .. math::

        \frac12 \sum_i s_i (f(x_i) - y_i)^2
        + \frac{\beta}{2} \sum_j \left(\|w_j\|_2^2 + b_j^2 + a_j^2\right)

    to a relative duality gap of `tol` and started from the one before. The penalty
    with the best mean squared error on the left-out parts is chosen, and
    :class:`~convexnn.ConvexReLURegressor` with it is fitted to all the data.

    A penalty means the same on every fold and in the last fit: it is not rescaled by
    the number of samples. The penalties whose error is within ``sqrt(tol) / 2``,
    relatively, of the smallest are judged by networks trained from scratch. So with an
    int `random_state`, ``GridSearchCV`` over ``{"beta": betas_}`` with
    ``scoring="neg_mean_squared_error"`` and the same folds makes the same choice,
    unless a start from scratch moves the error of some other penalty by more than that.

    Parameters
    ----------
    betas : int or array-like of shape (n_betas,), default=30
        Number of penalties, evenly spaced on a logarithmic scale from beta_max on all
        the data down, or the penalties, in (0, inf).
    beta_min_ratio : float, default=1e-3
        Smallest penalty divided by the largest, in (0, 1], where `betas` is a number.
    cv : int, cross-validation generator or iterable, default=None
        Folds: None for five in the order of the rows, an int for so many, a splitter,
        or pairs of index arrays.
    selection : {"min", "one_se"}, default="min"
        "min" chooses the penalty of the smallest mean squared error, averaged over the
        folds. "one_se" chooses the largest penalty whose average is at most one
        standard error (of the average over the folds, at the minimum) above that; it
        gives narrower networks.
    n_jobs : int, default=None
        Number of folds to work on at once: None for 1 unless in a joblib context, -1
        for all processors. The result does not depend on it.
    activation, solver, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ConvexReLURegressor`.
    tol : float, default=1e-3
        Bound on the relative duality gap, (primal - dual) / primal, of every network,
        in [0, 1).
    max_iter : int, default=20000
        Largest number of iterations of the backend for each network.
    max_neurons, solver_options, verbose
        Of :class:`~convexnn.ConvexReLURegressor`.
    random_state : int, RandomState instance or None, default=None
        Source of sampled cells and of searches. An int is used anew for every fold
        and for the last fit, as clones of one estimator would; otherwise one is drawn.

    Attributes
    ----------
    beta_ : float
        Penalty chosen.
    betas_ : ndarray of shape (n_betas,)
        Penalties in descending order.
    mse_path_ : ndarray of shape (n_betas, n_folds)
        Mean squared error on the left-out part of each fold, weighted where sample
        weights are given; nan for folds whose left-out weights are all 0.
    objective_path_, gap_path_, n_neurons_path_ : ndarray of shape (n_betas, n_folds)
        Objective, relative duality gap and number of neurons of each network on the
        path of each fold.
    coefs_, intercepts_, gates_, n_neurons_ : list of ndarray, ndarray, int
        Network of the last fit, as in :class:`~convexnn.ConvexReLURegressor`.
    objective_, certificate_, history_, beta_max_, n_iter_ : float, object, int
        Of the last fit, as in :class:`~convexnn.ConvexReLURegressor`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, if a fold cannot be
        trained on or none can be scored, or if `betas` is a number and beta_max is 0.
    convexnn.solvers.SolverError
        In `fit`, if a backend ends without any point.

    Warns
    -----
    ConvergenceWarning
        Once for all folds, naming the penalties whose gap stays above `tol` on any of
        them, and once for the last fit.

    See Also
    --------
    convexnn.relu_path : One path, with its networks.
    convexnn.plotting.RegularizationPathDisplay : Picture of a fitted estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from convexnn import ConvexReLURegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = ConvexReLURegressorCV(
    ...     betas=3, beta_min_ratio=0.1, cv=3, random_state=0
    ... ).fit(scale(X), y)
    >>> model.mse_path_.shape
    (3, 3)
    >>> bool(model.beta_ == model.betas_[model.mse_path_.mean(axis=1).argmin()])
    True
    """

    _parameter_constraints: dict = {
        **PATH_CONSTRAINTS,
        "cv": ["cv_object"],
        "selection": [StrOptions({"min", "one_se"})],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        betas=30,
        *,
        beta_min_ratio=1e-3,
        cv=None,
        selection="min",
        n_jobs=None,
        activation="relu",
        solver="auto",
        cells="auto",
        n_cells=50,
        fit_intercept=True,
        tol=1e-3,
        max_iter=20_000,
        max_neurons=None,
        solver_options=None,
        verbose=0,
        random_state=None,
    ):
        self.betas = betas
        self.beta_min_ratio = beta_min_ratio
        self.cv = cv
        self.selection = selection
        self.n_jobs = n_jobs
        self.activation = activation
        self.solver = solver
        self.cells = cells
        self.n_cells = n_cells
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.max_neurons = max_neurons
        self.solver_options = solver_options
        self.verbose = verbose
        self.random_state = random_state

    @fit_context
    def fit(self, X, y, sample_weight=None):
        """Choose the penalty along the paths of all folds and train with it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, dense and finite.
        y : array-like of shape (n_samples,)
            Targets, finite.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, in training and in the errors of the left-out parts.
            A weight of 2 equals a repeated row in the same fold, a weight of 0 an
            absent one.

        Returns
        -------
        self : ConvexReLURegressorCV
            Fitted estimator.
        """
        with all_or_nothing(self):
            backend = select_backend(
                self.solver, self.activation, self.solver_options or ()
            )
            X, y = check_samples(self, X, y)
            weights = check_weights(sample_weight, X)
            weights = np.ones(len(y)) if weights is None else weights
            splits = self._splits(X, y, weights)
            collect = partial(collect_samples, fit_intercept=self.fit_intercept)
            prepare = partial(
                self._trainer, backend=backend, random_state=seed_of(self.random_state)
            )
            trainer = prepare(collect(X, y, weights))
            self.betas_ = choose_betas(trainer, self.betas, self.beta_min_ratio)
            self._compare(
                [
                    _Fold(
                        prepare(collect(X[train], y[train], weights[train])),
                        X[test],
                        y[test],
                        weights[test],
                    )
                    for train, test in splits
                ]
            )
            trained = trainer.train(self.beta_)
            self._warn_of_gap(trained, backend)
            self._store(trained, X.dtype)
        return self

    def _splits(self, X, y, weights):
        """Return the folds, refusing those with nothing to train on or to score."""
        splits = list(check_cv(self.cv).split(X, y))
        for number, (train, _) in enumerate(splits):
            if not weights[train].any():
                raise ValueError(
                    "sample_weight must have a positive entry in the training part of "
                    f"every fold of cv, got only zeros in that of fold {number}."
                )
        if not any(weights[test].any() for _, test in splits):
            raise ValueError(
                "sample_weight must have a positive entry in the left-out part of some "
                "fold of cv, got only zeros."
            )
        return splits

    def _compare(self, folds):
        """Follow the paths of all folds, settle near ties, and choose."""
        results = self._results(folds, self.betas_, is_warm=True)
        mean = np.nanmean(results[0], axis=1)
        near = mean <= mean.min() * (1 + _NEAR_TIE * np.sqrt(self.tol))
        if near.sum() > 1:
            results[:, near] = self._results(folds, self.betas_[near], is_warm=False)
        self.mse_path_, self.objective_path_, self.gap_path_ = results[:3]
        self.n_neurons_path_ = results[3].astype(int)
        warn_of_gaps(
            self.betas_,
            self.gap_path_.max(axis=1),
            self.tol,
            where=" on some fold",
            stacklevel=5,
        )
        self.beta_ = float(self.betas_[self._chosen()])

    def _results(self, folds, betas, *, is_warm):
        """Return what :class:`_Fold` does, of shape (4, n_betas, n_folds)."""
        work = delayed(_Fold.results)
        results = Parallel(n_jobs=self.n_jobs)(
            work(fold, betas, is_warm=is_warm) for fold in folds
        )
        return np.stack(results, axis=2)

    def _chosen(self):
        """Return the index of the penalty that the errors speak for."""
        errors = self.mse_path_[:, np.isfinite(self.mse_path_[0])]
        mean = errors.mean(axis=1)
        best = int(np.argmin(mean))
        n_folds = errors.shape[1]
        if self.selection == "min" or n_folds == 1:
            return best
        allowed = mean[best] + errors[best].std(ddof=1) / np.sqrt(n_folds)
        return int(np.argmax(mean <= allowed))


@dataclass(frozen=True)
class _Fold:
    """What trains on a fold, and its left-out rows."""

    trainer: Trainer
    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray

    def results(self, betas, *, is_warm):
        """Return errors, objectives, gaps and widths, of shape (4, n_betas)."""
        path = trace(self.trainer, betas, is_warm=is_warm)
        errors = np.full(len(betas), np.nan)
        if self.weights.any():
            squares = (path.predict(self.X) - self.y[:, None]) ** 2
            errors = np.average(squares, axis=0, weights=self.weights)
        return np.stack([errors, path.objectives, path.gaps, path.n_neurons])
