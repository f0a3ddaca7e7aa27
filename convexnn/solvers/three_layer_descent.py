"""Descent over all sub-networks of a three-layer network at once.

In ``f = sum_k s_k (sum_j b_kj (X a_kj)_+)_+`` with signs s_k the penalty
``beta/2 * (norm2(a)^2 + norm2(b)^2)`` is, for the best scales of the layers, that of
the paper: ``beta * sum_kj norm2(a_kj) * abs(b_kj)``. So no weight is constrained, and
all are trained by one quasi-Newton method. As in :mod:`convexnn.solvers.descent`,
kinks are rounded, by widths that shrink in a few stages.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

__all__ = ["SubNetworks", "descend", "random_subnetworks"]

#: Steps over which the rate of decrease is measured.
_WINDOW = 10

#: Norms below this, relative to the largest, count as zero.
_TINY = 1e-10


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


def random_subnetworks(X, y, n_subnetworks, n_units, random_state):
    """Draw Gaussian sub-networks of both signs, of about the size of the targets.

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

    Returns
    -------
    SubNetworks
        K of them.
    """
    d = X.shape[1]
    groups = random_state.standard_normal((d, n_subnetworks, n_units))
    inner = np.where(random_state.uniform(size=groups.shape[1:]) < 0.5, -1.0, 1.0)
    # One positive unit at least: without any, a sub-network is silent.
    inner[:, 0] = 1.0
    sign = np.where(np.arange(n_subnetworks) % 2, -1.0, 1.0)
    units = SubNetworks(groups, inner, sign)
    sizes = np.linalg.norm(units.atoms(X), axis=0)
    typical = np.linalg.norm(y) / np.sqrt(n_subnetworks)
    median = float(np.median(sizes))
    return units.scaled(np.full(n_subnetworks, typical / median if median else 1.0))


def _rounded(z, width):
    """Return a smoothed rectifier ``(z + sqrt(z^2 + width^2)) / 2`` and its slope."""
    if not width:
        slope = (z > 0).astype(z.dtype)
        return z * slope, slope
    roots = z * z
    roots += z.dtype.type(width * width)
    np.sqrt(roots, out=roots)
    value = z + roots
    value *= 0.5
    slope = value / roots
    return value, slope


def descend(
    X, loss, beta, units, *, width=0.0, n_steps=100, least=0.0, observe=None, dtype=None
):
    """Lower the objective of smoothed sub-networks by L-BFGS.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    loss : object
        A loss of :mod:`convexnn.losses`.
    beta : float
        Penalty.
    units : SubNetworks
        Where to start.
    width : float, default=0.0
        Width of the smoothing of either layer, relative to the root mean square of
        its pre-activations; 0 for the rectifiers as they are.
    n_steps : int, default=100
        Largest number of quasi-Newton steps.
    least : float, default=0.0
        Smallest relative decrease per step, over the last steps, to go on.
    observe : callable, default=None
        Called with the objective after every step without smoothing.
    dtype : dtype, default=None
        Precision of the products; that of `X` by default.

    Returns
    -------
    SubNetworks
        Their true objective may be higher than at the start.
    """
    if not len(units):
        return units
    d, n_subnetworks, m = units.groups.shape
    inputs = X if dtype is None else X.astype(dtype)
    norms = np.linalg.norm(units.groups, axis=0)
    root = np.sqrt(np.maximum(norms, 1e-30))
    weights = np.concatenate(
        [(units.groups / root).reshape(-1), (units.inner * root).reshape(-1)]
    )
    first = width * float(np.sqrt(np.mean((X @ (units.groups / root).reshape(d, -1)) ** 2)))
    second = width * float(np.sqrt(np.mean(units.hidden(X) ** 2)))
    sign = units.sign.astype(inputs.dtype)
    split = d * n_subnetworks * m

    def objective(flat):
        cast = flat.astype(inputs.dtype, copy=False)
        a, b = cast[:split].reshape(d, -1), cast[split:]
        values, slopes = _rounded(inputs @ a, first)
        shape = (len(inputs), n_subnetworks, m)
        z = np.einsum("ikj,kj->ik", values.reshape(shape), b.reshape(-1, m))
        outer, outer_slopes = _rounded(z, second)
        output = outer @ sign
        v = loss.dual_point(output)
        pull = outer_slopes
        pull *= sign
        pull *= v.astype(inputs.dtype, copy=False)[:, None]
        gradient = beta * flat
        gradient[split:] -= np.einsum("ik,ikj->kj", pull, values.reshape(shape)).ravel()
        slopes *= b
        slopes.reshape(shape)[...] *= pull[:, :, None]
        gradient[:split] -= (inputs.T @ slopes).ravel()
        return float(loss.value(output)) + 0.5 * beta * float(flat @ flat), gradient

    values = []

    def follow(intermediate_result):
        values.append(intermediate_result.fun)
        if observe is not None and width == 0:
            observe(values[-1])
        if len(values) > _WINDOW:
            decrease = values[-_WINDOW - 1] - values[-1]
            if decrease < least * _WINDOW * abs(values[-1]):
                raise StopIteration

    flat = minimize(
        objective,
        weights,
        jac=True,
        method="L-BFGS-B",
        callback=follow,
        options={"maxiter": n_steps, "maxcor": 10, "ftol": 1e-12, "gtol": 1e-12},
    ).x
    a, b = flat[:split].reshape(d, n_subnetworks, m), flat[split:].reshape(-1, m)
    inner = np.where(b < 0, -1.0, 1.0)
    return SubNetworks(a * np.abs(b), inner, units.sign).without_zeros()
