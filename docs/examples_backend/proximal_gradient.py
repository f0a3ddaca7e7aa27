"""A solver backend in one file: proximal gradient steps for gated ReLU networks."""

import numpy as np

from convexnn.programs.certificate import certify
from convexnn.solvers import Solution, register_backend


def solve(program, *, tol, max_iter, start, verbose, options):
    """Repeat ``U <- shrink(U - step * gradient)`` until the duality gap is met."""
    loss, check_every = program.loss, options.get("check_every", 25)
    # With A the map from U to the output, A A' is the sum of D X X' D over the groups,
    # and centring on both sides accounts for the output intercept.
    gram = (program.X @ program.X.T) * (program.mask @ program.mask.T)
    norm = np.linalg.norm(loss.centre(loss.centre(gram).T), 2)
    step = 1 / (loss.smoothness * (norm or 1.0))
    U = np.zeros(program.shape) if start is None else start
    status = "iteration limit"
    for n_iter in range(1, max_iter + 1):
        v = loss.dual_point(program.output(U))  # minus the gradient of the loss
        U = shrink(U + step * program.correlations(v), step * program.beta)
        if n_iter % check_every == 0:
            gap = certify(program, U)[1].relative_gap
            if verbose > 1:
                print(f"  proximal gradient {n_iter}: gap {gap:.2e}")
            if gap <= tol:
                status = "tolerance reached"
                break
    return Solution(U=U, n_iter=n_iter, status=status)


def shrink(U, threshold):
    """Shorten every column by the threshold, the proximal map of the norms."""
    norms = np.linalg.norm(U, axis=0)
    return U * np.maximum(1 - threshold / np.maximum(norms, threshold), 0)


register_backend(
    "proximal_gradient",
    solve,
    features=(),
    options=("check_every",),
    uses_working_set=True,
)
