"""Choice of the penalty along paths over the training parts of folds.

Folds are judged by descents, which cost a small part of certified optima and find about
the same penalty, or by certified paths; the network that is kept is trained and
certified at the penalty chosen, on all the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed

from ..checks import Integral, all_or_nothing, fit_context, is_routing_enabled
from ..solvers.time_limit import is_out_of_time, seconds_left, time_limit
from ..training.path import choose_betas, seed_of, trace
from ..training.trainer import Trainer
from .coding import LabelCoding, NumberCoding
from .notices import warn_of_gaps

__all__ = ["LabelChoice", "NumberChoice", "PenaltyChoice"]


@dataclass(frozen=True)
class _Numbers:
    """Numbers of the choice.

    Attributes
    ----------
    near_tie : float
        Mean errors within this share of ``sqrt(tol)`` of the smallest are a near tie:
        networks within `tol` of the optimum predict equally well up to about that.
    loose : float
        Tolerance above which near ties are not looked for any farther.
    stride : int
        Penalties that all folds are trained at before their errors are looked at.
    worse : float
        How far above the smallest, relatively, an error has to be for a path to end.
    tie : float
        Mean errors of descents that differ by less than this, relatively, are a tie,
        which the larger penalty wins: it has the narrower network and the quicker fit.
    falling, beyond : float
        Where the errors of descents still fall at the end of the grid by more than the
        first share a penalty, it is gone on with, to the second share of its smallest
        penalty at most.
    n_rounds, n_iterations : int
        Most rounds of a search after descents, each of which costs about as much as
        all folds do; and most iterations of everything else.
    folds_share : float
        Share of `max_seconds` that the folds may use.
    """

    near_tie: float = 0.5
    loose: float = 1e-3
    stride: int = 2
    worse: float = 0.01
    tie: float = 0.02
    falling: float = 0.1
    beyond: float = 0.3
    n_rounds: int = 3
    n_iterations: int = 20_000
    folds_share: float = 0.5


#: Choices by descents with them are compared with certified ones in docs/choosing_beta.
_CHOICE = _Numbers()


class PenaltyChoice:
    """Adds the choice to a :class:`~convexnn.estimators.base.NetworkEstimator`.

    Subclasses have the parameters of
    :data:`~convexnn.estimators.constraints.PENALTY_CHOICE` and keep errors of
    shape (n_betas, n_folds) by ``_store_errors(errors)``.
    """

    def get_metadata_routing(self):
        """Return where metadata goes: `groups` to the splitter, weights to the fit.

        Returns
        -------
        MetadataRouter
            The routing, see scikit-learn's user guide on metadata routing.
        """
        mapping = MethodMapping().add(caller="fit", callee="split")
        splitter = check_cv(self.cv)
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(splitter=splitter, method_mapping=mapping)

    @fit_context
    def fit(self, X, y, sample_weight=None, **params):
        """Choose the penalty along the paths of all folds and train with it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, finite; sparse ones are made dense.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets or labels, as for one network.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, in training and in the errors of the left-out parts.
            A weight of 2 equals a repeated row in the same fold, a weight of 0 an
            absent one.
        **params : dict
            `groups`, of shape (n_samples,), for splitters of groups. With metadata
            routing enabled, whatever is requested by the splitter.

        Returns
        -------
        self : estimator
            Fitted estimator.
        """
        with all_or_nothing(self), time_limit(self.max_seconds):
            backend = self._backend()
            settings = {
                "backend": backend,
                "random_state": seed_of(self.random_state),
                "max_iter": self._most_iterations(backend),
            }
            routed = self._routed(params)
            X, y, weights = self._check_all(X, y, sample_weight)
            coding, own = self._code(y, weights)
            splits = self._splits(X, y, weights, routed)
            trainer = self._trainer(X, y, own, coding, **settings)
            self.betas_ = choose_betas(trainer, self.betas, self.beta_min_ratio)
            folds = [
                self._fold(number, split, X, y, weights, settings)
                for number, split in enumerate(splits)
            ]
            best = self._compare(folds)
            self.beta_ = float(self.betas_[best])
            trained = trainer.train(self.beta_)
            self._finish(trained, coding, X.dtype)
        return self

    def _routed(self, params):
        """Return what the splitter gets: what is routed to it, or `groups`."""
        if is_routing_enabled():
            return process_routing(self, "fit", **params).splitter.split
        unknown = sorted(set(params) - {"groups"})
        if unknown:
            raise TypeError(
                f"fit() takes `groups` beside X, y and sample_weight, got {unknown}. "
                "Other metadata needs scikit-learn's metadata routing."
            )
        return params

    def _splits(self, X, y, weights, routed):
        """Return the folds, refusing those with nothing to train on or to score."""
        cv = check_cv(self.cv, y, classifier=is_classifier(self))
        splits = list(cv.split(X, y, **routed))
        for number, (train, _) in enumerate(splits):
            if not weights[train].any():
                raise ValueError(
                    "sample_weight must have a positive entry in the training part of "
                    f"every fold of cv, got only zeros in that of fold {number}."
                )
        if not any(weights[test].any() for _, test in splits):
            raise ValueError(
                "sample_weight must have a positive entry in the left-out part of some "
                "fold of cv, got only zeros."
            )
        return splits

    def _fold(self, number, split, X, y, weights, settings):
        train, test = split
        try:
            coding, own = self._code(y[train], weights[train])
        except ValueError as error:
            raise ValueError(
                f"In the training part of fold {number} of cv: {error}"
            ) from error
        trainer = self._trainer(X[train], y[train], own, coding, **settings)
        return _Fold(trainer, coding, X[test], y[test], weights[test])

    def _is_certified(self):
        """Return whether folds follow certified paths.

        Descents of ReLU networks use any cells, and would judge lists of cells wrongly.
        """
        if self.fold_training != "auto":
            return self.fold_training == "certified"
        return self._has_cones() and not self._searches(self._backend())

    def _searches(self, backend):
        """Return whether a backend searches the cells."""
        is_free = isinstance(self.cells, str) and self.cells == "auto"
        return is_free and backend.search

    def _most_iterations(self, backend):
        if self.max_iter is not None:
            return self.max_iter
        is_short = self._searches(backend) and not self._is_certified()
        return _CHOICE.n_rounds if is_short else _CHOICE.n_iterations

    def _compare(self, folds):
        """Follow the paths of all folds and return the index of the choice."""
        is_certified = self._is_certified()
        work = partial(self._results, folds, is_certified=is_certified)
        with time_limit(_CHOICE.folds_share * seconds_left()):
            results = self._follow(work, is_certified)
        errors, self.objective_path_ = results[:2]
        self.n_neurons_path_ = results[2].astype(int)
        vars(self).pop("gap_path_", None)
        if is_certified:
            errors = self._settled(errors, results, work)
        self._store_errors(errors)
        return self._chosen(errors, 0.0 if is_certified else _CHOICE.tie)

    def _settled(self, errors, results, work):
        """Judge near ties by networks trained from scratch; keep and warn of gaps."""
        mean = np.nanmean(errors, axis=1)
        share = _CHOICE.near_tie * np.sqrt(min(self.tol, _CHOICE.loose))
        near = mean <= mean.min() * (1 + share)
        if near.sum() > 1 and not is_out_of_time():
            again, _ = work(self.betas_[near], None, is_warm=False)
            results[:, near] = again
        self.objective_path_, self.n_neurons_path_ = results[1], results[2].astype(int)
        self.gap_path_ = results[3]
        warn_of_gaps(
            self.betas_,
            self.gap_path_.max(axis=1),
            self.tol,
            where=" on some fold",
        )
        return results[0]

    def _follow(self, work, is_certified):
        """Return the results along the paths, which end where errors only rise.

        Paths by descents go on beyond a grid at whose end the errors still fall.
        """
        is_grid = isinstance(self.betas, Integral)
        waits = self.patience is not None and is_grid
        ahead, results, last = self.betas_, None, None
        while len(ahead):
            found, last = work(ahead[: _CHOICE.stride], last)
            joined = found if results is None else np.concatenate([results, found], 1)
            self._report(ahead[: _CHOICE.stride], found)
            results, ahead = joined, ahead[_CHOICE.stride :]
            if is_out_of_time() or (waits and self._only_rises(results[0])):
                break
            if not len(ahead) and is_grid and not is_certified:
                ahead = self._further(results[0])
                self.betas_ = np.append(self.betas_, ahead)
        self.betas_ = self.betas_[: results.shape[1]]
        return results

    def _further(self, errors):
        """Return the next penalties below the grid if the errors still fall there."""
        mean = np.nanmean(errors, axis=1)
        if len(mean) < 3 or mean[-1] > mean[:-1].min() * (1 - _CHOICE.falling):
            return self.betas_[:0]
        step = self.betas_[-1] / self.betas_[-2]
        further = self.betas_[-1] * step ** np.arange(1, _CHOICE.stride + 1)
        least = _CHOICE.beyond * self.beta_min_ratio * self.betas_[0]
        return further[further >= least]

    def _report(self, betas, results):
        """Print a line a penalty."""
        if self.verbose:
            for beta, errors in zip(betas, results[0], strict=True):
                print(f"[cv] beta {beta:.4g}: mean error {np.nanmean(errors):.5g}")

    def _only_rises(self, errors):
        """Return whether the last penalties are all worse than the best one."""
        mean = np.nanmean(errors, axis=1)
        worse = mean > mean.min() * (1 + _CHOICE.worse)
        return len(mean) > self.patience and bool(worse[-self.patience :].all())

    def _results(self, folds, betas, last, *, is_certified, is_warm=True):
        """Return what :class:`_Fold` does, of shape (4, n_betas, n_folds), and more.

        The second part is what each fold trained last, as `last` has it. Descents have
        no gaps, and three rows.
        """
        kind = _Fold.certified if is_certified else _Fold.descended
        work = delayed(_within)
        limit = seconds_left()
        found = Parallel(n_jobs=self.n_jobs)(
            work(limit, kind, fold, betas, previous=previous, is_warm=is_warm)
            for fold, previous in zip(folds, last or [None] * len(folds), strict=True)
        )
        results, last = zip(*found, strict=True)
        return np.stack(results, axis=2), last

    def _chosen(self, errors, tie):
        """Return the index of the penalty that the errors speak for."""
        errors = errors[:, np.isfinite(errors[0])]
        mean = errors.mean(axis=1)
        best = int(np.argmin(mean))
        n_folds = errors.shape[1]
        allowed = mean[best] * (1 + tie)
        if self.selection == "one_se" and n_folds > 1:
            allowed = mean[best] + errors[best].std(ddof=1) / np.sqrt(n_folds)
        return int(np.argmax(mean <= allowed))


class NumberChoice(PenaltyChoice):
    """Keeps mean squared errors, of regressors."""

    def _store_errors(self, errors):
        self.mse_path_ = errors


class LabelChoice(PenaltyChoice):
    """Keeps log losses or shares of wrong labels, of classifiers: `scoring`."""

    def _code(self, y, weights, **settings):
        settings["scoring"] = self._judged_by()
        return super()._code(y, weights, **settings)

    def _judged_by(self):
        """Return the name of the score, refusing one that the loss does not have."""
        if self.scoring == "log_loss" and self.loss != "log_loss":
            raise ValueError(
                "scoring='log_loss' needs probabilities, which loss='log_loss' alone "
                f"gives: loss={self.loss!r} allows scoring='accuracy' or None."
            )
        return self.scoring or ("log_loss" if self.loss == "log_loss" else "accuracy")

    def _store_errors(self, errors):
        self.scoring_, self.error_path_ = self._judged_by(), errors


def _within(seconds, work, *args, **kwargs):
    """Do some work within a limit, which workers do not inherit."""
    with time_limit(seconds):
        return work(*args, **kwargs)


@dataclass(frozen=True)
class _Fold:
    """What trains on a fold, and its left-out rows."""

    trainer: Trainer
    coding: NumberCoding | LabelCoding
    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray

    def certified(self, betas, *, previous, is_warm):
        """Return errors, objectives, widths and gaps, of shape (4, n_betas).

        With them comes what was trained last.
        """
        path, last = trace(self.trainer, betas, is_warm=is_warm, previous=previous)
        errors = self._errors(path.networks)
        return np.stack([errors, path.objectives, path.n_neurons, path.gaps]), last

    def descended(self, betas, *, previous, is_warm):
        """Return the same for descents, which have no gaps, of shape (3, n_betas)."""
        rough, last = self.trainer.descend(betas, previous)
        networks = [one.network for one in rough]
        objectives = [one.objective for one in rough]
        widths = [network.n_neurons for network in networks]
        return np.stack([self._errors(networks), objectives, widths]), last

    def _errors(self, networks):
        """Return the errors of some networks, nan where no row has a weight."""
        if not self.weights.any():
            return np.full(len(networks), np.nan)
        outputs = [network.predict(self.X) for network in networks]
        return self.coding.errors(np.stack(outputs, axis=-1), self.y, self.weights)
