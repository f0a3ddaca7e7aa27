"""Random units that descents start from, and how many of them."""

from __future__ import annotations

import numpy as np

from .descent import Units

__all__ = ["draw_units", "first_width", "random_units", "wider_widths"]

#: Units of the narrowest random start, and how much wider each further one is.
_NARROWEST, _WIDENING = 50, 4

#: Units of the widest first start.
_WIDEST_FIRST = 400

#: Share of the price of the zero network from which narrow starts do.
_MANY = 0.1


def draw_units(architecture, X, loss, m, random_state):
    """Return Gaussian directions of norm 1, and alternating signs or random heads.

    The parameters are those of :func:`random_units`.
    """
    directions = random_state.standard_normal((X.shape[1], m))
    directions /= np.linalg.norm(directions, axis=0)
    return directions, architecture.random_heads(m, loss.y, random_state)


def random_units(architecture, X, loss, beta, m, random_state):
    """Return balanced Gaussian units of alternating sign or random heads.

    Parameters
    ----------
    architecture : object
        With ``atoms`` and ``random_heads``, see :mod:`convexnn.architectures`.
    X : ndarray of shape (n, d)
        Inputs.
    loss : object
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty.
    m : int
        Number of units.
    random_state : numpy.random.RandomState
        Source of directions and heads.

    Returns
    -------
    Units
        Their penalty and their output are small beside the loss of the zero network.
    """
    start = float(loss.value(np.zeros_like(loss.y)))
    directions, heads = draw_units(architecture, X, loss, m, random_state)
    size = 0.1 * start / (beta * m)
    atoms = architecture.atoms(X, directions)
    atoms *= atoms
    spread = np.mean(loss.weights @ atoms)
    size = min(size, np.sqrt(0.1 * start / max(m * spread, 1e-300)))
    # A loss of zero has no scale.
    return Units.from_groups(directions * (size or 1.0), heads)


def first_width(price_at_zero, beta, n):
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


def wider_widths(price_at_zero, beta, n, first, most=None):
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
