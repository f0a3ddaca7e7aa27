"""Architectures: which atoms a network sums, their program, and how to undo it.

An architecture offers

- ``atoms(X, directions)``: the outputs of units on the unit ball;
- ``correlate(X, v, directions)``, ``ascend_cells(X, v, direction)`` and
  ``linearise(X, hidden, output, width)``: correlations with a dual point, their local
  maxima, and a network's output, smoothed, where units can be searched for;
- ``program(X, loss, beta, cells)``: the finite convex program over given cells;
- ``recover(program, U, samples)``: the network of a point of that program;
- ``locate(program, network, samples)``: a point of the program from a network.

One architecture a file; :data:`ARCHITECTURES` names them by activation.
"""

from .gated_relu import GatedReLU
from .relu import ReLU

__all__ = ["ARCHITECTURES", "GatedReLU", "ReLU"]

#: Architectures of one hidden layer by the name of their activation.
ARCHITECTURES = {"relu": ReLU(), "gated_relu": GatedReLU()}
