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

from ..architectures import ConvolutionalReLU
from ..checks import (
    DIRECTIONS,
    TRAINING_CONSTRAINTS,
    Integral,
    Interval,
    Real,
    StrOptions,
    all_or_nothing,
    check_direction,
    check_range,
    check_samples,
    check_weights,
    fit_context,
    validate_data,
)
from ..data.patches import Patches, patch_grid
from ..data.samples import collect_samples
from ..filters.backends import select_relaxation_backend
from ..filters.trainer import FilterTrainer
from ..networks.network import ConvolutionalReLUNetwork
from ..solvers import select_backend
from ..solvers.time_limit import OUT_OF_TIME, time_limit
from ..training.trainer import Trainer
from .limit import LIMIT_CONSTRAINTS, warn_of_time
from .penalty import PENALTY_CONSTRAINTS, beyond_rounding, chosen_penalty
from .two_layer import warn_of_gap

__all__ = ["ConvexCNNRegressor"]

#: Parameters that mean the same for everything that trains a network.
_SHARED = (
    *("cells", "n_cells", "fit_intercept", "solver", "max_iter"),
    *("verbose", "random_state"),
)


class ConvexCNNRegressor(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, RegressorMixin, BaseEstimator
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
    beta : float or "limit", default=None
        With "global" the penalty, in (0, inf). It weighs against a sum over samples,
        and depends on the units of inputs and targets. None: `beta_ratio` times
        `beta_max_`. With "relaxation" the weight of the linear term, in [0, inf), or
        "limit" for the linear program (9), 0.01 by default: it is no penalty, none of
        it silences the network, and `beta_ratio` has no say.
        With ``direction="data"`` it has no units: about the relative noise of the
        labels is a good value without `refine`, and with it little depends on it.
        ``beta=0`` is the naive relaxation (7), which any non-negative labels fit with
        w = 0: it is there to be seen failing.
    beta_ratio : float, default=0.05
        Penalty divided by `beta_max_`, in (0, inf), for "global" with ``beta=None``
        alone. One penalty holds for all inputs: give them one scale.
    direction : {"data", "gaussian", "antithetic"} or array-like, default="data"
        Direction r. "data": the sum of all patches times their labels, and then, until
        it settles (at most ten times), of the active patches alone. "gaussian":
        standard normal, a new one for each restart, as in the paper. "antithetic":
        the same in pairs r, -r. An array of the filter's shape: that one.
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
    cells : str or array-like of shape (n_inputs, n_gates), default="auto"
        Activation patterns of the patches, for "global" alone: "auto", "sampled",
        "all" or gates, as in :class:`~convexnn.ConvexReLURegressor`, where n_inputs is
        filter_size, and one more with biases.
    n_cells : int, default=50
        Number of sampled cells, for "global" alone.
    fit_intercept : bool, default=True
        Whether filters have biases and the output an intercept, for "global" alone:
        the relaxation has none.
    solver : str, default="auto"
        For "global" "active_set", "newton" or "cvxpy", of
        :class:`~convexnn.ConvexReLURegressor`. For "relaxation" the backend of the
        relaxation: "interior_point" (own; (8) and (9)), "osqp" (all),
        "highs" ((9), through scipy), "cvxpy" (all, with Clarabel). "auto" takes the
        first in this order that can solve the program.
    tol : float, default=None
        With "global" the relative duality gap to stop at, in [0, 1), 1e-3 by default;
        about 0.1 is enough for predictions, and much faster with large filters.
        With "relaxation" the relative accuracy, in (0, 1), 1e-6 by default: the
        largest relative residual that counts as zero, and the largest relative error
        of a solution of the relaxation, which is computed from its multipliers and
        means the same for every backend. Before a refinement programs are solved to
        1e-3 only.
    max_iter : int, default=20000
        Largest number of iterations of the backend for each program, of rounds of a
        search, and of steps of each refinement.
    max_seconds : float, default=None
        Seconds of wall time, in (0, inf), after which the fit ends with the best
        network so far, what is known of it, and a ConvergenceWarning unless that is
        good enough; None for no limit. It is looked at after every step: expect it to
        be overrun by one, and with "relaxation" by a whole program of other backends
        than "interior_point".
    n_jobs : int, default=None
        Number of starts to work on at once, in threads: None for 1 unless in a joblib
        context, -1 for all processors. The result does not depend on it.
    verbose : int, default=0
        1 prints a line a start, 2 the iterations of the backend too.
    random_state : int, RandomState instance or None, default=None
        Source of directions and perturbations.

    Attributes
    ----------
    filters_ : ndarray of shape (n_filters, ...)
        Filters u, of the filter's shape each, of the "global" network.
    filter_biases_, output_weights_ : ndarray of shape (n_filters,)
        Their biases b and output weights a.
    intercept_ : float
        Output intercept c.
    n_filters_ : int
        Number of filters.
    certificate_ : Certificate
        Objective, dual bound and gap of the "global" network, and what they hold over:
        with scope "search" the bound is an estimate.
    beta_ : float
        The penalty of the "global" network; 1 where `beta` is None and `beta_max_` 0.
    beta_max_ : float
        Smallest penalty for which the "global" network is zero; after a search an
        estimate from below.
    history_ : History
        Objective and bound against CPU seconds.
    filter_ : ndarray of the filter's shape
        Filter w.
    coef_ : ndarray of shape (filter_size,)
        The same, flattened.
    objective_ : float
        Half the weighted sum of squares at the filter; what "global" minimises.
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
        If the gap of the "global" network stays above `tol`, if the relaxation without
        `refine` is not solved to `tol`, if a refinement ends at `max_iter`, if
        `max_seconds` end before that, or all starts, is reached, or if the network is
        zero although there are positive labels.
    UserWarning
        If `beta` of "global" is a number above `beta_max_` or below 1e-5 of it.

    See Also
    --------
    convexnn.filters.program.in_recovery_cone : Decides whether (9) returns a filter.

    Notes
    -----
    Training is done in double precision; results have the precision of X.

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
    >>> bool(model.certificate_.relative_gap <= 1e-3)
    True
    """

    _parameter_constraints: dict = {
        "input_shape": [Integral, tuple, list, None],
        "filter_shape": [Integral, tuple, list, None],
        "stride": [Integral, tuple, list, None],
        "formulation": [StrOptions({"relaxation", "global"})],
        "beta": [
            Interval(Real, 0, np.inf, closed="left"),
            StrOptions({"limit"}),
            None,
        ],
        "beta_ratio": PENALTY_CONSTRAINTS["beta_ratio"],
        "direction": [StrOptions(set(DIRECTIONS)), "array-like"],
        "n_restarts": [Interval(Integral, 1, None, closed="left")],
        "refine": ["boolean"],
        **{name: TRAINING_CONSTRAINTS[name] for name in _SHARED},
        **LIMIT_CONSTRAINTS,
        "tol": [*TRAINING_CONSTRAINTS["tol"], None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        input_shape=None,
        filter_shape=None,
        stride=None,
        formulation="relaxation",
        beta=None,
        beta_ratio=0.05,
        direction="data",
        n_restarts=50,
        refine=True,
        cells="auto",
        n_cells=50,
        fit_intercept=True,
        solver="auto",
        tol=None,
        max_iter=20_000,
        max_seconds=None,
        n_jobs=None,
        verbose=0,
        random_state=None,
    ):
        self.input_shape = input_shape
        self.filter_shape = filter_shape
        self.stride = stride
        self.formulation = formulation
        self.beta = beta
        self.beta_ratio = beta_ratio
        self.direction = direction
        self.n_restarts = n_restarts
        self.refine = refine
        self.cells = cells
        self.n_cells = n_cells
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_seconds = max_seconds
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self):
        """Return the tags: sparse X; the relaxation cannot fit negative targets."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.regressor_tags.poor_score = self.formulation == "relaxation"
        return tags

    @fit_context
    def fit(self, X, y, sample_weight=None):
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, flattened, finite. Sparse ones are made dense, with an
            EfficiencyWarning, up to 1e8 entries.
        y : array-like of shape (n_samples,)
            Targets, finite; the relaxation cannot fit those below 0.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 equals a repeated row, a weight of 0
            an absent one.

        Returns
        -------
        self : ConvexCNNRegressor
            Fitted estimator.
        """
        with all_or_nothing(self), time_limit(self.max_seconds):
            X, y = check_samples(self, X, y)
            weights = check_weights(sample_weight, X)
            self._forget()
            if self.formulation == "global":
                self._fit_global(X, y, weights)
            else:
                self._fit_relaxation(X, y, weights)
        return self

    def predict(self, X):
        """Return the network's outputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite. Sparse ones are made dense, up to 1e8 entries.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predictions, in float32 if the network and `X` are.
        """
        patches = self._patches(X)
        if hasattr(self, "coef_"):
            return patches.pooled(self.coef_)
        return self._network(patches.grid).predict(patches.X)

    def transform(self, X):
        """Return the rectified responses of the filter, one feature a patch.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite. Sparse ones are made dense, up to 1e8 entries.

        Returns
        -------
        ndarray of shape (n_samples, n_patches) or (n_samples, n_patches * n_filters)
            ``max(x_j'w, 0)``, patches in the order of the input (C order), whose sums
            are the predictions; with "global" ``max(x_j'u_l + b_l, 0)``, the filters
            of a patch one after the other.
        """
        patches = self._patches(X)
        if hasattr(self, "coef_"):
            responses = patches.responses(self.coef_)
        else:
            network = self._network(patches.grid)
            responses = patches.responses(network.hidden)
            responses += network.hidden_bias
            responses = responses.reshape(len(responses), -1)
        return np.maximum(responses, 0, out=responses)

    @property
    def _n_features_out(self):
        """Number of features that `transform` returns."""
        return self._grid().n_patches * getattr(self, "n_filters_", 1)

    def _network(self, grid):
        """Return the fitted "global" network."""
        hidden = self.filters_.reshape(self.n_filters_, grid.filter_size).T
        weights = (hidden, self.filter_biases_, self.output_weights_, self.intercept_)
        return ConvolutionalReLUNetwork(*weights, grid)

    def _forget(self):
        """Remove what a former fit, perhaps of the other formulation, left behind."""
        for name in list(vars(self)):
            if name.endswith("_") and not name.endswith("_in_"):
                delattr(self, name)

    def _grid(self):
        return patch_grid(
            self.n_features_in_, self.input_shape, self.filter_shape, self.stride
        )

    def _patches(self, X):
        """Return the patches of validated inputs of a fitted network."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return Patches(X, self._grid())

    def _fit_global(self, X, y, weights):
        """Train many filters through the convex program and keep them."""
        tol = _given(self.tol, 1e-3)
        if isinstance(self.beta, str) or self.beta == 0:
            raise ValueError(
                "beta must be in (0, inf) with formulation='global', got "
                f"{self.beta!r}."
            )
        architecture = ConvolutionalReLU(self._grid())
        backend = select_backend(
            self.solver, architecture.features, subject="formulation='global'"
        )
        trainer = Trainer(
            collect_samples(
                *(X, y, weights),
                fit_intercept=self.fit_intercept,
                grid=architecture.grid,
            ),
            backend,
            architecture=architecture,
            tol=tol,
            **{
                name: getattr(self, name)
                for name in ("cells", "n_cells", "max_iter", "verbose", "random_state")
            },
        )
        self.beta_max_ = beyond_rounding(trainer.beta_max(), trainer.samples)
        # From there: this method, `fit`, the decorator of `fit`, the user.
        self.beta_ = chosen_penalty(
            self.beta, self.beta_ratio, self.beta_max_, stacklevel=5
        )
        trained = trainer.train(self.beta_)
        # Of constant targets the objective is rounding, and so is its gap.
        if self.beta_max_ > 0:
            self._warn_of_gap(trained, tol)
        self._store_global(trained, X.dtype, architecture.grid)

    def _warn_of_gap(self, trained, tol):
        if trained.status == OUT_OF_TIME and trained.gap > tol:
            reached = (
                f"the relative duality gap is {trained.gap:.3g}, above tol={tol:g}"
            )
            remedy = "tol, beta or beta_ratio, or use fewer or smaller patches"
            warn_of_time(self.max_seconds, reached, remedy, stacklevel=6)
        else:
            warn_of_gap(trained, tol, self.max_seconds, stacklevel=6)

    def _store_global(self, trained, dtype, grid):
        network = trained.network
        filters = check_range(network.hidden, dtype)
        self.filters_ = filters.T.reshape(-1, *grid.filter_shape)
        self.filter_biases_ = check_range(network.hidden_bias, dtype)
        self.output_weights_ = check_range(network.output, dtype)
        self.intercept_ = check_range(network.output_bias, dtype)[()]
        self.n_filters_ = network.n_neurons
        self.certificate_ = trained.certificate
        self.objective_ = trained.certificate.primal
        self.history_ = trained.history
        self.n_iter_ = trained.n_iter

    def _fit_relaxation(self, X, y, weights):
        """Train one filter through the relaxation and keep it."""
        grid = self._grid()
        beta, tol = _given(self.beta, 0.01), _given(self.tol, 1e-6)
        if tol == 0:
            raise ValueError(
                f"tol must be in (0, 1) with formulation='relaxation', got {tol!r}."
            )
        beta = None if isinstance(beta, str) else float(beta)
        kind = "linear" if beta is None else "quadratic" if beta > 0 else "naive"
        trainer = FilterTrainer(
            *(X, y, weights, grid),
            backend=select_relaxation_backend(self.solver, kind),
            beta=beta,
            direction=check_direction(self.direction, grid),
            tol=tol,
            **{
                name: getattr(self, name)
                for name in (
                    *("n_restarts", "refine", "max_iter"),
                    *("n_jobs", "verbose", "random_state"),
                )
            },
        )
        trained = trainer.train()
        self._warn(trained, tol, has_positive=bool((y > 0).any()))
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

    def _warn(self, trained, tol, *, has_positive):
        """Tell what was not reached."""
        if trained.is_out_of_time:
            reached = f"after {trained.n_restarts} of up to {self.n_restarts} starts "
            reached += f"the relative residual is {trained.residual:.3g}"
            if not self.refine:
                reached += (
                    f", and the relaxation's relative error {trained.violation:.3g}"
                )
            remedy = "or tol, or decrease n_restarts"
            warn_of_time(self.max_seconds, reached, remedy, stacklevel=6)
            return
        if not self.refine and trained.violation > tol:
            message = (
                f"The relaxation's relative error {trained.violation:.3g} is above "
                f"tol={tol:g}. Increase max_iter or tol, or try another solver."
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


def _given(value, default):
    """Return a parameter's value, or what it is by default."""
    return default if value is None else value
