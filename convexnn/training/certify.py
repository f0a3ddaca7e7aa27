"""Duality gaps of networks that were trained elsewhere, of two and of three layers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from ..architectures.three_layer import ThreeLayerReLU
from ..networks.network import ReLUNetwork, network_of
from ..networks.three_layer import ThreeLayerNetwork
from ..programs.blocks import Blocks, enumerate_blocks, sample_blocks
from ..programs.certificate import Certificate
from ..programs.losses import SquaredLoss
from ..programs.parallel import ParallelProgram
from ..search.three_layer_descent import SubNetworks
from ..search.three_layer_pricer import SubNetworkPricer
from ..solvers import select_backend, solve_program

__all__ = ["certify"]

#: Directions that the estimate climbs from.
_STARTS = 2048

#: Relative gap to which programs over listed blocks are solved, and most steps.
_ACCURACY, _STEPS = 1e-7, 400


def certify(
    weights,
    X,
    y,
    *,
    beta,
    intercept=None,
    cells="search",
    n_cells=50,
    sample_weight=None,
    random_state=None,
):
    r"""Bound how far a trained network can be from the optimum of its problem.

    The network's objective is that of :class:`~convexnn.ThreeLayerConvexRegressor`, or
    of :class:`~convexnn.ConvexReLURegressor` for two layers, after the scales of its
    layers have been chosen best, which changes no output: ``1/2 sum_i s_i (f(x_i) -
    y_i)^2 + beta sum_kj norm2(W1_kj) abs(w2_kj w3_k)``. No weights within the
    constraints have a smaller penalty as they are. The bound is a dual value
    (three-layer paper, eq. 6, and the end of its Remark 3).

    Parameters
    ----------
    weights : fitted estimator, network, sequence or torch module
        A fitted :class:`~convexnn.ThreeLayerConvexRegressor` or
        :class:`~convexnn.ConvexReLURegressor` (of ReLU networks);
        its network; a list of sub-networks (W1, w2, w3) of shapes (d, m), (m,) and
        (); or a pair (W, a) of shapes (d, m) and (m,) for two layers. First layers of
        d + 1 rows have the biases in the last. Arrays may be torch tensors. A module
        counts by its ``parameters()`` without biases: two weights of shapes (m, d)
        and (1, m), or three of (m, d), (1, m) and (1, 1) for one sub-network.
    X : array-like of shape (n, d)
        Inputs.
    y : array-like of shape (n,)
        Targets.
    beta : float
        Penalty, in (0, inf).
    intercept : float, default=None
        Output intercept. If it is given, the bound is one for networks whose output
        intercept is free; None is for networks without one. Estimators and networks
        bring their own.
    cells : {"search", "sampled", "all"}, default="search"
        What the bound holds over. "search": all networks, but as an *estimate*, whose
        dual point is the network's residual, priced by climbing from 2048 starts;
        `bound` is rigorous and loose. "sampled": networks in the blocks of
        this one and in `n_cells` random ones, whose program is solved: rigorous over
        those. "all": every network, for tiny data, rigorous.
    n_cells : int, default=50
        Number of sampled blocks.
    sample_weight : array-like of shape (n,), default=None
        Positive weights, ones by default.
    random_state : int, RandomState instance or None, default=None
        Source of the starts or blocks.

    Returns
    -------
    Certificate
        Primal and dual value. The dual value may exceed the primal one, by rounding.

    Raises
    ------
    ValueError
        If a shape or a value is not as described.

    Examples
    --------
    The worst network, and the best one in a problem that can be listed:

    >>> import numpy as np
    >>> from convexnn import certify
    >>> X, y = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
    >>> nothing = np.zeros((1, 2)), np.zeros(2), 0.0
    >>> certificate = certify([nothing], X, y, beta=0.5, cells="all")
    >>> round(certificate.primal, 6), round(certificate.dual, 6), certificate.scope
    (2.5, 0.475, 'all')
    """
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    sizes = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    _check_data(X, y, sizes, beta, cells)
    units, own_intercept = _read(weights, X.shape[1])
    intercept = own_intercept if intercept is None else float(intercept)
    if len(units.groups) == X.shape[1] + 1:
        X = np.column_stack([X, np.ones(len(X))])
    elif len(units.groups) != X.shape[1]:
        raise ValueError(
            f"weights must have first layers of {X.shape[1]} rows, or "
            f"{X.shape[1] + 1} with biases, got {len(units.groups)}."
        )
    loss = SquaredLoss(y, sizes, intercept=intercept is not None)
    output = units.output(X)
    residual = y - output - (intercept or 0.0)
    primal = 0.5 * float(sizes @ residual**2) + beta * float(units.norms.sum())
    random_state = check_random_state(random_state)
    with threadpool_limits(limits=1, user_api="blas"):
        if cells == "search":
            return _estimate(units, X, loss, beta, primal, random_state)
        dual, scope = _listed(units, X, loss, beta, cells, n_cells, random_state)
    return Certificate(primal, dual, scope)


def _check_data(X, y, sizes, beta, cells):
    if X.ndim != 2 or y.shape != (len(X),) or sizes.shape != y.shape or not len(y):
        raise ValueError(
            "X must have shape (n, d), y and sample_weight shape (n,), got "
            f"{X.shape}, {y.shape} and {sizes.shape}."
        )
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise ValueError("X and y must be finite, got NaN or infinity.")
    if not ((sizes > 0).all() and np.isfinite(sizes).all()):
        raise ValueError("sample_weight must be positive and finite.")
    if not 0 < beta < np.inf:
        raise ValueError(f"beta must be in (0, inf), got {beta!r}.")
    if cells not in ("search", "sampled", "all"):
        raise ValueError(f"cells must be 'search', 'sampled' or 'all', got {cells!r}.")


def _estimate(units, X, loss, beta, primal, random_state):
    """Return a certificate whose dual value rests on local pricing."""
    architecture = ThreeLayerReLU(units.inner.shape[1])
    v = loss.dual_point(units.output(X))
    pricer = SubNetworkPricer(architecture, X, _STARTS, random_state)
    prices = pricer.price(v, units).largest, architecture.price_bound(X, v)
    dual, bound = (loss.bound(v, beta, price) for price in prices)
    return Certificate(primal, dual, "search", n_starts=_STARTS, bound=bound)


def _listed(units, X, loss, beta, cells, n_cells, random_state):
    """Return the dual value of the program over listed blocks, and its scope."""
    m = units.inner.shape[1]
    if cells == "all":
        blocks = enumerate_blocks(X, m)
    else:
        sampled = sample_blocks(X, m, n_cells, random_state)
        blocks = Blocks.of(X, units.without_zeros()).joined(sampled)
    program = ParallelProgram(X, loss, beta, blocks)
    backend = select_backend("auto", program.features)
    found = solve_program(program, backend, tol=_ACCURACY, max_iter=_STEPS).certificate
    return found.dual, found.scope


def _read(weights, n_features):
    """Return sub-networks and the output intercept, or None, of any kind of weights."""
    if hasattr(weights, "get_params"):
        network = network_of(weights)
        if hasattr(weights, "gates_"):
            raise ValueError("weights must be those of a ReLU network, got gates.")
        units, intercept = _read(network, n_features)
        if weights.fit_intercept:
            return units, intercept
        # The network's rows of biases are zeros.
        return replace(units, groups=units.groups[:n_features]), None
    if isinstance(weights, ThreeLayerNetwork):
        intercept = weights.intercept if weights.has_bias else None
        if not weights.subnetworks:
            return SubNetworks.none(n_features, 1), weights.intercept or None
        return _three_layers(weights.subnetworks), intercept
    if type(weights) is ReLUNetwork:
        hidden = np.vstack([weights.hidden, weights.hidden_bias])
        return _two_layers(hidden, weights.output), float(weights.output_bias)
    if callable(getattr(weights, "parameters", None)):
        weights = _from_module(weights)
    weights = [
        tuple(map(_array, each)) if isinstance(each, tuple | list) else _array(each)
        for each in weights
    ]
    if len(weights) == 2 and all(isinstance(each, np.ndarray) for each in weights):
        return _two_layers(*weights), None
    return _three_layers(weights), None


def _array(value):
    """Return an array of a number, a sequence or a tensor."""
    value = value.detach().cpu() if hasattr(value, "detach") else value
    return np.asarray(value, dtype=np.float64)


def _from_module(module):
    """Return the weights of a torch module of two or three linear layers."""
    layers = [_array(weight) for weight in module.parameters()]
    shapes = [layer.shape for layer in layers]
    fits = len(layers) in (2, 3) and all(layer.ndim == 2 for layer in layers)
    if not fits or any(after[1] != before[0] for before, after in pairwise(shapes)):
        raise ValueError(
            "weights as a module must have two or three weight matrices that fit each "
            f"other, and no biases, got parameters of shapes {shapes}."
        )
    if any(shape[0] != 1 for shape in shapes[1:]):
        raise ValueError(
            "weights as a module must have one output, and one sub-network for three "
            f"layers, got parameters of shapes {shapes}."
        )
    if len(layers) == 2:
        return layers[0].T, layers[1][0]
    return [(layers[0].T, layers[1][0], layers[2][0, 0])]


def _two_layers(hidden, output):
    """Return units as sub-networks of one hidden unit, which they are."""
    hidden, output = _array(hidden), _array(output).reshape(-1)
    if hidden.ndim != 2 or hidden.shape[1] != len(output):
        raise ValueError(
            "weights of two layers must have shapes (d, m) and (m,), got "
            f"{hidden.shape} and {output.shape}."
        )
    _check_finite(hidden, output)
    groups = (hidden * np.abs(output))[:, :, None]
    sign = np.where(output < 0, -1.0, 1.0)
    return SubNetworks(groups, np.ones((len(output), 1)), sign)


def _three_layers(subnetworks):
    """Return sub-networks with the scales of their layers undone."""
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
    layers = [[_array(layer) for layer in each] for each in subnetworks]
    _check_finite(*(layer for each in layers for layer in each))
    W1 = np.stack([each[0] for each in layers], axis=1)
    w2 = np.stack([each[1] for each in layers])
    w3 = np.array([each[2].reshape(()) for each in layers])
    return SubNetworks(
        W1 * np.abs(w2) * np.abs(w3)[:, None],
        np.where(w2 < 0, -1.0, 1.0),
        np.where(w3 < 0, -1.0, 1.0),
    )


def _check_finite(*arrays):
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("weights must be finite, got NaN or infinity.")
