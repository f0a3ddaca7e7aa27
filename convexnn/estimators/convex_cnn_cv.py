"""Convolutional networks whose penalty is chosen by cross-validation along paths."""

from __future__ import annotations

from .constraints import PENALTY_CHOICE, REGRESSION
from .convex_cnn import ConvexCNNRegressor
from .cross_validation import NumberChoice

__all__ = ["ConvexCNNRegressorCV"]


class ConvexCNNRegressorCV(NumberChoice, ConvexCNNRegressor):
    r"""Convolutional network of many filters, its penalty chosen by cross-validation.

    The penalty :math:`\beta` of the objective of :class:`~convexnn.ConvexCNNRegressor`
    with ``formulation="global"`` is chosen as :class:`~convexnn.ConvexReLURegressorCV`
    does it, along paths of descents of 100 filters, and the network is then fitted to
    all the data and certified.

    Parameters
    ----------
    betas, beta_min_ratio, cv, fold_training, selection, patience, n_jobs
        Of :class:`~convexnn.ConvexReLURegressorCV`.
    input_shape, filter_shape, stride, loss, epsilon, solver, cells, n_cells
        Of :class:`~convexnn.ConvexCNNRegressor`.
    fit_intercept : bool, default=True
        Give every filter a bias, penalised like its weights, and the output an
        intercept, which is not penalised.
    tol, max_iter, max_neurons, max_seconds, solver_options, verbose, random_state
        Of :class:`~convexnn.ConvexReLURegressorCV`.

    Attributes
    ----------
    beta_, betas_, mse_path_, objective_path_, n_neurons_path_, gap_path_
        The choice, as in :class:`~convexnn.ConvexReLURegressorCV`.
    filters_, filter_biases_, output_weights_, intercept_, n_filters_, grid_, network_
        Network of the last fit, as in :class:`~convexnn.ConvexCNNRegressor`.
    objective_, certificate_, history_, beta_max_, n_iter_
        What is known of it, as in :class:`~convexnn.ConvexCNNRegressor`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, if shapes do not fit
        each other or the data, or if a fold cannot be trained on or none can be scored.

    Warns
    -----
    ConvergenceWarning
        As in :class:`~convexnn.ConvexReLURegressorCV`.

    See Also
    --------
    ConvexCNNRegressor : One network, with a penalty that is given.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import ConvexCNNRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X, w = rng.standard_normal((60, 20)), np.array([1.0, -1.0, 2.0, 0.5])
    >>> y = np.maximum(X.reshape(60, 5, 4) @ w, 0).sum(axis=1)
    >>> model = ConvexCNNRegressorCV(
    ...     betas=3, cv=2, filter_shape=4, random_state=0
    ... ).fit(X, y)
    >>> model.mse_path_.shape, model.filters_.shape[1:]
    ((3, 2), (4,))
    """

    formulation = "global"

    _parameter_constraints: dict = {
        **PENALTY_CHOICE,
        **REGRESSION,
        **{
            name: ConvexCNNRegressor._parameter_constraints[name]
            for name in ("input_shape", "filter_shape", "stride")
        },
    }

    def __init__(
        self,
        betas=13,
        *,
        beta_min_ratio=1e-3,
        cv=None,
        fold_training="auto",
        selection="min",
        patience=3,
        n_jobs=None,
        input_shape=None,
        filter_shape=None,
        stride=None,
        loss="squared",
        epsilon=1.35,
        solver="auto",
        cells="auto",
        n_cells=50,
        fit_intercept=True,
        tol=0.1,
        max_iter=None,
        max_neurons=None,
        max_seconds=None,
        solver_options=None,
        verbose=0,
        random_state=None,
    ):
        self.betas = betas
        self.beta_min_ratio = beta_min_ratio
        self.cv = cv
        self.fold_training = fold_training
        self.selection = selection
        self.patience = patience
        self.n_jobs = n_jobs
        self.input_shape = input_shape
        self.filter_shape = filter_shape
        self.stride = stride
        self.loss = loss
        self.epsilon = epsilon
        self.solver = solver
        self.cells = cells
        self.n_cells = n_cells
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.max_neurons = max_neurons
        self.max_seconds = max_seconds
        self.solver_options = solver_options
        self.verbose = verbose
        self.random_state = random_state
