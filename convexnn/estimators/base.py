"""What estimators of networks share: training, what is kept of it, predictions."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..checks import (
    all_or_nothing,
    check_labelled_samples,
    check_samples,
    check_weights,
    fit_context,
    validate_data,
)
from ..data.samples import collect_samples
from ..solvers import select_backend
from ..solvers.time_limit import time_limit
from ..training.trainer import Trainer
from .coding import LabelCoding, NumberCoding, class_weights
from .notices import warn_of_gap
from .penalty import chosen_penalty

__all__ = [
    "NetworkClassifier",
    "NetworkEstimator",
    "NetworkRegressor",
    "has_probabilities",
]


class NetworkEstimator(BaseEstimator):
    """Base of estimators that train one network through its convex program.

    Subclasses have the parameters of :class:`~convexnn.training.trainer.Trainer`, and

    - ``_architecture()`` returns what is trained, and ``_kind()``, which needs no data,
      its class or itself; ``_grid()`` is where its patches lie, if it has some;
    - ``_keep(network, dtype)`` keeps a network as fitted attributes, and the property
      ``network_`` returns it;
    - ``_check(X, y)`` returns inputs and what is to be predicted, validated;
    - ``_code(y, weights)`` returns a coding and the weights to train with.

    What reads networks of any origin takes an estimator by its ``network_``.
    """

    def _fit(self, X, y, sample_weight):
        """Train at one penalty, from the former network with `warm_start`."""
        with all_or_nothing(self), time_limit(self.max_seconds):
            backend = self._backend()
            previous = getattr(self, "network_", None) if self.warm_start else None
            X, y, weights = self._check_all(X, y, sample_weight)
            coding, weights = self._code(y, weights)
            trainer = self._trainer(X, y, weights, coding, backend=backend)
            if previous is not None and not self._may_start(previous, trainer.samples):
                previous = None
            self.beta_ = self._penalty(trainer.beta_max())
            trained = trainer.train(self.beta_, previous)
            self._finish(trained, coding, X.dtype)
        return self

    def _may_start(self, network, samples):
        """Return whether a network has the inputs and the outputs of samples."""
        n_inputs = samples.X.shape[1] - samples.has_bias
        is_as_wide = len(network.hidden) == n_inputs
        return is_as_wide and network.output.shape[1:] == samples.y.shape[1:]

    def _has_cones(self):
        """Return whether the patterns of units follow from their weights."""
        return True

    def _has_vector_outputs(self):
        """Return whether the parameters allow for more outputs than one.

        Over given cells the program of several is not convex where it has cones.
        """
        try:
            backend = self._backend()
        except ValueError:
            return False
        is_free = isinstance(self.cells, str) and self.cells == "auto"
        return is_free and bool(backend.search)

    def _grid(self):
        return None

    def _kind(self):
        return self._architecture()

    def _backend(self):
        architecture = self._kind()
        return select_backend(
            self.solver,
            architecture.features,
            self.solver_options or (),
            subject=architecture.words,
            is_listed=not (isinstance(self.cells, str) and self.cells == "auto"),
        )

    def _check_all(self, X, y, sample_weight):
        """Return inputs, what is to be predicted, and weights, validated."""
        X, y = self._check(X, y)
        weights = check_weights(sample_weight, X)
        return X, y, np.ones(len(y)) if weights is None else weights

    def _trainer_of(self, X, y, sample_weight=None):
        """Return what trains networks on data that is validated first."""
        backend = self._backend()
        X, y, weights = self._check_all(X, y, sample_weight)
        coding, weights = self._code(y, weights)
        return self._trainer(X, y, weights, coding, backend=backend)

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
            grid=self._grid(),
            loss=settings["loss"],
        )
        settings["architecture"] = self._architecture()
        return Trainer(samples, backend, **settings | changed)

    def _finish(self, trained, coding, dtype):
        """Tell of a gap above `tol`, and keep what was trained."""
        self._warn_of_gap(trained, trained.solver)
        self._store(trained, coding, dtype)

    def _penalty(self, beta_max):
        return chosen_penalty(self.beta, self.beta_ratio, beta_max)

    def _warn_of_gap(self, trained, solver):
        # Of constant targets the objective is rounding, and so is its gap.
        if trained.beta_max > 0:
            warn_of_gap(
                trained, solver=solver, tol=self.tol, max_seconds=self.max_seconds
            )

    def _store(self, trained, coding, dtype):
        self._keep(trained.network, dtype)
        self.certificate_ = trained.certificate
        self.objective_ = trained.certificate.primal
        self.history_ = trained.history
        self.beta_max_ = trained.beta_max
        self.n_iter_ = trained.n_iter

    def _outputs(self, X):
        """Return the network's outputs, of shape (n_samples,) or (n_samples, q)."""
        X = self._inputs(X)
        return self.network_.predict(X)

    def _inputs(self, X):
        """Return inputs of a fitted network, validated."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=False)

    def __sklearn_tags__(self):
        """Return the tags: sparse inputs are made dense."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """Base of regressors: parameters `loss` and `epsilon`."""

    @fit_context
    def fit(self, X, y, sample_weight=None):
        """Train the network to a relative duality gap of `tol`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense, with an EfficiencyWarning, up to
            1e8 entries.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, finite; several where two layers search all cells or have fixed
            gates. A single column is read as a vector, with a DataConversionWarning.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 equals a repeated row, a weight of 0
            an absent one.

        Returns
        -------
        self : estimator
            Fitted estimator.
        """
        return self._fit(X, y, sample_weight)

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


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """Base of classifiers: parameters `loss` and `class_weight`."""

    @fit_context
    def fit(self, X, y, sample_weight=None):
        """Train the network to a relative duality gap of `tol`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense, with an EfficiencyWarning, up to
            1e8 entries.
        y : array-like of shape (n_samples,)
            Labels: whole numbers, booleans or strings.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A weight of 2 equals a repeated row, a weight of 0
            an absent one.

        Returns
        -------
        self : estimator
            Fitted estimator.
        """
        return self._fit(X, y, sample_weight)

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
