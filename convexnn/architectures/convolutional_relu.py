"""Convolutional units ``sum_j (X_j u)_+`` with norm2(u) <= 1, cones, two signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.patches import PatchGrid
from ..networks.network import ConvolutionalReLUNetwork
from ..programs.program import pool
from .bounds import relu_price_bound
from .relu import ReLU

__all__ = ["ConvolutionalReLU"]


@dataclass(frozen=True)
class ConvolutionalReLU(ReLU):
    """Filters whose rectified responses to the patches of an input are summed.

    The rows of X are patches, those of an input one after the other, so that a unit is
    a two-layer one whose outputs are pooled: cells and cones are those of the patches
    (talk, "Convolutional neural networks can be optimized in fully polynomial time").

    Parameters
    ----------
    grid : PatchGrid
        Where the patches of an input lie.
    """

    grid: PatchGrid

    name = "convolutional_relu"
    features = frozenset({"cones", "patches"})

    @property
    def n_patches(self):
        """Number of patches k of an input."""
        return self.grid.n_patches

    def _spread(self, v):
        return np.repeat(v, self.n_patches)

    def atoms(self, X, directions):
        """Return ``sum_j (X_j u)_+`` for each column u, of shape (n, n_directions)."""
        return pool(super().atoms(X, directions), self.n_patches)

    def correlate(self, X, v, directions, widths=None):
        """Return ``v' sum_j (X_j u)_+`` for each column u, and its gradient."""
        return super().correlate(X, self._spread(v), directions, widths)

    def ascend_cells(self, X, v, direction, n_cells=20):
        """Raise ``v' sum_j (X_j u)_+`` over the unit ball, exactly in each cell."""
        return super().ascend_cells(X, self._spread(v), direction, n_cells)

    def linearise(self, X, hidden, output, width):
        """Return a smoothed network's output and its derivatives."""
        z, pull = super().linearise(X, hidden, output, width)
        return pool(z, self.n_patches), lambda v: pull(self._spread(v))

    def thin(self, X, v, step):
        """Return the patches, and the entries of a dual point, of fewer inputs."""
        inputs = X.reshape(len(v), self.n_patches, X.shape[1])[::step]
        return inputs.reshape(-1, X.shape[1]), v[::step]

    def price_bound(self, X, v):
        """Return a rigorous bound on the price of a dual point."""
        return relu_price_bound(X, self._spread(v))

    def program(self, X, loss, beta, cells, **groups):
        """Return the program over the cells of all patches, each with its cone."""
        return super().program(X, loss, beta, cells, n_patches=self.n_patches, **groups)

    def recover(self, program, U, samples):
        """Return the network of a feasible point, in the units of the caller."""
        network = super().recover(program, U, samples)
        return ConvolutionalReLUNetwork(**vars(network), grid=self.grid)
