"""The numbers of the interior point that were tuned."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["COUPLED", "UNCOUPLED", "BarrierNumbers"]


@dataclass(frozen=True)
class BarrierNumbers:
    """Numbers of a path and of its Newton systems.

    Attributes
    ----------
    most_steps : int
        Newton steps of a path: 20 to 60 are usual.
    patience : int
        Steps without a smaller gap after which rounding has won.
    poor, larger : float
        Gap above which a path that stopped is followed once more, with factorisations
        whose diagonals are raised by the second number.
    to_boundary : float
        Share of the way to the boundary that a step may go.
    n_correctors, worthwhile : int, float
        Correctors that follow a step, and what the step lengths must gain from one.
    long : float
        Step lengths that need no corrector.
    lengthened : (float, float)
        Factor on a step length, and what is added, for the one that a corrector wants.
    centred : (float, float)
        Products of slack and multiplier, relative to their target, that are left alone.
    least_shrinking : float
        Smallest target of mu, relative to the present one.
    last_share : float
        Share of the wanted gap that mu leaves in the end.
    refined_below : float
        Gap below which Newton systems are refined: rounding does not matter before.
    start_share, start_slack : float
        Gap that mu stands for at a given start, and the least slack there, relative to
        the mean one: a point on the boundary would hold all steps back.
    gate_mu, gate_slack : float
        Mu at the gates, in losses of the zero network per slack, and the least slack
        there, relative to the mean one.
    zero_slack : float
        Slacks at zero, relative to those of units that share the penalty evenly.
    shifts : tuple of float
        Raises of the diagonal, relative to its mean, that factorisations try in turn.
        Raises slow the last steps down, but steady them where features differ by orders
        of magnitude.
    chunk : int
        Numbers in the rows of the units that are factorised at once: half a cache.
    n_added : int
        Directions whose products are added to a matrix at once, at least.
    """

    most_steps: int = 200
    patience: int = 30
    poor: float = 1e-5
    larger: float = 1e-14
    to_boundary: float = 0.99
    n_correctors: int = 2
    worthwhile: float = 0.02
    long: float = 0.9
    lengthened: tuple[float, float] = (1.08, 0.1)
    centred: tuple[float, float] = (0.1, 10.0)
    least_shrinking: float = 0.05
    last_share: float = 0.03
    refined_below: float = 1.0
    start_share: float = 0.1
    start_slack: float = 0.01
    gate_mu: float = 10.0
    gate_slack: float = 0.1
    zero_slack: float = 0.1
    shifts: tuple[float, ...] = (0.0, 1e-16, 1e-15, 1e-14, 1e-13, 1e-11, 1e-9)
    chunk: int = 2**16
    n_added: int = 256


#: Over given cells. Times on diabetes, of these and of blocks: docs/decisions.
UNCOUPLED = BarrierNumbers()

#: Over blocks of three layers, whose last digits cost more: many coupled cones have
#: hardly an interior.
COUPLED = replace(UNCOUPLED, patience=12, last_share=0.3)
