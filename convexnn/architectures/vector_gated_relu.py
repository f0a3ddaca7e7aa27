"""Gated ReLU networks of several outputs: atoms ``1[X g >= 0] * (X u) a'``."""

from __future__ import annotations

import numpy as np

from ..programs.nuclear_norms import NuclearNormProgram
from ..programs.program import heads_of
from .gated_relu import GatedReLU
from .recovery import program_directions

__all__ = ["VectorGatedReLU"]


class VectorGatedReLU(GatedReLU):
    """Gated units with a vector of output weights each, any number behind a gate.

    A gate's units sum to one matrix, and weight decay on both layers to its nuclear
    norm; its singular vectors are the units back (Sahiner, Ergen, Pauly and Pilanci,
    "Vector-output ReLU Neural Network Problems are Copositive Programs", ICLR 2021;
    talk, "Vector Output Two-layer ReLU Networks: Nuclear Norm Regularization").
    """

    name = "vector_gated_relu"
    features = frozenset({"nuclear_norms"})

    def program(self, X, loss, beta, cells):
        """Return the program of the nuclear norms of the cells' matrices."""
        return NuclearNormProgram(X, loss, beta, cells)

    def recover(self, program, U, samples):
        """Return the gated network of a point, in the units of the caller.

        A matrix ``P diag(s) Q'`` gives units of hidden weights ``P diag(sqrt(s))`` and
        output weights ``diag(sqrt(s)) Q'``.
        """
        return super().recover(*program.factored(U), samples)

    def locate(self, program, network, samples):
        """Return a point of the program from a gated network on matching gates."""
        U = np.zeros(program.shape)
        units = program_directions(network, samples).T[:, :, None]
        units = units * heads_of(network.output)[:, None, :]
        cells = self.nearest_cells(program, network, samples)
        np.add.at(U.transpose(1, 0, 2), cells, units)
        return U
