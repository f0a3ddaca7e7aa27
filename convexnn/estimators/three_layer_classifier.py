"""Three-layer ReLU classifiers of parallel sub-networks."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.utils.metaestimators import available_if

from ..checks import all_or_nothing, check_range
from ..networks.three_layer import ThreeLayerNetwork
from ..programs.certificate import Certificate
from ..solvers.time_limit import time_limit
from .base import NetworkClassifier, has_probabilities
from .constraints import CLASSIFICATION
from .three_layer_base import ThreeLayerNetworks

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
    sections 1.2 and A.6). For two classes y is 1 for ``classes_[1]``. For more there is
    a network for each class against the rest. They have one penalty, so that outputs
    compare, and are trained one after the other, so that the last ones go short first
    of `max_seconds`.

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
    loss : {"log_loss", "squared_hinge", "hinge"}, default="log_loss"
        Loss, as above. Only "log_loss" gives probabilities. "hinge", which has a kink,
        takes far longer than the others, and may miss `tol`.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes by label, 1 for those that are left out. "balanced"
        gives all classes the same total weight, ``sum(s) / n_classes``.
    cells, n_cells, solver, max_subnetworks, fit_intercept
        Of :class:`~convexnn.ThreeLayerConvexRegressor`; "cvxpy" solves all losses.
    tol : float, default=1e-2
        Bound on the relative duality gap, (primal - dual) / primal, in [0, 1). It means
        the same for every backend and is computed from the fitted network; after a
        search the dual value is an estimate. About 0.1 is enough for predictions.
    max_iter, max_seconds, verbose, random_state
        Of :class:`~convexnn.ThreeLayerConvexRegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels in ascending order; those of a total weight of 0 are absent.
    subnetworks_ : list of list of tuple (W1, w2, w3)
        For each output, of which two classes have one and more classes one each, its
        sub-networks as in :class:`~convexnn.ThreeLayerConvexRegressor`.
    n_subnetworks_ : int
        Number of sub-networks of all outputs.
    intercept_ : ndarray of shape (n_outputs,)
        Output intercepts c, 0 without `fit_intercept`.
    objective_, convex_objective_ : float
        Sum over the outputs of the objective at the network, and of the value of the
        convex program at the point that it was recovered from.
    certificate_ : convexnn.programs.certificate.Certificate
        For the sum over the outputs: primal value, dual bound, gap, relative gap, and
        what they hold over, as in :class:`~convexnn.ThreeLayerConvexRegressor`.
    histories_ : list of convexnn.solvers.history.History
        Objective and dual bound of each output against CPU seconds.
    beta_ : float
        Penalty that was trained with; 1 where `beta` is None and `beta_max_` is 0, for
        constant targets or inputs of zero: every penalty gives a constant network.
    beta_max_ : float
        Penalty from which on all networks are constant, the largest over the outputs:
        an estimate from below after a search, a bound from above over given blocks.
    n_iter_ : int
        Rounds of the searches, or iterations of the solver of given blocks, in all.
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
        If the relative duality gap of a network stays above `tol`, or is when
        `max_seconds` end.
    UserWarning
        If `beta` is a number above `beta_max_` or below 1e-5 of it.

    See Also
    --------
    ConvexReLUClassifier : Networks of two layers, with one network for all classes.
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
        **ThreeLayerNetworks._parameter_constraints,
        **CLASSIFICATION,
    }

    def __init__(
        self,
        n_units=7,
        *,
        beta=None,
        beta_ratio=0.05,
        loss="log_loss",
        class_weight=None,
        cells="auto",
        n_cells=50,
        solver="auto",
        max_subnetworks=None,
        fit_intercept=True,
        tol=1e-2,
        max_iter=20_000,
        max_seconds=None,
        verbose=0,
        random_state=None,
    ):
        self.n_units = n_units
        self.beta = beta
        self.beta_ratio = beta_ratio
        self.loss = loss
        self.class_weight = class_weight
        self.cells = cells
        self.n_cells = n_cells
        self.solver = solver
        self.max_subnetworks = max_subnetworks
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.max_seconds = max_seconds
        self.verbose = verbose
        self.random_state = random_state

    def _fit(self, X, y, sample_weight):
        with all_or_nothing(self), time_limit(self.max_seconds):
            solver = self._chosen_solver()
            X, y, weights = self._check_all(X, y, sample_weight)
            coding, weights = self._code(y, weights)
            trainers = [
                self._trainer(X, target, weights, solver, self.loss)
                for target in coding.one_against_rest(y)
            ]
            beta = self._penalty(max(each.beta_max() for each in trainers))
            trained = [each.train(beta) for each in trainers]
            for one in trained:
                self._warn_of_gap(one, solver)
            self._store(trained, coding, X.dtype, beta)
        return self

    @available_if(has_probabilities)
    def predict_proba(self, X):
        """Return probabilities of the classes; for ``loss="log_loss"`` only.

        For more than two classes they are those of each class against the rest, divided
        by their sum.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite. Sparse ones are made dense, up to 1e8 entries.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            One column a class, in the order of `classes_`.
        """
        outputs = self.decision_function(X)
        if outputs.ndim == 1:
            return np.column_stack([expit(-outputs), expit(outputs)])
        # Where all shares vanish they say nothing of the classes.
        shares = expit(outputs)
        totals = shares.sum(axis=1, keepdims=True)
        even = np.full_like(shares, 1 / shares.shape[1])
        return np.divide(shares, totals, where=totals > 0, out=even)

    @available_if(has_probabilities)
    def predict_log_proba(self, X):
        """Return logarithms of the probabilities; for ``loss="log_loss"`` only.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite. Sparse ones are made dense, up to 1e8 entries.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            One column a class; minus infinity where a probability is 0 by rounding.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _has_vector_outputs(self):
        return True

    def _outputs(self, X):
        X = self._inputs(X)
        outputs = [network.predict(X) for network in self._networks()]
        return outputs[0] if len(outputs) == 1 else np.column_stack(outputs)

    def _networks(self):
        return [
            ThreeLayerNetwork(
                subnetworks,
                intercept,
                bool(subnetworks) and len(subnetworks[0][0]) > self.n_features_in_,
            )
            for subnetworks, intercept in zip(
                self.subnetworks_, self.intercept_, strict=True
            )
        ]

    def _store(self, trained, coding, dtype, beta):
        self.classes_ = coding.classes
        self.subnetworks_ = [
            [
                tuple(check_range(layer, dtype)[()] for layer in layers)
                for layers in one.network.subnetworks
            ]
            for one in trained
        ]
        self.n_subnetworks_ = sum(map(len, self.subnetworks_))
        self.intercept_ = check_range([one.network.intercept for one in trained], dtype)
        self.certificate_ = _summed([one.certificate for one in trained])
        self.objective_ = self.certificate_.primal
        self.convex_objective_ = sum(one.convex_objective for one in trained)
        self.histories_ = [one.history for one in trained]
        self.beta_ = beta
        self.beta_max_ = max(one.beta_max for one in trained)
        self.n_iter_ = sum(one.n_iter for one in trained)


def _summed(certificates):
    """Return the certificate of a sum of problems that share nothing."""
    first = certificates[0]
    bounds = [certificate.bound for certificate in certificates]
    scopes = {certificate.scope for certificate in certificates}
    return Certificate(
        sum(certificate.primal for certificate in certificates),
        sum(certificate.dual for certificate in certificates),
        "search" if "search" in scopes else first.scope,
        is_capped=any(certificate.is_capped for certificate in certificates),
        n_starts=first.n_starts,
        bound=None if None in bounds else sum(bounds),
    )
