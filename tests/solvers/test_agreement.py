"""Every backend reaches the optimum of every kind of program whose features it has."""

import numpy as np
import pytest

from convexnn.programs.blocks import sample_blocks
from convexnn.programs.cells import sample_cells
from convexnn.programs.losses import SquaredLoss
from convexnn.programs.nuclear_norms import NuclearNormProgram
from convexnn.programs.parallel import ParallelProgram
from convexnn.programs.program import FEATURES, ConvexProgram
from convexnn.solvers import registry, select_backend, solve_program

TOL = 1e-5


def data(n=30, d=3, q=None, n_patches=1):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n * n_patches, d))
    y = rng.standard_normal(n if q is None else (n, q))
    return X, SquaredLoss(y, rng.uniform(0.5, 2, n), intercept=True)


def groups(has_cones, n_patches=1):
    X, loss = data(n_patches=n_patches)
    cells = sample_cells(X, 8, np.random.RandomState(0))
    settings = {"has_cones": has_cones, "n_patches": n_patches}
    return ConvexProgram(X, loss, 0.5, cells, **settings)


def blocks():
    X, loss = data()
    listed = sample_blocks(X, 3, 4, np.random.RandomState(0))
    return ParallelProgram(X, loss, 0.5, listed)


def matrices():
    X, loss = data(q=2)
    cells = sample_cells(X, 8, np.random.RandomState(0))
    return NuclearNormProgram(X, loss, 0.5, cells)


PROGRAMS = {
    "no cones": groups(has_cones=False),
    "cones": groups(has_cones=True),
    "patches": groups(has_cones=True, n_patches=3),
    "coupled cones": blocks(),
    "nuclear norms": matrices(),
}
CASES = [
    (name, kind)
    for name, backend in registry._BACKENDS.items()
    for kind, program in PROGRAMS.items()
    if backend.can(program.features, is_listed=True)
]


@pytest.fixture(scope="module")
def optima():
    """Return what Clarabel finds."""
    found = {}
    for kind, program in PROGRAMS.items():
        backend = select_backend("cvxpy", program.features)
        found[kind] = solve_program(program, backend, tol=1e-7, max_iter=1).certificate
    return found


def test_the_programs_have_all_features_of_given_programs():
    has = frozenset().union(*(program.features for program in PROGRAMS.values()))
    assert has == FEATURES.keys() - {"several_outputs"}


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_backends_agree(optima, name, kind):
    program = PROGRAMS[kind]
    backend = select_backend(name, program.features)
    point = solve_program(program, backend, tol=TOL, max_iter=20_000)
    certificate, optimum = point.certificate, optima[kind]
    zero = program.objective(np.zeros(program.shape))
    assert optimum.primal < 0.95 * zero
    assert optimum.relative_gap <= 1e-7
    assert certificate.relative_gap <= TOL
    assert certificate.primal <= optimum.primal * (1 + TOL)
    assert certificate.dual <= optimum.primal * (1 + 1e-12)
    assert certificate.primal >= optimum.dual * (1 - 1e-12)
    assert certificate.primal == pytest.approx(program.network_objective(point.U))
    assert program.violation(point.U) <= 1e-8 * np.abs(point.U).max()
