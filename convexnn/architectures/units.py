"""Units of a network by the weights of their layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..programs.program import heads_of, lengths_of

__all__ = ["Units"]


@dataclass(frozen=True)
class Units:
    """Weights of the units of a network ``sum_k phi(X; z_k) a_k'``, in solvers' units.

    Attributes
    ----------
    hidden : ndarray of shape (p, m)
        Directions z, one unit a column: the layers before the last, one after the
        other.
    output : ndarray of shape (m,) or (m, q)
        Output weights a.
    """

    hidden: np.ndarray
    output: np.ndarray

    def __len__(self) -> int:
        return len(self.output)

    @property
    def heads(self) -> np.ndarray:
        """Signs of the output weights, or for several outputs their directions."""
        return heads_of(self.output)

    @property
    def lengths(self) -> np.ndarray:
        """Norms of the output weights, of shape (m,)."""
        return lengths_of(self.output)

    def take(self, index: np.ndarray | slice) -> Units:
        """Return some of the units."""
        return Units(self.hidden[:, index], self.output[index])

    def joined(self, other: Units) -> Units:
        """Return the network with the units of both."""
        return Units(
            np.concatenate([self.hidden, other.hidden], axis=1),
            np.concatenate([self.output, other.output]),
        )
