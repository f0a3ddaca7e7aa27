r"""The convex relaxation of a convolutional network with one shared filter.

The network :math:`f(x_i) = \sum_j (X_{ij} w)_+` sums the rectified responses of one
filter w to the patches :math:`X_{i1}, \dots, X_{ik}` of a row. Fitting it to labels y
becomes convex when :math:`z_{ij} = (X_{ij} w)_+` is relaxed to :math:`z_{ij} \ge
(X_{ij} w)_+` and a linear term along a direction r picks one of the many solutions.
Equation numbers are those of B. Bartan and M. Pilanci, "Convex Relaxations of
Convolutional Neural Nets", ICASSP 2019.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import nnls

from ..data.patches import Patches, patch_grid

__all__ = [
    "Judgement",
    "RelaxationProgram",
    "data_direction",
    "in_recovery_cone",
    "moment_filter",
]

#: Distance from a cone, relative to the direction, that counts as rounding.
_ON_CONE = 1e-9


@dataclass(frozen=True)
class Judgement:
    """What is known about a point of the relaxation, whoever found it.

    Attributes
    ----------
    value : float
        Objective at the point: of (8) to be minimised, or of (9) to be maximised.
    bound : float
        Value of the dual program at the multipliers, on the other side.
    violation : float
        Largest of three relative errors: the duality gap, the distance of the
        multipliers from ``sum_ij lambda_ij X_ij = r``, and, for (9), by how much the
        outputs exceed the labels. Zero exactly at a solution.
    """

    value: float
    bound: float
    violation: float


@dataclass(frozen=True)
class RelaxationProgram:
    r"""The relaxation along one direction, in one of three forms.

    With ``beta > 0`` it is the k-patch form of the quadratic program (8),

    .. math::

        \min_{w,\ z \ge 0}\ \tfrac12 \sum_i \Bigl(\sum_j z_{ij} - y_i\Bigr)^2
        - \beta\, r^\top w \quad\text{s.t.}\quad z_{ij} \ge X_{ij} w,

    where the sign of r is that of (9). With ``beta=None`` it is the limit of that as
    beta goes to 0, the linear program (9),

    .. math::

        \max_{w,\ z \ge 0}\ r^\top w \quad\text{s.t.}\quad
        \sum_j z_{ij} = \max(y_i, 0),\quad z_{ij} \ge X_{ij} w.

    A label below 0 stands there as 0: outputs are sums of ReLUs, so that this is how
    near the quadratic term brings them before the linear term counts. With ``beta=0``
    it is the naive relaxation (7), which any label fits with w = 0.

    Parameters
    ----------
    patches : Patches
        The data.
    y : ndarray of shape (n,)
        Labels.
    direction : ndarray of shape (p,)
        Direction r.
    beta : float or None
        Weight of the linear term; None for its limit at 0.

    Examples
    --------
    The direction of the data recovers a single neuron:

    >>> import numpy as np
    >>> from convexnn.data.patches import Patches, patch_grid
    >>> from convexnn.filters import RelaxationProgram, data_direction
    >>> X = np.random.default_rng(0).standard_normal((40, 3))
    >>> w = np.array([1.0, -2.0, 0.5])
    >>> patches = Patches(X, patch_grid(3))
    >>> y = patches.pooled(w)
    >>> direction = data_direction(patches, y)
    >>> program = RelaxationProgram(patches, y, direction, beta=None)
    >>> multipliers = np.maximum(y, 0)[:, None]
    >>> program.judge(w, multipliers).violation < 1e-12
    True
    """

    patches: Patches
    y: np.ndarray
    direction: np.ndarray
    beta: float | None

    @property
    def kind(self):
        """Which form: "quadratic", "linear" or "naive"."""
        if self.beta is None:
            return "linear"
        return "quadratic" if self.beta > 0 else "naive"

    @cached_property
    def floor(self):
        """Labels as the linear program has them: those below 0 are 0."""
        return np.maximum(self.y, 0)

    def judge(self, w, multipliers):
        """Judge a filter and multipliers of the constraints ``z_ij >= X_ij w``.

        Parameters
        ----------
        w : ndarray of shape (p,)
            Filter; the best z for it is known.
        multipliers : ndarray of shape (n, k)
            Multipliers lambda of (10), for the objective divided by beta; what is
            negative is taken as 0.

        Returns
        -------
        Judgement
            Computed from these two alone.
        """
        multipliers = np.maximum(multipliers, 0)
        highest = multipliers.max(axis=1)
        linear = float(self.direction @ w)
        outputs = self.patches.pooled(w)
        missing = self.direction - self.patches.adjoint(multipliers)
        norm = float(np.linalg.norm(self.direction))
        # Without a linear term there is nothing for the multipliers to match.
        is_naive = self.kind == "naive"
        violation = 0.0 if is_naive else float(np.linalg.norm(missing)) / (norm or 1.0)
        if self.kind == "linear":
            value, bound = linear, float(self.floor @ highest)
            excess = np.linalg.norm(np.maximum(outputs - self.floor, 0))
            violation = max(violation, excess / (np.linalg.norm(self.floor) or 1.0))
            gap, scale = bound - value, self._unit(norm)
        else:
            loss = 0.5 * float(np.sum(np.maximum(outputs - self.y, 0) ** 2))
            value = loss - self.beta * linear
            forces = np.maximum(self.beta * highest, -self.y)
            bound = -0.5 * float(forces @ forces) - float(self.y @ forces)
            gap, scale = value - bound, self.beta * self._unit(norm)
        scale = max(abs(value), abs(bound), scale)
        if self.kind == "naive":
            scale = 0.5 * float(self.y @ self.y)
        violation = max(violation, abs(gap) / (scale or 1.0))
        return Judgement(value, bound, float(violation))

    def potential(self, w):
        """Return the objective, minimised, with the outputs in place of ``r'w``.

        That is ``sum_i max(y_i, 0) f(x_i)``, which is convex in w and has the slope
        r at the filters whose active patches r sums.
        """
        outputs = self.patches.pooled(w)
        linear = float(self.floor @ outputs)
        if self.kind == "linear":
            return -linear
        excess = np.maximum(outputs - self.y, 0)
        return 0.5 * float(excess @ excess) - self.beta * linear

    def along(self, direction):
        """Return the program with another direction."""
        return replace(self, direction=direction)

    def is_bounded(self):
        """Return whether the program has a solution.

        It has one if and only if r is in the cone of all patches: otherwise some
        filter with no positive response has ``r'w > 0``.
        """
        if self.kind == "naive":
            return True
        return _cone_multipliers(self.patches.stacked().T, self.direction) is not None

    def _unit(self, norm):
        """Return the size of ``r'w`` that labels and patches of this size suggest."""
        size = self.patches.mean_square() * self.patches.filter_size**2
        return norm * float(np.sqrt(np.mean(self.y**2) / size)) if size else 0.0


def data_direction(patches, y, active=None):
    """Return ``r = sum_i max(y_i, 0) sum_j X_ij``, over the active patches if given.

    If w fits the labels exactly and is active on those patches, it solves (9) along
    r: no feasible filter has ``r'w`` above ``sum_i max(y_i, 0)^2``, which w reaches;
    and ``(1 + beta) w`` solves (8). Labels below 0 are left out because they would
    make the programs unbounded.

    Parameters
    ----------
    patches : Patches
        The data.
    y : ndarray of shape (n,)
        Labels.
    active : ndarray of shape (n, k), bool, default=None
        Which patches to sum; all of them by default.

    Returns
    -------
    ndarray of shape (p,)
        The direction.
    """
    active = np.ones((len(y), patches.n_patches)) if active is None else active
    return patches.adjoint(active * np.maximum(y, 0)[:, None])


def moment_filter(patches, y):
    """Return ``w = 2 / (n k) sum_i (y_i - mean(y)) sum_j X_ij``.

    For independent standard Gaussian entries and labels of the network with filter
    w*, its mean is ``(n - 1) / n`` times w*.

    Parameters
    ----------
    patches : Patches
        The data.
    y : ndarray of shape (n,)
        Labels.

    Returns
    -------
    ndarray of shape (p,)
        The filter.
    """
    n, k, _ = patches.shape
    centred = np.repeat((y - y.mean())[:, None], k, axis=1)
    return 2 / (n * k) * patches.adjoint(centred)


def in_recovery_cone(
    X,
    w,
    direction,
    *,
    input_shape=None,
    filter_shape=None,
    stride=None,
    return_multipliers=False,
):
    r"""Return whether a filter solves the linear program (9) along a direction.

    For labels that the filter w fits exactly this is condition (14): with
    :math:`R_i` the patches of row i on which w is active,

    .. math:: r \in \operatorname{cone} \Bigl\{ \sum_{j \in R_i} X_{ij} \Bigr\}_i,

    decided by non-negative least squares. Inside the cone w is the only solution if
    the vectors with positive multipliers span all directions.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Inputs.
    w : array-like of shape (filter_size,) or of the filter's shape
        Filter.
    direction : array-like of shape (filter_size,) or of the filter's shape
        Direction r.
    input_shape, filter_shape, stride : int, tuple of int or None, default=None
        As for :func:`convexnn.data.patches.patch_grid`.
    return_multipliers : bool, default=False
        Whether to return the multipliers as well.

    Returns
    -------
    inside : bool
        Whether the direction is in the cone, up to a distance of 1e-9 relative to it.
    multipliers : ndarray of shape (n_samples,) or None
        Non-negative v with ``sum_i v_i sum_{j in R_i} X_ij = r``, the solution of the
        dual program (10); None outside. Only with `return_multipliers`.

    Raises
    ------
    ValueError
        If the shapes do not fit, or an entry is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.filters import in_recovery_cone
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> in_recovery_cone(X, w=[1.0, 1.0], direction=[2.0, 1.0])
    True
    >>> in_recovery_cone(X, w=[1.0, 1.0], direction=[2.0, -1.0])
    False
    """
    X = _finite("X", X)
    if X.ndim != 2 or not X.size:
        raise ValueError(f"X must be 2-D and not empty, got shape {X.shape}.")
    patches = Patches(X, patch_grid(X.shape[1], input_shape, filter_shape, stride))
    w, direction = (
        _finite(name, array, patches.filter_size)
        for name, array in (("w", w), ("direction", direction))
    )
    combined = patches.combine(patches.responses(w) > 0)
    multipliers = _cone_multipliers(combined.T, direction)
    inside = multipliers is not None
    return (inside, multipliers) if return_multipliers else inside


def _finite(name, array, size=None):
    """Return a finite array of floats, flattened if it has to have a size."""
    array = np.asarray(array, dtype=np.float64)
    if size not in (None, array.size):
        raise ValueError(
            f"{name} must have {size} entries, one for each weight of the filter, got "
            f"{array.size}."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity.")
    return array if size is None else array.ravel()


def _cone_multipliers(columns, target):
    """Return non-negative weights of the columns that sum to a target, or None."""
    norms = np.linalg.norm(columns, axis=0)
    used = np.flatnonzero(norms)
    size = float(np.linalg.norm(target))
    multipliers = np.zeros(columns.shape[1])
    if size and not len(used):
        return None
    if size:
        found, distance = nnls(columns[:, used] / norms[used], target / size)
        if distance > _ON_CONE:
            return None
        multipliers[used] = found * size / norms[used]
    return multipliers
