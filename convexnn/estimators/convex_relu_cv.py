"""Two-layer ReLU networks whose penalty is chosen by cross-validation along paths."""

from __future__ import annotations

from .base import NetworkRegressor
from .constraints import PENALTY_CHOICE, REGRESSION
from .cross_validation import NumberChoice
from .two_layer import TwoLayerNetworks

__all__ = ["ConvexReLURegressorCV"]


class ConvexReLURegressorCV(NumberChoice, TwoLayerNetworks, NetworkRegressor):
    r"""Two-layer ReLU network with its penalty chosen by cross-validation.

    On the training part of every fold, networks follow one descending path of penalties
    :math:`\beta`, each started from the one before and minimising

    .. math::

        \frac12 \sum_i s_i (f(x_i) - y_i)^2
        + \frac{\beta}{2} \sum_j \left(\|w_j\|_2^2 + b_j^2 + a_j^2\right)

    by descents (see `fold_training`). The penalty with the best mean squared error on
    the left-out parts is chosen, the largest of those within 2 % of it, and
    :class:`~convexnn.ConvexReLURegressor` with it is fitted to all the data and
    certified. A penalty means the same on every fold and in the last fit: it is not
    rescaled by the number of samples. Where the errors still fall by more than 10 % a
    penalty at the end of the grid, the paths go on below it, to three tenths of its
    smallest penalty at most.

    With ``fold_training="certified"`` the networks of the folds are trained to a
    relative duality gap of `tol` too, and the penalties whose error is within
    ``sqrt(tol) / 2``, relatively, of the smallest are judged by networks trained from
    scratch. With an int `random_state`, ``GridSearchCV`` over ``{"beta": betas_}`` with
    ``scoring="neg_mean_squared_error"`` and the same folds then makes the same choice,
    unless a start from scratch moves the error of some other penalty by more than that.

    Parameters
    ----------
    betas : int or array-like of shape (n_betas,), default=13
        Number of penalties, evenly spaced on a logarithmic scale from beta_max on all
        the data down, or from 1 where that is 0; or the penalties, in (0, inf), which
        are sorted in descending order.
    beta_min_ratio : float, default=1e-3
        Smallest penalty divided by the largest, in (0, 1], where `betas` is a number.
    cv : int, cross-validation generator or iterable, default=None
        Folds: None for five in the order of the rows, stratified for classifiers, an
        int for so many, a splitter, or pairs of index arrays.
    fold_training : {"auto", "descent", "certified"}, default="auto"
        What judges a penalty on the folds. "descent": networks of 100 plain units that
        a few quasi-Newton steps lead from penalty to penalty, without pricing, polish
        or gap. They find the place of the best penalty for a small part of the
        price, and predict a little worse than the network that is kept. "certified":
        networks trained to `tol`, as the one that is kept. "auto": descents, but for
        ReLU networks over listed `cells`, which descents do not keep to.
    selection : {"min", "one_se"}, default="min"
        "min" chooses the penalty of the smallest error, averaged over the folds, and
        the largest of several (with descents, of those within 2 % of it). "one_se"
        chooses the largest penalty whose average is at most one standard error (of the
        average over the folds, at the minimum) above that; it gives narrower networks.
    patience : int, default=3
        Where `betas` is a number: the paths end when the average error of so many
        penalties in a row is more than 1 % above the smallest, since the smallest
        penalties take longest. None goes on to the last.
    n_jobs : int, default=None
        Number of folds to work on at once: None for 1 unless in a joblib context, -1
        for all processors. The result does not depend on it.
    loss, epsilon, activation, solver, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ConvexReLURegressor`.
    tol : float, default=0.1
        Bound on the relative duality gap, (primal - dual) / primal, of every certified
        network, in [0, 1). Predictions hardly depend on it below the default; the time
        does.
    max_iter : int, default=None
        Largest number of iterations of the backend for each network. None for 20000,
        but for 3 rounds of a search where the folds are judged by descents.
    max_neurons, solver_options
        Of :class:`~convexnn.ConvexReLURegressor`.
    max_seconds : float, default=None
        Limit of the choice and the fit in seconds of wall time, in (0, inf); None for
        none. The folds get half of it at most, and at least two penalties; at the end
        the best network so far is kept, with its true gap.
    verbose : int, default=0
        From 1 on, print a line for every penalty with its mean error, and one for every
        round of the last fit.
    random_state : int, RandomState instance or None, default=None
        Source of sampled cells and of searches. An int is used anew for every fold
        and for the last fit, as clones of one estimator would; otherwise one is drawn.

    Attributes
    ----------
    beta_ : float
        Penalty chosen.
    betas_ : ndarray of shape (n_betas,)
        Penalties that were tried, in descending order.
    mse_path_ : ndarray of shape (n_betas, n_folds)
        Mean squared error on the left-out part of each fold, over the targets too and
        under either loss, weighted where sample weights are given; nan for folds
        whose left-out weights are all 0.
    objective_path_, n_neurons_path_ : ndarray of shape (n_betas, n_folds)
        Objective and number of neurons of each network on the path of each fold.
    gap_path_ : ndarray of shape (n_betas, n_folds)
        Their relative duality gaps. Only with certified folds.
    coefs_, intercepts_, gates_, network_, n_neurons_
        Network of the last fit, as in :class:`~convexnn.ConvexReLURegressor`.
    objective_, certificate_, history_, beta_max_, n_iter_ : float, object, int
        Of the last fit, as in :class:`~convexnn.ConvexReLURegressor`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, or if a fold cannot be
        trained on or none can be scored.
    convexnn.solvers.SolverError
        In `fit`, if a backend ends without any point.

    Warns
    -----
    ConvergenceWarning
        If the gap of the last fit stays above `tol`, or if `max_seconds` ended it. With
        certified folds also once for all of them, naming the penalties.

    See Also
    --------
    convexnn.relu_path : One path, with its networks.
    convexnn.plotting.RegularizationPathDisplay : Picture of a fitted estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from convexnn import ConvexReLURegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = ConvexReLURegressorCV(
    ...     betas=3, beta_min_ratio=0.01, cv=3, random_state=0
    ... ).fit(scale(X), y)
    >>> model.mse_path_.shape
    (3, 3)
    >>> bool(model.beta_ == model.betas_[model.mse_path_.mean(axis=1).argmin()])
    True
    """

    _parameter_constraints: dict = PENALTY_CHOICE | REGRESSION

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
        loss="squared",
        epsilon=1.35,
        activation="relu",
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
        self.solver_options = solver_options
        self.verbose = verbose
        self.random_state = random_state
