"""Train three-layer networks on samples: search or solve, cut, recover."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from ..architectures.three_layer import ThreeLayerReLU
from ..checks import check_block_gates, check_objective, check_penalty
from ..data.samples import Samples
from ..estimators.penalty import beyond_rounding
from ..networks.three_layer import ThreeLayerNetwork
from ..programs.blocks import Blocks, enumerate_blocks, given_blocks, sample_blocks
from ..programs.certificate import Certificate, price_groups
from ..programs.losses import LOSSES
from ..programs.parallel import ParallelProgram
from ..search.three_layer_descent import SubNetworks
from ..search.three_layer_search import price_zero, search
from ..solvers import select_backend, solve_program
from ..solvers.driver import cap_width
from ..solvers.history import History

__all__ = ["ThreeLayerTrainer", "TrainedThreeLayer"]

#: Largest relative gap that solvers of given blocks leave, whatever the tolerance: the
#: last digits cost few steps, and tell sub-networks of no use from small ones.
_ACCURACY = 1e-7

#: Their most steps: beyond twice those of a path it is models of the loss that take
#: them.
_MOST_STEPS = 4000


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
    solver : str
        "active_set" to search, or the name of a backend of coupled cones, or "auto".
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
        program = ParallelProgram(X, loss, 0.0, self._blocks)
        return price_groups(program, loss.dual_point(np.zeros(len(X)))).largest

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
        program = ParallelProgram(
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
        program = ParallelProgram(X, loss, beta, self._blocks)
        settings = {
            "tol": min(self.tol, _ACCURACY),
            "max_iter": _MOST_STEPS,
            "verbose": int(self.verbose),
        }
        backend = select_backend(self.solver, program.features)
        point = solve_program(program, backend, **settings)
        gap = point.certificate.relative_gap
        if self.max_subnetworks is not None:
            limit = self.max_subnetworks
            point = cap_width(program, point, backend, limit, **settings)
        kept = np.flatnonzero(program.sizes(point.U))
        blocks = program.blocks.take(kept)
        groups = point.U[:, program.groups_of(kept)]
        groups = groups.reshape(len(X.T), *blocks.inner.shape)
        return self._trained(
            program.restrict(kept),
            SubNetworks(groups, blocks.inner, blocks.sign),
            point.certificate,
            point.history,
            n_iter=point.n_iter,
            status=point.status,
            gap=gap,
        )

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
            convex_objective=program.objective(units.groups.reshape(program.shape))
            * scale,
            certificate=certificate.in_units(scale),
            history=history.in_units(scale),
            beta_max=self.beta_max(),
            n_iter=n_iter,
            status=status,
            gap=gap,
        )
