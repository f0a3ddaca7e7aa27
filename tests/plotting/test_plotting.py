"""Displays hold what they draw."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from convexnn import ConvexReLURegressor, ConvexReLURegressorCV, relu_path
from convexnn.data.datasets import make_relu_teacher
from convexnn.estimators.scoring import score_fit
from convexnn.plotting import (
    ArrangementDisplay,
    BetaSearchDisplay,
    ConvergenceDisplay,
    RegularizationPathDisplay,
)


def search_over(grid, scoring=score_fit, refit="r2"):
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=0)
    model = make_pipeline(
        StandardScaler(),
        ConvexReLURegressor(cells="sampled", n_cells=10, random_state=0),
    )
    return GridSearchCV(model, grid, cv=3, scoring=scoring, refit=refit).fit(X, y)


def test_search_display_draws_scores_and_neurons_in_ascending_order():
    search = search_over({"convexreluregressor__beta": [10.0, 0.1, 1.0]})
    display = BetaSearchDisplay.from_search(search, title="teacher")
    line = display.axes_[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [0.1, 1.0, 10.0])
    expected = search.cv_results_["mean_test_r2"][[1, 2, 0]]
    np.testing.assert_array_equal(line.get_ydata(), expected)
    neurons = display.axes_[1].lines[0].get_ydata()
    assert neurons[0] > neurons[-1]
    assert display.best_beta == search.best_params_["convexreluregressor__beta"]
    assert display.axes_[0].get_title() == "teacher"
    assert display.figure_ is display.axes_[1].figure


def test_search_display_does_without_neurons():
    search = search_over(
        {"convexreluregressor__beta": [0.1, 1.0]}, scoring=None, refit=True
    )
    display = BetaSearchDisplay.from_search(search)
    assert display.neurons is None
    assert display.axes_[0].get_ylabel() == "score"


def test_search_over_something_else_is_refused():
    search = search_over({"convexreluregressor__n_cells": [5, 10]})
    with pytest.raises(ValueError, match=r"one parameter, called beta; got .*n_cells"):
        BetaSearchDisplay.from_search(search)


def fitted_cv(**parameters):
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=0)
    settings = {"betas": 4, "beta_min_ratio": 0.1, "cv": 3, "n_cells": 10}
    settings |= {"tol": 1e-3, "max_iter": 20_000, "random_state": 0}
    return ConvexReLURegressorCV(**settings | parameters).fit(X, y)


def test_path_display_draws_the_folds_of_an_estimator():
    model = fitted_cv(activation="gated_relu", fold_training="certified")
    pipeline = Pipeline([("network", model)])
    display = RegularizationPathDisplay.from_estimator(pipeline, title="teacher")
    errors, neurons, objective, gap = display.axes_
    for axes, values in (
        (errors, model.mse_path_.mean(axis=1)),
        (neurons, model.n_neurons_path_.mean(axis=1)),
        (objective, model.objective_path_.mean(axis=1)),
    ):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), model.betas_)
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)
        assert axes.get_xscale() == "log"
    largest = model.gap_path_.max(axis=1)
    drawn = gap.lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, largest[largest > 1e-10])
    assert gap.get_yscale() == "log"
    assert "estimate" not in gap.get_ylabel()
    assert f"{model.beta_:.3g}" in errors.get_legend_handles_labels()[1][0]
    assert errors.get_title() == "teacher"


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_path_display_has_no_gaps_of_descents(activation):
    model = fitted_cv(activation=activation, fold_training="descent")
    display = RegularizationPathDisplay.from_estimator(model)
    assert display.gaps is None
    errors, neurons, objective = display.axes_
    drawn = errors.lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, model.mse_path_.mean(axis=1))
    drawn = neurons.lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, model.n_neurons_path_.mean(axis=1))
    assert objective.get_ylabel() == "objective"
    with pytest.raises(ValueError, match=r"axes must be 3, .* got 2"):
        display.plot(axes=display.axes_[:2])


def test_path_display_draws_a_path_and_calls_an_estimate_one():
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=0)
    path = relu_path(
        X, y, betas=4, beta_min_ratio=0.1, solver="active_set", random_state=0
    )
    display = RegularizationPathDisplay.from_path(path)
    neurons, objective, gap = display.axes_
    np.testing.assert_array_equal(neurons.lines[0].get_ydata(), path.n_neurons)
    np.testing.assert_array_equal(objective.lines[0].get_ydata(), path.objectives)
    assert "estimate" in gap.get_ylabel()
    with pytest.raises(ValueError, match=r"axes must be 3, .* got 2"):
        display.plot(axes=display.axes_[:2])


# A gap of 0 is reached up to rounding only.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_path_display_survives_a_path_of_zero_networks():
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=0)
    path = relu_path(X, y, betas=[1e5], tol=0.0, random_state=0)
    display = RegularizationPathDisplay.from_path(path)
    display.figure_.canvas.draw()
    assert not len(display.axes_[2].lines[0].get_xdata())


@pytest.mark.parametrize("solver", ["active_set", "fista"])
def test_convergence_display_says_whether_the_bound_is_an_estimate(solver):
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=0)
    network = ConvexReLURegressor(beta=9.0, n_cells=10, solver=solver, random_state=0)
    model = make_pipeline(StandardScaler(), network).fit(X, y)
    display = ConvergenceDisplay.from_estimator(model, title="teacher")
    objective, bound = display.ax_.lines
    np.testing.assert_array_equal(objective.get_ydata(), network.history_.objective)
    np.testing.assert_array_equal(objective.get_xdata(), network.history_.seconds)
    drawn = np.isfinite(bound.get_ydata())
    np.testing.assert_array_equal(
        bound.get_ydata()[drawn], network.history_.dual[drawn]
    )
    assert ("estimate" in bound.get_label()) == (solver == "active_set")
    assert display.ax_.get_title() == "teacher"


def test_displays_refuse_what_they_cannot_draw():
    X, y = make_relu_teacher(60, 3, random_state=0)
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimator(ConvexReLURegressor())
    with pytest.raises(ValueError, match=r"history_, got a fitted StandardScaler"):
        ConvergenceDisplay.from_estimator(StandardScaler().fit(X))
    model = ConvexReLURegressor(beta_ratio=2.0, random_state=0).fit(X, y)
    with pytest.raises(
        ValueError, match=r"must be a ConvexReLURegressorCV or .*, got Conv"
    ):
        RegularizationPathDisplay.from_estimator(model)


def test_arrangement_display_draws_the_units_of_a_pipeline_in_their_cells():
    X = np.array([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]])
    network = ConvexReLURegressor(beta=0.1, fit_intercept=False, random_state=0)
    model = Pipeline([("scale", StandardScaler()), ("network", network)])
    model.fit(X, [1.0, -1.0, 2.0])
    display = ArrangementDisplay.from_estimator(model, X, y=[1, -1, 2], cmap="Set1")
    np.testing.assert_allclose(display.X, model[:-1].transform(X))
    sizes = np.abs(network.coefs_[1][:, 0])
    np.testing.assert_array_equal(display.units, network.coefs_[0] * sizes)
    # With the rows' mean 0 there is no cell in which none is active.
    assert len(display.wedges_) == display.patterns.shape[1] == 6
    assert len(display.ax_.lines) == 3
    display.figure_.canvas.draw()


def test_arrangement_display_names_what_it_refuses():
    with pytest.raises(ValueError, match=r"2 columns: .* got shape \(3, 1\)"):
        ArrangementDisplay.from_rows(np.ones((3, 1)))
    with pytest.raises(ValueError, match=r"at most 50 rows .* got 51"):
        ArrangementDisplay.from_rows(np.ones((51, 2)))
    with pytest.raises(ValueError, match=r"y must have one entry .* 3 rows .* got 2"):
        ArrangementDisplay.from_rows(np.ones((3, 2)), y=[1, 2])
    X, y = make_relu_teacher(20, 2, random_state=0)
    model = ConvexReLURegressor(activation="gated_relu", n_cells=5, random_state=0)
    with pytest.raises(ValueError, match="must have activation='relu'"):
        ArrangementDisplay.from_estimator(model.fit(X, y), X)
