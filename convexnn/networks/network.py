"""The recovered networks: weights, forward pass, penalty, objective."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from ..data.patches import Patches, PatchGrid

__all__ = [
    "ConvolutionalReLUNetwork",
    "GatedReLUNetwork",
    "Network",
    "ReLUNetwork",
    "with_slopes",
]


def with_slopes(z: np.ndarray, slopes: tuple[float, float]) -> np.ndarray:
    """Return units of two slopes, below and above zero, in place of z."""
    if slopes == (0.0, 1.0):
        return np.maximum(z, 0, out=z)
    return np.where(z > 0, slopes[1] * z, slopes[0] * z)


class Network(ABC):
    """Networks of any depth."""

    @property
    @abstractmethod
    def n_neurons(self) -> int:
        """Number of hidden units, filters or sub-networks."""

    @abstractmethod
    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs for the rows of X."""

    @abstractmethod
    def penalty(self) -> float:
        """Return the sum of squares of the weights, or what it comes to at best."""

    def objective(
        self,
        X: np.ndarray,
        y: np.ndarray,
        beta: float,
        sample_weight: np.ndarray | None = None,
    ) -> float:
        """Return ``1/2 sum_i s_i norm2(f(x_i) - y_i)^2 + beta/2 penalty()``.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        y : ndarray of shape (n,) or (n, q)
            Targets.
        beta : float
            Penalty.
        sample_weight : ndarray of shape (n,), default=None
            Weights s, ones by default.

        Returns
        -------
        float
            The objective that training minimises over all networks.
        """
        squares = np.square(self.predict(X) - y, dtype=np.float64)
        total = squares.sum() if sample_weight is None else sample_weight @ squares
        return 0.5 * float(np.sum(total)) + 0.5 * beta * self.penalty()


@dataclass(frozen=True)
class ReLUNetwork(Network):
    """Two-layer network ``f(x) = relu(x W + b) a + c``.

    Attributes
    ----------
    hidden : ndarray of shape (d, m)
        Hidden weights W, one unit a column.
    hidden_bias : ndarray of shape (m,)
        Hidden biases b.
    output : ndarray of shape (m,) or (m, q)
        Output weights a.
    output_bias : float or ndarray of shape (q,)
        Output intercept c, not penalised.
    has_bias : bool, default=True
        Whether biases are trained; they are zeros otherwise.
    slopes : tuple of float, default=(0.0, 1.0)
        Slopes of a unit below and above zero, of other units than rectifiers.
    """

    hidden: np.ndarray
    hidden_bias: np.ndarray
    output: np.ndarray
    output_bias: float | np.ndarray
    has_bias: bool = field(default=True, kw_only=True)
    slopes: tuple[float, float] = field(default=(0.0, 1.0), kw_only=True)

    @property
    def n_neurons(self) -> int:
        """Number m of hidden units."""
        return len(self.output)

    def activations(self, X: np.ndarray) -> np.ndarray:
        """Return the hidden layer's output, of shape (n, m)."""
        return with_slopes(X @ self.hidden + self.hidden_bias, self.slopes)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the outputs of the network, of shape (n,) or (n, q)."""
        return self.activations(X) @ self.output + self.output_bias

    def stacked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the three layers of the units as sub-networks of one unit each.

        Shapes are as for :meth:`ThreeLayerNetwork.stacked
        <convexnn.networks.three_layer.ThreeLayerNetwork.stacked>`, with second weights
        of one.
        """
        rows = [self.hidden, self.hidden_bias] if self.has_bias else [self.hidden]
        first = np.vstack(rows)[:, :, None].astype(np.float64)
        return first, np.ones((self.n_neurons, 1)), self.output.astype(np.float64)

    def penalty(self) -> float:
        """Return the sum of squares of all weights but the output intercept."""
        weights = (self.hidden, self.hidden_bias, self.output)
        return float(sum(np.sum(np.square(w, dtype=np.float64)) for w in weights))


@dataclass(frozen=True)
class GatedReLUNetwork(ReLUNetwork):
    """Network ``f(x) = (1[x G + g0 >= 0] * (x W + b)) a + c`` with fixed gates.

    Attributes
    ----------
    gates : ndarray of shape (d, m)
        Gates G, one unit a column.
    gate_bias : ndarray of shape (m,)
        Biases g0 of the gates.
    """

    gates: np.ndarray
    gate_bias: np.ndarray

    def activations(self, X: np.ndarray) -> np.ndarray:
        """Return the hidden layer's output, of shape (n, m)."""
        return (X @ self.gates + self.gate_bias >= 0) * (
            X @ self.hidden + self.hidden_bias
        )


@dataclass(frozen=True)
class ConvolutionalReLUNetwork(ReLUNetwork):
    """Network ``f(x) = sum_j relu(x_j W + b) a + c`` over the patches x_j of an input.

    Attributes
    ----------
    grid : PatchGrid
        Where the patches lie; W has a row for each entry of a patch.
    """

    grid: PatchGrid

    def activations(self, X: np.ndarray) -> np.ndarray:
        """Return the pooled responses of the filters, of shape (n, m)."""
        return Patches(X, self.grid).pooled(self.hidden, self.hidden_bias)
