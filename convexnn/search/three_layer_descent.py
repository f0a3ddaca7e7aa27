"""Descent over all sub-networks of a three-layer network at once.

In ``f = sum_k s_k (sum_j b_kj (X a_kj)_+)_+`` with signs s_k the penalty
``beta/2 * (norm2(a)^2 + norm2(b)^2)`` is, for the best scales of the layers, that of
the paper: ``beta * sum_kj norm2(a_kj) * abs(b_kj)``. So no weight is constrained, and
all are trained by one quasi-Newton method. As in :mod:`convexnn.search.descent`,
kinks are rounded, by widths that shrink in a few stages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ..architectures.three_layer import rounded
from ..solvers.time_limit import is_out_of_time

__all__ = ["SubNetworks", "descend", "preconditioner", "random_subnetworks"]

#: Steps over which the rate of decrease is measured.
_WINDOW = 10

#: Smallest eigenvalue of the second moments of features of one scale that is whitened,
#: relative to the largest.
_FLOOR = 1e-6

#: Norms below this, relative to the largest, count as zero.
_TINY = 1e-10


#: Share of what enters a second rectifier that it has to let pass in a random start.
_SILENT = 0.2


@dataclass(frozen=True)
class SubNetworks:
    """Parallel sub-networks ``s_k (sum_j i_kj (X w_kj)_+)_+`` in the solvers' units.

    Attributes
    ----------
    groups : ndarray of shape (d, K, m)
        Vectors w, the variables of the convex program.
    inner : ndarray of shape (K, m)
        Signs i of the hidden units, +1 or -1.
    sign : ndarray of shape (K,)
        Signs s of the sub-networks, +1 or -1.
    """

    groups: np.ndarray
    inner: np.ndarray
    sign: np.ndarray

    def __len__(self):
        return len(self.sign)

    @property
    def norms(self):
        """Share of each sub-network in the penalty, of shape (K,)."""
        return np.linalg.norm(self.groups, axis=0).sum(axis=1)

    def hidden(self, X):
        """Return what enters the second layer's rectifiers, of shape (n, K)."""
        d = len(self.groups)
        values = np.maximum(X @ self.groups.reshape(d, -1), 0)
        values *= self.inner.reshape(-1)
        return values.reshape(len(X), *self.inner.shape).sum(axis=2)

    def atoms(self, X):
        """Return the outputs of the sub-networks without their signs, (n, K)."""
        return np.maximum(self.hidden(X), 0)

    def output(self, X):
        """Return the network's output, of shape (n,)."""
        return self.atoms(X) @ self.sign

    def value(self, X, loss, beta):
        """Return ``L + beta * sum_kj norm2(w_kj)``."""
        return float(loss.value(self.output(X))) + beta * float(self.norms.sum())

    def take(self, index):
        """Return some of the sub-networks."""
        return SubNetworks(self.groups[:, index], self.inner[index], self.sign[index])

    def scaled(self, factors):
        """Return the network with each sub-network multiplied by a factor >= 0."""
        return SubNetworks(self.groups * factors[:, None], self.inner, self.sign)

    def joined(self, other):
        """Return the network with the sub-networks of both."""
        return SubNetworks(
            np.concatenate([self.groups, other.groups], axis=1),
            np.concatenate([self.inner, other.inner]),
            np.concatenate([self.sign, other.sign]),
        )

    def without_zeros(self):
        """Return the sub-networks that are not negligible."""
        norms = self.norms
        return self.take(norms > _TINY * max(norms.max(initial=0.0), 1e-300))

    @classmethod
    def none(cls, d, m):
        """Return the empty network."""
        return cls(np.zeros((d, 0, m)), np.zeros((0, m)), np.zeros(0))


def random_subnetworks(X, y, n_subnetworks, n_units, random_state, white):
    """Draw sub-networks of both signs, of about the size of the targets.

    Half of them are Gaussian, half so in the coordinates in which the inputs are white.
    Those whose second rectifier would let next to nothing pass are turned over: silent
    ones would be scaled up, and only the penalty moves them.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    y : ndarray of shape (n,)
        Targets.
    n_subnetworks, n_units : int
        Numbers K and m.
    random_state : numpy.random.RandomState
        Source of the weights.
    white : ndarray of shape (d, d)
        From :func:`preconditioner`.

    Returns
    -------
    SubNetworks
        K of them.
    """
    d = X.shape[1]
    groups = random_state.standard_normal((d, n_subnetworks, n_units))
    half = groups[:, n_subnetworks // 2 :].reshape(d, -1)
    groups[:, n_subnetworks // 2 :] = (white @ half).reshape(d, -1, n_units)
    inner = np.where(random_state.uniform(size=groups.shape[1:]) < 0.5, -1.0, 1.0)
    # One positive unit at least: without any, a sub-network is silent.
    inner[:, 0] = 1.0
    sign = np.where(np.arange(n_subnetworks) % 2, -1.0, 1.0)
    hidden = SubNetworks(groups, inner, sign).hidden(X)
    live = np.linalg.norm(np.maximum(hidden, 0), axis=0)
    is_silent = live <= _SILENT * np.linalg.norm(hidden, axis=0)
    inner[is_silent] *= -1.0
    units = SubNetworks(groups, inner, sign)
    sizes = np.linalg.norm(units.atoms(X), axis=0)
    wanted = np.linalg.norm(y) / np.sqrt(n_subnetworks)
    least = 1e-3 * sizes.max(initial=0.0)
    return units.scaled(wanted / np.maximum(sizes, least or 1.0))


def preconditioner(X):
    """Return the matrix T for which the columns of ``X T`` are nearly white."""
    scales = np.sqrt(np.mean(X**2, axis=0))
    scales = np.where(scales > 0, scales, 1.0)
    scaled = X / scales
    values, vectors = np.linalg.eigh(scaled.T @ scaled / len(X))
    values = np.maximum(values, _FLOOR * max(values[-1], 1e-300))
    return ((vectors / np.sqrt(values)) @ vectors.T) / scales[:, None]


def descend(
    X,
    loss,
    beta,
    units,
    *,
    width=0.0,
    n_steps=100,
    least=0.0,
    observe=None,
):
    """Lower the objective of smoothed sub-networks by L-BFGS.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    loss : object
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty.
    units : SubNetworks
        Where to start.
    width : float, default=0.0
        Width of the smoothing of each rectifier, relative to the root mean square of
        what enters it at the start; 0 for the rectifiers as they are.
    n_steps : int, default=100
        Largest number of quasi-Newton steps.
    least : float, default=0.0
        Smallest relative decrease per step, over the last steps, to go on.
    observe : callable, default=None
        Called with the objective after every step without smoothing.

    Returns
    -------
    SubNetworks
        Their true objective may be higher than at the start. A
        :func:`~convexnn.solvers.time_limit.time_limit` ends the steps early.
    """
    if not len(units):
        return units
    d, n_subnetworks, m = units.groups.shape
    norms = np.linalg.norm(units.groups, axis=0)
    root = np.sqrt(np.maximum(norms, 1e-30))
    start = (units.groups / root).reshape(d, -1)
    widths = _widths(X, units, start, width)
    split = start.size
    axes, first, second = _metric(X, loss, beta, start, root.ravel())
    inputs = X @ axes

    def objective(flat):
        a, b = first * flat[:split].reshape(d, -1), second * flat[split:]
        values, slopes = rounded(inputs @ a, widths[0])
        shape = (len(inputs), n_subnetworks, m)
        z = np.einsum("ikj,kj->ik", values.reshape(shape), b.reshape(-1, m))
        outer, pull = rounded(z, widths[1])
        output = outer @ units.sign
        pull *= units.sign
        pull *= loss.dual_point(output)[:, None]
        gradient = np.empty_like(flat)
        by_second = np.einsum("ik,ikj->kj", pull, values.reshape(shape))
        gradient[split:] = second * (beta * b - by_second.ravel())
        slopes *= b
        slopes.reshape(shape)[...] *= pull[:, :, None]
        by_first = beta * a
        by_first -= inputs.T @ slopes
        by_first *= first
        gradient[:split] = by_first.ravel()
        squares = float(np.vdot(a, a) + b @ b)
        return float(loss.value(output)) + 0.5 * beta * squares, gradient

    values = []

    def follow(intermediate_result):
        values.append(intermediate_result.fun)
        if observe is not None and width == 0:
            observe(values[-1])
        if is_out_of_time():
            raise StopIteration
        if len(values) > _WINDOW:
            decrease = values[-_WINDOW - 1] - values[-1]
            if decrease < least * _WINDOW * abs(values[-1]):
                raise StopIteration

    flat = minimize(
        objective,
        np.concatenate(
            [(axes.T @ start / first).ravel(), (units.inner * root).ravel() / second]
        ),
        jac=True,
        method="L-BFGS-B",
        callback=follow,
        options={"maxiter": n_steps, "maxcor": 10, "ftol": 1e-12, "gtol": 1e-12},
    ).x
    a = axes @ (first * flat[:split].reshape(d, -1))
    a = a.reshape(units.groups.shape)
    b = (second * flat[split:]).reshape(-1, m)
    inner = np.where(b < 0, -1.0, 1.0)
    return SubNetworks(a * np.abs(b), inner, units.sign).without_zeros()


def _metric(X, loss, beta, a, b):
    """Return axes of the first layers, and scales of both in which curvature is even.

    To second order a unit's loss is about ``b^2 |X a|^2``: with features of very
    different scales the data hold some weights and the penalty the others, and in
    coordinates in which either alone is even a quasi-Newton method is slow.
    """
    weighted = np.sqrt(loss.weights)[:, None] * X
    _, sizes, axes = np.linalg.svd(weighted, full_matrices=True)
    squares = np.zeros(len(axes))
    squares[: len(sizes)] = sizes**2
    first = 1 / np.sqrt(np.multiply.outer(squares, b**2) + beta)
    values = np.maximum(weighted @ a, 0)
    second = 1 / np.sqrt(np.einsum("ij,ij->j", values, values) + beta)
    return axes.T, first, second


def _widths(X, units, start, width):
    """Return the smoothing of the first rectifiers and of the second, or Nones."""
    if not width:
        return None, None
    first = np.sqrt(np.mean((X @ start) ** 2, axis=0))
    second = np.sqrt(np.mean(units.hidden(X) ** 2, axis=0))
    # A rectifier that little enters is smoothed as the others are.
    return tuple(
        width * np.maximum(each, 0.1 * np.median(each)) for each in (first, second)
    )
