"""ConvexCNNRegressor within scikit-learn, and what its fits promise."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from convexnn import ConvexCNNRegressor, ConvexCNNRegressorCV
from convexnn.filters import in_recovery_cone


@parametrize_with_checks(
    [
        ConvexCNNRegressor(),
        ConvexCNNRegressor(refine=False, linear_weight="limit", solver="highs"),
        ConvexCNNRegressor(formulation="global", tol=0.1, beta_ratio=0.2),
        ConvexCNNRegressor(formulation="global", solver="newton", n_cells=5),
        ConvexCNNRegressor(
            formulation="global", loss="huber", tol=0.1, beta_ratio=0.2, n_cells=5
        ),
        ConvexCNNRegressorCV(
            betas=2, beta_min_ratio=0.1, cv=2, cells="sampled", n_cells=5
        ),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EfficiencyWarning")
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def planted(n, k, p, *, noise=0.0, seed=0):
    """Return inputs, labels, and the filter that made them."""
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((n, k * p)), rng.standard_normal(p)
    y = np.maximum(X.reshape(n, k, p) @ w, 0).sum(axis=1)
    return X, y + noise * np.std(y) * rng.standard_normal(n), w


def model(filter_shape=None, **parameters):
    return ConvexCNNRegressor(
        filter_shape=filter_shape, **{"random_state": 0} | parameters
    )


def relative_error(found, w):
    return np.linalg.norm(found.coef_ - w) / np.linalg.norm(w)


@pytest.mark.parametrize(
    ("n", "k", "p"), [(120, 1, 50), (43, 2, 25), (14, 5, 10), (63, 5, 50)]
)
def test_planted_filters_are_recovered_to_rounding(n, k, p):
    errors = []
    for seed in range(8):
        X, y, w = planted(n, k, p, seed=seed)
        found = model(p).fit(X, y)
        errors.append(relative_error(found, w))
        if errors[-1] < 1e-8:
            assert found.recovered_
            assert found.residual_ < 1e-10
    assert np.mean(np.array(errors) < 1e-8) >= 0.8


def test_noise_costs_little_more_than_not_knowing_the_active_sets():
    ratios = []
    for seed in range(10):
        X, y, w = planted(200, 2, 20, noise=0.1, seed=seed)
        found = model(20, n_restarts=10).fit(X, y)
        blocks = X.reshape(200, 2, 20)
        rows = np.einsum("nk,nkp->np", blocks @ w > 0, blocks)
        oracle = np.linalg.lstsq(rows, y, rcond=None)[0]
        best = np.linalg.norm(oracle - w) / np.linalg.norm(w)
        ratios.append(relative_error(found, w) / best)
        assert not found.recovered_
    assert np.median(ratios) < 1.1


def test_fitted_attributes_can_be_computed_anew():
    X, y, _ = planted(60, 3, 5, noise=0.2)
    weights = np.random.default_rng(0).uniform(0.5, 2, 60)
    found = model(5).fit(X, y, sample_weight=weights)
    outputs = np.maximum(X.reshape(60, 3, 5) @ found.coef_, 0).sum(axis=1)
    np.testing.assert_allclose(found.predict(X), outputs, rtol=1e-12)
    squares = weights @ (outputs - y) ** 2
    assert found.objective_ == pytest.approx(0.5 * squares, rel=1e-9)
    expected = np.sqrt(squares / (weights @ y**2))
    assert found.residual_ == pytest.approx(expected, rel=1e-9)
    np.testing.assert_array_equal(found.filter_, found.coef_)
    assert 1 <= found.n_restarts_ <= 50


def test_a_local_minimum_is_least_squares_on_its_active_sets():
    X, y, _ = planted(80, 2, 6, noise=0.2)
    found = model(6).fit(X, y)
    blocks = X.reshape(80, 2, 6)
    rows = np.einsum("nk,nkp->np", blocks @ found.coef_ > 0, blocks)
    gradient = rows.T @ (found.predict(X) - y)
    assert np.abs(gradient).max() < 1e-7 * np.linalg.norm(rows) * np.linalg.norm(y)


@pytest.mark.parametrize("beta", [0.01, "limit"])
def test_the_relaxation_alone_recovers_with_enough_rows(beta):
    X, y, w = planted(150, 3, 6)
    found = model(6, linear_weight=beta, refine=False, accuracy=1e-8).fit(X, y)
    share = 1.0 if beta == "limit" else 1 + beta
    np.testing.assert_allclose(found.coef_, share * w, rtol=1e-5)
    blocks = X.reshape(150, 3, 6)
    own = np.einsum("n,nk,nkp->p", y, blocks @ w > 0, blocks)
    np.testing.assert_allclose(found.direction_, own, rtol=1e-8)
    square = y @ y
    value = square if beta == "limit" else -(beta + beta**2 / 2) * square
    assert found.relaxation_objective_ == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("beta", [0.01, "limit"])
def test_a_refined_zero_residual_has_the_value_of_its_own_program(beta):
    X, y, _ = planted(150, 3, 6)
    refined = model(6, linear_weight=beta).fit(X, y)
    relaxed = model(6, linear_weight=beta, refine=False, accuracy=1e-9).fit(X, y)
    np.testing.assert_allclose(refined.direction_, relaxed.direction_, rtol=1e-8)
    assert refined.relaxation_objective_ == pytest.approx(
        relaxed.relaxation_objective_, rel=1e-7
    )


@pytest.mark.parametrize("solver", ["interior_point", "osqp", "cvxpy", "highs"])
def test_every_backend_leads_to_the_same_filter(solver):
    X, y, _ = planted(60, 2, 6, noise=0.1)
    beta = "limit" if solver == "highs" else 0.01
    found = model(6, solver=solver, linear_weight=beta, n_restarts=1).fit(X, y)
    expected = model(6, n_restarts=1).fit(X, y)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6)


@pytest.mark.parametrize("solver", ["osqp", "cvxpy"])
@pytest.mark.filterwarnings("ignore:The network is zero")
def test_the_naive_relaxation_fails_whatever_the_data(solver):
    X, y, w = planted(200, 1, 5)
    naive = model(linear_weight=0, refine=False, solver=solver).fit(X, y)
    assert naive.relaxation_objective_ < 1e-8 * (y @ y)
    assert relative_error(naive, w) > 0.1
    assert not naive.recovered_
    assert (
        relative_error(clone(naive).set_params(linear_weight=1e-3).fit(X, y), w) < 2e-3
    )


@pytest.mark.parametrize("direction", ["gaussian", "antithetic"])
def test_random_directions_recover_where_one_is_in_the_cone(direction):
    X, y, w = planted(60, 1, 3)
    found = model(
        direction=direction,
        linear_weight="limit",
        refine=False,
        n_restarts=20,
        solver="highs",
    ).fit(X, y)
    assert found.recovered_
    assert relative_error(found, w) < 1e-8
    assert in_recovery_cone(X, w, found.direction_)
    if direction == "antithetic":
        assert found.n_restarts_ <= 4


def test_antithetic_directions_come_in_pairs():
    X, y, _ = planted(60, 1, 3, noise=0.5)
    directions = []
    for n_restarts in (1, 2):
        found = model(direction="antithetic", refine=False, n_restarts=n_restarts)
        directions.append(found.fit(X, y).direction_)
    # The best of the pair is one of the two.
    assert np.allclose(*directions) or np.allclose(directions[0], -directions[1])
    trainer_directions = {
        tuple(np.sign(model(direction="gaussian", refine=False, n_restarts=1,
                            random_state=seed).fit(X, y).direction_))
        for seed in range(8)
    }  # fmt: skip
    assert len(trainer_directions) > 1


def test_a_given_direction_is_used():
    X, y, w = planted(60, 2, 3)
    found = model(3, direction=2 * w, refine=False, linear_weight="limit").fit(X, y)
    np.testing.assert_allclose(found.direction_, 2 * w)
    assert found.relaxation_objective_ == pytest.approx(
        2 * w @ found.coef_, rel=1e-6
    )  # fmt: skip


def test_images_with_channels_and_overlapping_patches():
    rng = np.random.default_rng(0)
    w = rng.standard_normal((2, 2, 3))
    images = rng.standard_normal((60, 4, 5, 3))
    y = np.zeros(60)
    for a in range(3):
        for b in range(4):
            cut = images[:, a : a + 2, b : b + 2]
            y += np.maximum(np.einsum("nabc,abc->n", cut, w), 0)
    found = ConvexCNNRegressor(
        input_shape=(4, 5, 3), filter_shape=(2, 2), stride=1, random_state=0
    ).fit(images.reshape(60, -1), y)
    assert found.recovered_
    np.testing.assert_allclose(found.filter_, w, rtol=1e-9)
    assert found.transform(images.reshape(60, -1)).shape == (60, 12)


def test_labels_below_zero_are_out_of_reach_and_pull_nothing():
    X, y, w = planted(80, 1, 5)
    lowered = np.where(y == 0, -1.0, y)
    found = model().fit(X, lowered)
    np.testing.assert_allclose(found.coef_, w, rtol=1e-6)
    assert found.predict(X).min() >= 0
    assert found.objective_ == pytest.approx(0.5 * np.sum(y == 0), rel=1e-6)
    assert not found.recovered_


@pytest.mark.parametrize("refine", [True, False])
def test_no_positive_label_makes_the_zero_network(refine):
    X, y, _ = planted(30, 2, 4)
    found = model(4, refine=refine).fit(X, -y)
    assert not found.coef_.any()
    assert found.objective_ == pytest.approx(0.5 * y @ y)
    assert model(4).fit(X, 0 * y).recovered_


def test_weights_act_as_repetition_and_absence():
    X, y, _ = planted(40, 2, 5, noise=0.3)
    weights = np.random.default_rng(1).integers(0, 4, 40)
    for refine in (True, False):
        estimator = model(5, refine=refine)
        weighted = clone(estimator).fit(X, y, sample_weight=weights)
        repeated = clone(estimator).fit(
            np.repeat(X, weights, axis=0), np.repeat(y, weights)
        )
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-7)
        assert weighted.objective_ == pytest.approx(repeated.objective_)
        assert weighted.relaxation_objective_ == pytest.approx(
            repeated.relaxation_objective_
        )


def test_order_of_rows_does_not_matter():
    X, y, _ = planted(60, 2, 5, noise=0.3)
    order = np.random.default_rng(2).permutation(60)
    one, other = model(5).fit(X, y), model(5).fit(X[order], y[order])
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-7)


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("scales", [(8.0, 3.0), (1e-90, 1e80), (1e100, 1e-100)])
def test_scales_of_data_and_labels_pass_through(scales, refine):
    X, y, _ = planted(60, 2, 5, noise=0.3)
    a, b = scales
    one = model(5, refine=refine).fit(X, y)
    other = model(5, refine=refine).fit(a * X, b * y)
    np.testing.assert_allclose(other.predict(a * X), b * one.predict(X), rtol=1e-6)
    np.testing.assert_allclose(other.coef_ * (a / b), one.coef_, rtol=1e-6)


def test_same_random_state_same_filter_on_any_number_of_jobs():
    X, y, _ = planted(63, 5, 50, seed=3)
    noisy = y + 0.3 * np.random.default_rng(0).standard_normal(63)
    for labels in (y, noisy):
        one = model(50, n_restarts=8).fit(X, labels)
        other = model(50, n_restarts=8, n_jobs=3).fit(X, labels)
        np.testing.assert_array_equal(one.coef_, other.coef_)
        assert one.n_restarts_ == other.n_restarts_
        assert one.n_iter_ == other.n_iter_
        assert one.relaxation_objective_ == other.relaxation_objective_


def test_restarts_find_what_the_first_start_misses():
    hits = {1: 0, 30: 0}
    for seed in range(12):
        X, y, _ = planted(63, 5, 50, seed=seed)
        for n_restarts in hits:
            found = model(50, n_restarts=n_restarts).fit(X, y)
            hits[n_restarts] += found.recovered_
            assert found.n_restarts_ <= n_restarts
    assert hits[1] < hits[30]


def test_agreeing_starts_end_the_restarts():
    X, y, _ = planted(200, 2, 5, noise=0.01)
    assert 10 <= model(5, n_restarts=50).fit(X, y).n_restarts_ < 50


def test_features_are_rectified_responses_with_names():
    X, y, _ = planted(60, 3, 5)
    found = model(5).fit(X, y)
    features = found.transform(X)
    expected = np.maximum(X.reshape(60, 3, 5) @ found.coef_, 0)
    np.testing.assert_allclose(features, expected, rtol=1e-12)
    np.testing.assert_allclose(features.sum(axis=1), found.predict(X), rtol=1e-12)
    names = found.get_feature_names_out()
    assert names.tolist() == [f"convexcnnregressor{j}" for j in range(3)]


def test_least_squares_with_the_learned_filter_is_a_union_away():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, y, _ = planted(300, 3, 5)
    y = y + X @ rng.standard_normal(15)
    pixels = FunctionTransformer(feature_names_out="one-to-one")
    union = make_union(pixels, model(5))
    both = make_pipeline(union, Ridge()).set_output(transform="pandas")
    frame = pandas.DataFrame(X, columns=[f"p{j}" for j in range(15)])
    both.fit(frame[:200], y[:200])
    names = both[0].get_feature_names_out()
    assert len(names) == 18
    assert names[-1] == "convexcnnregressor__convexcnnregressor2"
    alone = Ridge().fit(X[:200], y[:200])
    assert both.score(frame[200:], y[200:]) > alone.score(X[200:], y[200:])


def test_grid_search_chooses_a_filter_shape():
    X, y, _ = planted(200, 4, 3)
    grid = {"filter_shape": [2, 3, 6, None]}
    search = GridSearchCV(model(n_restarts=5), grid, cv=3).fit(X, y)
    assert search.best_params_ == {"filter_shape": 3}
    assert search.best_score_ > 1 - 1e-10


def test_float32_stays_float32():
    X, y, w = planted(60, 3, 5)
    X32 = X.astype(np.float32)
    found = model(5).fit(X32, y.astype(np.float32))
    arrays = (found.coef_, found.filter_, found.predict(X32), found.transform(X32))
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    np.testing.assert_allclose(found.coef_, w, rtol=1e-5)


def test_copies_predict_the_same():
    X, y, _ = planted(60, 3, 5)
    found = model(5).fit(X, y)
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy.predict(X), found.predict(X))
    assert not hasattr(clone(found), "coef_")


def test_verbose_prints_a_line_a_start(capsys):
    X, y, _ = planted(60, 3, 5, noise=0.5)
    found = model(5, verbose=1, n_restarts=4).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == found.n_restarts_ == 4
    assert all("relative residual" in line for line in lines)
    model(5, verbose=2, n_restarts=4).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) > 4


def test_frozen_filter():
    # A change here is a change of what users get, and needs a reason.
    X, y, _ = planted(60, 2, 3, noise=0.2, seed=13)
    found = model(3).fit(X, y)
    expected = [0.09900179159, 1.74654702051, -0.11641582826]
    np.testing.assert_allclose(found.coef_, expected, rtol=1e-8)
    assert found.objective_ == pytest.approx(2.17311615980, rel=1e-9)
    assert found.relaxation_objective_ == pytest.approx(-1.2495185, rel=1e-3)


def test_a_fit_forgets_the_other_formulation():
    X, y = np.random.default_rng(0).standard_normal((30, 4)), np.arange(30.0)
    settings = {"relaxation": {}, "global": {"beta": 1.0, "tol": 0.1}}
    fresh = {
        name: model(formulation=name, **own).fit(X, y) for name, own in settings.items()
    }
    again = model()
    for name in ("global", "relaxation", "global"):
        again.set_params(beta=None, tol=1e-2)
        again.set_params(formulation=name, **settings[name]).fit(X, y)
        assert set(vars(again)) == set(vars(fresh[name]))
        np.testing.assert_array_equal(again.predict(X), fresh[name].predict(X))


def many_filters(**parameters):
    settings = {"formulation": "global", "beta_ratio": 0.1, "tol": 1e-4}
    return model(3, **settings | parameters)


@pytest.mark.parametrize("kind", [{}, {"solver": "newton", "n_cells": 15}])
def test_huber_of_large_epsilon_is_squares_and_of_small_bears_outliers(kind):
    X, y, _ = planted(40, 2, 3, noise=0.2)
    y = y - y.mean()
    squares = many_filters(**kind).fit(X, y)
    large = many_filters(loss="huber", epsilon=1e3, **kind).fit(X, y)
    assert large.objective_ == pytest.approx(squares.objective_, rel=2e-4)
    outlying = np.where(np.arange(40) == 7, y + 100, y)
    small = many_filters(loss="huber", epsilon=0.5, beta=1.0, **kind).fit(X, outlying)
    residual = np.abs(small.predict(X) - outlying)
    losses = np.where(residual <= 0.5, residual**2 / 2, 0.5 * (residual - 0.25))
    penalty = small.network_.penalty()
    assert small.objective_ == pytest.approx(losses.sum() + 0.5 * penalty, rel=1e-9)
    assert small.certificate_.relative_gap <= 1e-4
    plain = many_filters(beta=1.0, **kind).fit(X, outlying)
    kept = np.arange(40) != 7
    errors = [np.median(np.abs(each.predict(X) - y)[kept]) for each in (small, plain)]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("kind", [{}, {"solver": "newton", "n_cells": 15}])
def test_filters_are_capped_and_warm_started(kind):
    X, y, _ = planted(40, 2, 3, noise=0.2)
    y = y - y.mean()
    free = many_filters(**kind).fit(X, y)
    assert free.n_filters_ > 1
    capped = many_filters(max_neurons=1, **kind).fit(X, y)
    assert capped.n_filters_ == len(capped.filters_) == 1
    assert capped.certificate_.is_capped
    assert capped.objective_ >= free.objective_ * (1 - 1e-4)
    again = many_filters(warm_start=True, **kind).fit(X, y)
    n_iter = again.n_iter_
    again.fit(X, y)
    assert again.n_iter_ <= n_iter
    assert again.objective_ <= free.objective_ * (1 + 1e-4)


def test_options_of_the_backend_are_handed_on():
    X, y, _ = planted(40, 2, 3)
    found = many_filters(solver_options={"n_starts": 32}).fit(X, y - y.mean())
    assert found.certificate_.n_starts == 32
    with pytest.raises(ValueError, match=r"solver_options.*'n_start'"):
        many_filters(solver_options={"n_start": 32}).fit(X, y)


@pytest.mark.parametrize("settings", [{}, {"formulation": "global", "tol": 0.1}])
def test_the_network_is_the_estimator(settings):
    X, y, _ = planted(40, 2, 3, noise=0.2)
    found = model(3, **settings).fit(X, y)
    network = found.network_
    np.testing.assert_array_equal(network.predict(X), found.predict(X))
    features = found.transform(X).reshape(40, 2, found.n_filters_)
    np.testing.assert_allclose(
        features.sum(axis=1) @ found.output_weights_ + found.intercept_,
        found.predict(X),
        rtol=1e-10,
    )
    assert features.reshape(40, -1).shape[1] == len(found.get_feature_names_out())
