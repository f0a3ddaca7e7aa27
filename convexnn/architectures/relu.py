"""Two-layer ReLU networks: atoms ``(X u)_+`` with norm2(u) <= 1, cones, two signs."""

from __future__ import annotations

import numpy as np

from ..networks.network import ReLUNetwork
from ..programs.cones import project_on_cone
from ..programs.program import ConvexProgram
from .bounds import relu_price_bound
from .recovery import (
    network_weights,
    program_directions,
    sum_into_groups,
    unscaled_units,
)

__all__ = ["ReLU", "blocks_of"]

#: Numbers in a block of pre-activations.
_BLOCK = 2**16

#: Inputs up to which, and numbers of pre-activations beyond which, descents compute
#: these twice rather than keep them.
_FEW_INPUTS, _KEPT = 64, 2**20


class ReLU:
    """Units max(x'u, 0) whose direction is free inside the cone of a cell.

    Weight decay on both layers equals ``beta * sum_j norm2(u_j)`` after rescaling
    (talk, "Squared Loss: ReLU Neural Networks are Convex Group Lasso Models").
    """

    name = "relu"
    features = frozenset({"cones"})
    has_cones = True

    def atoms(self, X, directions):
        """Return ``(X u)_+`` for each column u, of shape (n, n_directions)."""
        return np.maximum(X @ directions, 0)

    def spread(self, X, directions):
        """Return the root mean square of ``X u`` over the rows for each column u."""
        squares = np.zeros(directions.shape[1], dtype=directions.dtype)
        for rows in blocks_of(X, directions):
            values = X[rows] @ directions
            squares += np.einsum("ij,ij->j", values, values)
        return np.sqrt(squares / len(X))

    def correlate(self, X, v, directions, widths=None):
        """Return ``v' (X u)_+`` for each column u, and its gradient.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        v : ndarray of shape (n,)
            Dual point.
        directions : ndarray of shape (d, m)
            Weights of the units, one a column, of any norm.
        widths : ndarray of shape (m,), default=None
            Half the width of a parabola in place of the kink of each unit, in units
            of its pre-activations: ``(z + width)^2 / (4 width)`` between -width and
            width, of slope ``(z + width) / (2 width)``. None for the units as they
            are.

        Returns
        -------
        values : ndarray of shape (m,)
            Correlations.
        gradients : ndarray of shape (d, m)
            Their derivatives by the directions.
        """
        gradients = np.zeros_like(directions)
        excess = np.zeros(directions.shape[1], dtype=directions.dtype)
        if widths is not None:
            # Units that are zero everywhere have no spread.
            widths = np.maximum(widths, np.finfo(directions.dtype).tiny ** 0.5)
            scaled = directions * (0.5 / widths)
        for rows in blocks_of(X, directions):
            if widths is None:
                slopes = (X[rows] @ directions > 0) * v[rows, None]
            else:
                slopes = X[rows] @ scaled
                slopes += directions.dtype.type(0.5)
                np.clip(slopes, 0, 1, out=slopes)
                # The unit itself is z * slope + width * slope * (1 - slope).
                excess += v[rows] @ slopes
                excess -= np.einsum("i,ij,ij->j", v[rows], slopes, slopes)
                slopes *= v[rows, None]
            gradients += X[rows].T @ slopes
        values = np.sum(directions * gradients, axis=0)
        return (values if widths is None else values + widths * excess), gradients

    def heads(self, X, v, directions, signs):
        """Return the signs of the output weights that lower the loss most."""
        return signs

    def random_heads(self, m, y, random_state):
        """Return the signs of the output weights of m random units."""
        return np.where(np.arange(m) % 2 == 0, 1.0, -1.0)

    def ascend_cells(self, X, v, direction, n_cells=20):
        """Raise ``v' (X u)_+`` over the unit ball, exactly within each cell visited.

        In the cell of a direction the price is the norm of the projection of
        ``X' D v`` on its cone. A row whose multiplier outweighs the kink that it
        stands for is crossed, and the price cannot fall; where there is none, the
        direction is a local maximum over all cells that touch it.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        v : ndarray of shape (n,)
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
            ``v' (X u)_+`` there.
        """
        side = np.where(X @ direction >= 0, 1.0, -1.0)
        best, rows = np.zeros_like(direction), None
        for _ in range(n_cells):
            found = project_on_cone(X, side, X.T @ (v * (side > 0)), rows=rows)
            if found.norm <= np.linalg.norm(best) * (1 + 1e-12):
                break
            best, rows = found.point, found.rows[found.multipliers > 0]
            kinks = found.multipliers + v[found.rows]
            crossed = found.rows[(found.multipliers > 0) & (kinks > 0)]
            if not len(crossed):
                break
            side[crossed] *= -1
        norm = float(np.linalg.norm(best))
        return best / (norm or 1.0), norm

    def linearise(self, X, hidden, output, width):
        """Return a smoothed network's output and its derivatives.

        The smoothed unit is ``(z + sqrt(z^2 + width^2)) / 2``, above the unit itself
        by at most half the width. The rows are taken in blocks that fit a cache.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        hidden : ndarray of shape (d, m)
            Hidden weights, one unit a column.
        output : ndarray of shape (m,) or (m, q)
            Output weights.
        width : float
            Width of the smoothing, in units of the pre-activations; 0 for none.

        Returns
        -------
        z : ndarray of shape (n,) or (n, q)
            Output of the network.
        pull : callable
            ``pull(v)`` returns the gradients of ``v' z`` by `hidden` and by `output`.
            It may be called once: it works in the memory of the first pass.
        """
        blocks = list(blocks_of(X, hidden))
        z = np.empty((len(X), *output.shape[1:]), dtype=hidden.dtype)
        # Where the units of all rows outgrow the cache, few inputs are gone through
        # again in less time than it takes to fetch what was known of the units.
        is_kept = X.shape[1] > _FEW_INPUTS or len(X) * len(output) <= _KEPT
        kept = []
        for rows in blocks:
            units, roots = _activate(X[rows] @ hidden, width)
            z[rows] = units @ output
            if is_kept:
                kept.append((units, roots))

        def pull(v):
            by_output, by_hidden = np.zeros_like(output), np.zeros_like(hidden)
            for k, rows in enumerate(blocks):
                known = kept[k] if is_kept else _activate(X[rows] @ hidden, width)
                by_output += known[0].T @ v[rows]
                by_hidden += self._pull_back(X[rows], v[rows], _slopes(*known), output)
            return by_hidden, by_output

        return z, pull

    def _pull_back(self, X, v, slopes, output):
        """Return the gradient by the hidden weights over a block of rows."""
        return ((X * v[:, None]).T @ slopes) * output

    def thin(self, X, v, step):
        """Return the rows, and the entries of a dual point, of every so many inputs."""
        return X[::step], v[::step]

    def price_bound(self, X, v):
        """Return a rigorous bound on the price of a dual point."""
        return relu_price_bound(X, v)

    def program(self, X, loss, beta, cells, **groups):
        """Return the program over the cells, each with its cone.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        loss : object
            A loss of :mod:`convexnn.programs.losses`.
        beta : float
            Penalty.
        cells : Cells
            Activation patterns.
        **groups : ndarray of shape (n_groups,)
            `cell_of` and `sign`; every cell with both signs by default.

        Returns
        -------
        ConvexProgram
            The program.
        """
        return ConvexProgram(X, loss, beta, cells, has_cones=True, **groups)

    def recover(self, program, U, samples):
        """Return the network of a feasible point, in the units of the caller.

        A group u becomes one unit with hidden weights ``u / sqrt(norm2(u))`` and
        output weight ``sign * sqrt(norm2(u))``: the network's objective equals the
        program's. Groups of norm zero leave no unit.
        """
        return ReLUNetwork(*unscaled_units(program, U, samples)[1:])

    def network(self, units, offset, samples):
        """Return the network of some units, in the units of the caller.

        Units of norm zero are left out.
        """
        used = (units.hidden != 0).any(axis=0)
        weights = units.hidden[:, used], units.output[used]
        return ReLUNetwork(*network_weights(*weights, offset, samples))

    def locate(self, program, network, samples):
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


def blocks_of(X, directions):
    """Yield slices of rows whose pre-activations fit a cache."""
    n_rows = max(_BLOCK // max(directions.shape[1], 1), 16)
    for first in range(0, len(X), n_rows):
        yield slice(first, first + n_rows)


def _activate(values, width):
    """Return units in place of pre-activations, and the roots of smoothed ones."""
    if not width:
        return np.maximum(values, 0, out=values), None
    roots = values * values
    roots += values.dtype.type(width * width)
    np.sqrt(roots, out=roots)
    values += roots
    values *= values.dtype.type(0.5)
    return values, roots


def _slopes(units, roots):
    """Return derivatives by the pre-activations in place of the units."""
    if roots is None:
        return np.greater(units, 0, out=units)
    # (1 + z / root) / 2, where the unit is (z + root) / 2.
    units /= roots
    return units
