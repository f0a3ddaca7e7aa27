"""Floating-point errors fail a test wherever they are raised."""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def raised_floating_point_errors():
    """Raise what would be a RuntimeWarning; results that underflow are zero."""
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield
