"""What an architecture is: a formula for its units, and what follows from it.

A network is ``f(X) = sum_k phi(X; z_k) a_k'``. All that a search asks of it follows
from :meth:`Architecture.forward`; what is faster by hand is an override, which
the tests hold to what is derived here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar, cast

import numpy as np

from ..data.samples import Samples
from ..networks.network import Network
from ..programs.blocks import Blocks
from ..programs.cells import Cells
from ..programs.losses import Loss, Offset
from ..programs.program import ConvexProgram, heads_of, lengths_of
from .rectifiers import Rectifier, Widths, parabolic, rounded
from .units import Units

__all__ = ["Architecture", "Pull", "PullBoth"]

#: Fewest directions of a block.
_FEWEST = 8

#: Share of the loss of the zero network that penalty and output of a random start are.
_SMALL = 0.1


#: What gives the gradient of ``sum(W * values)`` by the directions, and that of the sum
#: over outputs by hidden and output weights.
Pull = Callable[[np.ndarray], np.ndarray]
PullBoth = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

Patterns = TypeVar("Patterns", bound=Cells | Blocks)
Program = TypeVar("Program", bound=ConvexProgram)
Recovered = TypeVar("Recovered", bound=Network)


class Architecture(ABC, Generic[Patterns, Program, Recovered]):
    """Units of a direction z, and networks that sum them.

    Attributes
    ----------
    words : str
        What it is called in messages.
    features : frozenset of str
        What a solver has to know of its programs of one output: names of
        :data:`~convexnn.programs.program.FEATURES`.
    has_cones : bool
        Whether the patterns of a unit follow from its direction, so that its program
        has cones and cells can be searched.
    degree : int
        ``phi(X; t z) = t**degree phi(X; z)`` for t >= 0: the hidden layers of a unit.
    n_first : int
        Hidden units of a unit's first layer, whose d * n_first entries lead in z,
        those of an input together.
    block : int
        Pre-activations that are worked on at once.
    """

    words: str
    features = frozenset({"cones"})
    has_cones = True
    degree = 1
    block = 2**19

    def features_for(self, y: np.ndarray) -> frozenset[str]:
        """Return the features of programs for targets of one output or several."""
        return self.features if y.ndim == 1 else self.features | {"several_outputs"}

    # What an architecture has to say ---------------------------------------------

    @abstractmethod
    def forward(
        self,
        X: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, Pull]:
        """Return the outputs of some units, and what gives their derivatives.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        directions : ndarray of shape (p, m)
            Directions z, one a column, of any norm.
        widths : ndarray of shape (m,) or (m, degree), default=None
            Widths of the smoothing of every rectifier, in units of what enters it;
            None for the units as they are.
        rectifier : callable, default=parabolic
            Of :mod:`convexnn.architectures.rectifiers`.

        Returns
        -------
        values : ndarray of shape (n, m)
            ``phi(X; z)``.
        pull : callable
            ``pull(W)`` for W of shape (n, m) returns the gradient of ``sum(W *
            values)`` by the directions, of shape (p, m). It may be called once.
        """

    @abstractmethod
    def program(
        self, X: np.ndarray, loss: Loss, beta: float, patterns: Patterns
    ) -> Program:
        """Return the finite convex program over some patterns.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        loss : Loss
            A loss of :mod:`convexnn.programs.losses`.
        beta : float
            Penalty.
        patterns : Cells or Blocks
            From :meth:`sample`, :meth:`listed` or :meth:`given`.

        Returns
        -------
        ConvexProgram
            The program.
        """

    @abstractmethod
    def recover(self, program: Program, U: np.ndarray, samples: Samples) -> Recovered:
        """Return the network of a feasible point of a program, in the caller's units.

        The network's objective equals the program's.
        """

    @abstractmethod
    def locate(
        self, program: Program, network: Recovered, samples: Samples
    ) -> np.ndarray | None:
        """Return a point of a program near the units of a network."""

    @abstractmethod
    def network(self, units: Units, offset: Offset, samples: Samples) -> Recovered:
        """Return the network of some units, in the units of the caller."""

    @abstractmethod
    def units_in(self, network: Recovered, samples: Samples) -> Units:
        """Return the units of a network in the caller's units."""

    @abstractmethod
    def sample(
        self,
        X: np.ndarray,
        n_cells: int,
        random_state: np.random.RandomState,
        units: Units | None = None,
    ) -> Patterns:
        """Return sampled patterns of the inputs, and those that some units are in."""

    @abstractmethod
    def enumerate(self, X: np.ndarray) -> Patterns:
        """Return all patterns of the inputs, or raise a ValueError if they are many."""

    @abstractmethod
    def given(self, X: np.ndarray, gates: np.ndarray) -> Patterns:
        """Return the patterns of a caller's gates."""

    @abstractmethod
    def around(
        self,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        units: Units,
        idle: Units | None = None,
    ) -> tuple[Program, np.ndarray]:
        """Return the program over the patterns of units, and the units as its point."""

    @abstractmethod
    def units_at(self, program: Program, U: np.ndarray) -> Units:
        """Return the units that a point of a program of :meth:`around` stands for."""

    @abstractmethod
    def polish_size(self, X: np.ndarray, n_units: int) -> int:
        """Return the size of a program of some units, by which it is solved or not."""

    # What follows from it --------------------------------------------------------

    @property
    def factor(self) -> float:
        """What a unit of norm 1 is worth: ``degree**(degree / 2)``.

        Layers whose squares sum to 1 have the product of their norms at most at
        ``degree**(-degree / 2)``, while the penalty lets each have norm 1.
        """
        return self.degree ** (self.degree / 2)

    def atoms(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return ``phi(X; z)`` for each column z, of shape (n, m)."""
        return self.forward(X, directions)[0]

    def outputs(self, X: np.ndarray, units: Units) -> np.ndarray:
        """Return the output of a network, of shape (n,) or (n, q)."""
        return self.atoms(X, units.hidden) @ units.output

    def correlate(
        self,
        X: np.ndarray,
        v: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return ``factor * v' phi(X; z)`` for each direction, and its gradient.

        Parameters
        ----------
        X, directions, widths, rectifier
            Of :meth:`forward`.
        v : ndarray of shape (n,) or (n, q)
            Dual point. For several outputs correlations are norms of ``v' phi``, the
            largest inner product over output weights of norm 1.

        Returns
        -------
        values : ndarray of shape (m,)
            Correlations.
        gradients : ndarray of shape (p, m)
            Their derivatives by the directions.
        """
        values = np.empty(directions.shape[1], dtype=directions.dtype)
        gradients = np.empty_like(directions)
        factor = directions.dtype.type(self.factor)
        for part in self._parts(X, directions):
            width = None if widths is None else widths[part]
            atoms, pull = self.forward(X, directions[:, part], width, rectifier)
            values[part], slopes = _correlations(atoms, factor * v)
            gradients[:, part] = pull(slopes)
        return values, gradients

    def heads(
        self, X: np.ndarray, v: np.ndarray, directions: np.ndarray, signs: np.ndarray
    ) -> np.ndarray:
        """Return the output weights of norm 1 that lower the loss most.

        They are the `signs` for one output, else of shape (m, q).
        """
        if v.ndim == 1:
            return signs
        return heads_of(self.atoms(X, directions).T @ v)

    def linearise(
        self,
        X: np.ndarray,
        hidden: np.ndarray,
        output: np.ndarray,
        width: Widths | None,
    ) -> tuple[np.ndarray, PullBoth]:
        """Return a smoothed network's output and its derivatives.

        Kinks are :func:`~convexnn.architectures.rectifiers.rounded`.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        hidden, output : ndarray
            Weights, as in :class:`~convexnn.architectures.units.Units`.
        width : float or ndarray
            Width of the smoothing, or one for every rectifier; 0 or None for none.

        Returns
        -------
        z : ndarray of shape (n,) or (n, q)
            Output of the network.
        pull : callable
            ``pull(v)`` returns the gradients of ``v' z`` by `hidden` and by `output`.
            It may be called once.
        """
        is_plain = width is None or not np.any(width)
        widths = None if is_plain else cast(np.ndarray, width)
        atoms, pull_back = self.forward(X, hidden, widths, rounded)

        def pull(v):
            by_unit = v[:, None] * output if v.ndim == 1 else v @ output.T
            return pull_back(by_unit), atoms.T @ v

        return atoms @ output, pull

    @abstractmethod
    def spread(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return the root mean square of what enters the rectifiers.

        Of shape (m,), or (m, degree) for units of several layers.
        """

    @abstractmethod
    def widths_of(self, X: np.ndarray, units: Units, width: float) -> Widths:
        """Return the widths of a descent's smoothing, in units of what is smoothed.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        units : Units
            Where the descent begins.
        width : float
            Widths relative to the root mean squares of what enters the rectifiers.
        """

    def norms(self, units: Units) -> np.ndarray:
        """Return the share of each unit in the penalty at its best scales: (m,)."""
        return np.linalg.norm(units.hidden, axis=0) * units.lengths

    def value(self, X: np.ndarray, loss: Loss, beta: float, units: Units) -> float:
        """Return the objective of a network, at the best scales of its layers."""
        penalty = beta * float(self.norms(units).sum())
        return float(loss.value(self.outputs(X, units))) + penalty

    def directions(self, units: Units) -> np.ndarray:
        """Return the directions of some units, none of them zero."""
        return units.hidden

    def canonical(self, directions: np.ndarray) -> np.ndarray:
        """Return directions with layers of equal norm."""
        return directions

    @abstractmethod
    def scaled(self, units: Units, factors: np.ndarray) -> Units:
        """Return the network with each unit multiplied by a factor >= 0."""

    @abstractmethod
    def units_of(self, directions: np.ndarray, heads: np.ndarray) -> Units:
        """Return balanced units ``phi(X; z) a'`` with heads a, without empty ones."""

    @abstractmethod
    def balanced(self, units: Units) -> Units:
        """Return the same network at its best scales, without empty units."""

    def longest(self, units: Units, share: float) -> Units:
        """Return the units above a share of the largest norm: none for a share of 1."""
        norms = self.norms(units)
        return units.take(norms > share * norms.max(initial=0.0))

    def merged(self, X: np.ndarray, units: Units) -> Units:
        """Return a network of as many units or fewer, equal and no more penalised."""
        return self.balanced(units)

    def turned(self, units: Units, matrix: np.ndarray) -> Units:
        """Return units whose first layers are multiplied by a matrix of shape (d, d).

        For an orthogonal one they are those of the inputs times it.
        """
        entries = len(matrix) * self.n_first
        first = matrix @ units.hidden[:entries].reshape(len(matrix), -1)
        first = first.reshape(entries, len(units))
        return replace(units, hidden=np.concatenate([first, units.hidden[entries:]]))

    def none(self, X: np.ndarray, y: np.ndarray) -> Units:
        """Return the network without units."""
        return Units(np.zeros((self.n_entries(X), 0)), np.zeros((0, *y.shape[1:])))

    def n_entries(self, X: np.ndarray) -> int:
        """Return the number p of entries of a direction."""
        return X.shape[1] * self.n_first + self.n_later

    @property
    def n_first(self) -> int:
        """Hidden units of a unit's first layer."""
        return 1

    @property
    def n_later(self) -> int:
        """Entries of a direction behind those of the first layer."""
        return 0

    def random_heads(
        self, m: int, y: np.ndarray, random_state: np.random.RandomState
    ) -> np.ndarray:
        """Return signs, in turns, or directions of the output weights of m units."""
        if y.ndim == 1:
            return np.where(np.arange(m) % 2 == 0, 1.0, -1.0)
        return heads_of(random_state.standard_normal((m, y.shape[1])))

    def draw(
        self, X: np.ndarray, y: np.ndarray, m: int, random_state: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return random directions of norm 1 and their heads."""
        directions = random_state.standard_normal((X.shape[1], m))
        directions /= np.linalg.norm(directions, axis=0)
        return directions, self.random_heads(m, y, random_state)

    def random_units(
        self,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        m: int,
        random_state: np.random.RandomState,
    ) -> Units:
        """Return random units that a descent begins from.

        Their penalty and their output are small beside the loss of the zero network.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Inputs.
        loss : Loss
            A loss of :mod:`convexnn.programs.losses`.
        beta : float
            Penalty.
        m : int
            Number of units.
        random_state : numpy.random.RandomState
            Source of directions and heads.

        Returns
        -------
        Units
            As many, balanced.
        """
        start = float(loss.value(np.zeros_like(loss.y)))
        directions, heads = self.draw(X, loss.y, m, random_state)
        size = _SMALL * start / (beta * m)
        atoms = self.atoms(X, directions)
        atoms *= atoms
        spread = np.mean(loss.weights @ atoms)
        size = min(size, np.sqrt(_SMALL * start / max(m * spread, 1e-300)))
        # A loss of zero has no scale.
        return self.units_of(directions * (size or 1.0), heads)

    @abstractmethod
    def price_bound(self, X: np.ndarray, v: np.ndarray) -> float:
        """Return a rigorous bound on the price of a dual point."""

    def thin(
        self, X: np.ndarray, v: np.ndarray, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows, and the entries of a dual point, of every so many inputs."""
        return X[::step], v[::step]

    def _parts(self, X, directions):
        """Yield slices of directions whose pre-activations fit a block."""
        size = max(self.block // max(len(X) * self.n_first, 1), _FEWEST)
        for first in range(0, directions.shape[1], size):
            yield slice(first, first + size)


def _correlations(atoms, v):
    """Return correlations of units with a dual point, and the pulls on the units."""
    if v.ndim == 1:
        return v @ atoms, np.repeat(v[:, None], atoms.shape[1], axis=1)
    heads = atoms.T @ v
    return lengths_of(heads), v @ heads_of(heads).T
