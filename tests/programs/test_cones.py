"""Projections on the cones of cells: Moreau's conditions and a brute-force one."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from convexnn.programs.cones import project_on_cone

PROPERTY = settings(deadline=None, max_examples=40, derandomize=True)


@st.composite
def small_problems(draw, max_rows=6, max_columns=3):
    """Integer rows (repeated, opposite and zero ones are likely), sides, a vector."""
    n, d = draw(st.integers(1, max_rows)), draw(st.integers(1, max_columns))
    integers = st.lists(st.integers(-3, 3), min_size=d, max_size=d)
    X = np.array(draw(st.lists(integers, min_size=n, max_size=n)), float)
    side = np.array(
        draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=n, max_size=n))
    )
    eighths = st.lists(st.integers(-80, 80), min_size=d, max_size=d)
    return X, side, np.array(draw(eighths), float) / 8


@st.composite
def gaussian_problems(draw):
    """Gaussian rows with sides of a gate, so that the cone has an interior."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, d = draw(st.integers(1, 60)), draw(st.integers(1, 8))
    X = rng.standard_normal((n, d))
    return X, np.where(X @ rng.standard_normal(d) >= 0, 1.0, -1.0), rng.normal(size=d)


PROBLEMS = st.one_of(small_problems(), gaussian_problems())


def nearest_point(X, side, g):
    """Try every face of the cone: the nearest feasible projection on a face."""
    block = side[:, None] * X
    best = np.zeros_like(g)
    for size in range(min(X.shape) + 1):
        for chosen in combinations(range(len(X)), size):
            face = block[list(chosen)]
            point = g - np.linalg.pinv(face) @ (face @ g) if size else g
            inside = (block @ point >= -1e-9 * (1 + np.linalg.norm(g))).all()
            if inside and np.linalg.norm(point - g) < np.linalg.norm(best - g):
                best = point
    return best


def assert_moreau(X, side, g, point, tolerance=1e-10):
    """Check that a point is the projection: cone, polar cone, orthogonality."""
    block = side[:, None] * X
    scale = np.linalg.norm(g)
    lengths = np.linalg.norm(X, axis=1)
    assert (block @ point >= -tolerance * scale * lengths).all()
    assert abs((g - point) @ point) <= tolerance * scale**2
    # The residual is in the polar cone: minus a non-negative sum of the rows.
    multipliers = nnls(block.T, point - g, maxiter=1000)[0]
    distance = np.linalg.norm(multipliers @ block - (point - g))
    assert distance <= 10 * tolerance * scale


@PROPERTY
@given(small_problems())
def test_projection_is_the_nearest_point_of_all_faces(problem):
    X, side, g = problem
    result = project_on_cone(X, side, g)
    assert result.is_exact
    np.testing.assert_allclose(
        result.point, nearest_point(X, side, g), atol=1e-8 * (1 + np.linalg.norm(g))
    )


@PROPERTY
@given(PROBLEMS)
def test_projection_satisfies_moreaus_conditions(problem):
    X, side, g = problem
    assert_moreau(X, side, g, project_on_cone(X, side, g).point)


@PROPERTY
@given(PROBLEMS)
def test_multipliers_are_nonnegative_and_produce_the_point(problem):
    X, side, g = problem
    result = project_on_cone(X, side, g)
    assert (result.multipliers >= 0).all()
    block = side[result.rows, None] * X[result.rows]
    np.testing.assert_allclose(
        g + result.multipliers @ block,
        result.point,
        atol=1e-12 * (1 + np.linalg.norm(g)),
    )


@PROPERTY
@given(PROBLEMS)
def test_projection_is_idempotent(problem):
    X, side, g = problem
    point = project_on_cone(X, side, g).point
    again = project_on_cone(X, side, point).point
    np.testing.assert_allclose(again, point, atol=1e-10 * (1 + np.linalg.norm(g)))


@PROPERTY
@given(PROBLEMS, st.sampled_from([1e-12, 0.3, 7.0, 1e12]))
def test_projection_is_positively_homogeneous(problem, factor):
    X, side, g = problem
    point = project_on_cone(X, side, g).point
    scaled = project_on_cone(X, side, factor * g).point
    np.testing.assert_allclose(
        scaled / factor, point, atol=1e-10 * (1 + np.linalg.norm(g))
    )


@PROPERTY
@given(PROBLEMS, st.floats(0.0, 2.0))
def test_early_stop_returns_an_upper_bound_below_the_threshold(problem, share):
    X, side, g = problem
    exact = project_on_cone(X, side, g).norm
    threshold = share * np.linalg.norm(g)
    result = project_on_cone(X, side, g, stop_below=threshold)
    tolerance = 1e-10 * (1 + np.linalg.norm(g))
    assert result.norm >= exact - tolerance
    if result.is_exact:
        assert result.norm == pytest.approx(exact, abs=tolerance)
    else:
        assert result.norm < threshold


def test_early_stop_does_stop_early():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 6))
    side, g = np.ones(200), rng.standard_normal(6)
    result = project_on_cone(X, side, g, stop_below=2 * np.linalg.norm(g))
    assert not result.is_exact


@PROPERTY
@given(PROBLEMS, st.integers(0, 10_000))
def test_rows_to_start_from_do_not_change_the_result(problem, seed):
    X, side, g = problem
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(rng.random(len(X)) < 0.5)
    cold, warm = project_on_cone(X, side, g), project_on_cone(X, side, g, rows=rows)
    np.testing.assert_allclose(
        warm.point, cold.point, atol=1e-9 * (1 + np.linalg.norm(g))
    )


@PROPERTY
@given(PROBLEMS)
def test_few_rounds_end_with_all_rows_and_the_same_point(problem):
    X, side, g = problem
    few, many = project_on_cone(X, side, g, max_rounds=0), project_on_cone(X, side, g)
    np.testing.assert_allclose(
        few.point, many.point, atol=1e-9 * (1 + np.linalg.norm(g))
    )


def test_zero_vector_projects_on_itself():
    X = np.random.default_rng(0).standard_normal((5, 3))
    for rows in (None, np.array([1, 4])):
        result = project_on_cone(X, np.ones(5), np.zeros(3), rows=rows)
        assert result.is_exact
        assert not result.point.any()
        assert len(result.rows) == len(result.multipliers)


def test_vector_inside_is_left_untouched():
    rng = np.random.default_rng(0)
    X, g = rng.standard_normal((50, 4)), rng.standard_normal(4)
    side = np.where(X @ g >= 0, 1.0, -1.0)
    result = project_on_cone(X, side, g)
    np.testing.assert_array_equal(result.point, g)
    assert result.is_exact
    assert not result.multipliers.any()


def test_vector_in_the_polar_cone_projects_on_zero():
    X = np.array([[1.0, 0.0], [0.0, 1.0]])
    result = project_on_cone(X, np.ones(2), np.array([-1.0, -3.0]))
    np.testing.assert_allclose(result.point, 0, atol=1e-14)


def test_repeated_and_opposite_rows_leave_a_subspace():
    row = np.array([1.0, 1.0, 0.0])
    X = np.array([row, row, -row, 2 * row])
    result = project_on_cone(X, np.ones(4), np.array([3.0, 1.0, 5.0]))
    np.testing.assert_allclose(result.point, [1, -1, 5], atol=1e-12)


def test_rows_that_leave_only_zero():
    X = np.vstack([np.eye(3), -np.eye(3)])
    result = project_on_cone(X, np.ones(6), np.array([1.0, -2.0, 3.0]))
    np.testing.assert_allclose(result.point, 0, atol=1e-12)


def test_rows_of_zeros_constrain_nothing():
    g = np.array([1.0, -1.0])
    X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    for side in (np.ones(4), np.array([-1.0, 1.0, -1.0, 1.0])):
        np.testing.assert_allclose(project_on_cone(X, side, g).point, [1, 0])
    only_zeros = project_on_cone(np.zeros((3, 2)), np.ones(3), g)
    np.testing.assert_array_equal(only_zeros.point, g)


def test_slightly_violated_rows_are_projected_too():
    result = project_on_cone(np.eye(2), np.ones(2), np.array([-1e-9, 1.0]))
    np.testing.assert_allclose(result.point, [0, 1], rtol=0, atol=1e-12)
