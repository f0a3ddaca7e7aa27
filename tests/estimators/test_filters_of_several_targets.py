"""Convolutional networks of several targets, along paths, and with a chosen penalty."""

import numpy as np
import pytest

from convexnn import ConvexCNNRegressor, ConvexCNNRegressorCV, penalty_path

SHAPE = {"filter_shape": 4, "random_state": 0}
GLOBAL = {"formulation": "global"} | SHAPE


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((60, 12)), rng.standard_normal((4, 2))
    pooled = np.maximum(X.reshape(60, 3, 4) @ w, 0).sum(axis=1)
    Y = pooled @ [[1.0, 0.5], [-1.0, 1.0]]
    return X, Y + 0.1 * rng.standard_normal(Y.shape)


def test_several_targets_have_one_network_of_their_objective(images):
    X, Y = images
    model = ConvexCNNRegressor(tol=1e-3, **GLOBAL).fit(X, Y)
    assert model.output_weights_.shape == (model.n_filters_, 2)
    assert model.predict(X).shape == (60, 2)
    assert model.certificate_.relative_gap <= 1e-3
    expected = model.network_.objective(X, Y, model.beta_)
    assert model.objective_ == pytest.approx(expected, rel=1e-9)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    other = ConvexCNNRegressor(tol=1e-3, beta=model.beta_, **GLOBAL).fit(X, Y @ turn)
    assert other.objective_ == pytest.approx(model.objective_, rel=1e-3)


def test_one_target_as_a_column_is_told(images):
    X, Y = images
    with pytest.warns(UserWarning, match="column-vector"):
        ConvexCNNRegressor(**GLOBAL).fit(X, Y[:, :1])


def test_the_relaxation_has_one_target_and_no_path(images):
    X, Y = images
    with pytest.raises(ValueError, match="y should be a 1d array"):
        ConvexCNNRegressor(**SHAPE).fit(X, Y)
    with pytest.raises(ValueError, match=r"formulation='global'.*'relaxation'"):
        penalty_path(ConvexCNNRegressor(**SHAPE), X, Y[:, 0])


def test_paths_end_where_the_estimator_does(images):
    X, Y = images
    model = ConvexCNNRegressor(tol=1e-3, **GLOBAL)
    path = penalty_path(model, X, Y[:, 0], betas=4, beta_min_ratio=0.05)
    assert path.gaps.max() <= 1e-3
    assert path.n_neurons[0] == 0 < path.n_neurons[-1]
    last = model.set_params(beta=path.betas[-1]).fit(X, Y[:, 0])
    assert path.objectives[-1] == pytest.approx(last.objective_, rel=1.5e-3)
    assert path.predict(X).shape == (60, 4)


def test_the_penalty_chosen_has_the_smallest_error(images):
    X, Y = images
    model = ConvexCNNRegressorCV(betas=5, cv=2, **SHAPE).fit(X, Y[:, 0])
    errors = model.mse_path_.mean(axis=1)
    tied = model.betas_[errors <= errors.min() * 1.02]
    assert model.beta_ == tied.max()
    same = ConvexCNNRegressor(beta=model.beta_, tol=0.1, max_iter=3, **GLOBAL).fit(
        X, Y[:, 0]
    )
    assert model.objective_ == pytest.approx(same.objective_, rel=0.1)
    assert model.score(X, Y[:, 0]) > 0.9
    assert model.transform(X).shape == (60, 3 * model.n_filters_)
