"""The numbers of the semismooth Newton method that were tuned."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["NEWTON", "NUCLEAR", "NewtonNumbers"]


@dataclass(frozen=True)
class NewtonNumbers:
    """Numbers of the proximal-point and Newton steps, and of their systems.

    Attributes
    ----------
    first_sigma, warm_sigma : float
        First sigma from zeros and from a given start, in units of one over the largest
        eigenvalue of X'X.
    growth, retreat : float
        Factor on sigma from one subproblem to the next, and where rounding asks for
        less.
    inexactness : float
        A subproblem is solved until its gap is this share of the step's proximal term.
    flatness, n_trials : float, int
        Share of the first slope at which a search along a step ends, and its most
        trials.
    patience : int
        Newton steps without a smaller gap after which rounding has won.
    residual, n_products : float, int
        Residual, relative to the gradient, and products of conjugate gradients.
    smaller : float
        Directions, as a share of the rows, up to which the system is of their size.
    block : int
        Numbers in a block of directions.
    """

    first_sigma: float = 1e2
    warm_sigma: float = 1e5
    growth: float = 4.0
    retreat: float = 0.2
    inexactness: float = 0.5
    flatness: float = 0.3
    n_trials: int = 15
    patience: int = 40
    residual: float = 0.1
    n_products: int = 60
    smaller: float = 0.7
    block: int = 2**20


#: Times over given cells are those of benchmarks/given_cells.
NEWTON = NewtonNumbers()

#: Several outputs without cones, whose systems are solved by products alone.
NUCLEAR = replace(NEWTON, residual=0.05, n_products=400)
