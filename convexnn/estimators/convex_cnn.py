"""Convolutional networks with one hidden layer, trained through convex programs."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    RegressorMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ..filter_training import FilterTrainer
from ..patches import Patches, patch_grid
from ..solvers.relaxation import select_relaxation_backend
from .validation import (
    Integral,
    Interval,
    Real,
    StrOptions,
    all_or_nothing,
    check_range,
    check_samples,
    check_weights,
    fit_context,
    validate_data,
)

__all__ = ["ConvexCNNRegressor"]

#: Directions that are not arrays.
_DIRECTIONS = ("data", "gaussian", "antithetic")


class ConvexCNNRegressor(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, RegressorMixin, BaseEstimator
):
    r"""Convolutional network with one shared filter, trained through its relaxation.

    The network :math:`f(x) = \sum_{j=1}^k \max(x_j^\top w, 0)` sums the rectified
    responses of one filter w to the k patches :math:`x_j` of an input. `fit` minimises

    .. math:: \frac12 \sum_i s_i (f(x_i) - y_i)^2,

    a sum over samples with weights :math:`s_i`, which is not convex. Its relaxation
    [1]_ has one variable z for each patch and a linear term along a direction r,

    .. math::

        \min_{w,\ z \ge 0}\ \frac12 \sum_i s_i \Bigl(\sum_j z_{ij} - y_i\Bigr)^2
        - \beta\, r^\top w \quad\text{s.t.}\quad z_{ij} \ge x_{ij}^\top w,

    eq. (8) for k patches with the labels kept quadratic. As beta goes to 0 it becomes
    the linear program (9). Solutions of the relaxation are where least squares on the
    active sets and Levenberg-Marquardt start (`refine`), and if the residual is zero,
    the filter is a global minimum. With several patches the output weights are fixed
    at 1. Outputs are never negative: a label below 0 adds at least its square, pulls
    no filter, and counts as 0 in (9).

    Parameters
    ----------
    input_shape : int or tuple of int, default=None
        Shape of one input, whose rows of X are flattened in C order: None for a
        signal of length n_features, (h, w), or (h, w, channels).
    filter_shape : int or tuple of int, default=None
        Shape of the filter: (p,) for signals, (fh, fw) for images; a filter spans all
        channels. None for the whole input, so that k = 1: a single neuron.
    stride : int or tuple of int, default=None
        Step between patches along each axis. None for the shape of the filter:
        patches side by side. Patches have to end where the input does.
    formulation : {"relaxation"}, default="relaxation"
        What is trained: one filter, through the relaxation above.
    beta : float or "limit", default=0.01
        Weight of the linear term, in [0, inf), or "limit" for the linear program (9).
        With ``direction="data"`` it has no units: about the relative noise of the
        labels is a good value without `refine`, and with it little depends on it.
        ``beta=0`` is the naive relaxation (7), which any non-negative labels fit with
        w = 0: it is there to be seen failing.
    direction : {"data", "gaussian", "antithetic"} or array-like, default="data"
        Direction r. "data": the sum of all patches times their labels, and then, until
        it settles, of the active patches alone. "gaussian": standard normal, a new one
        for each restart, as in the paper. "antithetic": the same in pairs r, -r. An
        array of the filter's shape: that one.
    n_restarts : int, default=50
        Largest number of starts: programs with new directions if these are drawn,
        and otherwise refinements from randomly perturbed moments of the data. No more
        are made when the residual is zero, or when ten refinements have ended at
        the same smallest loss. Without `refine` other directions need one.
    refine : bool, default=True
        Whether to go on from the relaxation to a local minimum of the least squares.
        With ``direction="data"`` the moments of the data are refined first, and no
        program is solved where they lead to a zero residual: its solution along the
        direction of the filter found is then known.
    solver : {"auto", "interior_point", "osqp", "highs", "cvxpy"}, default="auto"
        Backend of the relaxation: "interior_point" (own; (8) and (9)), "osqp" (all),
        "highs" ((9), through scipy), "cvxpy" (all, with Clarabel). "auto" takes the
        first in this order that can solve the program.
    tol : float, default=1e-6
        Relative accuracy, in (0, 1): the largest relative residual that counts as
        zero, and the largest relative error of a solution of the relaxation, which is
        computed from its multipliers and means the same for every backend. Before a
        refinement programs are solved to 1e-3 only.
    max_iter : int, default=20000
        Largest number of iterations of the backend for each program, and of steps of
        each refinement.
    n_jobs : int, default=None
        Number of starts to work on at once, in threads: None for 1 unless in a joblib
        context, -1 for all processors. The result does not depend on it.
    verbose : int, default=0
        1 prints a line a start, 2 the iterations of the backend too.
    random_state : int, RandomState instance or None, default=None
        Source of directions and perturbations.

    Attributes
    ----------
    filter_ : ndarray of the filter's shape
        Filter w.
    coef_ : ndarray of shape (filter_size,)
        The same, flattened.
    objective_ : float
        Half the weighted sum of squares at the filter.
    residual_ : float
        Norm of the weighted residual divided by that of the labels.
    recovered_ : bool
        Whether `residual_` is at most `tol`: the filter then is a global minimum, and
        the one that made the labels, if there is no other. That it is the only one is
        not promised.
    relaxation_objective_ : float
        Value of the relaxation's program: (8), minimised, or with ``beta="limit"``
        ``r'w`` of (9), maximised. The program is the one that the filter came from,
        or, where it came from elsewhere, that of the first start.
    direction_ : ndarray of shape (filter_size,)
        Direction r of that program.
    n_restarts_ : int
        Number of starts made.
    n_iter_ : int
        Iterations of the backend and steps of the refinements in all.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, if shapes do not fit
        each other or the data, if the backend cannot express the program, or if no
        program along the directions asked for has a solution.
    convexnn.solvers.SolverError
        In `fit`, if a backend ends without any point.

    Warns
    -----
    ConvergenceWarning
        If the relaxation without `refine` is not solved to `tol`, if a refinement ends
        at `max_iter`, or if the network is zero although there are positive labels.

    See Also
    --------
    convexnn.relaxation.in_recovery_cone : Decides whether (9) returns a filter.

    Notes
    -----
    Training is done in double precision; results have the precision of X.

    References
    ----------
    .. [1] B. Bartan and M. Pilanci, "Convex Relaxations of Convolutional Neural Nets",
       ICASSP 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import ConvexCNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> X, w = rng.standard_normal((60, 20)), np.array([1.0, -1.0, 2.0, 0.5])
    >>> y = np.maximum(X.reshape(60, 5, 4) @ w, 0).sum(axis=1)
    >>> model = ConvexCNNRegressor(filter_shape=4, random_state=0).fit(X, y)
    >>> model.recovered_, model.filter_.round(8)
    (True, array([ 1. , -1. ,  2. ,  0.5]))
    >>> model.transform(X).shape
    (60, 5)
    """

    _parameter_constraints: dict = {
        "input_shape": [Integral, tuple, list, None],
        "filter_shape": [Integral, tuple, list, None],
        "stride": [Integral, tuple, list, None],
        "formulation": [StrOptions({"relaxation"})],
        "beta": [Interval(Real, 0, np.inf, closed="left"), StrOptions({"limit"})],
        "direction": [StrOptions(set(_DIRECTIONS)), "array-like"],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "refine": ["boolean"],
        "solver": [str],
        "tol": [Interval(Real, 0, 1, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        input_shape=None,
        filter_shape=None,
        stride=None,
        formulation="relaxation",
        beta=0.01,
        direction="data",
        n_restarts=50,
        refine=True,
        solver="auto",
        tol=1e-6,
        max_iter=20_000,
        n_jobs=None,
        verbose=0,
        random_state=None,
    ):
        self.input_shape = input_shape
        self.filter_shape = filter_shape
        self.stride = stride
        self.formulation = formulation
        self.beta = beta
        self.direction = direction
        self.n_restarts = n_restarts
        self.refine = refine
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self):
        """Return the tags of a regressor that cannot fit negative targets."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags

    @fit_context
    def fit(self, X, y, sample_weight=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, flattened, dense and finite.
        y : array-like of shape (n_samples,)
            Targets, finite; those below 0 cannot be fitted.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 equals a repeated row, a weight of 0
            an absent one.

        Returns
        -------
        self : ConvexCNNRegressor
            Fitted estimator.
        """
        with all_or_nothing(self):
            X, y = check_samples(self, X, y)
            weights = check_weights(sample_weight, X)
            self._fit_relaxation(X, y, weights)
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
        return self._patches(X).pooled(self.coef_)

    def transform(self, X):
        """Return the rectified responses of the filter, one feature a patch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, dense and finite.

        Returns
        -------
        ndarray of shape (n_samples, n_patches)
            ``max(x_j'w, 0)``, patches in the order of the input (C order). The
            predictions are their sums.
        """
        responses = self._patches(X).responses(self.coef_)
        return np.maximum(responses, 0, out=responses)

    @property
    def _n_features_out(self):
        """Number of features that `transform` returns."""
        return self._grid().n_patches

    def _grid(self):
        return patch_grid(
            self.n_features_in_, self.input_shape, self.filter_shape, self.stride
        )

    def _patches(self, X):
        """Return the patches of validated inputs of a fitted network."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return Patches(X, self._grid())

    def _fit_relaxation(self, X, y, weights):
        """Train one filter through the relaxation and keep it."""
        grid = self._grid()
        beta = None if isinstance(self.beta, str) else float(self.beta)
        kind = "linear" if beta is None else "quadratic" if beta > 0 else "naive"
        trainer = FilterTrainer(
            *(X, y, weights, grid),
            backend=select_relaxation_backend(self.solver, kind),
            beta=beta,
            direction=_check_direction(self.direction, grid),
            **{
                name: getattr(self, name)
                for name in (
                    *("n_restarts", "refine", "tol", "max_iter"),
                    *("n_jobs", "verbose", "random_state"),
                )
            },
        )
        trained = trainer.train()
        self._warn(trained, has_positive=bool((y > 0).any()))
        coef = check_range(trained.w, X.dtype)
        self.coef_ = coef
        self.filter_ = coef.reshape(grid.filter_shape)
        self.objective_ = trained.loss
        self.residual_ = trained.residual
        self.recovered_ = trained.is_recovered
        self.relaxation_objective_ = trained.relaxation_value
        self.direction_ = trained.direction
        self.n_restarts_ = trained.n_restarts
        self.n_iter_ = trained.n_iter

    def _warn(self, trained, *, has_positive):
        """Tell what was not reached."""
        if not self.refine and trained.violation > self.tol:
            message = (
                f"The relaxation's relative error {trained.violation:.3g} is above "
                f"tol={self.tol:g}. Increase max_iter or tol, or try another solver."
            )
        elif not trained.is_converged:
            message = (
                f"The refinement ended at max_iter={self.max_iter} with a relative "
                f"residual of {trained.residual:.3g}. Increase max_iter."
            )
        elif trained.is_zero and has_positive:
            message = (
                "The network is zero: no patch of the training rows has a positive "
                "response, although there are positive labels. Check X, or use "
                "direction='data', refine=True and beta > 0."
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=5)


def _check_direction(direction, grid):
    """Return a name as it is and an array flattened, in float64."""
    if isinstance(direction, str):
        return direction
    array = np.asarray(direction)
    if array.dtype.kind not in "fiub":
        raise ValueError(
            f"direction must be one of {_DIRECTIONS} or an array of real numbers, got "
            f"an array of {array.dtype}."
        )
    array = array.astype(np.float64).ravel()
    if array.size != grid.filter_size:
        raise ValueError(
            "direction as an array must have one entry for each of the "
            f"{grid.filter_size} weights of the filter of shape {grid.filter_shape}, "
            f"got shape {np.shape(direction)}."
        )
    if not np.isfinite(array).all() or not array.any():
        raise ValueError(
            "direction as an array must be finite and not zero, got "
            f"{'zeros' if np.isfinite(array).all() else 'NaN or infinity'}."
        )
    return array
