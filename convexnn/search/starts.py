"""How many random units descents start from."""

from __future__ import annotations

import numpy as np

__all__ = ["first_width", "wider_widths"]

#: Units of the narrowest random start, and how much wider each further one is.
_NARROWEST, _WIDENING = 50, 4

#: Units of the widest first start.
_WIDEST_FIRST = 400

#: Share of the price of the zero network from which narrow starts do.
_MANY = 0.1


def first_width(price_at_zero: float, beta: float, n: int) -> int:
    """Return the number of units to begin with: more for smaller penalties.

    Parameters
    ----------
    price_at_zero : float
        Smallest penalty that silences the network.
    beta : float
        Penalty.
    n : int
        Number of samples; no more than two units for each.
    """
    growth = max(_MANY * price_at_zero / beta, 1.0)
    width = min(int(_NARROWEST * np.sqrt(growth)), _WIDEST_FIRST)
    return max(min(width, 2 * n), 1)


def wider_widths(
    price_at_zero: float, beta: float, n: int, first: int, most: int | None = None
) -> list[int]:
    """Return the widths of further starts, in ascending order.

    Networks that are narrow for their penalty end in poor local minima, and units that
    are added later cannot make up for it.

    Parameters
    ----------
    price_at_zero, beta, n
        Of :func:`first_width`.
    first : int
        Width of the first start.
    most : int, default=None
        Largest width, in place of the one that grows about as beta shrinks.
    """
    growth = max(_MANY * price_at_zero / beta, 1.0) ** 0.9
    widest = min(int(_NARROWEST * growth), 2 * n) if most is None else most
    widths = [widest]
    while widths[0] > 1.5 * _WIDENING * first:
        widths.insert(0, widths[0] // _WIDENING)
    return [width for width in widths if width > 1.5 * first]
