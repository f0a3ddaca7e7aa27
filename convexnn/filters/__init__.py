"""One shared filter: its relaxation, the backends of it, training and refinement."""

from .program import (
    Judgement,
    RelaxationProgram,
    data_direction,
    in_recovery_cone,
    moment_filter,
)
from .refinement import Refined, refine_filter, scale_filter
from .trainer import FilterTrainer, TrainedFilter

__all__ = [
    "FilterTrainer",
    "Judgement",
    "Refined",
    "RelaxationProgram",
    "TrainedFilter",
    "data_direction",
    "in_recovery_cone",
    "moment_filter",
    "refine_filter",
    "scale_filter",
]
