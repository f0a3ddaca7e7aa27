"""Projections of many groups at once agree with those of one."""

import numpy as np
import pytest

from convexnn.programs.cones import project_on_cone
from convexnn.programs.faces import Faces, face_bases


def random_cones(seed, n=40, d=6, m=15):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X[:3] = X[3:6] * [[2.0], [-1.0], [0.5]]
    X[6] = 0.0
    side = np.where(X @ rng.standard_normal((d, m)) >= 0, 1.0, -1.0)
    return X, side, rng.standard_normal((d, m)), rng


@pytest.mark.parametrize("seed", range(8))
def test_projections_agree_with_those_of_one_cone(seed):
    X, side, W, rng = random_cones(seed)
    faces = Faces(X, side)
    groups = np.arange(W.shape[1])
    for _ in range(4):
        points, multipliers, is_exact = faces.project(W, groups)
        assert is_exact.all()
        assert multipliers.min() >= 0
        for g in groups:
            expected = project_on_cone(X, side[:, g], W[:, g]).point
            np.testing.assert_allclose(points[:, g], expected, atol=1e-9)
            shift = multipliers[g] @ faces.blocks[g]
            np.testing.assert_allclose(points[:, g], W[:, g] + shift, atol=1e-10)
        W = W + 0.1 * rng.standard_normal(W.shape)


def test_early_stop_gives_an_upper_bound():
    X, side, W, _ = random_cones(0)
    groups = np.arange(W.shape[1])
    points, _, is_exact = Faces(X, side).project(W, groups, stop_below=1.0)
    exact, _, _ = Faces(X, side).project(W, groups)
    norms, bounds = np.linalg.norm(exact, axis=0), np.linalg.norm(points, axis=0)
    assert (~is_exact).any()
    assert (norms <= bounds + 1e-12).all()
    assert (bounds[~is_exact] <= 1.0).all()
    np.testing.assert_allclose(points[:, is_exact], exact[:, is_exact], atol=1e-10)


def test_bases_span_what_the_active_rows_leave():
    X, side, W, _ = random_cones(1)
    faces = Faces(X, side)
    points, _, _ = faces.project(W, np.arange(W.shape[1]))
    for g, basis in enumerate(face_bases(faces.blocks)):
        rank = np.count_nonzero(faces.rows[g] >= 0)
        assert basis.shape == (len(W), len(W) - rank)
        np.testing.assert_allclose(faces.blocks[g] @ basis, 0, atol=1e-12)
        inside = basis @ (basis.T @ points[:, g])
        np.testing.assert_allclose(inside, points[:, g], atol=1e-9)
