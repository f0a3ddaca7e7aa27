"""What estimators of two-layer networks share: training, fitted arrays, predictions."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ..architectures import ARCHITECTURES
from ..network import GatedReLUNetwork, ReLUNetwork
from ..training import Trainer
from .validation import check_range, validate_data

__all__ = ["TwoLayerRegressor", "warn_of_gap"]


def warn_of_gap(trained, backend, tol, *, stacklevel):
    """Warn if a trained network misses the tolerance."""
    if trained.gap > tol:
        warnings.warn(
            f"Relative duality gap {trained.gap:.3g} above tol={tol:g} after "
            f"{trained.n_iter} iterations of solver={backend.name!r} "
            f"({trained.status}). Standardise X and y, increase max_iter, tol or "
            "beta, or try another solver.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


class TwoLayerRegressor(RegressorMixin, BaseEstimator):
    """Base of regressors that keep one two-layer network as arrays.

    Subclasses have the parameters of :class:`~convexnn.training.Trainer`.
    """

    def predict(self, X):
        """Return the network's outputs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, dense and finite.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predictions, in float32 if the network and `X` are.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._network().predict(X)

    def _trainer(self, samples, *, backend, **changed):
        """Return what trains networks with the estimator's parameters."""
        names = (
            "cells",
            "n_cells",
            "tol",
            "max_iter",
            "max_neurons",
            "solver_options",
            "verbose",
            "random_state",
        )
        settings = {name: getattr(self, name) for name in names}
        settings["architecture"] = ARCHITECTURES[self.activation]
        return Trainer(samples, backend, **settings | changed)

    def _warn_of_gap(self, trained, backend):
        warn_of_gap(trained, backend, self.tol, stacklevel=5)

    def _store(self, trained, dtype):
        network = trained.network
        self.coefs_ = [
            check_range(network.hidden, dtype),
            check_range(network.output[:, None], dtype),
        ]
        self.intercepts_ = [
            check_range(network.hidden_bias, dtype),
            check_range([network.output_bias], dtype),
        ]
        vars(self).pop("gates_", None)
        if self.activation == "gated_relu":
            gates = [network.gates, network.gate_bias[None]]
            self.gates_ = np.vstack(gates if self.fit_intercept else gates[:1]).astype(
                dtype
            )
        self.n_neurons_ = network.n_neurons
        self.certificate_ = trained.certificate
        self.objective_ = trained.certificate.primal
        self.history_ = trained.history
        self.beta_max_ = trained.beta_max
        self.n_iter_ = trained.n_iter

    def _network(self):
        hidden, output = self.coefs_
        weights = (hidden, self.intercepts_[0], output[:, 0], self.intercepts_[1][0])
        if not hasattr(self, "gates_"):
            return ReLUNetwork(*weights)
        has_bias = len(self.gates_) > len(hidden)
        bias = self.gates_[-1] if has_bias else np.zeros_like(self.intercepts_[0])
        return GatedReLUNetwork(*weights, self.gates_[: len(hidden)], bias)
