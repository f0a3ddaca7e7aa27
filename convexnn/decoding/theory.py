"""What the distribution of the probes promises for decoding by centred descent."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array

__all__ = ["TailQuantities", "tail_quantities"]


@dataclass(frozen=True)
class TailQuantities:
    r"""Critical quantities of a distribution and what they promise.

    Attributes
    ----------
    T : float
        :math:`T(\theta) = P(X \ge \theta)\, P(X < -\theta)`.
    S : float
        :math:`S(\theta) = \sup_{|\gamma| \le \theta} P(X \ge \gamma)\, P(X < \gamma)`.
    """

    T: float
    S: float

    @property
    def rate(self) -> float:
        """Factor 1 - (T / (3 S))² of the squared error in each iteration; 1 at T = 0.

        Promised by Theorem 3.1 at `learning_rate`, for batches large enough.
        """
        return 1.0 - (self.T / (3.0 * self.S)) ** 2 if self.T > 0 else 1.0

    @property
    def learning_rate(self) -> float:
        """Step 2 T / (9 S²) of Theorem 3.1; 0 at T = 0."""
        return 2.0 * self.T / (9.0 * self.S**2) if self.T > 0 else 0.0


def tail_quantities(
    X: ArrayLike, theta: float, *, sample_weight: ArrayLike | None = None
) -> TailQuantities:
    r"""Return T(theta), S(theta), the step and the rate of Theorem 3.1 in [1]_.

    The entries of `X` are taken for draws of one random variable, whose distribution is
    the empirical one: probabilities are shares of the entries.

    The paper prints :math:`P(X \ge \gamma) P(X < -\gamma)` in the definition of S. That
    exceeds its own bound 1/4: it tends to 1 at :math:`\gamma = -\theta` for large
    :math:`\theta`. What bounds the covariances of Lemma 3.3 from above is
    :math:`P(X \ge \gamma) P(X < \gamma)`, which is used here. It keeps
    :math:`T \le S \le 1/4`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Probes, dense and finite.
    theta : float
        Half-width of the box, in (0, inf).
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights of the rows, not all zero.

    Returns
    -------
    TailQuantities
        `T`, `S`, `learning_rate` and `rate`.

    Raises
    ------
    ValueError
        If an argument is not as described.

    References
    ----------
    .. [1] S. Oymak and M. S. Asif, "Exactly Decoding a Vector through ReLU
       Activation", Definition 2.1 and Theorem 3.1.

    Examples
    --------
    >>> from convexnn.decoding import tail_quantities
    >>> found = tail_quantities([[-2.0, -1.0, 0.5, 3.0]], theta=1.0)
    >>> found.T, found.S
    (0.0625, 0.25)
    >>> found.learning_rate, round(found.rate, 4)
    (0.2222222222222222, 0.9931)
    """
    probes: np.ndarray = check_array(X, dtype=[np.float64, np.float32], input_name="X")
    is_number = isinstance(theta, Real) and not isinstance(theta, bool)
    if not (is_number and 0 < theta < np.inf):
        raise ValueError(f"theta must be a float in (0, inf), got {theta!r}.")
    values, shares = _distribution(probes, _checked_weights(sample_weight, probes))
    # Share of the entries that are >= each distinct value, and then of none.
    at_least = np.append(np.cumsum(shares[::-1])[::-1] / shares.sum(), 0.0)
    first, last = np.searchsorted(values, [-theta, theta])
    # P(X >= gamma) is at_least[k] for gamma in (values[k - 1], values[k]].
    middle = at_least[first : last + 1]
    return TailQuantities(
        T=float(at_least[last] * (1.0 - at_least[first])),
        S=float(np.max(middle * (1.0 - middle))),
    )


def _checked_weights(sample_weight: ArrayLike | None, X: np.ndarray) -> np.ndarray:
    """Return the weights of the rows as an array."""
    if sample_weight is None:
        return np.ones(len(X))
    weights = check_array(
        sample_weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight"
    )
    if weights.shape != (len(X),) or weights.min() < 0 or not weights.any():
        raise ValueError(
            f"sample_weight must have shape ({len(X)},) and non-negative entries, not "
            f"all zero; got shape {weights.shape} with entries from "
            f"{weights.min():g} to {weights.max():g}."
        )
    return weights


def _distribution(X: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct entries in ascending order and the weight of each."""
    values, where = np.unique(X, return_inverse=True)
    return values, np.bincount(
        where.ravel(), np.broadcast_to(weights[:, None], X.shape).ravel()
    )
