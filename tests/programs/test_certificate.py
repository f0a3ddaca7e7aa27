"""Duality gaps: bounds that hold for every feasible point, and the squared loss."""

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convexnn.programs.cells import sample_cells
from convexnn.programs.certificate import (
    Certificate,
    Prices,
    certify,
    feasible_point,
    price_groups,
)
from convexnn.programs.cones import project_on_cone
from convexnn.programs.losses import SquaredLoss
from convexnn.programs.program import ConvexProgram

PROPERTY = settings(deadline=None, max_examples=40, derandomize=True)
SEEDS = st.integers(0, 100_000)


def make_loss(rng, n, intercept):
    return SquaredLoss(
        rng.standard_normal(n),
        rng.uniform(0.2, 2, n),
        intercept=intercept,
        constant=float(rng.random()),
    )


@st.composite
def losses(draw):
    rng = np.random.default_rng(draw(SEEDS))
    return make_loss(rng, draw(st.integers(1, 9)), draw(st.booleans())), rng


def make_program(seed, *, has_cones, intercept, n=12, d=3, n_cells=6):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return ConvexProgram(
        X,
        make_loss(rng, n, intercept),
        float(10 ** rng.uniform(-1.5, 0.5)),
        sample_cells(X, n_cells, np.random.RandomState(seed)),
        has_cones=has_cones,
    )


PROGRAMS = st.builds(
    make_program,
    SEEDS,
    has_cones=st.booleans(),
    intercept=st.booleans(),
    n=st.integers(1, 15),
    d=st.integers(1, 4),
)


def random_point(program, seed, size=1.0):
    U = size * np.random.default_rng(seed).standard_normal(program.shape)
    U[:, ::3] = 0
    return U


def optimum(program):
    """Solve a program with cvxpy, written out group by group."""
    loss, X = program.loss, program.X
    groups = [cvxpy.Variable(X.shape[1]) for _ in range(program.n_groups)]
    output = cvxpy.Variable() if loss.intercept else 0.0
    constraints = []
    for u, cell, sign in zip(groups, program.cell_of, program.sign, strict=True):
        active = program.cells.patterns[:, cell]
        output = output + sign * (active[:, None] * X) @ u
        if program.has_cones:
            constraints += [X[active] @ u >= 0, X[~active] @ u <= 0]
    squares = cvxpy.sum_squares(cvxpy.multiply(np.sqrt(loss.weights), output - loss.y))
    norms = sum(cvxpy.norm(u, 2) for u in groups)
    objective = 0.5 * squares + program.beta * norms + loss.constant
    problem = cvxpy.Problem(cvxpy.Minimize(objective), constraints)
    problem.solve(solver="CLARABEL")
    return problem.value, np.column_stack([u.value for u in groups])


def exact_prices(program, v):
    norms = []
    for cell, sign in zip(program.cell_of, program.sign, strict=True):
        active = program.cells.patterns[:, cell]
        g = sign * program.X.T @ (active * v)
        side = np.where(active, 1.0, -1.0)
        point = project_on_cone(program.X, side, g).point if program.has_cones else g
        norms.append(np.linalg.norm(point))
    return np.array(norms)


def test_gap_is_the_difference_and_its_share_of_the_primal():
    certificate = Certificate(primal=8.0, dual=6.0, scope="cells")
    assert certificate.gap == 2
    assert certificate.relative_gap == 0.25
    assert not certificate.is_capped


def test_rounding_never_makes_a_gap_negative():
    certificate = Certificate(primal=1.0, dual=1.0 + 1e-15, scope="all")
    assert certificate.gap == 0
    assert certificate.relative_gap == 0


def test_gap_of_a_perfect_fit_is_zero():
    assert Certificate(primal=0.0, dual=0.0, scope="all").relative_gap == 0


def test_units_scale_both_values_and_keep_the_rest():
    certificate = Certificate(3.0, 2.0, "all", is_capped=True).in_units(4.0)
    assert certificate == Certificate(12.0, 8.0, "all", is_capped=True)


def test_prices_above_are_exact_ones_largest_first():
    prices = Prices(np.array([1.0, 5.0, 3.0, 4.0]), np.array([True, True, True, False]))
    assert prices.largest == 5
    np.testing.assert_array_equal(prices.above(2.0), [1, 2])
    np.testing.assert_array_equal(prices.above(5.0), [])
    assert Prices(np.zeros(0), np.zeros(0, bool)).largest == 0


@PROPERTY
@given(PROGRAMS, SEEDS)
def test_prices_bound_the_norms_and_the_largest_is_exact(program, seed):
    v = np.random.default_rng(seed).standard_normal(len(program.X))
    prices, exact = price_groups(program, v), exact_prices(program, v)
    tolerance = 1e-10 * np.linalg.norm(v)
    assert (prices.bounds >= exact - tolerance).all()
    assert prices.largest == pytest.approx(exact.max(), abs=tolerance)
    np.testing.assert_allclose(
        prices.bounds[prices.is_exact], exact[prices.is_exact], atol=tolerance
    )


@PROPERTY
@given(PROGRAMS, SEEDS)
def test_threshold_leaves_bounds_that_suffice(program, seed):
    rng = np.random.default_rng(seed)
    v = rng.standard_normal(len(program.X))
    exact = exact_prices(program, v)
    threshold = float(rng.choice(exact))
    wanted = int(rng.integers(1, 5))
    prices = price_groups(program, v, threshold=threshold, wanted=wanted)
    tolerance = 1e-10 * np.linalg.norm(v)
    assert (prices.bounds >= exact - tolerance).all()
    largest = max(exact.max(), threshold)
    assert prices.largest <= largest + tolerance or not program.has_cones
    above = set(np.flatnonzero(exact > threshold + tolerance))
    found = set(prices.above(threshold))
    assert found <= set(np.flatnonzero(exact > threshold - tolerance))
    assert len(found) >= min(wanted, len(above))


@PROPERTY
@given(PROGRAMS, SEEDS)
def test_any_nonnegative_multipliers_keep_the_bounds_valid(program, seed):
    rng = np.random.default_rng(seed)
    v = rng.standard_normal(len(program.X))
    multipliers = rng.exponential(0.2, (len(program.X), program.n_groups))
    plain = price_groups(program, v, threshold=np.inf)
    helped = price_groups(program, v, threshold=np.inf, multipliers=(multipliers,))
    exact = exact_prices(program, v)
    assert (helped.bounds >= exact - 1e-10 * np.linalg.norm(v)).all()
    assert (helped.bounds <= plain.bounds).all()


@PROPERTY
@given(PROGRAMS, SEEDS, st.sampled_from([1e-3, 0.1, 1.0, 10.0]))
def test_dual_never_exceeds_the_objective_of_a_feasible_point(program, seed, size):
    rng = np.random.default_rng(seed)
    multipliers = rng.exponential(0.1, (len(program.X), program.n_groups))
    _, certificate, _ = certify(
        program, random_point(program, seed, size), multipliers=(multipliers,)
    )
    for other in (0.0, 0.01, 0.3, 1.0):
        point = feasible_point(program, random_point(program, seed + 1, other))
        assert certificate.dual <= program.objective(point) * (1 + 1e-12)
    assert certificate.dual <= certificate.primal * (1 + 1e-12)


@PROPERTY
@given(PROGRAMS, SEEDS)
def test_feasible_points_are_in_their_cones(program, seed):
    U = random_point(program, seed)
    point = feasible_point(program, U)
    if not program.has_cones:
        np.testing.assert_array_equal(point, U)
        return
    assert program.slack(point).min() >= -1e-10 * np.linalg.norm(U)
    assert (np.linalg.norm(point, axis=0) <= np.linalg.norm(U, axis=0) + 1e-12).all()


@PROPERTY
@given(SEEDS)
def test_feasible_groups_are_left_untouched(seed):
    program = make_program(seed, has_cones=True, intercept=True)
    U = random_point(program, seed)
    inside = np.arange(program.n_groups) % 2 == 0
    U[:, inside] = program.gates[:, inside]
    before = U.copy()
    point = feasible_point(program, U)
    np.testing.assert_array_equal(point[:, inside], U[:, inside])
    np.testing.assert_array_equal(U, before)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("has_cones", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_certificates_enclose_the_optimum(seed, has_cones, intercept):
    program = make_program(seed, has_cones=has_cones, intercept=intercept)
    value, U = optimum(program)
    point, certificate, prices = certify(program, U)
    assert certificate.dual <= value * (1 + 1e-6)
    assert certificate.primal >= value * (1 - 1e-6)
    assert certificate.relative_gap <= 1e-4
    assert certificate.primal == pytest.approx(program.objective(point), rel=1e-12)
    assert prices.largest <= program.beta * (1 + 1e-3)
    for size in (0.0, 0.1, 1.0):
        rough = certify(program, random_point(program, seed, size))[1]
        assert rough.dual <= value * (1 + 1e-6)
        assert rough.primal >= value * (1 - 1e-6)


@PROPERTY
@given(PROGRAMS)
def test_zero_is_certified_from_beta_max_on_and_not_below(program):
    at_zero = program.loss.dual_point(np.zeros(len(program.X)))
    beta_max = price_groups(program, at_zero).largest
    zero = np.zeros(program.shape)
    program.beta = beta_max * (1 + 1e-9) + 1e-9
    assert certify(program, zero)[1].relative_gap <= 1e-12
    # Without an atom that correlates with the targets there is nothing below.
    if beta_max > 1e-6:
        program.beta = beta_max * 0.9
        assert certify(program, zero)[1].gap > 0


@PROPERTY
@given(losses())
def test_gradient_agrees_with_finite_differences(problem):
    loss, rng = problem
    z, step = rng.standard_normal(len(loss.y)), 1e-5
    steps = step * np.eye(len(z))
    differences = (loss.value(z[:, None] + steps) - loss.value(z[:, None] - steps)) / (
        2 * step
    )
    np.testing.assert_allclose(-loss.dual_point(z), differences, atol=1e-8)


@PROPERTY
@given(losses())
def test_value_is_the_minimum_over_the_intercept(problem):
    loss, rng = problem
    z = rng.standard_normal(len(loss.y))

    def squares(c):
        return 0.5 * float(loss.weights @ (z + c - loss.y) ** 2) + loss.constant

    assert loss.value(z) == pytest.approx(squares(loss.offset(z)), rel=1e-12)
    if loss.intercept:
        least = min(squares(c) for c in np.linspace(-4, 4, 41))
        assert loss.value(z) <= least * (1 + 1e-12)
        assert abs(loss.dual_point(z).sum()) <= 1e-10
    else:
        assert loss.offset(z) == 0


@PROPERTY
@given(losses())
def test_columns_of_outputs_have_one_value_each(problem):
    loss, rng = problem
    Z = rng.standard_normal((len(loss.y), 4))
    expected = [loss.value(z) for z in Z.T]
    np.testing.assert_allclose(loss.value(Z), expected, rtol=1e-12)


@PROPERTY
@given(losses())
def test_weak_duality(problem):
    """-L*(-v) <= L(z) + v'z, with equality at the loss's own dual point."""
    loss, rng = problem
    z, v = rng.standard_normal((2, len(loss.y)))
    if loss.intercept:
        v -= v.mean()
    tolerance = 1e-10 * (1 + v @ v)
    assert loss.dual_value(v) <= loss.value(z) + v @ z + tolerance
    own = loss.dual_point(z)
    assert loss.dual_value(own) == pytest.approx(loss.value(z) + own @ z, abs=1e-9)


@PROPERTY
@given(losses(), st.sampled_from([0.0, 0.3, 1.0, 10.0, np.inf]))
def test_best_scale_beats_a_grid(problem, limit):
    loss, rng = problem
    v = loss.centre(rng.standard_normal(len(loss.y)))
    best = loss.best_scale(v, limit)
    assert 0 <= best <= limit
    grid = np.linspace(0, min(limit, 20.0), 201)
    values = [loss.dual_value(t * v) for t in grid]
    assert loss.dual_value(best * v) >= max(values) - 1e-12 * (1 + abs(max(values)))


def test_best_scale_of_the_zero_vector_is_zero():
    loss = SquaredLoss(np.ones(3), np.ones(3), intercept=False)
    assert loss.best_scale(np.zeros(3), np.inf) == 0


@PROPERTY
@given(losses())
def test_smoothness_bounds_the_change_of_the_gradient(problem):
    loss, rng = problem
    z, other = rng.standard_normal((2, len(loss.y)))
    change = np.linalg.norm(loss.dual_point(z) - loss.dual_point(other))
    assert change <= loss.smoothness * np.linalg.norm(z - other) * (1 + 1e-12)


def test_rounding_left_of_an_exact_fit_proves_nothing():
    """With an intercept one sample is fitted exactly, and its dual point is zero."""
    program = make_program(554, has_cones=False, intercept=True, n=1, d=1)
    assert certify(program, np.zeros((1, 1)))[1].gap == 0
    assert certify(program, np.zeros((1, 1)))[1].dual == program.loss.constant
