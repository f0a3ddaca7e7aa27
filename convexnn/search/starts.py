"""How many random units descents start from."""

from __future__ import annotations

import numpy as np

from .schedule import Growth

__all__ = ["first_width", "wider_widths"]


def first_width(price_at_zero: float, beta: float, n: int, growth: Growth) -> int:
    """Return the number of units to begin with: more for smaller penalties.

    Parameters
    ----------
    price_at_zero : float
        Smallest penalty that silences the network.
    beta : float
        Penalty.
    n : int
        Number of samples; no more than two units for each.
    growth : Growth
        Numbers of :mod:`convexnn.search.schedule`.
    """
    ratio = max(growth.many * price_at_zero / beta, 1.0)
    width = min(int(growth.narrowest * np.sqrt(ratio)), growth.widest_first)
    return max(min(width, 2 * n), 1)


def wider_widths(
    price_at_zero: float,
    beta: float,
    n: int,
    growth: Growth,
    first: int,
    most: int | None = None,
) -> list[int]:
    """Return the widths of further starts, in ascending order.

    Networks that are narrow for their penalty end in poor local minima, and units that
    are added later cannot make up for it.

    Parameters
    ----------
    price_at_zero, beta, n, growth
        Of :func:`first_width`.
    first : int
        Width of the first start.
    most : int, default=None
        Largest width, in place of the one that grows about as beta shrinks.
    """
    ratio = max(growth.many * price_at_zero / beta, 1.0) ** growth.power
    widest = min(int(growth.narrowest * ratio), 2 * n) if most is None else most
    widths = [widest]
    while widths[0] > growth.apart * growth.widening * first:
        widths.insert(0, widths[0] // growth.widening)
    return [width for width in widths if width > growth.apart * first]
