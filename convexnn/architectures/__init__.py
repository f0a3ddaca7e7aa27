"""Architectures: which units a network sums, their program, and how to undo it.

One architecture a file, a subclass of
:class:`~convexnn.architectures.base.Architecture`; :data:`ARCHITECTURES` names
those of one hidden layer over whole inputs by activation.
"""

from .base import Architecture
from .gated import GatedReLU
from .one_layer import OneLayer
from .parallel import ParallelReLU
from .pooled import ConvolutionalReLU
from .relu import ReLU
from .units import Units

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "ConvolutionalReLU",
    "GatedReLU",
    "OneLayer",
    "ParallelReLU",
    "ReLU",
    "Units",
]

#: Architectures of one hidden layer over whole inputs by the name of their activation.
ARCHITECTURES = {"relu": ReLU(), "gated_relu": GatedReLU()}
