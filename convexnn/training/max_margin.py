"""The network of largest margin over given cells: the limit of vanishing penalties.

The talk, "Unregularized Gradient Flow Converges to the Optimum of the Convex Program":
for linearly separable X and log loss, the gradient flow of the weights of a two-layer
ReLU network converges to the solution of ::

    minimise   sum_k norm2(u_k) + norm2(v_k)
    subject to y_i f(x_i) >= 1,    f = sum_k D_k X (u_k - v_k),

with u_k and v_k in the cone of D_k (in direction: the weights grow without bound). The
networks that minimise log loss plus ``beta * sum norm2`` tend to the same direction as
beta tends to 0, for any labels that networks over the cells separate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from ..architectures import ARCHITECTURES
from ..checks import check_gates, check_samples
from ..data.samples import Samples, power_of_two
from ..networks.network import ReLUNetwork
from ..programs.cells import enumerate_cells, given_cells
from ..programs.certificate import Certificate, feasible_point, price_groups
from ..programs.losses import Loss
from ..programs.program import ConvexProgram

__all__ = ["MaxMargin", "max_margin_network"]

#: Norms below this, as a share of their sum, are what interior points leave of zeros.
_DUST = 1e-7

#: Margins below this, as a share of the largest row's norm, count as none.
_NO_MARGIN = 1e-7


@dataclass(frozen=True)
class MaxMargin:
    """A network of largest margin and what is known about it.

    Attributes
    ----------
    network : ReLUNetwork
        Its smallest ``y_i f(x_i)`` is 1.
    certificate : Certificate
        ``primal`` is the sum of norms of the network's groups, half its ``penalty()``;
        ``dual`` is a lower bound on that of every network over the cells with
        ``y_i f(x_i) >= 1``, recomputed from the multipliers.
    multipliers : ndarray of shape (n,)
        The dual point: not negative, of sum ``certificate.dual``, and positive on
        rows of margin 1 alone, up to the gap. With an intercept both classes have the
        same sum.
    """

    network: ReLUNetwork
    certificate: Certificate
    multipliers: np.ndarray

    @property
    def margin(self) -> float:
        """Smallest ``y_i f(x_i)`` of the network when its norms sum to 1."""
        return 1 / self.certificate.primal


class _Balance:
    """Labels, with the intercept that gives both classes the same smallest margin."""

    is_vector = False

    def __init__(self, y, *, intercept):
        self.y, self.intercept = y, intercept

    def offset(self, z):
        """Return that intercept, 0 if there is none."""
        if not self.intercept:
            return 0.0
        return -0.5 * float(z[self.y > 0].min() + z[self.y < 0].max())

    def margins(self, z):
        """Return ``y_i (z_i + c)``."""
        return self.y * (z + self.offset(z))


def max_margin_network(
    X: ArrayLike, y: ArrayLike, cells: ArrayLike = "all", *, fit_intercept: bool = True
) -> MaxMargin:
    r"""Separate labels by the ReLU network of least norm over given cells.

    Solves, by Clarabel through cvxpy,

    .. math::

        \min_{u_g, c} \sum_g \|u_g\|_2 \quad \text{s.t.} \quad
        y_i \Bigl(\sum_g \sigma_g 1[i \in D_g]\, x_i^\top u_g + c\Bigr) \ge 1,\quad
        (2 D_g - I) X u_g \ge 0,

    with a group g for every cell and sign :math:`\sigma_g = \pm 1` (talk, theorem under
    "Unregularized Gradient Flow Converges to the Optimum of the Convex Program"). The
    solver's point is made exact: put into the cones, groups of less than 1e-7 of the
    sum of norms left out, the smallest margin scaled to 1. What that costs is in the
    certificate.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Finite inputs.
    y : array-like of shape (n,)
        Labels, -1 and 1, both of them.
    cells : "all" or array-like of shape (d, n_gates)
        "all" lists the whole arrangement, where there are at most 20,000 patterns: the
        optimum is then that of all two-layer networks. An array has gates, one a
        column, whose activation patterns are the cells; with `fit_intercept` it has
        d + 1 rows, the bias last.
    fit_intercept : bool, default=True
        Whether hidden units have biases, whose squares are part of the norms, and the
        output a free intercept c.

    Returns
    -------
    MaxMargin
        The network, its certificate and its multipliers.

    Raises
    ------
    ValueError
        If the data or the cells are not as described, or if no network over the cells
        separates the labels.
    convexnn.solvers.SolverError
        If the solver stops without a point.

    Examples
    --------
    Exclusive or, without biases. Each corner needs a group of norm
    :math:`1 / \sqrt 2`:

    >>> import numpy as np
    >>> from convexnn.training.max_margin import max_margin_network
    >>> X = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> found = max_margin_network(X, y, fit_intercept=False)
    >>> found.network.predict(X).round(6).tolist()
    [1.0, 1.0, -1.0, -1.0]
    >>> round(found.certificate.primal, 6), round(found.certificate.dual, 6)
    (2.828427, 2.828427)
    """
    samples = _samples(X, y, fit_intercept)
    program = ConvexProgram(
        samples.X,
        cast(Loss, _Balance(samples.y, intercept=fit_intercept)),
        1.0,
        _listed(samples, cells),
        has_cones=True,
    )
    # cvxpy takes a second to load.
    from ..solvers.cvxpy import maximise_margin

    solution, shares = maximise_margin(program)
    U = _exact(program, solution.U)
    multipliers = _dual_point(program, shares, solution.multipliers)
    certificate = Certificate(
        program.penalty(U), float(multipliers.sum()), program.cells.scope
    )
    return MaxMargin(
        ARCHITECTURES["relu"].recover(program, U, samples),
        certificate.in_units(1 / samples.x_scale),
        multipliers / samples.x_scale,
    )


def _samples(X, y, fit_intercept):
    """Return validated samples, in the order of the caller."""
    X, y = check_samples(None, X, y)
    labels = np.unique(y)
    if not np.array_equal(labels, [-1.0, 1.0]):
        raise ValueError(
            f"y must hold the labels -1 and 1, both of them, got {labels[:5].tolist()}."
        )
    rows = X.astype(np.float64)
    if fit_intercept:
        rows = np.column_stack([rows, np.ones(len(rows))])
    x_scale = power_of_two(rows)
    return Samples(
        X=rows / x_scale,
        y=y,
        weights=np.ones(len(y)),
        within=0.0,
        x_scale=x_scale,
        y_scale=1.0,
        weight_scale=1.0,
        y_offset=0.0,
        has_bias=bool(fit_intercept),
    )


def _listed(samples, cells):
    """Return the cells asked for."""
    if isinstance(cells, str):
        if cells != "all":
            raise ValueError(
                f"cells must be 'all' or an array of gates, got {cells!r}."
            )
        return enumerate_cells(samples.X)
    return given_cells(
        samples.X, check_gates(cells, samples.X.shape[1], samples.has_bias)
    )


def _exact(program, U):
    """Return a point in the cones whose smallest margin is 1."""
    U = feasible_point(program, U)
    norms = np.linalg.norm(U, axis=0)
    U = U * (norms > _DUST * norms.sum())
    margin = float(program.loss.margins(program.output(U)).min())
    if margin <= _NO_MARGIN * np.linalg.norm(program.X, axis=1).max():
        raise ValueError(
            f"y cannot be separated by networks over the {len(program.cells)} cells: "
            f"the largest margin found is {margin:.3g}, for norms of sum 1, X scaled "
            "to entries below 2. Give more cells, or train with a penalty."
        )
    return U / margin


def _dual_point(program, shares, multipliers):
    """Return a feasible dual point, from a solver's: its price is 1."""
    y, shares = program.loss.y, shares.copy()
    if program.loss.intercept:
        for label in (-1.0, 1.0):
            shares[y == label] *= 0.5 / shares[y == label].sum()
    price = price_groups(program, shares * y, multipliers=multipliers).largest
    return shares / price
