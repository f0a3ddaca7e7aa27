"""Gated ReLU networks: atoms ``1[X g >= 0] * X u`` with given gates g, no cones."""

from __future__ import annotations

import numpy as np

from ..networks.network import GatedReLUNetwork
from ..programs.program import ConvexProgram, heads_of
from .recovery import (
    network_weights,
    program_directions,
    split_bias,
    sum_into_groups,
    unscaled_units,
)
from .relu import blocks_of

__all__ = ["GatedReLU", "OpenGates"]


class GatedReLU:
    """Units that pass x'u through where a fixed gate is open.

    Without the cones the program is a plain group lasso, and one sign per cell
    covers both. The weights mean nothing without their gates.
    """

    name = "gated_relu"
    features = frozenset()
    has_cones = False

    def atoms(self, X, directions, gates):
        """Return ``1[X g >= 0] * X u`` column by column, of shape (n, n_directions)."""
        return (X @ gates >= 0) * (X @ directions)

    def program(self, X, loss, beta, cells):
        """Return the group lasso over the cells' patterns."""
        return ConvexProgram(X, loss, beta, cells, has_cones=False)

    def recover(self, program, U, samples):
        """Return the gated network of a point, in the units of the caller."""
        groups, *weights = unscaled_units(program, U, samples)
        gates = split_bias(program.gates[:, groups], samples.has_bias)
        return GatedReLUNetwork(*weights, *gates)

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


class OpenGates:
    """Gated units of given cells on given inputs, one after the other, to descend with.

    Parameters
    ----------
    cells : Cells
        Activation patterns of the inputs and their gates.
    repeats : int, default=1
        Units behind each gate: for several outputs more than one may be needed.
    """

    def __init__(self, cells, repeats=1):
        self.gates = np.repeat(cells.gates, repeats, axis=1)
        self.patterns = np.repeat(cells.patterns, repeats, axis=1)

    def __len__(self):
        return self.patterns.shape[1]

    def random_heads(self, m, y, random_state):
        """Return random signs, or directions, of the output weights of m units."""
        return heads_of(random_state.standard_normal((m, *y.shape[1:])))

    def atoms(self, X, directions):
        """Return ``1[X g >= 0] * X u`` column by column, of shape (n, n_directions)."""
        return self.patterns * (X @ directions)

    def linearise(self, X, hidden, output, width):
        """Return the network's output and its derivatives; there is nothing to smooth.

        The parameters are those of :class:`~convexnn.architectures.ReLU`.
        """
        z = np.empty((len(X), *output.shape[1:]), dtype=hidden.dtype)
        blocks, heads = list(blocks_of(X, hidden)), output.reshape(len(output), -1)
        for rows in blocks:
            z[rows] = (self.patterns[rows] * (X[rows] @ hidden)) @ output

        def pull(v):
            by_output, by_hidden = np.zeros_like(output), np.zeros_like(hidden)
            for rows in blocks:
                units = self.patterns[rows] * (X[rows] @ hidden)
                by_output += units.T @ v[rows]
                pulled = v[rows].reshape(len(units), -1) @ heads.T
                by_hidden += X[rows].T @ (self.patterns[rows] * pulled)
            return by_hidden, by_output

        return z, pull

    def network(self, units, offset, samples):
        """Return the network of some units, in the units of the caller."""
        used = (units.hidden != 0).any(axis=0)
        weights = units.hidden[:, used], units.output[used]
        weights = network_weights(*weights, offset, samples)
        gates = split_bias(self.gates[:, used], samples.has_bias)
        return GatedReLUNetwork(*weights, *gates)
