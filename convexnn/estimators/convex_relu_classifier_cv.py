"""Two-layer ReLU classifiers whose penalty is chosen by cross-validation."""

from __future__ import annotations

from .base import NetworkClassifier
from .constraints import CLASSIFICATION, PENALTY_CHOICE, SCORING
from .cross_validation import LabelChoice
from .two_layer import TwoLayerNetworks

__all__ = ["ConvexReLUClassifierCV"]


class ConvexReLUClassifierCV(LabelChoice, TwoLayerNetworks, NetworkClassifier):
    r"""Two-layer ReLU classifier with its penalty chosen by cross-validation.

    On the training part of every fold, networks follow one descending path of penalties
    :math:`\beta`, each started from the one before and minimising

    .. math::

        \sum_i s_i\, \ell(f(x_i), y_i)
        + \frac{\beta}{2} \sum_j \left(\|w_j\|_2^2 + b_j^2 + \|a_j\|_2^2\right)

    with a loss of :class:`~convexnn.ConvexReLUClassifier`, by descents or to a duality
    gap, as `fold_training` of :class:`~convexnn.ConvexReLURegressorCV` says. The
    penalty with the best mean score on the left-out parts is chosen (with descents, the
    largest within 2 % of its error), and the classifier with it is fitted to all the
    data and certified.

    A penalty means the same on every fold and in the last fit: it is not rescaled by
    the number of samples. "balanced" class weights are those of each training part.
    With certified folds, penalties whose error is within ``sqrt(tol) / 2``,
    relatively, of the smallest are judged by networks trained from scratch, so that
    ``GridSearchCV`` over ``{"beta": betas_}`` with the same folds, scoring and int
    `random_state` makes the same choice, unless a start from scratch moves the error of
    some other penalty by more than that.

    A class that is missing in the training part of a fold gives a network of the other
    classes there, and its rows in the left-out part count as predicted with probability
    0: a log loss of ``-log(eps)``, where eps is the machine epsilon of X and the
    bound below which no probability counts as smaller.

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
    scoring : {"log_loss", "accuracy"}, default=None
        Mean log loss of the true classes, with ``loss="log_loss"`` only, or share of
        right labels, on the left-out parts. None for "log_loss" where there are
        probabilities, and otherwise "accuracy".
    selection : {"min", "one_se"}, default="min"
        "min" chooses the penalty of the smallest error, averaged over the folds, and
        the largest of several (with descents, of those within 2 % of it). "one_se"
        chooses the largest penalty whose average is at most one standard error (of the
        average over the folds, at the minimum) above that; it gives narrower networks.
    loss, class_weight, activation, solver, cells, n_cells, fit_intercept
        Of :class:`~convexnn.ConvexReLUClassifier`.
    fold_training, patience, n_jobs, tol, max_iter, max_neurons, max_seconds
        Of :class:`~convexnn.ConvexReLURegressorCV`.
    solver_options, verbose, random_state
        Of :class:`~convexnn.ConvexReLURegressorCV`.

    Attributes
    ----------
    beta_ : float
        Penalty chosen.
    betas_ : ndarray of shape (n_betas,)
        Penalties that were tried, in descending order.
    scoring_ : {"log_loss", "accuracy"}
        What the penalties were judged by.
    error_path_ : ndarray of shape (n_betas, n_folds)
        Mean log loss, or share of wrong labels, on the left-out part of each fold,
        weighted where sample weights are given, not by class weights; nan for folds
        whose left-out weights are all 0.
    objective_path_, gap_path_, n_neurons_path_ : ndarray of shape (n_betas, n_folds)
        Of the paths, as in :class:`~convexnn.ConvexReLURegressorCV`.
    classes_, coefs_, intercepts_, gates_, network_, n_neurons_
        Network of the last fit, as in :class:`~convexnn.ConvexReLUClassifier`.
    objective_, certificate_, history_, beta_max_, n_iter_ : float, object, int
        Of the last fit, as in :class:`~convexnn.ConvexReLUClassifier`.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, if the training part
        of a fold has fewer than two classes, or if no fold can be scored.
    AttributeError
        By `predict_proba` and `predict_log_proba` for other losses than "log_loss".
    convexnn.solvers.SolverError
        In `fit`, if a backend ends without any point.

    Warns
    -----
    ConvergenceWarning
        As in :class:`~convexnn.ConvexReLURegressorCV`.

    See Also
    --------
    ConvexReLUClassifier : One network, with a penalty that is given.
    convexnn.plotting.RegularizationPathDisplay : Picture of a fitted estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from convexnn import ConvexReLUClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = ConvexReLUClassifierCV(
    ...     betas=3, beta_min_ratio=0.01, cv=3, random_state=0
    ... ).fit(scale(X), y)
    >>> model.error_path_.shape
    (3, 3)
    >>> bool(model.beta_ == model.betas_[model.error_path_.mean(axis=1).argmin()])
    True
    """

    _parameter_constraints: dict = {
        **PENALTY_CHOICE,
        **CLASSIFICATION,
        **SCORING,
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
        loss="log_loss",
        class_weight=None,
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
        self.scoring = scoring
        self.fold_training = fold_training
        self.selection = selection
        self.patience = patience
        self.n_jobs = n_jobs
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
        self.solver_options = solver_options
        self.verbose = verbose
        self.random_state = random_state
