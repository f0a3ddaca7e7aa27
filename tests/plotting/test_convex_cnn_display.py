"""The display of phase transitions holds what it draws; images turn as said."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from convexnn.data.datasets import load_images, rotate_images
from convexnn.plotting import PhaseTransitionDisplay

N, D = np.array([10, 20, 40]), np.array([5, 10])
ERRORS = {"a": np.full((3, 2), 1e-9), "b": np.full((3, 2, 4), [1.0, 1.0, 1e-4, 1e-8])}


def test_cells_are_geometric_means_above_rounding():
    display = PhaseTransitionDisplay(N, D, ERRORS, slopes=(2.0, 9.0)).plot(title="k")
    for ax, value in zip(display.axes_, (1e-6, 10**-2.5), strict=True):
        mesh = ax.collections[0]
        np.testing.assert_allclose(mesh.get_array().ravel(), value)
        assert len(ax.lines) == 2
        assert [text.get_text() for text in ax.texts] == ["n = 2 d", "n = 9 d"]
    assert [ax.get_title() for ax in display.axes_] == ["a", "b"]
    assert "k" in display.axes_[0].get_ylabel()
    np.testing.assert_allclose(display.axes_[0].get_xlim(), (2.5, 12.5))
    np.testing.assert_allclose(display.axes_[0].get_ylim(), (5, 50))
    display.figure_.canvas.draw()


def test_shares_count_the_draws_below_a_tolerance():
    display = PhaseTransitionDisplay(N, D, ERRORS)
    np.testing.assert_array_equal(display.recovered("b", 1e-3), 0.5)
    np.testing.assert_array_equal(display.recovered("b"), 0.25)
    display.plot(share=1e-3)
    drawn = display.axes_[1].collections[0].get_array()
    np.testing.assert_array_equal(drawn.ravel(), 0.5)


def test_a_single_cell_is_drawn():
    PhaseTransitionDisplay([10], [5], {"a": np.ones((1, 1))}).plot()


def test_shapes_and_axes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"errors\['a'\] must have shape \(3, 2\)"):
        PhaseTransitionDisplay(N, D, {"a": np.ones((2, 3))})
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match=r"axes must be 2, .* got 1"):
        PhaseTransitionDisplay(N, D, ERRORS).plot(axes=[ax])


def test_images_turn_counterclockwise_by_their_labels():
    image = np.zeros((2, 9, 9), np.uint8)
    image[:, 4, 5:] = 255
    X, y = rotate_images(image, low=90, high=90)
    turned = X.reshape(2, 9, 9)
    np.testing.assert_allclose(turned[:, :4, 4], 1, atol=1e-5)
    np.testing.assert_allclose(turned.sum(axis=(1, 2)), 4, atol=1e-4)
    np.testing.assert_array_equal(y, 90)
    X, y = rotate_images(image, low=10, high=20, random_state=0)
    assert X.dtype == np.float32
    assert np.all((y >= 10) & (y <= 20))
    assert y[0] != y[1]
    again = rotate_images(image, low=10, high=20, random_state=0)
    np.testing.assert_array_equal(again[0], X)


def test_images_come_from_the_folder(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    train, test = np.ones((3, 2, 2), np.uint8), np.zeros((1, 2, 2), np.uint8)
    np.savez(tmp_path / "images" / "small.npz", x_train=train, x_test=test)
    monkeypatch.setenv("CONVEXNN_DATA", str(tmp_path))
    found = load_images("small")
    np.testing.assert_array_equal(found[0], train)
    np.testing.assert_array_equal(found[1], test)
    with pytest.raises(FileNotFoundError):
        load_images("large", tmp_path)
