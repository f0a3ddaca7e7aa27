"""Two-layer ReLU networks trained through their convex program."""

from __future__ import annotations

from .base import NetworkRegressor
from .constraints import NETWORKS, REGRESSION
from .two_layer import TwoLayerNetworks

__all__ = ["ConvexReLURegressor"]


class ConvexReLURegressor(TwoLayerNetworks, NetworkRegressor):
    r"""Two-layer ReLU network trained to a duality gap by convex optimisation.

    The network :math:`f(x) = \sum_j \max(x^\top w_j + b_j, 0)\, a_j + c` minimises

    .. math::

        \frac12 \sum_i s_i (f(x_i) - y_i)^2
        + \frac{\beta}{2} \sum_j \left(\|w_j\|_2^2 + b_j^2 + a_j^2\right),

    a sum over samples with weights :math:`s_i`, over all networks of any width. For
    targets of shape (n_samples, q) one network has q outputs, and the squares of
    residuals and of :math:`a_j` are those of norms of vectors. The gap to the optimum
    then is an estimate, of scope "search". Over networks whose units keep to given
    activation patterns (`cells`) it is rigorous. For one target that problem is
    the convex group lasso with cone constraints

    .. math::

        \min_{u_k, v_k} \frac12 \Bigl\| \sum_k D_k X (u_k - v_k) + c - y \Bigr\|_s^2
        + \beta \sum_k \left(\|u_k\|_2 + \|v_k\|_2\right)
        \quad\text{s.t.}\quad (2 D_k - I) X u_k \ge 0,\ (2 D_k - I) X v_k \ge 0

    with one diagonal matrix :math:`D_k` of zeros and ones per pattern [1]_. Standardise
    the inputs: the penalty does not adapt to their scale.

    Parameters
    ----------
    beta : float, default=None
        Penalty, in (0, inf). It weighs against a *sum* of losses, so it grows with the
        number of samples, and depends on the units of inputs and targets; `beta_max_`
        is the value from which on the network is constant. None for `beta_ratio` times
        `beta_max_`.
    beta_ratio : float, default=0.007
        Penalty divided by `beta_max_`, in (0, inf), where `beta` is None. It needs no
        knowledge of the data: in other units of y and with all rows repeated,
        predictions are the same; without `fit_intercept` also in other units of all of
        X, to what `tol` leaves open. With biases that does not hold, as the unit of
        their column of ones stays.
        Smaller ones follow the data more closely and take longer: 0.1 to 0.01 suits
        noisy targets, 0.01 to 0.001 exact ones.
    loss : {"squared", "huber"}, default="squared"
        Loss of a residual r: ``r^2 / 2``, as above, or with "huber" that up to
        `epsilon` in magnitude, and ``epsilon * (abs(r) - epsilon / 2)`` beyond.
    epsilon : float, default=1.35
        Residual from which on "huber" is linear, in (0, inf), in the units of y.
    activation : {"relu", "gated_relu"}, default="relu"
        "relu" is the network above. "gated_relu" fixes the gates g_k of the cells
        and drops the cones: :math:`f(x) = \sum_k 1[x^\top g_k \ge 0]\, (x^\top w_k
        + b_k)\, a_k + c`. Its weights mean nothing without `gates_`.
    solver : str, default="auto"
        Backend: "active_set" (own, for "relu"), "newton" (own), "interior_point" (own,
        for "relu"), "fista" (own), "cvxpy" (any conic solver, Clarabel by default),
        "osqp", or a registered one. "auto" takes the first in this order that can
        solve the program. Only "active_set" searches the cells of all networks; a
        list of cells it solves as "newton" does.
    cells : {"auto", "sampled", "all"} or array-like of shape (n_inputs, n_gates)
        Activation patterns ``1[X g >= 0]`` that units may have. "auto", the default:
        any, found while solving, where the backend can ("active_set"), and otherwise
        as "sampled". "sampled": `n_cells` distinct patterns of Gaussian gates g and
        their opposites, with any backend. "all": every pattern of the hyperplane
        arrangement, enumerated; for data of low rank. An array: one gate a column,
        n_inputs being n_features, or n_features + 1 with `fit_intercept`, the bias in
        the last row.
    n_cells : int, default=50
        Number of sampled patterns; fewer where the data has no more. A search over
        all cells does not use it.
    fit_intercept : bool, default=True
        Give every unit of the first layer a bias, penalised like its weights, and the
        output an intercept, which is not penalised.
    tol : float, default=1e-2
        Bound on the relative duality gap, (primal - dual) / primal, in [0, 1). It means
        the same for every backend and is computed from the fitted network; after a
        search the dual value is an estimate. About 0.1 is enough for predictions.
    max_iter : int, default=20000
        Largest number of iterations of the backend in all: proximal steps of "fista",
        Newton steps of "interior_point" and "newton", quadratic programs of "osqp",
        rounds of a search.
    max_neurons : int, default=None
        Largest number of units. A wider solution is cut to its largest units, which
        are then trained again; the certificate keeps bounding networks of any width.
    max_seconds : float, default=None
        Limit of the fit in seconds of wall time, in (0, inf); None for none. At its end
        the best network so far is kept, with its true gap; a step that has begun is
        ended first, such as a pricing. Results then depend on the machine.
    warm_start : bool, default=False
        Start from the network of the previous fit, if it has the same kind of units and
        numbers of features and outputs.
    solver_options : dict, default=None
        Further options of the backend: for "cvxpy" `solver` and whatever
        ``cvxpy.Problem.solve`` takes, for "osqp" its settings, for "active_set"
        `n_starts` (256, directions that pricing climbs from) and `n_units` (largest
        width of a random start; by default 50 at a tenth of `beta_max_`, and more
        below, up to two units a row; a search for a `tol` below 1e-2 also starts from
        wider networks).
    verbose : int, default=0
        1 prints a line a round, 2 a line an iteration where cells are listed.
    random_state : int, RandomState instance or None, default=None
        Source of sampled cells, or of the random starts and directions of a search.

    Attributes
    ----------
    coefs_ : list of ndarray
        Hidden weights W of shape (n_features, n_neurons) and output weights a of
        shape (n_neurons, n_targets); only units that are not zero.
    intercepts_ : list of ndarray
        Hidden biases b of shape (n_neurons,) and output intercepts c of shape
        (n_targets,).
    gates_ : ndarray of shape (n_inputs, n_neurons)
        Gates of the units, bias row last. Only for "gated_relu".
    n_neurons_ : int
        Number of hidden units.
    network_ : ReLUNetwork or GatedReLUNetwork
        The network of these arrays, of :mod:`convexnn.networks.network`, in the
        precision of X.
    objective_ : float
        Value of the objective above at the network.
    certificate_ : convexnn.programs.certificate.Certificate
        Primal value, dual bound, gap, relative gap, and what they hold over.
    history_ : convexnn.solvers.history.History
        Objective and dual bound after every round, against CPU seconds.
    beta_ : float
        Penalty that was trained with; 1 where `beta` is None and `beta_max_` is 0, for
        constant targets or inputs of zero: every penalty gives a constant network.
    beta_max_ : float
        Smallest penalty for which the constant network is optimal over the cells: after
        a search an estimate from below. 0 for targets that are constant up to rounding.
    n_iter_ : int
        Iterations of the backend, or rounds of a search.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, if `cells="all"`
        would list too many patterns, or if the backend cannot express the program.
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
    ConvexReLURegressorCV : Chooses beta by cross-validation.
    convexnn.relu_path : Networks along a path of penalties.

    References
    ----------
    .. [1] M. Pilanci and T. Ergen, "Neural Networks are Convex Regularizers: Exact
       Polynomial-time Convex Optimization Formulations for Two-layer Networks",
       ICML 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from convexnn import ConvexReLURegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_pipeline(
    ...     StandardScaler(), ConvexReLURegressor(beta_ratio=0.1, random_state=0)
    ... ).fit(X, y)
    >>> bool(model[-1].certificate_.relative_gap <= 1e-2)
    True
    >>> model[-1].certificate_.scope
    'search'
    >>> bool(model.score(X, y) > 0.5)
    True
    """

    _parameter_constraints: dict = NETWORKS | REGRESSION

    def __init__(
        self,
        beta=None,
        *,
        beta_ratio=0.007,
        loss="squared",
        epsilon=1.35,
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
        self.epsilon = epsilon
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
