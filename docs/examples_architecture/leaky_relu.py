"""Leaky ReLU networks: units ``max(x'u, 0.1 x'u) a``."""

from convexnn.architectures import ARCHITECTURES, OneLayer


class LeakyReLU(OneLayer):
    """Units of slope 1 above zero and of slope 0.1 below.

    In a cell with pattern D a unit is ``(0.1 I + 0.9 D) X u``, and the cones are those
    of rectifiers, so that the program is a group lasso over the same cells.
    """

    words = "activation='leaky_relu'"
    slopes = (0.1, 1.0)


ARCHITECTURES["leaky_relu"] = LeakyReLU()
