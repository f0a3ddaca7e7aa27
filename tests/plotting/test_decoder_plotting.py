"""DecodingDisplay holds what it draws."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from convexnn import CenteredGDDecoder
from convexnn.plotting import DecodingDisplay


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    w, X = rng.uniform(-1, 1, 10), 5 * rng.standard_normal((30, 10))
    return X, np.maximum(X + w, 0).sum(axis=1)


def test_losses_of_an_estimator_are_drawn_from_before_the_first_iteration(data):
    model = CenteredGDDecoder(theta=1.0, solver="nesterov").fit(*data)
    display = DecodingDisplay.from_estimator(model, title="one")
    line = display.ax_.lines[0]
    np.testing.assert_array_equal(line.get_xdata()[:3], [0.5, 1.0, 2.0])
    np.testing.assert_array_equal(line.get_ydata(), np.maximum(model.loss_path_, 1e-24))
    assert display.ax_.get_xscale() == display.ax_.get_yscale() == "log"
    assert display.ax_.get_title() == "one"
    assert display.ax_.get_legend() is None
    assert display.figure_ is display.ax_.figure


def test_several_estimators_and_pipelines_are_compared(data):
    models = {
        name: make_pipeline(
            FunctionTransformer(), CenteredGDDecoder(theta=1.0, solver=name)
        ).fit(*data)
        for name in ("newton", "centered_gd")
    }
    display = DecodingDisplay.from_estimator(models)
    assert [line.get_label() for line in display.ax_.lines] == list(models)
    assert [text.get_text() for text in display.ax_.get_legend().texts] == list(models)


def test_trials_have_a_mean_and_a_range_and_keep_their_last_value():
    display = DecodingDisplay.from_paths({"a": [[4.0, 2.0], [2.0, 1.0, 0.0]]})
    (curve,) = display.curves
    np.testing.assert_array_equal(curve.middle, [3.0, 1.5, 1.0])
    np.testing.assert_array_equal(curve.low, [2.0, 1.0, 0.0])
    np.testing.assert_array_equal(curve.high, [4.0, 2.0, 2.0])


def test_zero_errors_are_drawn_at_the_floor():
    errors = np.array([[1e-2, 0.0], [1e-4, 0.0]])
    display = DecodingDisplay.from_recovery({"d = 5": ([1.0, 2.0], errors)})
    line = display.ax_.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [1.0, 2.0])
    np.testing.assert_allclose(line.get_ydata(), [5.05e-3, 1e-24])
    assert display.ax_.get_xscale() == "linear"
    display.figure_.canvas.draw()


def test_displays_refuse_what_they_cannot_draw(data):
    with pytest.raises(NotFittedError):
        DecodingDisplay.from_estimator(CenteredGDDecoder())
    with pytest.raises(ValueError, match=r"loss_path_, got a fitted StandardScaler"):
        DecodingDisplay.from_estimator(StandardScaler().fit(data[0]))
    with pytest.raises(ValueError, match=r"paths must have a curve"):
        DecodingDisplay.from_paths({})
    with pytest.raises(ValueError, match=r"paths must have .* each a value"):
        DecodingDisplay.from_paths({"a": []})
    with pytest.raises(ValueError, match=r"\(n_trials, 2\), got shape \(1, 3\)"):
        DecodingDisplay.from_recovery({"a": ([1.0, 2.0], np.ones((1, 3)))})
