"""Paths start where the network falls silent, and each point is within tol."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning

from convexnn import ConvexReLURegressor, relu_path
from convexnn.data.datasets import make_relu_teacher
from convexnn.estimators.paths import beta_grid

KINDS = {
    "search": {"solver": "active_set"},
    "fista": {"solver": "fista", "n_cells": 10},
    "interior point": {"solver": "interior_point", "n_cells": 10},
    "gated": {"activation": "gated_relu", "n_cells": 10},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def teacher():
    return make_relu_teacher(60, 3, noise=0.2, random_state=0)


def path_of(kind, data, **parameters):
    return relu_path(*data, random_state=0, **KINDS[kind], **parameters)


@every_kind
def test_every_point_is_the_estimators_within_tol(kind, teacher):
    X, y = teacher
    path = path_of(kind, teacher, betas=6, beta_min_ratio=0.2)
    assert path.gaps.max() <= 1e-3
    assert path.n_neurons[0] == 0 < path.n_neurons[-1]
    for beta, network, objective, outputs in zip(
        path.betas, path.networks, path.objectives, path.predict(X).T, strict=True
    ):
        model = ConvexReLURegressor(
            beta=beta, tol=1e-3, random_state=0, **KINDS[kind]
        ).fit(X, y)
        assert objective == pytest.approx(model.objective_, rel=1.5e-3)
        assert objective == pytest.approx(network.objective(X, y, beta), rel=1e-9)
        np.testing.assert_array_equal(outputs, network.predict(X))
        assert path.betas[0] == pytest.approx(model.beta_max_, rel=1e-12)
    assert (np.diff(path.objectives) < 0).all()
    assert path.is_estimate == (kind == "search")
    assert path.seconds.shape == (6,)
    assert (path.seconds >= 0).all()


def test_given_penalties_are_sorted(teacher):
    path = path_of("gated", teacher, betas=[0.5, 2.0, 1.0])
    np.testing.assert_array_equal(path.betas, [2.0, 1.0, 0.5])


def test_weights_act_as_repetition_along_the_path(teacher):
    X, y = teacher
    weights = np.random.default_rng(0).integers(0, 3, len(y))
    settings = {"betas": 4, "beta_min_ratio": 0.1, "tol": 1e-5}
    weighted = path_of("gated", teacher, sample_weight=weights, **settings)
    rows = np.repeat(np.arange(len(y)), weights)
    repeated = path_of("gated", (X[rows], y[rows]), **settings)
    np.testing.assert_allclose(weighted.betas, repeated.betas)
    np.testing.assert_allclose(weighted.objectives, repeated.objectives, rtol=1e-6)


def test_warm_starts_save_iterations(teacher, capsys):
    betas = np.geomspace(1.0, 0.5, 4)
    path_of("fista", teacher, betas=betas, verbose=2)
    warm = len(capsys.readouterr().out.splitlines())
    for beta in betas:
        path_of("fista", teacher, betas=[beta], verbose=2)
    assert warm < len(capsys.readouterr().out.splitlines())


def test_one_warning_names_the_penalties_that_missed(teacher):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = path_of("fista", teacher, betas=[1e4, 0.2, 0.1], max_iter=2)
    (warning,) = caught
    assert warning.category is ConvergenceWarning
    assert warning.filename == __file__
    assert "at 2 of 3 penalties" in str(warning.message)
    assert "beta = 0.2, 0.1." in str(warning.message)
    assert (path.gaps > path.tol).tolist() == [False, True, True]


def test_width_is_capped_but_the_gap_is_that_of_the_free_network(teacher):
    path = path_of("gated", teacher, betas=[0.1], max_neurons=2)
    assert path.n_neurons[0] == 2
    assert path.certificates[0].is_capped
    assert path.gaps[0] <= 1e-3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"betas": 0}, r"'betas' parameter of relu_path.*\[1, inf\).*Got 0"),
        ({"betas": [1.0, -1.0]}, r"betas must be .* in \(0, inf\), got \[1.0, -1.0\]"),
        ({"betas": [[1.0]]}, "betas must be a number of penalties or a vector"),
        ({"betas": [np.nan]}, "betas contains NaN"),
        ({"beta_min_ratio": 0}, r"'beta_min_ratio'.*\(0.0, 1.0\]. Got 0"),
        ({"tol": 2}, "'tol'.*Got 2"),
        ({"solver": "nope"}, "solver='nope' is not a known backend"),
        ({"sample_weight": np.zeros(60)}, "(?i)sample.weight"),
    ],
)
def test_bad_parameters_of_a_path_are_named(parameters, message, teacher):
    with pytest.raises(ValueError, match=message):
        relu_path(*teacher, **parameters)


def test_bad_data_of_a_path_is_refused(teacher):
    X, y = teacher
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        relu_path(X, y[:5])
    path = path_of("gated", teacher, betas=2)
    with pytest.raises(ValueError, match=r"X must have the 3 features .* got 2"):
        path.predict(X[:, :2])


@pytest.mark.parametrize("cells", ["auto", "sampled", np.eye(4)])
@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_grid_starts_at_beta_max_of_the_estimator(activation, cells):
    X, y = make_relu_teacher(50, 3, random_state=0)
    common = {"activation": activation, "cells": cells}
    common |= {"n_cells": 20, "random_state": 3}
    betas = beta_grid(X, y, betas=5, beta_min_ratio=1e-2, **common)
    with pytest.warns(UserWarning, match=r"beta=\S+ is above beta_max="):
        model = ConvexReLURegressor(beta=betas[0] * 1.01, **common).fit(X, y)
    assert model.n_neurons_ == 0
    assert betas[0] == pytest.approx(model.beta_max_, rel=1e-12)
    np.testing.assert_allclose(betas[1:] / betas[:-1], 10**-0.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"betas": 0}, r"'betas' parameter of beta_grid.*\[1, inf\).*Got 0"),
        ({"beta_min_ratio": 0.0}, r"'beta_min_ratio'.*\(0.0, 1.0\]. Got 0.0"),
        ({"activation": "tanh"}, "'activation'.*Got 'tanh'"),
        ({"cells": "some"}, "'cells'.*Got 'some'"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    X, y = make_relu_teacher(10, 2, random_state=0)
    with pytest.raises(ValueError, match=message):
        beta_grid(X, y, **parameters)


@pytest.mark.parametrize("constant", [0.0, 3.0, 0.1])
def test_constant_targets_have_a_grid_from_one(constant):
    X, y = make_relu_teacher(10, 2, random_state=0)
    betas = beta_grid(X, np.full_like(y, constant), betas=3, random_state=0)
    np.testing.assert_allclose(betas, [1, 10**-1.5, 1e-3], rtol=1e-15)


@every_kind
@pytest.mark.parametrize("constant", [0.0, 3.0, 0.1])
def test_networks_for_constant_targets_are_constant(kind, constant, teacher):
    X, y = teacher
    path = path_of(kind, (X, np.full_like(y, constant)), betas=3)
    np.testing.assert_allclose(path.betas, [1, 1e-2, 1e-4], rtol=1e-15)
    assert not path.n_neurons.any()
    np.testing.assert_array_equal(path.predict(X), constant)


def test_zero_inputs_have_a_grid_from_one(teacher):
    X, y = teacher
    assert beta_grid(0 * X, y, random_state=0, fit_intercept=False)[0] == 1


def test_a_path_without_time_ends_after_a_penalty():
    X, y = load_diabetes(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match=r"max_seconds=.*1 of 5 penalties"):
        path = relu_path(X, y, betas=5, max_seconds=1e-9, random_state=0)
    assert len(path.networks) == len(path.betas) == len(path.gaps) == 1
