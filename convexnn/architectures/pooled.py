"""Convolutional units ``sum_j (X_j u)_+`` with norm2(u) <= 1, cones, two signs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.patches import PatchGrid
from ..data.samples import Samples
from ..networks.network import ConvolutionalReLUNetwork
from ..programs.cells import Cells
from ..programs.losses import Loss, Offset
from ..programs.program import ConvexProgram, pool
from .base import Pull, PullBoth
from .rectifiers import Rectifier, Widths, parabolic
from .relu import ReLU
from .units import Units

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

    words = "formulation='global'"
    features = frozenset({"cones", "patches"})
    features = frozenset({"cones", "patches"})

    @property
    def n_patches(self) -> int:
        """Number of patches k of an input."""
        return self.grid.n_patches

    def _spread(self, v):
        return np.repeat(v, self.n_patches, axis=0)

    def forward(
        self,
        X: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, Pull]:
        """Return ``sum_j (X_j u)_+`` for each column u, and what gives derivatives."""
        values, pull = super().forward(X, directions, widths, rectifier)
        return pool(values, self.n_patches), lambda W: pull(self._spread(W))

    def atoms(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return ``sum_j (X_j u)_+`` for each column u, of shape (n, m)."""
        return pool(super().atoms(X, directions), self.n_patches)

    def correlate(
        self,
        X: np.ndarray,
        v: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return ``v' sum_j (X_j u)_+`` for each column u, and its gradient."""
        # A unit of the patches, and what it pulls, is that of their inputs.
        plain = ReLU()
        return plain.correlate(X, self._spread(v), directions, widths, rectifier)

    def ascend_cells(
        self, X: np.ndarray, v: np.ndarray, direction: np.ndarray, n_cells: int = 20
    ) -> tuple[np.ndarray, float]:
        """Raise ``v' sum_j (X_j u)_+`` over the unit ball, exactly in each cell."""
        return ReLU().ascend_cells(X, self._spread(v), direction, n_cells)

    def linearise(
        self,
        X: np.ndarray,
        hidden: np.ndarray,
        output: np.ndarray,
        width: Widths | None,
    ) -> tuple[np.ndarray, PullBoth]:
        """Return a smoothed network's output and its derivatives."""
        z, pull = super().linearise(X, hidden, output, width)
        return pool(z, self.n_patches), lambda v: pull(self._spread(v))

    def thin(
        self, X: np.ndarray, v: np.ndarray, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the patches, and the entries of a dual point, of fewer inputs."""
        inputs = X.reshape(len(v), self.n_patches, X.shape[1])[::step]
        return inputs.reshape(-1, X.shape[1]), v[::step]

    def price_bound(self, X: np.ndarray, v: np.ndarray) -> float:
        """Return a rigorous bound on the price of a dual point."""
        return super().price_bound(X, self._spread(v))

    def program(
        self, X: np.ndarray, loss: Loss, beta: float, patterns: Cells, **groups: Any
    ) -> ConvexProgram:
        """Return the program over the cells of all patches, each with its cone."""
        groups = groups | {"n_patches": self.n_patches}
        return super().program(X, loss, beta, patterns, **groups)

    def recover(
        self, program: ConvexProgram, U: np.ndarray, samples: Samples
    ) -> ConvolutionalReLUNetwork:
        """Return the network of a feasible point, in the units of the caller."""
        return self._of_patches(super().recover(program, U, samples))

    def network(
        self, units: Units, offset: Offset, samples: Samples
    ) -> ConvolutionalReLUNetwork:
        """Return the network of some units, in the units of the caller."""
        return self._of_patches(super().network(units, offset, samples))

    def _of_patches(self, network):
        return ConvolutionalReLUNetwork(**vars(network), grid=self.grid)
