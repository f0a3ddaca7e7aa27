"""Rigorous bounds on the price of a dual point, looser than what climbing finds."""

from __future__ import annotations

import numpy as np

__all__ = ["relu_price_bound", "three_layer_price_bound"]


def relu_price_bound(
    X: np.ndarray, v: np.ndarray, slopes: tuple[float, float] = (0.0, 1.0)
) -> float:
    r"""Bound ``max abs(v' (X u)_+)`` over the unit ball from above.

    With :math:`(z)_+ = (z + |z|) / 2`, and dropping the rows that can only lower the
    value,

    .. math::

        v^\top (X u)_+ \le \tfrac12 v^\top X u + \tfrac12 \sum_i v_i^+ |x_i^\top u|
        \le \tfrac12 \|X^\top v\|_2 + \tfrac12 \sqrt{\textstyle\sum_i v_i^+}\,
        \sqrt{\lambda_{\max}(X^\top \mathrm{diag}(v^+) X)}

    by the inequality of Cauchy and Schwarz, and the same for -v. It is rigorous and
    loose. Units of other slopes than 0 and 1 have half their sum and their difference
    in place of the two halves.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    v : ndarray of shape (n,)
        Dual point.
    slopes : tuple of float, default=(0.0, 1.0)
        Slopes of a unit on either side of its hyperplane.

    Returns
    -------
    float
        The bound.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.architectures.bounds import relu_price_bound
    >>> X, v = np.eye(2), np.array([1.0, -1.0])
    >>> relu_price_bound(X, v) >= 1.0  # attained at u = (1, 0)
    True
    """
    linear = float(np.linalg.norm(X.T @ v))
    bounds = []
    for positive in (np.maximum(v, 0), np.maximum(-v, 0)):
        largest = np.linalg.eigvalsh((X.T * positive) @ X)[-1]
        bounds.append(np.sqrt(positive.sum() * max(float(largest), 0.0)))
    inactive, active = slopes
    even, odd = abs(active - inactive), abs(active + inactive)
    return 0.5 * (odd * linear + even * float(max(bounds)))


def three_layer_price_bound(X: np.ndarray, v: np.ndarray) -> float:
    r"""Bound ``max abs(v' ((X U)_+ u)_+)`` over the unit balls from above.

    With :math:`w_j = U_j |u_j|`, dropping the rows that can only lower the value and
    then the hidden units of negative weight,

    .. math::

        v^\top \Bigl(\sum_j I_j (X w_j)_+\Bigr)_+
        \le \sum_j (v^+)^\top (X w_j)_+
        \le \max_{\|w\|_2 \le 1} (v^+)^\top (X w)_+,

    which :func:`relu_price_bound` bounds in turn, as does
    :math:`\sqrt{\sum_i v_i^+}\,\sqrt{\lambda_{\max}(X^\top \mathrm{diag}(v^+) X)}`;
    the same for -v. It is rigorous, loose, and holds for any number of hidden units.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    v : ndarray of shape (n,)
        Dual point.

    Returns
    -------
    float
        The bound.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.architectures.bounds import three_layer_price_bound
    >>> three_layer_price_bound(np.eye(2), np.array([1.0, -1.0])) >= 1.0
    True
    """
    bounds = []
    for positive in (np.maximum(v, 0), np.maximum(-v, 0)):
        largest = float(np.linalg.eigvalsh((X.T * positive) @ X)[-1])
        by_cauchy = np.sqrt(positive.sum() * max(largest, 0.0))
        bounds.append(min(by_cauchy, relu_price_bound(X, positive)))
    return float(max(bounds))
