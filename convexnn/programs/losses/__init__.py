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

from .loss import Loss, Offset
from .margins import HingeLoss, LogisticLoss, SquaredHingeLoss
from .smooth import HuberLoss, SmoothLoss
from .softmax import MultinomialLoss
from .squares import SquaredLoss

__all__ = [
    "LOSSES",
    "HingeLoss",
    "HuberLoss",
    "LogisticLoss",
    "Loss",
    "MultinomialLoss",
    "Offset",
    "SmoothLoss",
    "SquaredHingeLoss",
    "SquaredLoss",
]

#: Losses by their names.
LOSSES: dict[str, type[Loss]] = {
    "squared": SquaredLoss,
    "huber": HuberLoss,
    "log_loss": LogisticLoss,
    "multinomial": MultinomialLoss,
    "squared_hinge": SquaredHingeLoss,
    "hinge": HingeLoss,
}
