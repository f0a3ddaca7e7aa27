"""What parameters may be: one name, one set of values, whichever estimator has it."""

from __future__ import annotations

import numpy as np

from ..architectures import ARCHITECTURES
from ..checks import Integral, Interval, Real, StrOptions

__all__ = [
    "CLASSIFICATION",
    "NETWORKS",
    "PATHS",
    "PENALTY_CHOICE",
    "REGRESSION",
    "SCORING",
    "UNITS",
]

_COUNT = Interval(Integral, 1, None, closed="left")
_POSITIVE = Interval(Real, 0, np.inf, closed="neither")

#: Parameters of what trains a network.
NETWORKS = {
    "beta": [_POSITIVE, None],
    "beta_ratio": [_POSITIVE],
    "activation": [StrOptions(ARCHITECTURES.keys())],  # also what is added later
    "solver": [str],
    "cells": [StrOptions({"auto", "sampled", "all"}), "array-like"],
    "n_cells": [_COUNT],
    "fit_intercept": ["boolean"],
    "tol": [Interval(Real, 0, 1, closed="left")],
    "max_iter": [_COUNT],
    "max_neurons": [_COUNT, None],
    "max_seconds": [_POSITIVE, None],
    "warm_start": ["boolean"],
    "solver_options": [dict, None],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
}

#: Further ones of what predicts numbers, and of what predicts classes.
REGRESSION = {
    "loss": [StrOptions({"squared", "huber"})],
    "epsilon": [_POSITIVE],
}
CLASSIFICATION = {
    "loss": [StrOptions({"log_loss", "squared_hinge", "hinge"})],
    "class_weight": [dict, StrOptions({"balanced"}), None],
}
SCORING = {"scoring": [StrOptions({"log_loss", "accuracy"}), None]}

#: Of networks of three layers.
UNITS = {"n_units": [_COUNT]}

#: Parameters of what follows a path of penalties, and of what chooses one of them.
PATHS = NETWORKS | {
    "betas": [_COUNT, "array-like"],
    "beta_min_ratio": [Interval(Real, 0, 1, closed="right")],
}
PENALTY_CHOICE = PATHS | {
    "cv": ["cv_object"],
    "max_iter": [_COUNT, None],
    "fold_training": [StrOptions({"auto", "descent", "certified"})],
    "patience": [_COUNT, None],
    "selection": [StrOptions({"min", "one_se"})],
    "n_jobs": [Integral, None],
}
