"""Convolutional networks with one hidden layer, trained through convex programs."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from ..architectures import ConvolutionalReLU
from ..checks import (
    DIRECTIONS,
    Integral,
    Interval,
    Real,
    StrOptions,
    all_or_nothing,
    check_range,
    check_samples,
    check_unused,
    check_weights,
)
from ..data.patches import Patches, patch_grid
from ..networks.network import ConvolutionalReLUNetwork
from ..solvers.time_limit import time_limit
from .base import NetworkRegressor
from .constraints import NETWORKS, PENALTY_CHOICE, REGRESSION
from .one_filter import train_filter

__all__ = ["ConvexCNNRegressor"]

_SHAPE = [Integral, tuple, list, None]

#: Parameters that one formulation alone uses, and attributes that it alone sets.
_OF_ONE = {
    "relaxation": (
        *("linear_weight", "direction", "n_restarts", "refine", "accuracy"),
        "n_jobs",
    ),
    "global": (
        *("beta", "beta_ratio", "loss", "epsilon", "cells", "n_cells"),
        *("fit_intercept", "tol", "max_neurons", "warm_start", "solver_options"),
    ),
}
_FITTED = {
    "relaxation": (
        *("coef_", "filter_", "residual_", "recovered_", "relaxation_objective_"),
        *("direction_", "n_restarts_"),
    ),
    "global": ("certificate_", "history_", "beta_", "beta_max_"),
}


class ConvexCNNRegressor(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetworkRegressor
):
    r"""Convolutional network with one hidden layer, trained through convex programs.

    With ``formulation="relaxation"`` the network
    :math:`f(x) = \sum_{j=1}^k \max(x_j^\top w, 0)` sums the rectified responses of one
    filter w to the k patches :math:`x_j` of an input. `fit` minimises

    .. math:: \frac12 \sum_i s_i (f(x_i) - y_i)^2,

    a sum over samples with weights :math:`s_i`, which is not convex. Its relaxation
    has one variable z for each patch and a linear term along a direction r,

    .. math::

        \min_{w,\ z \ge 0}\ \frac12 \sum_i s_i \Bigl(\sum_j z_{ij} - y_i\Bigr)^2
        - \beta\, r^\top w \quad\text{s.t.}\quad z_{ij} \ge x_{ij}^\top w,

    eq. (8) of [1]_ for k patches with the labels kept quadratic. As beta goes to 0 it
    becomes the linear program (9). Solutions of the relaxation are where least squares
    on the active sets and Levenberg-Marquardt start (`refine`), and if the residual is
    zero, the filter is a global minimum. With several patches the output weights are
    fixed at 1. Outputs are never negative: a label below 0 adds at least its square,
    pulls no filter, and counts as 0 in (9).

    With ``formulation="global"`` the network has filters :math:`u_l` with biases,
    as many as pay, and signed output weights :math:`a_l`. Responses are summed over
    the patches: with their average the penalty of the same network is ``beta / k``.

    .. math::

        f(x) = \sum_l a_l \sum_{j=1}^k \max(x_j^\top u_l + b_l, 0) + c.

    `fit` then minimises

    .. math::

        \frac12 \sum_i s_i (f(x_i) - y_i)^2
        + \frac\beta2 \sum_l \bigl(\|u_l\|_2^2 + b_l^2 + a_l^2\bigr)

    over all filters and any number of them, through the convex program that it equals
    ([2]_, Remark 4 of [3]_), and ends with a duality gap.

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
    formulation : {"relaxation", "global"}, default="relaxation"
        What is trained: one filter with fixed output weights, or many filters.
        "relaxation" alone uses `linear_weight` to `accuracy` and `n_jobs`, "global"
        alone `beta` to `fit_intercept`, `tol`, `max_neurons`, `warm_start` and
        `solver_options`; what the other one uses is to be left at its default.
    linear_weight : float or "limit", default=0.01
        Weight beta of the linear term, in [0, inf), or "limit" for the linear program
        (9). It is no penalty, and none of it silences the network. With
        ``direction="data"`` it has no units: about the relative noise of the labels is
        good without `refine`, and with it little depends on it. 0 is the naive
        relaxation (7), which any non-negative labels fit with w = 0: it is there to be
        seen failing.
    direction : {"data", "gaussian", "antithetic"} or array-like, default="data"
        Direction r. "data": the sum of all patches times their labels, and then, until
        it settles (at most ten times), of the active patches alone. "gaussian":
        standard normal, a new one for each restart, as in the paper. "antithetic": the
        same in pairs r, -r. An array of the filter's shape: that one.
    n_restarts : int, default=50
        Largest number of starts, which are programs with new directions if these are
        drawn, and otherwise refinements from randomly perturbed moments of the data. No
        more are made when the residual is zero, or when ten refinements have ended at
        the same smallest loss. Without `refine` other directions need one.
    refine : bool, default=True
        Go on to a local minimum of the least squares. With ``direction="data"`` the
        moments of the data are refined first, and no program is solved where they lead
        to a zero residual: its solution along the direction of the filter found is then
        known.
    accuracy : float, default=1e-6
        Largest relative residual that counts as zero, and largest relative error of a
        solution of the relaxation, in (0, 1). The latter is computed from its
        multipliers and means the same for every backend. Before a refinement programs
        are solved to 1e-3 only.
    beta : float, default=None
        Penalty, in (0, inf). It weighs against a *sum* of losses, so it grows with the
        number of samples, and depends on the units of inputs and targets; `beta_max_`
        is the value from which on the network is constant. None for `beta_ratio` times
        `beta_max_`.
    beta_ratio : float, default=0.05
        Penalty divided by `beta_max_`, in (0, inf), where `beta` is None, as in
        :class:`~convexnn.ConvexReLURegressor`. One penalty holds for all features: give
        them one scale.
    loss, epsilon, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ConvexReLURegressor`; `cells` are patterns of
        all patches, and an array has filter_size rows, and one more with biases.
    solver : str, default="auto"
        For "global" "active_set", "newton" or "cvxpy", of
        :class:`~convexnn.ConvexReLURegressor`. For "relaxation" "interior_point" (own;
        (8) and (9)), "osqp" (all), "highs" ((9), through scipy), "cvxpy" (all, with
        Clarabel); "auto" takes the first in this order that can solve the program.
    tol : float, default=1e-2
        Bound on the relative duality gap, (primal - dual) / primal, in [0, 1). It means
        the same for every backend and is computed from the fitted network; after a
        search the dual value is an estimate. About 0.1 is enough for predictions.
    max_iter : int, default=20000
        Largest number of iterations of the backend for each program, of rounds of a
        search, and of steps of each refinement.
    max_neurons, warm_start, solver_options
        Of :class:`~convexnn.ConvexReLURegressor`; a neuron is a filter.
    max_seconds : float, default=None
        Limit of the fit in seconds of wall time, in (0, inf); None for none. At its end
        the best network so far is kept, with what is known of it. It is looked at after
        every step, and with "relaxation" after whole programs of other backends than
        "interior_point".
    n_jobs : int, default=None
        Number of starts to work on at once, in threads: None for 1 unless in a joblib
        context, -1 for all processors. The result does not depend on it.
    verbose : int, default=0
        1 prints a line a start or a round, 2 the iterations of the backend too.
    random_state : int, RandomState instance or None, default=None
        Source of directions and perturbations, or of sampled cells and searches.

    Attributes
    ----------
    filters_ : ndarray of shape (n_filters, ...)
        Filters u, of the filter's shape each; one for "relaxation".
    filter_biases_, output_weights_ : ndarray of shape (n_filters,)
        Their biases b and output weights a; 0 and 1 for "relaxation".
    intercept_ : float
        Output intercept c; 0 for "relaxation".
    n_filters_ : int
        Number of filters.
    grid_ : convexnn.data.patches.PatchGrid
        Where the patches of an input lie.
    network_ : convexnn.networks.network.ConvolutionalReLUNetwork
        The network of the attributes above.
    objective_ : float
        What was minimised: half the weighted sum of squares for "relaxation".
    n_iter_ : int
        Iterations of the backend and steps of the refinements in all.
    certificate_, history_, beta_, beta_max_ : object, object, float, float
        Of "global", as in :class:`~convexnn.ConvexReLURegressor`.
    coef_, filter_ : ndarray of shape (filter_size,), and of the filter's shape
        Filter w of "relaxation"; those below are of "relaxation", too.
    residual_ : float
        Norm of the weighted residual divided by that of the labels.
    recovered_ : bool
        Whether `residual_` is at most `accuracy`: the filter then is a global minimum,
        and the one that made the labels, if there is no other. That it is the only one
        is not promised.
    relaxation_objective_ : float
        Value of the relaxation's program: (8), minimised, or with
        ``linear_weight="limit"`` ``r'w`` of (9), maximised. The program is the one that
        the filter came from, or, where it came from elsewhere, that of the first start.
    direction_ : ndarray of shape (filter_size,)
        Direction r of that program.
    n_restarts_ : int
        Number of starts made.
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
        If the relative duality gap of "global" stays above `tol`; with "relaxation" if
        without `refine` the program is not solved to `accuracy`, if a refinement ends
        at `max_iter`, if `max_seconds` end it before all starts, or if the network is
        zero although there are positive labels.
    UserWarning
        If `beta` is a number above `beta_max_` or below 1e-5 of it.

    See Also
    --------
    convexnn.filters.in_recovery_cone : Decides whether (9) returns a filter.

    References
    ----------
    .. [1] B. Bartan and M. Pilanci, "Convex Relaxations of Convolutional Neural Nets",
       ICASSP 2019.
    .. [2] M. Pilanci, "The Hidden Convex Landscape of Neural Networks", talk:
       "Convolutional neural networks can be optimized in fully polynomial time".
    .. [3] T. Ergen and M. Pilanci, "Convex Optimization of Two- and Three-Layer
       Networks in Polynomial Time".

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

    Labels of either sign, a network of many filters, and how far its objective can be
    from the optimum:

    >>> model = ConvexCNNRegressor(
    ...     filter_shape=4, formulation="global", beta=10.0, random_state=0
    ... ).fit(X, y - y.mean())
    >>> model.filters_.shape[1:], model.certificate_.scope
    ((4,), 'search')
    >>> bool(model.certificate_.relative_gap <= 1e-2)
    True
    """

    _parameter_constraints: dict = {
        **NETWORKS,
        **REGRESSION,
        "input_shape": _SHAPE,
        "filter_shape": _SHAPE,
        "stride": _SHAPE,
        "formulation": [StrOptions(set(_OF_ONE))],
        "linear_weight": [
            Interval(Real, 0, np.inf, closed="left"),
            StrOptions({"limit"}),
        ],
        "direction": [StrOptions(set(DIRECTIONS)), "array-like"],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "refine": ["boolean"],
        "accuracy": [Interval(Real, 0, 1, closed="neither")],
        "n_jobs": PENALTY_CHOICE["n_jobs"],
    }

    def __init__(
        self,
        *,
        input_shape=None,
        filter_shape=None,
        stride=None,
        formulation="relaxation",
        linear_weight=0.01,
        direction="data",
        n_restarts=50,
        refine=True,
        accuracy=1e-6,
        beta=None,
        beta_ratio=0.05,
        loss="squared",
        epsilon=1.35,
        cells="auto",
        n_cells=50,
        fit_intercept=True,
        solver="auto",
        tol=1e-2,
        max_iter=20_000,
        max_neurons=None,
        max_seconds=None,
        warm_start=False,
        solver_options=None,
        n_jobs=None,
        verbose=0,
        random_state=None,
    ):
        self.input_shape = input_shape
        self.filter_shape = filter_shape
        self.stride = stride
        self.formulation = formulation
        self.linear_weight = linear_weight
        self.direction = direction
        self.n_restarts = n_restarts
        self.refine = refine
        self.accuracy = accuracy
        self.beta = beta
        self.beta_ratio = beta_ratio
        self.loss = loss
        self.epsilon = epsilon
        self.cells = cells
        self.n_cells = n_cells
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_neurons = max_neurons
        self.max_seconds = max_seconds
        self.warm_start = warm_start
        self.solver_options = solver_options
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self):
        """Return the tags: the relaxation cannot fit negative targets."""
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.formulation == "relaxation"
        return tags

    def _fit(self, X, y, sample_weight):
        users = {name: (key,) for key, names in _OF_ONE.items() for name in names}
        check_unused(self, "formulation", users)
        if self.formulation == "global":
            return super()._fit(X, y, sample_weight)
        return self._fit_filter(X, y, sample_weight)

    def transform(self, X):
        """Return the rectified responses of the filters to the patches.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense.

        Returns
        -------
        ndarray of shape (n_samples, n_patches * n_filters)
            ``max(x_j'u_l + b_l, 0)``, patches in the order of the input (C order), the
            filters of a patch one after the other. The sums of the one filter of
            "relaxation" are the predictions.
        """
        X, network = self._inputs(X), self.network_
        responses = Patches(X, network.grid).responses(network.hidden)
        responses += network.hidden_bias
        responses = responses.reshape(len(responses), -1)
        return np.maximum(responses, 0, out=responses)

    @property
    def network_(self):
        """The network of the fit, in the precision of X."""
        grid = self.grid_
        hidden = self.filters_.reshape(-1, grid.filter_size).T
        weights = (hidden, self.filter_biases_, self.output_weights_, self.intercept_)
        return ConvolutionalReLUNetwork(*weights, grid)

    @property
    def _n_features_out(self):
        """Number of features that `transform` returns."""
        return self.grid_.n_patches * self.n_filters_

    def _kind(self):
        if self.formulation != "global":
            raise ValueError(
                "Penalties are of formulation='global', got "
                f"formulation={self.formulation!r}."
            )
        return ConvolutionalReLU

    def _architecture(self):
        return ConvolutionalReLU(self._grid())

    def _grid(self):
        return patch_grid(
            self.n_features_in_, self.input_shape, self.filter_shape, self.stride
        )

    def _keep(self, network, dtype):
        filters = check_range(network.hidden, dtype).T
        self.filters_ = filters.reshape(-1, *network.grid.filter_shape)
        self.filter_biases_ = check_range(network.hidden_bias, dtype)
        self.output_weights_ = check_range(network.output, dtype)
        self.intercept_ = check_range(network.output_bias, dtype)[()]
        self.n_filters_ = network.n_neurons
        self.grid_ = network.grid
        for key, names in _FITTED.items():
            for name in names if key != self.formulation else ():
                vars(self).pop(name, None)

    def _fit_filter(self, X, y, sample_weight):
        """Train one filter through the relaxation and keep it."""
        with all_or_nothing(self), time_limit(self.max_seconds):
            X, y = check_samples(self, X, y)
            weights = check_weights(sample_weight, X)
            network, trained = train_filter(self, X, y, weights, self._grid())
            self._keep(network, X.dtype)
            self.filter_ = self.filters_[0]
            self.coef_ = self.filter_.ravel()
            self.objective_ = trained.loss
            self.residual_ = trained.residual
            self.recovered_ = trained.is_recovered
            self.relaxation_objective_ = trained.relaxation_value
            self.direction_ = trained.direction
            self.n_restarts_ = trained.n_restarts
            self.n_iter_ = trained.n_iter
        return self
