"""What estimators of two-layer networks share: training, fitted arrays, predictions."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..architectures import ARCHITECTURES, SEVERAL_OUTPUTS
from ..checks import (
    all_or_nothing,
    check_labelled_samples,
    check_range,
    check_samples,
    check_weights,
    validate_data,
)
from ..data.samples import collect_samples
from ..networks.network import GatedReLUNetwork, ReLUNetwork
from ..solvers import select_backend
from ..solvers.time_limit import OUT_OF_TIME, time_limit
from ..training.trainer import Trainer
from .coding import LabelCoding, NumberCoding, class_weights
from .limit import warn_of_time
from .penalty import beyond_rounding, chosen_penalty

__all__ = [
    "TwoLayerClassifier",
    "TwoLayerEstimator",
    "TwoLayerRegressor",
    "has_probabilities",
    "warn_of_gap",
]


def warn_of_gap(trained, tol, max_seconds, *, stacklevel):
    """Warn if a trained network misses the tolerance."""
    if trained.gap <= tol:
        return
    reached = f"relative duality gap {trained.gap:.3g} above tol={tol:g}"
    if trained.status == OUT_OF_TIME:
        remedy = "tol or beta"
        warn_of_time(max_seconds, reached, remedy, stacklevel=stacklevel + 1)
        return
    warnings.warn(
        f"{reached[0].upper()}{reached[1:]} after {trained.n_iter} iterations of "
        f"solver={trained.solver!r} ({trained.status}). Standardise X, increase "
        "max_iter, tol or beta, or try another solver.",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )


class TwoLayerEstimator(BaseEstimator):
    """Base of estimators that keep one two-layer network as arrays.

    Subclasses have the parameters of :class:`~convexnn.training.trainer.Trainer`, and

    - ``_check(X, y)`` returns inputs and what is to be predicted, validated;
    - ``_code(y, weights)`` returns a coding and the weights to train with.
    """

    def _fit_at_beta(self, X, y, sample_weight):
        """Train at one penalty, from the former network with `warm_start`."""
        with all_or_nothing(self), time_limit(self.max_seconds):
            backend = self._backend()
            previous = self._previous_network() if self.warm_start else None
            X, y, weights = self._check_all(X, y, sample_weight)
            coding, weights = self._code(y, weights)
            trainer = self._trainer(X, y, weights, coding, backend=backend)
            if previous is not None and not _fits(previous, trainer.samples, X):
                previous = None
            beta_max = beyond_rounding(trainer.beta_max(), trainer.samples)
            self.beta_ = chosen_penalty(
                self.beta, self.beta_ratio, beta_max, stacklevel=5
            )
            trained = trainer.train(self.beta_, previous)
            if beta_max > 0:
                self._warn_of_gap(trained)
            self._store(trained, coding, X.dtype)
        return self

    def _has_vector_outputs(self):
        """Return whether the parameters allow for more outputs than one.

        ReLU units take a search, gated ones a solver of programs with nuclear norms.
        """
        try:
            backend = self._backend()
        except ValueError:
            return False
        form = SEVERAL_OUTPUTS[self.activation]
        if not (backend.is_default or backend.can(form.features)):
            return False
        is_free = isinstance(self.cells, str) and self.cells == "auto"
        return is_free or self.activation == "gated_relu"

    def _backend(self):
        return select_backend(
            self.solver,
            ARCHITECTURES[self.activation].features,
            self.solver_options or (),
            subject=f"activation={self.activation!r}",
        )

    def _check_all(self, X, y, sample_weight):
        """Return inputs, what is to be predicted, and weights, validated."""
        X, y = self._check(X, y)
        weights = check_weights(sample_weight, X)
        return X, y, np.ones(len(y)) if weights is None else weights

    def _trainer(self, X, y, weights, coding, *, backend, **changed):
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
        settings = {name: getattr(self, name) for name in names} | coding.settings
        samples = collect_samples(
            X,
            coding.targets(y),
            weights,
            fit_intercept=self.fit_intercept,
            loss=settings["loss"],
        )
        settings["architecture"] = ARCHITECTURES[self.activation]
        return Trainer(samples, backend, **settings | changed)

    def _warn_of_gap(self, trained):
        warn_of_gap(trained, self.tol, self.max_seconds, stacklevel=6)

    def __sklearn_tags__(self):
        """Return the tags: sparse inputs are made dense."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _store(self, trained, coding, dtype):
        network = trained.network
        output = network.output
        self.coefs_ = [
            check_range(network.hidden, dtype),
            check_range(output[:, None] if output.ndim == 1 else output, dtype),
        ]
        self.intercepts_ = [
            check_range(network.hidden_bias, dtype),
            check_range(np.atleast_1d(network.output_bias), dtype),
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

    def _previous_network(self):
        """Return the network to start from, if there is one of the right kind."""
        if not hasattr(self, "coefs_"):
            return None
        is_gated = hasattr(self, "gates_")
        return (
            self._network() if is_gated == (self.activation == "gated_relu") else None
        )

    def _network(self):
        hidden, output = self.coefs_
        hidden_bias, output_bias = self.intercepts_
        if len(output_bias) == 1:
            output, output_bias = output[:, 0], output_bias[0]
        weights = (hidden, hidden_bias, output, output_bias)
        if not hasattr(self, "gates_"):
            return ReLUNetwork(*weights)
        has_bias = len(self.gates_) > len(hidden)
        bias = self.gates_[-1] if has_bias else np.zeros_like(hidden_bias)
        return GatedReLUNetwork(*weights, self.gates_[: len(hidden)], bias)

    def _outputs(self, X):
        """Return the network's outputs, of shape (n_samples,) or (n_samples, q)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self._network().predict(X)


class TwoLayerRegressor(RegressorMixin, TwoLayerEstimator):
    """Base of regressors: parameters `loss` and `epsilon`."""

    def predict(self, X):
        """Return the network's outputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            Predictions, in float32 if the network and `X` are.
        """
        return self._outputs(X)

    def __sklearn_tags__(self):
        """Return the tags: not every solver trains several outputs."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self._has_vector_outputs()
        return tags

    def _check(self, X, y):
        return check_samples(self, X, y, multi_output=self._has_vector_outputs())

    def _code(self, y, weights):
        return NumberCoding(self.loss, self.epsilon), weights


def has_probabilities(estimator):
    """Tell whether outputs are log odds, or say which loss makes them so."""
    if estimator.loss != "log_loss":
        raise AttributeError(
            f"Probabilities are of loss='log_loss' only, got loss={estimator.loss!r}."
        )
    return True


class TwoLayerClassifier(ClassifierMixin, TwoLayerEstimator):
    """Base of classifiers: parameters `loss` and `class_weight`."""

    def decision_function(self, X):
        """Return the network's outputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            For two classes the output that is above 0 for ``classes_[1]``; for more
            an output for each class. Log odds with ``loss="log_loss"``.
        """
        return self._outputs(X)

    def predict(self, X):
        """Return the labels with the largest outputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        outputs = self._outputs(X)
        return LabelCoding(self.classes_, self.loss).predict(outputs)

    @available_if(has_probabilities)
    def predict_proba(self, X):
        """Return probabilities of the classes; for ``loss="log_loss"`` only.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            One column a class, in the order of `classes_`.
        """
        return np.exp(self.predict_log_proba(X))

    @available_if(has_probabilities)
    def predict_log_proba(self, X):
        """Return logarithms of the probabilities; for ``loss="log_loss"`` only.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            One column a class, finite also where the probability is 0 by rounding.
        """
        outputs = self._outputs(X)
        return LabelCoding(self.classes_, self.loss).log_probabilities(outputs)

    def __sklearn_tags__(self):
        """Return the tags: not every solver trains the outputs of three classes."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self._has_vector_outputs()
        return tags

    def _check(self, X, y):
        return check_labelled_samples(self, X, y)

    def _code(self, y, weights, **settings):
        weights = class_weights(self.class_weight, y, weights)
        coding = LabelCoding.of(y, weights, self.loss, **settings)
        if not (coding.is_binary or self._has_vector_outputs()):
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                "multiclass."
            )
        return coding, weights

    def _store(self, trained, coding, dtype):
        super()._store(trained, coding, dtype)
        self.classes_ = coding.classes


def _fits(network, samples, X):
    """Return whether a network has the features of X and the outputs of samples."""
    return (
        len(network.hidden) == X.shape[1]
        and network.output.shape[1:] == samples.y.shape[1:]
    )
