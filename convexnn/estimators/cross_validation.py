"""Choice of the penalty along paths over the training parts of folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.parallel import Parallel, delayed

from ..path import PATH_CONSTRAINTS, choose_betas, seed_of, trace, warn_of_gaps
from ..training import Trainer
from .coding import LabelCoding, NumberCoding
from .validation import Integral, Interval, StrOptions, all_or_nothing

__all__ = ["CHOICE_CONSTRAINTS", "PenaltyChoice"]

#: Mean errors within this share of ``sqrt(tol)`` of the smallest are a near tie:
#: networks within `tol` of the optimum predict equally well up to about that.
_NEAR_TIE = 0.5

#: Tolerance above which near ties are not looked for any farther.
_LOOSE = 1e-3

#: Penalties that all folds are trained at before their errors are looked at, and how
#: far above the smallest, relatively, an error has to be for a path to end.
_STRIDE, _WORSE = 2, 0.01

#: Parameters of everything that chooses a penalty.
CHOICE_CONSTRAINTS = {
    **PATH_CONSTRAINTS,
    "cv": ["cv_object"],
    "patience": [Interval(Integral, 1, None, closed="left"), None],
    "selection": [StrOptions({"min", "one_se"})],
    "n_jobs": [Integral, None],
}


class PenaltyChoice:
    """Adds the choice to a :class:`~convexnn.estimators.two_layer.TwoLayerEstimator`.

    Subclasses have the parameters of :data:`CHOICE_CONSTRAINTS` and keep errors of
    shape (n_betas, n_folds) by ``_store_errors(errors)``.
    """

    def _fit_along_paths(self, X, y, sample_weight):
        """Choose the penalty along the paths of all folds and train with it."""
        with all_or_nothing(self):
            backend = self._backend()
            settings = {"backend": backend, "random_state": seed_of(self.random_state)}
            X, y, weights = self._check_all(X, y, sample_weight)
            coding, own = self._code(y, weights)
            splits = self._splits(X, y, weights)
            trainer = self._trainer(X, y, own, coding, **settings)
            self.betas_ = choose_betas(trainer, self.betas, self.beta_min_ratio)
            folds = [
                self._fold(number, split, X, y, weights, settings)
                for number, split in enumerate(splits)
            ]
            best = self._compare(folds)
            self.beta_ = float(self.betas_[best])
            trained = trainer.train(self.beta_)
            self._warn_of_gap(trained)
            self._store(trained, coding, X.dtype)
        return self

    def _splits(self, X, y, weights):
        """Return the folds, refusing those with nothing to train on or to score."""
        cv = check_cv(self.cv, y, classifier=is_classifier(self))
        splits = list(cv.split(X, y))
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

    def _compare(self, folds):
        """Follow the paths of all folds, settle near ties, and return the choice."""
        results = self._follow(folds)
        self.betas_ = self.betas_[: results.shape[1]]
        mean = np.nanmean(results[0], axis=1)
        share = _NEAR_TIE * np.sqrt(min(self.tol, _LOOSE))
        near = mean <= mean.min() * (1 + share)
        if near.sum() > 1:
            again, _ = self._results(folds, self.betas_[near], is_warm=False)
            results[:, near] = again
        errors, self.objective_path_, self.gap_path_ = results[:3]
        self._store_errors(errors)
        self.n_neurons_path_ = results[3].astype(int)
        warn_of_gaps(
            self.betas_,
            self.gap_path_.max(axis=1),
            self.tol,
            where=" on some fold",
            stacklevel=6,
        )
        return self._chosen(errors)

    def _follow(self, folds):
        """Return the results along the paths, which end where errors only rise."""
        waits = self.patience is not None and isinstance(self.betas, Integral)
        stride = _STRIDE if waits else len(self.betas_)
        results, last = [], None
        for first in range(0, len(self.betas_), stride):
            betas = self.betas_[first : first + stride]
            found, last = self._results(folds, betas, is_warm=True, last=last)
            results.append(found)
            if waits and self._only_rises(np.concatenate(results, axis=1)[0]):
                break
        return np.concatenate(results, axis=1)

    def _only_rises(self, errors):
        """Return whether the last penalties are all worse than the best one."""
        mean = np.nanmean(errors, axis=1)
        worse = mean > mean.min() * (1 + _WORSE)
        return len(mean) > self.patience and bool(worse[-self.patience :].all())

    def _results(self, folds, betas, *, is_warm, last=None):
        """Return what :class:`_Fold` does, of shape (4, n_betas, n_folds), and more.

        The second part is what each fold trained last, as `last` has it.
        """
        work = delayed(_Fold.results)
        found = Parallel(n_jobs=self.n_jobs)(
            work(fold, betas, is_warm=is_warm, previous=previous)
            for fold, previous in zip(folds, last or [None] * len(folds), strict=True)
        )
        results, last = zip(*found, strict=True)
        return np.stack(results, axis=2), last

    def _chosen(self, errors):
        """Return the index of the penalty that the errors speak for."""
        errors = errors[:, np.isfinite(errors[0])]
        mean = errors.mean(axis=1)
        best = int(np.argmin(mean))
        n_folds = errors.shape[1]
        if self.selection == "min" or n_folds == 1:
            return best
        allowed = mean[best] + errors[best].std(ddof=1) / np.sqrt(n_folds)
        return int(np.argmax(mean <= allowed))


@dataclass(frozen=True)
class _Fold:
    """What trains on a fold, and its left-out rows."""

    trainer: Trainer
    coding: NumberCoding | LabelCoding
    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray

    def results(self, betas, *, is_warm, previous=None):
        """Return errors, objectives, gaps and widths, of shape (4, n_betas).

        With them comes what was trained last.
        """
        path, last = trace(self.trainer, betas, is_warm=is_warm, previous=previous)
        errors = np.full(len(betas), np.nan)
        if self.weights.any():
            errors = self.coding.errors(path.predict(self.X), self.y, self.weights)
        values = np.stack([errors, path.objectives, path.gaps, path.n_neurons])
        return values, last
