"""Three-layer ReLU networks whose penalty is chosen by cross-validation along paths."""

from __future__ import annotations

from .base import NetworkClassifier, NetworkRegressor
from .constraints import CLASSIFICATION, PENALTY_CHOICE, REGRESSION, SCORING, UNITS
from .cross_validation import LabelChoice, NumberChoice
from .three_layer_networks import ThreeLayerNetworks

__all__ = ["ThreeLayerConvexClassifierCV", "ThreeLayerConvexRegressorCV"]


class ThreeLayerConvexRegressorCV(NumberChoice, ThreeLayerNetworks, NetworkRegressor):
    r"""Three-layer ReLU network with its penalty chosen by cross-validation.

    The penalty :math:`\beta` of the objective of
    :class:`~convexnn.ThreeLayerConvexRegressor` is chosen as
    :class:`~convexnn.ConvexReLURegressorCV` does it, along paths of descents of 30
    sub-networks, and the network is then fitted to all the data and certified.

    Parameters
    ----------
    betas, beta_min_ratio, cv, fold_training, selection, patience, n_jobs
        Of :class:`~convexnn.ConvexReLURegressorCV`.
    n_units : int, default=7
        Hidden units of the first layer of each sub-network.
    loss, epsilon, solver, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ThreeLayerConvexRegressor`.
    tol, max_iter, max_neurons, max_seconds, solver_options, verbose, random_state
        Of :class:`~convexnn.ConvexReLURegressorCV`.

    Attributes
    ----------
    beta_, betas_, mse_path_, objective_path_, n_neurons_path_, gap_path_
        The choice, as in :class:`~convexnn.ConvexReLURegressorCV`.
    subnetworks_, n_neurons_, intercept_, network_
        Network of the last fit, as in :class:`~convexnn.ThreeLayerConvexRegressor`.
    objective_, certificate_, history_, beta_max_, n_iter_
        What is known of it, as in :class:`~convexnn.ThreeLayerConvexRegressor`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, or if a fold cannot be
        trained on or none can be scored.

    Warns
    -----
    ConvergenceWarning
        As in :class:`~convexnn.ConvexReLURegressorCV`.

    See Also
    --------
    ThreeLayerConvexRegressor : One network, with a penalty that is given.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import ThreeLayerConvexRegressorCV
    >>> X = np.random.default_rng(0).standard_normal((40, 2))
    >>> y = np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0)
    >>> model = ThreeLayerConvexRegressorCV(
    ...     betas=3, cv=2, n_units=3, random_state=0
    ... ).fit(X, y)
    >>> model.mse_path_.shape
    (3, 2)
    >>> bool(model.certificate_.relative_gap <= 0.1)
    True
    """

    _parameter_constraints: dict = {
        **PENALTY_CHOICE,
        **REGRESSION,
        **UNITS,
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
        n_units=7,
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
        self.n_units = n_units
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


class ThreeLayerConvexClassifierCV(LabelChoice, ThreeLayerNetworks, NetworkClassifier):
    r"""Three-layer ReLU classifier with its penalty chosen by cross-validation.

    The penalty :math:`\beta` of the objective of
    :class:`~convexnn.ThreeLayerConvexClassifier` is chosen as
    :class:`~convexnn.ConvexReLURegressorCV` does it, along paths of descents of 30
    sub-networks, and the network is then fitted to all the data and certified.

    Parameters
    ----------
    betas, beta_min_ratio, cv, scoring, fold_training, selection
        Of :class:`~convexnn.ConvexReLUClassifierCV`.
    patience, n_jobs
        Of :class:`~convexnn.ConvexReLURegressorCV`.
    n_units : int, default=7
        Hidden units of the first layer of each sub-network.
    loss, class_weight, solver, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ThreeLayerConvexClassifier`.
    tol, max_iter, max_neurons, max_seconds, solver_options, verbose, random_state
        Of :class:`~convexnn.ConvexReLURegressorCV`.

    Attributes
    ----------
    beta_, betas_, scoring_, error_path_, objective_path_, n_neurons_path_, gap_path_
        The choice, as in :class:`~convexnn.ConvexReLUClassifierCV`.
    classes_, subnetworks_, n_neurons_, intercept_, network_
        Network of the last fit, as in :class:`~convexnn.ThreeLayerConvexClassifier`.
    objective_, certificate_, history_, beta_max_, n_iter_
        What is known of it, as in :class:`~convexnn.ThreeLayerConvexClassifier`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, or if a fold cannot be
        trained on or none can be scored.

    Warns
    -----
    ConvergenceWarning
        As in :class:`~convexnn.ConvexReLURegressorCV`.

    See Also
    --------
    ThreeLayerConvexClassifier : One network, with a penalty that is given.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import ThreeLayerConvexClassifierCV
    >>> X = np.random.default_rng(0).standard_normal((40, 2))
    >>> y = np.where(np.abs(X[:, 0]) > np.abs(X[:, 1]), "wide", "high")
    >>> model = ThreeLayerConvexClassifierCV(
    ...     betas=3, cv=2, n_units=3, random_state=0
    ... ).fit(X, y)
    >>> model.error_path_.shape, model.scoring_
    ((3, 2), 'log_loss')
    """

    _parameter_constraints: dict = {
        **PENALTY_CHOICE,
        **SCORING,
        **CLASSIFICATION,
        **UNITS,
    }

    def __init__(
        self,
        betas=13,
        *,
        beta_min_ratio=1e-3,
        cv=None,
        scoring=None,
        fold_training="auto",
        selection="min",
        patience=3,
        n_jobs=None,
        n_units=7,
        loss="log_loss",
        class_weight=None,
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
        self.scoring = scoring
        self.fold_training = fold_training
        self.selection = selection
        self.patience = patience
        self.n_jobs = n_jobs
        self.n_units = n_units
        self.loss = loss
        self.class_weight = class_weight
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
