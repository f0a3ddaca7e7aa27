"""Units of one hidden layer whose slope jumps at a hyperplane, of any slopes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.samples import Samples
from ..networks.network import ReLUNetwork, with_slopes
from ..programs.cells import Cells, enumerate_cells, given_cells, sample_cells
from ..programs.cones import project_on_cone
from ..programs.losses import Loss, Offset
from ..programs.program import ConvexProgram
from .base import Architecture, Pull
from .bounds import relu_price_bound
from .recovery import (
    network_weights,
    program_directions,
    sum_into_groups,
    unscaled_units,
)
from .rectifiers import Rectifier, Widths, blocks_of, parabolic
from .units import Units

__all__ = ["OneLayer"]

#: Turns between hidden and output weights when a direction is made exact.
_TURNS = 5

#: Norms below this, relative to the largest, count as zero.
_TINY = 1e-12


class OneLayer(Architecture[Cells, ConvexProgram, ReLUNetwork]):
    """Units ``sigma(x'u) a`` of a function with two slopes, below and above zero.

    Weight decay on both layers equals ``beta * sum_j norm2(u_j) * norm2(a_j)`` after
    rescaling (talk, "Squared Loss: ReLU Neural Networks are Convex Group Lasso
    Models"). With several outputs a unit has a vector of output weights, and groups of
    its programs a fixed direction of these (Sahiner, Ergen, Pauly and Pilanci,
    "Vector-output ReLU Neural Network Problems are Copositive Programs", ICLR 2021).

    Attributes
    ----------
    slopes : tuple of float
        Slopes below and above zero, the second one positive and the larger in
        magnitude or as large.
    """

    slopes = (0.0, 1.0)

    def forward(
        self,
        X: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, Pull]:
        """Return ``sigma(X u)`` for each column u, and what gives its derivatives."""
        z = X @ directions
        values, slopes = rectifier(z, widths)
        inactive, active = self.slopes
        if inactive:
            # sigma(z) = active (z)_+ - inactive (-z)_+
            below, falling = rectifier(-z, widths)
            values = active * values - inactive * below
            slopes = active * slopes + inactive * falling

        def pull(W):
            np.multiply(slopes, W, out=slopes)
            return X.T @ slopes

        return values, pull

    def atoms(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return ``sigma(X u)`` for each column u, of shape (n, m)."""
        return with_slopes(X @ directions, self.slopes)

    def spread(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return the root mean square of ``X u`` over the rows for each column u."""
        squares = np.zeros(directions.shape[1], dtype=directions.dtype)
        for rows in blocks_of(len(X), directions.shape[1]):
            values = X[rows] @ directions
            squares += np.einsum("ij,ij->j", values, values)
        return np.sqrt(squares / len(X))

    def widths_of(self, X: np.ndarray, units: Units, width: float) -> Widths:
        """Return the width of a descent's smoothing: that of all its rectifiers."""
        return width * np.sqrt(np.mean((X @ units.hidden) ** 2))

    def ascend_cells(
        self, X: np.ndarray, v: np.ndarray, direction: np.ndarray, n_cells: int = 20
    ) -> tuple[np.ndarray, float]:
        """Raise the price of a direction, exactly within each cell visited.

        In the cell of a direction the price is the norm of the projection of
        ``X' D v`` on its cone. A row whose multiplier outweighs the kink that it
        stands for is crossed, and the price cannot fall; where there is none, the
        direction is a local maximum over all cells that touch it. For several outputs
        hidden weights are raised so for the best output weights, and these in turn.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        v : ndarray of shape (n,) or (n, q)
            Dual point, of the sign that the unit would have.
        direction : ndarray of shape (d,)
            Where to start.
        n_cells : int, default=20
            Largest number of cells to visit.

        Returns
        -------
        direction : ndarray of shape (d,)
            Unit vector; zero if every direction of the cell lowers the value.
        value : float
            ``norm2(v' sigma(X u))`` there.
        """
        if v.ndim == 1:
            return self._ascend(X, v, direction, n_cells)
        best, value = direction, 0.0
        for _ in range(_TURNS):
            head = self.heads(X, v, best[:, None], np.ones(1))[0]
            found, _ = self._ascend(X, v @ head, best, n_cells)
            reached = float(np.linalg.norm(v.T @ self.atoms(X, found)))
            if reached <= value * (1 + 1e-9):
                break
            best, value = found, reached
        return best, value

    def _ascend(self, X, v, direction, n_cells):
        """Raise ``v' sigma(X u)`` over the unit ball from cell to cell."""
        inactive, active = self.slopes
        side = np.where(X @ direction >= 0, 1.0, -1.0)
        best, rows = np.zeros_like(direction), None
        for _ in range(n_cells):
            slopes = np.where(side > 0, active, inactive)
            found = project_on_cone(X, side, X.T @ (v * slopes), rows=rows)
            if found.norm <= np.linalg.norm(best) * (1 + 1e-12):
                break
            best, rows = found.point, found.rows[found.multipliers > 0]
            kinks = found.multipliers + (active - inactive) * v[found.rows]
            crossed = found.rows[(found.multipliers > 0) & (kinks > 0)]
            if not len(crossed):
                break
            side[crossed] *= -1
        norm = float(np.linalg.norm(best))
        return best / (norm or 1.0), norm

    def value(self, X: np.ndarray, loss: Loss, beta: float, units: Units) -> float:
        """Return the objective ``L + beta/2 * (squares of all weights)``."""
        squares = float(np.sum(units.hidden**2) + np.sum(units.output**2))
        return float(loss.value(self.outputs(X, units))) + 0.5 * beta * squares

    def groups(self, units: Units) -> np.ndarray:
        """Return the vectors ``hidden * norm2(output)`` of the convex program."""
        return units.hidden * units.lengths

    def units_of(self, directions: np.ndarray, heads: np.ndarray) -> Units:
        """Return balanced units of some vectors and heads, without empty ones."""
        norms = np.linalg.norm(directions, axis=0)
        used = norms > _TINY * max(norms.max(initial=0.0), 1e-300)
        root = np.sqrt(norms[used])
        return Units(directions[:, used] / root, (heads[used].T * root).T)

    def balanced(self, units: Units) -> Units:
        """Return the same network with layers of equal norm, without empty units."""
        return self.units_of(self.groups(units), units.heads)

    def scaled(self, units: Units, factors: np.ndarray) -> Units:
        """Return the network with each unit multiplied by a factor >= 0."""
        root = np.sqrt(factors)
        return Units(units.hidden * root, (units.output.T * root).T)

    def norms(self, units: Units) -> np.ndarray:
        """Return ``norm2(hidden) * norm2(output)`` of each unit."""
        return np.linalg.norm(self.groups(units), axis=0)

    def merged(self, X: np.ndarray, units: Units) -> Units:
        """Sum the vectors of units of one cell and sign.

        The output stays and the penalty cannot rise, by the triangle inequality. Units
        of several outputs are left as they are.
        """
        if units.output.ndim == 2:
            return self.balanced(units)
        patterns = np.packbits(X @ units.hidden >= 0, axis=0)
        signs = np.sign(units.output)
        keys = np.vstack([patterns, signs[None].astype(np.int8).view(np.uint8)])
        _, first, member = np.unique(
            keys, axis=1, return_index=True, return_inverse=True
        )
        groups = np.zeros((len(units.hidden), len(first)))
        np.add.at(groups.T, member.reshape(-1), self.groups(units).T)
        return self.units_of(groups, signs[first])

    def coalesced(self, units: Units, tolerance: float) -> Units:
        """Join units of several outputs that point the same way, approximately.

        Units whose hidden weights, and output weights, have cosines above 1 less the
        tolerance become the best one of rank 1. The penalty cannot rise.
        """
        groups, heads = self.groups(units), units.heads
        norms = np.linalg.norm(groups, axis=0)
        directions = groups / norms
        alike = directions.T @ directions > 1 - tolerance
        alike &= heads @ heads.T > 1 - tolerance
        left, kept = np.ones(len(norms), dtype=bool), []
        for j in np.argsort(-norms, kind="stable"):
            members = np.flatnonzero(alike[j] & left)
            if left[j]:
                left[members] = False
                kept.append(_best_unit(groups[:, members], heads[members]))
        return self.units_of(
            np.column_stack([group for group, _ in kept]),
            np.array([head for _, head in kept]),
        )

    def price_bound(self, X: np.ndarray, v: np.ndarray) -> float:
        """Return a rigorous bound on the price of a dual point."""
        columns = np.atleast_2d(v.T)
        bounds = [relu_price_bound(X, column, self.slopes) for column in columns]
        return float(np.linalg.norm(bounds))

    def sample(
        self,
        X: np.ndarray,
        n_cells: int,
        random_state: np.random.RandomState,
        units: Units | None = None,
    ) -> Cells:
        """Return sampled cells of the inputs, and those that some units are in."""
        cells = sample_cells(X, n_cells, random_state)
        if units is None:
            return cells
        return given_cells(X, np.column_stack([units.hidden, cells.gates]))

    def enumerate(self, X: np.ndarray) -> Cells:
        """Return all cells of the inputs, or raise a ValueError if they are many."""
        return enumerate_cells(X)

    def given(self, X: np.ndarray, gates: np.ndarray) -> Cells:
        """Return the cells of a caller's gates."""
        return given_cells(X, gates)

    def program(
        self, X: np.ndarray, loss: Loss, beta: float, patterns: Cells, **groups: Any
    ) -> ConvexProgram:
        """Return the program over some cells, each with its cone.

        Parameters
        ----------
        X, loss, beta
            Of :class:`~convexnn.programs.program.ConvexProgram`.
        patterns : Cells
            Activation patterns.
        **groups : ndarray of shape (n_groups,)
            `cell_of` and `sign`; every cell with both signs by default.
        """
        groups = groups | {"slopes": self.slopes}
        return ConvexProgram(X, loss, beta, patterns, has_cones=True, **groups)

    def polish_size(self, X: np.ndarray, n_units: int) -> int:
        """Return rows times squared columns times groups of a program of some units."""
        n, d = X.shape
        return n * d**2 * n_units

    def around(
        self,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        units: Units,
        idle: Units | None = None,
    ) -> tuple[ConvexProgram, np.ndarray]:
        """Return the program over the cells of some units, and the units as its point.

        Units of one cell and sign (for several outputs, direction of the output
        weights) share a group; units without output have none.

        Parameters
        ----------
        X, loss, beta
            Of :meth:`program`.
        units : Units
            The units.
        idle : Units, default=None
            Further ones that are zero in the point.

        Returns
        -------
        program : ConvexProgram
            The program.
        U : ndarray of shape (d, n_groups)
            The point.
        """
        groups, heads = self.groups(units), units.heads
        if idle is not None:
            units = units.joined(idle)
            heads = units.heads
        # A unit that is active nowhere may still have an output.
        with_empty = bool(self.slopes[0])
        cells = given_cells(X, units.hidden, with_empty=with_empty)
        cell = {p.tobytes(): k for k, p in enumerate(_packed(cells.patterns))}
        patterns = _packed(X @ units.hidden >= 0)
        cell_of = np.array([cell.get(p.tobytes(), -1) for p in patterns], dtype=int)
        used = cell_of >= 0
        keys = np.column_stack([cell_of, heads])[used]
        keys, group_of = np.unique(keys, axis=0, return_inverse=True)
        program = self.program(
            *(X, loss, beta, cells),
            cell_of=keys[:, 0].astype(int),
            sign=keys[:, 1:].reshape(-1, *heads.shape[1:]),
        )
        U = np.zeros(program.shape)
        used = used[: groups.shape[1]]
        np.add.at(U.T, group_of.reshape(-1)[: used.sum()], groups.T[used])
        return program, U

    def units_at(self, program: ConvexProgram, U: np.ndarray) -> Units:
        """Return the units that a point of a program of :meth:`around` stands for."""
        return self.units_of(U, program.sign)

    def recover(
        self, program: ConvexProgram, U: np.ndarray, samples: Samples
    ) -> ReLUNetwork:
        """Return the network of a feasible point, in the units of the caller.

        A group u becomes one unit with hidden weights ``u / sqrt(norm2(u))`` and
        output weight ``sign * sqrt(norm2(u))``: the network's objective equals the
        program's. Groups of norm zero leave no unit.
        """
        weights = unscaled_units(program, U, samples)[1:]
        return ReLUNetwork(*weights, slopes=self.slopes)

    def network(self, units: Units, offset: Offset, samples: Samples) -> ReLUNetwork:
        """Return the network of some units, in the units of the caller.

        Units of norm zero are left out.
        """
        units = units.take((units.hidden != 0).any(axis=0))
        weights = network_weights(units.hidden, units.output, offset, samples)
        return ReLUNetwork(*weights, slopes=self.slopes)

    def units_in(self, network: ReLUNetwork, samples: Samples) -> Units:
        """Return the units of a network in the caller's units."""
        heads = Units(network.hidden, network.output).heads
        return self.units_of(program_directions(network, samples), heads)

    def locate(
        self, program: ConvexProgram, network: ReLUNetwork, samples: Samples
    ) -> np.ndarray:
        """Return a point of the program near a network's units.

        Each unit goes to the cell it disagrees with least, weighted by how far its
        rows lie from its hyperplane, and units that share a group are summed.
        """
        directions = program_directions(network, samples)
        values = samples.X @ directions
        patterns = program.cells.patterns.astype(float)
        disagreement = np.maximum(-values, 0).T @ patterns
        disagreement += np.maximum(values, 0).T @ (1 - patterns)
        return sum_into_groups(
            program, network, directions, disagreement.argmin(axis=1)
        )


def _best_unit(groups, heads):
    """Return group and head of the unit of rank 1 nearest to the sum of some."""
    if len(heads) == 1:
        return groups[:, 0], heads[0]
    left, values, right = np.linalg.svd(groups @ heads, full_matrices=False)
    sign = 1.0 if left[:, 0] @ groups.sum(axis=1) >= 0 else -1.0
    return sign * values[0] * left[:, 0], sign * right[0]


def _packed(patterns):
    """Return each pattern's bits as bytes, one pattern a row."""
    return np.packbits(patterns, axis=0).T
