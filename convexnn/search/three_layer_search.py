"""Search the blocks of three-layer networks while solving.

The loop of :mod:`convexnn.search.active_set` with sub-networks in place of units:

1. start wide, from many random sub-networks, by smoothed descents, and once more from
   more of them while the gap is large;
2. price: climb ``abs(v' ((X U)_+ u)_+)`` from many starts; what is above beta enters;
3. weigh all atoms anew, jointly (a convex problem), which drops those of no use;
4. polish: solve the finite program over the blocks of all that is left, where it is
   small; then descend over all weights, free to change cell; merge equal blocks.

The best network and the best estimated dual bound of all rounds are kept.
"""

from __future__ import annotations

import time
from copy import copy, deepcopy
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from ..programs.blocks import Blocks
from ..programs.certificate import Certificate
from ..programs.parallel import ParallelProgram
from ..solvers.history import Clock, History
from ..solvers.interior_point import solve
from ..solvers.time_limit import OUT_OF_TIME, is_out_of_time
from .climbing import maxima_at
from .three_layer_descent import SubNetworks, descend, random_subnetworks
from .three_layer_pricer import SubNetworkPricer

__all__ = ["FoundSubNetworks", "PricedZero", "price_zero", "search"]

_REACHED = "tolerance reached"
_ZERO = "the zero network is optimal"

#: Rounds after which the search ends, whatever `max_iter` allows.
_MOST_ROUNDS = 40

#: Rounds without progress after which the search ends, and the share of the tolerance
#: that counts as progress.
_PATIENCE = 3
_WORTHWHILE = 0.1

#: Sub-networks of the random starts.
_WIDTHS = (30, 100)

#: Directions that pricing climbs from, and most of its maxima that enter in a round.
_STARTS = 512
_ENTERING = 40

#: Smoothing and most steps of the descents from random sub-networks and in rounds.
_FIRST_STAGES = (
    *((0.0, 60), (0.1, 1000), (0.03, 300), (0.01, 300), (0.003, 200)),
    *((0.001, 200), (0.0003, 200), (0.0001, 200), (0.0, 300)),
)
_STAGES = ((0.01, 300), (0.003, 300), (0.001, 300), (0.0003, 300), (0.0, 300))

#: Those of rounds while the gap is above a half: the cells are so narrow that smoothing
#: more would undo what is known.
_FINE_STAGES = ((0.001, 300), (0.0003, 300), (0.0001, 300), (0.0, 400))
_WIDE_GAP = 0.5

_LAST_STAGES = ((0.001, 100), (0.0003, 200), (0.0, 200))

#: Rounding of an objective, relative to it.
_ROUNDING = 1e-9

#: Relative decrease per step below which a descent ends.
_SLOW = 2e-5
_SLOWER = 2e-6

#: Rows of cones times features of a program that a polish may handle.
_AFFORDABLE = 2e6

#: Relative gap of a polish and its most steps: cells of trained networks are narrow, so
#: that the last digits cost more than they gain.
_POLISHED = {"tol": 1e-5, "max_iter": 60}

#: Paths, of as many steps as one may take, for a loss other than squares.
_MODELS = 20

#: Share of the largest sub-network below which another is not worth a polish.
_DUST = 1e-6


@dataclass(frozen=True)
class PricedZero:
    """The zero network, priced: where every search of the same samples begins.

    Attributes
    ----------
    pricer : SubNetworkPricer
        What priced it, which remembers the maxima.
    dual_point : ndarray of shape (n,)
        Its dual point.
    price : float
        The largest price found: an estimate of beta_max from below.
    seconds : float
        CPU seconds that it took, which count for each search.
    """

    pricer: SubNetworkPricer
    dual_point: np.ndarray
    price: float
    seconds: float

    def new_pricer(self):
        """Return a copy of the pricer, so that each search sees the same one."""
        pricer = copy(self.pricer)
        pricer.random_state = deepcopy(pricer.random_state)
        return pricer


def price_zero(X, loss, *, architecture, random_state):
    """Price the zero network, which takes no penalty.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    loss : object
        A loss of :mod:`convexnn.programs.losses`.
    architecture : ThreeLayerReLU
        The sub-networks.
    random_state : numpy.random.RandomState
        Source of the directions, and of those of the searches that begin here.

    Returns
    -------
    PricedZero
        The price, and what searches go on from.
    """
    started = time.process_time()
    pricer = SubNetworkPricer(architecture, X, _STARTS, random_state)
    v = loss.dual_point(np.zeros(len(X)))
    zero = SubNetworks.none(X.shape[1], architecture.n_units)
    price = pricer.price(v, zero).largest
    return PricedZero(pricer, v, price, time.process_time() - started)


@dataclass(frozen=True)
class FoundSubNetworks:
    """What a search ends with, in the solvers' units.

    Attributes
    ----------
    subnetworks : SubNetworks
        The network.
    certificate : Certificate
        Of scope "search".
    history : History
        Objective and estimated bound against CPU seconds.
    n_iter : int
        Rounds.
    status : str
        Why the search ended.
    gap : float
        Relative gap before any cut to `max_subnetworks`.
    """

    subnetworks: SubNetworks
    certificate: Certificate
    history: History
    n_iter: int
    status: str
    gap: float


def search(
    X,
    loss,
    beta,
    zero,
    *,
    tol,
    max_iter,
    start=None,
    max_subnetworks=None,
    verbose=0,
):
    """Train parallel three-layer sub-networks without a list of blocks.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    loss : object
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty.
    zero : PricedZero
        From :func:`price_zero` with the same inputs and loss.
    tol : float
        Relative gap to the estimated dual bound to stop at.
    max_iter : int
        Largest number of rounds; no more than 40 are made.
    start : SubNetworks, default=None
        Network to start from.
    max_subnetworks : int, default=None
        Largest number of sub-networks at the end.
    verbose : int, default=0
        From 1 on, print a line a round.

    Returns
    -------
    FoundSubNetworks
        Network and certificate. A :func:`~convexnn.solvers.time_limit.time_limit`
        around the call ends the search after the step that it is in, a step of a
        descent or a pricing, and the pricing of the best network, if none was priced
        before.
    """
    run = _Search(X, loss, beta, zero, tol, verbose)
    if zero.price <= beta:
        run.n_rounds = 1
        run.bound_by(zero.dual_point, zero.price)
        return run.finish(_ZERO, None)
    run.begin(start)
    status = "round limit"
    for _ in range(min(max_iter, _MOST_ROUNDS)):
        if is_out_of_time():
            status = OUT_OF_TIME
            break
        entering = run.price()
        run.report()
        if run.gap <= tol and run.is_confirmed():
            status = _REACHED
            break
        if run.n_waited >= _PATIENCE:
            status = "no progress"
            break
        if run.wider:
            run.start_again(run.wider.pop(0))
        else:
            run.improve(entering)
    if status == OUT_OF_TIME:
        run.bound_best(zero)
    elif status != _REACHED:
        run.settle()
    return run.finish(status, max_subnetworks)


class _Search:
    """Best network, best dual bound, and the steps of a round."""

    def __init__(self, X, loss, beta, zero, tol, verbose):
        self.X, self.loss, self.beta, self.tol = X, loss, beta, tol
        self.verbose = verbose
        self.pricer = zero.new_pricer()
        self.architecture = self.pricer.architecture
        self.random_state, self.white = self.pricer.random_state, self.pricer.white
        self.clock = Clock(time.process_time() - zero.seconds)
        self.best = SubNetworks.none(X.shape[1], self.architecture.n_units)
        self.primal = self.value(self.best)
        self.dual, self.dual_point, self.largest = -np.inf, None, np.inf
        self.n_rounds = self.n_waited = 0
        self.wider = []
        self._last = np.inf

    @property
    def gap(self):
        """Relative gap between the best network and the best estimated bound."""
        return max(self.primal - self.dual, 0.0) / max(self.primal, 1e-300)

    def value(self, units):
        """Return the true objective of some sub-networks."""
        return units.value(self.X, self.loss, self.beta)

    def consider(self, units):
        """Keep sub-networks if they are the best so far."""
        value = self.value(units)
        if value < self.primal:
            self.primal, self.best = value, units
        self.clock.record(self.primal, max(self.dual, 0.0), len(self.best))

    def descended(self, units, stages, least):
        """Return what smoothed descents make of some sub-networks, merged."""
        for width, n_steps in stages:
            if is_out_of_time():
                break
            units = descend(
                *(self.X, self.loss, self.beta, units),
                width=width,
                n_steps=n_steps,
                least=least,
            )
            self.consider(units)
        units = merged(self.X, units)
        self.consider(units)
        return units

    def begin(self, start):
        """Descend from a given network, if it is any good, or from random ones."""
        if start is not None and len(start):
            self.consider(start)
            if len(self.best):
                self.descended(start, _STAGES, _SLOWER)
                return
        self.start_again(_WIDTHS[0])
        self.wider = list(_WIDTHS[1:])

    def start_again(self, width):
        """Descend from random sub-networks; weigh what comes of it with the best.

        The problem is convex in the weights of all atoms, so that the result is no
        worse than either.
        """
        drawn = random_subnetworks(
            *(self.X, self.loss.y, width, self.architecture.n_units),
            *(self.random_state, self.white),
        )
        known = self.best
        found = self.descended(drawn, _FIRST_STAGES, _SLOW)
        if len(known):
            self.consider(self.weighed(known.joined(found), len(known)))

    def price(self):
        """Price the best network; bound the optimum; return what is to enter."""
        self.n_rounds += 1
        self.forget_refuted()
        v = self.loss.dual_point(self.best.output(self.X))
        maxima = self.pricer.price(v, self.best)
        if self.dual_point is not None:
            # What the best dual point did not know may refute its bound.
            again = maxima_at(
                self.architecture, self.X, self.dual_point, maxima.directions
            )
            self.bound_by(self.dual_point, max(self.largest, again.largest), True)
        self.bound_by(v, maxima.largest)
        above = maxima.values > self.beta * (1 + 1e-4)
        maxima = maxima.take(np.flatnonzero(above)[:_ENTERING])
        groups, inner = self.architecture.subnetworks(maxima.directions)
        improved = self._last - self.primal
        is_stuck = improved <= _WORTHWHILE * self.tol * self.primal
        self.n_waited = self.n_waited + 1 if is_stuck else 0
        self._last = self.primal
        return SubNetworks(groups, inner, maxima.signs)

    def forget_refuted(self):
        """Forget the dual point if its estimated bound lies above a network found."""
        if self.dual > self.primal * (1 + _ROUNDING):
            self.dual, self.dual_point, self.largest = -np.inf, None, np.inf

    def bound_by(self, v, largest, is_known=False):
        """Take the bound of a dual point of some price, if it is the best."""
        dual = self.loss.bound(v, self.beta, largest)
        if is_known or dual > self.dual:
            self.dual, self.dual_point, self.largest = dual, v, largest

    def is_confirmed(self):
        """Return whether neither new starts nor new prices refute the gap."""
        before = self.primal
        self.start_again(_WIDTHS[0])
        if before - self.primal > _WORTHWHILE * self.tol * before or is_out_of_time():
            return False
        largest = self.pricer.price(self.dual_point, self.best).largest
        self.bound_by(self.dual_point, max(self.largest, largest), True)
        if self.gap > self.tol:
            return False
        self.settle()
        return self.gap <= self.tol

    def settle(self):
        """Descend to rounding; bound the optimum anew if that refutes the bound."""
        self.descended(self.best, _LAST_STAGES, 0.0)
        self.consider(self.weighed(self.best, len(self.best)))
        self.forget_refuted()
        if self.dual_point is None:
            self.bound_by_best()

    def bound_by_best(self):
        """Price the best network for a bound of the optimum."""
        v = self.loss.dual_point(self.best.output(self.X))
        self.bound_by(v, self.pricer.price(v, self.best).largest)

    def bound_best(self, zero):
        """Bound the optimum where a search was cut off, from the zero network at least.

        The best network is priced if none has been.
        """
        self.forget_refuted()
        if self.dual_point is None:
            self.bound_by(zero.dual_point, zero.price)
            if len(self.best):
                self.bound_by_best()

    def improve(self, entering):
        """Let sub-networks enter, polish where that is cheap, descend, merge."""
        units = self.best.joined(entering)
        units = self.weighed(units, len(self.best))
        self.consider(units)
        units = self.polished(units)
        self.consider(units)
        stages = _FINE_STAGES if self.gap > _WIDE_GAP else _STAGES
        units = self.descended(units, stages, _SLOWER)
        self.consider(self.weighed(units, len(units)))

    def weighed(self, units, n_known):
        """Return sub-networks with the best factors >= 0, those of factor 0 left out.

        The first `n_known` start at one, the others at zero.
        """
        if not len(units):
            return units
        atoms, norms = units.atoms(self.X) * units.sign, units.norms

        def objective(factors):
            output = atoms @ factors
            v = self.loss.dual_point(output)
            value = float(self.loss.value(output)) + self.beta * float(norms @ factors)
            return value, self.beta * norms - atoms.T @ v

        start = np.zeros(len(units))
        start[:n_known] = 1.0
        scale = np.where(norms > 0, norms, 1.0)

        def scaled(z):
            value, gradient = objective(z / scale)
            return value, gradient / scale

        found = minimize(
            scaled,
            start * scale,
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, None)] * len(start),
            callback=_stop_in_time,
            options={"maxiter": 500, "maxcor": 20, "ftol": 1e-14, "gtol": 1e-12},
        ).x
        return units.scaled(found / scale).without_zeros()

    def polished(self, units):
        """Return the optimum over the blocks of some sub-networks, or these.

        The program is left alone where it is too large to be solved in passing.
        """
        norms = units.norms
        units = units.take(norms > _DUST * norms.max(initial=0.0))
        d, n_subnetworks, m = units.groups.shape
        size = len(self.X) * n_subnetworks * (m + 1) * d
        if not 0 < size <= _AFFORDABLE or is_out_of_time():
            return units
        blocks = Blocks.of(self.X, units)
        program = ParallelProgram(self.X, self.loss, self.beta, blocks)
        start, limits = units.groups.reshape(d, -1), dict(_POLISHED)
        if not self.loss.is_quadratic:
            limits["max_iter"] *= _MODELS
        W = solve(program, start=start, **limits).U.reshape(units.groups.shape)
        polished = SubNetworks(W, blocks.inner, blocks.sign).without_zeros()
        v = self.loss.dual_point(polished.output(self.X))
        self.bound_by(v, self.pricer.price(v, polished).largest)
        return polished

    def report(self):
        """Print a line about the round."""
        if self.verbose:
            seconds = self.clock.history().seconds
            print(
                f"[active_set] round {self.n_rounds}: objective {self.primal:.6g}, "
                f"estimated gap {self.gap:.2e}, {len(self.best)} sub-networks, "
                f"{seconds[-1] if len(seconds) else 0.0:.2f} s"
            )

    def finish(self, status, max_subnetworks):
        """Return the best network with its certificate."""
        best, is_capped, gap = self.best.without_zeros(), False, self.gap
        if max_subnetworks is not None and len(best) > max_subnetworks:
            best, is_capped = self._cut(best, max_subnetworks), True
        primal = self.value(best)
        dual = max(self.dual, 0.0)
        self.clock.record(primal, dual, len(best))
        v = self.dual_point
        price = self.architecture.price_bound(self.X, v)
        bound = self.loss.bound(v, self.beta, price)
        certificate = Certificate(
            *(primal, min(dual, primal), "search"),
            is_capped=is_capped,
            n_starts=_STARTS,
            bound=min(bound, primal),
        )
        return FoundSubNetworks(
            *(best, certificate, self.clock.history()),
            *(max(self.n_rounds, 1), status, gap),
        )

    def _cut(self, units, n_subnetworks):
        """Return the largest sub-networks, trained again."""
        order = np.argsort(-units.norms, kind="stable")[:n_subnetworks]
        best = units.take(np.sort(order))
        trained = best
        for width, n_steps in _STAGES:
            if is_out_of_time():
                break
            trained = descend(
                *(self.X, self.loss, self.beta, trained),
                width=width,
                n_steps=n_steps,
                least=_SLOWER,
            )
            best = min(best, trained, key=self.value)
        return best


def _stop_in_time(intermediate_result):
    """End a quasi-Newton method at a time limit, with the point that it has."""
    if is_out_of_time():
        raise StopIteration


def merged(X, units):
    """Sum sub-networks that share the second pattern and have room for all units.

    Units of one pattern and one sign are summed, and so are sub-networks of one outer
    sign and one second pattern, where the units left are no more than m. The output
    stays and the penalty cannot rise, by the triangle inequality.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Inputs.
    units : SubNetworks
        To be merged.

    Returns
    -------
    SubNetworks
        As many or fewer.
    """
    blocks = Blocks.of(X, units)
    m = blocks.inner.shape[1]
    first = np.packbits(blocks.first, axis=0)
    second = np.packbits(blocks.second, axis=0)
    used = np.linalg.norm(units.groups, axis=0) > 0
    bins = {}
    for k in range(len(units)):
        hidden = {}
        for j in np.flatnonzero(used[k]):
            key = (blocks.inner[k, j], first[:, k, j].tobytes())
            hidden[key] = hidden.get(key, 0.0) + units.groups[:, k, j]
        places = bins.setdefault((units.sign[k], second[:, k].tobytes()), [])
        for place in places:
            if len(place.keys() | hidden.keys()) <= m:
                for key, vector in hidden.items():
                    place[key] = place.get(key, 0.0) + vector
                break
        else:
            places.append(hidden)
    flat = [(sign, place) for (sign, _), places in bins.items() for place in places]
    groups, inner = np.zeros((len(units.groups), len(flat), m)), np.ones((len(flat), m))
    for k, (_, place) in enumerate(flat):
        for j, ((sign, _), vector) in enumerate(place.items()):
            groups[:, k, j], inner[k, j] = vector, sign
    together = SubNetworks(groups, inner, np.array([sign for sign, _ in flat]))
    return replace(together).without_zeros()
