"""Gated ReLU networks: atoms ``1[X g >= 0] * X u`` with given gates g, no cones."""

from __future__ import annotations

import numpy as np

from ..network import GatedReLUNetwork
from ..program import ConvexProgram
from .recovery import program_directions, split_bias, sum_into_groups, unscaled_units

__all__ = ["GatedReLU"]


class GatedReLU:
    """Units that pass x'u through where a fixed gate is open.

    Without the cones the program is a plain group lasso, and one sign per cell
    covers both. The weights mean nothing without their gates.
    """

    name = "gated_relu"
    has_cones = False

    def atoms(self, X, directions, gates):
        """Return ``1[X g >= 0] * X u`` column by column, of shape (n, n_directions)."""
        return (X @ gates >= 0) * (X @ directions)

    def program(self, X, loss, beta, cells):
        """Return the group lasso over the cells' patterns."""
        return ConvexProgram(X, loss, beta, cells, has_cones=False)

    def recover(self, program, U, samples):
        """Return the gated network of a point, in the units of the caller."""
        groups, hidden, bias, output, offset = unscaled_units(program, U, samples)
        gates, gate_bias = split_bias(program.gates[:, groups], samples.has_bias)
        return GatedReLUNetwork(hidden, bias, output, offset, gates, gate_bias)

    def locate(self, program, network, samples):
        """Return a point of the program from a gated network on matching gates."""
        directions = program_directions(network, samples)
        cells = self.nearest_cells(program, network, samples)
        return sum_into_groups(program, network, directions, cells)

    def nearest_cells(self, program, network, samples):
        """Return the cell whose pattern differs least from each unit's gate."""
        gates = network.gates
        if samples.has_bias:
            gates = np.vstack([gates, network.gate_bias])
        open_ = (samples.X @ gates >= 0).astype(float)
        patterns = program.cells.patterns.astype(float)
        disagreement = open_.T @ (1 - patterns) + (1 - open_).T @ patterns
        return disagreement.argmin(axis=1)
