"""Data sets and penalties that the benchmarks share.

Inputs and targets are standardised, constant inputs becoming zero. The label of breast
cancer, and odd against even of the digits, is -1 or 1 before that.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import scale

from convexnn import ConvexReLURegressor
from convexnn.data.datasets import load_folder, load_shipped
from convexnn.programs.cells import sample_cells

__all__ = ["SETS", "beta_max", "draw_cells", "load"]

#: Names of the sets; the last five are read from a folder.
SETS = (
    "diabetes",
    "breast cancer",
    "digits",
    "concrete",
    "energy",
    "kin8nm",
    "power-plant",
    "yacht",
)
_SHIPPED = SETS[:3]


def load(name, folder=None):
    """Return standardised inputs and targets.

    Parameters
    ----------
    name : str
        One of `SETS`.
    folder : path-like, default=None
        Folder with ``regression/NAME.csv``; the environment variable CONVEXNN_DATA
        by default.
    """
    if name in _SHIPPED:
        X, y = load_shipped(name)
    else:
        X, y = load_folder(f"regression/{name}", folder)
    if name == "breast cancer":
        y = 2 * y - 1
    if name == "digits":
        y = 2 * (y % 2) - 1
    return scale(X), scale(y)


def beta_max(X, y, random_state=0):
    """Return the price of the zero network, found by the searching solver.

    It is an estimate from below of the smallest penalty for which the zero network is
    optimal.
    """
    search = ConvexReLURegressor(
        beta_ratio=2.0, solver="active_set", random_state=random_state
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return search.fit(X, y).beta_max_


def draw_cells(X, n_cells, random_state=0):
    """Return sampled cells of `X` with a bias column, which comes last."""
    inputs = np.column_stack([X, np.ones(len(X))])
    return sample_cells(inputs, n_cells, np.random.RandomState(random_state))
