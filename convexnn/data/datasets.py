"""Data for examples and benchmarks: shipped sets, sets in a folder, teachers."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn import datasets as sklearn_datasets
from sklearn.utils import check_random_state

__all__ = [
    "SHIPPED",
    "load_folder",
    "load_images",
    "load_shipped",
    "make_relu_teacher",
    "rotate_images",
]

_LOADERS = {
    "wine": sklearn_datasets.load_wine,
    "breast cancer": sklearn_datasets.load_breast_cancer,
    "digits": sklearn_datasets.load_digits,
    "diabetes": sklearn_datasets.load_diabetes,
}

#: Names of the sets that come with scikit-learn.
SHIPPED = tuple(_LOADERS)


def load_shipped(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Load a UCI set that comes with scikit-learn, as a regression.

    Parameters
    ----------
    name : {"wine", "breast cancer", "digits", "diabetes"}
        The first three are regressions on the class label.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Inputs in their original units; diabetes as scikit-learn scales it.
    y : ndarray of shape (n_samples,)
        Targets, as floats.

    Raises
    ------
    ValueError
        If the name is not one of these.

    Examples
    --------
    >>> from convexnn.data.datasets import load_shipped
    >>> X, y = load_shipped("wine")
    >>> X.shape, sorted(set(y.tolist()))
    ((178, 13), [0.0, 1.0, 2.0])
    """
    if name not in _LOADERS:
        raise ValueError(f"name must be one of {SHIPPED}, got {name!r}.")
    X, y = _LOADERS[name](return_X_y=True)
    return X, y.astype(float)


def load_folder(
    name: str, folder: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    r"""Load ``name.csv``: a header, the features, and the target in the last column.

    Parameters
    ----------
    name : str
        Path of the file below the folder, without its ending, such as
        "regression/concrete".
    folder : path-like, default=None
        Folder of the data; the environment variable CONVEXNN_DATA by default.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        All columns but the last.
    y : ndarray of shape (n_samples,)
        Last column.

    Raises
    ------
    ValueError
        If no folder is given and CONVEXNN_DATA is not set.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from convexnn.data.datasets import load_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "two.csv"
    ...     _ = path.write_text("x,target\n1,2\n3,4\n")
    ...     load_folder("two", folder)
    (array([[1.],
           [3.]]), array([2., 4.]))
    """
    path = _place(folder) / f"{name}.csv"
    table = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return table[:, :-1], table[:, -1]


def load_images(
    name: str, folder: str | Path | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Load the images of ``images/name.npz``.

    Parameters
    ----------
    name : str
        Such as "mnist".
    folder : path-like, default=None
        As for :func:`load_folder`, with the same errors.

    Returns
    -------
    train, test : ndarray of shape (n_images, height, width), uint8
        The arrays ``x_train`` and ``x_test``.
    """
    with np.load(_place(folder) / "images" / f"{name}.npz") as arrays:
        return arrays["x_train"], arrays["x_test"]


def rotate_images(
    images: np.ndarray,
    *,
    low: float = 0.0,
    high: float = 90.0,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn each image by an angle of its own, which is its label.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
        Grey values.
    low, high : float, default=0.0 and 90.0
        Angles in degrees are uniform between these; positive ones turn the image
        counterclockwise.
    random_state : int, RandomState instance or None, default=None
        Source of the angles.

    Returns
    -------
    X : ndarray of shape (n_images, height * width), float32
        Turned images, interpolated linearly, of the same size, divided by the
        largest value of their type if that is an integer.
    y : ndarray of shape (n_images,)
        Angles.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.data.datasets import rotate_images
    >>> image = np.array([[[255, 255], [0, 0]]], np.uint8)
    >>> X, y = rotate_images(image, low=90, high=90)
    >>> X.reshape(2, 2).round(6).tolist(), y
    ([[1.0, 0.0], [1.0, 0.0]], array([90.]))
    """
    rng = check_random_state(random_state)
    angles = rng.uniform(low, high, len(images))
    largest = np.iinfo(images.dtype).max if images.dtype.kind in "iu" else 1
    X = np.empty((len(images), images[0].size), np.float32)
    for row, image, angle in zip(X, images, angles, strict=True):
        grey = image.astype(np.float32) / largest
        row[:] = ndimage.rotate(grey, angle, reshape=False, order=1).ravel()
    return X, angles


def _place(folder: str | Path | None) -> Path:
    """Return the folder of the data."""
    folder = folder or os.environ.get("CONVEXNN_DATA")
    if not folder:
        raise ValueError(
            "folder is None and CONVEXNN_DATA is not set; give one of them."
        )
    return Path(folder)


def make_relu_teacher(
    n_samples: int = 100,
    n_features: int = 5,
    *,
    n_neurons: int = 3,
    noise: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw Gaussian inputs and label them by a random two-layer ReLU network.

    The labels are ``sum_j a_j * max(x'w_j, 0)`` with Gaussian unit vectors w_j and
    a_j alternately 1 and -1, plus Gaussian noise.

    Parameters
    ----------
    n_samples, n_features : int, default=100 and 5
        Shape of the inputs.
    n_neurons : int, default=3
        Number of hidden units of the teacher.
    noise : float, default=0.0
        Standard deviation of the noise.
    random_state : int, RandomState instance or None, default=None
        Source of everything drawn.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Inputs.
    y : ndarray of shape (n_samples,)
        Labels.

    Examples
    --------
    >>> from convexnn.data.datasets import make_relu_teacher
    >>> X, y = make_relu_teacher(20, 3, random_state=0)
    >>> X.shape, y.shape
    ((20, 3), (20,))
    """
    rng = check_random_state(random_state)
    X = rng.standard_normal((n_samples, n_features))
    hidden = rng.standard_normal((n_features, n_neurons))
    hidden /= np.linalg.norm(hidden, axis=0)
    signs = np.where(np.arange(n_neurons) % 2 == 0, 1.0, -1.0)
    y = np.maximum(X @ hidden, 0) @ signs
    return X, y + noise * rng.standard_normal(n_samples)
