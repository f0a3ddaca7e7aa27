"""Gated ReLU networks: units ``1[X g >= 0] * (X u) a`` with fixed gates, no cones."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..data.samples import Samples
from ..networks.network import GatedReLUNetwork, ReLUNetwork
from ..programs.cells import Cells
from ..programs.losses import Loss, Offset
from ..programs.nuclear_norms import NuclearNormProgram
from ..programs.program import ConvexProgram, heads_of
from .base import Pull, PullBoth
from .one_layer import OneLayer
from .recovery import (
    network_weights,
    program_directions,
    split_bias,
    sum_into_groups,
    unscaled_units,
)
from .rectifiers import Rectifier, Widths, blocks_of, parabolic
from .units import Units

__all__ = ["GatedReLU"]


class GatedReLU(OneLayer):
    """Units that pass x'u through where a fixed gate is open.

    Without the cones the program is a plain group lasso, and one sign per cell
    covers both. The weights mean nothing without their gates.

    With several outputs any number of units are behind a gate. They sum to one matrix,
    and weight decay on both layers to its nuclear norm; its singular vectors are the
    units back (Sahiner, Ergen, Pauly and Pilanci, "Vector-output ReLU Neural Network
    Problems are Copositive Programs", ICLR 2021; talk, "Vector Output Two-layer ReLU
    Networks: Nuclear Norm Regularization").

    Parameters
    ----------
    cells : Cells, default=None
        Activation patterns of some inputs, and gates, of units to descend with, one
        after the other. Programs bring their own.
    repeats : int, default=1
        Units behind each of these gates.
    """

    words = "activation='gated_relu'"
    features = frozenset()
    features = frozenset()
    has_cones = False

    def __init__(self, cells: Cells | None = None, repeats: int = 1) -> None:
        if cells is not None:
            self.gates = np.repeat(cells.gates, repeats, axis=1)
            self.patterns = np.repeat(cells.patterns, repeats, axis=1)

    def features_for(self, y: np.ndarray) -> frozenset[str]:
        """Return the features of programs: nuclear norms for several outputs."""
        return self.features if y.ndim == 1 else frozenset({"nuclear_norms"})

    def opened(self, cells: Cells, repeats: int = 1) -> GatedReLU:
        """Return the architecture with the gates of some cells, to descend with."""
        return GatedReLU(cells, repeats)

    def forward(
        self,
        X: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, Pull]:
        """Return ``1[X g >= 0] * X u`` column by column; there is nothing to smooth."""
        patterns = self.patterns
        return patterns * (X @ directions), lambda W: X.T @ (patterns * W)

    def atoms(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return ``1[X g >= 0] * X u`` column by column, of shape (n, m)."""
        return self.patterns * (X @ directions)

    def linearise(
        self,
        X: np.ndarray,
        hidden: np.ndarray,
        output: np.ndarray,
        width: Widths | None,
    ) -> tuple[np.ndarray, PullBoth]:
        """Return the network's output and its derivatives, by blocks of rows."""
        z = np.empty((len(X), *output.shape[1:]), dtype=hidden.dtype)
        blocks = list(blocks_of(len(X), hidden.shape[1]))
        heads = output.reshape(len(output), -1)
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

    def random_heads(
        self, m: int, y: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Return random signs, or directions, of the output weights of m units."""
        return heads_of(random_state.standard_normal((m, *y.shape[1:])))

    def program(
        self, X: np.ndarray, loss: Loss, beta: float, patterns: Cells, **groups: Any
    ) -> ConvexProgram:
        """Return the group lasso over the cells' patterns, or that of their matrices.

        With several outputs a group is a matrix, and its nuclear norm is penalised.
        """
        if loss.y.ndim == 2:
            return NuclearNormProgram(X, loss, beta, patterns, **groups)
        return ConvexProgram(X, loss, beta, patterns, has_cones=False, **groups)

    def recover(
        self, program: ConvexProgram, U: np.ndarray, samples: Samples
    ) -> GatedReLUNetwork:
        """Return the gated network of a point, in the units of the caller.

        A matrix ``P diag(s) Q'`` gives units of hidden weights ``P diag(sqrt(s))`` and
        output weights ``diag(sqrt(s)) Q'``.
        """
        program, U = program.factored(U)
        found = unscaled_units(program, U, samples)
        gates = program.cells.gates[:, program.cell_of]
        gates_and_bias = split_bias(gates[:, found[0]], samples.has_bias)
        return GatedReLUNetwork(*found[1:], *gates_and_bias)

    def network(
        self, units: Units, offset: Offset, samples: Samples
    ) -> GatedReLUNetwork:
        """Return the network of some units, in the units of the caller."""
        used = (units.hidden != 0).any(axis=0)
        units = units.take(used)
        weights = network_weights(units.hidden, units.output, offset, samples)
        gates = split_bias(self.gates[:, used], samples.has_bias)
        return GatedReLUNetwork(*weights, *gates)

    def locate(
        self, program: ConvexProgram, network: ReLUNetwork, samples: Samples
    ) -> np.ndarray:
        """Return a point of the program from a gated network on matching gates."""
        directions = program_directions(network, samples)
        gated = cast(GatedReLUNetwork, network)
        cells = self.nearest_cells(program, gated, samples)
        if len(program.shape) == 2:
            return sum_into_groups(program, network, directions, cells)
        U = np.zeros(program.shape)
        units = directions.T[:, :, None] * heads_of(network.output)[:, None, :]
        np.add.at(U.transpose(1, 0, 2), cells, units)
        return U

    def nearest_cells(
        self, program: ConvexProgram, network: GatedReLUNetwork, samples: Samples
    ) -> np.ndarray:
        """Return the cell whose pattern differs least from each unit's gate."""
        gates = network.gates
        if samples.has_bias:
            gates = np.vstack([gates, network.gate_bias])
        open_ = (samples.X @ gates >= 0).astype(float)
        patterns = program.cells.patterns.astype(float)
        disagreement = open_.T @ (1 - patterns) + (1 - open_).T @ patterns
        return disagreement.argmin(axis=1)
