"""Data sets have the documented shapes and names."""

import numpy as np
import pytest

from convexnn.data.datasets import SHIPPED, load_folder, load_shipped, make_relu_teacher

SHAPES = {
    "wine": (178, 13),
    "breast cancer": (569, 30),
    "digits": (1797, 64),
    "diabetes": (442, 10),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_sets(name):
    X, y = load_shipped(name)
    assert X.shape == SHAPES[name]
    assert y.shape == (len(X),)
    assert y.dtype == np.float64


def test_unknown_set_is_refused():
    with pytest.raises(ValueError, match=r"name must be one of .*'wine'.* got 'iris'"):
        load_shipped("iris")


def test_folder_comes_from_the_environment(tmp_path, monkeypatch):
    (tmp_path / "small.csv").write_text("a,b,target\n1,2,3\n4,5,6\n")
    monkeypatch.setenv("CONVEXNN_DATA", str(tmp_path))
    X, y = load_folder("small")
    np.testing.assert_array_equal(X, [[1, 2], [4, 5]])
    np.testing.assert_array_equal(y, [3, 6])
    monkeypatch.delenv("CONVEXNN_DATA")
    with pytest.raises(ValueError, match="CONVEXNN_DATA is not set"):
        load_folder("small")


def test_teacher_is_a_relu_network_of_the_given_width():
    X, y = make_relu_teacher(50, 3, n_neurons=1, random_state=0)
    assert y.min() == 0
    active = y > 0
    residual = np.linalg.lstsq(X[active], y[active], rcond=None)[1]
    np.testing.assert_allclose(residual, 0, atol=1e-20)
    noisy = make_relu_teacher(50, 3, n_neurons=1, noise=0.1, random_state=0)[1]
    assert 0.05 < np.std(noisy - y) < 0.2
