"""Duality gaps of networks that were trained elsewhere, of two and of three layers."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from ..architectures.three_layer import ThreeLayerReLU
from ..networks.reading import read_network
from ..programs.blocks import (
    BlockProgram,
    Blocks,
    certify_blocks,
    enumerate_blocks,
    sample_blocks,
)
from ..programs.certificate import Certificate
from ..programs.losses import SquaredLoss
from ..search.three_layer_descent import SubNetworks
from ..search.three_layer_pricer import SubNetworkPricer

__all__ = ["certify"]

#: Directions that the estimate climbs from.
_STARTS = 2048


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
        What :func:`~convexnn.networks.reading.read_network` takes: a fitted
        :class:`~convexnn.ThreeLayerConvexRegressor` or
        :class:`~convexnn.ConvexReLURegressor` (of ReLU networks), its network, a list
        of sub-networks (W1, w2, w3), a pair (W, a), or a module. First layers of d + 1
        rows have the biases in the last.
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
    network, own_intercept = read_network(weights, X.shape[1])
    intercept = own_intercept if intercept is None else float(intercept)
    units = _units(network, X.shape[1])
    if network.has_bias:
        X = np.column_stack([X, np.ones(len(X))])
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
    limits = [beta / price if price > 0 else np.inf for price in prices]
    dual, bound = (loss.dual_value(loss.best_scale(v, t) * v) for t in limits)
    return Certificate(primal, dual, "search", n_starts=_STARTS, bound=bound)


def _listed(units, X, loss, beta, cells, n_cells, random_state):
    """Return the dual value of the program over listed blocks, and its scope."""
    from ..solvers.three_layer_interior_point import solve

    m = units.inner.shape[1]
    if cells == "all":
        blocks = enumerate_blocks(X, m)
    else:
        sampled = sample_blocks(X, m, n_cells, random_state)
        blocks = Blocks.of(X, units.without_zeros()).joined(sampled)
    program = BlockProgram(X, loss, beta, blocks)
    solution = solve(program)
    found = certify_blocks(
        *(program, program.output(solution.W), program.objective(solution.W)),
        solution.multipliers,
    )
    return found.dual, found.scope


def _units(network, n_features):
    """Return the units of a network with the scales of its layers undone."""
    if not network.n_neurons:
        return SubNetworks.none(n_features + network.has_bias, 1)
    first, second, third = network.stacked()
    groups = first * np.abs(second) * np.abs(third)[:, None]
    signs = (np.where(layer < 0, -1.0, 1.0) for layer in (second, third))
    return SubNetworks(groups, *signs)
