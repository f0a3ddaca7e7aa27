"""Losses: gradients by differences, conjugates by Fenchel and Young, intercepts."""

import numpy as np
import pytest
from scipy.optimize import minimize

from convexnn.programs.losses import (
    HingeLoss,
    HuberLoss,
    LogisticLoss,
    MultinomialLoss,
    SquaredHingeLoss,
    SquaredLoss,
)

N = 14


def labels(rng, q):
    shape = (N,) if q == 1 else (N, q)
    y = np.where(rng.random(shape) < 0.4, 1.0, -1.0)
    y[0], y[1] = 1.0, -1.0
    return y


def one_hot(rng, q):
    classes = np.concatenate([np.arange(q), rng.integers(0, q, N - q)])
    return np.eye(q)[classes]


MAKERS = {
    "squared": lambda rng, q: (SquaredLoss, rng.standard_normal((N, q)).squeeze()),
    "huber": lambda rng, q: (HuberLoss, 2 * rng.standard_normal((N, q)).squeeze()),
    "logistic": lambda rng, q: (LogisticLoss, labels(rng, q)),
    "squared_hinge": lambda rng, q: (SquaredHingeLoss, labels(rng, q)),
    "hinge": lambda rng, q: (HingeLoss, labels(rng, q)),
    "multinomial": lambda rng, q: (MultinomialLoss, one_hot(rng, max(q, 2))),
}

SMOOTH = [name for name in MAKERS if name != "hinge"]


def make(name, q, intercept, seed=0):
    rng = np.random.default_rng(seed)
    kind, y = MAKERS[name](rng, q)
    loss = kind(y, rng.uniform(0.3, 2, N), intercept=intercept, constant=0.7)
    return loss, rng


def outputs(loss, rng):
    return 1.5 * rng.standard_normal(loss.y.shape)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("name", SMOOTH)
def test_dual_point_is_minus_the_gradient(name, q, intercept):
    loss, rng = make(name, q, intercept)
    z, step = outputs(loss, rng), 1e-6
    found = loss.dual_point(z)
    for index in np.ndindex(z.shape):
        moved = np.zeros_like(z)
        moved[index] = step
        slope = (loss.value(z + moved) - loss.value(z - moved)) / (2 * step)
        assert found[index] == pytest.approx(-slope, abs=2e-6)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("name", MAKERS)
def test_fenchel_young(name, q, intercept):
    """L(z) + v'z >= -L*(-v), with equality where v is the dual point of z."""
    loss, rng = make(name, q, intercept, seed=1)
    for _ in range(20):
        z, other = outputs(loss, rng), outputs(loss, rng)
        v = loss.dual_point(other)
        assert loss.value(z) + np.vdot(v, z) >= loss.dual_value(v) - 1e-9
        scale = rng.random()
        assert loss.value(z) + scale * np.vdot(v, z) >= (
            loss.dual_value(scale * v) - 1e-9
        )
        if name != "hinge":
            at_other = loss.value(other) + np.vdot(v, other)
            assert at_other == pytest.approx(loss.dual_value(v), abs=1e-9)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "squared"])
def test_conjugate_is_infinite_outside_its_domain(name):
    if name == "squared_hinge":
        loss, _ = make(name, 1, False)
        outside = -loss.y
    else:
        loss, _ = make(name, 1, False)
        outside = 10 * np.ones_like(loss.y)
    assert loss.dual_value(outside) == -np.inf


@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("name", SMOOTH)
def test_intercept_is_the_best_and_balances_the_dual_point(name, q):
    loss, rng = make(name, q, True)
    z = outputs(loss, rng)
    free = type(loss)(loss.y, loss.weights, intercept=False, constant=0.7)
    offset = loss.offset(z)
    size = 1 if loss.y.ndim == 1 else loss.y.shape[1]
    best = minimize(lambda c: free.value(z + c), np.zeros(size), tol=1e-12)
    assert loss.value(z) == pytest.approx(best.fun, rel=1e-8)
    assert free.value(z + offset) == pytest.approx(loss.value(z), rel=1e-12)
    assert np.abs(loss.dual_point(z).sum(axis=0)).max() < 1e-10
    # A network's constant is made up for by the intercept.
    assert loss.value(z + 3.0) == pytest.approx(loss.value(z), rel=1e-10)


@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("name", MAKERS)
def test_values_of_several_outputs_are_those_of_each(name, q):
    loss, rng = make(name, q, True)
    z = rng.standard_normal((*loss.y.shape, 4))
    expected = [loss.value(z[..., k]) for k in range(4)]
    assert loss.value(z) == pytest.approx(np.array(expected), rel=1e-12)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "squared"])
def test_quadratic_model_touches_the_loss(name, q, intercept):
    loss, rng = make(name, q, intercept)
    z = outputs(loss, rng)
    model = loss.quadratic_model(z)
    assert model.value(z) == pytest.approx(loss.value(z), rel=1e-9)
    assert model.dual_point(z) == pytest.approx(loss.dual_point(z), abs=1e-9)
    if name == "multinomial":
        step = 1e-2 * rng.standard_normal(z.shape)
        assert model.value(z + step) >= loss.value(z + step) - 1e-5


@pytest.mark.parametrize("name", MAKERS)
def test_best_scale_is_the_best(name):
    loss, rng = make(name, 1, False)
    v = loss.dual_point(outputs(loss, rng))
    for limit in (0.3, 1.0, 50.0):
        best = loss.best_scale(v, limit)
        assert 0 <= best <= limit
        others = [loss.dual_value(t * v) for t in np.linspace(0, limit, 101)]
        assert loss.dual_value(best * v) >= max(others) - 1e-9


def test_smoothness_bounds_differences_of_gradients():
    for name in SMOOTH:
        loss, rng = make(name, 3, False)
        one, other = outputs(loss, rng), outputs(loss, rng)
        moved = np.linalg.norm(loss.dual_point(one) - loss.dual_point(other))
        assert moved <= loss.smoothness * np.linalg.norm(one - other) * (1 + 1e-12)


def test_weights_are_repetitions():
    rng = np.random.default_rng(3)
    counts = rng.integers(1, 4, N)
    for name in MAKERS:
        kind, y = MAKERS[name](rng, 3)
        z = rng.standard_normal(y.shape)
        weighted = kind(y, counts.astype(float), intercept=True)
        rows = np.repeat(np.arange(N), counts)
        repeated = kind(y[rows], np.ones(len(rows)), intercept=True)
        assert weighted.value(z) == pytest.approx(repeated.value(z[rows]), rel=1e-9)


def test_rounded_hinge_is_between_the_hinge_and_half_its_width_below():
    loss, rng = make("hinge", 1, False)
    z = outputs(loss, rng)
    for width in (0.5, 0.1, 0.01):
        rounded = loss.smoothed(width).value(z)
        lowest = loss.value(z) - 0.5 * width * loss.weights.sum()
        assert lowest <= rounded <= loss.value(z)
