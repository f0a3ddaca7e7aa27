r"""A primal-dual interior-point method for the relaxation, in the size of the filter.

The objective is divided by beta, so that one set of conditions covers (8) and its
limit (9), where beta is 0::

    sum_ij lambda_ij X_ij = r           b_ij = z_ij - X_ij w >= 0,  b_ij lambda_ij = 0
    v_i = mu_ij + lambda_ij             z_ij >= 0,                  z_ij mu_ij = 0
    sum_j z_ij - beta v_i = y_i

Newton's step eliminates everything but w: with D = lambda / b and Q = mu / z + D, its
matrix is ``sum_ij (D - D^2/Q) X_ij X_ij'`` plus one term of rank 1 a row, that is two
products of the size of the data and one Cholesky factor of the size of the filter.
The linear program has no interior where a label is 0 and z has to be 0, so there z and
mu leave it. Steps are Mehrotra's, predictor and corrector.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..solvers.solution import SolverError
from ..solvers.time_limit import OUT_OF_TIME, is_out_of_time
from .backends import FilterPoint

__all__ = ["solve"]

#: Share of the way to the border that a step may go.
_SHARE = 0.99

#: Filters larger than this, in units of the first guess, are on the way to infinity.
_FAR = 1e10

#: Largest number of iterations, whatever `max_iter` allows: more never helped.
_MOST_ITERATIONS = 100


def solve(program, *, tol, max_iter, verbose=0):
    """Solve a quadratic or linear relaxation.

    Parameters
    ----------
    program : RelaxationProgram
        Not the naive one, which has no linear term.
    tol : float
        Largest relative residual of the conditions above, and relative gap.
    max_iter, verbose
        As for all backends; iterations are Newton steps, a line each.
    """
    with np.errstate(all="ignore"):
        return _Iteration(program).run(
            0.1 * tol, min(max_iter, _MOST_ITERATIONS), verbose
        )


class _Iteration:
    """The point, in units in which multipliers are of the order of 1."""

    def __init__(self, program):
        patches, y = program.patches, program.y
        n, k, p = patches.shape
        self.patches = patches
        rms = np.sqrt(patches.mean_square())
        self.unit = np.linalg.norm(program.direction) / max(
            rms * np.sqrt(n * k * p), 1e-300
        )
        self.r = program.direction / self.unit
        self.beta = (program.beta or 0.0) * self.unit
        is_linear = program.kind == "linear"
        self.y = program.floor if is_linear else y
        # 1.0 for rows whose z may move.
        free = np.where(self.y > 0, 1.0, 0.0) if is_linear else np.ones(n)
        self.free = free[:, None]
        size = np.maximum(self.y, 0.1 * self.y.max()) + self.beta
        self.far = _FAR * size.max() / max(rms, 1e-300)
        self.w = np.zeros(p)
        self.z = np.repeat((size * free)[:, None], k, axis=1) / k
        self.b = np.repeat(size[:, None], k, axis=1) / k
        self.lam = np.ones((n, k))
        self.mu = self.lam * self.free
        self.v = 2.0 * np.ones(n)
        self.n_pairs = float(self.lam.sum() + self.mu.sum())

    def run(self, tol, max_iter, verbose):
        """Iterate and return the point reached."""
        status = "iteration limit"
        for n_iter in range(1, max_iter + 1):
            error = self.measure()
            if verbose > 1:
                print(f"  interior point {n_iter}: complementarity {self.mean:.2e}, "
                      f"largest relative error {error:.2e}")  # fmt: skip
            if not np.isfinite(error) or np.linalg.norm(self.w) > self.far:
                raise SolverError("The interior-point method diverged.")
            if error <= tol:
                status = "tolerance reached"
                break
            if is_out_of_time():
                status = OUT_OF_TIME
                break
            if self.step() < 1e-8:
                status = "no progress within rounding"
                break
        return FilterPoint(
            self._seen_part(self.w), self.lam * self.unit, n_iter, status
        )

    def _seen_part(self, w):
        """Return the part of a filter that changes some response.

        The rest is rounding, magnified by the factor that has to be regular.
        """
        matrix = self.patches.gram(np.ones_like(self.lam))
        sizes = np.sqrt(np.diag(matrix))
        sizes[sizes == 0] = np.inf
        values, vectors = np.linalg.eigh(matrix / sizes / sizes[:, None])
        unseen = vectors[:, values <= len(w) * np.finfo(float).eps * values[-1]]
        sizes[np.isinf(sizes)] = 1.0
        return w - unseen @ (unseen.T @ (w * sizes)) / sizes

    def measure(self):
        """Compute all residuals and return the largest relative one."""
        free, lam = self.free, self.lam
        self.responses = self.patches.responses(self.w)
        self.by_w = self.r - self.patches.adjoint(lam)
        self.by_z = free * (self.v[:, None] - self.mu - lam)
        self.by_v = free[:, 0] * (self.y + self.beta * self.v - self.z.sum(axis=1))
        self.by_b = self.b - self.z + self.responses
        self.mean = (
            float(np.sum(self.z * self.mu) + np.sum(self.b * lam)) / self.n_pairs
        )
        # (beta v)'v + y'v bounds r'w up to the residuals.
        value = abs(float(self.r @ self.w)) + float(np.abs(self.y) @ self.v)
        size = float(np.linalg.norm(self.y))
        return max(
            np.linalg.norm(self.by_w) / np.linalg.norm(self.r),
            np.linalg.norm(self.by_v) / size,
            np.linalg.norm(self.by_b) / size,
            np.linalg.norm(self.by_z) / np.sqrt(self.n_pairs),
            self.mean * self.n_pairs / max(value, 1e-300),
        )

    def step(self):
        """Take one predictor-corrector step and return its length."""
        self._factorise()
        mean, pairs = self.mean, ("z", "b", "mu", "lam")
        predicted = self._direction(-self.z * self.mu, -self.b * self.lam)
        primal, dual = self._lengths(predicted, 1.0)
        z, b, mu, lam = (
            getattr(self, name) + length * predicted[name]
            for name, length in zip(pairs, (primal, primal, dual, dual), strict=True)
        )
        reached = float(np.sum(z * mu) + np.sum(b * lam)) / self.n_pairs
        target = mean * min(reached / mean, 1.0) ** 3
        corrected = self._direction(
            self.free * target - self.z * self.mu - predicted["z"] * predicted["mu"],
            target - self.b * self.lam - predicted["b"] * predicted["lam"],
        )
        primal, dual = self._lengths(corrected, _SHARE)
        for name, change in corrected.items():
            length = primal if name in ("w", "z", "b") else dual
            setattr(self, name, getattr(self, name) + length * change)
        return min(primal, dual)

    def _factorise(self):
        """Form the matrix of Newton's step and its Cholesky factor."""
        self.d = self.lam / self.b
        # z is 0 and mu is 0 in rows that are not free.
        q = self.mu / np.where(self.free, self.z, 1.0) + self.d
        self.inverse_q = self.free / q
        self.ratio = self.d * self.inverse_q
        spread = self.beta + self.inverse_q.sum(axis=1) + (1 - self.free[:, 0])
        self.kappa = self.free[:, 0] / spread
        matrix = self.patches.gram(self.d * np.maximum(1 - self.ratio, 0))
        rows = self.patches.combine(self.ratio * np.sqrt(self.kappa)[:, None])
        matrix += rows.T @ rows
        self.factor = _factor(matrix)

    def _direction(self, by_z_mu, by_b_lam):
        """Return Newton's direction for the given errors of complementarity."""
        z = np.where(self.free, self.z, 1.0)
        by_lam = by_b_lam / self.b + self.d * self.by_b
        h = (by_z_mu / z + by_lam - self.by_z) * self.inverse_q
        balance = self.kappa * (h.sum(axis=1) - self.by_v)
        w = cho_solve(
            self.factor,
            self.by_w
            - self.patches.adjoint(by_lam - self.d * h + self.ratio * balance[:, None]),
            check_finite=False,
        )
        values = self.patches.responses(w)
        moved = h + self.ratio * values
        v = self.kappa * (moved.sum(axis=1) - self.by_v)
        dz = moved - self.inverse_q * v[:, None]
        b = dz - values - self.by_b
        return {
            "w": w,
            "z": dz,
            "b": b,
            "v": v,
            "mu": (by_z_mu - self.mu * dz) / z,
            "lam": (by_b_lam - self.lam * b) / self.b,
        }

    def _lengths(self, change, share):
        """Return how far the primal and the dual variables may go."""
        primal = min(_room(self.z, change["z"]), _room(self.b, change["b"]))
        dual = min(_room(self.mu, change["mu"]), _room(self.lam, change["lam"]))
        if self.beta > 0:
            # With a quadratic term the residuals shrink only by equal steps.
            primal = dual = min(primal, dual)
        return min(1.0, share * primal), min(1.0, share * dual)


def _room(x, change):
    """Return the largest step that keeps ``x + step * change`` non-negative."""
    smallest = np.min(change / x, where=x > 0, initial=0.0)
    return -1 / smallest if smallest < 0 else np.inf


def _factor(matrix):
    """Return the Cholesky factor of a positive semidefinite matrix, made regular.

    Entries are regularised by their own size, since some inputs are hardly ever on;
    those that never are stay where they are.
    """
    diagonal = np.diag_indices(len(matrix))
    sizes = matrix[diagonal].copy()
    seen = sizes > 1e-30 * sizes.max()
    for share in (1e-13, 1e-11, 1e-9):
        matrix[diagonal] = np.where(seen, (1 + share) * sizes, sizes.max())
        try:
            return cho_factor(matrix, check_finite=False)
        except LinAlgError:
            continue
    raise SolverError("The interior-point method lost all precision.")
