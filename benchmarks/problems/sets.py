"""Data sets by name, shipped with scikit-learn or in the folder of the data."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from sklearn.preprocessing import scale

from convexnn import ConvexReLURegressor
from convexnn.data.datasets import SHIPPED, load_folder, load_shipped
from convexnn.programs.cells import sample_cells

__all__ = ["CLASSIFICATION", "REGRESSION", "SETS", "SHIPPED"]
__all__ += ["draw_cells", "labelled", "present", "priced", "raw", "signed"]
__all__ += ["standardised"]

REGRESSION = ("yacht", "energy", "concrete", "kin8nm", "power-plant")
CLASSIFICATION = (
    *("balloons", "fertility", "breast-tissue", "acute-inflammation"),
    *("acute-nephritis", "pittsburg-bridges-span", "ionosphere"),
    *("breast-cancer-wisc-diag", "blood", "statlog-vehicle"),
    *("statlog-german-credit", "car", "abalone", "spambase", "waveform", "magic"),
)

#: Sets on which objectives are compared.
SETS = (
    *("diabetes", "breast cancer", "digits"),
    *("concrete", "energy", "kin8nm", "power-plant", "yacht"),
)


def raw(name, folder=None):
    """Return inputs and targets; a set without a known kind is a path."""
    if name in SHIPPED:
        return load_shipped(name)
    # The collection's own version counts rows without a label as a class.
    if name == "pittsburg-bridges-span":
        return load_folder(f"classification_raw/{name}_corrected", folder)
    kinds = {"regression": REGRESSION, "classification": CLASSIFICATION}
    kind = next((f"{kind}/" for kind, names in kinds.items() if name in names), "")
    return load_folder(kind + name, folder)


def present(names, folder):
    """Return the sets that can be read, and tell which cannot."""
    absent = [name for name in names if name not in SHIPPED and not folder]
    if absent:
        print(f"absent sets, for want of --data: {', '.join(absent)}")
    return [name for name in names if name not in absent]


def labelled(name, folder=None):
    """Return inputs, targets, and whether these are numbers rather than labels."""
    X, y = raw(name, folder)
    is_regression = name in (*REGRESSION, "diabetes")
    return X, y if is_regression else y.astype(int), is_regression


def signed(name, folder=None):
    """Return standardised inputs and labels of -1 and 1."""
    X, y = raw(name, folder)
    return scale(X), np.where(y == y.max(), 1.0, -1.0)


def standardised(name, folder=None):
    """Return standardised inputs and targets, constant inputs being zero.

    Breast cancer and the digits, odd against even, are labels of two classes.
    """
    X, y = raw(name, folder)
    return scale(X), scale(y % 2 if name == "digits" else y)


@lru_cache(maxsize=1)
def priced(name, folder=None):
    """Return standardised inputs and targets, and beta_max.

    It is an estimate from below of the smallest penalty for which the zero network is
    optimal, found by the searching solver.
    """
    X, y = standardised(name, folder)
    search = ConvexReLURegressor(beta_ratio=2.0, solver="active_set", random_state=0)
    return X, y, search.fit(X, y).beta_max_


def draw_cells(X, n_cells, random_state=0):
    """Return sampled cells of `X` with a bias column, which comes last."""
    inputs = np.column_stack([X, np.ones(len(X))])
    return sample_cells(inputs, n_cells, np.random.RandomState(random_state))
