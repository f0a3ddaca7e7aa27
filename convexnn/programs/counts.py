"""Bounds on the number of activation patterns of networks with several layers."""

from __future__ import annotations

from collections.abc import Sequence

from .cells import count_bound

__all__ = ["first_layer_bound", "layer_bounds", "second_layer_bound"]


def first_layer_bound(n_rows: int, rank: int) -> int:
    """Bound the number P1 of patterns ``1[X u >= 0]`` of a first layer.

    It is ``2 * sum_{k<rank} binom(n_rows - 1, k)`` (three-layer paper, eq. 13, before
    its simplification), attained by rows in general position.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    rank : int
        Their rank.

    Returns
    -------
    int
        The bound.

    Examples
    --------
    >>> from convexnn.programs.counts import first_layer_bound
    >>> first_layer_bound(5, 2)
    10
    """
    return count_bound(n_rows, rank) if n_rows else 1


def second_layer_bound(n_rows: int, rank: int, n_units: int) -> int:
    """Bound the number P2 of patterns of a second layer, with what they stand on.

    A pattern ``1[(X U)_+ v >= 0]`` is counted once for every choice of the signs of v
    and of the patterns of the columns of U (three-layer paper, eq. 14, before its
    simplifications): ``(2 P1)^n_units`` choices, each with at most as many patterns
    as an arrangement of rank ``min(n_units * rank, n_rows)``.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    rank : int
        Their rank.
    n_units : int
        Number of columns of U.

    Returns
    -------
    int
        The bound.

    Examples
    --------
    >>> from convexnn.programs.counts import second_layer_bound
    >>> second_layer_bound(5, 2, 3)
    256000
    """
    return layer_bounds(n_rows, rank, (n_units,))[1]


def layer_bounds(n_rows: int, rank: int, widths: Sequence[int]) -> list[int]:
    """Bound the number of patterns of every layer of a deep network.

    The recursion of Remark 5 and Corollary 1 of the three-layer paper:
    ``P_l <= P'_l * (2 P_{l-1})^{m_{l-1}}`` where ``P'_l`` counts the patterns of an
    arrangement of rank ``rank * m_1 * ... * m_{l-1}``, at most `n_rows`.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    rank : int
        Their rank.
    widths : sequence of int
        Widths of the layers below the last one that is counted.

    Returns
    -------
    list of int
        One bound more than there are widths, from the first layer on.

    Examples
    --------
    >>> from convexnn.programs.counts import layer_bounds
    >>> layer_bounds(4, 1, (2,))
    [2, 128]
    """
    bounds = [first_layer_bound(n_rows, rank)]
    for width in widths:
        rank = min(rank * width, n_rows)
        bounds.append(first_layer_bound(n_rows, rank) * (2 * bounds[-1]) ** width)
    return bounds
