"""What estimators of three-layer networks share: parameters and training."""

from __future__ import annotations

import warnings

from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from ..architectures.three_layer import ThreeLayerReLU
from ..checks import TRAINING_CONSTRAINTS, Integral, Interval, StrOptions
from ..data.samples import collect_samples
from ..solvers import available_backends
from ..solvers.time_limit import OUT_OF_TIME
from ..training.three_layer_trainer import ThreeLayerTrainer
from .limit import LIMIT_CONSTRAINTS, warn_of_time
from .penalty import PENALTY_CONSTRAINTS, chosen_penalty

__all__ = ["ThreeLayerEstimator"]


class ThreeLayerEstimator(BaseEstimator):
    """Base of estimators that train networks of parallel three-layer sub-networks."""

    _parameter_constraints: dict = {
        "n_units": [Interval(Integral, 1, None, closed="left")],
        **PENALTY_CONSTRAINTS,
        **LIMIT_CONSTRAINTS,
        "cells": TRAINING_CONSTRAINTS["cells"],
        "solver": [
            StrOptions(
                {"auto", "active_set", *available_backends(ThreeLayerReLU.features)}
            )
        ],
        "max_subnetworks": [Interval(Integral, 1, None, closed="left"), None],
        "warm_start": ["boolean"],
        **{
            name: TRAINING_CONSTRAINTS[name]
            for name in (
                *("n_cells", "fit_intercept", "tol", "max_iter"),
                *("verbose", "random_state"),
            )
        },
    }

    def __sklearn_tags__(self):
        """Return the tags: sparse X is accepted, and made dense."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    @staticmethod
    def _block_solvers():
        return available_backends(ThreeLayerReLU.features)

    def _chosen_solver(self):
        """Return the solver to use, refusing one that cannot do what is asked."""
        is_listed = not isinstance(self.cells, str)
        is_free = not is_listed and self.cells == "auto"
        if self.solver == "auto":
            return "active_set" if is_free else self._block_solvers()[0]
        if self.solver == "active_set" and not is_free:
            given = "an array" if is_listed else repr(self.cells)
            allowed = ", ".join(map(repr, self._block_solvers()))
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

    def _penalty(self, beta_max):
        """Return the penalty to train with; `fit` calls this itself."""
        # From there: this method, `fit`, the decorator of `fit`, the user.
        return chosen_penalty(self.beta, self.beta_ratio, beta_max, stacklevel=5)

    def _warn_of_gap(self, trained, solver):
        # Of constant targets the objective is rounding, and so is its gap.
        if not (trained.gap > self.tol and trained.beta_max > 0):
            return
        if trained.status == OUT_OF_TIME:
            reached = f"the relative duality gap is {trained.gap:.3g}"
            reached += f", above tol={self.tol:g}"
            warn_of_time(
                *(self.max_seconds, reached, "tol, beta or beta_ratio"), stacklevel=5
            )
        else:
            warnings.warn(
                f"Relative duality gap {trained.gap:.3g} above tol={self.tol:g} after "
                f"{trained.n_iter} iterations of solver={solver!r} ({trained.status}). "
                "Standardise X, or increase max_iter, tol, beta or beta_ratio.",
                ConvergenceWarning,
                stacklevel=4,
            )
