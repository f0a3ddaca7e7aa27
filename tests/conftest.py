"""Floating-point errors fail a test wherever they are raised; one thread for all."""

import numpy as np
import pytest
import scipy.linalg  # noqa: F401, so that its threads are there to be limited
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread_of_linear_algebra():
    """Leave the cores to the workers, whose threads would wait for each other."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(autouse=True)
def raised_floating_point_errors():
    """Raise what would be a RuntimeWarning; results that underflow are zero."""
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield
