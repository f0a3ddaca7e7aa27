"""What a solver reached, and when."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Clock", "History"]


@dataclass(frozen=True)
class History:
    """Best objective and best dual bound of a fit against time.

    Attributes
    ----------
    seconds : ndarray of shape (n_records,)
        CPU seconds of the process since the solver began.
    objective : ndarray of shape (n_records,)
        Smallest objective so far; it never rises.
    dual : ndarray of shape (n_records,)
        Largest dual bound so far. Where it is an estimate it falls when later pricing
        refutes it.
    n_neurons : ndarray of shape (n_records,)
        Hidden units of the network with that objective.

    Examples
    --------
    >>> from convexnn.solvers.history import Clock
    >>> clock = Clock()
    >>> clock.record(4.0, 1.0, 7)
    >>> clock.record(2.0, 1.5, 5)
    >>> history = clock.history()
    >>> history.objective.tolist(), history.dual.tolist()
    ([4.0, 2.0], [1.0, 1.5])
    """

    seconds: np.ndarray
    objective: np.ndarray
    dual: np.ndarray
    n_neurons: np.ndarray

    def in_units(self, scale: float) -> History:
        """Return the history with its values multiplied by `scale`."""
        return History(
            self.seconds, self.objective * scale, self.dual * scale, self.n_neurons
        )


@dataclass
class Clock:
    """Collects records while a solver runs."""

    started: float = field(default_factory=time.process_time)
    records: list[tuple[float, float, float, int]] = field(default_factory=list)

    def record(self, objective: float, dual: float, n_neurons: int) -> None:
        """Note what has been reached by now."""
        now = time.process_time() - self.started
        if self.records:
            _, best, _, neurons = self.records[-1]
            if objective >= best:
                objective, n_neurons = best, neurons
        self.records.append((now, objective, dual, n_neurons))

    def history(self) -> History:
        """Return the records as arrays."""
        table = np.array(self.records, dtype=float).reshape(-1, 4).T
        seconds, objective, dual, n_neurons = table
        return History(seconds, objective, dual, n_neurons.astype(int))
