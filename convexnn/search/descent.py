"""Descent over all units of a network at once, their directions free to change cell.

The kinks of the units stall quasi-Newton methods long before the optimum; a smoothed
unit whose width shrinks in a few stages does not. What a stage returns is judged by
the true objective, so smoothing can lead the way but not deceive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ..programs.program import heads_of, lengths_of
from ..solvers.time_limit import is_out_of_time

__all__ = ["Objective", "Units", "descend"]

#: Smoothing from which on single precision is exact enough; so it is without any.
_COARSE = 0.003

#: Size of a column, as a multiple of the median, from which on descents divide by it,
#: and size below which, relative to the largest, a column is rounding.
_UNEVEN, _NOTHING = 30.0, 1e-13

#: Steps over which the rate of decrease is measured.
_WINDOW = 10


@dataclass(frozen=True)
class Units:
    """Hidden weights and output weights of a network, in the solvers' units.

    Attributes
    ----------
    hidden : ndarray of shape (d, m)
        Hidden weights, one unit a column.
    output : ndarray of shape (m,) or (m, q)
        Output weights.
    """

    hidden: np.ndarray
    output: np.ndarray

    def __len__(self):
        return len(self.output)

    @property
    def groups(self):
        """Vectors ``hidden * norm2(output)``, those of the convex program."""
        return self.hidden * lengths_of(self.output)

    @property
    def heads(self):
        """Signs of the output weights, or for several outputs their directions."""
        return heads_of(self.output)

    @classmethod
    def from_groups(cls, groups, heads):
        """Return the balanced units of some vectors, without those of norm zero."""
        norms = np.linalg.norm(groups, axis=0)
        used = norms > 1e-12 * max(norms.max(initial=0.0), 1e-300)
        root = np.sqrt(norms[used])
        return cls(groups[:, used] / root, (heads[used].T * root).T)

    def balanced(self):
        """Return the same network with layers of equal norm, without empty units."""
        return Units.from_groups(self.groups, self.heads)

    def longest(self, share):
        """Return the units above a share of the largest norm: none for a share of 1."""
        norms = np.linalg.norm(self.groups, axis=0)
        kept = norms > share * norms.max(initial=0.0)
        return Units(self.hidden[:, kept], self.output[kept])

    def joined(self, other):
        """Return the network with the units of both."""
        return Units(
            np.concatenate([self.hidden, other.hidden], axis=1),
            np.concatenate([self.output, other.output]),
        )

    def merged(self, X):
        """Sum the vectors of units of one cell and sign.

        The output stays and the penalty cannot rise, by the triangle inequality. Units
        of several outputs are left as they are.
        """
        if self.output.ndim == 2:
            return self.balanced()
        patterns = np.packbits(X @ self.hidden >= 0, axis=0)
        signs = np.sign(self.output)
        keys = np.vstack([patterns, signs[None].astype(np.int8).view(np.uint8)])
        _, first, member = np.unique(
            keys, axis=1, return_index=True, return_inverse=True
        )
        groups = np.zeros((len(self.hidden), len(first)))
        np.add.at(groups.T, member.reshape(-1), self.groups.T)
        return Units.from_groups(groups, signs[first])

    def coalesced(self, tolerance):
        """Join units of several outputs that point the same way, approximately.

        Units whose hidden weights, and output weights, have cosines above 1 less the
        tolerance become the best one of rank 1. The penalty cannot rise.
        """
        groups, heads = self.groups, self.heads
        norms = np.linalg.norm(groups, axis=0)
        directions = groups / norms
        alike = directions.T @ directions > 1 - tolerance
        alike &= heads @ heads.T > 1 - tolerance
        left, kept = np.ones(len(norms), dtype=bool), []
        for j in np.argsort(-norms, kind="stable"):
            members = np.flatnonzero(alike[j] & left)
            if left[j]:
                left[members] = False
                kept.append(_best_unit(groups[:, members], heads[members]))
        return Units.from_groups(
            np.column_stack([group for group, _ in kept]),
            np.array([head for _, head in kept]),
        )

    def value(self, architecture, X, loss, beta):
        """Return the objective ``L + beta/2 * (squares of all weights)``."""
        output = architecture.atoms(X, self.hidden) @ self.output
        squares = float(np.sum(self.hidden**2) + np.sum(self.output**2))
        return float(loss.value(output)) + 0.5 * beta * squares


def _best_unit(groups, heads):
    """Return group and head of the unit of rank 1 nearest to the sum of some."""
    if len(heads) == 1:
        return groups[:, 0], heads[0]
    left, values, right = np.linalg.svd(groups @ heads, full_matrices=False)
    sign = 1.0 if left[:, 0] @ groups.sum(axis=1) >= 0 else -1.0
    return sign * values[0] * left[:, 0], sign * right[0]


class Objective:
    """Objective of smoothed units as a function of all their weights in one vector.

    It is computed from data rounded to single precision, and in that precision where
    `is_exact` is not asked for: descents are starts, what they find is judged by the
    objective itself. As a change of the data's units moves the last bits alone, they
    take the same way in any units.

    Parameters
    ----------
    architecture, X, loss, beta
        Of :func:`descend`.
    shape : tuple of int
        Shape of the output weights.
    is_exact : bool, default=False
        Whether to compute in double precision.
    """

    def __init__(self, architecture, X, loss, beta, shape, *, is_exact=False):
        self.architecture, self.shape = architecture, shape
        # For inputs divided by their largest magnitude, weights of either layer grow by
        # its root.
        unit = float(np.abs(X).max(initial=0.0)) or 1.0
        self.unit, self.root = unit, np.sqrt(unit)
        self.beta = float(np.float32(beta / unit))
        X = X / unit
        self.sizes = _sizes(X)
        self.X = (X / self.sizes).astype(np.float32)
        if is_exact:
            self.X = self.X.astype(np.float64)
        # The penalty is that of the weights of the inputs as they are.
        by_column = np.repeat(1 / self.sizes**2, shape[0])
        self.decay = np.append(by_column, np.ones(int(np.prod(shape))))
        self.loss = loss
        self.width = 0.0
        self.offset = None

    def join(self, hidden, output):
        """Return weights as one vector, with the digits of single precision.

        Hidden weights are those of inputs divided by `sizes`.
        """
        hidden = hidden * self.sizes[:, None]
        flat = self.root * np.concatenate([hidden.reshape(-1), output.reshape(-1)])
        return flat.astype(np.float32).astype(np.float64)

    def split(self, flat):
        """Return hidden and output weights of a vector."""
        hidden, output = self._split(flat / self.root)
        return hidden / self.sizes[:, None], output

    def _split(self, flat):
        size = self.X.shape[1] * self.shape[0]
        hidden = flat[:size].reshape(self.X.shape[1], self.shape[0])
        return hidden, flat[size:].reshape(self.shape)

    def output(self, flat):
        """Return the network's output, without intercept, in double precision."""
        return self._linearise(flat)[0].astype(np.float64)

    def __call__(self, flat):
        """Return value and gradient, the intercept being minimised out."""
        z, pull = self._linearise(flat)
        value, v, self.offset = self.loss.evaluate(z, self.offset)
        return self._with_penalty(flat, value, pull, v)

    def at_intercepts(self, flat):
        """Return the same with the intercepts as the last entries of the vector."""
        weights, offset = np.split(flat, [self.decay.size])
        z, pull = self._linearise(weights)
        offset = offset.reshape(self.shape[1:])
        value, v = self.loss.evaluate_at(z, offset)
        value, gradient = self._with_penalty(weights, value, pull, v)
        return value, np.append(gradient, -v.sum(axis=0))

    def _linearise(self, flat):
        hidden, output = self._split(flat.astype(self.X.dtype, copy=False))
        return self.architecture.linearise(self.X, hidden, output, self.width)

    def _with_penalty(self, flat, value, pull, v):
        by_hidden, by_output = pull(v.astype(self.X.dtype, copy=False))
        gradient = self.beta * (self.decay * flat)
        penalty = 0.5 * float(flat @ gradient)
        gradient[: by_hidden.size] -= by_hidden.reshape(-1)
        gradient[by_hidden.size :] -= by_output.reshape(-1)
        return float(value) + penalty, gradient


def _sizes(X):
    """Return what columns are divided by: ones, but for columns that dwarf the others.

    Quasi-Newton steps hardly move the weights of columns that are far smaller than
    some other, although these may be all that tells the rows apart.
    """
    sizes = np.sqrt(np.mean(X * X, axis=0))
    known = sizes[sizes > _NOTHING * sizes.max(initial=0.0)]
    if not len(known):
        return np.ones(X.shape[1])
    usual = np.quantile(known, 0.5, method="lower")
    ratios = np.where(sizes > _UNEVEN * usual, sizes / usual, 1.0)
    return ratios.astype(np.float32).astype(float)


def descend(
    architecture,
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
    """Lower the objective of smoothed units by L-BFGS.

    Parameters
    ----------
    architecture : object
        With ``linearise``, see :mod:`convexnn.architectures`.
    X : ndarray of shape (n, d)
        Inputs.
    loss : object
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty.
    units : Units
        Where to start.
    width : float, default=0.0
        Width of the smoothing relative to the root mean square of the
        pre-activations; 0 for the units as they are. Unless it is narrow, single
        precision is exact enough.
    n_steps : int, default=100
        Largest number of quasi-Newton steps.
    least : float, default=0.0
        Smallest relative decrease per step, over the last steps, to go on.
    observe : callable, default=None
        Called with the objective after every step without smoothing.

    Returns
    -------
    Units
        Balanced. Their true objective may be higher than at the start.
    """
    if not len(units):
        return units
    is_exact = 0 < width < _COARSE
    loss = loss.rounded().smoothed(width)
    objective = Objective(
        architecture, X, loss, beta, units.output.shape, is_exact=is_exact
    )
    start = objective.join(units.hidden, units.output)
    if width:
        spread = objective.root * np.sqrt(np.mean((X @ units.hidden) ** 2))
        objective.width = width * float(np.float32(spread / objective.unit))
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

    options = {"maxiter": n_steps, "maxcor": 10, "ftol": 1e-12, "gtol": 1e-12}
    flat = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        callback=follow,
        options=options,
    ).x
    return Units(*objective.split(flat)).balanced()
