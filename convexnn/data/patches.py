"""Patches of signals and images as views, and the products of filters with them.

Rows are flattened signals of length d, images (h, w), or images with channels
(h, w, c). A filter spans all channels and slides over the other axes. With X_j the
matrix of the j-th patch of every row, everything here is a product with X_1, ..., X_k
that never stores them: rows are taken in blocks that fit a cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from numbers import Integral

import numpy as np

__all__ = ["PatchGrid", "Patches", "patch_grid"]

#: Numbers in a block of patches, or of responses.
_BLOCK = 2**18


@dataclass(frozen=True)
class PatchGrid:
    """Where the patches of one input lie; made by :func:`patch_grid`.

    Attributes
    ----------
    input_shape : tuple of int
        (d,), (h, w) or (h, w, c).
    filter_shape : tuple of int
        Of the same length; the channels, where there are any, are all of them.
    stride : tuple of int
        Steps between patches along the axes that the filter slides over.
    """

    input_shape: tuple[int, ...]
    filter_shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of patches along each axis that the filter slides over."""
        return tuple(
            (size - width) // step + 1
            for size, width, step in zip(
                self.input_shape, self.filter_shape, self.stride, strict=False
            )
        )

    @property
    def n_patches(self) -> int:
        """Number of patches k."""
        return prod(self.grid_shape)

    @property
    def filter_size(self) -> int:
        """Number of weights p of a filter."""
        return prod(self.filter_shape)

    @property
    def n_features(self) -> int:
        """Number of entries d of an input."""
        return prod(self.input_shape)


def patch_grid(
    n_features: int,
    input_shape: int | tuple[int, ...] | None = None,
    filter_shape: int | tuple[int, ...] | None = None,
    stride: int | tuple[int, ...] | None = None,
) -> PatchGrid:
    """Return where the patches lie, after checking that they cover every input.

    Parameters
    ----------
    n_features : int
        Number of columns of the data.
    input_shape : int or tuple of int, default=None
        Shape of one input: (d,), (h, w) or (h, w, channels). None for (n_features,).
    filter_shape : int or tuple of int, default=None
        Shape of the filter: (p,) for signals; (fh, fw) for images, or (fh, fw,
        channels) where these have channels. An int for all axes but the channels.
        None for the whole input, which is then the only patch.
    stride : int or tuple of int, default=None
        Step between patches along each axis but the channels. None for the shape of
        the filter: patches that do not overlap.

    Returns
    -------
    PatchGrid
        The grid.

    Raises
    ------
    ValueError
        If the shapes do not fit the data or each other, or if the patches would
        leave out the last entries of an axis.

    Examples
    --------
    >>> from convexnn.data.patches import patch_grid
    >>> grid = patch_grid(784, input_shape=(28, 28), filter_shape=(7, 7))
    >>> grid.n_patches, grid.filter_size
    (16, 49)
    >>> patch_grid(10, filter_shape=4, stride=2).n_patches
    4
    """
    inputs = (
        (n_features,) if input_shape is None else _sizes("input_shape", input_shape)
    )
    if len(inputs) > 3:
        raise ValueError(
            "input_shape must be None, (d,), (h, w) or (h, w, channels), got "
            f"{input_shape!r}."
        )
    if prod(inputs) != n_features:
        raise ValueError(
            f"input_shape={input_shape!r} has {prod(inputs)} entries, but X has "
            f"{n_features} features; they must be equal."
        )
    n_axes = min(len(inputs), 2)
    widths = _filter_sizes(inputs, n_axes, filter_shape)
    steps = widths[:n_axes]
    if stride is not None:
        steps = _sizes("stride", stride, n_axes)
    for axis, (size, width, step) in enumerate(
        zip(inputs, widths, steps, strict=False)
    ):
        left = (size - width) % step
        if left:
            raise ValueError(
                f"filter_shape={filter_shape!r} with stride={stride!r} leaves out the "
                f"last {left} of {size} entries along axis {axis} of an input: "
                f"({size} - {width}) must be a multiple of the step {step}."
            )
    return PatchGrid(inputs, widths, steps)


def _filter_sizes(
    inputs: tuple[int, ...], n_axes: int, filter_shape: int | tuple[int, ...] | None
) -> tuple[int, ...]:
    """Return the shape of the filter with its channels."""
    if filter_shape is None:
        return inputs
    widths = _sizes("filter_shape", filter_shape, n_axes, longest=len(inputs))
    if len(widths) == 3 and widths[2] != inputs[2]:
        raise ValueError(
            f"filter_shape={filter_shape!r} has {widths[2]} channels, but the inputs "
            f"have {inputs[2]}; a filter spans all channels."
        )
    widths = widths[:n_axes] + inputs[n_axes:]
    if any(width > size for width, size in zip(widths, inputs, strict=True)):
        raise ValueError(
            f"filter_shape={filter_shape!r} must not exceed the shape {inputs} of an "
            "input."
        )
    return widths


def _sizes(
    parameter: str, value: object, n_axes: int | None = None, longest: int | None = None
) -> tuple[int, ...]:
    """Return a tuple of positive ints; one int stands for all of `n_axes`."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        sizes = (value,) * (n_axes or 1)
    else:
        sizes = tuple(value) if isinstance(value, tuple | list) else ()
    lengths = {len(sizes) if n_axes is None else n_axes, longest or n_axes}
    is_int = all(isinstance(s, Integral) and not isinstance(s, bool) for s in sizes)
    if not sizes or not is_int or min(sizes) < 1 or len(sizes) not in lengths | {None}:
        expected = "a tuple of" if n_axes is None else f"an int or a tuple of {n_axes}"
        if longest and longest != n_axes:
            expected += f" or {longest}"
        raise ValueError(
            f"{parameter} must be {expected} positive ints, got {value!r}."
        )
    return tuple(int(size) for size in sizes)


class Patches:
    """The patches X_1, ..., X_k of every row, each of shape (n, p), as one view.

    Products are formed in the common precision of the rows and of what they are
    multiplied by.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Flattened inputs.
    grid : PatchGrid
        Where the patches lie.

    Attributes
    ----------
    view : ndarray
        The patches, of shape (n,) + grid_shape + filter_shape, sharing the memory of
        `X`; not to be written to.

    Examples
    --------
    >>> import numpy as np
    >>> from convexnn.data.patches import Patches, patch_grid
    >>> X = np.arange(12.0).reshape(2, 6)
    >>> patches = Patches(X, patch_grid(6, filter_shape=2))
    >>> np.shares_memory(patches.view, X)
    True
    >>> patches.responses(np.array([1.0, -1.0]))
    array([[-1., -1., -1.],
           [-1., -1., -1.]])
    """

    def __init__(self, X: np.ndarray, grid: PatchGrid) -> None:
        self.X = X
        self.grid = grid
        n_axes = len(grid.stride)
        windows = np.lib.stride_tricks.sliding_window_view(
            X.reshape(len(X), *grid.input_shape),
            grid.filter_shape[:n_axes],
            axis=tuple(range(1, n_axes + 1)),
        )
        windows = windows[(slice(None), *(slice(None, None, s) for s in grid.stride))]
        # Windows come last, after the channels; the channels belong to the filter.
        if len(grid.input_shape) == 3:
            windows = np.moveaxis(windows, 3, -1)
        self.view = windows

    def side_by_side(self) -> Patches:
        """Return the same patches next to each other in memory, for many products.

        Patches of an image that do not overlap are a reordering of its columns: one
        copy of the rows, after which blocks of patches are views.

        Returns
        -------
        Patches
            These patches as those of a signal, or this object itself where that would
            save nothing or take more memory than the rows do.
        """
        columns = np.arange(self.grid.n_features)[None]
        order = Patches(columns, self.grid).view.ravel()
        is_longer = len(order) > self.grid.n_features
        if is_longer or np.array_equal(order, columns[0]):
            return self
        grid = patch_grid(len(order), filter_shape=self.filter_size)
        return Patches(np.take(self.X, order, axis=1), grid)

    @property
    def n_samples(self) -> int:
        """Number of rows n."""
        return len(self.X)

    @property
    def n_patches(self) -> int:
        """Number of patches k of a row."""
        return self.grid.n_patches

    @property
    def filter_size(self) -> int:
        """Number of entries p of a patch."""
        return self.grid.filter_size

    @property
    def shape(self) -> tuple[int, int, int]:
        """The triple (n, k, p)."""
        return self.n_samples, self.n_patches, self.filter_size

    def blocks(self, n_filters: int = 1) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of rows and their patches, of shape (rows, k, p).

        Parameters
        ----------
        n_filters : int, default=1
            Number of responses to a patch that the caller forms at a time; blocks
            are cut so that also these fit a cache.

        Yields
        ------
        rows : slice
            Which rows.
        block : ndarray of shape (n_rows, k, p)
            Their patches: a view where memory allows, a copy of the block elsewhere.
        """
        _, k, p = self.shape
        n_rows = max(_BLOCK // (k * max(p, n_filters)), 1)
        for first in range(0, self.n_samples, n_rows):
            rows = slice(first, min(first + n_rows, self.n_samples))
            yield rows, self.view[rows].reshape(-1, k, p)

    def responses(self, filters: np.ndarray) -> np.ndarray:
        """Return ``X_j u`` for all patches and filters.

        Parameters
        ----------
        filters : ndarray of shape (p,) or (p, m)
            Filters u, one a column.

        Returns
        -------
        ndarray of shape (n, k) or (n, k, m)
            Responses.
        """
        n, k, _ = self.shape
        out = np.empty((n, k, *filters.shape[1:]), self._dtype(filters))
        for rows, block in self.blocks(filters[0].size):
            np.matmul(block, filters, out=out[rows])
        return out

    def stacked(self) -> np.ndarray:
        """Return a copy of all patches, those of a row one after the other.

        Returns
        -------
        ndarray of shape (n * k, p)
            The patches.
        """
        return self.view.reshape(-1, self.filter_size)

    def pooled(self, filters: np.ndarray, bias: float | np.ndarray = 0.0) -> np.ndarray:
        """Return ``sum_j max(X_j u + b, 0)`` without storing the responses.

        Parameters
        ----------
        filters : ndarray of shape (p,) or (p, m)
            Filters u, one a column.
        bias : float or ndarray of shape (m,), default=0.0
            Biases b.

        Returns
        -------
        ndarray of shape (n,) or (n, m)
            Sums over the patches.
        """
        out = np.empty((self.n_samples, *filters.shape[1:]), self._dtype(filters))
        for rows, block in self.blocks(filters[0].size):
            values = block @ filters
            values += bias
            np.maximum(values, 0, out=values)
            np.sum(values, axis=1, out=out[rows])
        return out

    def adjoint(self, values: np.ndarray) -> np.ndarray:
        """Return ``sum_j X_j' v_j``, the adjoint of :meth:`responses`.

        Parameters
        ----------
        values : ndarray of shape (n, k) or (n, k, m)
            Weights v of the patches.

        Returns
        -------
        ndarray of shape (p,) or (p, m)
            Weighted sums of all patches.
        """
        p = self.filter_size
        rest = values.shape[2:]
        out = np.zeros((p, *rest), self._dtype(values))
        for rows, block in self.blocks(prod(rest)):
            out += block.reshape(-1, p).T @ values[rows].reshape(-1, *rest)
        return out

    def combine(self, weights: np.ndarray) -> np.ndarray:
        """Return ``sum_j diag(v_j) X_j``: for each row the sum of its weighted patches.

        Parameters
        ----------
        weights : ndarray of shape (n, k)
            Weights v of the patches; a mask of booleans sums the chosen ones.

        Returns
        -------
        ndarray of shape (n, p)
            One combined patch a row.
        """
        dtype = self.X.dtype if weights.dtype == bool else self._dtype(weights)
        out = np.empty((self.n_samples, self.filter_size), dtype)
        for rows, block in self.blocks():
            part = weights[rows].astype(dtype, copy=False)
            out[rows] = np.matmul(part[:, None], block)[:, 0]
        return out

    def gram(self, weights: np.ndarray) -> np.ndarray:
        """Return ``sum_j X_j' diag(v_j) X_j`` for weights that are not negative.

        Parameters
        ----------
        weights : ndarray of shape (n, k)
            Weights v of the patches, not negative.

        Returns
        -------
        ndarray of shape (p, p)
            Symmetric, positive semidefinite.
        """
        p = self.filter_size
        out = np.zeros((p, p), self._dtype(weights))
        roots = np.sqrt(weights)
        for rows, block in self.blocks():
            scaled = (block * roots[rows, :, None]).reshape(-1, p)
            out += scaled.T @ scaled
        return out

    def mean_square(self) -> float:
        """Return the mean square of all entries of all patches."""
        total = 0.0
        for _, block in self.blocks():
            total += float(np.einsum("nkp,nkp->", block, block, dtype=np.float64))
        return total / max(prod(self.shape), 1)

    def _dtype(self, other: np.ndarray) -> np.dtype:
        return np.result_type(self.X.dtype, other.dtype)
