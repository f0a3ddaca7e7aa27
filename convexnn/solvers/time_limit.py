"""A limit in seconds that every loop below it can ask for.

Whoever starts a fit sets the limit once, with :func:`time_limit`; loops ask
:func:`is_out_of_time` after every step and end with the best that they have. So no
function between the two has to hand a clock on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["OUT_OF_TIME", "is_out_of_time", "seconds_left", "time_limit"]

#: Status of what a limit has ended.
OUT_OF_TIME = "time limit reached"

_DEADLINE = ContextVar("deadline", default=float("inf"))


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Let loops in this block end after so many seconds of wall time.

    Parameters
    ----------
    seconds : float or None
        The limit; None for none. A limit around this one holds as well.

    Examples
    --------
    >>> from convexnn.solvers.time_limit import is_out_of_time, time_limit
    >>> with time_limit(0.0):
    ...     is_out_of_time()
    True
    >>> is_out_of_time()
    False
    """
    deadline = _DEADLINE.get()
    if seconds is not None:
        deadline = min(deadline, time.monotonic() + seconds)
    token = _DEADLINE.set(deadline)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def seconds_left() -> float:
    """Return the seconds until the limit, infinity without one; never negative."""
    return max(_DEADLINE.get() - time.monotonic(), 0.0)


def is_out_of_time() -> bool:
    """Return whether the limit has been reached."""
    return time.monotonic() >= _DEADLINE.get()
