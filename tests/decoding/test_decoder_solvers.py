"""The parts of decoding: encoder, quadratics over boxes, and minima on kinks."""

import itertools
import tracemalloc

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, lsq_linear

from convexnn import CenteredGDDecoder
from convexnn.decoding import DecodingProblem, Settings, decode, encode
from convexnn.decoding.box_quadratic import (
    minimize_by_conjugate_gradients,
    minimize_by_pivoting,
)
from convexnn.decoding.descent import largest_curvature
from convexnn.decoding.solvers import SOLVERS, choose_solver


def problem_of(n=30, d=6, weighted=True, noise=1.0, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = (2 * rng.standard_normal((n, d))).astype(dtype)
    w = rng.uniform(-1, 1, d)
    y = np.maximum(X + w, 0).sum(axis=1) + noise * rng.standard_normal(n)
    return DecodingProblem(X, y, rng.uniform(0.2, 3, n) if weighted else None), w


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("shape", [(30, 6), (700, 300), (3, 70_000)])
def test_one_pass_has_loss_gradient_and_slopes(weighted, shape):
    problem, w = problem_of(*shape, weighted)
    slopes = problem.slopes()
    at = problem.evaluate(w, slopes)
    pattern = problem.X + w >= 0
    residual = np.maximum(problem.X + w, 0).sum(axis=1) - problem.y
    shares = problem.shares
    scale = np.abs(problem.y).max()
    np.testing.assert_array_equal(slopes.array, pattern)
    np.testing.assert_allclose(at.residual, residual, atol=1e-12 * scale)
    np.testing.assert_allclose(encode(problem.X, w), residual + problem.y, rtol=1e-12)
    assert at.loss == pytest.approx(0.5 * shares @ residual**2)
    assert at.mean == pytest.approx(shares @ residual)
    np.testing.assert_allclose(at.activity, shares @ pattern, atol=1e-12)
    np.testing.assert_allclose(
        at.gradient, (shares * residual) @ pattern, atol=1e-12 * scale
    )


@pytest.mark.parametrize("centered", [True, False])
def test_gradients_are_those_of_the_losses(centered):
    problem, w = problem_of()

    def value(v):
        at = problem.evaluate(v)
        return at.centered_loss if centered else at.loss

    at = problem.evaluate(w)
    gradient = at.centered_gradient if centered else at.gradient
    np.testing.assert_allclose(gradient, approx_fprime(w, value, 1e-7), atol=1e-5)


@pytest.mark.parametrize("weighted", [True, False])
def test_slopes_have_their_gram_matrix(weighted):
    problem, w = problem_of(500, 40, weighted)
    slopes = problem.slopes(w)
    pattern = (problem.X + w >= 0).astype(float)
    expected = (problem.shares[:, None] * pattern).T @ pattern
    np.testing.assert_allclose(slopes.gram(), expected, rtol=1e-13)
    vector = np.random.default_rng(0).standard_normal(40)
    np.testing.assert_allclose(slopes.product(vector), expected @ vector, rtol=1e-4)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("d", [1, 6, 80])
def test_largest_curvature_is_that_of_the_whole_matrix(d, centered):
    problem, w = problem_of(120, d)
    pattern = (problem.X + w >= 0).astype(float)
    if centered:
        pattern -= problem.shares @ pattern
    hessian = (problem.shares[:, None] * pattern).T @ pattern
    found = largest_curvature(problem, w, centered=centered)
    assert found == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 25), st.floats(0.01, 3.0))
def test_quadratics_over_boxes_agree_with_scipy(seed, d, width):
    rng = np.random.default_rng(seed)
    A, b = rng.standard_normal((d + 3, d)), rng.standard_normal(d + 3)
    lower = -width * rng.uniform(0, 1, d)
    upper = width * rng.uniform(0.01, 1, d)
    H, g = A.T @ A, -A.T @ b
    expected = lsq_linear(A, b, (lower, upper), method="bvls", tol=1e-14).x
    exact = minimize_by_pivoting(H, g, lower, upper)
    close, _ = minimize_by_conjugate_gradients(
        lambda v: H @ v, g, lower, upper, tol=1e-11, max_products=50_000
    )

    def value(s):
        return 0.5 * s @ H @ s + g @ s

    room = 1e-9 * (1 + abs(value(expected)))
    assert value(exact) <= value(expected) + room
    assert value(close) <= value(expected) + room
    for point in (exact, close):
        assert np.all((lower <= point) & (point <= upper))


def test_conjugate_gradients_keep_to_their_products():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((60, 50))
    count = itertools.count()

    def product(v):
        next(count)
        return A.T @ (A @ v)

    box = np.full(50, 0.1)
    point, used = minimize_by_conjugate_gradients(
        product, rng.standard_normal(50), -box, box, tol=1e-12, max_products=7
    )
    assert used == next(count)
    assert used <= 7 + 30
    assert np.abs(point).max() <= 0.1


def one_sided_slopes(problem, w):
    """Return left and right derivatives of the loss, from its definition."""
    residual = problem.shares * (encode(problem.X, w) - problem.y)
    shifted = problem.X + w
    return residual @ (shifted > 0), residual @ (shifted >= 0)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("solver", ["newton", "newton_cg"])
def test_noisy_fits_end_where_no_direction_descends(solver, weighted):
    theta = 1.0
    for seed in range(4):
        problem, _ = problem_of(60, 15, weighted, seed=seed)
        w = decode(problem, solver, Settings(theta), np.random.RandomState(0)).w
        left, right = one_sided_slopes(problem, w)
        size = 1e-5 if solver == "newton_cg" else 1e-10
        assert np.all((right >= -size) | (w >= theta))
        assert np.all((left <= size) | (w <= -theta))


def test_minima_do_lie_on_kinks():
    on_kink = 0
    for seed in range(4):
        problem, _ = problem_of(60, 15, seed=seed)
        w = decode(problem, "newton", Settings(1.0), np.random.RandomState(0)).w
        on_kink += np.count_nonzero(problem.X + w == 0)
    assert on_kink > 0


def best_of_all_cells(problem, theta):
    """Return the smallest loss, cell by cell, by scipy and by cvxpy alike."""
    X, y = problem.X, problem.y
    edges = [
        np.concatenate([[-theta], np.sort(-c[np.abs(c) < theta]), [theta]]) for c in X.T
    ]
    root = np.sqrt(problem.shares)
    best, cell = np.inf, None
    for box in itertools.product(*(itertools.pairwise(edge) for edge in edges)):
        lower, upper = np.array(box).T
        J = (X + (lower + upper) / 2 >= 0).astype(float)
        rest = y - (J * X).sum(axis=1)
        found = lsq_linear(
            root[:, None] * J, root * rest, (lower, upper), method="bvls"
        )
        if found.cost < best:
            best, cell = found.cost, (J, rest, lower, upper)
    J, rest, lower, upper = cell
    w = cp.Variable(X.shape[1])
    program = cp.Problem(
        cp.Minimize(0.5 * cp.sum_squares(cp.multiply(root, J @ w - rest))),
        [w >= lower, w <= upper],
    )
    assert program.solve(solver="CLARABEL") == pytest.approx(best, rel=1e-6)
    return best


@pytest.mark.parametrize("solver", ["newton", "newton_cg"])
def test_small_noisy_problems_are_solved_to_the_best_cell(solver):
    for seed in range(3):
        problem, _ = problem_of(12, 2, seed=seed)
        best = best_of_all_cells(problem, 1.0)
        found = decode(
            problem, solver, Settings(1.0, n_restarts=10), np.random.RandomState(0)
        )
        assert found.losses[-1] == pytest.approx(best, rel=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_are_watched_before_and_after_each_iteration(solver):
    problem, _ = problem_of(40, noise=0.0)
    seen = []
    chosen = Settings(1.0, watch=seen.append)
    found = decode(problem, solver, chosen, np.random.RandomState(0))
    assert len(seen) == len(found.losses)
    for point, loss in zip(seen, found.losses, strict=True):
        assert problem.evaluate(point).loss == pytest.approx(loss, rel=1e-9, abs=1e-25)
    np.testing.assert_array_equal(seen[-1], found.w)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_many_entries_need_no_more_than_three_arrays(noise):
    X = 5 * np.random.default_rng(0).standard_normal((2000, 400))
    y = np.maximum(X + 0.5, 0).sum(axis=1)
    y += noise * np.random.default_rng(1).standard_normal(2000)
    model = CenteredGDDecoder(theta=1.0, n_restarts=1, random_state=0)
    tracemalloc.start()
    try:
        model.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.solver_ == "newton_cg"
    assert X.nbytes + peak <= 3 * X.nbytes


def test_auto_forms_no_matrix_for_many_entries():
    assert choose_solver("auto", (500, 200)) == "newton"
    assert choose_solver("auto", (501, 200)) == "newton_cg"
    assert choose_solver("nesterov", (10**6, 10**3)) == "nesterov"
    X = 5 * np.random.default_rng(0).standard_normal((600, 200))
    y = np.maximum(X + 0.5, 0).sum(axis=1)
    model = CenteredGDDecoder(theta=1.0, random_state=0).fit(X, y)
    assert model.solver_ == "newton_cg"
    np.testing.assert_allclose(model.coef_, 0.5, atol=1e-9)
