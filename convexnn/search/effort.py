"""How much a search does in each of its steps, by the tolerance that it is to reach."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CLOSE", "COARSE", "ROUGH", "Effort"]

#: Tolerance above which descents alone end near enough to the optimum.
COARSE = 1e-2


@dataclass(frozen=True)
class Effort:
    """How much is done in each step of a search.

    Attributes
    ----------
    slow : float
        Relative decrease per step below which a descent from random units ends.
    cheap : float
        Rows times squared columns times groups of a program that a polish may handle
        in any round.
    affordable : float
        The same after a round of descents that gained nothing.
    exact : float
        Relative gap to which the finite program is solved, as a share of the tolerance.
        The dual point wants a far more exact solution than the network does.
    n_exact : int
        Local maxima that are made exact in a round, at most.
    stages : tuple of (float, int)
        Smoothing and most steps of the descents in a round without a polish.
    """

    slow: float
    cheap: float
    affordable: float
    exact: float
    n_exact: int
    stages: tuple


#: Efforts for tolerances below and from `COARSE`. The second was chosen by its time
#: to a gap of 0.1, and its predictions, on eight UCI sets.
CLOSE = Effort(
    slow=2e-5,
    cheap=3e8,
    affordable=5e9,
    exact=1e-3,
    n_exact=100,
    stages=((0.01, 100), (0.001, 100)),
)
ROUGH = Effort(
    slow=1e-4,
    cheap=2e8,
    affordable=3e8,
    exact=5e-2,
    n_exact=20,
    stages=((0.03, 50), (0.003, 50)),
)
