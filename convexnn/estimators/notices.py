"""What a fit tells of what it did not reach."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

from ..checks import warn_user
from ..solvers.time_limit import OUT_OF_TIME

__all__ = ["warn_of_gap", "warn_of_gaps", "warn_of_time"]


def warn_of_gap(trained, *, solver, tol, max_seconds):
    """Warn if the gap of a trained network is above the tolerance."""
    if trained.gap <= tol:
        return
    reached = f"relative duality gap is {trained.gap:.3g}, above tol={tol:g}"
    if trained.status == OUT_OF_TIME:
        warn_of_time(max_seconds, f"the {reached}", "tol, beta or beta_ratio")
        return
    warn_user(
        f"The {reached}, after {trained.n_iter} iterations of solver={solver!r} "
        f"({trained.status}). Standardise X, increase max_iter, tol, beta or "
        "beta_ratio, or try another solver.",
        ConvergenceWarning,
    )


def warn_of_gaps(betas, gaps, tol, *, where=""):
    """Warn once of all penalties whose gap is above the tolerance."""
    missed = gaps > tol
    if missed.any():
        names = ", ".join(f"{beta:.4g}" for beta in betas[missed])
        warn_user(
            f"The relative duality gap is above tol={tol:g}{where} at {missed.sum()} "
            f"of {len(betas)} penalties, up to {gaps.max():.3g}: beta = {names}. "
            "Standardise X and y, increase max_iter or tol, leave out small betas, or "
            "try another solver.",
            ConvergenceWarning,
        )


def warn_of_time(max_seconds, reached, remedy):
    """Warn that a fit was ended by its limit in seconds, of what was reached by then.

    `remedy` is what to do but to raise the limit.
    """
    warn_user(
        f"max_seconds={max_seconds:g} ended the fit: {reached}. Increase max_seconds, "
        f"{remedy}.",
        ConvergenceWarning,
    )
