"""Displays hold what they draw."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexnn import ConvexReLURegressor
from convexnn.datasets import make_relu_teacher
from convexnn.plotting import BetaSearchDisplay
from convexnn.scoring import score_fit

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    mpl.pyplot.close("all")


def search_over(grid, scoring=score_fit, refit="r2"):
    X, y = make_relu_teacher(60, 3, noise=0.1, random_state=0)
    model = make_pipeline(
        StandardScaler(), ConvexReLURegressor(n_cells=10, random_state=0)
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
