"""ConvexReLURegressor within scikit-learn, and what its fits promise."""

import pickle

import joblib
import numpy as np
import pytest
import sklearn
from problems import network_objective, network_value
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexnn import ConvexReLURegressor
from convexnn.data.datasets import make_relu_teacher

ACTIVATIONS = ("relu", "gated_relu")


@pytest.fixture(scope="module")
def teacher():
    return make_relu_teacher(80, 4, noise=0.1, random_state=0)


def test_predictions_are_those_of_the_plain_network(teacher):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.5, random_state=0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), network_value(model, X), rtol=1e-12)
    assert model.coefs_[0].shape == (4, model.n_neurons_)
    assert model.coefs_[1].shape == (model.n_neurons_, 1)
    assert model.intercepts_[0].shape == (model.n_neurons_,)
    assert model.intercepts_[1].shape == (1,)
    assert np.all(np.linalg.norm(model.coefs_[0], axis=0) > 0)


def test_gated_predictions_use_the_gates(teacher):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.5, activation="gated_relu", random_state=0)
    model.fit(X, y)
    np.testing.assert_allclose(model.predict(X), network_value(model, X), rtol=1e-12)
    # Without its gates it is another network.
    model.set_params(activation="relu")
    assert not np.allclose(network_value(model, X), model.predict(X))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_objective_is_the_networks_own(teacher, activation, fit_intercept):
    X, y = teacher
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = ConvexReLURegressor(
        beta=0.3, activation=activation, fit_intercept=fit_intercept, random_state=0
    ).fit(X, y, sample_weight=weights)
    expected = network_objective(model, X, y, weights)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    assert model.objective_ == model.certificate_.primal
    assert 0 <= model.certificate_.relative_gap <= model.tol
    if not fit_intercept:
        assert model.intercepts_[1][0] == 0
        assert not model.intercepts_[0].any()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_zero_network_exactly_from_beta_max_on(teacher, activation):
    X, y = teacher
    model = ConvexReLURegressor(beta=1.0, activation=activation, random_state=0)
    beta_max = model.fit(X, y).beta_max_
    above = clone(model).set_params(beta=beta_max * 1.0001)
    with pytest.warns(UserWarning, match=r"beta=\S+ is above beta_max="):
        above.fit(X, y)
    below = clone(model).set_params(beta=beta_max * 0.98, tol=1e-6).fit(X, y)
    assert above.n_neurons_ == 0
    assert below.n_neurons_ > 0
    assert below.objective_ < above.objective_
    np.testing.assert_allclose(above.predict(X), y.mean())


@pytest.mark.parametrize("cells", ["auto", "sampled"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_weights_act_as_repetition_and_absence(teacher, activation, cells):
    X, y = teacher
    weights = np.random.default_rng(1).integers(0, 4, len(y))
    model = ConvexReLURegressor(
        beta=0.5,
        activation=activation,
        cells=cells,
        n_cells=20,
        random_state=0,
        tol=1e-5,
    )
    weighted = clone(model).fit(X, y, sample_weight=weights)
    repeated = clone(model).fit(np.repeat(X, weights, axis=0), np.repeat(y, weights))
    np.testing.assert_array_equal(weighted.predict(X), repeated.predict(X))
    assert weighted.objective_ == repeated.objective_
    assert weighted.beta_max_ == repeated.beta_max_


def test_repeated_rows_with_different_targets(teacher):
    X, y = teacher
    X_twice, y_twice = np.vstack([X, X]), np.concatenate([y, y + 1])
    model = ConvexReLURegressor(beta=0.5, random_state=0).fit(X_twice, y_twice)
    expected = network_objective(model, X_twice, y_twice)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)


def test_order_of_rows_does_not_matter(teacher):
    X, y = teacher
    order = np.random.default_rng(2).permutation(len(y))
    model = ConvexReLURegressor(beta=0.5, random_state=0)
    one = clone(model).fit(X, y)
    other = clone(model).fit(X[order], y[order])
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_scaling_data_and_penalty_together_changes_nothing(teacher):
    X, y = teacher
    model = ConvexReLURegressor(
        beta=0.5, fit_intercept=False, cells="sampled", n_cells=20, random_state=0
    )
    one = clone(model).fit(X, y)
    other = clone(model).set_params(beta=0.5 * 8 * 3).fit(X * 8, y * 3)
    np.testing.assert_allclose(other.predict(X * 8), 3 * one.predict(X), rtol=1e-7)
    assert other.objective_ == pytest.approx(9 * one.objective_, rel=1e-8)


def test_shifting_the_targets_shifts_the_intercept(teacher):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.5, cells="sampled", n_cells=20, random_state=0)
    one, other = clone(model).fit(X, y), clone(model).fit(X, y + 100)
    np.testing.assert_allclose(other.predict(X), one.predict(X) + 100, rtol=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_same_random_state_same_network(teacher, activation):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.5, activation=activation, random_state=7)
    one, other = clone(model).fit(X, y), clone(model).fit(X, y)
    np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])
    different = clone(model).set_params(random_state=8).fit(X, y)
    assert one.objective_ != different.objective_


def test_more_cells_never_raise_the_optimum(teacher):
    X, y = teacher
    gates = np.random.default_rng(0).standard_normal((5, 30))
    few = ConvexReLURegressor(beta=0.5, cells=gates[:, :10], tol=1e-6).fit(X, y)
    many = ConvexReLURegressor(beta=0.5, cells=gates, tol=1e-6).fit(X, y)
    assert many.certificate_.dual <= few.objective_
    assert many.objective_ <= few.objective_ * (1 + 1e-6)


def test_given_gates_include_the_bias_row(teacher):
    X, y = teacher
    gates = np.random.default_rng(0).standard_normal((5, 12))
    model = ConvexReLURegressor(beta=0.1, activation="gated_relu", cells=gates)
    model.fit(X, y)
    columns = {tuple(column) for column in gates.T}
    assert {tuple(column) for column in model.gates_.T} <= columns
    assert model.certificate_.scope == "cells"


def test_missed_tolerance_warns_with_the_value_reached(teacher):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.01, solver="fista", max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"gap .* above tol=0\.01, after 3 it"):
        model.fit(X, y)
    assert model.certificate_.relative_gap > model.tol
    assert model.n_iter_ == 3
    expected = network_objective(model, X, y)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)


def test_max_neurons_caps_the_width(teacher):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.05, random_state=0)
    free = clone(model).fit(X, y)
    capped = clone(model).set_params(max_neurons=2).fit(X, y)
    assert free.n_neurons_ > 2 >= capped.n_neurons_ > 0
    assert capped.objective_ >= free.objective_
    assert capped.certificate_.is_capped
    assert not free.certificate_.is_capped
    assert capped.certificate_.dual == free.certificate_.dual
    assert clone(model).set_params(max_neurons=10_000).fit(X, y).objective_ == (
        free.objective_
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_warm_start_saves_iterations(teacher, activation):
    X, y = teacher
    model = ConvexReLURegressor(
        beta=0.5,
        activation=activation,
        solver="fista",
        n_cells=20,
        tol=1e-3,
        random_state=0,
    )
    cold = clone(model).set_params(beta=0.45).fit(X, y)
    warm = clone(model).set_params(warm_start=True).fit(X, y)
    warm.set_params(beta=0.45).fit(X, y)
    assert warm.n_iter_ < cold.n_iter_
    assert warm.objective_ == pytest.approx(cold.objective_, rel=2e-3)


def test_warm_start_survives_a_change_of_data_and_activation(teacher):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.5, warm_start=True, random_state=0).fit(X, y)
    model.fit(X[:, :2], y)
    assert model.n_features_in_ == 2
    model.set_params(activation="gated_relu").fit(X[:, :2], y)
    assert model.certificate_.relative_gap <= model.tol
    model.set_params(activation="relu").fit(X[:, :2], y)
    assert not hasattr(model, "gates_")


def test_float32_stays_float32(teacher):
    X, y = (array.astype(np.float32) for array in teacher)
    model = ConvexReLURegressor(beta=0.5, tol=1e-3, random_state=0).fit(X, y)
    arrays = [*model.coefs_, *model.intercepts_, model.predict(X)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    double = ConvexReLURegressor(beta=0.5, tol=1e-3, random_state=0).fit(*teacher)
    assert model.objective_ == pytest.approx(double.objective_, rel=1e-3)


def test_verbose_prints_a_line_a_round(teacher, capsys):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.5, cells="sampled", verbose=1, random_state=0)
    model.fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all("objective" in line and "gap" in line for line in lines)
    model.set_params(verbose=2).fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) > len(lines)


@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_grid_search_in_a_pipeline_gives_the_same_on_any_number_of_jobs():
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:150], y[:150]
    pipeline = make_pipeline(
        StandardScaler(),
        ConvexReLURegressor(cells="sampled", n_cells=10, random_state=0),
    )
    grid = {"convexreluregressor__beta": [3e2, 3e3]}
    one = GridSearchCV(pipeline, grid, cv=3, n_jobs=1).fit(X, y)
    two = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(X, y)
    # Linear algebra may use another number of threads inside a job.
    np.testing.assert_allclose(
        one.cv_results_["mean_test_score"],
        two.cv_results_["mean_test_score"],
        rtol=1e-6,
    )
    np.testing.assert_allclose(one.predict(X), two.predict(X), rtol=1e-6)
    assert one.best_params_ == two.best_params_


@pytest.mark.filterwarnings("ignore:beta=:UserWarning")
def test_halving_search_runs():
    X, y = load_diabetes(return_X_y=True)
    search = HalvingGridSearchCV(
        ConvexReLURegressor(random_state=0),
        {"beta": [1e2, 1e3, 1e4]},
        cv=3,
        random_state=0,
    ).fit(X, y)
    assert search.score(X, y) > 0.3
    assert search.n_resources_[-1] > search.n_resources_[0]


def test_copies_predict_the_same(teacher, tmp_path):
    X, y = teacher
    model = ConvexReLURegressor(beta=0.5, random_state=0).fit(X, y)
    pickled = pickle.loads(pickle.dumps(model))
    joblib.dump(model, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    for copy in (pickled, loaded):
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
        assert copy.certificate_ == model.certificate_
    assert not hasattr(clone(model), "coefs_")


def test_data_frames_keep_their_names_and_set_output_works(teacher):
    pandas = pytest.importorskip("pandas")
    X, y = teacher
    frame = pandas.DataFrame(X, columns=list("abcd"))
    pipeline = make_pipeline(
        StandardScaler(),
        ConvexReLURegressor(cells="sampled", n_cells=10, random_state=0),
    ).set_output(transform="pandas")
    pipeline.fit(frame, y)
    assert list(pipeline[-1].feature_names_in_) == list("abcd")
    plain = clone(pipeline).set_output(transform="default").fit(X, y)
    # pandas hands over another memory order, so sums round differently.
    np.testing.assert_allclose(pipeline.predict(frame), plain.predict(X), rtol=1e-9)


def test_sample_weight_is_routed(teacher):
    X, y = teacher
    weights = np.where(np.arange(len(y)) < 40, 1.0, 0.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = ConvexReLURegressor(random_state=0)
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, model)
        routed = cross_validate(
            pipeline,
            X,
            y,
            params={"sample_weight": weights + 1e-9},
            cv=2,
            return_estimator=True,
        )
    fitted = routed["estimator"][0][-1]
    unweighted = clone(pipeline).fit(X[40:], y[40:])[-1]
    assert fitted.objective_ < 1e-3 * unweighted.objective_
