"""The limit of a fit in seconds: its parameter, and the warning of what it left."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..checks import Interval, Real

__all__ = ["LIMIT_CONSTRAINTS", "warn_of_time"]

#: The parameter of everything that takes long to train.
LIMIT_CONSTRAINTS = {"max_seconds": [Interval(Real, 0, np.inf, closed="neither"), None]}


def warn_of_time(max_seconds, reached, remedy, *, stacklevel):
    """Warn that a fit was ended by its limit in seconds.

    Parameters
    ----------
    max_seconds : float
        The limit.
    reached : str
        What was reached, with its figures.
    remedy : str
        What to do but to raise the limit.
    stacklevel : int
        Of the warning, as seen from here.

    Warns
    -----
    ConvergenceWarning
        Always.
    """
    warnings.warn(
        f"max_seconds={max_seconds:g} ended the fit: {reached}. Increase max_seconds, "
        f"{remedy}.",
        ConvergenceWarning,
        stacklevel=stacklevel,
    )
