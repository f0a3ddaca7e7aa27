"""Train networks on one set of samples: search or solve, cut, recover.

The one way from samples, a backend and a penalty to a network in the caller's units;
the estimators, the path and the cross-validation all go it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from threadpoolctl import ThreadpoolController

from ..architectures import ARCHITECTURES, Architecture
from ..checks import (
    check_block_gates,
    check_gates,
    check_objective,
    check_penalty,
)
from ..data.samples import Samples, beyond_rounding, without_last_digits
from ..networks.network import Network
from ..programs.certificate import Certificate, price_groups
from ..programs.losses import LOSSES
from ..programs.program import lengths_of, pool
from ..programs.row_space import row_space
from ..search.active_set import Known
from ..search.capping import capped
from ..search.rough_path import RoughPath, RoughUnits
from ..search.schedule import schedule_of
from ..solvers import Backend, select_backend, solve_program
from ..solvers.driver import cap_width, n_used
from ..solvers.history import History

__all__ = ["RoughNetwork", "Trained", "Trainer"]


#: Largest relative gap that solvers of programs with coupled cones leave, whatever the
#: tolerance: the last digits cost few steps, and tell units of no use from small ones.
_ACCURACY = 1e-7


@cache
def _linear_algebra_threads():
    """Return the control of the threads of the linear algebra libraries.

    Solvers work on blocks that fit a cache, where more than one thread costs more than
    it saves, and results that do not depend on the number of threads are worth having.
    """
    return ThreadpoolController()


@dataclass(frozen=True)
class Trained:
    """A trained network and what is known about it, in the caller's units.

    Attributes
    ----------
    network : Network
        The network.
    certificate : Certificate
        Its objective, the dual bound, and what that holds over.
    history : History
        Objective and bound against CPU seconds.
    beta_max : float
        Smallest beta for which the zero network is optimal; with scope "search" an
        estimate from below.
    n_iter : int
        Iterations of the backend.
    status : str
        What the backend said last.
    solver : str
        Its name.
    gap : float
        Relative duality gap before any cut to `max_neurons`: what `tol` bounds.
    known : Known or None
        What training with another penalty can begin with, None if there is nothing.
    """

    network: Network
    certificate: Certificate
    history: History
    beta_max: float
    n_iter: int
    status: str
    solver: str
    gap: float
    known: Known | None


@dataclass(frozen=True)
class RoughNetwork:
    """A network that descents have led to, in the caller's units.

    Attributes
    ----------
    network : Network
        The network.
    objective : float
        Its objective, up to single precision; how far it is from the optimum is not
        known.
    """

    network: Network
    objective: float


@dataclass(frozen=True)
class Trainer:
    """Samples, a backend and its settings; trains a network at any penalty.

    Minimises the objective of :class:`~convexnn.ConvexReLURegressor`. Cells of given
    lists are found once, so that all penalties share them.

    Parameters
    ----------
    samples : Samples
        From :func:`~convexnn.data.samples.collect_samples`.
    backend : Backend
        From :func:`~convexnn.solvers.select_backend`.
    architecture : Architecture, default=ReLU()
        Of :mod:`convexnn.architectures`.
    cells, n_cells, tol, max_iter, max_neurons, solver_options, verbose
        Of :class:`~convexnn.ConvexReLURegressor`.
    random_state : int or RandomState instance
        Source of the cells or of the search. An int is used anew for every penalty.
    loss : str, default="squared"
        A name of :data:`~convexnn.programs.losses.LOSSES`, for which the samples were
        collected.
    epsilon : float, default=None
        Of "huber", in the caller's units.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn.data.samples import collect_samples
    >>> from convexnn.solvers import select_backend
    >>> from convexnn.training.trainer import Trainer
    >>> samples = collect_samples(*load_diabetes(return_X_y=True))
    >>> trainer = Trainer(samples, select_backend("fista", {"cones"}), n_cells=10)
    >>> trained = trainer.train(0.5 * trainer.beta_max())
    >>> trained.network.n_neurons > 0, trained.gap <= 1e-3
    (True, True)
    """

    samples: Samples
    backend: Backend
    architecture: Architecture = ARCHITECTURES["relu"]
    cells: str | np.ndarray = "auto"
    n_cells: int = 50
    tol: float = 1e-3
    max_iter: int = 20_000
    max_neurons: int | None = None
    solver_options: dict[str, Any] | None = None
    verbose: int = 0
    random_state: int | np.random.RandomState = 0
    loss: str = "squared"
    epsilon: float | None = None

    def train(
        self, beta: float, start: Network | None = None, known: Known | None = None
    ) -> Trained:
        """Train a network.

        Parameters
        ----------
        beta : float
            Penalty, in the caller's units.
        start : Network, default=None
            Network of the same activation to start from.
        known : Known, default=None
            From another :class:`Trained` of this trainer.

        Returns
        -------
        Trained
            The network. Its gap may exceed `tol`; telling the user is up to the
            caller.

        Raises
        ------
        ValueError
            If beta is out of range for the data, the cells are not as described, the
            objective overflows, or there are several outputs and the backend cannot
            train these: ReLU networks need ``cells="auto"``.
        """
        scaled = self._scaled(beta)
        known = self._at_zero[1] if known is None else known
        program, point, price, known = self._reach(scaled, start, known)
        gap = point.certificate.relative_gap
        most = self.max_neurons
        if most is not None and n_used(program, point.U) > most:
            program, point = self._capped(program, point)
        scale = self.samples.objective_scale
        certificate = point.certificate.in_units(scale)
        check_objective(certificate.primal)
        return Trained(
            network=self.architecture.recover(program, point.U, self.samples),
            certificate=certificate,
            history=point.history.in_units(scale),
            beta_max=self._in_units(price),
            n_iter=point.n_iter,
            status=point.status,
            solver=self._backend.name,
            gap=gap,
            known=known,
        )

    def beta_max(self) -> float:
        """Return the smallest beta for which the zero network is optimal.

        With a search it is an estimate from below; 0 for targets that are constant up
        to rounding.
        """
        return self._in_units(self._at_zero[0])

    def descend(
        self, betas: Sequence[float] | np.ndarray, last: RoughUnits | None = None
    ) -> tuple[list[RoughNetwork], RoughUnits | None]:
        """Descend along descending penalties, without pricing and without a polish.

        The networks tell which penalty predicts best, not where the optimum is: see
        :mod:`convexnn.search.rough_path`. A ReLU network may use any cells.

        Parameters
        ----------
        betas : sequence of float
            Penalties in descending order, in the caller's units.
        last : RoughUnits, default=None
            Where a path ended that is to be gone on with.

        Returns
        -------
        list of RoughNetwork
            One for each penalty.
        last : RoughUnits
            Where the path ended.
        """
        form, n_units = self._descended
        path = RoughPath(
            form,
            self._rows,
            self._loss,
            n_units=n_units,
            random_state=check_random_state(self.random_state),
            last=last,
        )
        found = []
        with _linear_algebra_threads().limit(limits=1, user_api="blas"):
            for beta in betas:
                rough = path.follow(self._scaled(beta))
                units = rough.units
                if self._space is not None:
                    units = self.architecture.turned(units, self._space.basis)
                network = form.network(units, rough.offset, self.samples)
                objective = rough.objective * self.samples.objective_scale
                found.append(RoughNetwork(network, objective))
        return found, path.last

    def _scaled(self, beta):
        """Return a penalty in the units of the samples, without its last digits."""
        return _rounded(check_penalty(beta, self.samples.beta_scale))

    def _in_units(self, price):
        """Return the penalty of a price of the zero network in the caller's units."""
        return beyond_rounding(price * self.samples.beta_scale, self.samples)

    @cached_property
    def _at_zero(self):
        """Price of the zero network, and what is known after it has been found."""
        at_zero = self._loss.dual_point(np.zeros_like(self.samples.y))
        # No unit of norm 1 has a price above this, so that nothing is trained.
        norms = pool(np.linalg.norm(self.samples.X, axis=1), self.samples.n_patches)
        silencing = 2 * lengths_of(at_zero) @ norms
        if silencing == 0:
            return 0.0, None
        return self._reach(silencing)[2:]

    @property
    def _descended(self):
        """The architecture of descents, and their number of units."""
        if self.architecture.has_cones:
            most = schedule_of(self.architecture, self.tol).n_rough
            return self.architecture, min(most, 2 * len(self.samples.y))
        n_outputs = np.prod(self.samples.y.shape[1:], dtype=int)
        repeats = min(n_outputs, self.samples.X.shape[1])
        opened = self.architecture.opened(self._listed_cells, repeats)
        return opened, opened.patterns.shape[1]

    @cached_property
    def _backend(self):
        """The backend, or for several outputs what it stands for there."""
        if not self._loss.is_vector:
            return self.backend
        return select_backend(
            "auto" if self.backend.is_default else self.backend.name,
            self.architecture.features_for(self.samples.y),
            subject=f"{self.architecture.words} with several outputs (y with several "
            "columns, or more than two classes)",
            by_gradients=self._loss.is_smooth and not self._loss.is_quadratic,
        )

    @cached_property
    def _loss(self):
        options = {}
        if self.loss == "huber":
            options["epsilon"] = _rounded(self.epsilon / self.samples.y_scale)
        return LOSSES[self.loss](
            self.samples.y,
            self.samples.weights,
            intercept=self.samples.has_bias,
            constant=self.samples.within,
            **options,
        )

    @cached_property
    def _listed_cells(self):
        X = self.samples.X
        if not isinstance(self.cells, str):
            has_bias = self.samples.has_bias
            if self.architecture.degree > 1:
                n_units = self.architecture.n_first
                gates = check_block_gates(self.cells, X.shape[1], n_units, has_bias)
            else:
                gates = check_gates(self.cells, X.shape[1], has_bias)
            return self.architecture.given(X, gates)
        if self.cells == "all":
            return self.architecture.enumerate(X)
        random_state = check_random_state(self.random_state)
        return self.architecture.sample(X, self.n_cells, random_state)

    @property
    def _settings(self):
        return {
            "tol": self.tol,
            "max_iter": self.max_iter,
            "options": self.solver_options,
            "verbose": int(self.verbose),
        }

    def _reach(self, beta, start=None, known=None):
        """Return program, point, price of the zero network, and what is known."""
        reach = self._search if self._is_search else self._solve
        with _linear_algebra_threads().limit(limits=1, user_api="blas"):
            return reach(beta, start, known)

    def _capped(self, program, point):
        """Return the network of the largest units of a point, trained again."""
        with _linear_algebra_threads().limit(limits=1, user_api="blas"):
            if not self._is_search:
                about = program, point, self._backend, self.max_neurons
                return program, cap_width(*about, **self._settings)
            about = self.architecture, program.X, program.loss, program.beta
            units = self.architecture.units_at(program, point.U)
            units = capped(*about, units, self.max_neurons, self.tol)
            program, U = self.architecture.around(*about[1:], units)
            certificate = replace(
                point.certificate, primal=program.objective(U), is_capped=True
            )
            return program, replace(point, U=U, certificate=certificate)

    @property
    def _is_search(self):
        """Whether the backend finds the cells itself."""
        is_free = isinstance(self.cells, str) and self.cells == "auto"
        return bool(self._backend.search and is_free)

    def _solve(self, beta, start, known):
        """Solve the program over the listed cells."""
        if self.architecture.has_cones and self._loss.is_vector:
            raise ValueError(
                "y with several columns (targets, or more than two classes) needs "
                f"cells='auto' with {self.architecture.words}: within a cell its "
                f"program is not convex. Got cells={self.cells!r}; given cells are for "
                "activation='gated_relu'."
            )
        program = self.architecture.program(
            self.samples.X, self._loss, beta, self._listed_cells
        )
        if start is not None:
            start = self.architecture.locate(program, start, self.samples)
        settings = self._settings
        if program.coupled:
            settings["tol"] = min(self.tol, _ACCURACY)
        point = solve_program(program, self._backend, start=start, **settings)
        at_zero = program.loss.dual_point(np.zeros_like(self.samples.y))
        price = price_groups(program, at_zero).largest
        program, U = program.factored(point.U)
        return program, replace(point, U=U), price, known

    def _search(self, beta, start, known):
        """Train a network whose cells the backend finds itself."""
        space = self._space
        if start is not None:
            start = self.architecture.units_in(start, self.samples)
            if space is not None:
                start = self.architecture.turned(start, space.basis.T)
        found = self._backend.load_search()(
            self._rows,
            self._loss,
            beta,
            architecture=self.architecture,
            start=start,
            known=known,
            random_state=check_random_state(self.random_state),
            **self._settings,
        )
        program, point = found.program, found.point
        if space is not None:
            program = space.original(program, self.samples.X)
            point = replace(point, U=space.basis @ point.U)
        return program, point, found.known.price_at_zero, found.known

    @cached_property
    def _space(self):
        """Coordinates of inputs that lie far from zero, else None."""
        return row_space(self.samples.X)

    @property
    def _rows(self):
        """The inputs as searches and descents see them."""
        return self.samples.X if self._space is None else self._space.rows


def _rounded(number):
    """Return a number to as many digits as normalised targets have."""
    mantissa, exponent = np.frexp(number)
    return float(np.ldexp(without_last_digits(mantissa), exponent))
