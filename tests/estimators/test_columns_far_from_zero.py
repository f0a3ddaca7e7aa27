"""Columns far from zero (years, Kelvin, hectopascals) cost no digits and no warnings.

The optimum of the penalised objective is that of the columns as they are.
"""

import warnings
from functools import cache

import cvxpy
import numpy as np
import pytest
from problems import network_objective

from convexnn import ConvexReLURegressor
from convexnn.architectures.whitening import whitening
from convexnn.programs.cells import activation_patterns, enumerate_cells, sample_cells
from convexnn.programs.cones import project_on_cone
from convexnn.programs.faces import Faces, face_bases
from convexnn.programs.row_space import row_space

YEARS = np.array([[1950.0], [1960.0], [1980.0], [2000.0]])
UPS_AND_DOWNS = np.array([0.0, 1.0, 0.0, 1.0])
OWN = ("newton", "interior_point", "active_set")
RATIOS = (1e2, 1e3, 1e4)


def fit(X, y, **parameters):
    """Fit where a warning of any kind, or a floating-point error, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        usual = {"beta": 1e-3, "tol": 1e-3, "random_state": 0}
        model = ConvexReLURegressor(**usual | parameters)
        return model.fit(X, y)


def gaussian_problem(ratio, n, d):
    rng = np.random.default_rng([n, d])
    return rng.normal(ratio, 1.0, (n, d)), rng.standard_normal(n)


@cache
def reference(ratio, n, d):
    """Solve the program in standardised columns, the norm being that of the original.

    A unit ``w'(x - mean) / std + c`` has the weights ``w / std`` and the bias
    ``c - mean'w / std``.
    """
    X, y = gaussian_problem(ratio, n, d)
    mean, std = X.mean(axis=0), X.std(axis=0)
    Z = np.column_stack([(X - mean) / std, np.ones(n)])
    back = np.block([[np.diag(1 / std), np.zeros((d, 1))], [-mean / std, np.ones(1)]])
    patterns = enumerate_cells(Z).patterns.astype(float)
    output, norms, inside, offset = 0, 0, [], cvxpy.Variable()
    for sign in (1, -1):
        U = cvxpy.Variable((d + 1, patterns.shape[1]))
        values = Z @ U
        output += sign * cvxpy.sum(cvxpy.multiply(patterns, values), axis=1)
        norms += cvxpy.sum(cvxpy.norm(back @ U, 2, axis=0))
        inside.append(cvxpy.multiply(2 * patterns - 1, values) >= 0)
    loss = 0.5 * cvxpy.sum_squares(output + offset - y)
    problem = cvxpy.Problem(cvxpy.Minimize(loss + 1e-3 * norms), inside)
    with np.errstate(all="ignore"):
        return problem.solve(solver="CLARABEL")


@pytest.mark.parametrize("solver", OWN)
@pytest.mark.parametrize("cells", ["all", "sampled"])
def test_years_are_fitted(solver, cells):
    model = fit(YEARS, UPS_AND_DOWNS, solver=solver, cells=cells, tol=1e-4)
    assert model.objective_ == pytest.approx(0.346859, rel=1e-4)
    assert model.certificate_.relative_gap <= 1e-4
    expected = network_objective(model, YEARS, UPS_AND_DOWNS)
    assert model.objective_ == pytest.approx(expected, rel=1e-6)


def test_years_are_fitted_by_a_search():
    model = fit(YEARS, UPS_AND_DOWNS)
    assert model.objective_ == pytest.approx(0.346859, rel=1e-3)


BY_SECOND_ORDER = ("newton", "interior_point")

# At 1e4 rounding decides whether the interior-point method gets there.
CONVERGENT = [
    (ratio, solver)
    for ratio in RATIOS
    for solver in OWN
    if solver != "interior_point" or ratio < 1e4
]


@pytest.mark.parametrize("d", [1, 2])
@pytest.mark.parametrize("n", [5, 9])
@pytest.mark.parametrize(("ratio", "solver"), CONVERGENT)
def test_optimum_over_all_cells_is_reached(ratio, n, d, solver):
    X, y = gaussian_problem(ratio, n, d)
    model = fit(X, y, solver=solver, cells="all")
    assert model.certificate_.relative_gap <= model.tol
    assert model.objective_ == pytest.approx(reference(ratio, n, d), rel=2e-3)
    expected = network_objective(model, X, y)
    assert model.objective_ == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("ratio", "solver"), [case for case in CONVERGENT if case[1] in BY_SECOND_ORDER]
)
def test_sampled_cells_separate_rows(ratio, solver):
    X, y = gaussian_problem(ratio, 9, 2)
    model = fit(X, y, solver=solver, cells="sampled", n_cells=200)
    assert model.certificate_.relative_gap <= model.tol
    assert model.objective_ <= 1.2 * reference(ratio, 9, 2)


@pytest.mark.parametrize("ratio", RATIOS)
def test_search_reaches_the_optimum(ratio):
    X, y = gaussian_problem(ratio, 9, 2)
    model = fit(X, y, cells="auto")
    assert model.objective_ == pytest.approx(reference(ratio, 9, 2), rel=2e-3)


def test_first_order_steps_end_where_the_penalty_is_large():
    model = fit(YEARS, UPS_AND_DOWNS, beta=10.0, solver="fista", cells="all")
    expected = fit(YEARS, UPS_AND_DOWNS, beta=10.0, solver="cvxpy", cells="all")
    assert model.objective_ == pytest.approx(expected.objective_, rel=1e-3)


@pytest.mark.parametrize("ratio", RATIOS)
def test_small_penalties_raise_no_floating_point_error(ratio):
    X, y = gaussian_problem(ratio, 30, 2)
    largest = fit(X, y, beta=None, beta_ratio=2.0).beta_max_
    with warnings.catch_warnings():
        # The gap may be missed, which is told; nothing else may be.
        warnings.filterwarnings("ignore", message="The relative duality gap")
        warnings.filterwarnings("error", category=RuntimeWarning)
        model = ConvexReLURegressor(beta=1e-4 * largest, random_state=0, max_iter=3)
        assert np.isfinite(model.fit(X, y).objective_)


# The parts.


@pytest.mark.parametrize("ratio", RATIOS)
def test_coordinates_are_a_rotation(ratio):
    X = np.column_stack([gaussian_problem(ratio, 20, 3)[0], np.ones(20)])
    space = row_space(X)
    np.testing.assert_allclose(space.basis.T @ space.basis, np.eye(4), atol=1e-14)
    np.testing.assert_allclose(space.rows, X @ space.basis, atol=1e-14 * ratio)
    sizes = np.linalg.norm(space.rows, axis=0)
    assert (np.diff(sizes) < 0).all()
    outputs = space.rows @ (space.basis.T @ space.whitening)
    np.testing.assert_allclose(np.mean(outputs**2, axis=0), 1.0, rtol=1e-9)


def test_coordinates_stay_where_no_column_is_far():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal((20, 3)), np.ones(20), np.zeros(20)])
    assert row_space(X) is None
    assert row_space(X[:1]) is None
    far = np.column_stack([X, rng.normal(1e3, 1.0, 20)])
    space = row_space(far)
    assert row_space(space.rows) is None
    assert np.isfinite(whitening(far)).all()


def test_fewer_rows_than_columns_leave_zeros():
    rng = np.random.default_rng(0)
    X = rng.normal(1e3, 1.0, (3, 6))
    space = row_space(X)
    np.testing.assert_allclose(space.rows @ space.basis.T, X, atol=1e-11)
    assert np.linalg.matrix_rank(space.whitening) == 3


@pytest.mark.parametrize("ratio", RATIOS)
def test_gates_show_their_patterns(ratio):
    X = np.column_stack([gaussian_problem(ratio, 7, 2)[0], np.ones(7)])
    cells = enumerate_cells(X)
    # Rows in general position: 2 (1 + 6 + 15) patterns, one of them empty.
    assert len(cells) == 43
    np.testing.assert_array_equal(activation_patterns(X, cells.gates), cells.patterns)
    sampled = sample_cells(X, 20, np.random.RandomState(0))
    assert len(sampled) == 20
    known = {pattern.tobytes() for pattern in cells.patterns.T}
    assert {pattern.tobytes() for pattern in sampled.patterns.T} <= known


def exact_projection(rows, vector):
    """Project on the span's complement of some rows with twice the digits."""
    rows, left = rows.astype(np.longdouble), vector.astype(np.longdouble)
    basis = []
    for row in rows:
        for _ in range(3):
            for other in basis:
                row = row - (row @ other) * other
        basis.append(row / np.sqrt(row @ row))
    for _ in range(3):
        for other in basis:
            left = left - (left @ other) * other
    return left


@pytest.mark.parametrize("ratio", RATIOS)
def test_projections_keep_their_digits(ratio):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(ratio, 1.0, (9, 2)), np.ones(9)])
    rows, cells = row_space(X).rows, enumerate_cells(X)
    side = np.where(cells.patterns, 1.0, -1.0)
    faces, groups = Faces(rows, side), np.arange(len(cells))
    W = rng.standard_normal((3, len(cells)))
    for _ in range(3):
        points, _, is_exact = faces.project(W, groups)
        assert is_exact.all()
        slack = side * (faces.unit @ points)
        sizes = faces.columns @ np.abs(points)
        for g in groups:
            on = faces.rows[g] >= 0
            norm = np.linalg.norm(points[:, g])
            assert norm <= project_on_cone(rows, side[:, g], W[:, g]).norm + 1e-9
            if on.sum() == 3:
                assert norm <= 1e-11
                continue
            expected = exact_projection(faces.blocks[g, on], W[:, g])
            np.testing.assert_allclose(points[:, g], expected, atol=1e-9 * norm)
            assert (slack[:, g] >= -1e-9 * sizes[g]).all()
        W = W + 0.1 * rng.standard_normal(W.shape)


def test_bases_of_nearly_parallel_rows_are_orthogonal_to_them():
    X = np.column_stack([YEARS, np.ones(4)])
    faces = Faces(X, np.ones((4, 1)))
    faces.project(np.array([[-1.0], [1950.0]]), np.arange(1))
    (basis,) = face_bases(faces.blocks)
    np.testing.assert_allclose(faces.blocks[0] @ basis, 0, atol=1e-12)


def test_rows_of_a_small_angle_are_two():
    """(1950, 1) and (1960, 1): no vector below both is cut off by one of them."""
    X = np.column_stack([YEARS, np.ones(4)])
    inside = np.array([[1.0], [-1955.0]]) / 1955.0
    side = np.where(X @ inside >= 0, 1.0, -1.0)
    for vector in ([0.0, -1.0], [0.0, 1.0], [1.0, 0.0]):
        W = np.array(vector)[:, None]
        point, _, is_exact = Faces(X, side).project(W, np.arange(1))
        expected = project_on_cone(X, side[:, 0], W[:, 0]).point
        assert is_exact.all()
        np.testing.assert_allclose(point[:, 0], expected, atol=1e-9)
