"""Train three-layer networks on samples: search or solve, cut, recover."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module

import numpy as np
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from ..architectures.three_layer import ThreeLayerReLU
from ..checks import check_block_gates, check_objective, check_penalty
from ..data.samples import Samples, beyond_rounding
from ..networks.three_layer import ThreeLayerNetwork
from ..programs.blocks import (
    BlockProgram,
    Blocks,
    certify_blocks,
    enumerate_blocks,
    given_blocks,
    price_blocks,
    sample_blocks,
)
from ..programs.certificate import Certificate
from ..programs.losses import LOSSES
from ..search.three_layer_descent import SubNetworks
from ..search.three_layer_search import price_zero, search
from ..solvers.history import Clock, History
from ..solvers.solution import BlockSolution
from ..solvers.time_limit import is_out_of_time

__all__ = ["BLOCK_SOLVERS", "ThreeLayerTrainer", "TrainedThreeLayer"]

#: Solvers of the program over given blocks, the preferred one first, and where their
#: functions `solve` are, imported on first use: cvxpy takes seconds.
BLOCK_SOLVERS = {
    "interior_point": "three_layer_interior_point",
    "cvxpy": "three_layer_cvxpy",
}

#: Largest relative gap that solvers of given blocks leave, whatever the tolerance: the
#: last digits cost few steps, and tell sub-networks of no use from small ones.
_ACCURACY = 1e-7

#: Share of the largest sub-network below which one is left out, if the objective bears
#: it: conic solvers leave no exact zeros.
_DUST = 1e-6
_BEARABLE = 1e-7


@dataclass(frozen=True)
class TrainedThreeLayer:
    """A trained network and what is known about it, in the caller's units.

    Attributes
    ----------
    network : ThreeLayerNetwork
        The network.
    convex_objective : float
        Value of the convex program at the point the network was recovered from.
    certificate : Certificate
        Its gap, and what that holds over.
    history : History
        Objective and bound against CPU seconds.
    beta_max : float
        Penalty from which on the zero network is optimal: an estimate from below
        after a search, a bound from above over given cells.
    n_iter : int
        Rounds of the search, or iterations of the solver of given blocks.
    status : str
        What the solver said last.
    gap : float
        Relative gap before any cut to `max_subnetworks`.
    """

    network: ThreeLayerNetwork
    convex_objective: float
    certificate: Certificate
    history: History
    beta_max: float
    n_iter: int
    status: str
    gap: float


@dataclass(frozen=True)
class ThreeLayerTrainer:
    """Samples and settings; the parameters of the estimator of the same names.

    Blocks and the price of the zero network are found once, for all penalties.

    Parameters
    ----------
    samples : Samples
        From :func:`~convexnn.data.samples.collect_samples`.
    solver : {"active_set", "interior_point", "cvxpy"}
        How.
    n_units, cells, n_cells, max_subnetworks, tol, max_iter, verbose, random_state
        Of :class:`~convexnn.ThreeLayerConvexRegressor`.
    loss : str, default="squared"
        A name of :data:`~convexnn.programs.losses.LOSSES`, for which the samples were
        collected; not "huber", which has a parameter, nor "multinomial".
    """

    samples: Samples
    solver: str
    n_units: int
    cells: str | np.ndarray
    n_cells: int
    max_subnetworks: int | None
    tol: float
    max_iter: int
    verbose: int
    random_state: int | np.random.RandomState | None
    loss: str = "squared"

    def train(self, beta, start=None):
        """Train a network.

        Parameters
        ----------
        beta : float
            Penalty, in the caller's units.
        start : ThreeLayerNetwork, default=None
            Network to search from.

        Returns
        -------
        TrainedThreeLayer
            The network: the best found until a
            :func:`~convexnn.solvers.time_limit.time_limit` around the call ended the
            training, which `status` then says.

        Raises
        ------
        ValueError
            If beta is out of range for the data, the cells are too many or not as
            described, or the objective overflows.
        """
        scaled = check_penalty(beta, self.samples.beta_scale)
        with threadpool_limits(limits=1, user_api="blas"):
            if self.solver == "active_set":
                return self._search(scaled, start)
            return self._solve(scaled)

    def beta_max(self):
        """Return the penalty from which on the zero network is optimal.

        Returns
        -------
        float
            In the caller's units: an estimate from below with "active_set", a bound
            from above over given blocks; 0 for targets constant up to rounding.

        Raises
        ------
        ValueError
            If the cells are too many or not as described.
        """
        with threadpool_limits(limits=1, user_api="blas"):
            is_free = self.solver == "active_set"
            price = self._zero.price if is_free else self._block_price
        return beyond_rounding(price * self.samples.beta_scale, self.samples)

    @cached_property
    def _zero(self):
        """The zero network, priced for a search."""
        return price_zero(
            *(self.samples.X, self._loss),
            architecture=ThreeLayerReLU(self.n_units),
            random_state=check_random_state(self.random_state),
        )

    @cached_property
    def _block_price(self):
        """A bound from above on the price of the zero network over listed blocks."""
        X, loss = self.samples.X, self._loss
        program = BlockProgram(X, loss, 0.0, self._blocks)
        prices = price_blocks(program, loss.dual_point(np.zeros(len(X))))
        return float(prices.max(initial=0.0))

    @cached_property
    def _loss(self):
        samples = self.samples
        return LOSSES[self.loss](
            *(samples.y, samples.weights),
            intercept=samples.has_bias,
            constant=samples.within,
        )

    def _search(self, beta, start):
        """Train a network whose blocks are found on the way."""
        if start is not None and start.subnetworks:
            start = SubNetworks(*start.locate(self.samples))
        else:
            start = None
        loss = self._loss
        found = search(
            *(self.samples.X, loss, beta, self._zero),
            tol=self.tol,
            max_iter=self.max_iter,
            start=start,
            max_subnetworks=self.max_subnetworks,
            verbose=int(self.verbose),
        )
        units = found.subnetworks
        program = BlockProgram(
            *(self.samples.X, loss, beta), Blocks.of(self.samples.X, units)
        )
        return self._trained(
            *(program, units, found.certificate, found.history),
            n_iter=found.n_iter,
            status=found.status,
            gap=found.gap,
        )

    def _solve(self, beta):
        """Solve the program over listed blocks."""
        X, loss = self.samples.X, self._loss
        clock = Clock()
        blocks = self._blocks
        program = BlockProgram(X, loss, beta, blocks)
        solution = self._solved(program)
        units = SubNetworks(solution.W, blocks.inner, blocks.sign)
        certificate = certify_blocks(
            *(program, units.output(X), units.value(X, loss, beta)),
            solution.multipliers,
        )
        kept = self._worth_keeping(units, loss, beta)
        primal = units.take(kept).value(X, loss, beta)
        gap = Certificate(primal, certificate.dual, blocks.scope).relative_gap
        limit = self.max_subnetworks
        is_capped = limit is not None and len(kept) > limit
        if is_capped:
            kept = kept[np.argsort(-units.norms[kept], kind="stable")[:limit]]
        program = BlockProgram(X, loss, beta, blocks.take(kept))
        W = solution.W[:, kept]
        units = SubNetworks(W, program.blocks.inner, program.blocks.sign)
        if is_capped and not is_out_of_time():
            again = replace(units, groups=self._solved(program).W)
            if again.value(X, loss, beta) < units.value(X, loss, beta):
                units = again
        primal = units.value(X, loss, beta)
        certificate = Certificate(
            *(primal, min(certificate.dual, primal), blocks.scope),
            is_capped=is_capped,
        )
        clock.record(primal, certificate.dual, len(kept))
        return self._trained(
            *(program, units, certificate, clock.history()),
            n_iter=max(solution.n_iter, 1),
            status=solution.status,
            gap=gap,
        )

    def _solved(self, program):
        """Return what the solver of given blocks makes of a program."""
        if self._block_price <= program.beta:
            return BlockSolution.zero(program, "the zero network is optimal")
        module = import_module(f"..solvers.{BLOCK_SOLVERS[self.solver]}", __package__)
        tol = min(self.tol, _ACCURACY)
        return module.solve(program, tol=tol, verbose=int(self.verbose))

    @cached_property
    def _blocks(self):
        X = self.samples.X
        if not isinstance(self.cells, str):
            has_bias = self.samples.has_bias
            return given_blocks(
                X, check_block_gates(self.cells, X.shape[1], self.n_units, has_bias)
            )
        if self.cells == "all":
            return enumerate_blocks(X, self.n_units)
        random_state = check_random_state(self.random_state)
        return sample_blocks(X, self.n_units, self.n_cells, random_state)

    def _worth_keeping(self, units, loss, beta):
        """Return the sub-networks without which the objective would rise."""
        X, norms = self.samples.X, units.norms
        largest = norms.max(initial=0.0)
        everything = np.flatnonzero(norms > 0)
        value = units.value(X, loss, beta)
        kept = np.flatnonzero(norms > _DUST * largest)
        # The zero network beats what a solver leaves of it.
        for chosen in (np.zeros(0, dtype=int), kept):
            if units.take(chosen).value(X, loss, beta) <= value * (1 + _BEARABLE):
                return chosen
        return everything

    def _trained(self, program, units, certificate, history, *, n_iter, status, gap):
        """Return a network with its values in the caller's units."""
        samples = self.samples
        scale = samples.objective_scale
        check_objective(certificate.primal * scale)
        offset = program.loss.offset(units.output(samples.X))
        return TrainedThreeLayer(
            network=ThreeLayerNetwork.recover(
                *(units.groups, units.inner, units.sign, samples, offset)
            ),
            convex_objective=program.objective(units.groups) * scale,
            certificate=certificate.in_units(scale),
            history=history.in_units(scale),
            beta_max=self.beta_max(),
            n_iter=n_iter,
            status=status,
            gap=gap,
        )
