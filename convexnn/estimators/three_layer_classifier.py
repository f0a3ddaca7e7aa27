"""Three-layer ReLU classifiers of parallel sub-networks."""

from __future__ import annotations

from .base import NetworkClassifier
from .constraints import CLASSIFICATION, NETWORKS, UNITS
from .three_layer_networks import ThreeLayerNetworks

__all__ = ["ThreeLayerConvexClassifier"]


class ThreeLayerConvexClassifier(ThreeLayerNetworks, NetworkClassifier):
    r"""Parallel three-layer ReLU sub-networks that tell classes apart.

    The network :math:`f(x) = \sum_k ((x^\top W_{1k})_+ w_{2k})_+ w_{3k} + c` minimises

    .. math::

        \sum_i s_i\, \ell(f(x_i), y_i)
        + \frac{\beta}{2} \sum_k \left(\|w_{2k}\|_2^2 + w_{3k}^2\right)
        \quad\text{s.t.}\quad \|W_{1k}\|_F \le 1,

    a sum over samples with weights :math:`s_i` (the sample weight times the weight of
    the class), over networks of any number of sub-networks, where y is -1 or 1 and

    .. math::

        \ell(f, y) = \log(1 + e^{-y f}), \quad
        \tfrac12 \max(0, 1 - y f)^2, \quad \text{or} \quad \max(0, 1 - y f)

    for ``loss="log_loss"``, ``"squared_hinge"`` and ``"hinge"``: the problem of
    :class:`~convexnn.ThreeLayerConvexRegressor` with another convex loss (paper [1]_,
    sections 1.2 and A.6). For two classes y is 1 for ``classes_[1]``. With more, one
    network has an output for each, :math:`w_{3k}` is a vector, and its square that of
    its norm; "log_loss" then is the cross entropy of softmax probabilities, as in
    :class:`~convexnn.ConvexReLUClassifier`.

    Parameters
    ----------
    n_units : int, default=7
        Hidden units of the first layer of each sub-network.
    beta : float, default=None
        Penalty, in (0, inf). It weighs against a *sum* of losses, so it grows with the
        number of samples, and depends on the units of inputs and targets; `beta_max_`
        is the value from which on the network is constant. None for `beta_ratio` times
        `beta_max_`.
    beta_ratio : float, default=0.05
        Penalty divided by `beta_max_`, in (0, inf), where `beta` is None, as in
        :class:`~convexnn.ConvexReLURegressor`. One penalty holds for all features: give
        them one scale.
    loss, class_weight
        Of :class:`~convexnn.ConvexReLUClassifier`.
    solver, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ThreeLayerConvexRegressor`. More than two classes take
        ``cells="auto"`` and the search.
    tol : float, default=1e-2
        Bound on the relative duality gap, (primal - dual) / primal, in [0, 1). It means
        the same for every backend and is computed from the fitted network; after a
        search the dual value is an estimate. About 0.1 is enough for predictions.
    max_iter, max_neurons, max_seconds, warm_start, solver_options
        Of :class:`~convexnn.ThreeLayerConvexRegressor`.
    verbose, random_state
        Of :class:`~convexnn.ThreeLayerConvexRegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in ascending order; those of a total weight of 0 are absent.
    subnetworks_, n_neurons_, intercept_, network_
        The network, as in :class:`~convexnn.ThreeLayerConvexRegressor`, with an output
        for two classes and n_classes for more.
    objective_, certificate_, history_, beta_, beta_max_, n_iter_
        What is known of it, as in :class:`~convexnn.ThreeLayerConvexRegressor`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, if fewer than two
        classes have a positive weight, or if ``cells="all"`` would list too many
        blocks.
    AttributeError
        By `predict_proba` and `predict_log_proba` for other losses than "log_loss".
    convexnn.solvers.SolverError
        In `fit` with ``solver="cvxpy"``, if that ends without any point.

    Warns
    -----
    ConvergenceWarning
        If the relative duality gap stays above `tol`, or is when `max_seconds` end.
    UserWarning
        If `beta` is a number above `beta_max_` or below 1e-5 of it.

    See Also
    --------
    ThreeLayerConvexClassifierCV : Chooses beta by cross-validation.
    ConvexReLUClassifier : Networks of two layers.
    ThreeLayerConvexRegressor : The same for numbers.

    References
    ----------
    .. [1] T. Ergen and M. Pilanci, "Global Optimality Beyond Two Layers: Training Deep
       ReLU Networks via Convex Programs", ICML 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import ThreeLayerConvexClassifier
    >>> X = np.random.default_rng(0).standard_normal((30, 2))
    >>> y = np.where(np.abs(X[:, 0]) > np.abs(X[:, 1]), "wide", "high")
    >>> model = ThreeLayerConvexClassifier(n_units=4, random_state=0).fit(X, y)
    >>> model.predict([[2.0, 0.1], [0.1, 2.0]]).tolist()
    ['wide', 'high']
    >>> bool(model.certificate_.relative_gap <= 1e-2)
    True
    """

    _parameter_constraints: dict = {
        **NETWORKS,
        **CLASSIFICATION,
        **UNITS,
    }

    def __init__(
        self,
        n_units=7,
        *,
        beta=None,
        beta_ratio=0.05,
        loss="log_loss",
        class_weight=None,
        solver="auto",
        cells="auto",
        n_cells=50,
        fit_intercept=True,
        tol=1e-2,
        max_iter=20_000,
        max_neurons=None,
        max_seconds=None,
        warm_start=False,
        solver_options=None,
        verbose=0,
        random_state=None,
    ):
        self.n_units = n_units
        self.beta = beta
        self.beta_ratio = beta_ratio
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
        self.warm_start = warm_start
        self.solver_options = solver_options
        self.verbose = verbose
        self.random_state = random_state
