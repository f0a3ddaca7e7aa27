"""What estimators of three-layer networks share: parameters and training."""

from __future__ import annotations

from ..checks import Integral, Interval, StrOptions
from ..data.samples import collect_samples
from ..training.three_layer_trainer import BLOCK_SOLVERS, ThreeLayerTrainer
from .constraints import NETWORKS

__all__ = ["ThreeLayerNetworks"]


class ThreeLayerNetworks:
    """Trains networks of parallel three-layer sub-networks.

    For a :class:`~convexnn.estimators.base.NetworkEstimator`.
    """

    _parameter_constraints: dict = {
        **NETWORKS,
        "n_units": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions({"auto", "active_set", *BLOCK_SOLVERS})],
        "max_subnetworks": NETWORKS["max_neurons"],
    }

    def _chosen_solver(self):
        """Return the solver to use, refusing one that cannot do what is asked."""
        is_listed = not isinstance(self.cells, str)
        is_free = not is_listed and self.cells == "auto"
        if self.solver == "auto":
            return "active_set" if is_free else next(iter(BLOCK_SOLVERS))
        if self.solver == "active_set" and not is_free:
            given = "an array" if is_listed else repr(self.cells)
            allowed = ", ".join(map(repr, BLOCK_SOLVERS))
            raise ValueError(
                f"solver='active_set' finds the cells itself, got cells={given}."
                f" Allowed: cells='auto', or solver='auto', {allowed}."
            )
        return self.solver

    def _trainer(self, X, targets, weights, solver, loss="squared"):
        """Return what trains a network with the estimator's parameters."""
        settings = {
            name: getattr(self, name)
            for name in (
                *("n_units", "cells", "n_cells", "max_subnetworks"),
                *("tol", "max_iter", "verbose", "random_state"),
            )
        }
        samples = collect_samples(
            *(X, targets, weights), fit_intercept=self.fit_intercept, loss=loss
        )
        return ThreeLayerTrainer(samples, solver, loss=loss, **settings)
