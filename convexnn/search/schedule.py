"""The numbers of a search that were tuned, by the hidden layers of its units."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..architectures import Architecture
from ..architectures.rectifiers import Rectifier, parabolic, rounded
from .climbing import PLAIN, SMOOTHED

__all__ = [
    "ALONG_PATHS",
    "COARSE",
    "POLISH",
    "AlongPaths",
    "Climb",
    "Growth",
    "Heads",
    "Polish",
    "Pricing",
    "Schedule",
    "Stages",
    "schedule_of",
]

#: Tolerance above which descents alone end near enough to the optimum.
COARSE = 1e-2


@dataclass(frozen=True)
class Stages:
    """Descents one after the other.

    Attributes
    ----------
    widths : tuple of (float, int)
        Smoothing and most steps of each.
    least : float, default=0.0
        Relative decrease per step below which one ends.
    """

    widths: tuple[tuple[float, int], ...]
    least: float = 0.0


@dataclass(frozen=True)
class Climb:
    """Climbs of a pricing from one kind of starts.

    Attributes
    ----------
    start : {"mixed", "far", "near", "known"}
        "mixed": random directions, half of them white over the inputs, and the longest
        units slightly perturbed. "far": random ones. "near": perturbed known ones.
        "known": units and the maxima of the last dual point as they are.
    ways : tuple of (callable, tuple, int)
        What stands for the rectifier, stages, and steps of a stage, each from the same
        starts. Without any the starts are left as they are.
    share : float, default=1.0
        Starts, as a share of those of a pricing.
    is_white : bool, default=False
        Whether to draw and climb in coordinates in which the inputs are white.
    """

    start: str
    ways: tuple[tuple[Rectifier, tuple[tuple[float, float], ...], int], ...]
    share: float = 1.0
    is_white: bool = False


@dataclass(frozen=True)
class Pricing:
    """What is judged, made exact and pursued of the ends of climbs.

    Attributes
    ----------
    promising : float
        Share of beta, or of the largest price, above which a maximum is made exact.
    n_exact, exact_numbers : int
        Maxima that are made exact at least, and by how many numbers of X that can be
        gone through.
    many_rows : int
        Rows beyond which climbing begins on every second row, or fewer.
    n_pursued, similar : int, float
        Directions, distinct up to 1 minus this cosine, that then climb over all rows.
    shaken : tuple of float
        Norms of the perturbations of known directions.
    """

    promising: float = 0.95
    n_exact: int = 10
    exact_numbers: int = 20_000_000
    many_rows: int = 5000
    n_pursued: int = 64
    similar: float = 1e-2
    shaken: tuple[float, ...] = (0.1, 0.3)


@dataclass(frozen=True)
class Growth:
    """Widths of random starts that grow as the penalty falls.

    Attributes
    ----------
    many : float
        Share of the price of the zero network from which narrow starts do.
    narrowest, widest_first : int
        Units of the narrowest start, and of the widest first one.
    widening : int
        How much wider each further start is.
    power : float
        Growth of the widest start with that of the price over beta.
    apart : float
        Ratio of widths from which a further start is worth making.
    """

    many: float = 0.1
    narrowest: int = 50
    widest_first: int = 400
    widening: int = 4
    power: float = 0.9
    apart: float = 1.5


@dataclass(frozen=True)
class Heads:
    """What differs for several outputs.

    Attributes
    ----------
    few_directions, most_directions : int
        Columns times groups of a polish, the size of its systems, in any round and
        after one that gained nothing.
    n_entering : int
        Local maxima that enter in a round, at most.
    same : float
        1 less the cosine up to which they, or units, are taken for the same.
    """

    few_directions: int = 300
    most_directions: int = 1500
    n_entering: int = 40
    same: float = 1e-2


@dataclass(frozen=True)
class Schedule:
    """Numbers of a search.

    Attributes
    ----------
    begin, again : tuple of Stages
        Descents from the first random units, and from further ones.
    warm : tuple of Stages
        Descents from a network that is given.
    stages : Stages
        Descents of a round.
    fine, wide_gap : Stages, float
        Those while the gap is above this: the cells are so narrow that smoothing more
        would undo what is known.
    last : Stages or None
        Descents before the end, or after a polish that fixes heads.
    least_capped : float
        `least` of the descents of a round where networks are cut to their largest
        units.
    widths : tuple of int or None
        Units of the random starts; None for widths that grow with the price of the
        zero network over beta.
    growth : Growth
        How they grow.
    n_rough : int
        Units of a path of descents alone.
    most_rounds, patience : int
        Rounds, and rounds without progress, after which the search ends.
    enough : int
        Rounds without progress after which it makes the effort of tight tolerances.
    worthwhile : float
        Share of the tolerance that a round should gain.
    counts_bound : bool
        Whether a better bound is progress.
    narrow_gap : float
        Relative gap below which rounds do better than a wider start.
    n_starts : int
        Random directions that a pricing climbs from.
    fewer : int
        One in so many starts price the zero network where a better one is known.
    climbs : tuple of Climb
        Climbs of a pricing.
    pricing : Pricing
        What is made of their ends.
    violated : float
        Price, as a share of beta, from which a direction is worth bringing in.
    n_listed, low_rank : int
        Most cells of a whole arrangement, of at most this rank, that prices are proved
        over.
    n_kept : int
        Local maxima that are kept as starts of the next pricing, at most.
    n_exact : int
        Local maxima that are made exact in a round, at most.
    n_entering : int
        Local maxima that enter in a round, at most.
    heads : Heads
        What differs for several outputs.
    weighs : bool
        Whether all units are weighed anew, jointly, in place of a line search over
        those that enter and of pruning.
    cheap, affordable : float
        Size of a program that a polish may handle in any round, and after a round that
        gained nothing.
    exact : float
        Relative gap to which a polish solves, as a share of the tolerance. The dual
        point wants a far more exact solution than the network does.
    least_exact : float
        Smallest relative gap of a polish.
    n_polish : int or None
        Most steps of a polish; None for as many as it takes.
    dust : float
        Norm of units that a polish leaves out, relative to the longest. They are part
        of the dual point that is priced, whose error is about the square root of the
        objective's.
    pruned, finish : float
        Tolerance of the pruning after a descent, relative to the gap, and of that at
        the end, relative to the tolerance.
    starts_again : bool
        Whether a gap is confirmed by a fresh random start before it is believed.
    """

    begin: tuple[Stages, ...]
    again: tuple[Stages, ...]
    stages: Stages
    warm: tuple[Stages, ...] = ()
    fine: Stages | None = None
    wide_gap: float = 0.5
    last: Stages | None = None
    least_capped: float = 2e-6
    widths: tuple[int, ...] | None = None
    growth: Growth = Growth()
    n_rough: int = 100
    most_rounds: int = 60
    patience: int = 5
    enough: int = 2
    worthwhile: float = 0.05
    counts_bound: bool = True
    narrow_gap: float = 0.02
    n_starts: int = 256
    fewer: int = 4
    climbs: tuple[Climb, ...] = ()
    pricing: Pricing = Pricing()
    violated: float = 1 + 1e-4
    n_listed: int = 5000
    low_rank: int = 3
    n_kept: int = 512
    n_exact: int = 100
    n_entering: int = 200
    heads: Heads = Heads()
    weighs: bool = False
    cheap: float = 3e8
    affordable: float = 5e9
    exact: float = 1e-3
    least_exact: float = 1e-6
    n_polish: int | None = None
    dust: float = 1e-4
    pruned: float = 2e-4
    finish: float = 0.1
    starts_again: bool = False


_SMOOTHER = ((0.1, 1000), (0.03, 100), (0.01, 100), (0.003, 50), (0.001, 50))

#: Units of one hidden layer, for tolerances below `COARSE`. Measured on 24 cases of
#: benchmarks/two_layer.
CLOSE = Schedule(
    begin=(Stages(((0.0, 60),)), Stages(_SMOOTHER, 2e-5)),
    again=(Stages(_SMOOTHER, 2e-5),),
    stages=Stages(((0.01, 100), (0.001, 100))),
    last=Stages(((0.001, 100),)),
    climbs=(
        Climb("mixed", ((parabolic, SMOOTHED, 15), (parabolic, PLAIN, 15))),
        Climb("known", ((parabolic, PLAIN, 15),)),
    ),
)

#: The same for other tolerances. Chosen by the time to a gap of 0.1, and by
#: predictions, on eight UCI sets.
ROUGH = replace(
    CLOSE,
    begin=(Stages(((0.0, 60),)), Stages(_SMOOTHER, 1e-4)),
    again=(Stages(_SMOOTHER, 1e-4),),
    stages=Stages(((0.03, 50), (0.003, 50))),
    cheap=2e8,
    affordable=3e8,
    exact=5e-2,
    n_exact=20,
)

_FROM_RANDOM = (
    *((0.0, 60), (0.1, 1000), (0.03, 300), (0.01, 300), (0.003, 200)),
    *((0.001, 200), (0.0003, 200), (0.0001, 200), (0.0, 300)),
)
_IN_ROUNDS = Stages(
    ((0.01, 300), (0.003, 300), (0.001, 300), (0.0003, 300), (0.0, 300)), 2e-6
)

#: Climbs of units of several layers. Without smoothing they end far below the penalty,
#: wherever they begin. From random directions the best maxima are found by wide
#: smoothing and many steps; the narrow ones, of hidden units that cancel each other,
#: only from close to the units in use and to the maxima of the last dual point. Two
#: ways of rounding the kinks lead to different maxima, and wide smoothing hides those
#: where rows tie. With features of different scales the gradient on the sphere points
#: along the largest ones, so that half of the climbs go in white coordinates.
_FAR = tuple(
    Climb("far", ((rectifier, SMOOTHED[first:], 40),), 1 / 8, is_white)
    for rectifier, first in ((rounded, 0), (parabolic, 0), (parabolic, 2))
    for is_white in (False, True)
)
_NEAR = tuple(
    Climb("near", ((parabolic, SMOOTHED[1:], 20),), 1 / 4, is_white)
    for is_white in (False, True)
)

#: Units of two hidden layers. Measured on the convergence and UCI sets of
#: benchmarks/three_layer.
DEEP = Schedule(
    begin=(Stages(_FROM_RANDOM, 2e-5),),
    again=(Stages(_FROM_RANDOM, 2e-5),),
    warm=(_IN_ROUNDS,),
    stages=_IN_ROUNDS,
    fine=Stages(((0.001, 300), (0.0003, 300), (0.0001, 300), (0.0, 400)), 2e-6),
    last=Stages(((0.001, 100), (0.0003, 200), (0.0, 200))),
    widths=(30, 100),
    n_rough=30,
    most_rounds=20,
    patience=3,
    worthwhile=0.1,
    counts_bound=False,
    narrow_gap=0.0,
    n_starts=512,
    climbs=(Climb("known", ()), *_FAR, *_NEAR),
    n_kept=40,
    n_exact=0,
    n_entering=40,
    weighs=True,
    cheap=2e6,
    affordable=2e6,
    exact=0.0,
    least_exact=1e-5,
    n_polish=60,
    dust=1e-6,
    starts_again=True,
)


@dataclass(frozen=True)
class Polish:
    """Limits of the steps of a polish.

    Attributes
    ----------
    short, long : int
        Most steps where the loss is quadratic or heads are fixed, and elsewhere.
    n_models : int
        Quadratic models of other losses that a given limit stands for.
    """

    short: int = 300
    long: int = 2000
    n_models: int = 20


@dataclass(frozen=True)
class AlongPaths:
    """Descents from penalty to penalty.

    Attributes
    ----------
    first_steps, steps : int
        Most quasi-Newton steps at the first penalty and at each further one.
    no_better : float
        Share of the zero network's loss above which a path has not begun yet.
    dead, revived : float
        Norm of units that have died, as a share of the longest, and of those that take
        their place, as a share of the mean of the others.
    """

    first_steps: int = 200
    steps: int = 40
    no_better: float = 0.99
    dead: float = 1e-3
    revived: float = 1e-2


POLISH = Polish()

#: Steps by predictions and seconds of regressions of 337 to 1,066 rows.
ALONG_PATHS = AlongPaths()


def schedule_of(architecture: Architecture, tol: float) -> Schedule:
    """Return the schedule of a search to some relative gap."""
    if architecture.degree > 1:
        return DEEP
    return ROUGH if tol >= COARSE else CLOSE
