"""CenteredGDDecoder within scikit-learn, and what its fits promise."""

import pickle
import re
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score

from convexnn import CenteredGDDecoder
from convexnn.decoding import tail_quantities

NEWTONS = ("newton", "newton_cg")
SOLVERS = (*NEWTONS, "centered_gd", "nesterov")


@contextmanager
def quiet():
    """Let warnings not be the subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def draw(d=20, n=40, sigma=5.0, noise=0.0, seed=0):
    """Return probes, codes and the vector, in the manner of the paper."""
    rng = np.random.default_rng(seed)
    w, X = rng.uniform(-1, 1, d), sigma * rng.standard_normal((n, d))
    return X, np.maximum(X + w, 0).sum(axis=1) + noise * rng.standard_normal(n), w


def squared_error(model, w):
    """Return the relative recovery error (8) of the paper."""
    return np.sum((model.coef_ - w) ** 2) / np.sum(w**2)


def loss_of(w, X, y, weights=None):
    """Evaluate loss (2) from its definition."""
    squares = (np.maximum(X + w, 0).sum(axis=1) - y) ** 2
    return 0.5 * np.average(squares, weights=weights)


@pytest.mark.parametrize("theta", [1.0, None])
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_decodes_exactly(solver, theta):
    X, y, w = draw()
    model = CenteredGDDecoder(theta=theta, solver=solver, random_state=0).fit(X, y)
    assert model.is_exact_
    assert squared_error(model, w) < 1e-18
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-10)
    assert model.score(X, y) == pytest.approx(1.0)
    assert model.solver_ == solver
    assert model.unidentified_.size == 0


@pytest.mark.parametrize("solver", NEWTONS)
@pytest.mark.parametrize(("sigma", "ratio"), [(5.0, 1.05), (1.0, 1.2)])
def test_newton_decodes_from_little_more_than_one_sample_an_entry(solver, sigma, ratio):
    for seed in range(5):
        X, y, w = draw(60, round(60 * ratio), sigma, seed=seed)
        model = CenteredGDDecoder(theta=1.0, solver=solver, random_state=0).fit(X, y)
        assert squared_error(model, w) < 1e-10


def test_newton_needs_few_iterations_and_the_plain_gradient_many():
    X, y, _ = draw(100, 200)
    fits = {
        name: CenteredGDDecoder(theta=1.0, tol=1e-8, max_iter=10_000, **parameters)
        for name, parameters in {
            "newton": {"solver": "newton"},
            "centered": {"solver": "centered_gd"},
            "plain": {"solver": "centered_gd", "centered": False},
        }.items()
    }
    n_iter = {name: model.fit(X, y).n_iter_ for name, model in fits.items()}
    assert n_iter["newton"] <= 8
    assert n_iter["plain"] >= 20 * n_iter["centered"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_losses_are_those_of_the_definition(solver):
    X, y, _ = draw(noise=0.5)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(y))
    model = CenteredGDDecoder(theta=1.0, solver=solver, max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.set_params(n_restarts=0).fit(X, y, weights)
    assert model.loss_ == pytest.approx(loss_of(model.coef_, X, y, weights), rel=1e-12)
    start = np.clip(-np.average(X, axis=0, weights=weights), -1, 1)
    first = loss_of(start, X, y, weights)
    assert model.loss_path_[0] == pytest.approx(first, rel=1e-12)
    assert model.loss_path_[-1] == model.loss_
    assert len(model.loss_path_) == model.n_iter_ + 1 == 4


@pytest.mark.parametrize("solver", NEWTONS)
def test_newton_never_raises_the_loss_and_stays_in_the_box(solver):
    X, y, _ = draw(40, 60, noise=3.0)
    model = CenteredGDDecoder(theta=0.8, solver=solver, random_state=0).fit(X, y)
    assert np.all(np.diff(model.loss_path_) < 0)
    assert np.abs(model.coef_).max() <= 0.8


@pytest.mark.parametrize("solver", NEWTONS)
@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_with_noise_the_error_is_that_of_least_squares_on_the_true_pattern(
    solver, noise
):
    ratios = []
    for seed in range(8):
        X, y, w = draw(50, 150, noise=noise, seed=seed)
        model = CenteredGDDecoder(theta=1.0, solver=solver, random_state=0).fit(X, y)
        pattern = (X + w >= 0).astype(float)
        rest = y - (pattern * X).sum(axis=1)
        best = np.linalg.lstsq(pattern, rest, rcond=None)[0]
        ratios.append(np.linalg.norm(model.coef_ - w) / np.linalg.norm(best - w))
    assert np.median(ratios) < 1.1


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_act_as_repetition_and_absence(solver):
    X, y, w = draw(10, 60)
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    wrong = np.where(weights > 0, y, 1e3)
    model = CenteredGDDecoder(theta=1.0, solver=solver, random_state=0)
    weighted = clone(model).fit(X, wrong, weights)
    repeated = clone(model).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    assert squared_error(weighted, w) < 1e-18
    if solver != "newton_cg":  # whose steps differ by the accuracy of its products
        np.testing.assert_allclose(
            weighted.loss_path_[:3], repeated.loss_path_[:3], rtol=1e-4
        )
    first, *_ = weighted.loss_path_
    assert first == pytest.approx(loss_of(start_of(X, weights), X, y, weights))


def start_of(X, weights):
    return np.clip(-np.average(X, axis=0, weights=weights), -1, 1)


def test_weights_and_repetition_have_one_noisy_fit():
    X, y, _ = draw(10, 60, noise=1.0)
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    model = CenteredGDDecoder(theta=1.0, random_state=0)
    weighted = clone(model).fit(X, y, weights)
    repeated = clone(model).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-9)
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-10)


def test_order_of_rows_does_not_matter():
    X, y, _ = draw(noise=0.5)
    order = np.random.default_rng(2).permutation(len(y))
    model = CenteredGDDecoder(theta=1.0, random_state=0)
    one, other = clone(model).fit(X, y), clone(model).fit(X[order], y[order])
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("factor", [1e-100, 0.25, 1e100])
def test_scaling_everything_scales_the_vector(solver, factor):
    X, y, _ = draw()
    model = CenteredGDDecoder(solver=solver, random_state=0)
    one = clone(model).set_params(theta=1.0).fit(X, y)
    other = clone(model).set_params(theta=factor).fit(factor * X, factor * y)
    np.testing.assert_allclose(other.coef_, factor * one.coef_, rtol=1e-7)


@pytest.mark.parametrize("solver", SOLVERS)
def test_shifting_a_column_shifts_its_entry(solver):
    X, y, w = draw()
    shift = np.random.default_rng(3).uniform(-20, 20, 20)
    model = CenteredGDDecoder(solver=solver, random_state=0).fit(X + shift, y)
    assert model.is_exact_
    np.testing.assert_allclose(model.coef_, w - shift, atol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_single_precision_probes_are_decoded_in_double(solver):
    X, _, w = draw()
    X = X.astype(np.float32)
    y = np.maximum(X.astype(float) + w, 0).sum(axis=1)
    model = CenteredGDDecoder(theta=1.0, solver=solver, random_state=0).fit(X, y)
    assert model.coef_.dtype == model.predict(X).dtype == np.float64
    assert squared_error(model, w) < 1e-18


@pytest.mark.parametrize("solver", SOLVERS)
def test_same_random_state_same_vector(solver):
    X, y, _ = draw(40, 41, sigma=1.0)
    model = CenteredGDDecoder(theta=1.0, solver=solver, max_iter=50, random_state=7)
    fits = []
    for _ in range(2):
        with quiet():
            fits.append(clone(model).fit(X, y))
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)


def test_restarts_decode_what_one_start_does_not():
    exact = {0: 0, 10: 0}
    for seed in range(12):
        X, y, _ = draw(40, 43, sigma=1.0, seed=seed)
        for n_restarts in exact:
            model = CenteredGDDecoder(
                theta=1.0, n_restarts=n_restarts, random_state=seed
            )
            with quiet():
                model.fit(X, y)
            exact[n_restarts] += model.is_exact_
            assert 1 <= model.n_starts_ <= n_restarts + 1
    assert exact[10] > exact[0]


def test_a_true_vector_on_the_border_of_the_box_is_decoded():
    X, _, w = draw()
    w[:5] = [1.0, -1.0, 1.0, -1.0, 1.0]
    y = np.maximum(X + w, 0).sum(axis=1)
    for solver in SOLVERS:
        model = CenteredGDDecoder(theta=1.0, solver=solver, random_state=0).fit(X, y)
        assert squared_error(model, w) < 1e-18


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_true_vector_outside_the_box_is_told(solver):
    X, _, w = draw(20, 60)
    w[3] = 1.5
    y = np.maximum(X + w, 0).sum(axis=1)
    model = CenteredGDDecoder(theta=1.0, solver=solver, random_state=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model.fit(X, y)
    pattern = r"box of theta=1, .* in the entries .*\b3\b.*larger theta"
    assert any(re.search(pattern, str(warning.message)) for warning in told)
    assert model.coef_[3] == 1.0
    assert not model.is_exact_
    assert squared_error(clone(model).set_params(theta=2.0).fit(X, y), w) < 1e-18


@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_noise_alone_does_not_blame_the_box(noise):
    for seed in range(5):
        X, y, _ = draw(noise=noise, seed=seed)
        model = CenteredGDDecoder(theta=1.0, random_state=0).fit(X, y)
        assert not model.is_exact_


def test_the_bound_from_the_data_contains_a_vector_with_these_codes():
    rng = np.random.default_rng(4)
    for scale in (0.1, 1.0, 30.0):
        X, w = rng.standard_normal((30, 4)), scale * rng.uniform(-1, 1, 4)
        y = np.maximum(X + w, 0).sum(axis=1)
        model = CenteredGDDecoder(random_state=0)
        with quiet():
            model.fit(X, y)
        same = np.maximum(w, -X.max(axis=0))
        np.testing.assert_allclose(np.maximum(X + same, 0).sum(axis=1), y, atol=1e-12)
        assert np.abs(same).max() <= model.theta_


def test_auto_step_is_stable_and_near_the_largest_stable_one():
    X, y, _ = draw(50, 200)
    model = CenteredGDDecoder(theta=1.0, solver="centered_gd").fit(X, y)
    assert np.all(np.diff(model.loss_path_[:50]) < 0)
    pattern = (X + start_of(X, np.ones(200)) >= 0).astype(float)
    curvature = np.linalg.norm(pattern - pattern.mean(0), 2) ** 2 / 200
    assert 1.75 <= model.learning_rate_ * curvature <= 1.85
    unstable = clone(model).set_params(learning_rate=1.2 * model.learning_rate_)
    with pytest.warns(ConvergenceWarning):
        unstable.fit(X, y)
    assert not unstable.is_exact_


def test_theory_step_is_that_of_the_theorem():
    X, y, _ = draw(5, 400)
    model = CenteredGDDecoder(
        theta=1.0, solver="centered_gd", learning_rate="theory", max_iter=3000
    ).fit(X, y)
    assert model.learning_rate_ == tail_quantities(X, 1.0).learning_rate > 0
    assert model.is_exact_


def test_batches_decode_and_each_iteration_sees_one():
    X, y, w = draw(5, 4000)
    model = CenteredGDDecoder(
        theta=1.0, solver="centered_gd", n_batches=4, random_state=0
    ).fit(X, y)
    assert squared_error(model, w) < 1e-18
    with pytest.warns(ConvergenceWarning):
        one = clone(model).set_params(max_iter=1).fit(X, y)
    order = np.random.RandomState(0).permutation(4000)[:1000]
    start = start_of(X, np.ones(4000))
    pattern = X[order] + start >= 0
    residual = np.maximum(X[order] + start, 0).sum(1) - y[order]
    gradient = (residual - residual.mean()) @ pattern / 1000
    expected = np.clip(start - one.learning_rate_ * gradient, -1, 1)
    np.testing.assert_allclose(one.coef_, expected, atol=1e-12)


def test_searches_pipelines_and_pickles():
    X, y, w = draw(10, 90)
    search = GridSearchCV(
        CenteredGDDecoder(random_state=0), {"theta": [0.2, 1.0]}, cv=3
    )
    with quiet():
        search.fit(X, y)
    assert search.best_params_ == {"theta": 1.0}
    assert squared_error(search.best_estimator_, w) < 1e-18
    assert cross_val_score(search.best_estimator_, X, y).min() > 1 - 1e-12
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))


def test_verbose_shows_starts_and_iterations(capsys):
    X, y, _ = draw()
    CenteredGDDecoder(theta=1.0, verbose=1, random_state=0).fit(X, y)
    assert capsys.readouterr().out.startswith("start 1: loss ")
    model = CenteredGDDecoder(theta=1.0, solver="nesterov", verbose=2).fit(X, y)
    assert capsys.readouterr().out.count("iteration") == model.n_iter_ + 1


def test_golden_vector():
    X, y, _ = draw(4, 12, noise=0.3, seed=7)
    model = CenteredGDDecoder(theta=1.0, random_state=0).fit(X, y)
    golden = [0.38970593357550, 0.73403201272588, 0.37175646554215, -0.43030920151665]
    np.testing.assert_allclose(model.coef_, golden, rtol=1e-11)
    assert model.loss_ == pytest.approx(0.013857915886584917, rel=1e-11)
