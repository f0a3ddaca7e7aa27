"""Convex losses of a network's output: value, gradient, conjugate, smoothness.

A loss is a sum over samples, as in the papers, not a mean, and an output intercept is
minimised out::

    L(z) = min over c of sum_i s_i * l(z_i + c, y_i) + constant

where c is fixed at 0 without an intercept. Outputs `z` have the shape of the targets,
(n,) or (n, q), or one more axis for several outputs at once; values then come back
with the shape of that axis.

A dual point v is minus the gradient of L. For v with ``abs(v' phi) <= beta`` over the
atoms phi, and sum 0 where an intercept is fitted, ``-L*(-v)`` is a lower bound on the
optimum (three-layer paper, eq. 3 and 6).
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, xlogy

__all__ = [
    "LOSSES",
    "HingeLoss",
    "HuberLoss",
    "LogisticLoss",
    "MultinomialLoss",
    "SquaredHingeLoss",
    "SquaredLoss",
]

#: Most steps to the intercept, and the slope there as a share of the weights.
_INTERCEPT_STEPS, _FLAT = 100, 1e-13

#: Largest change of an intercept in a step towards softmax probabilities.
_LONGEST_STEP = 10.0

#: Curvature of a quadratic model, at least, as a share of the largest possible or of 1.
_LEAST_CURVATURE = 1e-3

#: How far rounding may take a dual point out of the domain of the conjugate.
_ROUNDING = 1e-9


class Loss:
    """What all losses share.

    Parameters
    ----------
    y : ndarray of shape (n,) or (n, q)
        Targets.
    weights : ndarray of shape (n,)
        Positive sample weights s.
    intercept : bool
        Whether the constant c, one for each of the q outputs, is free and unpenalised.
    constant : float, default=0.0
        Added to every value; no network changes it.
    """

    #: Whether the loss is half a weighted sum of squares.
    is_quadratic = False

    #: Whether the targets are labels, which have no units.
    has_labels = False

    #: Whether the loss itself has a gradient everywhere.
    is_smooth = True

    def __init__(self, y, weights, *, intercept, constant=0.0):
        self.y = y
        self.weights = weights
        self.intercept = intercept
        self.constant = constant
        self._total = float(weights.sum())

    def evaluate(self, z, near=None):
        """Return value, dual point and intercept at one output.

        `near` is an intercept to start from where it takes a search.
        """
        offset = self.offset(z, near)
        return self._value_at(z, offset), self._dual_point_at(z, offset), offset

    def value(self, z):
        """Return L(z), a float for one output and an array for several."""
        return self._value_at(z, self.offset(z))

    def dual_point(self, z):
        """Return minus the gradient of L at z; it sums to 0 with an intercept."""
        return self._dual_point_at(z, self.offset(z))

    def smoothed(self, width):
        """Return a smooth loss near this one: itself, if it is smooth."""
        return self

    def best_scale(self, v, limit):
        """Return the t in [0, limit] that maximises ``dual_value(t * v)``."""
        limit = min(limit, self._largest_scale(v))
        if not limit > 0:
            return 0.0
        if not np.isfinite(limit):
            # Beyond twice the scale of a gradient every dual falls.
            limit = 2.0
        found = minimize_scalar(
            lambda t: -self.dual_value(t * v),
            bounds=(0.0, limit),
            method="bounded",
            options={"xatol": 1e-9 * limit},
        ).x
        return max((float(found), limit), key=lambda t: self.dual_value(t * v))


class SquaredLoss(Loss):
    """Half the weighted sum of squares: ``l(f, y) = norm2(f - y)^2 / 2``.

    See :class:`~convexnn.losses.Loss` for the parameters. Everything is in closed
    form.
    """

    is_quadratic = True

    def majorizer(self):
        """Return a squared loss whose curvature is nowhere below this one's."""
        return self

    def centre(self, z):
        """Return z less its weighted mean when an intercept is fitted, else z."""
        return z - self._mean(z) if self.intercept else z

    def offset(self, z, near=None):
        """Return the intercept c that minimises the loss at the output z."""
        if self.intercept:
            return self._mean(self.y - z)
        return 0.0 if self.y.ndim == 1 else np.zeros(self.y.shape[1])

    def value(self, z):
        """Return L(z), a float for one output and an array for several."""
        squares = self.centre(_beside(self.y, z) - z) ** 2
        if self.y.ndim == 2:
            squares = squares.sum(axis=1)
        return 0.5 * (self.weights @ squares) + self.constant

    def dual_point(self, z):
        """Return minus the gradient of L at z; it sums to 0 with an intercept."""
        return _beside(self.weights, z) * self.centre(self.y - z)

    def evaluate(self, z, near=None):
        """Return value, dual point and intercept at one output."""
        return self.value(z), self.dual_point(z), None

    def dual_value(self, v):
        """Return ``-L*(-v)``, the dual objective of a dual point v."""
        inner, square = float(np.vdot(v, self.y)), self._square(v)
        return inner - 0.5 * square + self.constant

    def best_scale(self, v, limit):
        """Return the t in [0, limit] that maximises ``dual_value(t * v)``."""
        norm = self._square(v)
        return (
            float(np.clip(np.vdot(v, self.y) / norm, 0.0, limit)) if norm > 0 else 0.0
        )

    @property
    def smoothness(self):
        """Lipschitz constant of the gradient."""
        return float(self.weights.max())

    def _square(self, v):
        return float(np.sum(v**2 / _beside(self.weights, v)))

    def _mean(self, z):
        if z.ndim < 3:
            return self.weights @ z / self._total
        return np.tensordot(self.weights, z, axes=1) / self._total


class OutputwiseSquaredLoss(SquaredLoss):
    """Half the weighted sum of squares, with weights of shape (n, q)."""

    def value(self, z):
        """Return L(z), a float for one output and an array for several."""
        squares = self.centre(_beside(self.y, z) - z) ** 2
        total = np.sum(_beside(self.weights, z) * squares, axis=(0, 1))
        return 0.5 * total + self.constant

    def _mean(self, z):
        weights = _beside(self.weights, z)
        return np.sum(weights * z, axis=0) / weights.sum(axis=0)


class SmoothLoss(Loss):
    """Losses that are a sum of a function of each output, with a search for c.

    Several outputs are those of as many problems that share their samples: targets of
    shape (n, q) have the sum over their columns as loss. Subclasses have
    ``_values(f, y)``, ``_slopes(f, y)``, ``_curvatures(f, y)``, ``_duals(v, y)`` and
    ``_bracket(f, y)``, entry by entry, and `_largest_curvature`.
    """

    _largest_curvature = 1.0

    def offset(self, z, near=None):
        """Return the intercept c that minimises the loss at the output z."""
        shape = z.shape[1:]
        if not self.intercept:
            return np.zeros(shape) if shape else 0.0
        f, y = self._columns(z)
        start = np.zeros(f.shape[1]) if near is None else np.reshape(near, -1)
        found = self._search(f, y, start)
        return found.reshape(shape) if shape else float(found[0])

    def dual_value(self, v):
        """Return ``-L*(-v)``, the dual objective of a dual point v.

        It is minus infinity outside the domain of the conjugate.
        """
        weights = _beside(self.weights, v)
        duals = self._duals(v / weights, self.y)
        return float(np.sum(weights * duals)) + self.constant

    def quadratic_model(self, z):
        """Return the squared loss that agrees with this one at z to second order.

        Curvatures below a thousandth of the largest possible one are raised to that.
        """
        offset = self.offset(z)
        f, y = self._columns(z + offset)
        curvatures = self._curvatures(f, y).max(axis=1)
        return self._model(z, offset, curvatures)

    def outputwise_model(self, z):
        """Return the same for several outputs with a curvature for each of them."""
        offset = self.offset(z)
        return self._model(z, offset, self._curvatures(*self._columns(z + offset)))

    @property
    def smoothness(self):
        """Lipschitz constant of the gradient."""
        return self._largest_curvature * float(self.weights.max())

    def majorizer(self):
        """Return a squared loss whose curvature is nowhere below this one's."""
        weights = self._largest_curvature * self.weights
        return SquaredLoss(self.y, weights, intercept=False)

    def _model(self, z, offset, curvatures):
        floor = _LEAST_CURVATURE * min(self._largest_curvature, 1.0)
        curvatures = np.maximum(curvatures, floor)
        weights = _beside(self.weights, curvatures) * curvatures
        v = self._dual_point_at(z, offset)
        steps = v / _beside(weights, v)
        gain = 0.5 * float(np.sum(v * steps))
        constant = float(self._value_at(z, offset)) - gain
        kind = SquaredLoss if weights.ndim == 1 else OutputwiseSquaredLoss
        return kind(
            z + offset + steps, weights, intercept=self.intercept, constant=constant
        )

    def _value_at(self, z, offset):
        f, y = self._columns(z + offset)
        values = self.weights @ self._values(f, y)
        values = values.reshape(z.shape[1:])
        if self.y.ndim == 2:
            values = values.sum(axis=0)
        return values + self.constant

    def _dual_point_at(self, z, offset):
        f, y = self._columns(z + offset)
        slopes = self._slopes(f, y).reshape(z.shape)
        return -_beside(self.weights, slopes) * slopes

    def _columns(self, z):
        """Return outputs and targets as matrices of the same shape."""
        f = np.asarray(z, dtype=np.float64).reshape(len(z), -1)
        y = self.y.reshape(len(z), -1)
        return f, np.repeat(y, f.shape[1] // y.shape[1], axis=1)

    def _search(self, f, y, c):
        """Return the zero of the slope of each column, by Newton steps in a bracket."""
        low, high = self._bracket(f, y)
        c = np.clip(c, low, high)
        step = high - low
        for _ in range(_INTERCEPT_STEPS):
            slope = self.weights @ self._slopes(f + c, y)
            curvature = self.weights @ self._curvatures(f + c, y)
            low, high = np.where(slope < 0, c, low), np.where(slope > 0, c, high)
            done = (np.abs(slope) <= _FLAT * self._total) | (high - low <= 1e-15)
            if done.all():
                break
            with np.errstate(divide="ignore", invalid="ignore"):
                newton = c - slope / curvature
            # Steps that do not halve, or leave the bracket, give way to bisection.
            trusted = (newton > low) & (newton < high)
            trusted &= np.abs(newton - c) <= 0.5 * step
            following = np.where(trusted, newton, 0.5 * (low + high))
            following = np.where(done, c, following)
            step, c = np.abs(following - c), following
        return c

    def _largest_scale(self, v):
        """Return the t up to which ``t * v`` is in the domain of the conjugate."""
        return np.inf


class HuberLoss(SmoothLoss):
    """Squares with straight lines beyond a residual of epsilon.

    For ``r = abs(f - y)`` it is ``r^2 / 2`` up to epsilon, then
    ``epsilon * (r - epsilon / 2)``.

    Parameters
    ----------
    y, weights, intercept, constant
        Of :class:`~convexnn.losses.Loss`.
    epsilon : float, default=1.35
        Residual from which on the loss is linear.
    """

    def __init__(self, y, weights, *, intercept, constant=0.0, epsilon=1.35):
        super().__init__(y, weights, intercept=intercept, constant=constant)
        self.epsilon = epsilon

    def _values(self, f, y):
        size = np.abs(f - y)
        near = np.minimum(size, self.epsilon)
        return near * (size - 0.5 * near)

    def _slopes(self, f, y):
        return np.clip(f - y, -self.epsilon, self.epsilon)

    def _curvatures(self, f, y):
        return (np.abs(f - y) <= self.epsilon).astype(float)

    def _duals(self, v, y):
        inside = np.abs(v) <= self.epsilon * (1 + _ROUNDING)
        return np.where(inside, v * y - 0.5 * v**2, -np.inf)

    def _largest_scale(self, v):
        largest = float(np.max(np.abs(v) / _beside(self.weights, v)))
        return self.epsilon / largest if largest > 0 else np.inf

    def _bracket(self, f, y):
        return np.min(y - f, axis=0), np.max(y - f, axis=0)


class MarginLoss(SmoothLoss):
    """Losses of the margin ``m = y f`` of labels y of -1 and 1."""

    has_labels = True

    #: Largest slope, in magnitude.
    _most = np.inf

    def _values(self, f, y):
        return self._of_margins(y * f)

    def _slopes(self, f, y):
        return y * self._slopes_of_margins(y * f)

    def _duals(self, v, y):
        shares = y * v
        inside = (shares >= -_ROUNDING) & (shares <= self._most + _ROUNDING)
        duals = self._duals_of_shares(np.clip(shares, 0.0, self._most))
        return np.where(inside, duals, -np.inf)

    def _largest_scale(self, v):
        largest = float(np.max(self.y * v / _beside(self.weights, v)))
        return self._most / largest if largest > 0 else np.inf

    def _bracket(self, f, y):
        return np.min(-1 - f, axis=0), np.max(1 - f, axis=0)


class LogisticLoss(MarginLoss):
    """Logistic loss of labels y of -1 and 1: ``log(1 + exp(-y f))``."""

    _largest_curvature = 0.25
    _most = 1.0

    def _of_margins(self, m):
        return np.logaddexp(0.0, -m)

    def _slopes_of_margins(self, m):
        return -expit(-m)

    def _curvatures(self, f, y):
        share = expit(f)
        return share * (1 - share)

    def _duals_of_shares(self, a):
        return -xlogy(a, a) - xlogy(1 - a, 1 - a)

    def _bracket(self, f, y):
        with np.errstate(divide="ignore"):
            odds = np.log(self.weights @ (y > 0)) - np.log(self.weights @ (y < 0))
        return np.min(-f, axis=0) + odds, np.max(-f, axis=0) + odds


class SquaredHingeLoss(MarginLoss):
    """Half the squared hinge of labels y of -1 and 1: ``max(0, 1 - y f)^2 / 2``."""

    def _of_margins(self, m):
        return 0.5 * np.maximum(1 - m, 0) ** 2

    def _slopes_of_margins(self, m):
        return -np.maximum(1 - m, 0)

    def _curvatures(self, f, y):
        return (y * f < 1).astype(float)

    def _duals_of_shares(self, a):
        return a - 0.5 * a**2


class RoundedHingeLoss(MarginLoss):
    """Hinge with a parabola in place of its kink, over margins 1 - width to 1."""

    _most = 1.0

    def __init__(self, y, weights, *, intercept, constant=0.0, width=1e-3):
        super().__init__(y, weights, intercept=intercept, constant=constant)
        self.width = width

    @property
    def _largest_curvature(self):
        return 1 / self.width

    def _of_margins(self, m):
        short = np.clip(1 - m, 0, self.width)
        return np.maximum(1 - m - self.width, 0) + short**2 / (2 * self.width)

    def _slopes_of_margins(self, m):
        return -np.clip((1 - m) / self.width, 0, 1)

    def _curvatures(self, f, y):
        m = y * f
        return ((m < 1) & (m > 1 - self.width)) / self.width

    def _duals_of_shares(self, a):
        return a - 0.5 * self.width * a**2


class HingeLoss(RoundedHingeLoss):
    """Hinge of labels y of -1 and 1: ``max(0, 1 - y f)``.

    Its value and conjugate are exact. As the kink has no gradient, the dual point and
    the intercept are those of the hinge with a parabola over a thousandth of the margin
    in place of the kink: a dual point is feasible for the hinge too, and the value is
    that at this intercept.
    """

    is_smooth = False

    def smoothed(self, width):
        """Return the hinge rounded over a width, at least a thousandth."""
        return RoundedHingeLoss(
            self.y,
            self.weights,
            intercept=self.intercept,
            constant=self.constant,
            width=max(width, self.width),
        )

    def _of_margins(self, m):
        return np.maximum(1 - m, 0)

    def _duals_of_shares(self, a):
        return a


class MultinomialLoss(SmoothLoss):
    """Cross entropy of softmax probabilities: ``logsumexp(f) - f_y``.

    Parameters
    ----------
    y : ndarray of shape (n, q)
        One in the column of each sample's class, else zero. Every class occurs.
    weights, intercept, constant
        Of :class:`~convexnn.losses.Loss`. The intercepts sum to 0.
    """

    has_labels = True
    _largest_curvature = 0.5

    def offset(self, z, near=None):
        """Return the intercepts c that minimise the loss at the output z."""
        if not self.intercept:
            return np.zeros(z.shape[1:])
        z = np.asarray(z, dtype=np.float64)
        if z.ndim == 2:
            start = np.zeros(z.shape[1]) if near is None else near
            return self._minimise(z, start)
        offsets, start = np.empty(z.shape[1:]), np.zeros(z.shape[1])
        for k in range(z.shape[2]):
            start = offsets[:, k] = self._minimise(z[:, :, k], start)
        return offsets

    def dual_value(self, v):
        """Return ``-L*(-v)``: the entropy of the probabilities that v stands for."""
        shares = self.y - v / self.weights[:, None]
        if max(-shares.min(), np.abs(shares.sum(axis=1) - 1).max()) > _ROUNDING:
            return -np.inf
        shares = np.maximum(shares, 0.0)
        return float(-self.weights @ xlogy(shares, shares).sum(axis=1)) + self.constant

    def quadratic_model(self, z):
        """Return a squared loss that agrees with this one at z in value and gradient.

        Its curvature, the same for all outputs of a sample, is a bound on the largest
        eigenvalue of the loss's.
        """
        offset = self.offset(z)
        return self._model(z, offset, self._bounds(z + offset).max(axis=1))

    def outputwise_model(self, z):
        """Return the same with a curvature for each output, nowhere below the loss's.

        The sums of the sizes of the rows of the loss's Hessian are such curvatures.
        """
        offset = self.offset(z)
        return self._model(z, offset, self._bounds(z + offset))

    def evaluate(self, z, near=None):
        """Return value, dual point and intercepts at one output."""
        offset = self.offset(z, near)
        value, shares = self._value_and_shares(z + offset)
        return value, self.weights[:, None] * (self.y - shares), offset

    def _value_at(self, z, offset):
        return self._value_and_shares(z + offset)[0]

    def _dual_point_at(self, z, offset):
        shares = self._value_and_shares(z + offset)[1]
        return self.weights[:, None] * (self.y - shares)

    def _bounds(self, f):
        shares = self._value_and_shares(f)[1]
        return 2 * shares * (1 - shares)

    def _value_and_shares(self, f):
        """Return the loss of outputs and their softmax probabilities."""
        f = np.asarray(f, dtype=np.float64)
        shares = f - f.max(axis=1, keepdims=True)
        chosen = np.sum(shares * _beside(self.y, f), axis=1)
        np.exp(shares, out=shares)
        totals = shares.sum(axis=1, keepdims=True)
        shares /= totals
        losses = np.log(totals[:, 0]) - chosen
        return self.weights @ losses + self.constant, shares

    def _largest_scale(self, v):
        shares = (v / self.weights[:, None] * self.y).max()
        return 1 / float(shares) if shares > 0 else np.inf

    def _minimise(self, z, c):
        """Return the best intercepts by Newton steps, shortened until they gain."""
        wanted = self.weights @ self.y
        value, shares = self._value_and_shares(z + c)
        for _ in range(_INTERCEPT_STEPS):
            weighted = self.weights[:, None] * shares
            sums = weighted.sum(axis=0)
            slope = sums - wanted
            if np.abs(slope).max() <= _FLAT * self._total:
                break
            hessian = np.diag(sums) - weighted.T @ shares
            # The intercepts of sum zero are those that the loss tells apart; where all
            # shares are near 0 or 1 the steps are kept in bounds.
            hessian += self._total / len(c) ** 2
            hessian[np.diag_indices_from(hessian)] += 1e-12 * self._total
            step = np.linalg.solve(hessian, -slope)
            step *= min(1.0, _LONGEST_STEP / np.abs(step).max())
            length = 1.0
            reached, shares = self._value_and_shares(z + (c + step))
            # The last steps change the value by less than its rounding.
            allowed = value + 1e-13 * max(abs(value), 1.0)
            while reached > allowed and length > 1e-10:
                length *= 0.5
                reached, shares = self._value_and_shares(z + (c + length * step))
            if reached > allowed:
                break
            c, value = c + length * step, reached
        return c


#: Losses by their names.
LOSSES = {
    "squared": SquaredLoss,
    "huber": HuberLoss,
    "log_loss": LogisticLoss,
    "multinomial": MultinomialLoss,
    "squared_hinge": SquaredHingeLoss,
    "hinge": HingeLoss,
}


def _beside(values, other):
    """Return values of the samples with as many axes as some other array has."""
    return values.reshape(values.shape + (1,) * (other.ndim - values.ndim))
