"""Sparse inputs: made dense, told once a fit, the same network."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import EfficiencyWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from convexnn import (
    CenteredGDDecoder,
    ConvexCNNRegressor,
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    ThreeLayerConvexClassifier,
    ThreeLayerConvexRegressor,
    checks,
    relu_path,
)

rng = np.random.default_rng(0)
X = rng.standard_normal((30, 4)) * (rng.uniform(size=(30, 4)) < 0.6)
Y = np.abs(X[:, 0] * X[:, 1]) + X[:, 2]

GIVEN = {"cells": "sampled", "n_cells": 5, "random_state": 0}
ESTIMATORS = {
    "two layers": ConvexReLURegressor(beta=0.5, **GIVEN),
    "two layers, path": ConvexReLURegressorCV(betas=3, cv=3, random_state=0, tol=0.05),
    "two layers, classes": ConvexReLUClassifier(beta=0.5, random_state=0, tol=0.05),
    "two layers, classes, path": ConvexReLUClassifierCV(
        betas=3, cv=3, random_state=0, tol=0.05
    ),
    "three layers": ThreeLayerConvexRegressor(2, **GIVEN),
    "three layers, classes": ThreeLayerConvexClassifier(2, **GIVEN),
    "filter": ConvexCNNRegressor(filter_shape=2, random_state=0),
    "filters": ConvexCNNRegressor(
        filter_shape=2, formulation="global", solver="newton", **GIVEN
    ),
    "decoder": CenteredGDDecoder(random_state=0),
}
CONTAINERS = [sparse.csr_array, sparse.csc_matrix, sparse.coo_array, sparse.lil_matrix]


def target_of(estimator):
    if isinstance(estimator, CenteredGDDecoder):
        return np.maximum(X + np.array([1.0, 0.5, -1.0, 0.2]), 0).mean(axis=1)
    return np.where(np.median(Y) < Y, "high", "low") if is_classifier(estimator) else Y


def fitted(estimator, inputs):
    """Return a fitted clone; what a dense X would tell, too, is left to other tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(estimator).fit(inputs, target_of(estimator))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_network_is_that_of_the_array(name, container):
    dense = fitted(ESTIMATORS[name], X)
    model = fitted(ESTIMATORS[name], container(X))
    assert model.n_features_in_ == 4
    for method in ("predict", "decision_function", "predict_proba", "transform"):
        if hasattr(dense, method):
            expected = getattr(dense, method)(X)
            for inputs in (X, container(X)):
                np.testing.assert_array_equal(getattr(model, method)(inputs), expected)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_tells_once_and_a_prediction_does_not(name):
    inputs = sparse.csr_array(X)
    model = clone(ESTIMATORS[name])
    match = r"X is sparse, of shape \(30, 4\), .* 120 entries.* sparse_output=False"
    with pytest.warns(EfficiencyWarning, match=match) as caught:
        model.fit(inputs, target_of(model))
    told = [each for each in caught if each.category is EfficiencyWarning]
    assert len(told) == 1
    assert told[0].filename == __file__
    # Warnings are errors in these tests.
    model.predict(inputs)
    if hasattr(model, "transform"):
        model.transform(inputs)
    model.score(inputs, target_of(model))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_inputs_too_large_to_be_dense_are_refused(name, monkeypatch):
    model = fitted(ESTIMATORS[name], X)
    before = dict(vars(model))
    large = sparse.csr_array((40_000, 4_000))
    limit = f"{checks.DENSE_LIMIT:,}"
    match = rf"shape \(40000, 4000\).* {limit}\..* sparse_output=False"
    with pytest.raises(ValueError, match=match):
        model.fit(large, np.zeros(40_000))
    assert vars(model) == before
    with pytest.raises(ValueError, match=match):
        model.predict(large)
    monkeypatch.setattr(checks, "DENSE_LIMIT", 119)
    with pytest.raises(ValueError, match="120 entries, more than the limit of 119"):
        model.predict(sparse.csr_array(X))
    monkeypatch.setattr(checks, "DENSE_LIMIT", 120)
    model.predict(sparse.csr_array(X))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_sparse_inputs_are_checked_like_arrays(name):
    model = fitted(ESTIMATORS[name], X)
    with pytest.raises(ValueError, match=r"X has 3 features, but .* expecting 4"):
        model.predict(sparse.csr_array(X[:, :3]))
    holed = X.copy()
    holed[1, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.predict(sparse.csr_array(holed))
    with (
        pytest.warns(EfficiencyWarning),
        pytest.raises(ValueError, match="Input X contains NaN"),
    ):
        clone(model).fit(sparse.csr_array(holed), target_of(model))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EfficiencyWarning")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_sparse_targets_are_refused(name):
    y = sparse.csr_array((Y > 0).astype(float)[:, None])
    for inputs in (X, sparse.csr_array(X)):
        with pytest.raises((ValueError, TypeError), match=r"(?i)dense|sparse"):
            clone(ESTIMATORS[name]).fit(inputs, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.EfficiencyWarning")
def test_paths_take_sparse_inputs():
    dense = relu_path(X, Y, betas=3, random_state=0, tol=0.05)
    path = relu_path(sparse.csr_array(X), Y, betas=3, random_state=0, tol=0.05)
    np.testing.assert_array_equal(path.predict(X), dense.predict(X))


def test_encoders_in_a_pipeline_need_no_option():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"colour": np.resize(list("rgbcmyk"), 30), "size": rng.standard_normal(30)}
    )
    columns = ColumnTransformer(
        [("colour", OneHotEncoder(), ["colour"])],
        remainder="passthrough",
        sparse_threshold=1.0,
    )
    regressor = ConvexReLURegressor(beta=0.5, random_state=0, tol=0.05)
    with pytest.warns(EfficiencyWarning, match=r"shape \(30, 8\)"):
        model = make_pipeline(columns, regressor).fit(frame, Y)
    encoded = clone(columns).fit_transform(frame)
    assert sparse.issparse(encoded)
    expected = clone(regressor).fit(encoded.toarray(), Y).predict(encoded.toarray())
    np.testing.assert_array_equal(model.predict(frame), expected)
