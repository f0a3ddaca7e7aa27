"""Duality gaps of networks that were trained elsewhere, of two and of three layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from ..architectures import ParallelReLU, ReLU
from ..data.samples import Samples
from ..networks.reading import read_network
from ..networks.three_layer import ThreeLayerNetwork
from ..programs.certificate import Certificate
from ..programs.certificate import certify as certify_point
from ..programs.losses import SquaredLoss
from ..search.pricer import Pricer
from ..search.schedule import schedule_of
from ..solvers import select_backend

__all__ = ["certify"]

#: Directions that the estimate climbs from.
_STARTS = 2048

#: Relative gap and most steps of the program over listed cells.
_ACCURACY, _MOST_STEPS = 1e-7, 200


def certify(
    weights: object,
    X: ArrayLike,
    y: ArrayLike,
    *,
    beta: float,
    intercept: float | None = None,
    cells: str = "search",
    n_cells: int = 50,
    sample_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> Certificate:
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
    if network.has_bias:
        X = np.column_stack([X, np.ones(len(X))])
    samples = Samples(X, y, sizes, has_bias=network.has_bias)
    architecture = _architecture_of(network)
    units = architecture.units_in(network, samples)
    loss = SquaredLoss(y, sizes, intercept=intercept is not None)
    residual = y - architecture.outputs(X, units) - (intercept or 0.0)
    penalty = beta * float(architecture.norms(units).sum())
    primal = 0.5 * float(sizes @ residual**2) + penalty
    random_state = check_random_state(random_state)
    about = architecture, X, loss, beta, units
    with threadpool_limits(limits=1, user_api="blas"):
        if cells == "search":
            return _estimate(*about, primal, random_state)
        dual, scope = _listed(*about, cells, n_cells, random_state)
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


def _architecture_of(network):
    """Return what a network is one of."""
    if not isinstance(network, ThreeLayerNetwork):
        return ReLU()
    return ParallelReLU(len(network.subnetworks[0][1]) if network.subnetworks else 1)


def _estimate(architecture, X, loss, beta, units, primal, random_state):
    """Return a certificate whose dual value rests on local pricing."""
    v = loss.dual_point(architecture.outputs(X, units))
    schedule = schedule_of(architecture, 0.0)
    pricer = Pricer(architecture, X, _STARTS, schedule, random_state)
    prices = (
        pricer.climb(v, units, beta).largest,
        architecture.price_bound(X, v),
    )
    dual, bound = (loss.bound(v, beta, price) for price in prices)
    return Certificate(primal, dual, "search", n_starts=_STARTS, bound=bound)


def _listed(architecture, X, loss, beta, units, cells, n_cells, random_state):
    """Return the dual value of the program over listed cells, and its scope."""
    if cells == "all":
        patterns = architecture.enumerate(X)
    else:
        patterns = architecture.sample(X, n_cells, random_state, units)
    program = architecture.program(X, loss, beta, patterns)
    backend = select_backend("interior_point", program.features)
    solution = backend.load()(program, tol=_ACCURACY, max_iter=_MOST_STEPS)
    multipliers = solution.multipliers
    _, found, _ = certify_point(program, solution.U, multipliers=multipliers)
    return found.dual, found.scope
