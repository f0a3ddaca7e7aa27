"""ThreeLayerConvexRegressor: theorems, invariances, outputs, bad input, certify."""

import io
import pickle
from contextlib import redirect_stdout
from functools import partial

import numpy as np
import pytest
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexnn import (
    ConvexCNNRegressor,
    ConvexReLUClassifier,
    ConvexReLURegressor,
    ThreeLayerConvexClassifier,
    ThreeLayerConvexRegressor,
    certify,
)
from convexnn.search import active_set

rng = np.random.default_rng(0)
X, Y = rng.standard_normal((14, 2)), rng.standard_normal(14)
ONES = np.ones(14)


def model(**parameters):
    defaults = {"n_units": 2, "beta": 0.3, "n_cells": 8, "random_state": 0}
    return ThreeLayerConvexRegressor(**defaults | parameters)


def with_entry(array, value):
    array = np.array(array, dtype=float)
    array.flat[1] = value
    return array


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("cells", ["auto", "sampled"])
def test_recovered_network_has_the_objective_of_the_program(cells, fit_intercept):
    weights = rng.uniform(0.5, 2, 14)
    fitted = model(cells=cells, fit_intercept=fit_intercept).fit(X, Y, weights)
    assert fitted.certificate_.primal == fitted.objective_
    assert fitted.certificate_.relative_gap <= fitted.tol
    squares = 0.0
    output = np.full(14, float(fitted.intercept_))
    inputs = np.column_stack([X, ONES]) if fit_intercept else X
    assert fitted.n_neurons_ == len(fitted.subnetworks_) > 0
    for W1, w2, w3 in fitted.subnetworks_:
        assert W1.shape == (2 + fit_intercept, 2)
        assert w2.shape == (2,)
        assert np.linalg.norm(W1) == pytest.approx(1)
        assert np.linalg.norm(w2) == pytest.approx(abs(w3))
        output += np.maximum(np.maximum(inputs @ W1, 0) @ w2, 0) * w3
        squares += w2 @ w2 + w3**2
    np.testing.assert_allclose(fitted.predict(X), output)
    value = 0.5 * weights @ (output - Y) ** 2 + 0.15 * squares
    assert fitted.objective_ == pytest.approx(value)


def test_search_reaches_the_optimum_over_all_blocks():
    few, y = X[:4], Y[:4]
    parameters = {"n_units": 2, "beta": 0.05, "fit_intercept": False}
    listed = model(cells="all", **parameters).fit(few, y)
    found = model(**parameters).fit(few, y)
    assert listed.certificate_.scope == "all"
    assert listed.certificate_.relative_gap < 1e-6
    assert found.objective_ == pytest.approx(listed.objective_, rel=1e-4)
    assert found.objective_ >= listed.certificate_.dual * (1 - 1e-9)
    assert found.certificate_.bound <= listed.objective_ * (1 + 1e-9)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_one_unit_is_the_two_layer_network(fit_intercept):
    parameters = {"beta": 0.5, "tol": 1e-5, "fit_intercept": fit_intercept}
    three = model(n_units=1, **parameters | {"tol": 1e-3}).fit(X, Y)
    two = ConvexReLURegressor(random_state=0, **parameters).fit(X, Y)
    assert three.objective_ == pytest.approx(two.objective_, rel=1e-3)


def test_search_is_no_worse_than_sampled_blocks():
    assert model().fit(X, Y).objective_ <= (
        model(cells="sampled", n_cells=40).fit(X, Y).objective_
    )


@pytest.mark.filterwarnings("ignore:beta=.* is above beta_max")
@pytest.mark.parametrize("cells", ["auto", "sampled"])
def test_zero_network_from_beta_max_on(cells):
    beta_max = model(cells=cells).fit(X, Y).beta_max_
    fitted = model(cells=cells, beta=1.01 * beta_max, tol=1e-6).fit(X, Y)
    assert fitted.n_neurons_ == 0
    np.testing.assert_allclose(fitted.predict(X), Y.mean())
    assert fitted.objective_ == pytest.approx(0.5 * np.sum((Y - Y.mean()) ** 2))
    if cells == "auto":
        assert model(beta=0.9 * beta_max).fit(X, Y).n_neurons_ > 0


@pytest.mark.parametrize("cells", ["auto", "sampled"])
def test_same_again_whatever_the_order_or_form_of_the_rows(cells):
    first = model(cells=cells, beta=1.0).fit(X, Y)
    order = np.random.default_rng(1).permutation(14)
    weights = np.where(np.arange(14) < 5, 2.0, 1.0)
    weighted = model(cells=cells, beta=1.0).fit(X, Y, weights)
    repeated = model(cells=cells, beta=1.0).fit(
        np.concatenate([X, X[:5]]), np.concatenate([Y, Y[:5]])
    )
    assert model(cells=cells, beta=1.0).fit(X, Y).objective_ == first.objective_
    permuted = model(cells=cells, beta=1.0).fit(X[order], Y[order])
    np.testing.assert_array_equal(permuted.predict(X), first.predict(X))
    np.testing.assert_array_equal(repeated.predict(X), weighted.predict(X))


def test_scaling_of_the_data_scales_the_problem():
    first = model(fit_intercept=False).fit(X, Y)
    scaled = model(fit_intercept=False, beta=0.3 * 8 * 4).fit(X * 8, Y * 4)
    np.testing.assert_allclose(scaled.predict(X * 8), 4 * first.predict(X))
    assert scaled.objective_ == pytest.approx(16 * first.objective_)


def test_limited_number_of_subnetworks():
    for cells in ("auto", "sampled"):
        fitted = model(beta=0.2, cells=cells, max_neurons=2).fit(X, Y)
        assert fitted.n_neurons_ == 2
        assert fitted.certificate_.is_capped
        objective = fitted.network_.objective(X, Y, 0.2)
        assert fitted.objective_ == pytest.approx(objective, rel=1e-6)


def test_float32_is_kept():
    fitted = model().fit(X.astype(np.float32), Y)
    assert fitted.predict(X.astype(np.float32)).dtype == np.float32
    assert fitted.subnetworks_[0][0].dtype == np.float32
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def test_warm_start_is_no_worse_and_skips_other_shapes():
    fitted = model(warm_start=True).fit(X, Y)
    before = fitted.objective_
    assert fitted.fit(X, Y).objective_ <= before * (1 + 1e-9)
    assert fitted.fit(X[:, :1], Y).subnetworks_[0][0].shape == (2, 2)


TARGETS = np.column_stack([Y, np.abs(X[:, 0]) - X[:, 1]])


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_several_targets_are_outputs_of_one_network(loss):
    weights = rng.uniform(0.5, 2, 14)
    fitted = model(loss=loss, epsilon=0.5, tol=0.05).fit(X, TARGETS, weights)
    outputs = fitted.predict(X)
    assert outputs.shape == TARGETS.shape
    assert fitted.intercept_.shape == (2,)
    assert {w3.shape for _, _, w3 in fitted.subnetworks_} == {(2,)}
    assert fitted.certificate_.relative_gap <= 0.05
    assert fitted.certificate_.is_estimate
    if loss == "squared":
        value = fitted.network_.objective(X, TARGETS, 0.3, weights)
    else:
        sizes = np.abs(outputs - TARGETS)
        far = np.maximum(sizes - 0.5, 0)
        value = weights @ (sizes**2 - far**2).sum(axis=1) / 2
        value += 0.15 * fitted.network_.penalty()
        assert far.any()
    assert fitted.objective_ == pytest.approx(value, rel=1e-9)


def test_rotated_targets_have_the_same_objective():
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    first = model(tol=1e-3).fit(X, TARGETS)
    turned = model(tol=1e-3).fit(X, TARGETS @ turn)
    assert turned.objective_ == pytest.approx(first.objective_, rel=1e-3)
    np.testing.assert_allclose(
        turned.network_.objective(X, TARGETS @ turn, 0.3), turned.objective_
    )


def test_opposite_targets_are_one_target():
    one = model(beta=0.5, tol=1e-3).fit(X, Y)
    both = model(beta=0.5 * np.sqrt(2), tol=1e-3)
    both.fit(X, np.column_stack([Y, -Y]))
    assert both.objective_ == pytest.approx(2 * one.objective_, rel=1e-3)


def test_huber_is_squared_within_epsilon_and_bounds_the_pull_of_outliers():
    squared = model(tol=1e-3).fit(X, Y)
    wide = model(tol=1e-3, loss="huber", epsilon=1e6).fit(X, Y)
    assert wide.beta_max_ == pytest.approx(squared.beta_max_)
    assert wide.objective_ == pytest.approx(squared.objective_, rel=1e-3)
    far = with_entry(Y, 100.0)
    few, more = (
        model(loss="huber", epsilon=0.1, tol=0.05).fit(X, far * factor)
        for factor in (1, np.where(far == 100, 10, 1))
    )
    np.testing.assert_allclose(few.predict(X), more.predict(X), atol=0.05)


def test_given_blocks_are_of_one_target():
    with pytest.raises(ValueError, match=r"should be a 1d array.*\(14, 2\)"):
        model(cells="sampled").fit(X, TARGETS)


def test_warm_start_needs_the_same_outputs():
    fitted = model(warm_start=True, tol=0.05).fit(X, TARGETS)
    before = fitted.objective_
    assert fitted.fit(X, TARGETS).objective_ <= before * (1 + 1e-9)
    fitted.fit(X, Y)
    cold = model(tol=0.05).fit(X, Y)
    np.testing.assert_array_equal(fitted.predict(X), cold.predict(X))


@pytest.mark.parametrize(
    ("solver", "options", "match"),
    [
        ("auto", {"colour": 1}, r"\['colour'\], unknown.*Allowed: n_starts, width"),
        ("auto", {"width": 0}, r"solver_options\['width'\].*\[1, inf\), got 0"),
        ("interior_point", {"width": 3}, r"'interior_point'. Allowed: none"),
    ],
)
def test_options_of_the_solver_are_named(solver, options, match):
    with pytest.raises(ValueError, match=match):
        model(solver=solver, solver_options=options).fit(X, Y)


def test_options_reach_the_search():
    few = model(solver_options={"n_starts": 8, "width": 3}, tol=0.5).fit(X, Y)
    assert few.certificate_.n_starts == 8
    assert model(tol=0.5).fit(X, Y).certificate_.n_starts == 512


def test_search_over_the_share_of_beta_max_in_a_pipeline():
    pipeline = make_pipeline(
        StandardScaler(),
        ThreeLayerConvexRegressor(
            1, tol=0.5, max_iter=1, solver_options={"width": 4}, random_state=0
        ),
    )
    name = "threelayerconvexregressor__beta_ratio"
    search = GridSearchCV(pipeline, {name: [2.0, 0.05]}, cv=2).fit(X, X[:, 0])
    assert search.best_params_ == {name: 0.05}
    best = search.best_estimator_[-1]
    assert best.beta_ == pytest.approx(0.05 * best.beta_max_)
    assert search.score(X, X[:, 0]) > 0.5


def test_verbose_prints_a_line_a_round():
    out = io.StringIO()
    with redirect_stdout(out):
        fitted = model(verbose=1).fit(X, Y)
    assert out.getvalue().count("[active_set] round") == fitted.n_iter_


def test_interrupt_leaves_the_estimator_as_it_was(monkeypatch):
    fitted = model().fit(X, Y)
    before = dict(vars(fitted))

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(active_set, "descend", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X * 2, Y)
    assert vars(fitted) == before


def test_gap_above_tol_is_told():
    data = np.random.default_rng(3)
    inputs, y = data.standard_normal((60, 6)), data.standard_normal(60)
    with pytest.warns(ConvergenceWarning, match=r"above tol=1e-09, after 1 iter"):
        model(max_iter=1, tol=1e-9, beta=2.0).fit(inputs, y)


@pytest.mark.filterwarnings("ignore:beta=.* is below 1e-05")
@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"n_units": 0}, r"'n_units'.*\[1, inf\). Got 0 "),
        ({"n_units": 2.5}, r"'n_units'.*\[1, inf\). Got 2.5 "),
        ({"beta": 0}, r"'beta'.*\(0.0, inf\) or None. Got 0 "),
        ({"beta": np.nan}, r"'beta'.*\(0.0, inf\) or None. Got nan "),
        ({"beta": "1"}, r"'beta'.*\(0.0, inf\) or None. Got '1' "),
        ({"cells": "some"}, "'cells'(?=.*'auto')(?=.*'all')(?=.*'sampled').*'some'"),
        ({"solver": "osqp"}, "'osqp'.*three layers.*'active_set'.*'cvxpy'"),
        ({"n_cells": 0}, r"'n_cells'.*\[1, inf\). Got 0 "),
        ({"max_neurons": 0}, r"'max_neurons'.*\[1, inf\) or None. Got 0 "),
        ({"tol": 1.0}, r"'tol'.*\[0.0, 1.0\). Got 1.0 "),
        ({"tol": -1e-3}, r"'tol'.*\[0.0, 1.0\). Got -0.001 "),
        ({"max_iter": 0}, r"'max_iter'.*\[1, inf\). Got 0 "),
        ({"fit_intercept": "yes"}, "'fit_intercept'.*bool.*Got 'yes'"),
        ({"warm_start": "yes"}, "'warm_start'.*bool.*Got 'yes'"),
        ({"random_state": "a"}, "'random_state'.*Got 'a'"),
        ({"verbose": -1}, "'verbose'.*Got -1"),
        ({"solver": "active_set", "cells": "all"}, "active_set.*listed cells.*cvxpy"),
        ({"cells": "all", "n_units": 5}, "more than 10000 blocks.*eqs. 13 and 14"),
        ({"beta": 1e-320}, "beta=1e-320 is out of range"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(parameters, match):
    data = (X, Y * 1e100) if parameters.get("beta") == 1e-320 else (X, Y)
    with pytest.raises(ValueError, match=match):
        model(**parameters).fit(*data)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ((X[:0], Y[:0]), "0 sample"),
        ((X[:, :0], Y), "0 feature"),
        ((with_entry(X, np.nan), Y), "Input X contains NaN"),
        ((X, with_entry(Y, np.inf)), "Input y contains inf"),
        ((X, None), "requires y"),
        ((X, Y, with_entry(ONES, -1.0)), "Negative values"),
        ((X, Y, 0 * ONES), "(?i)sample.weight"),
        ((X, Y, ONES[:5]), r"sample_weight.*\(5,\).*\(14,\)"),
        ((X + 1j, Y), "Complex data not supported"),
        ((X[:, 0], Y), "Expected 2D array, got 1D array"),
        ((X, Y * 1e200), r"y must not exceed 1e\+150"),
    ],
)
def test_bad_data_is_refused_and_leaves_no_trace(data, match):
    estimator = model()
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=match):
        estimator.fit(*data)
    assert vars(estimator) == before


@pytest.mark.parametrize("constant", [0.0, 3.0])
@pytest.mark.parametrize("inputs", [X, 0 * X, X[:1], np.ones((14, 1))])
def test_degenerate_data(inputs, constant):
    y = np.full(len(inputs), constant)
    for cells in ("auto", "sampled"):
        fitted = model(cells=cells).fit(inputs, y)
        np.testing.assert_allclose(fitted.predict(inputs), y, atol=1e-6)


def test_certificate_of_weights_from_elsewhere():
    few, y = X[:4], Y[:4]
    fitted = model(n_units=2, beta=0.05, fit_intercept=False).fit(few, y)
    bound = partial(certify, X=few, y=y, beta=0.05, random_state=0)
    for weights in (fitted, fitted.subnetworks_):
        for cells in ("search", "sampled", "all"):
            certificate = bound(weights, cells=cells)
            assert certificate.primal == pytest.approx(fitted.objective_)
            assert certificate.relative_gap < 2e-3
            assert certificate.scope == {"sampled": "cells"}.get(cells, cells)
    W1, w2, w3 = fitted.subnetworks_[0]
    unbalanced = [(2 * W1, w2, w3 / 2), *fitted.subnetworks_[1:]]
    assert bound(unbalanced).primal == pytest.approx(fitted.objective_)
    poor = [(2 * W1, w2, w3), *fitted.subnetworks_[1:]]
    assert bound(poor, cells="all").gap >= bound(fitted, cells="all").gap
    assert bound(poor, cells="all").dual <= fitted.objective_ * (1 + 1e-9)
    assert bound(poor).bound <= fitted.objective_


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_certificate_of_two_layers(fit_intercept):
    two = ConvexReLURegressor(beta=0.5, fit_intercept=fit_intercept, random_state=0)
    two.fit(X, Y)
    certificate = certify(two, X, Y, beta=0.5, random_state=0)
    assert certificate.primal == pytest.approx(two.objective_)
    assert certificate.relative_gap < 5e-2
    weights = two.coefs_[0], two.coefs_[1][:, 0]
    if not fit_intercept:
        assert certify(weights, X, Y, beta=0.5).primal == pytest.approx(two.objective_)


class Layer:
    """A weight with the interface of torch's parameters."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = detach

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


class Module:
    def __init__(self, *arrays):
        self.arrays = arrays

    def parameters(self):
        return iter(map(Layer, self.arrays))


def test_modules_are_read_like_arrays():
    W1, w2, w3 = rng.standard_normal((2, 3)), rng.standard_normal(3), -0.7
    module = Module(W1.T, w2[None], np.array([[w3]]))
    expected = certify([(W1, w2, w3)], X, Y, beta=0.5, random_state=0)
    assert certify(module, X, Y, beta=0.5, random_state=0) == expected
    module = Module(W1.T, w2[None])
    expected = certify((W1, w2), X, Y, beta=0.5, random_state=0)
    assert certify(module, X, Y, beta=0.5, random_state=0) == expected


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"beta": 0.0}, r"beta must be in \(0, inf\), got 0.0"),
        ({"cells": "none"}, "cells must be 'search'.*'none'"),
        ({"weights": [(ONES, ONES, 1.0)]}, r"\(W1, w2, w3\) of shapes"),
        ({"weights": (np.ones((2, 3)), np.ones(2))}, r"shapes \(d, m\) and \(m,\)"),
        ({"weights": (np.ones((7, 3)), np.ones(3))}, "2 rows.*3 with biases, got 7"),
        ({"weights": (np.full((2, 3), np.nan), np.ones(3))}, "weights must be finite"),
        ({"y": Y[:3]}, r"X must have shape.*\(3,\)"),
        ({"X": with_entry(X, np.nan)}, "must be finite"),
        ({"sample_weight": -ONES}, "sample_weight must be positive"),
        ({"weights": Module(ONES)}, "two or three weight matrices"),
        ({"weights": Module(np.ones((3, 2)), np.ones((2, 3)))}, "one output"),
    ],
)
def test_certify_refuses_what_it_cannot_read(arguments, match):
    given = {"weights": (np.ones((2, 3)), np.ones(3)), "X": X, "y": Y, "beta": 1.0}
    given |= arguments
    with pytest.raises(ValueError, match=match):
        certify(given.pop("weights"), given.pop("X"), given.pop("y"), **given)


@pytest.mark.parametrize(
    "estimator",
    [
        ConvexReLUClassifier(random_state=0),
        ThreeLayerConvexClassifier(2, cells="sampled", n_cells=3),
        ConvexReLURegressor(loss="huber", random_state=0),
        ThreeLayerConvexRegressor(2, loss="huber", cells="sampled", n_cells=3),
        ConvexCNNRegressor(filter_shape=2, random_state=0),
    ],
)
def test_certify_refuses_estimators_with_other_objectives(estimator):
    target = np.abs(Y)
    if is_classifier(estimator):
        target = (np.median(Y) < Y).astype(int)
    estimator.fit(X, target)
    with pytest.raises(ValueError, match="weights as an estimator must be a fitted"):
        certify(estimator, X, target, beta=5.0)


@pytest.mark.parametrize(
    "several",
    [ConvexReLURegressor(random_state=0), ThreeLayerConvexRegressor(1, tol=0.5)],
)
def test_certify_refuses_several_targets(several):
    several.fit(X, np.column_stack([Y, -Y]))
    with pytest.raises(ValueError, match="of one target"):
        certify(several, X, Y, beta=5.0)
