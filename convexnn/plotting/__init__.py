"""Display classes: compute once, plot many times. matplotlib is loaded by plotting."""

from .arrangement import ArrangementDisplay
from .convergence import ConvergenceDisplay
from .decoding import DecodingDisplay
from .loss_landscape import LossLandscapeDisplay
from .phase_transition import PhaseTransitionDisplay
from .regularization import BetaSearchDisplay, RegularizationPathDisplay

__all__ = [
    "ArrangementDisplay",
    "BetaSearchDisplay",
    "ConvergenceDisplay",
    "DecodingDisplay",
    "LossLandscapeDisplay",
    "PhaseTransitionDisplay",
    "RegularizationPathDisplay",
]
