"""The programs (8), (9) and (7), their solutions, and the recovery cone."""

import numpy as np
import pytest

from convexnn.data.patches import Patches, patch_grid
from convexnn.filters import highs
from convexnn.filters.backends import (
    RELAXATION_BACKENDS,
    UnboundedError,
    judged,
    select_relaxation_backend,
    solve_relaxation,
)
from convexnn.filters.program import (
    RelaxationProgram,
    data_direction,
    in_recovery_cone,
    moment_filter,
)
from convexnn.solvers import SolverError

BETAS = {"quadratic": 0.02, "linear": None, "naive": 0.0}
PAIRS = [
    (name, kind)
    for name, backend in RELAXATION_BACKENDS.items()
    for kind in BETAS
    if kind in backend.features
]


def planted(n, k, p, *, noise=0.0, seed=0):
    """Return patches, labels of mean square 1, and the filter that made them."""
    rng = np.random.default_rng(seed)
    patches = Patches(
        rng.standard_normal((n, k * p)), patch_grid(k * p, filter_shape=p)
    )
    w = rng.standard_normal(p)
    y = patches.pooled(w) + noise * rng.standard_normal(n)
    scale = np.sqrt(np.mean(y**2))
    return patches, y / scale, w / scale


def overlapping_image(seed=0):
    rng = np.random.default_rng(seed)
    grid = patch_grid(50, (5, 5, 2), (3, 3), 1)
    patches = Patches(rng.standard_normal((30, 50)), grid)
    y = np.maximum(patches.pooled(rng.standard_normal(18)) - 2, 0)
    return patches, y / np.sqrt(np.mean(y**2)), None


def hardly_ever_on(seed=0):
    """Inputs of very different sizes, one of them zero and two the same."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60, 8)) * 10.0 ** -np.arange(8)
    X[:, 3], X[:, 5] = 0.0, X[:, 4]
    patches = Patches(X, patch_grid(8))
    y = np.maximum(patches.pooled(10.0 ** np.arange(8)), 0)
    return patches, y / np.sqrt(np.mean(y**2)), None


PROBLEMS = {
    "one neuron": planted(40, 1, 8),
    "three patches": planted(20, 3, 6),
    "noise and negative labels": planted(40, 2, 8, noise=1.0),
    "many rows": planted(150, 1, 5, noise=0.3),
    "overlapping image": overlapping_image(),
    "fewer rows than weights": planted(6, 2, 10),
    "one row": planted(1, 3, 4),
}


def solve(program, name, tol=1e-6):
    backend = select_relaxation_backend(name, program.kind)
    return solve_relaxation(program, backend, tol=tol, max_iter=100_000)


@pytest.mark.parametrize(("name", "kind"), PAIRS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_backends_solve_every_form(problem, name, kind):
    patches, y, _ = PROBLEMS[problem]
    direction = data_direction(patches, y)
    program = RelaxationProgram(patches, y, direction, BETAS[kind])
    # Splitting methods are slow on linear programs of noisy labels.
    tol = 1e-3 if name == "osqp" else 1e-6
    found = solve(program, name, tol)
    assert found.judgement.violation <= tol
    expected = solve(program, "cvxpy").judgement
    assert expected.violation <= 1e-5
    scale = max(abs(expected.value), 1e-6)
    assert abs(found.judgement.value - expected.value) <= 3 * tol * scale


@pytest.mark.parametrize("kind", ["quadratic", "linear"])
def test_interior_point_does_not_mind_inputs_of_very_different_sizes(kind):
    patches, y, _ = hardly_ever_on()
    program = RelaxationProgram(patches, y, data_direction(patches, y), BETAS[kind])
    assert solve(program, "interior_point").judgement.violation <= 1e-6


@pytest.mark.parametrize("kind", ["quadratic", "linear"])
def test_a_random_direction_has_the_same_value_for_every_backend(kind):
    patches, y, _ = planted(60, 2, 6, seed=3)
    direction = np.random.default_rng(0).standard_normal(6)
    program = RelaxationProgram(patches, y, direction, BETAS[kind])
    values = [
        solve(program, name, 1e-4).judgement.value for name, k in PAIRS if k == kind
    ]
    np.testing.assert_allclose(values, values[0], rtol=2e-3)


@pytest.mark.parametrize("beta", [0.5, 1e-3, None])
def test_a_filter_solves_the_program_along_its_own_direction(beta):
    for seed in range(5):
        patches, y, w = planted(25, 3, 5, seed=seed)
        active = patches.responses(w) > 0
        program = RelaxationProgram(
            patches, y, data_direction(patches, y, active), beta
        )
        known = judged(program, (1 + (beta or 0)) * w, active * y[:, None])
        assert known.judgement.violation < 1e-12
        found = solve(program, "interior_point").judgement
        assert found.value == pytest.approx(known.judgement.value, rel=1e-5)


@pytest.mark.parametrize("kind", ["quadratic", "linear"])
def test_the_judge_refuses_what_is_no_solution(kind):
    patches, y, _ = planted(40, 2, 6, noise=0.5)
    program = RelaxationProgram(patches, y, data_direction(patches, y), BETAS[kind])
    point = solve(program, "cvxpy").point
    shifted = program.judge(point.w + 1e-2, point.multipliers)
    assert shifted.violation > 1e-4
    raised = program.judge(point.w, point.multipliers + 1e-2)
    assert raised.violation > 1e-4
    assert program.judge(-point.w, point.multipliers).violation > 0.1


@pytest.mark.parametrize("beta", [0.1, None])
def test_the_bound_bounds_every_feasible_filter(beta):
    rng = np.random.default_rng(0)
    for seed in range(20):
        patches, y, _ = planted(15, 2, 4, noise=0.5, seed=seed)
        multipliers = rng.random((15, 2))
        program = RelaxationProgram(patches, y, patches.adjoint(multipliers), beta)
        w = rng.standard_normal(4)
        if beta is None:
            outputs, labels = patches.pooled(w), program.floor
            seen = outputs > 0
            w = w * (np.min(labels[seen] / outputs[seen]) if seen.any() else 1.0)
            judgement = program.judge(w, multipliers)
            assert judgement.value <= judgement.bound + 1e-12
        else:
            judgement = program.judge(w, multipliers)
            assert judgement.value >= judgement.bound - 1e-12


def test_the_naive_relaxation_is_solved_by_zero_and_recovers_nothing():
    patches, y, w = planted(200, 1, 5)
    program = RelaxationProgram(patches, y, data_direction(patches, y), 0.0)
    nothing = np.zeros((200, 1))
    for point in (np.zeros(5), w, 0.3 * w):
        judgement = program.judge(point, nothing)
        assert judgement.value < 1e-28
        assert judgement.violation < 1e-28
    for name in ("osqp", "cvxpy"):
        found = solve(program, name)
        assert found.judgement.value < 1e-10
        assert np.linalg.norm(found.point.w - w) > 0.1 * np.linalg.norm(w)


def test_labels_below_zero_count_as_zero_in_the_limit():
    patches, y, _ = planted(40, 2, 6, noise=1.0)
    assert y.min() < 0
    direction = data_direction(patches, y)
    np.testing.assert_array_equal(direction, data_direction(patches, np.maximum(y, 0)))
    limit = solve(RelaxationProgram(patches, y, direction, None), "highs")
    small = solve(RelaxationProgram(patches, y, direction, 1e-6), "interior_point")
    np.testing.assert_allclose(small.point.w, limit.point.w, rtol=0, atol=1e-4)


def test_linear_program_returns_the_filter_exactly_inside_the_recovery_cone():
    outcomes = []
    rng = np.random.default_rng(0)
    for seed in range(60):
        k = 1 + seed % 3
        patches, y, w = planted(24, k, 3, seed=seed)
        direction = rng.standard_normal(3)
        inside, multipliers = in_recovery_cone(
            patches.X, w, direction, filter_shape=3, return_multipliers=True
        )
        program = RelaxationProgram(patches, y, direction, None)
        found = solve(program, "highs")
        is_back = np.linalg.norm(found.point.w - w) < 1e-8 * np.linalg.norm(w)
        assert inside == is_back
        outcomes.append(inside)
        if inside:
            assert multipliers.min() >= 0
            combined = patches.combine(patches.responses(w) > 0)
            np.testing.assert_allclose(combined.T @ multipliers, direction, atol=1e-8)
            # The multipliers of (10) prove it without a solver.
            active = patches.responses(w) > 0
            assert program.judge(w, active * multipliers[:, None]).violation < 1e-8
        else:
            assert multipliers is None
            assert found.judgement.value > direction @ w + 1e-8
    assert 5 < sum(outcomes) < 55


def test_of_a_pair_of_directions_at_most_one_recovers():
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(40):
        patches, _, w = planted(40, 1, 3, seed=seed)
        direction = rng.standard_normal(3)
        both = [
            in_recovery_cone(patches.X, w, sign * direction) for sign in (1.0, -1.0)
        ]
        assert sum(both) <= 1
        # The cone lies on the filter's side.
        assert not both[0] or direction @ w > 0
        hits += sum(both)
    assert hits > 20


def test_data_recover_a_neuron_as_soon_as_its_active_rows_have_full_rank():
    outcomes = set()
    for seed in range(30):
        patches, y, w = planted(22, 1, 10, seed=seed)
        program = RelaxationProgram(patches, y, data_direction(patches, y), None)
        found = solve(program, "highs").point.w
        has_rank = np.linalg.matrix_rank(patches.X[y > 0]) == 10
        assert has_rank == (np.linalg.norm(found - w) < 1e-8 * np.linalg.norm(w))
        outcomes.add(has_rank)
    assert outcomes == {True, False}


def test_repeating_with_the_active_patches_never_lowers_the_value():
    for seed in range(10):
        patches, y, _ = planted(30, 4, 8, noise=0.2, seed=seed)
        direction, values = data_direction(patches, y), []
        for _ in range(4):
            program = RelaxationProgram(patches, y, direction, None)
            found = solve(program, "highs")
            reached = program.floor @ patches.pooled(found.point.w)
            values += [found.judgement.value, reached]
            active = patches.responses(found.point.w) > 0
            direction = data_direction(patches, y, active)
        assert np.all(np.diff(values) >= -1e-8)


@pytest.mark.parametrize(("name", "kind"), [p for p in PAIRS if p[1] != "naive"])
def test_directions_outside_the_cone_of_the_patches_have_no_solution(name, kind):
    patches, y, _ = planted(8, 1, 6)
    direction = np.random.default_rng(5).standard_normal(6)
    program = RelaxationProgram(patches, y, direction, BETAS[kind])
    assert not program.is_bounded()
    with pytest.raises(UnboundedError):
        solve(program, name)
    assert program.along(data_direction(patches, y)).is_bounded()


@pytest.mark.parametrize("seed", range(5))
def test_directions_of_the_data_always_have_a_solution(seed):
    patches, y, _ = planted(4 + seed, 2, 6, noise=1.0, seed=seed)
    for beta in (0.1, None):
        program = RelaxationProgram(patches, y, data_direction(patches, y), beta)
        assert program.is_bounded()
        assert solve(program, "auto").judgement.violation <= 1e-6


@pytest.mark.parametrize("name", RELAXATION_BACKENDS)
def test_nothing_positive_gives_the_zero_filter_without_a_solver(name, monkeypatch):
    patches, y, _ = planted(10, 1, 3)
    direction = data_direction(patches, -y)
    assert not direction.any()
    kind = "linear" if name == "highs" else "quadratic"
    found = solve(RelaxationProgram(patches, -y, direction, BETAS[kind]), name)
    assert not found.point.w.any()
    assert found.judgement.violation < 1e-12


def test_a_backend_without_a_point_says_so(monkeypatch):
    def broken(*_, **__):
        raise SolverError("no point")

    monkeypatch.setattr(highs, "solve", broken)
    patches, y, _ = planted(20, 1, 3)
    program = RelaxationProgram(patches, y, data_direction(patches, y), None)
    with pytest.raises(SolverError, match="no point") as error:
        solve(program, "highs")
    assert not isinstance(error.value, UnboundedError)


def test_too_few_iterations_are_seen_by_the_judge():
    patches, y, _ = planted(60, 2, 8, noise=0.3)
    program = RelaxationProgram(patches, y, data_direction(patches, y), 0.01)
    for name in ("interior_point", "osqp", "cvxpy"):
        backend = select_relaxation_backend(name, "quadratic")
        found = solve_relaxation(program, backend, tol=1e-6, max_iter=2)
        assert found.judgement.violation > 1e-3


@pytest.mark.parametrize(
    ("name", "kind", "match"),
    [
        ("highs", "quadratic", "'highs' cannot express the quadratic .*'cvxpy'"),
        (
            "interior_point",
            "naive",
            "cannot express the naive .*beta=0: 'auto', 'osqp'",
        ),
        ("simplex", "linear", r"'simplex' is not a known .*limit.*'highs', 'cvxpy'"),
    ],
)
def test_backends_that_cannot_are_refused_with_those_that_can(name, kind, match):
    with pytest.raises(ValueError, match=match):
        select_relaxation_backend(name, kind)


def test_moments_point_to_the_filter():
    patches, y, w = planted(20_000, 3, 4)
    np.testing.assert_allclose(moment_filter(patches, y), w, atol=0.1)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((np.ones(3), np.ones(3), np.ones(3)), r"X must be 2-D .* got shape \(3,\)"),
        ((np.ones((0, 3)), np.ones(3), np.ones(3)), "X must be 2-D and not empty"),
        ((np.ones((2, 3)), np.ones(2), np.ones(3)), "w must have 3 entries.* got 2"),
        ((np.ones((2, 3)), np.ones(3), np.ones(4)), "direction must have 3.* got 4"),
        ((np.ones((2, 3)), [1, np.nan, 1], np.ones(3)), "w must be finite, got NaN"),
        ((np.full((2, 3), np.inf), np.ones(3), np.ones(3)), "X must be finite"),
    ],
)
def test_recovery_cone_refuses_bad_input(arguments, match):
    with pytest.raises(ValueError, match=match):
        in_recovery_cone(*arguments)


def test_recovery_cone_of_filters_that_are_nowhere_active():
    X = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert not in_recovery_cone(X, [-1.0, -1.0], [1.0, 0.0])
    assert in_recovery_cone(X, [-1.0, -1.0], [0.0, 0.0])
