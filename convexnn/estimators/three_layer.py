"""Three-layer ReLU networks of parallel sub-networks."""

from __future__ import annotations

from .base import NetworkRegressor
from .constraints import NETWORKS, REGRESSION, UNITS
from .three_layer_networks import ThreeLayerNetworks

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
    With ``fit_intercept=False`` it is the paper's problem. For several targets
    :math:`w_{3k}` is a vector and its square that of its norm; with ``loss="huber"``
    the squares are linear beyond `epsilon`, as in
    :class:`~convexnn.ConvexReLURegressor`. In a block, where the
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
    loss, epsilon
        Of :class:`~convexnn.ConvexReLURegressor`.
    solver : {"auto", "active_set", "interior_point", "cvxpy"}, default="auto"
        "active_set" searches, with ``cells="auto"`` only. The others solve the program
        over given blocks, and sample them with ``cells="auto"``: "interior_point" is
        our own, "cvxpy" hands it to Clarabel, which is slower. "auto" is the search
        for ``cells="auto"``, and otherwise "interior_point".
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
    fit_intercept : bool, default=True
        Give every unit of the first layer a bias, penalised like its weights, and the
        output an intercept, which is not penalised.
    tol : float, default=1e-2
        Bound on the relative duality gap, (primal - dual) / primal, in [0, 1). It means
        the same for every backend and is computed from the fitted network; after a
        search the dual value is an estimate. About 0.1 is enough for predictions.
    max_iter, max_neurons, max_seconds, solver_options, verbose, random_state
        Of :class:`~convexnn.ConvexReLURegressor`, with blocks for cells and
        sub-networks for units. A search makes no more than 20 rounds, climbs from
        `n_starts` = 512 directions, and starts from `width` = 100 sub-networks at most.
    warm_start : bool, default=False
        Start from the network of the previous fit, if it has the same kind of units and
        numbers of features and outputs.

    Attributes
    ----------
    subnetworks_ : list of tuple (W1, w2, w3)
        First layers of shape (n_features, n_units), or (n_features + 1, n_units) with
        the biases in the last row (`fit_intercept`), of unit Frobenius norm; second
        layers of shape (n_units,); output weights, of shape (n_targets,) for several
        targets. The largest come first.
    n_neurons_ : int
        Number of sub-networks.
    intercept_ : float or ndarray of shape (n_targets,)
        Output intercept c, 0 without `fit_intercept`.
    network_ : convexnn.networks.three_layer.ThreeLayerNetwork
        The network of these arrays, in the precision of X.
    objective_, certificate_, history_, beta_, n_iter_
        What is known of it, as in :class:`~convexnn.ConvexReLURegressor`. The
        objective is that of the convex program at the point that the network was
        recovered from (Proposition 1). After a search `certificate_` has a rigorous,
        looser `bound`, too.
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
    ThreeLayerConvexRegressorCV : Chooses beta by cross-validation.
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
    >>> objective = model.network_.objective(X, y, model.beta_)
    >>> bool(abs(objective / model.objective_ - 1) < 1e-6)
    True
    >>> model.certificate_.scope
    'search'
    """

    _parameter_constraints: dict = {
        **NETWORKS,
        **REGRESSION,
        **UNITS,
    }

    def __init__(
        self,
        n_units=7,
        *,
        beta=None,
        beta_ratio=0.05,
        loss="squared",
        epsilon=1.35,
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
        self.epsilon = epsilon
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
