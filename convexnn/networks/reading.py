"""Weights of any kind as a network: estimators, networks, arrays, torch modules."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .network import Network, ReLUNetwork
from .three_layer import ThreeLayerNetwork

__all__ = ["read_network"]

Readable = ReLUNetwork | ThreeLayerNetwork


def read_network(
    weights: Any, n_features: int | None = None
) -> tuple[Readable, float | None]:
    """Return the network of one output that weights of any kind stand for.

    Parameters
    ----------
    weights : fitted estimator, network, sequence or torch module
        A fitted :class:`~convexnn.ConvexReLURegressor` (of ReLU networks) or
        :class:`~convexnn.ThreeLayerConvexRegressor`, whose `network_` is read; a
        :class:`~convexnn.networks.network.ReLUNetwork` or
        :class:`~convexnn.networks.three_layer.ThreeLayerNetwork`; a list of
        sub-networks (W1, w2, w3) of shapes (d, m), (m,) and (); or a pair (W, a) of
        shapes (d, m) and (m,). Arrays may be torch tensors. A module counts by its
        ``parameters()`` without biases: two weights of shapes (m, d) and (1, m), or
        three of (m, d), (1, m) and (1, 1) for one sub-network.
    n_features : int, default=None
        Number d of inputs. Arrays of d + 1 rows then have the biases in the last;
        None reads arrays as those of networks without biases.

    Returns
    -------
    network : ReLUNetwork or ThreeLayerNetwork
        The network.
    intercept : float or None
        Its output intercept if that was trained; None for arrays and modules, which
        have none.

    Raises
    ------
    ValueError
        If a shape or a value is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.networks.reading import read_network
    >>> network, intercept = read_network((np.eye(2), np.ones(2)))
    >>> network.predict(np.array([[1.0, -3.0]])), intercept
    (array([1.]), None)
    """
    network: Any
    is_own = True
    if hasattr(weights, "get_params"):
        network = _of_estimator(weights)
    elif isinstance(weights, Network):
        network = weights
    else:
        network, is_own = _of_arrays(weights, n_features), False
    if not _is_read(network):
        raise ValueError(
            "weights must be those of a ReLU network of two or three layers and one "
            f"output, got a {type(network).__name__} of output weights of shape "
            f"{np.shape(network.output)}."
        )
    _check_layers(network, n_features)
    is_two = isinstance(network, ReLUNetwork)
    intercept = float(network.output_bias if is_two else network.intercept)
    has_intercept = is_own and (network.has_bias or intercept != 0)
    return network, intercept if has_intercept else None


def _is_read(network: Any) -> bool:
    """Whether it is a network of ReLU units and one output."""
    is_plain = type(network) in (ReLUNetwork, ThreeLayerNetwork)
    return is_plain and np.ndim(network.output) == 1


def _of_estimator(estimator: Any) -> Readable:
    """Return the network of a fitted regressor of one output under squared loss."""
    check_is_fitted(estimator)
    network: Any = getattr(estimator, "network_", None)
    is_squared = getattr(estimator, "loss", "squared") == "squared"
    if not (is_squared and _is_read(network)):
        raise ValueError(
            "weights as an estimator must be a fitted ConvexReLURegressor or "
            "ConvexReLURegressorCV (with activation='relu') or "
            "ThreeLayerConvexRegressor of one target under squared loss, got "
            f"{estimator!r}."
        )
    return replace(network, has_bias=bool(estimator.fit_intercept))


def _check_layers(network: Readable, n_features: int | None) -> None:
    """Refuse weights that are not finite, or not for so many inputs."""
    if not network.n_neurons:
        return
    first, second, third = network.stacked()
    if not all(np.isfinite(layer).all() for layer in (first, second, third)):
        raise ValueError("weights must be finite, got NaN or infinity.")
    if n_features is not None and len(first) != n_features + network.has_bias:
        raise ValueError(
            f"weights must have first layers of {n_features} rows, or "
            f"{n_features + 1} with biases, got {len(first)}."
        )


def _of_arrays(weights: Any, n_features: int | None) -> Readable:
    """Return the network of a pair, a list of sub-networks, or a module."""
    if callable(getattr(weights, "parameters", None)):
        weights = _of_module(weights)
    if not isinstance(weights, tuple | list):
        raise ValueError(
            "weights must be a fitted estimator, a network, a list of sub-networks "
            "(W1, w2, w3), a pair (W, a) or a torch module, got "
            f"{type(weights).__name__}."
        )
    weights = [
        tuple(map(_array, each)) if isinstance(each, tuple | list) else _array(each)
        for each in weights
    ]
    is_pair = len(weights) == 2 and all(isinstance(w, np.ndarray) for w in weights)
    network: Any = _two_layers(*weights) if is_pair else _three_layers(weights)
    rows = len(network.hidden if is_pair else network.subnetworks[0][0])
    if n_features is None or rows != n_features + 1:
        return network
    if not is_pair:
        return replace(network, has_bias=True)
    hidden, bias = network.hidden[:-1], network.hidden[-1]
    return replace(network, hidden=hidden, hidden_bias=bias, has_bias=True)


def _array(value: Any) -> np.ndarray:
    """Return an array of a number, a sequence or a tensor."""
    value = value.detach().cpu() if hasattr(value, "detach") else value
    return np.asarray(value, dtype=np.float64)


def _of_module(module: Any) -> Any:
    """Return the weights of a torch module of two or three linear layers."""
    layers = [_array(weight) for weight in module.parameters()]
    shapes = [layer.shape for layer in layers]
    fits = len(layers) in (2, 3) and all(layer.ndim == 2 for layer in layers)
    fits = fits and all(after[1] == before[0] for before, after in pairwise(shapes))
    if not (fits and all(shape[0] == 1 for shape in shapes[1:])):
        raise ValueError(
            "weights as a module must have two or three weight matrices that fit each "
            "other, no biases, one output, and one sub-network for three layers, got "
            f"parameters of shapes {shapes}."
        )
    if len(layers) == 2:
        return layers[0].T, layers[1][0]
    return [(layers[0].T, layers[1][0], layers[2][0, 0])]


def _two_layers(hidden: np.ndarray, output: np.ndarray) -> ReLUNetwork:
    output = output.reshape(-1)
    if hidden.ndim != 2 or hidden.shape[1] != len(output):
        raise ValueError(
            "weights of two layers must have shapes (d, m) and (m,), got "
            f"{hidden.shape} and {output.shape}."
        )
    return ReLUNetwork(hidden, np.zeros(len(output)), output, 0.0, has_bias=False)


def _three_layers(subnetworks: list[Any]) -> ThreeLayerNetwork:
    shapes = [tuple(np.shape(layer) for layer in each) for each in subnetworks]
    first = shapes[0][0] if shapes and shapes[0] else ()
    fits = len(first) == 2 and all(
        len(each) == 3 and each[:2] == (first, first[1:]) and np.prod(each[2]) == 1
        for each in shapes
    )
    if not fits:
        raise ValueError(
            "weights of three layers must be (W1, w2, w3) of shapes (d, m), (m,) and "
            f"(), the same for all sub-networks, got {shapes}."
        )
    subnetworks = [(W1, w2, w3.reshape(())) for W1, w2, w3 in subnetworks]
    return ThreeLayerNetwork(subnetworks, 0.0, False)
