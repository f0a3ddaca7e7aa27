"""Problems whose answer is known: planted filters, and decoding of rectified sums."""

from __future__ import annotations

import numpy as np

from convexnn.data.datasets import load_images, load_shipped, rotate_images
from convexnn.data.patches import Patches, patch_grid

__all__ = ["patches_of", "planted_filter", "rectified_sums", "rotated_images"]


def patches_of(X, p):
    """Return the patches of length p, side by side, of inputs."""
    return Patches(X, patch_grid(X.shape[1], filter_shape=p))


def planted_filter(n, k, p, seed, noise=0.0):
    """Draw inputs of k patches, the outputs of a filter of length p, and the filter.

    Inputs and filter are standard Gaussian; the noise is relative to the deviation of
    the outputs.
    """
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((n, k * p)), rng.standard_normal(p)
    y = patches_of(X, p).pooled(w)
    return X, y + noise * np.std(y) * rng.standard_normal(n), w


def rectified_sums(d, n, sigma, seed, noise=0.0):
    """Draw probes, codes and the vector of the decoding problem.

    Vectors are uniform on [-1, 1] and probes normal with deviation sigma, as in the
    paper.
    """
    rng = np.random.default_rng([d, n, round(100 * sigma), seed])
    w = rng.uniform(-1, 1, d)
    X = sigma * rng.standard_normal((n, d))
    y = np.maximum(X + w, 0).sum(axis=1)
    return X, y + noise * rng.standard_normal(n), w


def rotated_images(n_train, n_test, folder=None):
    """Return digits turned by angles between 0 and 90 degrees, and the angles.

    They are those of MNIST; without a folder those that scikit-learn ships, enlarged
    to 28 x 28.
    """
    if folder:
        images, left = load_images("mnist", folder)
    else:
        digits = np.kron(load_shipped("digits")[0].reshape(-1, 8, 8), np.ones((3, 3)))
        digits = np.pad(digits / 16, ((0, 0), (2, 2), (2, 2)))
        images, left = digits[:1200], digits[1200:]
    train, y = rotate_images(images[:n_train], random_state=0)
    test, y_test = rotate_images(left[:n_test], random_state=1)
    return train.astype(np.float64), y, test.astype(np.float64), y_test
