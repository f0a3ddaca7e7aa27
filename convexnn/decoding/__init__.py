"""Labels ``sum_j max(w_j + x_j, 0)`` and the weights back: encoder, decoder, theory."""

from .encoder import DecodingProblem, Evaluation, Slopes, encode
from .progress import Decoded, Settings
from .solvers import decode
from .theory import TailQuantities, tail_quantities

__all__ = [
    "Decoded",
    "DecodingProblem",
    "Evaluation",
    "Settings",
    "Slopes",
    "TailQuantities",
    "decode",
    "encode",
    "tail_quantities",
]
