"""Coordinates in which climbs and descents go: units of data, white, even curvature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..architectures import Architecture, ParallelReLU, Units
from ..architectures.rectifiers import Rectifier, Widths, parabolic
from ..programs.losses import Loss
from ..programs.program import heads_of

__all__ = [
    "CurvatureCoordinates",
    "DigitCoordinates",
    "WhiteDirections",
    "coordinates_of",
]

#: Size of a column, as a multiple of the median, from which on descents divide by it,
#: and size below which, relative to the largest, a column is rounding.
_UNEVEN, _NOTHING = 30.0, 1e-13


@dataclass(frozen=True)
class WhiteDirections:
    """An architecture's directions in coordinates z with first layers ``T z``.

    The ball stays that of ``T z``: correlations are divided by the norm to the power
    of the degree.

    Parameters
    ----------
    architecture : Architecture
        The units.
    white : ndarray of shape (d, d)
        Matrix T, of which the inputs that are passed must be multiples: ``X T``.
    """

    architecture: Architecture
    white: np.ndarray

    def out(self, directions: np.ndarray) -> np.ndarray:
        """Return the directions in the original coordinates."""
        return self._times(self.white, directions)

    def into(self, directions: np.ndarray) -> np.ndarray:
        """Return original directions in these coordinates."""
        return self._times(np.linalg.inv(self.white), directions)

    def _times(self, matrix, directions):
        entries = len(matrix) * self.architecture.n_first
        matrix = matrix.astype(directions.dtype)
        first = matrix @ directions[:entries].reshape(len(matrix), -1)
        return np.concatenate([first.reshape(entries, -1), directions[entries:]])

    def spread(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return the root mean squares of what enters the rectifiers."""
        return self.architecture.spread(X, directions)

    def correlate(
        self,
        X: np.ndarray,
        v: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return correlations of the unit directions that these stand for."""
        degree = self.architecture.degree
        values, gradients = self.architecture.correlate(
            X, v, directions, widths, rectifier
        )
        actual = self.out(directions)
        squares = np.sum(actual * actual, axis=0)
        squares = np.maximum(squares, np.finfo(directions.dtype).tiny)
        pulled = self._times(self.white.T, actual)
        entries = len(self.white) * self.architecture.n_first
        pulled[entries:] = directions[entries:]
        sizes = squares ** (degree / 2)
        values = values / sizes
        return values, gradients / sizes - (degree * values / squares) * pulled


def coordinates_of(
    architecture: Architecture,
) -> Callable[..., DigitCoordinates | CurvatureCoordinates]:
    """Return the coordinates that descents of some units go in, a class."""
    return DigitCoordinates if architecture.degree == 1 else CurvatureCoordinates


class _Coordinates:
    """Weights of a network as one vector, hidden ones first."""

    #: What the vector is multiplied by for the weights of the inputs `X`, if anything.
    scales: np.ndarray | None = None

    def __init__(self, units: Units) -> None:
        self._hidden, self._output = units.hidden.shape, units.output.shape

    def parts(self, flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return hidden and output weights of a vector."""
        size = int(np.prod(self._hidden))
        return flat[:size].reshape(self._hidden), flat[size:].reshape(self._output)

    def heads(self, output: np.ndarray) -> np.ndarray:
        """Return the output weights that entries of the vector stand for."""
        return output

    def pull_heads(self, output: np.ndarray, by_heads: np.ndarray) -> np.ndarray:
        """Return derivatives by those entries from derivatives by the weights."""
        return by_heads


class DigitCoordinates(_Coordinates):
    """Weights for inputs of magnitude 1 with the digits of single precision.

    Descents are starts, and what they find is judged by the objective itself. As a
    change of the data's units moves the last bits alone, they take the same way in any
    units. Columns that dwarf the others are divided by their size.

    Parameters
    ----------
    architecture : Architecture
        The units.
    X : ndarray of shape (n, d)
        Inputs.
    loss : Loss
        What is minimised; its targets get these digits, too.
    beta : float
        Penalty.
    units : Units
        Where a descent begins.
    is_exact : bool
        Whether to compute in double precision.
    """

    def __init__(
        self,
        architecture: Architecture,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        units: Units,
        *,
        is_exact: bool,
    ) -> None:
        super().__init__(units)
        self.loss = loss.rounded()
        # For inputs divided by their largest magnitude, weights of either layer grow by
        # its root.
        unit = float(np.abs(X).max(initial=0.0)) or 1.0
        self.unit, self.root = unit, np.sqrt(unit)
        self.beta = float(np.float32(beta / unit))
        X = X / unit
        sizes = _sizes(X)
        self.X = (X / sizes).astype(np.float32)
        if is_exact:
            self.X = self.X.astype(np.float64)
        later = np.ones(architecture.n_later)
        self._sizes = np.concatenate([np.repeat(sizes, architecture.n_first), later])
        # The penalty is that of the weights of the inputs as they are.
        by_row = np.repeat(1 / self._sizes**2, len(units))
        self.decay = np.append(by_row, np.ones(units.output.size))

    def widths_of(
        self, architecture: Architecture, X: np.ndarray, units: Units, width: float
    ) -> Widths:
        """Return the widths of a smoothing relative to what enters the rectifiers."""
        spread = self.root * architecture.widths_of(X, units, 1.0)
        return width * np.asarray(spread / self.unit, np.float32).astype(float)

    def join(self, units: Units) -> np.ndarray:
        """Return weights as one vector."""
        hidden = units.hidden * self._sizes[:, None]
        flat = self.root * np.concatenate(
            [hidden.reshape(-1), units.output.reshape(-1)]
        )
        return flat.astype(np.float32).astype(np.float64)

    def split(self, flat: np.ndarray) -> Units:
        """Return the units of a vector."""
        hidden, output = self.parts(flat / self.root)
        return Units(hidden / self._sizes[:, None], output)


class CurvatureCoordinates(_Coordinates):
    """Weights in which the curvature is even where a descent begins.

    To second order a hidden unit's loss is about ``b^2 |X a|^2``: with features of very
    different scales the data hold some weights and the penalty the others, and in
    coordinates in which either alone is even a quasi-Newton method is slow.

    Output weights have norm 1, whatever the length of their entries. The parameters are
    those of :class:`DigitCoordinates`.
    """

    def __init__(
        self,
        architecture: ParallelReLU,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        units: Units,
        *,
        is_exact: bool = True,
    ) -> None:
        super().__init__(units)
        first, second = architecture.layers(units.hidden)
        self._first, self.beta, self.loss = first.shape, beta, loss
        weighted = np.sqrt(loss.weights)[:, None] * X
        _, sizes, axes = np.linalg.svd(weighted, full_matrices=True)
        squares = np.zeros(len(axes))
        squares[: len(sizes)] = sizes**2
        b = np.maximum(np.abs(second), 1e-15)
        by_first = 1 / np.sqrt(np.multiply.outer(squares, b**2) + beta)
        values = np.maximum(weighted @ first.reshape(len(first), -1), 0)
        by_second = 1 / np.sqrt(np.einsum("ij,ij->j", values, values) + beta)
        self._axes = axes.T
        self.X = X @ self._axes
        if not is_exact:
            self.X = self.X.astype(np.float32)
        scales = np.concatenate([by_first.reshape(-1), by_second])
        self.scales = np.append(scales, np.ones(units.output.size))
        self.decay = self.scales**2
        self.decay[scales.size :] = 0.0

    def widths_of(
        self, architecture: Architecture, X: np.ndarray, units: Units, width: float
    ) -> Widths:
        """Return the widths of a smoothing relative to what enters the rectifiers."""
        return architecture.widths_of(X, units, width)

    def join(self, units: Units) -> np.ndarray:
        """Return weights as one vector."""
        hidden = self._turned(self._axes.T, units.hidden)
        flat = np.concatenate([hidden.reshape(-1), units.output.reshape(-1)])
        return flat / self.scales

    def split(self, flat: np.ndarray) -> Units:
        """Return the units of a vector."""
        hidden, output = self.parts(flat * self.scales)
        return Units(self._turned(self._axes, hidden), self.heads(output))

    def heads(self, output: np.ndarray) -> np.ndarray:
        """Return the output weights of norm 1."""
        return heads_of(output)

    def pull_heads(self, output: np.ndarray, by_heads: np.ndarray) -> np.ndarray:
        """Return derivatives by entries of any length from those by the weights."""
        if output.ndim == 1:
            return np.zeros_like(output)
        heads = heads_of(output)
        along = np.sum(by_heads * heads, axis=1, keepdims=True)
        lengths = np.linalg.norm(output, axis=1, keepdims=True)
        return (by_heads - along * heads) / np.maximum(lengths, 1e-30)

    def _turned(self, matrix, hidden):
        entries = self._first[0] * self._first[1]
        first = matrix @ hidden[:entries].reshape(len(matrix), -1)
        return np.concatenate([first.reshape(entries, -1), hidden[entries:]])


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
