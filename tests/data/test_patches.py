"""Patches are the right entries, as views, and products with them are exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convexnn.data import patches as module
from convexnn.data.patches import Patches, patch_grid

#: Input shape, filter shape, stride, and the number of patches that follows.
LAYOUTS = [
    (None, None, None, 1),
    ((12,), 3, None, 4),
    ((12,), (4,), 2, 5),
    ((12,), 5, 1, 8),
    ((6, 4), None, None, 1),
    ((6, 4), (3, 2), None, 4),
    ((6, 4), (3, 2), (1, 2), 8),
    ((6, 4), 2, 1, 15),
    ((6, 4, 3), (2, 4), None, 3),
    ((6, 4, 3), (3, 2, 3), (3, 1), 6),
    ((6, 4, 1), 2, None, 6),
]
layouts = pytest.mark.parametrize("layout", LAYOUTS, ids=repr)


def make(layout, n_rows=4, dtype=np.float64):
    inputs, filters, stride, _ = layout
    n_features = 12 if inputs is None else int(np.prod(inputs))
    X = np.random.default_rng(0).standard_normal((n_rows, n_features)).astype(dtype)
    return X, Patches(X, patch_grid(n_features, inputs, filters, stride))


def cut_by_loops(X, grid):
    """Cut the patches one by one, of shape (n, k, p)."""
    found = []
    for row in X:
        array = row.reshape(grid.input_shape)
        steps = [
            range(0, size - width + 1, step)
            for size, width, step in zip(
                grid.input_shape, grid.filter_shape, grid.stride, strict=False
            )
        ]
        if len(steps) == 1:
            corners = [(a,) for a in steps[0]]
        else:
            corners = [(a, b) for a in steps[0] for b in steps[1]]
        found.append(
            [
                array[
                    tuple(
                        slice(start, start + width)
                        for start, width in zip(corner, grid.filter_shape, strict=False)
                    )
                ].ravel()
                for corner in corners
            ]
        )
    return np.array(found)


@layouts
def test_patches_are_the_entries_that_a_loop_cuts(layout):
    X, patches = make(layout)
    expected = cut_by_loops(X, patches.grid)
    assert patches.shape == expected.shape
    assert patches.n_patches == layout[3]
    blocks = np.concatenate([block for _, block in patches.blocks()])
    np.testing.assert_array_equal(blocks, expected)


@layouts
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_view_shares_memory_and_cannot_be_written(layout, order):
    X = np.asarray(make(layout)[0], order=order)
    patches = Patches(X, patch_grid(X.shape[1], *layout[:3]))
    assert np.shares_memory(patches.view, X)
    np.testing.assert_array_equal(
        patches.view.reshape(patches.shape), cut_by_loops(X, patches.grid)
    )
    with pytest.raises(ValueError, match="read-only"):
        patches.view[0] = 0


@layouts
@pytest.mark.parametrize("block", [1, 50, 2**18])
def test_products_are_those_of_the_stored_patches(layout, block, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", block)
    X, patches = make(layout)
    stored = cut_by_loops(X, patches.grid)
    n, k, p = patches.shape
    rng = np.random.default_rng(1)
    filters, values = rng.standard_normal((p, 3)), rng.standard_normal((n, k, 3))
    weights = rng.random((n, k))
    exact = {"rtol": 1e-12, "atol": 1e-12}
    responses = stored @ filters
    np.testing.assert_allclose(patches.responses(filters), responses, **exact)
    np.testing.assert_allclose(
        patches.pooled(filters), np.maximum(responses, 0).sum(axis=1), **exact
    )
    np.testing.assert_allclose(
        patches.adjoint(values), np.einsum("nkp,nkm->pm", stored, values), **exact
    )
    np.testing.assert_allclose(
        patches.combine(weights), np.einsum("nk,nkp->np", weights, stored), **exact
    )
    np.testing.assert_allclose(
        patches.gram(weights),
        np.einsum("nk,nkp,nkq->pq", weights, stored, stored),
        **exact,
    )
    assert patches.mean_square() == pytest.approx(np.mean(stored**2))


@layouts
def test_one_filter_loses_its_axis(layout):
    _, patches = make(layout)
    filters = np.random.default_rng(1).standard_normal((patches.filter_size, 1))
    for name in ("responses", "pooled"):
        many, one = (getattr(patches, name)(u) for u in (filters, filters[:, 0]))
        np.testing.assert_allclose(many[..., 0], one, rtol=1e-12)
    values = patches.responses(filters)
    np.testing.assert_allclose(
        patches.adjoint(values)[:, 0], patches.adjoint(values[..., 0]), rtol=1e-12
    )


@layouts
def test_side_by_side_they_are_the_same_and_blocks_are_views(layout):
    X, patches = make(layout)
    other = patches.side_by_side()
    assert other.shape == patches.shape
    filters = np.random.default_rng(1).standard_normal((patches.filter_size, 2))
    np.testing.assert_allclose(
        other.responses(filters), patches.responses(filters), rtol=1e-12
    )
    if np.prod(patches.shape) > X.size:
        assert other is patches
    else:
        assert all(np.shares_memory(block, other.X) for _, block in other.blocks())


def test_masks_choose_patches():
    X, patches = make(LAYOUTS[1])
    mask = np.random.default_rng(0).random((4, 4)) > 0.5
    expected = np.einsum("nk,nkp->np", mask, cut_by_loops(X, patches.grid))
    np.testing.assert_allclose(patches.combine(mask), expected, rtol=1e-12)


def test_single_precision_stays_single():
    _, patches = make(LAYOUTS[5], dtype=np.float32)
    filters = np.ones((patches.filter_size, 2), np.float32)
    values = patches.responses(filters)
    arrays = (values, patches.pooled(filters), patches.adjoint(values))
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}
    assert patches.combine(values[..., 0] > 0).dtype == np.float32
    assert patches.responses(filters.astype(float)).dtype == np.float64


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_adjoint_is_the_adjoint_of_responses(data):
    width = data.draw(st.integers(1, 4))
    step = data.draw(st.integers(1, 4))
    size = width + step * data.draw(st.integers(0, 4))
    channels = data.draw(st.integers(1, 3))
    grid = patch_grid(
        size * size * channels, (size, size, channels), (width, width), step
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    patches = Patches(rng.standard_normal((3, grid.n_features)), grid)
    n, k, p = patches.shape
    u, v = rng.standard_normal((p, 2)), rng.standard_normal((n, k, 2))
    left = np.sum(patches.responses(u) * v)
    assert left == pytest.approx(np.sum(u * patches.adjoint(v)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"filter_shape": 5}, r"filter_shape=5 .*last 2 of 12 .*\(12 - 5\) .* step 5"),
        ({"filter_shape": 4, "stride": 3}, r"stride=3 leaves out the last 2 of 12"),
        ({"filter_shape": 13}, r"filter_shape=13 must not exceed the shape \(12,\)"),
        ({"filter_shape": 0}, "filter_shape must be .* positive ints, got 0"),
        ({"filter_shape": (3, 1)}, r"filter_shape must be .*tuple of 1 .*\(3, 1\)"),
        ({"filter_shape": 2.0}, "filter_shape must be .* positive ints, got 2.0"),
        ({"filter_shape": True}, "filter_shape must be .* positive ints, got True"),
        ({"stride": 0}, "stride must be an int or a tuple of 1 .*, got 0"),
        ({"stride": -1}, "stride must be .* positive ints, got -1"),
        ({"input_shape": (3, 5)}, r"input_shape=\(3, 5\) has 15 .* X has 12 features"),
        ({"input_shape": 11}, "input_shape=11 has 11 entries, but X has 12"),
        ({"input_shape": (1, 2, 2, 3)}, r"input_shape must be .*\(h, w, channels\)"),
        ({"input_shape": (3, "a")}, "input_shape must be a tuple of positive ints"),
        ({"input_shape": ()}, r"input_shape must be .* positive ints, got \(\)"),
        (
            {"input_shape": (2, 2, 3), "filter_shape": (2, 2, 1)},
            r"filter_shape=\(2, 2, 1\) has 1 channels, but the inputs have 3",
        ),
        (
            {"input_shape": (2, 6), "filter_shape": (3, 2)},
            r"filter_shape=\(3, 2\) must not exceed the shape \(2, 6\)",
        ),
        (
            {"input_shape": (4, 3), "filter_shape": (2, 2)},
            r"leaves out the last 1 of 3 entries along axis 1",
        ),
        (
            {"input_shape": (4, 3), "filter_shape": (2, 3), "stride": (1, 1, 1)},
            r"stride must be an int or a tuple of 2 positive ints",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        patch_grid(12, **arguments)
