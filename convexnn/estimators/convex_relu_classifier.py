"""Two-layer ReLU classifiers trained through their convex program."""

from __future__ import annotations

from .base import NetworkClassifier
from .constraints import CLASSIFICATION, NETWORKS
from .two_layer import TwoLayerNetworks

__all__ = ["ConvexReLUClassifier"]


class ConvexReLUClassifier(TwoLayerNetworks, NetworkClassifier):
    r"""Two-layer ReLU classifier trained to a duality gap by convex optimisation.

    The network :math:`f(x) = \sum_j \max(x^\top w_j + b_j, 0)\, a_j + c` minimises

    .. math::

        \sum_i s_i\, \ell(f(x_i), y_i)
        + \frac{\beta}{2} \sum_j \left(\|w_j\|_2^2 + b_j^2 + \|a_j\|_2^2\right),

    a sum over samples with weights :math:`s_i`, over all networks of any width: the
    sample weight times the weight of the class. For two classes f is one number, y is
    -1 for ``classes_[0]`` and 1 for ``classes_[1]``, and

    .. math::

        \ell(f, y) = \log(1 + e^{-y f}), \quad
        \tfrac12 \max(0, 1 - y f)^2, \quad \text{or} \quad \max(0, 1 - y f)

    for ``loss="log_loss"``, ``"squared_hinge"`` and ``"hinge"``. With more classes one
    network has an output for each, and the norm of a unit's output weights is that of
    a vector. "log_loss" then is the cross entropy of softmax probabilities,
    :math:`\ell(f, y) = \log \sum_k e^{f_k} - f_y`, and the other losses are summed over
    the outputs, each of which tells one class, 1, from the rest, -1.

    Over given activation patterns this is the group lasso with cone constraints of
    :class:`~convexnn.ConvexReLURegressor` with another loss, which may be any convex
    one [1]_ [2]_. Standardise the inputs: the penalty does not adapt to their scale.

    Parameters
    ----------
    beta : float, default=None
        Penalty, in (0, inf). It weighs against a *sum* of losses, so it grows with the
        number of samples, and depends on the units of inputs and targets; `beta_max_`
        is the value from which on the network is constant. None for `beta_ratio` times
        `beta_max_`.
    beta_ratio : float, default=0.1
        Penalty divided by `beta_max_`, in (0, inf), where `beta` is None, as in
        :class:`~convexnn.ConvexReLURegressor`. One penalty holds for all features: give
        them one scale.
    loss : {"log_loss", "squared_hinge", "hinge"}, default="log_loss"
        Loss, as above. Only "log_loss" gives probabilities. "hinge", which has a kink,
        takes far longer than the others, and may miss `tol`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes by label, 1 for those that are left out. "balanced"
        gives all classes the same total weight, ``sum(s) / n_classes``.
    activation, solver, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ConvexReLURegressor`.
    tol : float, default=1e-2
        Bound on the relative duality gap, (primal - dual) / primal, in [0, 1). It means
        the same for every backend and is computed from the fitted network; after a
        search the dual value is an estimate. About 0.1 is enough for predictions.
    max_iter, max_neurons, max_seconds
        Of :class:`~convexnn.ConvexReLURegressor`.
    warm_start : bool, default=False
        Start from the network of the previous fit, if it has the same kind of units and
        numbers of features and outputs.
    solver_options, verbose, random_state
        Of :class:`~convexnn.ConvexReLURegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in ascending order; those of a total weight of 0 are absent.
    coefs_, intercepts_, gates_, network_, n_neurons_
        The network, as in :class:`~convexnn.ConvexReLURegressor`, of one output for two
        classes, and of n_classes for more.
    objective_, certificate_, history_, beta_, beta_max_, n_iter_
        What is known of it, as in :class:`~convexnn.ConvexReLURegressor`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, if fewer than two
        classes have a positive weight, if `cells="all"` would list too many patterns,
        or if the backend cannot express the program.
    AttributeError
        By `predict_proba` and `predict_log_proba` for other losses than "log_loss".
    convexnn.solvers.SolverError
        In `fit`, if a backend ends without any point.

    Warns
    -----
    ConvergenceWarning
        If the relative duality gap stays above `tol`.
    UserWarning
        If `beta` is a number above `beta_max_` or below 1e-5 of it.
    EfficiencyWarning
        In `fit`, if X is sparse: it is made dense, up to 1e8 entries.

    See Also
    --------
    ConvexReLUClassifierCV : Chooses beta by cross-validation.
    ConvexReLURegressor : The same for numbers.

    Notes
    -----
    The softmax loss of two classes would be this logistic loss with another penalty: it
    gives the same network at ``sqrt(2) * beta``, as ``(-f, f) / 2`` stands for f.

    References
    ----------
    .. [1] M. Pilanci and T. Ergen, "Neural Networks are Convex Regularizers: Exact
       Polynomial-time Convex Optimization Formulations for Two-layer Networks",
       ICML 2020.
    .. [2] T. Ergen and M. Pilanci, "Global Optimality Beyond Two Layers: Training Deep
       ReLU Networks via Convex Programs", ICML 2021, sections 1.2 and A.7.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from convexnn import ConvexReLUClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), ConvexReLUClassifier(beta_ratio=0.03, random_state=0)
    ... ).fit(X, y)
    >>> bool(model[-1].certificate_.relative_gap <= 1e-2)
    True
    >>> bool(model.score(X, y) > 0.98)
    True
    >>> model.predict_proba(X[:1]).round(2)
    array([[1., 0.]])
    """

    _parameter_constraints: dict = NETWORKS | CLASSIFICATION

    def __init__(
        self,
        beta=None,
        *,
        beta_ratio=0.1,
        loss="log_loss",
        class_weight=None,
        activation="relu",
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
        self.beta = beta
        self.beta_ratio = beta_ratio
        self.loss = loss
        self.class_weight = class_weight
        self.activation = activation
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
