"""Activation patterns of parallel three-layer sub-networks: sample, list, read off.

A block is a choice of all activation patterns and signs of one sub-network: patterns
D1_1..D1_m of the hidden units, the signs I_1..I_m of their weights in the second
layer, and the pattern D2 of the second layer. In it a sub-network
``(sum_j I_j (X w_j)_+)_+`` is linear in w (three-layer paper, Theorem 1, where blocks
are indexed by i and l). The paper writes a unit of negative sign as ``-w``, in the
reflected cone, and lists blocks whose signs are all equal (w+ and w-); here every unit
has its own sign, as in its eq. 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from math import comb

import numpy as np

from .cells import enumerate_cells
from .counts import first_layer_bound, second_layer_bound

__all__ = [
    "Blocks",
    "enumerate_blocks",
    "given_blocks",
    "sample_blocks",
]

#: Largest number of blocks, outer signs counted, that `enumerate_blocks` lists.
MAX_BLOCKS = 10_000

#: Draws per block asked for before `sample_blocks` stops looking for new ones.
_DRAWS_PER_BLOCK = 20


@dataclass(frozen=True)
class Blocks:
    """A list of blocks, each with an outer sign.

    Attributes
    ----------
    first : ndarray of shape (n, n_blocks, m), bool
        Diagonals of D1.
    inner : ndarray of shape (n_blocks, m)
        Signs I, +1 or -1.
    second : ndarray of shape (n, n_blocks), bool
        Diagonals of D2. Rows in which no unit of sign +1 is active are false, rows in
        which only such units are active true: the cones of the first layer leave
        nothing else.
    sign : ndarray of shape (n_blocks,)
        Signs s of the sub-networks, +1 or -1; for q outputs vectors of norm 1, of shape
        (n_blocks, q).
    scope : {"cells", "all"}
        "all" if every block of the data is listed.
    """

    first: np.ndarray
    inner: np.ndarray
    second: np.ndarray
    sign: np.ndarray
    scope: str

    def __len__(self) -> int:
        return len(self.sign)

    @cached_property
    def is_mixed(self) -> np.ndarray:
        """Where units of both signs are active, so that D2 restricts: (n, n_blocks)."""
        return _active(self.first, self.inner > 0) & _active(self.first, self.inner < 0)

    def take(self, index: np.ndarray | slice) -> Blocks:
        """Return some of the blocks."""
        return Blocks(
            self.first[:, index],
            self.inner[index],
            self.second[:, index],
            self.sign[index],
            self.scope,
        )

    def joined(self, other: Blocks) -> Blocks:
        """Return the blocks of both, with the scope of these."""
        return Blocks(
            np.concatenate([self.first, other.first], axis=1),
            np.concatenate([self.inner, other.inner]),
            np.concatenate([self.second, other.second], axis=1),
            np.concatenate([self.sign, other.sign]),
            self.scope,
        )

    @classmethod
    def of(
        cls, X: np.ndarray, groups: np.ndarray, inner: np.ndarray, sign: np.ndarray
    ) -> Blocks:
        """Return the blocks that some sub-networks lie in.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        groups : ndarray of shape (d, n_blocks, m)
            Vectors w of the sub-networks.
        inner : ndarray of shape (n_blocks, m)
            Signs of their hidden units.
        sign : ndarray of shape (n_blocks,) or (n_blocks, q)
            Their signs, or the directions of their output weights.

        Returns
        -------
        Blocks
            One a sub-network.
        """
        values = (X @ groups.reshape(len(groups), -1)).reshape(len(X), *inner.shape)
        second = np.einsum("ibj,bj->ib", np.maximum(values, 0), inner) >= 0
        return _settled(values >= 0, inner, second, sign, "cells")


def _active(first, kind):
    """Return where units of a kind are active in each block."""
    return np.any(first & kind, axis=2)


def _settled(first, inner, second, sign, scope):
    """Return blocks whose D2 agrees with the signs of the active units."""
    positive, negative = _active(first, inner > 0), _active(first, inner < 0)
    second = positive & (second | ~negative)
    return Blocks(first, np.asarray(inner, float), second, sign, scope)


def sample_blocks(
    X: np.ndarray, n_units: int, n_blocks: int, random_state: np.random.RandomState
) -> Blocks:
    """Draw blocks, all patterns of each from one sub-network (paper, Remark 3).

    A draw is a Gaussian U of shape (d, n_units) and u of shape (n_units,); D1_j is
    ``1[X U_j >= 0]``, I_j the sign of u_j and D2 is ``1[(X U)_+ u >= 0]``. Since the
    draw lies in all of its cones, none of them is empty, as patterns that are drawn
    apart from each other would be. Repeated blocks, and silent ones, are left out.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    n_units : int
        Hidden units m of a sub-network.
    n_blocks : int
        Blocks wanted, outer signs not counted.
    random_state : numpy.random.RandomState
        Source of the draws.

    Returns
    -------
    Blocks
        Every block with either outer sign, scope "cells"; fewer where
        20 * n_blocks draws show no more.
    """
    seen: set[tuple] = set()
    kept: list[tuple] = []
    for _ in range(_DRAWS_PER_BLOCK):
        directions = random_state.standard_normal((n_blocks, n_units, X.shape[1]))
        weights = random_state.standard_normal((n_blocks, n_units))
        kept += _unseen(_blocks_at(X, directions, weights), seen)
        if len(kept) >= n_blocks:
            break
    return _with_both_signs(len(X), n_units, kept[:n_blocks], "cells")


def given_blocks(X: np.ndarray, gates: np.ndarray) -> Blocks:
    """Return the distinct blocks that a caller's gates lie in (paper, Remark 3).

    Gates U, u of a block stand for the patterns of the sub-network ``((X U)_+ u)_+``,
    as in :func:`sample_blocks`.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    gates : ndarray of shape (n_blocks, d + 1, m)
        U of each block, and u in the last row.

    Returns
    -------
    Blocks
        In the order of first appearance, with either outer sign, scope "cells".
        Repeated blocks, and silent ones, are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.programs.blocks import given_blocks
    >>> X = np.array([[1.0, 2.0], [-1.0, 1.0], [0.5, -2.0]])
    >>> U, u = np.eye(2), np.array([1.0, -0.6])
    >>> blocks = given_blocks(X, np.vstack([U, u])[None])
    >>> blocks.first[:, 0].astype(int).tolist()
    [[1, 1], [0, 1], [1, 0]]
    >>> blocks.second[:, 0].astype(int).tolist(), blocks.sign.tolist()
    ([0, 0, 1], [1.0, -1.0])
    """
    directions = gates[:, :-1].transpose(0, 2, 1)
    kept = _unseen(_blocks_at(X, directions, gates[:, -1]), set())
    return _with_both_signs(len(X), gates.shape[2], kept, "cells")


def _blocks_at(X, directions, weights):
    """Return the blocks of sub-networks, for U' of (b, m, d) and u of (b, m)."""
    values = np.einsum("id,bjd->ibj", X, directions)
    inner = np.where(weights < 0, -1.0, 1.0)
    second = np.einsum("ibj,bj->ib", np.maximum(values, 0), weights) >= 0
    return _settled(values >= 0, inner, second, np.ones(len(weights)), "cells")


def _unseen(blocks, seen):
    """Return patterns and signs of the blocks, neither silent nor seen before."""
    kept = []
    for b in range(len(blocks)):
        key = _key(blocks, b)
        if blocks.second[:, b].any() and key not in seen:
            seen.add(key)
            kept.append((blocks.first[:, b], blocks.inner[b], blocks.second[:, b]))
    return kept


def _key(blocks, b):
    """Return what tells a block from another, whatever the order of its units."""
    units = zip(blocks.inner[b], blocks.first[:, b].T, strict=True)
    hidden = sorted((i, np.packbits(pattern).tobytes()) for i, pattern in units)
    return tuple(hidden), np.packbits(blocks.second[:, b]).tobytes()


def _with_both_signs(n, m, kept, scope):
    """Stack blocks, once with the outer sign +1 and once with -1."""
    count = len(kept)
    first = np.zeros((n, count, m), dtype=bool)
    inner, second = np.ones((count, m)), np.zeros((n, count), dtype=bool)
    for b, (patterns, signs, outer) in enumerate(kept):
        first[:, b], inner[b], second[:, b] = patterns, signs, outer
    return Blocks(
        np.concatenate([first, first], axis=1),
        np.concatenate([inner, inner]),
        np.concatenate([second, second], axis=1),
        np.repeat([1.0, -1.0], count),
        scope,
    )


def enumerate_blocks(
    X: np.ndarray, n_units: int, *, max_blocks: int = MAX_BLOCKS
) -> Blocks:
    """List every block of the data; for tiny data.

    Two hidden units of one pattern and one sign can be summed without raising the
    penalty, so that a block is a set of `n_units` distinct pairs of a pattern and a
    sign (of all pairs, where there are no more), with every D2 that the active units'
    signs leave open. Some of those have an empty interior, which does no harm.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    n_units : int
        Hidden units m of a sub-network.
    max_blocks : int, default=10000
        Largest number of blocks, outer signs counted.

    Returns
    -------
    Blocks
        With scope "all".

    Raises
    ------
    ValueError
        If there are more blocks.
    """
    message = _too_many(X, n_units, max_blocks)
    try:
        cells = enumerate_cells(X, max_patterns=max_blocks)
    except ValueError as error:
        raise ValueError(message) from error
    pairs = [(k, s) for s in (1.0, -1.0) for k in range(len(cells))]
    size = min(n_units, len(pairs))
    if comb(len(pairs), size) > 4 * max_blocks:
        raise ValueError(message)
    kept: list[tuple] = []
    for chosen in combinations(pairs, size):
        patterns = np.zeros((len(X), n_units), dtype=bool)
        signs = np.ones(n_units)
        for j, (k, s) in enumerate(chosen):
            patterns[:, j], signs[j] = cells.patterns[:, k], s
        if not (signs[:size] > 0).any():
            continue
        positive = np.any(patterns & (signs > 0), axis=1)
        open_ = np.flatnonzero(positive & (patterns & (signs < 0)).any(axis=1))
        if 2.0 ** len(open_) + len(kept) > max_blocks:
            raise ValueError(message)
        for choice in product((False, True), repeat=len(open_)):
            outer = positive.copy()
            outer[open_] = choice
            if outer.any():
                kept.append((patterns, signs, outer))
        if 2 * len(kept) > max_blocks:
            raise ValueError(message)
    return _with_both_signs(len(X), n_units, kept, "all")


def _too_many(X, n_units, max_blocks):
    n, rank = len(X), int(np.linalg.matrix_rank(X)) if X.size else 0
    return (
        f"cells='all' would list more than {max_blocks} blocks: for {n} distinct rows "
        f"of rank {rank} there are up to {first_layer_bound(n, rank)} patterns of a "
        f"hidden unit and up to {second_layer_bound(n, rank, n_units):.3g} blocks of "
        f"n_units={n_units} (three-layer paper, eqs. 13 and 14). Use cells='auto' or "
        "'sampled', fewer units, features or rows."
    )
