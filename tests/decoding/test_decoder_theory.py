"""What the paper proves about tails and centred descent holds for what is computed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convexnn.decoding import DecodingProblem, Settings, decode, tail_quantities

entries = st.floats(-5, 5, allow_subnormal=False).map(lambda v: round(v, 2))
samples = arrays(
    np.float64, st.tuples(st.integers(1, 20), st.just(1)), elements=entries
)


def by_definition(x, theta):
    """Return T and S, the supremum taken over all gamma where it can change."""
    inside = x[np.abs(x) <= theta]
    gammas = np.concatenate([[-theta, theta], inside, np.nextafter(inside, np.inf)])
    gammas = gammas[np.abs(gammas) <= theta]
    T = np.mean(x >= theta) * np.mean(x < -theta)
    return T, max(np.mean(x >= g) * np.mean(x < g) for g in gammas)


@given(samples, st.floats(0.05, 6))
def test_tail_quantities_are_those_of_the_definition(X, theta):
    found = tail_quantities(X, theta)
    expected = by_definition(X.ravel(), theta)
    np.testing.assert_allclose((found.T, found.S), expected, atol=1e-12)
    assert 0 <= found.T <= found.S + 1e-12 <= 0.25 + 1e-11
    assert 1 - 1 / 9 <= found.rate <= 1


@given(samples, st.floats(0.05, 6), st.floats(-1, 1), st.floats(-1, 1))
def test_lemma_3_3_holds_with_the_corrected_s(X, theta, a, b):
    a, b, x = 0.999 * theta * a, 0.999 * theta * b, X.ravel()
    found = tail_quantities(X, theta)
    change = np.maximum(a + x, 0) - np.maximum(b + x, 0)
    correlation = np.sign(a - b) * np.mean((change - change.mean()) * (a + x >= 0))
    room = 1e-10
    assert abs(a - b) * found.T - room <= correlation
    assert correlation <= abs(a - b) * found.S + room


def test_s_as_printed_exceeds_its_own_bound():
    x, theta = np.random.default_rng(0).standard_normal(10_000), 3.0
    printed = np.mean(x >= -theta) * np.mean(x < theta)
    assert printed > 0.99
    assert abs(tail_quantities(x[:, None], theta).S - 0.25) < 1e-3


def test_normal_tails():
    x = np.random.default_rng(0).standard_normal((100_000, 2))
    found = tail_quantities(x, 1.0)
    np.testing.assert_allclose(found.T, 0.158655**2, rtol=0.03)
    assert found.rate == pytest.approx(1 - (found.T / (3 * found.S)) ** 2)
    assert found.learning_rate == pytest.approx(2 * found.T / (9 * found.S**2))


def test_larger_tails_promise_faster_decoding():
    x = np.random.default_rng(0).standard_normal((2000, 5))
    rates = [tail_quantities(scale * x, 1.0).rate for scale in (0.5, 1, 2, 5)]
    assert np.all(np.diff(rates) < 0)


def test_weights_act_as_repetition():
    rng = np.random.default_rng(0)
    X, weights = rng.standard_normal((30, 3)), rng.integers(0, 4, 30)
    weighted = tail_quantities(X, 0.7, sample_weight=weights)
    repeated = tail_quantities(np.repeat(X, weights, axis=0), 0.7)
    np.testing.assert_allclose(
        (weighted.T, weighted.S), (repeated.T, repeated.S), rtol=1e-12
    )


def test_bounded_probes_promise_nothing_beyond_their_bound():
    found = tail_quantities([[-1.0, 0.5, 1.0]], theta=2.0)
    assert (found.T, found.rate, found.learning_rate) == (0.0, 1.0, 0.0)


DISTRIBUTIONS = {
    "normal": lambda rng, shape: 2 * rng.standard_normal(shape),
    "student, 1.5 degrees": lambda rng, shape: 3 * rng.standard_t(1.5, shape),
    "Laplace": lambda rng, shape: rng.laplace(0, 2, shape),
    "uniform": lambda rng, shape: rng.uniform(-3, 3, shape),
    "skew": lambda rng, shape: rng.exponential(3, shape) - 2,
    "two points": lambda rng, shape: rng.choice([-1.5, 1.5], shape),
    "Pareto, both sides": lambda rng, shape: (
        rng.pareto(1.2, shape) * rng.choice([-2, 2], shape)
    ),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("seed", range(3))
def test_theorem_3_1_bounds_the_error_of_every_iterate(name, seed):
    """On fresh batches of d log(n) / T² rows and more, with the theorem's step."""
    rng = np.random.default_rng(seed)
    d, n_batches, theta = 4, 12, 1.0
    X = DISTRIBUTIONS[name](rng, (4000 * n_batches, d))
    w = rng.uniform(-theta, theta, d)
    promised = tail_quantities(X, theta)
    assert promised.T > 0
    assert len(X) / n_batches >= d * np.log(len(X)) / promised.T**2 / 10
    path = []
    settings = Settings(
        theta,
        max_iter=n_batches,
        n_batches=n_batches,
        learning_rate=promised.learning_rate,
        watch=path.append,
    )
    problem = DecodingProblem(X, np.maximum(X + w, 0).sum(axis=1))
    decode(problem, "centered_gd", settings, np.random.RandomState(0))
    errors = np.sum((np.array(path) - w) ** 2, axis=1)
    bound = promised.rate ** np.arange(len(errors)) * errors[0]
    assert len(errors) == n_batches + 1
    assert np.all(errors <= bound)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([[1.0]], 0.0), r"theta must be .*\(0, inf\), got 0.0"),
        (([[1.0]], -1.0), "theta must be .* got -1.0"),
        (([[1.0]], np.inf), "theta must be .* got inf"),
        (([[1.0]], np.nan), "theta must be .* got nan"),
        (([[1.0]], "1"), "theta must be .* got '1'"),
        (([[1.0]], True), "theta must be .* got True"),
        (([[np.nan]], 1.0), "Input X contains NaN"),
        (([1.0], 1.0), "Expected 2D array"),
    ],
)
def test_bad_arguments_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        tail_quantities(*arguments)


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [1.0, -1.0]])
def test_bad_weights_are_refused(weights):
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(2,\)"):
        tail_quantities([[1.0], [2.0]], 1.0, sample_weight=weights)
