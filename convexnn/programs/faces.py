"""Projections on the cones of many cells at once, by a dual active-set method.

The projection of w on {u : b_i'u >= 0} is ``w + sum_i lam_i b_i`` over few active
rows, its face. The method of Goldfarb and Idnani adds the row violated most, moves the
multipliers until that row holds with equality, and drops rows whose multipliers
reach zero; the norm of the point falls with every step and bounds that of the
projection. Faces are kept between calls, so that similar vectors cost one
matrix product, and every step is taken for all cells that need one.
"""

from __future__ import annotations

import numpy as np

from .cones import project_on_cone

__all__ = ["Faces", "face_bases"]

#: A row counts as violated below minus this times what the point's entries, with the
#: largest entries of unit rows, can make of a product. A dependent row does below minus
#: this times the norm of the projected vector, and points below that are zero.
_VIOLATION = 1e-12

#: Sine of the angle to the face's rows below which a row depends on them: one that is
#: violated makes a larger one, or the violation is rounding. The second is what
#: rounding leaves of a row that is a combination of them, per unit of its coefficients.
_DEPENDENT = 1e-12
_ROUNDING = 8 * np.finfo(float).eps

#: Length of a dual vector from which on those of a face are computed anew when a row
#: leaves: taking the part of one long vector off another costs digits.
_LONG = 1e4

#: Passes over the rows, per input, before groups are projected one by one.
_PASSES = 10


class Faces:
    """Active rows of the cones of some groups, with their projections.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Rows that define the hyperplanes.
    side : ndarray of shape (n, n_groups)
        +1 for active rows and -1 for the others, one group a column.

    Attributes
    ----------
    rows : ndarray of shape (n_groups, d), int
        Rows in the slots of each face; -1 marks an empty slot.
    blocks : ndarray of shape (n_groups, d, d)
        ``side * x / norm2(x)`` of those rows; zeros in empty slots.
    duals : ndarray of shape (n_groups, d, d)
        Vectors in their span, each with inner product 1 with the row of its slot and 0
        with the others: the pseudo-inverse, whose condition is that of the rows and
        not its square; zeros in empty slots.
    """

    def __init__(self, X: np.ndarray, side: np.ndarray) -> None:
        n, d = X.shape
        m = side.shape[1]
        self.X, self.side = X, side
        norms = np.linalg.norm(X, axis=1)
        self.scale = np.divide(1.0, norms, out=np.zeros(n), where=norms > 0)
        self.unit = X * self.scale[:, None]
        self.columns = np.abs(self.unit).max(axis=0, initial=0.0)
        self.rows = np.full((m, d), -1)
        self.blocks = np.zeros((m, d, d))
        self.duals = np.zeros((m, d, d))

    def project(
        self, W: np.ndarray, groups: np.ndarray, stop_below: float = -1.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Project vectors on the cones of some groups.

        Parameters
        ----------
        W : ndarray of shape (d, k)
            Vectors, one a column.
        groups : ndarray of shape (k,), int
            Their groups, without repetition.
        stop_below : float, default=-1.0
            Leave a group as soon as the norm of its projection is known to be below.

        Returns
        -------
        points : ndarray of shape (d, k)
            Projections; where the search stopped early, points whose norm is an upper
            bound.
        multipliers : ndarray of shape (k, d)
            Non-negative multipliers of the rows in the slots, per unit row.
        is_exact : ndarray of shape (k,), bool
            Where the search did not stop early.
        """
        batch = _Batch(self, np.ascontiguousarray(W.T), groups, stop_below)
        points, multipliers, is_exact = batch.run()
        return points.T, multipliers, is_exact


def face_bases(blocks: np.ndarray) -> list[np.ndarray]:
    """Return an orthonormal basis of the span of each face.

    Parameters
    ----------
    blocks : ndarray of shape (k, d, d)
        Independent rows that hold with equality, zeros in empty slots.

    Returns
    -------
    list of ndarray of shape (d, r)
        Vectors orthogonal to the rows, r being d less the number of rows.
    """
    used = blocks.any(axis=2)
    order = np.argsort(~used, axis=1, kind="stable")
    ordered = np.take_along_axis(blocks, order[:, :, None], axis=1)
    bases = np.linalg.qr(ordered.transpose(0, 2, 1), mode="complete").Q
    return [
        basis[:, rank:] for basis, rank in zip(bases, used.sum(axis=1), strict=True)
    ]


class _Batch:
    """One call: the vectors, the faces and multipliers of their groups."""

    def __init__(self, faces, W, groups, stop_below):
        self.faces, self.W, self.groups = faces, W, groups
        self.stop_below = stop_below
        self.rows = faces.rows[groups]
        self.blocks = faces.blocks[groups]
        self.duals = faces.duals[groups]
        self.tolerance = _VIOLATION * np.linalg.norm(W, axis=1)
        self.is_exact = np.zeros(len(W), dtype=bool)
        # The row on its way into each face, and its multiplier so far.
        self.entering = np.full(len(W), -1)
        self.vectors = np.zeros_like(W)
        self.extra = np.zeros(len(W))

    def run(self):
        """Return points, multipliers and where the points are projections."""
        self._restart(np.arange(len(self.W)))
        live = np.arange(len(self.W))
        for _ in range(_PASSES * self.W.shape[1]):
            free = self.entering[live] < 0
            small = np.linalg.norm(self.points[live], axis=1) <= self.stop_below
            live = live[~(small & free)]
            self._choose(live[self.entering[live] < 0])
            live = live[~self.is_exact[live]]
            if not len(live):
                break
            self._step(live)
        else:
            self._give_up(live)
        faces = self.faces
        faces.rows[self.groups] = self.rows
        faces.blocks[self.groups] = self.blocks
        faces.duals[self.groups] = self.duals
        return self.points, self.multipliers, self.is_exact

    def _restart(self, at):
        """Find the multipliers on the present faces; drop rows of negative ones."""
        if len(at) == len(self.W):
            self.multipliers = np.zeros_like(self.W)
            self.points = self.W.copy()
        todo = at[(self.rows[at] >= 0).any(axis=1)]
        while len(todo):
            found = -_times(self.duals[todo], self.W[todo])
            slot = found.argmin(axis=1)
            negative = found[np.arange(len(todo)), slot] < 0
            done = todo[~negative]
            self.multipliers[done] = found[~negative]
            self.points[done] = self.W[done] + _combine(
                self.blocks[done], found[~negative]
            )
            self._clean(done)
            todo = todo[negative]
            self._drop(todo, slot[negative])
            empty = (self.rows[todo] < 0).all(axis=1)
            self.points[todo[empty]] = self.W[todo[empty]]
            todo = todo[~empty]

    def _choose(self, at):
        """Let the row violated most enter, or find that there is none."""
        if not len(at):
            return
        faces, k = self.faces, np.arange(len(at))
        slack = faces.unit @ self.points[at].T
        slack *= faces.side[:, self.groups[at]]
        worst = slack.argmin(axis=0)
        points = np.abs(self.points[at])
        inside = slack[worst, k] >= -_VIOLATION * (points @ faces.columns)
        inside |= points.max(axis=1) <= self.tolerance[at]
        # A row that is on the face already is as feasible as rounding lets it be.
        inside |= (self.rows[at] == worst[:, None]).any(axis=1)
        self.is_exact[at[inside]] = True
        at, worst = at[~inside], worst[~inside]
        self.entering[at] = worst
        self.extra[at] = 0.0
        self.vectors[at] = (
            faces.unit[worst] * faces.side[worst, self.groups[at]][:, None]
        )

    def _step(self, at):
        """Raise the entering rows' multipliers to where a row is added or dropped."""
        vectors, blocks = self.vectors[at], self.blocks[at]
        along, across = _split(self.duals[at], blocks, vectors)
        square = np.einsum("ij,ij->i", across, across)
        slack = np.einsum("ij,ij->i", vectors, self.points[at])
        enters = _is_independent(along, square) & (self.rows[at] < 0).any(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            full = np.where(enters, np.maximum(-slack, 0) / square, np.inf)
            ratio = np.where(along > 1e-12, self.multipliers[at] / along, np.inf)
        slot = ratio.argmin(axis=1)
        partial = ratio[np.arange(len(at)), slot]
        length = np.minimum(full, partial)
        # A row that depends on the face is satisfied with no row to drop, or where what
        # is left of its violation is rounding.
        stuck = ~np.isfinite(length) | (~enters & (slack >= -self.tolerance[at]))
        length[stuck] = 0.0
        moved = self.multipliers[at] - length[:, None] * along
        self.multipliers[at] = np.maximum(moved, 0)
        self.points[at] += length[:, None] * across
        self.extra[at] += length
        self.is_exact[at[stuck]] = True
        enters &= (full <= partial) & ~stuck
        direction = across[enters] / square[enters, None]
        self._add(at[enters], along[enters], direction)
        drops = ~enters & ~stuck
        self._drop(at[drops], slot[drops])

    def _add(self, at, along, direction):
        """Put the entering rows on their faces; their dual vectors are `direction`."""
        slot = (self.rows[at] < 0).argmax(axis=1)
        along[np.arange(len(at)), slot] = -1.0
        self.duals[at] -= along[:, :, None] * direction[:, None, :]
        self.blocks[at, slot] = self.vectors[at]
        self.rows[at, slot] = self.entering[at]
        self.multipliers[at, slot] = self.extra[at]
        self.entering[at] = -1
        self._clean(at)

    def _clean(self, at):
        """Take off points what rounding has left of them along the rows of faces.

        Points may be far shorter than the vectors and multiples that they are sums of.
        """
        left = _times(self.blocks[at], self.points[at])
        self.points[at] -= _combine(self.duals[at], left)

    def _drop(self, at, slot):
        """Take rows off their faces."""
        if not len(at):
            return
        gone = self.duals[at, slot]
        square = np.einsum("ij,ij->i", gone, gone)
        share = _times(self.duals[at], gone) / square[:, None]
        self.duals[at] -= share[:, :, None] * gone[:, None, :]
        self.duals[at, slot] = 0.0
        self.blocks[at, slot] = 0.0
        self.rows[at, slot] = -1
        self.multipliers[at, slot] = 0.0
        long = at[square > _LONG**2]
        if len(long):
            self.duals[long] = _dual_vectors(self.blocks[long])

    def _give_up(self, at):
        """Project the groups left one by one."""
        for k in at:
            side = self.faces.side[:, self.groups[k]]
            result = project_on_cone(self.faces.unit, side, self.W[k])
            active = result.multipliers > 0
            rows = result.rows[active][: self.W.shape[1]]
            self.rows[k], self.blocks[k] = -1, 0.0
            self.multipliers[k] = 0.0
            block = self.faces.unit[rows] * side[rows, None]
            size = len(rows)
            self.rows[k, :size], self.blocks[k, :size] = rows, block
            self.duals[k] = _dual_vectors(self.blocks[[k]])[0]
            lost = ~self.duals[k].any(axis=1)
            self.rows[k, lost], self.blocks[k, lost] = -1, 0.0
            self.multipliers[k, :size] = result.multipliers[active][:size]
            self.points[k], self.is_exact[k] = result.point, True


def _split(duals, blocks, vectors):
    """Return vectors as combinations of the rows of faces, and what is across those.

    What is left along the rows by the first pass is rounding times their condition;
    the second takes it away.
    """
    along = _times(duals, vectors)
    across = vectors - _combine(blocks, along)
    more = _times(duals, across)
    return along + more, across - _combine(blocks, more)


def _dual_vectors(blocks):
    """Return the dual vectors of rows, one row after the other.

    Empty slots, and rows that depend on those before, get zeros.
    """
    duals, known = np.zeros_like(blocks), np.zeros_like(blocks)
    for slot in range(blocks.shape[1]):
        along, across = _split(duals, known, blocks[:, slot])
        square = np.einsum("ij,ij->i", across, across)
        along[:, slot] = -1.0
        along[~_is_independent(along, square)] = 0.0
        direction = across / np.where(square > 0, square, 1.0)[:, None]
        duals -= along[:, :, None] * direction[:, None, :]
        known[:, slot] = blocks[:, slot]
    return duals


def _is_independent(along, square):
    """Return which rows do not depend on faces, by their parts along and across."""
    rounding = _ROUNDING * (1 + np.abs(along).sum(axis=1))
    return square > np.maximum(rounding, _DEPENDENT) ** 2


def _times(matrices, vectors):
    return np.matmul(matrices, vectors[:, :, None])[:, :, 0]


def _combine(blocks, multipliers):
    return np.matmul(multipliers[:, None, :], blocks)[:, 0]
