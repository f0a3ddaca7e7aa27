"""The encoder that adds a vector to a probe and sums the positive entries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

__all__ = ["DecodingProblem", "Evaluation", "Slopes", "encode"]

#: Entries of a block of rows: the three arrays of a block stay in the cache.
_BLOCK = 2**16

#: Rows whose counts are exact in single precision.
_EXACT_COUNTS = 2**24


def encode(X: np.ndarray, w: np.ndarray) -> np.ndarray:
    r"""Return :math:`f(x_i; w) = \sum_k \max(w_k + x_{ik}, 0)` for every row.

    Equation (1) of [1]_.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Probes, float32 or float64.
    w : ndarray of shape (n_features,)
        The vector to encode.

    Returns
    -------
    ndarray of shape (n_samples,)
        Codes, summed in float64 whatever the precision of `X`.

    References
    ----------
    .. [1] S. Oymak and M. S. Asif, "Exactly Decoding a Vector through ReLU
       Activation".

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.decoding import encode
    >>> encode(np.array([[1.0, -2.0], [3.0, 0.5]]), np.array([0.5, 1.0])).tolist()
    [1.5, 5.0]
    """
    codes = np.empty(len(X))
    ones = np.ones(X.shape[1])
    for rows, shifted in _shifted_blocks(X, w):
        np.maximum(shifted, 0, out=shifted)
        np.matmul(shifted, ones, out=codes[rows])
    return codes


def _shifted_blocks(X: np.ndarray, w: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of rows with X + w on them, in one array that is used again."""
    n_rows, n_columns = X.shape
    size = max(1, _BLOCK // max(n_columns, 1))
    buffer = np.empty((min(size, n_rows), n_columns))
    for first in range(0, n_rows, size):
        rows = slice(first, min(first + size, n_rows))
        yield rows, np.add(X[rows], w, out=buffer[: rows.stop - first])


@dataclass(frozen=True)
class Evaluation:
    r"""What one pass over the rows tells about a vector w.

    Attributes
    ----------
    residual : ndarray of shape (n_samples,)
        :math:`r_i = f(x_i; w) - y_i`.
    loss : float
        :math:`\frac12 \sum_i p_i r_i^2` with weights that add up to one: loss (2).
    gradient : ndarray of shape (n_features,)
        :math:`\sum_i p_i r_i 1[w + x_i \ge 0]`, the gradient of the loss.
    mean : float
        Mean residual :math:`\bar r = \sum_i p_i r_i`.
    activity : ndarray of shape (n_features,)
        Weighted share of the rows on which each unit is active.
    """

    residual: np.ndarray
    loss: float
    gradient: np.ndarray
    mean: float
    activity: np.ndarray

    @property
    def centered_loss(self) -> float:
        """Half the weighted variance of the residuals."""
        return max(self.loss - 0.5 * self.mean**2, 0.0)

    @property
    def centered_gradient(self) -> np.ndarray:
        """Gradient (4) of the paper, which is that of `centered_loss`."""
        return self.gradient - self.mean * self.activity


class DecodingProblem:
    r"""Least squares over the vector that an encoder was given.

    The loss (2) is :math:`\frac12 \sum_i p_i (f(x_i; w) - y_i)^2` with weights
    :math:`p_i` that add up to one.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Probes, float32 or float64; kept without a copy.
    y : ndarray of shape (n_samples,)
        Codes.
    weights : ndarray of shape (n_samples,), default=None
        Non-negative weights of the rows, all one by default.

    Attributes
    ----------
    shares : ndarray of shape (n_samples,)
        The weights divided by their sum.
    is_uniform : bool
        Whether all of them are equal.
    scale : float
        Weighted standard deviation of `y`; its root mean square if that is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.decoding import DecodingProblem
    >>> problem = DecodingProblem(np.array([[1.0], [-1.0]]), np.array([3.0, 0.0]))
    >>> at = problem.evaluate(np.array([0.0]))
    >>> at.residual.tolist(), at.loss, at.gradient.tolist(), at.activity.tolist()
    ([-2.0, 0.0], 1.0, [-1.0], [0.5])
    """

    def __init__(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None
    ) -> None:
        self.X, self.y = X, y
        weights = np.ones(len(y)) if weights is None else weights
        self.shares = weights / weights.sum()
        self.is_uniform = bool(np.ptp(weights) == 0)
        mean = self.shares @ y
        spread = np.sqrt(self.shares @ (y - mean) ** 2)
        # Rounding leaves a constant y with a spread of its last digits.
        is_constant = spread <= 8 * np.finfo(float).eps * abs(mean)
        self.scale = float(abs(mean) if is_constant else spread)

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of rows and of entries of w."""
        return self.X.shape

    def evaluate(self, w: np.ndarray, slopes: Slopes | None = None) -> Evaluation:
        """Return residuals, loss and gradients at `w`.

        Parameters
        ----------
        w : ndarray of shape (n_features,)
            Where.
        slopes : Slopes, default=None
            If given, is overwritten with the slopes at `w`.

        Returns
        -------
        Evaluation
            What was computed.
        """
        residual = np.empty(len(self.y))
        sums = np.zeros((2, len(w)))
        ones = np.ones(len(w))
        active = np.empty((0, len(w)))
        for rows, shifted in _shifted_blocks(self.X, w):
            size = len(shifted)
            if len(active) < size:
                active, factors = np.empty_like(shifted), np.empty((2, size))
            np.greater_equal(shifted, 0, out=active[:size])
            np.maximum(shifted, 0, out=shifted)
            residual[rows] = shifted @ ones - self.y[rows]
            factors[0, :size] = self.shares[rows] * residual[rows]
            factors[1, :size] = self.shares[rows]
            sums += factors[:, :size] @ active[:size]
            if slopes is not None:
                slopes.array[rows] = active[:size]
        weighted = self.shares * residual
        return Evaluation(
            residual, 0.5 * float(weighted @ residual), sums[0], weighted.sum(), sums[1]
        )

    def slopes(self, w: np.ndarray | None = None) -> Slopes:
        """Return the slopes at `w`, or room for slopes if it is None."""
        slopes = Slopes(self)
        if w is not None:
            slopes.fill(w)
        return slopes

    def best_cell(
        self, w: np.ndarray, at: Evaluation, slopes: Slopes
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r"""Return the cell beside `w` into which the loss falls, and its slopes.

        Cells, on which all slopes are constant, are boxes: entry k lies between two
        neighbours among the :math:`-x_{ik}`. An entry that equals one of them is on a
        kink of the loss and between two cells. It goes to the side on which the loss
        falls, or stays if there is none.

        Parameters
        ----------
        w : ndarray of shape (n_features,)
            Where.
        at : Evaluation
            What `evaluate` returned there.
        slopes : Slopes
            Has the slopes at `w`, and is overwritten with those of the cell.

        Returns
        -------
        gradient, lower, upper : ndarray of shape (n_features,)
            Gradient of the loss at `w` within the cell, and the cell's bounds.
        """
        ties = np.zeros(len(w))
        lower, upper = np.full(len(w), -np.inf), np.full(len(w), np.inf)
        has_ties = np.zeros(len(w), dtype=bool)
        weighted = self.shares * at.residual
        for rows, shifted in _shifted_blocks(self.X, w):
            kinks = -self.X[rows]
            on_kink = shifted == 0
            ties += weighted[rows] @ on_kink
            has_ties |= on_kink.any(axis=0)
            below = np.where(shifted > 0, kinks, -np.inf)
            np.maximum(lower, below.max(axis=0), out=lower)
            above = np.where(shifted < 0, kinks, np.inf)
            np.minimum(upper, above.min(axis=0), out=upper)
        right, left = at.gradient, at.gradient - ties
        goes_left = has_ties & (left > 0) & (left > -right)
        goes_right = has_ties & (right < 0) & ~goes_left
        stays = has_ties & ~goes_left & ~goes_right
        if goes_left.any():
            for rows, shifted in _shifted_blocks(self.X, w):
                slopes.array[rows] *= ~((shifted == 0) & goes_left)
        return (
            np.where(goes_left, left, right),
            np.where(goes_right | stays, w, lower),
            np.where(goes_left | stays, w, upper),
        )

    def unidentified(self, w: np.ndarray) -> np.ndarray:
        """Return the entries of `w` that the slopes at `w` do not determine.

        Parameters
        ----------
        w : ndarray of shape (n_features,)
            Where.

        Returns
        -------
        ndarray of int
            In ascending order, the units that are active on no row, and those that are
            active on the same rows as another one.
        """
        bits = np.zeros(self.shape, dtype=bool)
        for rows, shifted in _shifted_blocks(self.X, w):
            np.greater_equal(shifted, 0, out=bits[rows])
        patterns = np.packbits(bits, axis=0)
        _, group, size = np.unique(
            patterns.T, axis=0, return_inverse=True, return_counts=True
        )
        return np.flatnonzero((size[group.ravel()] > 1) | ~patterns.any(axis=0))

    def batches(
        self, n_batches: int, random_state: np.random.RandomState
    ) -> list[DecodingProblem]:
        """Return problems over random parts of the rows, equal in size up to one."""
        if n_batches == 1:
            return [self]
        order = random_state.permutation(len(self.y))
        return [
            DecodingProblem(self.X[rows], self.y[rows], self.shares[rows])
            for rows in np.array_split(order, n_batches)
        ]


class Slopes:
    r"""The Jacobian of the codes, :math:`J_{ik} = 1[w_k + x_{ik} \ge 0]`.

    Zeros and ones are exact in single precision, and so are counts of them: half the
    memory and twice the speed of double precision at no loss.

    Parameters
    ----------
    problem : DecodingProblem
        Whose Jacobian it is.

    Attributes
    ----------
    array : ndarray of shape (n_samples, n_features)
        The Jacobian, float32.
    """

    def __init__(self, problem: DecodingProblem) -> None:
        self.problem = problem
        self.array = np.empty(problem.shape, dtype=np.float32)
        self._shares = problem.shares.astype(np.float32)

    def fill(self, w: np.ndarray) -> None:
        """Overwrite the array with the slopes at `w`."""
        for rows, shifted in _shifted_blocks(self.problem.X, w):
            np.greater_equal(shifted, 0, out=self.array[rows])

    def product(self, vector: np.ndarray) -> np.ndarray:
        """Return J' P J v in single precision, P the diagonal of the shares."""
        n_rows, n_columns = self.array.shape
        size = max(1, 2 * _BLOCK // n_columns)
        result = np.zeros(n_columns, dtype=np.float32)
        vector = vector.astype(np.float32, copy=False)
        for first in range(0, n_rows, size):
            rows = slice(first, first + size)
            block = self.array[rows]
            result += (self._shares[rows] * (block @ vector)) @ block
        return result

    def gram(self) -> np.ndarray:
        """Return J' P J in double precision; exact counts if the weights are equal."""
        n_rows, n_columns = self.array.shape
        result = np.zeros((n_columns, n_columns))
        if self.problem.is_uniform:
            for first in range(0, n_rows, _EXACT_COUNTS):
                block = self.array[first : first + _EXACT_COUNTS]
                result += block.T @ block
            return result / n_rows
        size = max(64, 4 * _BLOCK // n_columns)
        for first in range(0, n_rows, size):
            rows = slice(first, first + size)
            block = np.sqrt(self.problem.shares[rows])[:, None] * self.array[rows]
            result += block.T @ block
        return result
