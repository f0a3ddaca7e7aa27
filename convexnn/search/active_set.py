"""Search the cells while solving: price, polish or add, descend, merge, repeat.

Local descent is an active-set method for the convex program over all cells (Wang and
Pilanci, ICLR 2022), so it is run as one, with the convex program as referee. For
units of any architecture:

1. start wide, from random units, by smoothed descents; for a tight tolerance, and
   while the gap is large, start again wider: narrow networks end in poor local minima,
   and units that are added later cannot make up for it;
2. price: climb from many starts; directions above beta would lower the objective;
3. bring in what was found: solve the finite program over the cells in use and the new
   ones exactly, where that is affordable ("polish"); else add the new units by a line
   search. Units of several layers are weighed anew, jointly, before and after;
4. descend over all units at once, directions free to change cell, where there was no
   polish or it could not move all weights; merge and prune.

The best network and the best dual bound of all rounds are kept. The bound rests on
local pricing and is an estimate; `Certificate.bound` is a rigorous, looser one. How
much is done in each step stands in :mod:`convexnn.search.schedule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np

from ..architectures import ARCHITECTURES, Architecture, Units
from ..programs.certificate import Certificate
from ..programs.losses import Loss
from ..programs.program import ConvexProgram
from ..solvers.driver import CertifiedPoint, prune
from ..solvers.history import Clock
from ..solvers.solution import SolverError
from ..solvers.time_limit import OUT_OF_TIME, is_out_of_time
from .climbing import distinct, maxima_at
from .descent import descend
from .listed import list_arrangement
from .lower_bound import LowerBound
from .polish import polish
from .pricer import Pricer
from .schedule import COARSE, schedule_of
from .starts import first_width, wider_widths
from .weighing import weighed

__all__ = ["Found", "Known", "search"]

_RELU = ARCHITECTURES["relu"]

_REACHED = "tolerance reached"
_ZERO = "the zero network is optimal"

#: Rounding of an objective, relative to it.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Known:
    """What searches on the same data share, whatever their penalty.

    Attributes
    ----------
    price_at_zero : float
        Largest price found for the zero network: an estimate of beta_max from below.
    directions : ndarray of shape (p, n_directions)
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
    X: np.ndarray,
    loss: Loss,
    beta: float,
    *,
    architecture: Architecture = _RELU,
    tol: float,
    max_iter: int,
    start: Units | None = None,
    known: Known | None = None,
    verbose: int = 0,
    options: dict[str, int] | None = None,
    random_state: np.random.RandomState,
) -> Found:
    """Train a network without a list of cells.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    loss : Loss
        Loss.
    beta : float
        Penalty.
    architecture : Architecture, default=ReLU()
        Of :mod:`convexnn.architectures`, with cones.
    tol : float
        Relative gap to the estimated dual bound to stop at.
    max_iter : int
        Largest number of rounds; no more than 60 are made, or 20 for units of several
        layers.
    start : Units, default=None
        Network to start from.
    known : Known, default=None
        From a search on the same data, to begin with if there is a start.
    verbose : int, default=0
        From 1 on, print a line a round.
    options : dict, default=None
        `n_starts`, directions that pricing climbs from (256, or 512 for units of
        several layers; beyond 5,000 rows over a subset of them, and the best over all
        rows), and `width`, largest width of a random start (by default 50 at a tenth
        of the price at zero, growing about as its ratio to beta, to two units a row;
        100 units of several layers).
    random_state : numpy.random.RandomState
        Source of the start and of the directions.

    Returns
    -------
    Found
        Network, certificate of scope "search", and what a further search can use. A
        :func:`~convexnn.solvers.time_limit.time_limit` around the call ends the search
        after the step that it is in, a step of a descent or a pricing.

    Raises
    ------
    ValueError
        If an option is not a positive integer.
    """
    for name, value in (options or {}).items():
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(
                f"solver_options[{name!r}] must be an int in [1, inf), got {value!r}."
            )
    about = X, loss, beta, architecture, tol, options or {}
    run = _Search(*about, verbose, random_state)
    if run.is_surely_zero():
        run.price_zero()
        return run.finish(_ZERO)
    units = run.begin(start, known)
    if run.price_at_zero <= beta:
        run.forget()
        return run.finish(_ZERO)
    widths = run.wider_starts(len(units))
    status = "round limit"
    for k in range(min(max_iter, run.schedule.most_rounds)):
        if k or not run.recall(units):
            run.price(units)
        run.report(units)
        if run.gap <= tol and run.confirm() <= tol:
            status = _REACHED
            break
        if run.n_waited >= run.schedule.patience:
            status = "no progress"
            break
        if is_out_of_time():
            status = OUT_OF_TIME
            break
        if widths and run.gap > run.schedule.narrow_gap:
            units = run.start_again(widths.pop(0))
        else:
            units = run.improve(units)
    return run.finish(status)


class _Search:
    """Best network, best dual bound, and the steps of a round."""

    def __init__(
        self, X, loss, beta, architecture, tol, options, verbose, random_state
    ):
        self.X, self.loss, self.beta, self.tol = X, loss, beta, tol
        self.architecture, self.verbose = architecture, verbose
        self.about = X, loss, beta
        self.schedule = schedule_of(architecture, tol)
        self.n_starts = options.get("n_starts", self.schedule.n_starts)
        self.widest = options.get("width")
        pricing = architecture, X, self.n_starts, self.schedule, random_state
        self.pricer = Pricer(*pricing)
        self.has_heads = loss.is_vector
        self.random_state = random_state
        self.clock = Clock()
        self.zero = architecture.none(X, loss.y)
        self.at_zero = self.value(self.zero)
        self.forget()
        self.lower = LowerBound(architecture, *self.about)
        self.n_rounds = self.n_waited = 0
        self.is_warm = self.is_polished = False
        self._last = (np.inf, -np.inf)

    def forget(self):
        """Go back to the zero network."""
        self.best, self.primal = self.zero, self.at_zero

    @property
    def dual(self):
        """The best estimated bound."""
        return self.lower.value

    @property
    def gap(self):
        """Relative gap between the best network and the best estimated bound."""
        return max(self.primal - self.dual, 0.0) / max(self.primal, 1e-300)

    def value(self, units):
        """Return the true objective of some units."""
        return self.architecture.value(*self.about, units)

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
        return list_arrangement(self.architecture, *self.about, self.schedule)

    # Starts -------------------------------------------------------------------------

    def price_zero(self):
        """Price the zero network, from fewer starts if another is better."""
        share = 1 if self.primal >= self.at_zero else self.schedule.fewer
        self.price(self.zero, share)
        self.price_at_zero = self.maxima.largest
        if self.arrangement is not None:
            price, _ = self.arrangement.price(self.lower.point, self.price_at_zero)
            self.price_at_zero = max(price, self.price_at_zero)

    def begin(self, start, known):
        """Return a start, if it is any good, or units descended from random ones.

        The price of the zero network is taken from what is known or found.
        """
        if start is not None:
            self.consider(self.architecture.balanced(start))
            self.is_warm = len(self.best) > 0
        if known is None:
            self.price_zero()
        else:
            self.price_at_zero = known.price_at_zero
            self.pricer.remembered = known.directions
            if self.price_at_zero <= self.beta:
                v = self.loss.dual_point(np.zeros_like(self.loss.y))
                self.lower.take(v, self.price_at_zero)
        if self.price_at_zero <= self.beta:
            return self.best
        if self.is_warm:
            for stages in self.schedule.warm:
                self._descend(self.best, stages)
            return self.best
        units = self.random_units(min(self.widest or np.inf, self._first_width()))
        for stages in self.schedule.begin:
            units = self._descend(units, stages)
        return units

    def _first_width(self):
        if self.schedule.widths is not None:
            return self.schedule.widths[0]
        return first_width(*self._growing())

    def _growing(self):
        n, growth = len(self.loss.y), self.schedule.growth
        return self.price_at_zero, self.beta, n, growth

    def wider_starts(self, width):
        """Return the widths of further random starts, in ascending order."""
        if self.is_warm:
            return []
        if self.schedule.widths is not None:
            return [min(each, self.widest or each) for each in self.schedule.widths[1:]]
        if self.tol >= COARSE:
            return []
        return wider_widths(*self._growing(), width, self.widest)

    def start_again(self, n_units):
        """Return the best units after descents from wider random ones.

        Weighed with the best ones, what comes of them is no worse than either.
        """
        known, units = self.best, self.random_units(n_units)
        for stages in self.schedule.again:
            units = self._descend(units, stages)
        self._last = (self.primal, self.dual)
        if not self.schedule.weighs:
            return self._pruned(self.best)
        if len(known):
            self._weigh(known.joined(units), len(known))
        return self.best

    def random_units(self, m):
        """Return balanced random units."""
        return self.architecture.random_units(*self.about, int(m), self.random_state)

    def _descend(self, units, stages):
        """Descend in stages, merge, and return the units where that ends."""
        for width, n_steps in stages.widths:
            units = self.consider(
                descend(
                    *(self.architecture, *self.about, units),
                    width=width,
                    n_steps=n_steps,
                    least=stages.least,
                    observe=self.observe,
                )
            )
        return self.consider(self.architecture.merged(self.X, units))

    # Prices -------------------------------------------------------------------------

    def _dual_point(self, units):
        """Return the dual point of some units."""
        return self.loss.dual_point(self.architecture.outputs(self.X, units))

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
        return self.maxima.largest > self.beta * self.schedule.violated

    def price(self, units, share=1):
        """Climb from many starts, or one in `share`, and update the dual bound."""
        if self._is_refuted():
            self.lower.forget()
        self.priced = v = self._dual_point(units)
        self.maxima = self.pricer.climb(v, units, self.beta, share)
        self.lower.take(v, self.maxima.largest, self.maxima.directions)

    def _is_refuted(self):
        """Return whether the estimated bound lies above a network."""
        return self.dual > self.primal * (1 + _ROUNDING)

    def confirm(self):
        """Price the best dual point from fresh starts; return the gap that is left.

        A fresh random start may refute it first.
        """
        if self.schedule.starts_again:
            before = self.primal
            self.start_again(min(self.widest or np.inf, self._first_width()))
            gained = before - self.primal
            if gained > self.schedule.worthwhile * self.tol * before:
                return np.inf
        again = self.pricer.climb(self.lower.point, self.best, self.beta)
        self.lower.doubt(again.directions)
        if self.gap <= self.tol:
            self.settle()
            self.prove()
        return self.gap

    def settle(self):
        """Descend to rounding; price anew if that refutes the bound."""
        if not self.schedule.weighs:
            return
        self._descend(self.best, self.schedule.last)
        self._weigh(self.best, len(self.best))
        if self._is_refuted():
            self.price(self.best)

    def prove(self):
        """Price the best dual point over all cells, where they can be listed."""
        if self.arrangement is None or self.lower.is_proved:
            return
        missed = self.lower.prove(self.arrangement)
        if missed is not None:
            self.pricer.remember(missed)

    # Rounds -------------------------------------------------------------------------

    def improve(self, units):
        """Make one round: bring in the new directions, polish or descend."""
        new, prices = self._entering()
        if self.schedule.weighs:
            units = self._weigh(self.best.joined(new), len(self.best))
            units = self._polished(units)
            is_far = self.gap > self.schedule.wide_gap
            stages = self.schedule.fine if is_far else self.schedule.stages
            units = self._descend(units, stages)
            self._weigh(units, len(units))
            units = self.best
        else:
            units = self._bring_in(units, new, prices)
        self._note_progress()
        if self.n_waited:
            self.prove()
        return units

    def _entering(self):
        """Return units of the directions that violate their bounds, and the prices."""
        limits = {"at_most": self.schedule.n_entering}
        if self.has_heads:
            several = self.schedule.heads
            limits = {"at_most": several.n_entering, "tolerance": several.same}
        limits["above"] = self.beta * self.schedule.violated
        fresh = distinct(self.maxima, **limits)
        heads = self.architecture.heads(
            self.X, self.priced, fresh.directions, fresh.signs
        )
        return self.architecture.units_of(fresh.directions, heads), fresh.values

    def _bring_in(self, units, new, prices):
        """Polish with the new units, or add them and descend; prune."""
        merged = self.architecture.merged(self.X, units)
        merged = self.architecture.longest(merged, self.schedule.dust)
        is_stuck = self.n_waited > 0
        limit = self.schedule.affordable if is_stuck else self.schedule.cheap
        if self._size(len(merged) + len(new)) > limit:
            self.is_polished = False
            units = self.consider(self._add(units, new, prices))
            self._descend(units, self.schedule.stages)
            return self._pruned(self.best)
        units = self._polish(merged, new)
        if self.has_heads:
            self._descend(self.best, self.schedule.last)
            units = self._pruned(self.best)
        return units

    def _weigh(self, units, n_known):
        """Return units with the best factors; the first `n_known` begin at one."""
        return self.consider(weighed(self.architecture, *self.about, units, n_known))

    def _polished(self, units):
        """Polish and price units of several layers, where the program is small."""
        units = self.architecture.longest(units, self.schedule.dust)
        if not 0 < self._size(len(units)) <= self.schedule.cheap or is_out_of_time():
            return units
        try:
            units = self._polish(units, units.take(slice(0)))
        except SolverError:
            return units
        self.price(units)
        return units

    def _pruned(self, units):
        """Drop units that are worth less than a small share of the gap in all."""
        tol = self.schedule.pruned * self.gap
        if self.has_heads:
            joined = self.architecture.coalesced(units, self.schedule.heads.same)
            allowed = self.value(units) * (1 + tol)
            units = joined if self.value(joined) <= allowed else units
        program, U = self.architecture.around(*self.about, units)
        certificate = Certificate(program.objective(U), np.inf, "search")
        U, _ = prune(program, U, certificate, tol)
        return self.architecture.units_at(program, U)

    def _note_progress(self):
        """Count the rounds in a row that gained nothing to speak of."""
        primal, dual = self._last
        gained = max(primal - self.primal, 0.0)
        if self.schedule.counts_bound:
            gained += max(self.dual - dual, 0.0)
        is_progress = gained > self.schedule.worthwhile * self.tol * self.primal
        self.n_waited = 0 if is_progress else self.n_waited + 1
        if self.n_waited >= self.schedule.enough:
            self.schedule = schedule_of(self.architecture, 0.0)
            self.pricer.n_exact = self.schedule.n_exact
        self._last = (self.primal, max(self.dual, dual))

    def _size(self, n_units):
        """Return the size of the program of a polish, infinite for many heads."""
        heads = self.schedule.heads
        most = heads.most_directions if self.n_waited else heads.few_directions
        if self.has_heads and (
            self.schedule.weighs or self.X.shape[1] * n_units > most
        ):
            return np.inf
        return self.architecture.polish_size(self.X, n_units)

    def _polish(self, units, new):
        """Solve the finite program over the cells of the units and the new ones."""
        self.is_polished = True
        tol = max(self.schedule.least_exact, self.schedule.exact * self.tol)
        about = self.architecture, *self.about, units, new
        return self.consider(polish(*about, tol=tol, max_iter=self.schedule.n_polish))

    def _add(self, units, new, prices):
        """Add new units, longer where the price is higher, by one line search."""
        if not len(new):
            return units
        architecture = self.architecture
        share = (prices - self.beta) / (prices.max() - self.beta)
        share = np.maximum(share, 1e-3)
        directions = new.hidden / np.linalg.norm(new.hidden, axis=0)
        heads = new.heads
        base = architecture.outputs(self.X, units)
        along = architecture.atoms(self.X, directions) @ (heads.T * share).T
        largest = architecture.norms(units).max(initial=0.0)
        lengths = (largest or 1.0) * np.geomspace(1e-4, 10, 25)
        outputs = base[..., None] + along[..., None] * lengths
        objectives = self.loss.value(outputs) + self.beta * share.sum() * lengths
        length = lengths[int(np.argmin(objectives))]
        return units.joined(architecture.units_of(directions * (share * length), heads))

    # The end ------------------------------------------------------------------------

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

    def _end_well(self, status):
        """Polish or descend once more, unless that has been done."""
        if self.schedule.weighs:
            if status not in (_REACHED, _ZERO, OUT_OF_TIME):
                self.settle()
            return
        units = self.architecture.merged(self.X, self.best)
        is_small = self._size(len(units)) <= self.schedule.cheap
        if self.tol <= COARSE and is_small and not self.is_polished:
            self._polish(units, self.architecture.longest(units, 1.0))

    def finish(self, status):
        """Return the best network as a point of the program over its own cells."""
        self._end_well(status)
        self.prove()
        program, U = self.architecture.around(*self.about, self.best)
        primal = program.objective(U)
        dual = min(self.dual, primal)
        if self.lower.is_proved:
            certificate = Certificate(primal, dual, "all", bound=dual)
        else:
            bound = min(self.lower.rigorous, primal)
            certificate = Certificate(
                primal, dual, "search", n_starts=self.n_starts, bound=bound
            )
        if not self.schedule.weighs:
            tol = self.schedule.finish * self.tol
            U, certificate = prune(program, U, certificate, tol)
        self.clock.record(certificate.primal, certificate.dual, len(self.best))
        n_iter = max(self.n_rounds, 1)
        point = CertifiedPoint(U, certificate, n_iter, status, self.clock.history())
        return Found(program, point, Known(self.price_at_zero, self.pricer.remembered))
