"""Architectures: which atoms a network sums, their program, and how to undo it.

An architecture offers

- ``features``: what a solver has to know of its programs, a set of names of
  :data:`~convexnn.programs.program.FEATURES`;
- ``atoms(X, directions)``: the outputs of units on the unit ball;
- ``correlate(X, v, directions, widths)``, ``spread(X, directions)``,
  ``ascend_cells(X, v, direction)``, ``heads(X, v, directions, signs)``,
  ``random_heads(m, y, random_state)``, ``linearise(X, hidden, output, width)``,
  ``thin(X, v, step)`` and ``price_bound(X, v)``, where units can be searched for:
  correlations with a dual point, smoothed or not, their local maxima, the signs or
  directions of output weights there and at random, a network's output, smoothed, fewer
  inputs, and a bound on the price;
- ``program(X, loss, beta, cells)``: the finite convex program over given cells;
- ``network(units, offset, samples)``: the network of units that descents led to;
- ``recover(program, U, samples)``: the network of a point of that program;
- ``locate(program, network, samples)``: a point of the program from a network.

One architecture a file; :data:`ARCHITECTURES` names them by activation.
"""

from .convolutional_relu import ConvolutionalReLU
from .gated_relu import GatedReLU
from .relu import ReLU
from .vector_gated_relu import VectorGatedReLU
from .vector_relu import VectorReLU

__all__ = [
    "ARCHITECTURES",
    "SEVERAL_OUTPUTS",
    "ConvolutionalReLU",
    "GatedReLU",
    "ReLU",
    "VectorGatedReLU",
    "VectorReLU",
]

#: Architectures of one hidden layer over whole inputs by the name of their activation.
ARCHITECTURES = {"relu": ReLU(), "gated_relu": GatedReLU()}

#: Their forms for several outputs, by the name of the form for one.
SEVERAL_OUTPUTS = {"relu": VectorReLU(), "gated_relu": VectorGatedReLU()}
