"""Networks as points of a space of weights: directions, distances, matched units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.optimize import linear_sum_assignment

from .network import ReLUNetwork
from .reading import read_network
from .three_layer import ThreeLayerNetwork

__all__ = ["ThreeLayerPoint", "TwoLayerPoint", "WeightPoint", "as_point", "matched"]


@dataclass(frozen=True)
class WeightPoint:
    """Weights of a network, layer by layer.

    Attributes
    ----------
    layers : tuple of ndarray
        Weights; the first axis runs over what enters a unit, so that a column is what
        Li et al. call a filter. The output intercept, of no axes, comes last.
    has_bias : bool
        Whether the last row of the first layer holds biases.
    """

    layers: tuple[np.ndarray, ...]
    has_bias: bool

    def vector(self) -> np.ndarray:
        """Return all weights, of shape (n_weights,)."""
        return np.concatenate([layer.ravel() for layer in self.layers])

    def at(self, vector: np.ndarray) -> Self:
        """Return the point of the same shape with these weights."""
        ends = np.cumsum([layer.size for layer in self.layers])[:-1]
        parts = zip(self.layers, np.split(vector, ends), strict=True)
        return replace(self, layers=tuple(v.reshape(np.shape(a)) for a, v in parts))

    @property
    def width(self) -> int:
        """Number of hidden units, or of sub-networks."""
        return len(self.layers[-2])

    def widened(self, width: int) -> Self:
        """Return the same network with units of zeros to make up the width."""
        *inner, output, intercept = self.layers
        missing = 0, width - self.width
        inner = [
            np.pad(layer, [(0, 0), missing, *[(0, 0)] * (layer.ndim - 2)])
            for layer in inner
        ]
        return replace(self, layers=(*inner, np.pad(output, missing), intercept))

    def draw_direction(self, random_state: np.random.RandomState) -> np.ndarray:
        """Return a random direction, normalised by filters, of shape (n_weights,).

        It is Gaussian, and every filter (the weights that enter one unit, its bias
        among them) is then scaled to the norm that it has in this point, the output
        layer as a whole. The output intercept does not move.

        Parameters
        ----------
        random_state : numpy.random.RandomState
            Source of the direction.

        Returns
        -------
        ndarray of shape (n_weights,)
            Direction, zero where a filter is zero.
        """
        drawn = []
        for layer in self.layers[:-1]:
            direction = random_state.standard_normal(layer.shape)
            norms = np.linalg.norm(layer, axis=0), np.linalg.norm(direction, axis=0)
            drawn.append((direction * (norms[0] / norms[1])).ravel())
        return np.concatenate([*drawn, np.zeros(1)])


@dataclass(frozen=True)
class TwoLayerPoint(WeightPoint):
    """Hidden layer of shape (d, m), output weights (m,), intercept."""

    @classmethod
    def of(cls, network: ReLUNetwork) -> TwoLayerPoint:
        """Return the point of a :class:`~convexnn.networks.network.ReLUNetwork`."""
        first, _, output = network.stacked()
        layers = first[:, :, 0], output, np.asarray(network.output_bias, np.float64)
        return cls(layers, network.has_bias)

    def network(self) -> ReLUNetwork:
        """Return the network."""
        hidden, output, intercept = self.layers
        bias = hidden[-1] if self.has_bias else np.zeros(len(output))
        weights = hidden[: len(hidden) - self.has_bias], bias, output, float(intercept)
        return ReLUNetwork(*weights, has_bias=self.has_bias)

    def nearest_order(self, other: WeightPoint) -> Self:
        """Return this network with its units in the order nearest to another's."""
        (hidden, output, intercept), (there, out, _) = self.layers, other.layers
        overlap = there.T @ hidden + np.outer(out, output)
        order = linear_sum_assignment(-overlap)[1]
        return replace(self, layers=(hidden[:, order], output[order], intercept))


@dataclass(frozen=True)
class ThreeLayerPoint(WeightPoint):
    """First layers (d, K, m), second layers (m, K), output weights (K,), intercept."""

    @classmethod
    def of(cls, network: ThreeLayerNetwork) -> ThreeLayerPoint:
        """Return the point of a network with at least one sub-network."""
        first, second, third = network.stacked()
        layers = first, second.T, third, np.asarray(network.intercept, np.float64)
        return cls(layers, network.has_bias)

    def network(self) -> ThreeLayerNetwork:
        """Return the network, first layers of a norm above 1 scaled to 1."""
        first, second, third, intercept = self.layers
        norms = np.sqrt(np.sum(first**2, axis=(0, 2)))
        first = first / np.maximum(norms, 1.0)[:, None]
        subnetworks = zip(first.swapaxes(0, 1), second.T, third, strict=True)
        return ThreeLayerNetwork(list(subnetworks), float(intercept), self.has_bias)

    def nearest_order(self, other: WeightPoint) -> Self:
        """Return this network with sub-networks and units in the order nearest."""
        first, second, third, intercept = self.layers
        there, second_there, third_there, _ = other.layers
        overlap = np.einsum("dki,dlj->klij", there, first)
        overlap += np.einsum("ik,jl->klij", second_there, second)
        size = len(third)
        orders = np.empty((size, size, len(second)), dtype=int)
        gain = np.outer(third_there, third)
        for k in range(size):
            for at in range(size):
                order = linear_sum_assignment(-overlap[k, at])[1]
                orders[k, at] = order
                gain[k, at] += overlap[k, at, np.arange(len(order)), order].sum()
        chosen = linear_sum_assignment(-gain)[1]
        units = orders[np.arange(size), chosen]
        layers = (
            first[:, chosen[:, None], units],
            second[units, chosen[:, None]].T,
            third[chosen],
        )
        return replace(self, layers=(*layers, intercept))


Point = TwoLayerPoint | ThreeLayerPoint


def as_point(weights: Any) -> Point:
    """Return the weights of a network of two or three layers as a point.

    Parameters
    ----------
    weights : fitted estimator, network, sequence or torch module
        What :func:`~convexnn.networks.reading.read_network` takes, arrays as those of
        networks without biases.

    Returns
    -------
    WeightPoint
        The point, in double precision.

    Raises
    ------
    ValueError
        If it is something else, or a network without units.
    """
    network, _ = read_network(weights)
    if not network.n_neurons:
        raise ValueError("weights must have a unit, got a network without any.")
    if isinstance(network, ReLUNetwork):
        return TwoLayerPoint.of(network)
    return ThreeLayerPoint.of(network)


def matched(points: Sequence[Point]) -> list[Point]:
    """Return points of one width whose units correspond to those of the first.

    Narrower networks get units of zeros. The order of units, and of sub-networks, does
    not change a network; here it is the one of the smallest distance to the first.

    Parameters
    ----------
    points : sequence of WeightPoint
        Of one kind, for the same inputs.

    Returns
    -------
    list of WeightPoint
        The same networks.

    Raises
    ------
    ValueError
        If the kinds or shapes of the points differ.
    """
    width = max(point.width for point in points)
    kinds = {
        (type(point).__name__, point.has_bias, *_shape_of_unit(point))
        for point in points
    }
    if len(kinds) > 1:
        raise ValueError(
            "networks must have the same number of layers, features and units of a "
            f"sub-network, and all biases or none, got {sorted(map(str, kinds))}."
        )
    first, *others = (point.widened(width) for point in points)
    return [first, *(point.nearest_order(first) for point in others)]


def _shape_of_unit(point: WeightPoint) -> tuple[int, ...]:
    """Return the shape of the first layer's weights, without the width."""
    shape = point.layers[0].shape
    return shape[:1] + shape[2:]
