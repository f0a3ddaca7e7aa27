"""Merged and scaled samples stand for the caller's rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convexnn.architectures import ARCHITECTURES
from convexnn.data.samples import collect_samples
from convexnn.programs.cells import sample_cells
from convexnn.programs.certificate import feasible_point
from convexnn.programs.losses import SquaredLoss

PROPERTY = settings(deadline=None, max_examples=40, derandomize=True)


@st.composite
def problems(draw):
    """Few distinct rows, many repetitions, any magnitude, some weights zero."""
    rng = np.random.default_rng(draw(st.integers(0, 100_000)))
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    distinct = rng.integers(-2, 3, (draw(st.integers(1, 5)), d))
    x_size, y_size, w_size = (draw(st.sampled_from([1e-3, 1.0, 7e4])) for _ in "xyw")
    X = distinct[rng.integers(0, len(distinct), n)] * x_size
    weights = rng.integers(0, 3, n) * w_size
    weights[rng.integers(n)] = w_size
    return X, rng.standard_normal(n) * y_size, weights, draw(st.booleans())


def loss_of(samples):
    return SquaredLoss(
        samples.y,
        samples.weights,
        intercept=samples.has_bias,
        constant=samples.within,
    )


def original_rows(samples):
    rows = samples.X * samples.x_scale
    return rows[:, :-1] if samples.has_bias else rows


def assert_identical(one, other, **factors):
    """Check that two samples are equal bit for bit, up to factors of some fields."""
    for name, value in vars(one).items():
        expected = value * factors.get(name, 1)
        np.testing.assert_array_equal(getattr(other, name), expected, err_msg=name)


def plain_loss(outputs, y, weights, intercept):
    """Compute half the weighted squares row by row, at the best intercept."""
    residual = y - outputs
    if intercept:
        residual = residual - np.average(residual, weights=weights)
    return 0.5 * sum(w * r**2 for w, r in zip(weights, residual, strict=True))


@PROPERTY
@given(problems(), st.integers(0, 1000))
def test_any_functions_loss_is_that_of_the_callers_rows(problem, seed):
    X, y, weights, intercept = problem
    samples = collect_samples(X, y, weights, fit_intercept=intercept)
    direction = np.random.default_rng(seed).standard_normal(X.shape[1])

    def function(rows):
        return np.std(y) * np.sin(rows @ direction)

    merged = loss_of(samples).value(function(original_rows(samples)) / samples.y_scale)
    expected = plain_loss(function(X), y, weights, intercept)
    size = float(weights @ y**2)
    assert merged * samples.objective_scale == pytest.approx(
        expected, rel=1e-9, abs=1e-12 * size
    )


@PROPERTY
@given(problems(), st.integers(0, 1000), st.sampled_from([1e-3, 1.0, 50.0]))
def test_program_objective_is_that_of_the_recovered_network(problem, seed, beta):
    X, y, weights, intercept = problem
    samples = collect_samples(X, y, weights, fit_intercept=intercept)
    rng = np.random.RandomState(seed)
    architecture = ARCHITECTURES["relu"]
    program = architecture.program(
        samples.X,
        loss_of(samples),
        beta / samples.beta_scale,
        sample_cells(samples.X, 4, rng),
    )
    U = feasible_point(program, rng.standard_normal(program.shape))
    network = architecture.recover(program, U, samples)
    assert program.objective(U) * samples.objective_scale == pytest.approx(
        network.objective(X, y, beta, weights), rel=1e-8
    )


@PROPERTY
@given(problems(), st.sampled_from([1.0, 0.1, 3e5]), st.integers(1, 5))
def test_weights_are_repetitions(problem, size, repetitions):
    X, y, weights, intercept = problem
    counts = np.round(weights / weights.max() * 2).astype(int) * repetitions
    weighted = collect_samples(X, y, counts * size, fit_intercept=intercept)
    X, y = np.repeat(X, counts, axis=0), np.repeat(y, counts)
    repeated = collect_samples(X, y, np.full(len(y), size), fit_intercept=intercept)
    assert_identical(weighted, repeated)


@PROPERTY
@given(problems(), st.sampled_from([2.0**-40, 0.5, 8.0, 2.0**60]))
def test_powers_of_two_scale_the_weights_without_rounding(problem, factor):
    X, y, weights, intercept = problem
    one = collect_samples(X, y, weights, fit_intercept=intercept)
    other = collect_samples(X, y, weights * factor, fit_intercept=intercept)
    assert_identical(one, other, weight_scale=factor)


@PROPERTY
@given(problems(), st.floats(-1e6, 1e6))
def test_constant_targets_are_the_intercept_exactly(problem, constant):
    X, y, weights, _ = problem
    samples = collect_samples(X, np.full_like(y, constant), weights * 0.3)
    assert not samples.y.any()
    assert samples.y_scale == 1
    assert samples.y_offset == constant
    targets = np.column_stack([np.full_like(y, constant), y])
    samples = collect_samples(X, targets, weights * 0.3)
    assert not samples.y[:, 0].any()
    assert samples.y_offset[0] == constant


def test_equal_targets_of_equal_rows_are_kept_exactly():
    X, y = np.zeros((6, 1)), np.full(6, 0.1)
    samples = collect_samples(X, y, np.array([1, 3, 1, 7, 1, 0.1]), fit_intercept=False)
    assert samples.y * samples.y_scale == 0.1
    assert samples.within == 0


@PROPERTY
@given(problems())
def test_zero_weights_are_absences(problem):
    X, y, weights, intercept = problem
    kept = weights > 0
    y = np.where(kept, y, 1e100)
    one = collect_samples(X, y, weights, fit_intercept=intercept)
    other = collect_samples(X[kept], y[kept], weights[kept], fit_intercept=intercept)
    assert_identical(one, other)


@PROPERTY
@given(problems(), st.integers(0, 1000))
def test_order_of_rows_does_not_matter(problem, seed):
    X, y, weights, intercept = problem
    order = np.random.default_rng(seed).permutation(len(y))
    one = collect_samples(X, y, weights, fit_intercept=intercept)
    other = collect_samples(X[order], y[order], weights[order], fit_intercept=intercept)
    assert_identical(one, other)


@PROPERTY
@given(problems())
def test_scales_leave_magnitudes_near_one(problem):
    X, y, weights, intercept = problem
    samples = collect_samples(X, y, weights, fit_intercept=intercept)
    kept = X[weights > 0]
    largest = max(np.abs(kept).max(), intercept)
    assert np.frexp(samples.x_scale)[0] == 0.5  # a power of two
    assert largest == 0 or 1 <= largest / samples.x_scale < 2
    assert np.abs(samples.y).max() <= 1
    assert samples.weights.max() == pytest.approx(1, rel=1e-14)


@PROPERTY
@given(problems())
def test_single_rows_leave_targets_and_weights_of_exactly_one(problem):
    X, y, weights, intercept = problem
    # No two rows are equal, so that nothing is merged.
    X = np.column_stack([X, np.arange(len(y)) + 1.0])
    samples = collect_samples(X, y, weights, fit_intercept=intercept)
    assert 1 <= np.abs(samples.X).max() < 2
    assert np.abs(samples.y).max() in (0, 1)
    np.testing.assert_array_equal(samples.y * 2.0**40 % 1, 0)
    assert samples.weights.max() == 1


@PROPERTY
@given(problems(), st.sampled_from([2.0**-40, 0.5, 8.0, 2.0**60]))
def test_powers_of_two_scale_inputs_and_targets_without_rounding(problem, factor):
    X, y, weights, intercept = problem
    one = collect_samples(X, y, weights, fit_intercept=intercept)
    other = collect_samples(X, y * factor, weights, fit_intercept=intercept)
    y_scale = factor if one.y_scale != 1 else 1  # 1 for constant targets
    assert_identical(one, other, y_scale=y_scale, y_offset=factor)
    one = collect_samples(X, y, weights, fit_intercept=False)
    other = collect_samples(X * factor, y, weights, fit_intercept=False)
    assert_identical(one, other, x_scale=factor if one.X.any() else 1)


@PROPERTY
@given(problems())
def test_rows_are_distinct_with_the_bias_last(problem):
    X, y, weights, intercept = problem
    samples = collect_samples(X, y, weights, fit_intercept=intercept)
    assert len(np.unique(samples.X, axis=0)) == len(samples.X)
    assert len(samples.X) == len(np.unique(X[weights > 0], axis=0))
    assert samples.X.shape[1] == X.shape[1] + intercept
    assert samples.has_bias == intercept
    if intercept:
        np.testing.assert_array_equal(samples.X[:, -1] * samples.x_scale, 1)
        assert abs(samples.weights @ samples.y) <= 1e-12 * samples.weights.sum()


def test_zeros_of_both_signs_are_one_row():
    X = np.array([[0.0, 1.0], [-0.0, 1.0]])
    samples = collect_samples(X, np.array([1.0, 3.0]), fit_intercept=False)
    np.testing.assert_array_equal(original_rows(samples), [[0, 1]])
    assert samples.y[0] * samples.y_scale == pytest.approx(2, rel=1e-12)
    assert samples.within * samples.objective_scale == pytest.approx(1, rel=1e-11)


def test_zero_targets_and_inputs_have_scale_one():
    samples = collect_samples(np.zeros((3, 2)), np.zeros(3), fit_intercept=False)
    assert samples.x_scale == samples.y_scale == 1
    assert samples.weight_scale == 3  # of one row that stands for three
    assert samples.within == 0


@pytest.mark.parametrize("size", [1e-150, 1e150])
def test_extreme_magnitudes_stay_finite(size):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 2)) * size, rng.standard_normal(6)
    samples = collect_samples(X, y, fit_intercept=False)
    assert 1 <= np.abs(samples.X).max() < 2
    rows = X[np.lexsort(X.T[::-1])]
    np.testing.assert_array_equal(original_rows(samples), rows)
