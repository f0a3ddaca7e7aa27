"""Three-layer sub-networks ``((X U)_+ u)_+`` in parallel, each a unit of two layers.

A unit is one direction of d * m + m entries, U and then u, on the unit sphere: for the
best scales of its layers ``normF(U)^2 + norm2(u)^2 = 1`` allows what ``sqrt(2) U,
sqrt(2) u`` in the two unit balls does, so that its correlations have a factor of two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.samples import Samples
from ..networks.three_layer import ThreeLayerNetwork
from ..programs.blocks import (
    Blocks,
    enumerate_blocks,
    given_blocks,
    sample_blocks,
)
from ..programs.losses import Loss, Offset
from ..programs.parallel import ParallelProgram
from .base import Architecture, Pull
from .bounds import three_layer_price_bound
from .rectifiers import Rectifier, parabolic
from .units import Units
from .whitening import preconditioner

__all__ = ["ParallelReLU"]

#: Share of what enters a second rectifier that it has to let pass in a random start.
_SILENT = 0.2

#: Norms below this, relative to the largest, count as zero.
_TINY = 1e-10


@dataclass(frozen=True)
class ParallelReLU(Architecture[Blocks, ParallelProgram, ThreeLayerNetwork]):
    """Sub-networks of two hidden layers, `n_units` wide in the first.

    ``((X U)_+ u)_+`` is ``(sum_j sign(u_j) (X w_j)_+)_+`` for ``w_j = U_j abs(u_j)``,
    and both norms can be at most 1 for some scales of the layers just where
    ``sum_j norm2(w_j) <= 1`` (three-layer paper, eqs. 9 to 11). Weight decay is
    ``beta * sum_kj norm2(w_kj) norm2(a_k)``. In :class:`Units` output weights have norm
    1, and ``beta/2`` times the squares of the other layers is the penalty.

    Parameters
    ----------
    n_units : int
        Hidden units m of the first layer.
    """

    n_units: int

    words = "three-layer networks"
    features = frozenset({"cones", "coupled_cones"})
    degree = 2
    block = 2**17

    @property
    def n_first(self) -> int:
        """Hidden units m of the first layer."""
        return self.n_units

    @property
    def n_later(self) -> int:
        """Entries of the second layer."""
        return self.n_units

    def layers(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first layers, (d, m, n_directions), and the second, (m, ...)."""
        m = self.n_units
        d = len(directions) // m - 1
        return directions[:-m].reshape(d, m, directions.shape[1]), directions[-m:]

    def _joined(self, first, second):
        """Return directions of their layers."""
        d, m, n = first.shape
        return np.concatenate([first.reshape(d * m, n), second])

    def forward(
        self,
        X: np.ndarray,
        directions: np.ndarray,
        widths: np.ndarray | None = None,
        rectifier: Rectifier = parabolic,
    ) -> tuple[np.ndarray, Pull]:
        """Return ``((X U)_+ u)_+`` for each direction, and what gives derivatives.

        `widths` has a column for every hidden unit, and one for the second rectifier.
        """
        first, second = self.layers(directions)
        of_first, of_second = None, None
        if widths is not None:
            of_first, of_second = widths[:, :-1].T.reshape(-1), widths[:, -1]
        inner, slopes = rectifier(X @ _flat(first), of_first)
        inner, slopes = (
            each.reshape(len(X), *second.shape) for each in (inner, slopes)
        )
        values, outer = rectifier(np.einsum("ijk,jk->ik", inner, second), of_second)

        def pull(W):
            pulled = outer * W
            by_second = np.einsum("ijk,ik->jk", inner, pulled)
            np.multiply(slopes, second, out=slopes)
            np.multiply(slopes, pulled[:, None], out=slopes)
            by_first = (X.T @ _flat(slopes)).reshape(
                len(first) * self.n_units, second.shape[1]
            )
            return np.concatenate([by_first, by_second])

        return values, pull

    def spread(self, X: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return the root mean squares of what enters the rectifiers.

        Of shape (n_directions, m + 1); all hidden units of a direction have that of
        all of them together.
        """
        spreads = np.empty((directions.shape[1], 2), dtype=directions.dtype)
        for part in self._parts(X, directions):
            spreads[part] = np.sqrt(self._mean_squares(X, directions[:, part])).T
        return np.repeat(spreads, (self.n_units, 1), axis=1)

    def _mean_squares(self, X, directions):
        first, second = self.layers(directions)
        values = X @ _flat(first)
        squares = np.einsum("ij,ij->j", values, values).reshape(second.shape)
        inner = np.maximum(values, 0).reshape(len(X), *second.shape)
        hidden = np.einsum("ijk,jk->ik", inner, second)
        return squares.sum(axis=0) / (len(X) * self.n_units), np.mean(hidden**2, axis=0)

    def widths_of(self, X: np.ndarray, units: Units, width: float) -> np.ndarray:
        """Return the widths of a descent's smoothing: those of each rectifier."""
        first, second = self.layers(units.hidden)
        values = X @ _flat(first)
        inner = np.maximum(values, 0).reshape(len(X), *second.shape)
        hidden = np.einsum("ijk,jk->ik", inner, second)
        by_first = np.sqrt(np.mean(values**2, axis=0))
        by_second = np.sqrt(np.mean(hidden**2, axis=0))
        # A rectifier that little enters is smoothed as the others are.
        by_first, by_second = (
            width * np.maximum(each, 0.1 * np.median(each))
            for each in (by_first, by_second)
        )
        return np.column_stack([by_first.reshape(second.shape).T, by_second])

    # The vectors w ----------------------------------------------------------------

    def groups(self, units: Units) -> np.ndarray:
        """Return the vectors w of some units, of shape (d, m, n_units)."""
        first, second = self.layers(units.hidden)
        return first * (np.abs(second) * units.lengths)

    def inner(self, units: Units) -> np.ndarray:
        """Return the signs of the hidden units, of shape (m, n_units)."""
        return np.where(self.layers(units.hidden)[1] < 0, -1.0, 1.0)

    def units_with(
        self, groups: np.ndarray, inner: np.ndarray, heads: np.ndarray
    ) -> Units:
        """Return balanced units of vectors w, signs and heads, without empty ones."""
        norms = np.linalg.norm(groups, axis=0)
        shares = norms.sum(axis=0)
        used = shares > _TINY * max(shares.max(initial=0.0), 1e-300)
        # Of empty hidden units the sign is kept.
        root = np.sqrt(np.maximum(norms[:, used], 1e-30))
        first = (groups[:, :, used] / root).reshape(
            len(groups) * self.n_units, root.shape[1]
        )
        return Units(np.concatenate([first, inner[:, used] * root]), heads[used])

    def norms(self, units: Units) -> np.ndarray:
        """Return ``sum_j norm2(w_j)`` of each unit."""
        return np.linalg.norm(self.groups(units), axis=0).sum(axis=0)

    def balanced(self, units: Units) -> Units:
        """Return the same network with layers of equal norm, without empty units."""
        return self.units_with(self.groups(units), self.inner(units), units.heads)

    def units_of(self, directions: np.ndarray, heads: np.ndarray) -> Units:
        """Return balanced units with ``sum_j norm2(w_j) = 1`` of some directions.

        A direction whose layers have different norms ends with a larger atom.
        """
        raw = Units(directions, np.ones(directions.shape[1]))
        groups = self.groups(raw)
        total = np.linalg.norm(groups, axis=0).sum(axis=0)
        groups = groups / np.maximum(total, np.finfo(groups.dtype).tiny)
        return self.units_with(groups, self.inner(raw), heads)

    def directions(self, units: Units) -> np.ndarray:
        """Return the directions of norm 1 of some units, layers of equal norm."""
        return units.hidden / np.linalg.norm(units.hidden, axis=0)

    def canonical(self, directions: np.ndarray) -> np.ndarray:
        """Return directions with layers of equal norm, without empty ones."""
        return self.directions(self.units_of(directions, np.ones(directions.shape[1])))

    def scaled(self, units: Units, factors: np.ndarray) -> Units:
        """Return the network with each unit multiplied by a factor >= 0."""
        return Units(units.hidden * np.sqrt(factors), units.output)

    def merged(self, X: np.ndarray, units: Units) -> Units:
        """Sum units that share the second pattern and have room for all hidden units.

        Hidden units of one pattern and one sign are summed, and so are units of one
        head and one second pattern, where the hidden units left are no more than m.
        The output stays and the penalty cannot rise, by the triangle inequality.
        """
        blocks = self._blocks(X, units)
        groups = self.groups(units).transpose(0, 2, 1)
        m = self.n_units
        first = np.packbits(blocks.first, axis=0)
        second = np.packbits(blocks.second, axis=0)
        used = np.linalg.norm(groups, axis=0) > 0
        bins: dict[tuple, tuple[np.ndarray, list[dict]]] = {}
        for k in range(len(units)):
            hidden: dict[tuple, np.ndarray] = {}
            for j in np.flatnonzero(used[k]):
                key = (blocks.inner[k, j], first[:, k, j].tobytes())
                hidden[key] = hidden.get(key, 0.0) + groups[:, k, j]
            head = units.heads[k]
            key = (np.asarray(head).tobytes(), second[:, k].tobytes())
            _, places = bins.setdefault(key, (head, []))
            for place in places:
                if len(place.keys() | hidden.keys()) <= m:
                    for unit, vector in hidden.items():
                        place[unit] = place.get(unit, 0.0) + vector
                    break
            else:
                places.append(hidden)
        flat = [(head, place) for head, places in bins.values() for place in places]
        shape = m, len(flat)
        summed, inner = np.zeros((len(groups), *shape)), np.ones(shape)
        for k, (_, place) in enumerate(flat):
            for i, ((sign, _), vector) in enumerate(place.items()):
                summed[:, i, k], inner[i, k] = vector, sign
        heads = np.array([head for head, _ in flat])
        heads = heads.reshape(len(flat), *units.output.shape[1:])
        return self.units_with(summed, inner, heads)

    # Random units -------------------------------------------------------------------

    def draw(
        self, X: np.ndarray, y: np.ndarray, m: int, random_state: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return random directions of norm 1 and their heads."""
        units = self._drawn(X, y, m, random_state)
        return self.directions(units), units.output

    def random_units(
        self,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        m: int,
        random_state: np.random.RandomState,
    ) -> Units:
        """Return random units of about the size of the targets, whatever the penalty.

        Half of them are Gaussian, half so in the coordinates in which the inputs are
        white. Those whose second rectifier would let next to nothing pass are turned
        over: silent ones would be scaled up, and only the penalty moves them.
        """
        units = self._drawn(X, loss.y, m, random_state)
        sizes = np.linalg.norm(self.atoms(X, units.hidden), axis=0)
        wanted = np.linalg.norm(loss.y) / np.sqrt(m)
        least = 1e-3 * sizes.max(initial=0.0)
        return self.scaled(units, wanted / np.maximum(sizes, least or 1.0))

    def _drawn(self, X, y, n, random_state):
        d, m = X.shape[1], self.n_units
        groups = random_state.standard_normal((d, n, m))
        half = groups[:, n // 2 :].reshape(d, -1)
        groups[:, n // 2 :] = (preconditioner(X) @ half).reshape(d, -1, m)
        inner = np.where(random_state.uniform(size=(n, m)) < 0.5, -1.0, 1.0)
        # One positive unit at least: without any, a sub-network is silent.
        inner[:, 0] = 1.0
        values = np.maximum(X @ groups.reshape(d, -1), 0).reshape(-1, n, m)
        hidden = np.einsum("ikj,kj->ik", values, inner)
        live = np.linalg.norm(np.maximum(hidden, 0), axis=0)
        inner[live <= _SILENT * np.linalg.norm(hidden, axis=0)] *= -1.0
        heads = self.random_heads(n, y, random_state)
        return self.units_with(groups.transpose(0, 2, 1), inner.T, heads)

    def price_bound(self, X: np.ndarray, v: np.ndarray) -> float:
        """Return a rigorous bound on the price of a dual point."""
        bounds = [three_layer_price_bound(X, column) for column in np.atleast_2d(v.T)]
        return float(np.linalg.norm(bounds))

    # Programs -----------------------------------------------------------------------

    def sample(
        self,
        X: np.ndarray,
        n_cells: int,
        random_state: np.random.RandomState,
        units: Units | None = None,
    ) -> Blocks:
        """Return sampled blocks of the inputs, and those that some units are in."""
        blocks = sample_blocks(X, self.n_units, n_cells, random_state)
        return blocks if units is None else self._blocks(X, units).joined(blocks)

    def enumerate(self, X: np.ndarray) -> Blocks:
        """Return all blocks of the inputs, or raise a ValueError if they are many."""
        return enumerate_blocks(X, self.n_units)

    def given(self, X: np.ndarray, gates: np.ndarray) -> Blocks:
        """Return the blocks of a caller's gates."""
        return given_blocks(X, gates)

    def program(
        self, X: np.ndarray, loss: Loss, beta: float, patterns: Blocks
    ) -> ParallelProgram:
        """Return the program over some blocks, with two families of cones."""
        return ParallelProgram(X, loss, beta, patterns)

    def _blocks(self, X, units):
        groups = self.groups(units).transpose(0, 2, 1)
        return Blocks.of(X, groups, self.inner(units).T, units.heads)

    def polish_size(self, X: np.ndarray, n_units: int) -> int:
        """Return rows of cones times features of a program of some units."""
        return X.size * n_units * (self.n_units + 1)

    def around(
        self,
        X: np.ndarray,
        loss: Loss,
        beta: float,
        units: Units,
        idle: Units | None = None,
    ) -> tuple[ParallelProgram, np.ndarray]:
        """Return the program over the blocks of some units, and the units as its point.

        The parameters are those of :meth:`convexnn.architectures.ReLU.around`.

        Returns
        -------
        program : ParallelProgram
            The program, one block a unit.
        U : ndarray
            The point.
        """
        groups = self.groups(units).transpose(0, 2, 1)
        if idle is not None and len(idle):
            units = units.joined(idle)
            nothing = np.zeros((len(groups), len(idle), self.n_units))
            groups = np.concatenate([groups, nothing], axis=1)
        program = ParallelProgram(X, loss, beta, self._blocks(X, units))
        return program, groups.reshape(program.shape)

    def units_at(self, program: ParallelProgram, U: np.ndarray) -> Units:
        """Return the units that a point of a program stands for."""
        blocks = program.blocks
        groups = U.reshape(len(U), *blocks.inner.shape).transpose(0, 2, 1)
        return self.units_with(groups, blocks.inner.T, blocks.sign)

    def recover(
        self, program: ParallelProgram, U: np.ndarray, samples: Samples
    ) -> ThreeLayerNetwork:
        """Return the network of a feasible point, in the units of the caller."""
        units = self.units_at(program, U)
        offset = program.loss.offset(self.outputs(program.X, units))
        return self.network(units, offset, samples)

    def network(
        self, units: Units, offset: Offset, samples: Samples
    ) -> ThreeLayerNetwork:
        """Return the network of some units, in the units of the caller."""
        groups = self.groups(units).transpose(0, 2, 1)
        about = self.inner(units).T, units.heads, samples, offset
        return ThreeLayerNetwork.recover(groups, *about)

    def units_in(self, network: ThreeLayerNetwork, samples: Samples) -> Units:
        """Return the units of a network in the caller's units."""
        if not network.subnetworks:
            return self.none(samples.X, samples.y)
        groups, inner, heads = network.locate(samples)
        return self.units_with(groups.transpose(0, 2, 1), inner.T, heads)

    def locate(
        self, program: ParallelProgram, network: ThreeLayerNetwork, samples: Samples
    ) -> None:
        """Return None: solvers of given blocks begin at zero."""
        return None


def _flat(layers):
    """Return an array of shape (k, m, n) as one of shape (k, m n), empty ones too."""
    return layers.reshape(len(layers), layers.shape[1] * layers.shape[2])
