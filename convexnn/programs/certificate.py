"""Duality gaps, and what they hold over.

A dual point v (three-layer paper, eq. 6, for two layers) is feasible for a program
if ``norm2(projection of sign * X'D v on the group's cone) <= beta`` for all groups;
without cones the projection drops out. The largest of these norms, the price of v,
is what a dual point must be divided by, and the price of the zero network's dual
point is ``beta_max``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .cones import Projection, project_on_cone
from .program import ConvexProgram

__all__ = [
    "Certificate",
    "Prices",
    "ProjectionCache",
    "certify",
    "feasible_point",
    "price_groups",
]


@dataclass(frozen=True)
class Certificate:
    """How far from the optimum a fit can be.

    Attributes
    ----------
    primal : float
        Objective of the fitted network, in the caller's units.
    dual : float
        Lower bound on the objective of every network that `scope` covers.
    scope : {"cells", "all", "search"}
        "cells": networks whose units stay in the listed cells. "all": the listed
        cells are the whole arrangement, so every network of any width. "search":
        every network, but `dual` rests on local pricing and is an estimate.
    is_capped : bool
        True if units were removed to respect `max_neurons`. The bound still holds,
        but it is one for networks of any width, so the gap is not a measure of how
        well the capped problem was solved.
    n_starts : int or None
        For "search": directions that pricing climbed from.
    bound : float or None
        After a search: a rigorous lower bound for every network. With scope "search" it
        is looser than `dual`, from
        :func:`convexnn.architectures.bounds.relu_price_bound`; with "all", where the
        search could list the whole arrangement, it is `dual`.

    Examples
    --------
    >>> from convexnn.programs.certificate import Certificate
    >>> certificate = Certificate(primal=2.0, dual=1.5, scope="all")
    >>> certificate.gap, certificate.relative_gap
    (0.5, 0.25)
    """

    primal: float
    dual: float
    scope: str
    is_capped: bool = False
    n_starts: int | None = None
    bound: float | None = None

    @property
    def is_estimate(self) -> bool:
        """Whether `dual`, and so the gap, is an estimate and not a bound."""
        return self.scope == "search"

    @property
    def gap(self) -> float:
        """Primal less dual: an upper bound on the distance to the optimum."""
        return max(self.primal - self.dual, 0.0)

    @property
    def relative_gap(self) -> float:
        """Gap divided by the primal value; 0 where both are 0."""
        return self.gap / self.primal if self.gap > 0 else 0.0

    def in_units(self, scale: float) -> Certificate:
        """Return the certificate with its values multiplied by `scale`."""
        return replace(
            self,
            primal=self.primal * scale,
            dual=self.dual * scale,
            bound=None if self.bound is None else self.bound * scale,
        )

    def __repr__(self) -> str:
        parts = [f"primal={self.primal:.10g}", f"dual={self.dual:.10g}"]
        parts += [f"relative_gap={self.relative_gap:.3g}", f"scope={self.scope!r}"]
        if self.is_capped:
            parts.append("is_capped=True")
        if self.is_estimate:
            parts.append(f"bound={self.bound:.10g}")
            parts.append(f"dual is an estimate from {self.n_starts} starts")
        return f"Certificate({', '.join(parts)})"


@dataclass(frozen=True)
class Prices:
    """Norms of the projected correlations of all groups with a dual point.

    Attributes
    ----------
    bounds : ndarray of shape (n_groups,)
        Upper bounds on the norms.
    is_exact : ndarray of shape (n_groups,), bool
        Where the bound is the norm itself.
    """

    bounds: np.ndarray
    is_exact: np.ndarray

    @property
    def largest(self) -> float:
        """Upper bound on all norms."""
        return float(self.bounds.max(initial=0.0))

    def above(self, threshold: float) -> np.ndarray:
        """Return the groups whose exact norm exceeds the threshold, largest first."""
        order = np.argsort(-self.bounds, kind="stable")
        return order[(self.bounds[order] > threshold) & self.is_exact[order]]


class ProjectionCache:
    """Rows that were active at each group's last projections, as warm starts."""

    def __init__(self) -> None:
        self._rows: dict[tuple, np.ndarray] = {}

    def project(
        self,
        program: ConvexProgram,
        group: int | np.integer,
        vector: np.ndarray,
        *,
        role: str,
        stop_below: float = -1.0,
    ) -> Projection:
        """Project a vector on the group's cone; `role` keeps price and primal apart."""
        key = (role, program.cell_of[group], program.sign[group].tobytes())
        result = project_on_cone(
            program.X,
            program.side[:, group],
            vector,
            rows=self._rows.get(key),
            stop_below=stop_below,
        )
        self._rows[key] = result.rows[result.multipliers > 0]
        return result


def price_groups(
    program: ConvexProgram,
    v: np.ndarray,
    *,
    threshold: float = 0.0,
    wanted: int = 1,
    multipliers: Sequence[np.ndarray] | None = None,
    cache: ProjectionCache | None = None,
) -> Prices:
    """Bound the price of every group, exactly where it matters.

    Groups are refined in the order of their bounds until the largest bound is exact
    or no larger than the threshold.

    Parameters
    ----------
    program : ConvexProgram
        Program whose groups are priced.
    v : ndarray of shape (n,) or (n, q)
        Dual point.
    threshold : float, default=0.0
        Bounds at or below it are not refined.
    wanted : int, default=1
        Keep refining until this many groups exceed the threshold, or none can.
    multipliers : sequence of ndarray, default=None
        Non-negative multipliers of every family of cones, from a solver. Those of the
        groups' cones, of shape (n, n_groups), tighten bounds. Those of coupled cones
        are part of the dual point: by duality the price of a unit is the smallest,
        over them, of the largest price of its groups; without them it is bounded.
    cache : ProjectionCache, default=None
        Warm starts.

    Returns
    -------
    Prices
        Bounds of all groups.
    """
    correlations = program.correlations(v)
    bounds = program.dual_norms(correlations)
    if not program.has_cones:
        return Prices(bounds, np.ones(len(bounds), dtype=bool))
    if multipliers is not None:
        if program.coupled:
            correlations = correlations + program.pull_back((None, *multipliers[1:]))
            bounds = program.dual_norms(correlations)
        shifted = correlations + program.pull_back(multipliers[:1])
        bounds = np.minimum(bounds, program.dual_norms(shifted))
    return _refine(
        program, correlations, bounds, threshold, wanted, cache or ProjectionCache()
    )


def _refine(program, correlations, bounds, threshold, wanted, cache):
    is_exact = np.zeros(len(bounds), dtype=bool)
    best, n_above = 0.0, 0
    for group in np.argsort(-bounds, kind="stable"):
        enough = best if n_above >= wanted else 0.0
        floor = max(threshold, enough)
        if bounds[group] <= floor:
            break
        result = cache.project(
            program, group, correlations[:, group], role="price", stop_below=floor
        )
        bounds[group] = min(result.norm, bounds[group])
        is_exact[group] = result.is_exact
        if result.is_exact:
            best = max(best, bounds[group])
            n_above += bounds[group] > threshold
    return Prices(bounds, is_exact)


def feasible_point(
    program: ConvexProgram, U: np.ndarray, *, cache: ProjectionCache | None = None
) -> np.ndarray:
    """Project each group on its cone; groups inside it are left as they are.

    Points of programs with coupled cones are left alone: they stand for networks whose
    objective is computed with all rectifiers.
    """
    if not program.has_cones or program.coupled:
        return U
    cache = cache or ProjectionCache()
    slack = program.slack(U)
    norms = np.linalg.norm(U, axis=0)
    outside = np.flatnonzero(slack.min(axis=0, initial=0.0) < -1e-13 * norms)
    if not len(outside):
        return U
    U = U.copy()
    for group in outside:
        U[:, group] = cache.project(program, group, U[:, group], role="primal").point
    return U


def certify(
    program: ConvexProgram,
    U: np.ndarray,
    *,
    wanted: int = 1,
    multipliers: Sequence[np.ndarray] | None = None,
    cache: ProjectionCache | None = None,
) -> tuple[np.ndarray, Certificate, Prices]:
    """Make a point feasible and bound its distance to the optimum of the program.

    The dual point is minus the gradient of the loss at the feasible point, scaled
    by the best factor that keeps it feasible. The primal value is that of the network
    that the point stands for.

    Parameters
    ----------
    program : ConvexProgram
        Program the point belongs to.
    U : ndarray of shape (d, n_groups) or (d, n_groups, q)
        Point to certify, not necessarily feasible.
    wanted : int, default=1
        See :func:`price_groups`; prices are refined above ``beta``.
    multipliers : sequence of ndarray, default=None
        Multipliers of every family of cones, from a solver.
    cache : ProjectionCache, default=None
        Warm starts.

    Returns
    -------
    U : ndarray of shape (d, n_groups) or (d, n_groups, q)
        Feasible point.
    certificate : Certificate
        Its gap, in the program's units.
    prices : Prices
        Prices of the unscaled dual point.
    """
    U = feasible_point(program, U, cache=cache)
    output = program.network_output(U)
    primal = float(program.loss.value(output)) + program.penalty(U)
    v = program.loss.dual_point(output)
    prices = price_groups(
        program,
        v,
        threshold=program.beta,
        wanted=wanted,
        multipliers=multipliers,
        cache=cache,
    )
    dual = program.loss.bound(v, program.beta, prices.largest)
    return U, Certificate(primal, dual, program.scope), prices
