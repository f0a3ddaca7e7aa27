"""Prices over all cells of data whose arrangement is small enough to list."""

from __future__ import annotations

import numpy as np

from ..architectures import Architecture
from ..programs.cells import enumerate_cells
from ..programs.faces import Faces
from ..programs.losses import Loss
from ..programs.program import ConvexProgram
from .schedule import Schedule

__all__ = ["Arrangement", "list_arrangement"]


def list_arrangement(
    architecture: Architecture,
    X: np.ndarray,
    loss: Loss,
    beta: float,
    schedule: Schedule,
) -> Arrangement | None:
    """Return the arrangement of some inputs, or None where it is not listed.

    Parameters
    ----------
    architecture : Architecture
        Of :mod:`convexnn.architectures`.
    X : ndarray of shape (n, d)
        Inputs.
    loss : Loss
        A loss of :mod:`convexnn.programs.losses`.
    beta : float
        Penalty.
    schedule : Schedule
        Up to which rank and number of cells.

    Returns
    -------
    Arrangement or None
        None above these, for several outputs or several hidden layers.
    """
    if loss.is_vector or architecture.degree > 1:
        return None
    if np.linalg.matrix_rank(X) > schedule.low_rank:
        return None
    try:
        cells = enumerate_cells(X, max_patterns=schedule.n_listed)
    except ValueError:
        return None
    return Arrangement(architecture.program(X, loss, beta, cells))


class Arrangement:
    """All cells of some inputs.

    Parameters
    ----------
    program : ConvexProgram
        The program over all of them.
    """

    def __init__(self, program: ConvexProgram) -> None:
        self.program = program
        self._faces = Faces(program.X, program.side)

    def price(self, v: np.ndarray, threshold: float) -> tuple[float, np.ndarray | None]:
        """Return the largest price over all cells, and its direction.

        Parameters
        ----------
        v : ndarray of shape (n,)
            Dual point.
        threshold : float
            Prices at or below it need not be exact.

        Returns
        -------
        price : float
            The price; if it is at or below the threshold, a bound on it.
        direction : ndarray of shape (d,) or None
            Where it is attained, of norm `price`.
        """
        correlations = self.program.correlations(v)
        doubtful = np.flatnonzero(np.linalg.norm(correlations, axis=0) > threshold)
        if not len(doubtful):
            return threshold, None
        points, _, _ = self._faces.project(
            correlations[:, doubtful], doubtful, stop_below=threshold
        )
        prices = np.linalg.norm(points, axis=0)
        largest = int(np.argmax(prices))
        return float(prices[largest]), points[:, largest]
