"""The rectifier and what stands for it while kinks would stall a climb or a descent.

``parabolic`` equals the rectifier beyond its widths, so that maxima that lie in a cell
are maxima still; ``rounded`` has a slope that is nowhere zero, so that weights that
reach no output are still moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

__all__ = [
    "Rectifier",
    "Widths",
    "blocks_of",
    "parabolic",
    "plain",
    "rounded",
    "slopes_of",
    "start_rounded",
]

#: Widths of a smoothing: one for all rectifiers, or one for each.
Widths = float | np.ndarray

#: What gives values and slopes of pre-activations, smoothed to some widths.
Rectifier = Callable[[np.ndarray, Widths | None], tuple[np.ndarray, np.ndarray]]

#: Numbers in a block of pre-activations.
BLOCK = 2**16


def blocks_of(
    n_rows: int, n_columns: int, size: int = BLOCK, least: int = 16
) -> Iterator[slice]:
    """Yield slices of rows whose values in some columns fit a cache.

    Parameters
    ----------
    n_rows, n_columns : int
        Numbers of rows and of columns.
    size : int, default=2**16
        Numbers in a block.
    least : int, default=16
        Fewest rows of a block.
    """
    step = max(size // max(n_columns, 1), least)
    for first in range(0, n_rows, step):
        yield slice(first, first + step)


def plain(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ``max(z, 0)`` and its slope."""
    slope = (z > 0).astype(z.dtype)
    return z * slope, slope


def rounded(
    z: np.ndarray, widths: Widths | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(z + sqrt(z^2 + width^2)) / 2``, a rectifier without widths; its slope.

    Parameters
    ----------
    z : ndarray of shape (n, m)
        Pre-activations.
    widths : float or ndarray of shape (m,), default=None
        Widths of the smoothing; it lies above the rectifier by half of them at most.

    Returns
    -------
    value, slope : ndarray of shape (n, m)
        Values and derivatives.
    """
    if widths is None:
        return plain(z)
    # A layer that is zero everywhere has no spread.
    widths = np.maximum(widths, np.finfo(z.dtype).tiny ** 0.5)
    roots = z * z
    roots += widths * widths
    np.sqrt(roots, out=roots)
    value = z + roots
    value *= 0.5
    return value, value / roots


def parabolic(
    z: np.ndarray, widths: Widths | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a rectifier with a parabola from -width to width, and its slope.

    Between them it is ``(z + width)^2 / (4 width)``, of slope ``(z + width) / (2
    width)``; beyond them, and without widths, it is the rectifier itself. The
    parameters are those of :func:`rounded`.
    """
    if widths is None:
        return plain(z)
    widths = np.maximum(widths, np.finfo(z.dtype).tiny ** 0.5)
    slope = z * (0.5 / widths)
    slope += z.dtype.type(0.5)
    np.clip(slope, 0, 1, out=slope)
    value = z * slope
    value += widths * (slope - slope * slope)
    return value, slope


def start_rounded(
    z: np.ndarray, width: Widths | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return :func:`rounded` values in place of z, and what :func:`slopes_of` takes."""
    if not width:
        return np.maximum(z, 0, out=z), None
    roots = z * z
    roots += z.dtype.type(width * width)
    np.sqrt(roots, out=roots)
    z += roots
    z *= z.dtype.type(0.5)
    return z, roots


def slopes_of(values: np.ndarray, roots: np.ndarray | None) -> np.ndarray:
    """Return derivatives by z in place of the values of :func:`start_rounded`."""
    if roots is None:
        return np.greater(values, 0, out=values)
    # (1 + z / root) / 2, where the value is (z + root) / 2.
    values /= roots
    return values
