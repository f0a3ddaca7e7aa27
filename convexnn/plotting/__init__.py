"""Display classes: compute once, plot many times. matplotlib is loaded by plotting."""

from .arrangement import ArrangementDisplay
from .convergence import ConvergenceDisplay
from .phase_transition import PhaseTransitionDisplay
from .decoding import DecodingDisplay
from .regularization import RegularizationPathDisplay
from .search import BetaSearchDisplay

__all__ = [
    "ArrangementDisplay",
    "BetaSearchDisplay",
    "ConvergenceDisplay",
    "PhaseTransitionDisplay",
    "DecodingDisplay",
    "RegularizationPathDisplay",
]
