"""Activation patterns of a hyperplane arrangement: count, sample, enumerate, read off.

A gate g splits the rows of X into those with x_i'g >= 0 and the others; the split
is its activation pattern, and the set of all gates with the same pattern is a cell
of the arrangement of the hyperplanes {g : x_i'g = 0}.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product
from math import comb

import numpy as np

from .row_space import row_space

__all__ = [
    "Cells",
    "activation_patterns",
    "count_bound",
    "enumerate_cells",
    "given_cells",
    "sample_cells",
]

#: Largest number of patterns that `enumerate_cells` agrees to list.
MAX_ENUMERATED = 20_000

#: Draws per pattern asked for before `sample_cells` stops looking for new ones.
_DRAWS_PER_PATTERN = 20

#: Entries below this, relative to the row's norm, count as zero in an enumeration.
_TIE = 1e-10


@dataclass(frozen=True)
class Cells:
    """A list of activation patterns and a gate inside each of their cells.

    Parameters
    ----------
    patterns : ndarray of shape (n, n_cells), bool
        ``patterns[i, k]`` is true where row i is active in cell k. No pattern is
        repeated, and none is empty: an inactive unit contributes nothing.
    gates : ndarray of shape (n_inputs, n_cells), float64
        Column k is a gate of cell k.
    scope : {"cells", "all"}
        "all" if every pattern of the arrangement is listed.
    """

    patterns: np.ndarray
    gates: np.ndarray
    scope: str

    def __len__(self) -> int:
        return self.patterns.shape[1]


def activation_patterns(X: np.ndarray, gates: np.ndarray) -> np.ndarray:
    """Return the patterns ``1[X g >= 0]`` of the columns of `gates`.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows that define the hyperplanes.
    gates : ndarray of shape (d, n_gates)
        One gate a column.

    Returns
    -------
    ndarray of shape (n, n_gates), bool
        Activation patterns, in the order of the gates.

    Examples
    --------
    The worked example of the talk: two parallel rows and a third.

    >>> import numpy as np
    >>> from convexnn.programs.cells import activation_patterns
    >>> X = np.array([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]])
    >>> activation_patterns(X, np.array([[1.0, -1.0], [0.0, 2.0]])).astype(int)
    array([[1, 1],
           [1, 1],
           [1, 0]])
    """
    return X @ gates >= 0


def count_bound(n_rows: int, rank: int) -> int:
    """Return the Cover/Winder bound on the number of activation patterns.

    It is ``2 * sum_{k<rank} binom(n_rows - 1, k)`` (three-layer paper, eq. 13),
    attained by rows in general position; the empty pattern is counted.

    Parameters
    ----------
    n_rows : int
        Number of rows, no two of them parallel and none of them zero.
    rank : int
        Their rank.

    Returns
    -------
    int
        The bound.

    Examples
    --------
    >>> from convexnn.programs.cells import count_bound
    >>> count_bound(12, 2), count_bound(8, 3)
    (24, 58)
    """
    return 2 * sum(comb(n_rows - 1, k) for k in range(rank))


def sample_cells(
    X: np.ndarray, n_cells: int, random_state: np.random.RandomState
) -> Cells:
    """Draw Gaussian gates until `n_cells` distinct activation patterns are found.

    Gates come in pairs g, -g, since the opposite pattern belongs to a different
    block of the program. Repeated and empty patterns are left out. Where columns lie
    far from zero, so that hardly a Gaussian gate passes between the rows, gates are
    white over these.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows that define the hyperplanes.
    n_cells : int
        Number of patterns wanted. The list is shorter where
        20 * n_cells draws show no more.
    random_state : numpy.random.RandomState
        Source of the gates.

    Returns
    -------
    Cells
        With scope "cells".
    """
    n_pairs = (n_cells + 1) // 2
    space = row_space(X)
    patterns: list[np.ndarray] = []
    gates, seen = [], set()
    for _ in range(_DRAWS_PER_PATTERN):
        half = random_state.standard_normal((n_pairs, X.shape[1])).T
        if space is not None:
            half = space.whitening @ half
        batch = np.stack([half, -half], axis=2).reshape(X.shape[1], -1)
        for pattern, gate in zip(activation_patterns(X, batch).T, batch.T, strict=True):
            key = np.packbits(pattern).tobytes()
            if len(patterns) < n_cells and key not in seen and pattern.any():
                seen.add(key)
                patterns.append(pattern)
                gates.append(gate)
        if len(patterns) == n_cells:
            break
    return _stack(X, patterns, gates, "cells")


def given_cells(X: np.ndarray, gates: np.ndarray, *, with_empty: bool = False) -> Cells:
    """Return the distinct patterns of a caller's gates.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows that define the hyperplanes.
    gates : ndarray of shape (d, n_gates)
        One gate a column.
    with_empty : bool, default=False
        Whether to keep the pattern that is active nowhere.

    Returns
    -------
    Cells
        With scope "cells", in the order of first appearance.
    """
    patterns = activation_patterns(X, gates)
    if patterns.shape[1]:
        first = np.unique(np.packbits(patterns, axis=0), axis=1, return_index=True)[1]
        kept = [k for k in np.sort(first) if with_empty or patterns[:, k].any()]
    else:
        kept = []
    return Cells(patterns[:, kept], np.asarray(gates, float)[:, kept], "cells")


def enumerate_cells(X: np.ndarray, *, max_patterns: int = MAX_ENUMERATED) -> Cells:
    """List every activation pattern of the arrangement exactly.

    Each cell of an arrangement of rank r is a pointed cone (in the r-dimensional
    row space), so it has extreme rays, and every ray is the null direction of r - 1
    rows. Going through all sets of r - 1 rows and, at each ray, through the cells
    that touch it, finds every cell; the sum of a cell's rays lies inside it and
    becomes its gate. Cost: O(n^(r-1)) rays.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows that define the hyperplanes.
    max_patterns : int, default=20000
        Largest Cover/Winder bound accepted.

    Returns
    -------
    Cells
        With scope "all". Patterns of cells without interior (a gate exactly on a
        hyperplane) belong to the closure of a listed cell and are not listed.

    Raises
    ------
    ValueError
        If the Cover/Winder bound exceeds `max_patterns`.
    """
    # Patterns are those of any coordinates, and rounding is least in white ones.
    space = row_space(X)
    back = np.eye(X.shape[1]) if space is None else space.whitening
    white = X if space is None else space.rows @ (space.basis.T @ back)
    rows, basis = _distinct_lines(white)
    n_lines, rank = rows.shape
    bound = count_bound(n_lines, rank) if n_lines else 1
    if bound > max_patterns:
        raise ValueError(
            f"cells='all' would list up to {bound} activation patterns "
            f"({n_lines} distinct hyperplanes of rank {rank}; Cover/Winder bound), "
            f"more than the limit of {max_patterns}. Use cells='sampled', fewer "
            "features or fewer rows."
        )
    if n_lines == 0:
        # Only zero rows: one cell, the whole space, with every row active.
        return _stack(X, [np.ones(len(X), bool)], [np.ones(X.shape[1])], "all")
    _, directions = _arrangement(rows)
    patterns, gates = _nonempty_patterns(white, basis @ directions)
    if space is not None:
        gates = gates @ back.T
    return _stack(X, patterns, gates, "all")


def _stack(X, patterns, gates, scope):
    n, d = X.shape
    patterns = np.array(patterns, dtype=bool).reshape(-1, n).T
    gates = np.array(gates, dtype=np.float64).reshape(-1, d).T
    return Cells(np.ascontiguousarray(patterns), np.ascontiguousarray(gates), scope)


def _distinct_lines(X):
    """Return unit rows in row-space coordinates, parallel ones once, and the basis."""
    norms = np.abs(X).max(axis=1, initial=0.0)
    units = X[norms > 0] / norms[norms > 0, None]
    units = units / np.linalg.norm(units, axis=1, keepdims=True)
    _, values, right = np.linalg.svd(units, full_matrices=False)
    rank = int((values > _TIE * max(units.shape, default=1)).sum())
    basis = right[:rank].T
    coordinates = units @ basis
    kept = []
    for i, row in enumerate(coordinates):
        others = coordinates[kept]
        # The sine: one minus the cosine is the square of a small angle.
        sines = np.linalg.norm(row - (others @ row)[:, None] * others, axis=1)
        if not (sines <= _TIE).any():
            kept.append(i)
    return coordinates[kept], basis


def _arrangement(rows):
    """Return the sign vectors and an interior direction of every cell of `rows`.

    `rows` are unit vectors of full column rank r, no two parallel. Signs have shape
    (n, n_cells) with entries +1 and -1, directions (r, n_cells).
    """
    rank = rows.shape[1]
    if rank == 1:
        signs = np.sign(rows) @ np.array([[1.0, -1.0]])
        return signs, np.array([[1.0, -1.0]])
    found = {}
    for ray, on in _extreme_rays(rows):
        local = _signs_around(rows[on], rank)
        for side in (1.0, -1.0):
            signs = np.repeat(
                np.sign(side * (rows @ ray))[:, None], local.shape[1], axis=1
            )
            signs[on] = local
            for column in signs.T:
                key = column.astype(np.int8).tobytes()
                sign, direction = found.get(key, (column, np.zeros(rank)))
                found[key] = (sign, direction + side * ray)
    signs, directions = zip(*found.values(), strict=True)
    return np.array(signs).T, np.array(directions).T


def _signs_around(rows, rank):
    """Return the cells of the hyperplanes through one ray, of rank one less."""
    if len(rows) == rank - 1:
        return np.array(list(product((1.0, -1.0), repeat=len(rows)))).T
    lines, basis = _distinct_lines(rows)
    signs, directions = _arrangement(lines)
    return signs if len(lines) == len(rows) else np.sign(rows @ basis @ directions)


def _extreme_rays(rows):
    """Yield each line that r - 1 rows pin down, with the rows that vanish on it."""
    n_rows, rank = rows.shape
    subsets = np.array(list(combinations(range(n_rows), rank - 1)), dtype=int)
    _, values, right = np.linalg.svd(rows[subsets])
    rays = right[values[:, -1] > _TIE, -1]
    seen = set()
    for ray, on in zip(rays, np.abs(rays @ rows.T) <= _TIE, strict=True):
        key = on.tobytes()
        if key not in seen:
            seen.add(key)
            yield ray, np.nonzero(on)[0]


def _nonempty_patterns(X, gates):
    """Read patterns at interior gates, where only rows of zeros tie, and are active."""
    patterns = activation_patterns(X, gates)
    kept = patterns.any(axis=0)
    return patterns[:, kept].T, gates[:, kept].T
