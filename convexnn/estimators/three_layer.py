"""Three-layer ReLU networks of parallel sub-networks."""

from __future__ import annotations

import numpy as np

from ..checks import all_or_nothing, check_objective, check_range
from ..networks.three_layer import ThreeLayerNetwork
from ..solvers.time_limit import time_limit
from .base import NetworkRegressor
from .three_layer_base import ThreeLayerNetworks

__all__ = ["ThreeLayerConvexRegressor"]


class ThreeLayerConvexRegressor(ThreeLayerNetworks, NetworkRegressor):
    r"""Parallel three-layer ReLU sub-networks trained by convex optimisation.

    The network :math:`f(x) = \sum_k ((x^\top W_{1k})_+ w_{2k})_+ w_{3k} + c` minimises

    .. math::

        \frac12 \sum_i s_i (f(x_i) - y_i)^2
        + \frac{\beta}{2} \sum_k \left(\|w_{2k}\|_2^2 + w_{3k}^2\right)
        \quad\text{s.t.}\quad \|W_{1k}\|_F \le 1,

    a sum over samples with weights :math:`s_i`, over networks of any number of
    sub-networks, each with `n_units` columns in :math:`W_{1k}` (paper [1]_, eq. 4).
    With ``fit_intercept=False`` it is the paper's problem. In a block, where the
    activation patterns :math:`D_{1j}` and :math:`D_2` and the signs :math:`I_j` of
    :math:`w_2` are fixed, a sub-network is linear in
    :math:`w_j = W_{1,j} |w_{2,j} w_3|`, and the problem over all blocks b is the convex
    program (Theorem 1, eq. 12)

    .. math::

        \min_{w} \frac12 \Bigl\| \sum_b \pm D_{2b} \sum_j I_{bj} D_{1bj} X w_{bj} + c
        - y \Bigr\|_s^2 + \beta \sum_{b,j} \|w_{bj}\|_2

    with :math:`(2 D_{1bj} - I) X w_{bj} \ge 0` and
    :math:`(2 D_{2b} - I) \sum_j I_{bj} D_{1bj} X w_{bj} \ge 0`. The paper writes units
    of negative sign as :math:`w^-` in the reflected cone and gives all units of a block
    the same sign; here each has its own.

    With ``n_units=1`` the second layer's rectifier has no effect, and the problem is
    that of :class:`~convexnn.ConvexReLURegressor` with the same `beta_`.

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
    cells : {"auto", "sampled", "all"} or array-like, default="auto"
        Blocks that sub-networks may lie in. "auto": any, found while solving.
        "sampled": `n_cells` of them, all patterns of a block read from one random
        sub-network, so that its cones have an interior (Remark 3). "all": every block,
        for tiny data. An array of shape (n_blocks, n_inputs + 1, n_units) holds gates:
        the blocks are those of the sub-networks ``((X U)_+ u)_+``, where u is the last
        row of ``cells[b]`` and U the ones above it, with `fit_intercept` n_features
        and one for the biases. Both signs of the output are used; repeated blocks and
        silent ones are left out.
    n_cells : int, default=50
        Number of sampled blocks, each with both signs of its output; fewer where the
        data has no more. Only ``cells="sampled"``, and solvers of given blocks with
        ``cells="auto"``, use it.
    solver : {"auto", "active_set", "interior_point", "cvxpy"}, default="auto"
        "active_set" searches, with ``cells="auto"`` only. The others solve the program
        over given blocks, and sample them with ``cells="auto"``: "interior_point" is
        our own, "cvxpy" hands it to Clarabel, which is slower. "auto" is the search
        for ``cells="auto"``, and otherwise "interior_point".
    max_subnetworks : int, default=None
        Largest number of sub-networks. A wider solution is cut to its largest ones,
        which are then trained again.
    fit_intercept : bool, default=True
        Give every unit of the first layer a bias, penalised like its weights, and the
        output an intercept, which is not penalised.
    tol : float, default=1e-2
        Bound on the relative duality gap, (primal - dual) / primal, in [0, 1). It means
        the same for every backend and is computed from the fitted network; after a
        search the dual value is an estimate. About 0.1 is enough for predictions.
    max_iter, max_seconds, verbose, random_state
        Of :class:`~convexnn.ConvexReLURegressor`, with blocks for cells; a search makes
        no more than 20 rounds, and solvers of given blocks do not use `max_iter`.
    warm_start : bool, default=False
        Start from the network of the previous fit, if it has the same kind of units and
        numbers of features and outputs.

    Attributes
    ----------
    subnetworks_ : list of tuple (W1, w2, w3)
        First layers of shape (n_features, n_units), or (n_features + 1, n_units) with
        the biases in the last row (`fit_intercept`), of unit Frobenius norm; second
        layers of shape (n_units,); output weights. The largest come first.
    n_subnetworks_ : int
        Number of sub-networks.
    intercept_ : float
        Output intercept c, 0 without `fit_intercept`.
    network_ : convexnn.networks.three_layer.ThreeLayerNetwork
        The network of these arrays, in the precision of X.
    objective_, certificate_, history_, beta_, n_iter_
        What is known of it, as in :class:`~convexnn.ConvexReLURegressor`. After a
        search `certificate_` has a rigorous, looser `bound`, too; `n_neurons` of
        `history_` counts sub-networks.
    convex_objective_ : float
        Value of the convex program at the point that the network was recovered from
        (Proposition 1): that of the blocks it lies in after a search.
    beta_max_ : float
        Penalty from which on the zero network is optimal: an estimate from below after
        a search, a bound from above over given blocks. 0 for constant targets with an
        intercept.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, or if ``cells="all"``
        would list too many blocks.
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
    ConvexReLURegressor : Networks of two layers.
    convexnn.certify : Gap of weights that were trained elsewhere.
    convexnn.programs.counts : Bounds on the number of blocks.

    Notes
    -----
    Training is done in double precision; the network has the precision of X.

    References
    ----------
    .. [1] T. Ergen and M. Pilanci, "Global Optimality Beyond Two Layers: Training Deep
       ReLU Networks via Convex Programs", ICML 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import ThreeLayerConvexRegressor
    >>> X = np.random.default_rng(0).standard_normal((20, 2))
    >>> y = np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0)
    >>> model = ThreeLayerConvexRegressor(n_units=4, random_state=0).fit(X, y)
    >>> W1, w2, w3 = model.subnetworks_[0]
    >>> W1.shape, w2.shape, float(np.linalg.norm(W1).round(6))
    ((3, 4), (4,), 1.0)
    >>> bool(abs(model.objective_ / model.convex_objective_ - 1) < 1e-6)
    True
    >>> model.certificate_.scope
    'search'
    """

    def __init__(
        self,
        n_units=7,
        *,
        beta=None,
        beta_ratio=0.05,
        cells="auto",
        n_cells=50,
        solver="auto",
        max_subnetworks=None,
        fit_intercept=True,
        tol=1e-2,
        max_iter=20_000,
        max_seconds=None,
        warm_start=False,
        verbose=0,
        random_state=None,
    ):
        self.n_units = n_units
        self.beta = beta
        self.beta_ratio = beta_ratio
        self.cells = cells
        self.n_cells = n_cells
        self.solver = solver
        self.max_subnetworks = max_subnetworks
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.max_seconds = max_seconds
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def _fit(self, X, y, sample_weight):
        with all_or_nothing(self), time_limit(self.max_seconds):
            solver = self._chosen_solver()
            X, y, weights = self._check_all(X, y, sample_weight)
            trainer = self._trainer(X, y, weights, solver)
            beta = self._penalty(trainer.beta_max())
            trained = trainer.train(beta, self._previous_network(X.shape[1]))
            self._warn_of_gap(trained, solver)
            self._store(trained, X, y, weights, beta)
        return self

    def _previous_network(self, n_features):
        """Return the network to start from, if there is one of the right shape."""
        if not (self.warm_start and getattr(self, "subnetworks_", None)):
            return None
        shape = n_features + bool(self.fit_intercept), self.n_units
        return self.network_ if self.subnetworks_[0][0].shape == shape else None

    @property
    def network_(self):
        """The network of the fit, in the precision of X."""
        has_bias = bool(self.subnetworks_) and (
            len(self.subnetworks_[0][0]) > self.n_features_in_
        )
        return ThreeLayerNetwork(self.subnetworks_, self.intercept_, has_bias)

    def _store(self, trained, X, y, weights, beta):
        network = trained.network
        objective = network.objective(X.astype(np.float64), y, beta, weights)
        check_objective(objective)
        self.subnetworks_ = [
            tuple(check_range(layer, X.dtype)[()] for layer in layers)
            for layers in network.subnetworks
        ]
        self.n_subnetworks_ = len(self.subnetworks_)
        self.intercept_ = check_range(network.intercept, X.dtype)[()]
        self.objective_ = objective
        self.convex_objective_ = trained.convex_objective
        self.certificate_ = trained.certificate
        self.history_ = trained.history
        self.beta_, self.beta_max_ = beta, trained.beta_max
        self.n_iter_ = trained.n_iter
