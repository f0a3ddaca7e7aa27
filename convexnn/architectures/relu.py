"""Two-layer ReLU networks: atoms ``(X u)_+`` with norm2(u) <= 1, cones, two signs."""

from __future__ import annotations

import numpy as np

from ..network import ReLUNetwork
from ..program import ConvexProgram
from .recovery import program_directions, sum_into_groups, unscaled_units

__all__ = ["ReLU"]


class ReLU:
    """Units max(x'u, 0) whose direction is free inside the cone of a cell.

    Weight decay on both layers equals ``beta * sum_j norm2(u_j)`` after rescaling
    (talk, "Squared Loss: ReLU Neural Networks are Convex Group Lasso Models").
    """

    name = "relu"
    has_cones = True

    def atoms(self, X, directions):
        """Return ``(X u)_+`` for each column u, of shape (n, n_directions)."""
        return np.maximum(X @ directions, 0)

    def forward(self, X, directions, width=0.0):
        """Return the units' outputs and slopes, smoothed if `width` is positive.

        The smoothed unit is ``(z + sqrt(z^2 + width^2)) / 2``, above the unit itself
        by at most half the width.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        directions : ndarray of shape (d, m)
            Weights of the units, one a column.
        width : float, default=0.0
            Width of the smoothing, in units of the pre-activations.

        Returns
        -------
        outputs, slopes : ndarray of shape (n, m)
            Outputs, and their derivatives by the pre-activations.
        """
        values = X @ directions
        if width == 0:
            return np.maximum(values, 0), (values > 0).astype(values.dtype)
        root = np.hypot(values, width)
        return 0.5 * (values + root), 0.5 * (1 + values / root)

    def backward(self, X, slopes, V):
        """Return the gradients of ``sum(V * outputs)`` by the weights, (d, m)."""
        return X.T @ (slopes * V)

    def program(self, X, loss, beta, cells):
        """Return the program over the cells, each with both signs and its cone."""
        return ConvexProgram(X, loss, beta, cells, has_cones=True)

    def recover(self, program, U, samples):
        """Return the network of a feasible point, in the units of the caller.

        A group u becomes one unit with hidden weights ``u / sqrt(norm2(u))`` and
        output weight ``sign * sqrt(norm2(u))``: the network's objective equals the
        program's. Groups of norm zero leave no unit.
        """
        _, hidden, bias, output, offset = unscaled_units(program, U, samples)
        return ReLUNetwork(hidden, bias, output, offset)

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
