"""Search the cells while solving: price, polish or add, descend, merge, repeat.

Local descent is an active-set method for the convex program over all cells (Wang and
Pilanci, ICLR 2022), so it is run as one, with the convex program as referee:

1. start wide, from random units, by smoothed descents; for a tight tolerance, and
   while the gap is large, start again four times as wide: narrow networks end in poor
   local minima, and units that are added later cannot make up for it;
2. price: climb from many starts; directions above beta would lower the objective;
3. polish: solve the finite program over the cells in use and the new ones exactly,
   where that is affordable; else add the new units by a line search and descend over
   all units at once, directions free to change cell; merge and prune.

The best network and the best dual bound of all rounds are kept. The bound rests on
local pricing and is an estimate; `Certificate.bound` is a rigorous, looser one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np

from ..architectures import ARCHITECTURES
from ..programs.cells import given_cells
from ..programs.certificate import Certificate, feasible_point
from ..programs.program import ConvexProgram
from ..solvers.driver import CertifiedPoint, prune
from ..solvers.history import Clock
from ..solvers.newton import solve as solve_given_cells
from ..solvers.time_limit import OUT_OF_TIME, is_out_of_time
from .climbing import distinct, maxima_at
from .descent import Units, descend
from .effort import CLOSE, COARSE, ROUGH
from .listed import list_arrangement
from .pricer import Pricer
from .starts import first_width, random_units, wider_widths

__all__ = ["Found", "Known", "search"]

_RELU = ARCHITECTURES["relu"]

_ZERO = "the zero network is optimal"

#: Rounds after which the search ends, whatever `max_iter` allows.
_MOST_ROUNDS = 60

#: Rounds without progress after which the search ends, and after which it makes the
#: effort of tight tolerances.
_PATIENCE, _ENOUGH = 5, 2

#: Smoothing and most steps of the descents from random units, and after a polish of
#: several outputs.
_FIRST_STAGES = ((0.1, 1000), (0.03, 100), (0.01, 100), (0.003, 50), (0.001, 50))
_LAST_STAGE = ((0.001, 100),)

#: Local maxima that enter the network in a round, at most.
_ENTERING = 200

#: Price, as a share of beta, from which a direction is worth bringing in.
_VIOLATED = 1 + 1e-4

#: One in so many starts price the zero network where a better one is known.
_FEWER = 4

#: Relative gap below which rounds do better than a wider start.
_NARROW_GAP = 0.02

#: Tolerance of the pruning after a descent, relative to the gap, and of that at the
#: end, relative to the tolerance.
_PRUNED = 2e-4
_FINISH = 0.1

#: Norm of the units that a polish leaves out, relative to the longest. They are part
#: of the dual point that is priced, whose error is about the square root of the
#: objective's.
_DUST = 1e-4

#: Relative gap to which the finite program is solved, at least.
_EXACT = 1e-6

#: Columns times groups of a polish with several outputs, the size of its systems,
#: in any round and after one that gained nothing.
_FEW_DIRECTIONS, _MOST_DIRECTIONS = 300, 1500

#: Local maxima that enter a network of several outputs, at most, and 1 less the cosine
#: up to which they, or its units, are taken for the same.
_ENTERING_HEADS, _SAME = 40, 1e-2

#: Share of the tolerance that a round should gain.
_WORTHWHILE = 0.05


@dataclass(frozen=True)
class Known:
    """What searches on the same data share, whatever their penalty.

    Attributes
    ----------
    price_at_zero : float
        Largest price found for the zero network: an estimate of beta_max from below.
    directions : ndarray of shape (d, n_directions)
        Local maxima of the prices of the last dual point.
    """

    price_at_zero: float
    directions: np.ndarray


@dataclass(frozen=True)
class Found:
    """What a search ends with.

    Attributes
    ----------
    program : ConvexProgram
        Program over the cells of the network found.
    point : CertifiedPoint
        The network as a point of that program, with scope "search".
    known : Known
        What a search with another penalty can begin with.
    """

    program: ConvexProgram
    point: CertifiedPoint
    known: Known


def search(
    X,
    loss,
    beta,
    *,
    architecture=_RELU,
    tol,
    max_iter,
    start=None,
    known=None,
    verbose=0,
    options=None,
    random_state,
):
    """Train a two-layer ReLU network without a list of cells.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    loss : SquaredLoss
        Loss.
    beta : float
        Penalty.
    architecture : object, default=ReLU()
        Of :mod:`convexnn.architectures`, with all that is needed to search.
    tol : float
        Relative gap to the estimated dual bound to stop at.
    max_iter : int
        Largest number of rounds; no more than 60 are made.
    start : tuple of ndarray, default=None
        Vectors of shape (d, m) and signs of shape (m,) of a network to start from.
    known : Known, default=None
        From a search on the same data, to begin with if there is a start.
    verbose : int, default=0
        From 1 on, print a line a round.
    options : dict, default=None
        `n_starts`, directions that pricing climbs from (256; beyond 5,000 rows over a
        subset of them, and the best over all rows), and `n_units`, largest
        width of a random start (by default 50 at a tenth of the price at zero,
        growing about as its ratio to beta, to two units a row).
    random_state : numpy.random.RandomState
        Source of the start and of the directions.

    Returns
    -------
    Found
        Network, certificate of scope "search", and what a further search can use.

    Raises
    ------
    ValueError
        If an option is not a positive integer.
    """
    settings = {"n_starts": 256} | (options or {})
    for name, value in settings.items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(
                f"solver_options[{name!r}] must be an int in [1, inf), got {value!r}."
            )
    run = _Search(X, loss, beta, architecture, tol, settings, verbose, random_state)
    if run.is_surely_zero():
        run.price_zero()
        return run.finish(_ZERO)
    units = run.begin(start, known)
    if run.price_at_zero <= beta:
        run.forget()
        return run.finish(_ZERO)
    widths = run.wider_starts(len(units))
    status = "round limit"
    for k in range(min(max_iter, _MOST_ROUNDS)):
        if k or not run.recall(units):
            run.price(units)
        run.report(units)
        if run.gap <= tol and run.confirm() <= tol:
            status = "tolerance reached"
            break
        if run.n_waited >= _PATIENCE:
            status = "no progress"
            break
        if is_out_of_time():
            status = OUT_OF_TIME
            break
        if widths and run.gap > _NARROW_GAP:
            units = run.start_again(widths.pop(0))
        else:
            units = run.improve(units)
    return run.finish(status)


class _Search:
    """Best network, best dual bound, and the steps of a round."""

    def __init__(
        self, X, loss, beta, architecture, tol, settings, verbose, random_state
    ):
        self.X, self.loss, self.beta, self.tol = X, loss, beta, tol
        self.architecture = architecture
        self.effort = ROUGH if tol >= COARSE else CLOSE
        self.pricer = Pricer(
            self.architecture,
            X,
            settings["n_starts"],
            random_state,
            n_exact=self.effort.n_exact,
        )
        self.has_heads = loss.y.ndim == 2
        self.settings = settings
        self.verbose = verbose
        self.random_state = random_state
        self.clock = Clock()
        shape = loss.y.shape[1:]
        self.zero = Units(np.zeros((X.shape[1], 0)), np.zeros((0, *shape)))
        self.at_zero = self.value(self.zero)
        self.forget()
        self.dual = self.bound = self.largest_price = 0.0
        self.dual_point = np.zeros_like(loss.y)
        self.n_rounds = self.n_waited = 0
        self.is_warm = self.is_proved = self.is_polished = False
        self._last = (np.inf, -np.inf)

    def forget(self):
        """Go back to the zero network."""
        self.best, self.primal = self.zero, self.at_zero

    @property
    def gap(self):
        """Relative gap between the best network and the best estimated bound."""
        return max(self.primal - self.dual, 0.0) / max(self.primal, 1e-300)

    def value(self, units):
        """Return the true objective of some units."""
        return units.value(self.architecture, self.X, self.loss, self.beta)

    def consider(self, units):
        """Keep the units if they are the best so far; return them."""
        value = self.value(units)
        if value < self.primal:
            self.primal, self.best = value, units
        self.note()
        return units

    def observe(self, value):
        """Record the true objective of a network that a descent passes."""
        self.clock.record(value, self.dual, len(self.best))

    def is_surely_zero(self):
        """Return whether the rigorous bound shows that the zero network is optimal."""
        v = self.loss.dual_point(np.zeros_like(self.loss.y))
        return self.architecture.price_bound(self.X, v) <= self.beta

    @cached_property
    def arrangement(self):
        """All cells, or None where they are too many to list."""
        return list_arrangement(self.architecture, self.X, self.loss, self.beta)

    def price_zero(self):
        """Price the zero network, from fewer starts if another is better."""
        share = 1 if self.primal >= self.at_zero else _FEWER
        self.price(self.zero, share)
        self.price_at_zero = self.maxima.largest
        if self.arrangement is not None:
            price, _ = self.arrangement.price(self.dual_point, self.price_at_zero)
            self.price_at_zero = max(price, self.price_at_zero)

    def _bound_zero(self):
        """Take the dual bound of the zero network, whose price is known."""
        self.dual_point = v = self.loss.dual_point(np.zeros_like(self.loss.y))
        self.largest_price = self.price_at_zero
        self.dual = self._dual_value(v, self.price_at_zero)
        self.bound = self._dual_value(v, self.architecture.price_bound(self.X, v))

    def begin(self, start, known):
        """Return a start, if it is any good, or units descended from random ones.

        The price of the zero network is taken from what is known or found.
        """
        if start is not None:
            self.consider(Units.from_groups(*start))
            self.is_warm = len(self.best) > 0
        if known is None:
            self.price_zero()
        else:
            self.price_at_zero = known.price_at_zero
            self.pricer.remembered = known.directions
            if self.price_at_zero <= self.beta:
                self._bound_zero()
        if self.is_warm or self.price_at_zero <= self.beta:
            return self.best
        width = first_width(self.price_at_zero, self.beta, len(self.loss.y))
        units = self.random_units(min(self.settings.get("n_units", width), width))
        units = self._descend(units, ((0.0, 60),))
        return self._descend(units, _FIRST_STAGES, self.effort.slow)

    def wider_starts(self, width):
        """Return the widths of further random starts, in ascending order."""
        if self.is_warm or self.tol >= COARSE:
            return []
        most = self.settings.get("n_units")
        n = len(self.loss.y)
        return wider_widths(self.price_at_zero, self.beta, n, width, most)

    def start_again(self, n_units):
        """Return the best units after descents from wider random ones."""
        self._descend(self.random_units(n_units), _FIRST_STAGES, self.effort.slow)
        self._last = (self.primal, self.dual)
        return self._pruned(self.best)

    def random_units(self, m):
        """Return balanced Gaussian units of alternating sign or random heads."""
        return random_units(
            self.architecture, self.X, self.loss, self.beta, m, self.random_state
        )

    def _descend(self, units, stages, least=0.0):
        """Descend in stages, merge, and return the units where that ends."""
        for width, n_steps in stages:
            units = self.consider(
                descend(
                    self.architecture,
                    self.X,
                    self.loss,
                    self.beta,
                    units,
                    width=width,
                    n_steps=n_steps,
                    least=least,
                    observe=self.observe,
                )
            )
        return self.consider(units.merged(self.X))

    def _dual_point(self, units):
        """Return the dual point of some units."""
        outputs = self.architecture.atoms(self.X, units.hidden) @ units.output
        return self.loss.dual_point(outputs)

    def recall(self, units):
        """Return whether known directions are enough to go on with, without climbing.

        Along a path they are. They bring in units, but tell nothing about the price
        of the dual point.
        """
        if not self.is_warm:
            return False
        v, known = self._dual_point(units), self.pricer.remembered
        self.priced = v
        self.maxima = maxima_at(self.architecture, self.X, v, known)
        return self.maxima.largest > self.beta * _VIOLATED

    def price(self, units, share=1):
        """Climb from many starts, or one in `share`, and update the dual bound."""
        self.priced = v = self._dual_point(units)
        self.maxima = self.pricer.climb(v, units.hidden, self.beta, share)
        dual = self._dual_value(v, self.maxima.largest)
        self.bound = max(
            self.bound, self._dual_value(v, self.architecture.price_bound(self.X, v))
        )
        self._doubt(self.maxima.directions)
        if dual > self.dual or not self.dual_point.any():
            self.dual, self.dual_point = dual, v
            self.largest_price = self.maxima.largest
            self.is_proved = False

    def _doubt(self, directions):
        """Hold the best dual point against directions found for another."""
        values, _ = self.architecture.correlate(self.X, self.dual_point, directions)
        price = float(np.abs(values).max(initial=0.0))
        if price > self.largest_price:
            self.largest_price = price
            self.dual = self._dual_value(self.dual_point, price)

    def confirm(self):
        """Price the best dual point from fresh starts; return the gap that is left."""
        self._doubt(
            self.pricer.climb(self.dual_point, self.best.hidden, self.beta).directions
        )
        if self.gap <= self.tol:
            self.prove()
        return self.gap

    def prove(self):
        """Price the best dual point over all cells, where they can be listed."""
        if self.arrangement is None or self.is_proved:
            return
        price, missed = self.arrangement.price(self.dual_point, self.largest_price)
        if price > self.largest_price:
            self.pricer.remember(missed)
            self.largest_price = price
            self.dual = self._dual_value(self.dual_point, price)
        self.is_proved = True

    def _dual_value(self, v, price):
        return self.loss.bound(v, self.beta, price)

    def improve(self, units):
        """Make one round: bring in the new directions, polish or descend."""
        limits = {"at_most": _ENTERING}
        if self.has_heads:
            limits = {"at_most": _ENTERING_HEADS, "tolerance": _SAME}
        fresh = distinct(self.maxima, above=self.beta * _VIOLATED, **limits)
        heads = self.architecture.heads(
            self.X, self.priced, fresh.directions, fresh.signs
        )
        new = Units.from_groups(fresh.directions, heads)
        merged = units.merged(self.X).longest(_DUST)
        effort = self.effort
        limit = effort.affordable if self.n_waited else effort.cheap
        if self._size(len(merged) + len(new)) <= limit:
            units = self._polish(merged, new)
            if self.has_heads:
                self._descend(self.best, _LAST_STAGE)
                units = self._pruned(self.best)
        else:
            self.is_polished = False
            units = self.consider(self._add(units, new, fresh.values))
            self._descend(units, effort.stages)
            units = self._pruned(self.best)
        self._note_progress()
        if self.n_waited:
            self.prove()
        return units

    def _pruned(self, units):
        """Drop units that are worth less than a small share of the gap in all."""
        if self.has_heads:
            joined = units.coalesced(_SAME)
            allowed = self.value(units) * (1 + _PRUNED * self.gap)
            units = joined if self.value(joined) <= allowed else units
        program, group_of = self._program(units)
        U = self._point(program, group_of, units)
        certificate = Certificate(program.objective(U), np.inf, "search")
        U, _ = prune(program, U, certificate, _PRUNED * self.gap)
        return Units.from_groups(U, program.sign)

    def _point(self, program, group_of, units):
        """Return the units as a point of their program."""
        U = np.zeros(program.shape)
        active = group_of >= 0
        np.add.at(U.T, group_of[active], units.groups.T[active])
        return U

    def _note_progress(self):
        """Count the rounds in a row that gained nothing to speak of."""
        primal, dual = self._last
        gained = max(primal - self.primal, 0.0) + max(self.dual - dual, 0.0)
        if gained > _WORTHWHILE * self.tol * self.primal:
            self.n_waited = 0
        else:
            self.n_waited += 1
        if self.n_waited >= _ENOUGH:
            self.effort = CLOSE
            self.pricer.n_exact = CLOSE.n_exact
        self._last = (self.primal, max(self.dual, dual))

    def _program(self, units):
        """Return the program over the units' cells and the group of each unit.

        Units of one cell and sign (for several outputs, direction of the output
        weights) share a group; units that are active nowhere have none, which is
        marked by -1.
        """
        cells = given_cells(self.X, units.hidden)
        cell = {p.tobytes(): k for k, p in enumerate(_packed(cells.patterns))}
        patterns = _packed(self.X @ units.hidden >= 0)
        cell_of = np.array([cell.get(p.tobytes(), -1) for p in patterns], dtype=int)
        group_of, used = np.full(len(units), -1), cell_of >= 0
        keys = np.column_stack([cell_of, units.heads])[used]
        keys, group_of[used] = np.unique(keys, axis=0, return_inverse=True)
        program = self.architecture.program(
            self.X,
            self.loss,
            self.beta,
            cells,
            cell_of=keys[:, 0].astype(int),
            sign=keys[:, 1:].reshape(-1, *units.heads.shape[1:]),
        )
        return program, group_of

    def _size(self, n_groups):
        """Return rows times squared columns times groups of a program."""
        n, d = self.X.shape
        most = _MOST_DIRECTIONS if self.n_waited else _FEW_DIRECTIONS
        if self.has_heads and d * n_groups > most:
            return np.inf
        return n * d**2 * n_groups

    def _polish(self, units, new):
        """Solve the finite program over the cells of the units and the new ones."""
        self.is_polished = True
        idle = Units(new.hidden, 0 * new.output)
        program, group_of = self._program(units.joined(new))
        if not program.n_groups:
            return units
        solution = solve_given_cells(
            program,
            tol=max(_EXACT, self.effort.exact * self.tol),
            max_iter=300 if self.loss.is_quadratic or self.has_heads else 2000,
            start=self._point(program, group_of, units.joined(idle)),
        )
        U = feasible_point(program, solution.U)
        return self.consider(Units.from_groups(U, program.sign))

    def _add(self, units, new, values):
        """Add new units, longer where the price is higher, by one line search."""
        if not len(new):
            return units
        share = (values - self.beta) / (values.max() - self.beta)
        share = np.maximum(share, 1e-3)
        directions = new.hidden / np.linalg.norm(new.hidden, axis=0)
        heads = new.heads
        base = self.architecture.atoms(self.X, units.hidden) @ units.output
        along = self.architecture.atoms(self.X, directions) @ (heads.T * share).T
        largest = np.linalg.norm(units.groups, axis=0).max(initial=0.0)
        lengths = (largest or 1.0) * np.geomspace(1e-4, 10, 25)
        outputs = base[..., None] + along[..., None] * lengths
        objectives = self.loss.value(outputs) + self.beta * share.sum() * lengths
        length = lengths[int(np.argmin(objectives))]
        return units.joined(Units.from_groups(directions * (share * length), heads))

    def note(self):
        """Record the best network and the best estimated bound."""
        self.clock.record(self.primal, self.dual, len(self.best))

    def report(self, units):
        """Print a line a round."""
        self.n_rounds += 1
        self.note()
        if self.verbose:
            seconds = self.clock.records[-1][0]
            print(
                f"[active_set] round {self.n_rounds}: objective {self.primal:.6g}, "
                f"gap {self.gap:.2e} (estimate), {len(units)} neurons, {seconds:.2f} s"
            )

    def finish(self, status):
        """Return the best network as a point of the program over its own cells."""
        units = self.best.merged(self.X)
        is_small = self._size(len(units)) <= self.effort.cheap
        if self.tol <= COARSE and is_small and not self.is_polished:
            self._polish(units, units.longest(1.0))
        self.prove()
        units = self.best
        program, group_of = self._program(units)
        U = self._point(program, group_of, units)
        primal = program.objective(U)
        dual = min(self.dual, primal)
        if self.is_proved:
            certificate = Certificate(primal, dual, "all", bound=dual)
        else:
            n_starts, bound = self.settings["n_starts"], min(self.bound, primal)
            certificate = Certificate(
                primal, dual, "search", n_starts=n_starts, bound=bound
            )
        U, certificate = prune(program, U, certificate, _FINISH * self.tol)
        self.clock.record(certificate.primal, certificate.dual, len(units))
        n_iter = max(self.n_rounds, 1)
        point = CertifiedPoint(U, certificate, n_iter, status, self.clock.history())
        return Found(program, point, Known(self.price_at_zero, self.pricer.remembered))


def _packed(patterns):
    """Return each pattern's bits as bytes, one pattern a row."""
    return np.packbits(patterns, axis=0).T
