"""Decoding a vector from sums of ReLU units."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..checks import (
    Integral,
    Interval,
    Real,
    StrOptions,
    all_or_nothing,
    check_samples,
    check_unused,
    check_weights,
    fit_context,
    validate_data,
    warn_user,
)
from ..decoding.encoder import DecodingProblem, encode
from ..decoding.progress import Settings
from ..decoding.solvers import SOLVERS, choose_solver, decode
from ..decoding.theory import tail_quantities

__all__ = ["CenteredGDDecoder"]

#: Magnitudes of X outside this range, times n_features, over- or underflow in squares.
_SMALLEST, _LARGEST = 1e-140, 1e140

#: Standard errors of the loss's slope beyond which a bound of the box is doubted.
_DOUBT = 3.5

#: Solvers with a learning rate.
_FIRST_ORDER = ("centered_gd", "nesterov")

#: Solvers that use a parameter.
_USERS = {
    "learning_rate": _FIRST_ORDER,
    "n_batches": _FIRST_ORDER[:1],
    "centered": _FIRST_ORDER[:1],
}

#: Entries that a warning lists.
_LISTED = 10


class CenteredGDDecoder(RegressorMixin, BaseEstimator):
    r"""Decodes a vector that was added to known probes and sent through ReLU.

    For probes :math:`x_i` and codes :math:`y_i = \sum_k \max(w_k + x_{ik}, 0)` plus
    noise [1]_, it minimises the loss

    .. math::

        \mathcal L(w) = \frac{1}{2 \sum_i s_i}
        \sum_i s_i \Bigl(\sum_k \max(w_k + x_{ik}, 0) - y_i\Bigr)^2
        \quad\text{over}\quad \|w\|_\infty \le \theta,

    a mean over samples with weights :math:`s_i`: loss (2) of the paper. It is not
    convex. Without noise the loss of the true vector is zero, and `is_exact_` tells
    whether zero was reached; any other end may be a local minimum.

    Parameters
    ----------
    theta : float, default=None
        Half-width of the box, in (0, inf). The smaller it is, the fewer samples are
        needed. None takes a bound that the data imply: without noise some vector with
        these codes has all entries in it (see `theta_`).
    solver : {"auto", "newton", "newton_cg", "centered_gd", "nesterov"}, default="auto"
        "newton": Levenberg-Marquardt iterations, each of which solves its quadratic
        model over the box exactly. "newton_cg": the same by conjugate gradients,
        without forming a matrix. "auto": "newton" up to 100,000 entries of `X` and
        "newton_cg" above. "centered_gd": the paper's iteration, gradient (4) and
        projection on the box. "nesterov": the same with momentum and restarts.
    learning_rate : float or {"auto", "theory"}, default="auto"
        Step of "centered_gd" and "nesterov". "auto": 0.9 times 2 / L for the former,
        L the largest curvature, at the start, of what is minimised (0.95 / L for the
        latter); halved where the loss rises all the same. "theory": the step of
        Theorem 3.1 for the distribution of the entries of `X`, see
        :func:`~convexnn.decoding.tail_quantities`.
    n_batches : int, default=1
        For "centered_gd": split the rows at random into that many batches of equal
        size, up to one row, and take the gradient of iteration t from batch t modulo
        `n_batches`. The first `n_batches` iterations are those of Theorem 3.1. With
        more than one batch only an exact fit or `max_iter` ends the iterations.
    centered : bool, default=True
        For "centered_gd": centre the residuals. False gives plain gradient descent
        (3), for comparison.
    max_iter : int, default=1000
        Largest number of iterations from one start.
    tol : float, default=1e-12
        The fit is exact, and ends, when the root mean square of the residuals is at
        most `tol` times the standard deviation of y. It also ends when an iteration
        changes what it minimises by no more than `tol` times that.
    n_restarts : int, default=10
        Largest number of further starts of "newton" and "newton_cg", drawn around the
        first. They end with the first exact fit, or once the three smallest losses
        differ by less than a hundredth, as they do with noise; the best end is then
        followed to a point where no direction lowers the loss. The first-order
        solvers have one start, as in the paper.
    verbose : int, default=0
        1 prints a line a start, 2 a line an iteration.
    random_state : int, RandomState instance or None, default=None
        Source of further starts and of batches.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        The vector w, in float64 also for probes in float32.
    loss_ : float
        Loss at `coef_`.
    loss_path_ : ndarray of shape (`n_iter_` + 1,)
        Loss before and after each iteration, from the start that ended best. Over all
        samples, also with batches.
    n_iter_ : int
        Iterations from that start.
    n_starts_ : int
        Number of starts.
    is_exact_ : bool
        Whether the codes are fitted exactly, up to `tol`.
    unidentified_ : ndarray of int
        Entries of `coef_` that the codes do not determine: units that are active on no
        sample, and units that are active on the same samples as another one, of which
        only the sum is determined.
    learning_rate_ : float or None
        Last step of a first-order solver.
    theta_ : float
        Half-width of the box. From the data it is the largest over k of
        :math:`\max_i x_{ik}`, minus which a unit is as good as off, and
        :math:`\min_i (y_i - x_{ik})`, beyond which its output alone exceeds a code.
    solver_ : str
        The solver that was used.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string column names.

    Raises
    ------
    ValueError
        In `fit`, if a parameter or the data is not as described, or if a parameter is
        set that the solver does not use.

    Warns
    -----
    ConvergenceWarning
        If `max_iter` iterations did not suffice, or a given step made the loss grow.
    UserWarning
        If entries of w are not determined by the codes, if there are fewer samples
        than features, if a code is negative, or if the loss of a fit that is not exact
        falls beyond the box.

    See Also
    --------
    convexnn.decoding.tail_quantities : What Theorem 3.1 promises.
    convexnn.plotting.DecodingDisplay : Loss against iterations.

    Notes
    -----
    The centred gradient (4) is the gradient of half the variance of the residuals. A
    unit that is active on all samples has no part in it: "newton" can decode one
    such entry, the centred solvers none. With noise, the centred solvers end at the
    minimum of the variance instead of the loss.

    References
    ----------
    .. [1] S. Oymak and M. S. Asif, "Exactly Decoding a Vector through ReLU
       Activation".

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn import CenteredGDDecoder
    >>> rng = np.random.default_rng(0)
    >>> w, X = rng.uniform(-1, 1, 50), 5 * rng.standard_normal((60, 50))
    >>> y = np.maximum(w + X, 0).sum(axis=1)
    >>> decoder = CenteredGDDecoder(theta=1.0, random_state=0).fit(X, y)
    >>> decoder.is_exact_, bool(np.allclose(decoder.coef_, w, atol=1e-9))
    (True, True)
    """

    _parameter_constraints: dict = {
        "theta": [Interval(Real, 0, np.inf, closed="neither"), None],
        "solver": [StrOptions({"auto", *SOLVERS})],
        "learning_rate": [
            StrOptions({"auto", "theory"}),
            Interval(Real, 0, np.inf, closed="neither"),
        ],
        "n_batches": [Interval(Integral, 1, None, closed="left")],
        "centered": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "n_restarts": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        theta=None,
        solver="auto",
        learning_rate="auto",
        n_batches=1,
        centered=True,
        max_iter=1000,
        tol=1e-12,
        n_restarts=10,
        verbose=0,
        random_state=None,
    ):
        self.theta = theta
        self.solver = solver
        self.learning_rate = learning_rate
        self.n_batches = n_batches
        self.centered = centered
        self.max_iter = max_iter
        self.tol = tol
        self.n_restarts = n_restarts
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        # All slopes of the encoder are one: there is nothing that could adapt to the
        # scale of arbitrary targets, let alone to their sign.
        tags.regressor_tags.poor_score = True
        return tags

    @fit_context
    def fit(self, X, y, sample_weight=None):
        """Decode the vector from codes of known probes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Probes, finite. float32 is kept; the rest becomes float64. Sparse ones are
            made dense, with an EfficiencyWarning, up to 1e8 entries.
        y : array-like of shape (n_samples,)
            Codes, finite.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 equals a repeated row, a weight of 0
            an absent one.

        Returns
        -------
        self : CenteredGDDecoder
            Fitted estimator.
        """
        with all_or_nothing(self):
            check_unused(self, "solver", _USERS)
            X, y = check_samples(self, X, y)
            weights = check_weights(sample_weight, X)
            if weights is not None and not weights.all():
                X, y, weights = X[weights > 0], y[weights > 0], weights[weights > 0]
            self._check_size(X, y)
            problem = DecodingProblem(X, y, weights)
            theta = _bound_of(X, y) if self.theta is None else float(self.theta)
            solver = choose_solver(self.solver, X.shape)
            settings = self._settings(theta, X, weights)
            found = decode(
                problem, solver, settings, check_random_state(self.random_state)
            )
            at = problem.evaluate(found.w)
            unidentified = problem.unidentified(found.w)
            _warn_of_data(X, y)
            self._warn_of_end(found, solver)
            _warn_of_units(unidentified)
            is_centered = solver in _FIRST_ORDER and self.centered
            _warn_of_box(problem, at, found, theta, centered=is_centered)
            self.coef_ = found.w
            self.loss_ = float(found.losses[-1])
            self.loss_path_ = found.losses
            self.n_iter_ = len(found.losses) - 1
            self.n_starts_ = found.n_starts
            self.is_exact_ = found.is_exact
            self.unidentified_ = unidentified
            self.learning_rate_ = found.learning_rate
            self.theta_ = theta
            self.solver_ = solver
        return self

    def predict(self, X):
        """Return the codes of probes: the encoder with the decoded vector.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Probes, finite. Sparse ones are made dense, up to 1e8 entries.

        Returns
        -------
        ndarray of shape (n_samples,)
            Codes, in float64.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return encode(X, self.coef_)

    def _check_size(self, X, y):
        """Refuse what over- or underflows, and batches without rows."""
        if self.n_batches > len(X):
            raise ValueError(
                f"n_batches must be at most the number of samples with a positive "
                f"weight, {len(X)}; got {self.n_batches}."
            )
        for name, array in (("X", X), ("y", y)):
            largest = max(float(array.max()), -float(array.min()))
            if largest > _LARGEST / X.shape[1] or 0 < largest < _SMALLEST:
                raise ValueError(
                    f"{name} must have its largest magnitude in [{_SMALLEST:g}, "
                    f"{_LARGEST:g} / n_features] or be zero, got {largest:g}: squares "
                    "over- or underflow. Rescale X and y together."
                )

    def _settings(self, theta, X, weights):
        rate = None if self.learning_rate == "auto" else self.learning_rate
        if rate == "theory":
            rate = tail_quantities(X, theta, sample_weight=weights).learning_rate
            if rate == 0:
                raise ValueError(
                    "learning_rate='theory' is zero because no entries of X lie on "
                    f"both sides of the box: P(X >= theta) P(X < -theta) = 0 at "
                    f"theta={theta:g}. Pass a smaller theta, or learning_rate='auto'."
                )
        return Settings(
            theta,
            tol=self.tol,
            max_iter=self.max_iter,
            n_restarts=self.n_restarts,
            learning_rate=rate,
            centered=self.centered,
            n_batches=self.n_batches,
            verbose=int(self.verbose),
        )

    def _warn_of_end(self, found, solver):
        if found.has_converged:
            return
        reached = (
            f"Loss {found.losses[-1]:.3g} after {len(found.losses) - 1} iterations"
        )
        first = found.losses[0]
        if not found.losses[-1] <= first:
            remedy = (
                f"the loss grew from {first:.3g} with steps of "
                f"{found.learning_rate:.3g}. Pass a smaller learning_rate, or 'auto'."
            )
        else:
            remedy = (
                f"root mean square of the residuals above tol={self.tol:g} times the "
                "standard deviation of y, and still changing. Increase max_iter or "
                "tol, or use solver='auto'."
            )
        warn_user(
            f"{reached} of solver={solver!r}: {remedy}",
            ConvergenceWarning,
        )


def _bound_of(X, y):
    """Return a half-width that the data imply; see `theta_`."""
    bound = -np.inf
    size = max(1, 2**16 // len(X))
    for first in range(0, X.shape[1], size):
        columns = X[:, first : first + size]
        room = (y[:, None] - columns).min(axis=0)
        bound = max(bound, float(columns.max()), float(room.max()))
    return bound if bound > 0 else 1.0


def _listed(entries):
    """Return the first entries as text."""
    shown = ", ".join(map(str, entries[:_LISTED]))
    n_more = len(entries) - _LISTED
    return f"{shown} and {n_more} more" if n_more > 0 else shown


def _warn_of_data(X, y):
    n_rows, n_columns = X.shape
    if n_rows < n_columns:
        warn_user(
            f"{n_rows} samples with a positive weight for {n_columns} features: the "
            "decoded vector need not be unique.",
        )
    n_negative = np.count_nonzero(y < 0)
    if n_negative:
        warn_user(
            f"y has {n_negative} negative entries, which no vector is encoded as "
            "without noise.",
        )


def _warn_of_units(unidentified):
    if len(unidentified):
        warn_user(
            "The codes do not determine these entries of coef_: "
            f"{_listed(unidentified)}. Their units are active on no sample, or on the "
            "same samples as another one, of which only the sum is determined.",
        )


def _warn_of_box(problem, at, found, theta, *, centered):
    """Warn if a fit that is not exact presses against the box."""
    if found.is_exact:
        return
    gradient = at.centered_gradient if centered else at.gradient
    loss = at.centered_loss if centered else at.loss
    # The other units take up a constant, so that slopes vary about their mean; those
    # of a unit that is active on all rows do not.
    varies = at.activity < 1 - 1e-12
    variance = np.where(varies, at.activity * (1 - at.activity), 1.0)
    error = np.sqrt(2 * loss * variance * np.sum(problem.shares**2))
    outward = -np.sign(found.w) * gradient
    pressed = np.flatnonzero((np.abs(found.w) >= theta) & (outward > _DOUBT * error))
    if len(pressed):
        warn_user(
            f"The loss {at.loss:.3g} is not zero and falls beyond the box of "
            f"theta={theta:g}, by more than {_DOUBT:g} standard errors, in the "
            f"entries {_listed(pressed)}. Pass a larger theta if the vector may be "
            "larger; otherwise this may be a local minimum, see n_restarts.",
        )
