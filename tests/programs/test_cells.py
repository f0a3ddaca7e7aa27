"""Activation patterns: complete where enumerated, distinct where sampled."""

from itertools import product
from math import gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convexnn.programs.cells import (
    activation_patterns,
    count_bound,
    enumerate_cells,
    given_cells,
    sample_cells,
)

PROPERTY = settings(deadline=None, max_examples=40, derandomize=True)
ONE_HOT = np.eye(4)[[0, 1, 2, 3, 0, 2]]
WORKED_EXAMPLE = np.array([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]])

DEGENERATE = {
    "grid": np.array(list(product((-1, 0, 1), repeat=2)), float),
    "grid with bias": np.array([(*x, 1) for x in product((0, 1, 2), repeat=2)], float),
    "one-hot": ONE_HOT,
    "one-hot with bias": np.column_stack([ONE_HOT, np.ones(6)]),
    "repeated rows": np.array([[1, 2], [1, 2], [0, 1], [1, 2]], float),
    "parallel rows": np.array([[1, 2, 0], [2, 4, 0], [-1, -2, 0], [0, 1, 1]], float),
    "rank-deficient": np.array([[1, 2, 3], [2, 1, 3], [1, -1, 0], [3, 0, 3]], float),
    "row of zeros": np.array([[0, 0], [1, 0], [1, 1]], float),
    "one column": np.array([[1], [-2], [0], [3]], float),
    "talk": WORKED_EXAMPLE,
}


def as_set(patterns):
    return {tuple(pattern) for pattern in np.asarray(patterns, dtype=int).T}


def sampled_set(X, n_gates=20_000):
    gates = np.random.default_rng(0).standard_normal((X.shape[1], n_gates))
    return as_set(activation_patterns(X, gates)) - {(0,) * len(X)}


def primitive(row):
    """Return the integer row without its common factor, first entry positive."""
    divisor = gcd(*row)
    leading = next(entry for entry in row if entry)
    return tuple(entry // divisor * (1 if leading > 0 else -1) for entry in row)


def distinct_hyperplanes(rows):
    return sorted({primitive(row) for row in rows if any(row)})


def restrict(row, pivot):
    """Eliminate from an integer row the variable of the pivot's first entry."""
    k = next(k for k, entry in enumerate(pivot) if entry)
    combined = [pivot[k] * a - row[k] * b for a, b in zip(row, pivot, strict=True)]
    return tuple(combined[:k] + combined[k + 1 :])


def count_regions(rows):
    """Count an arrangement's regions by deletion and restriction, in integers."""
    rows = distinct_hyperplanes(rows)
    if not rows:
        return 1
    *others, last = rows
    return count_regions(others) + count_regions([restrict(r, last) for r in others])


def expected_count(X):
    """Count the regions of the rows of X, less the one with no active row."""
    rows = [tuple(int(entry) for entry in row) for row in X]
    has_empty = (X.any(axis=1)).all() and all_active_exists(X)
    return count_regions(rows) - has_empty


def all_active_exists(X):
    return any(pattern.all() for pattern in enumerate_cells(X).patterns.T)


def assert_gates_strictly_inside(X, cells):
    np.testing.assert_array_equal(activation_patterns(X, cells.gates), cells.patterns)
    X = X[X.any(axis=1)]
    lengths = np.linalg.norm(X, axis=1)[:, None] * np.linalg.norm(cells.gates, axis=0)
    assert (np.abs(X @ cells.gates) > 1e-7 * lengths).all()


@pytest.mark.parametrize(
    ("n", "d"), [(1, 1), (12, 2), (8, 3), (6, 4), (5, 5), (3, 5), (20, 3)]
)
def test_general_position_attains_the_bound(n, d):
    X = np.random.default_rng(n * d).standard_normal((n, d))
    cells = enumerate_cells(X)
    # Some gate opposes all rows only where some gate agrees with all.
    empty = int(cells.patterns.all(axis=0).any())
    assert len(cells) + empty == count_bound(n, min(n, d))
    assert cells.scope == "all"
    assert_gates_strictly_inside(X, cells)


@pytest.mark.parametrize(
    ("n", "rank", "count"), [(12, 2, 24), (8, 3, 58), (6, 4, 52), (3, 3, 8), (1, 1, 2)]
)
def test_bound_of_cover_and_winder(n, rank, count):
    assert count_bound(n, rank) == count


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data_list_what_random_gates_find(name):
    X = DEGENERATE[name]
    cells = enumerate_cells(X)
    assert as_set(cells.patterns) == sampled_set(X)
    assert len(as_set(cells.patterns)) == len(cells)
    assert len(cells) == expected_count(X)
    assert_gates_strictly_inside(X, cells)


@PROPERTY
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 3)).flatmap(
        lambda shape: arrays(np.int64, shape, elements=st.integers(-2, 2))
    )
)
def test_small_integer_data_list_every_region(X):
    X = X.astype(float)
    cells = enumerate_cells(X)
    assert len(cells) == expected_count(X)
    assert sampled_set(X, 500) <= as_set(cells.patterns)
    assert_gates_strictly_inside(X, cells)


def test_four_dimensional_grid_lists_every_region():
    X = np.array([(*x, 1) for x in product((0, 1), repeat=3)], float)
    cells = enumerate_cells(X)
    # Threshold functions of three variables, 104 with the constant ones.
    assert len(cells) == 104 - 1 == expected_count(X)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_scale_of_rows_does_not_change_the_patterns(scale):
    X = np.random.default_rng(0).standard_normal((7, 3))
    uneven = X * np.where(np.arange(7) % 2, scale, 1.0)[:, None]
    assert as_set(enumerate_cells(uneven).patterns) == as_set(
        enumerate_cells(X).patterns
    )


def test_worked_example_of_the_talk():
    patterns = as_set(enumerate_cells(WORKED_EXAMPLE).patterns)
    assert patterns == {(1, 1, 1), (1, 1, 0), (0, 0, 1)}


def test_only_zero_rows_leave_one_cell():
    cells = enumerate_cells(np.zeros((3, 2)))
    assert as_set(cells.patterns) == {(1, 1, 1)}


def test_too_many_patterns_are_refused_with_their_number():
    X = np.random.default_rng(0).standard_normal((8, 3))
    assert len(enumerate_cells(X, max_patterns=58)) in (57, 58)
    with pytest.raises(ValueError, match=r"58 activation patterns .* limit of 57"):
        enumerate_cells(X, max_patterns=57)


def test_parallel_rows_do_not_count_towards_the_limit():
    X = np.outer(np.arange(1, 50), [1.0, 2.0])
    X[::2] = np.outer(np.arange(1, 26), [-1.0, 1.0])
    assert len(enumerate_cells(X, max_patterns=4)) in (3, 4)


@pytest.mark.parametrize("angle", [1e-3, 1e-5, 1e-7, 1e-9])
def test_nearly_parallel_rows_are_two_hyperplanes(angle):
    X = np.array([[1.0, 1.0], [-1.0, -1.0 - angle]])
    assert as_set(enumerate_cells(X).patterns) == {(1, 0), (0, 1), (1, 1)}


@pytest.fixture
def rows():
    return np.random.default_rng(1).standard_normal((30, 4))


def sample(X, n_cells, seed=0):
    return sample_cells(X, n_cells, np.random.RandomState(seed))


@pytest.mark.parametrize("n_cells", [1, 7, 50])
def test_samples_are_distinct_nonempty_and_as_many_as_asked(rows, n_cells):
    cells = sample(rows, n_cells)
    assert len(cells) == len(as_set(cells.patterns)) == n_cells
    assert cells.patterns.any(axis=0).all()
    assert cells.scope == "cells"
    np.testing.assert_array_equal(
        activation_patterns(rows, cells.gates), cells.patterns
    )


def test_sampled_gates_come_with_their_opposites(rows):
    cells = sample(rows, 60)
    gates = {tuple(gate) for gate in cells.gates.T}
    alone = [
        k
        for k, gate in enumerate(cells.gates.T)
        if tuple(-gate) not in gates and not cells.patterns[:, k].all()
    ]
    # Only the last pair can be cut by n_cells.
    assert alone in ([], [59])


def test_samples_depend_on_the_seed_alone(rows):
    one, other = sample(rows, 40), sample(rows, 40)
    np.testing.assert_array_equal(one.patterns, other.patterns)
    np.testing.assert_array_equal(one.gates, other.gates)
    different = sample(rows, 40, seed=1)
    assert as_set(different.patterns) != as_set(one.patterns)


def test_repeated_rows_do_not_change_the_samples(rows):
    repeats = np.random.default_rng(0).integers(1, 4, len(rows))
    one, other = sample(rows, 40), sample(np.repeat(rows, repeats, axis=0), 40)
    np.testing.assert_array_equal(other.gates, one.gates)
    np.testing.assert_array_equal(
        other.patterns, np.repeat(one.patterns, repeats, axis=0)
    )


@pytest.mark.parametrize("name", DEGENERATE)
def test_samples_end_where_the_data_has_no_more(name):
    X = DEGENERATE[name]
    cells = sample(X, 200)
    everything = as_set(enumerate_cells(X).patterns)
    assert as_set(cells.patterns) == everything
    assert len(cells) == len(everything) < 200


def test_given_gates_lose_repeated_and_empty_patterns_in_order():
    X = np.array([[1.0, 0.0], [0.0, 1.0]])
    gates = np.array([[-1, 2, -1, 1, 3, 1, -2, -5], [1, 1, -1, -1, 1, 5, 7, -1]], float)
    cells = given_cells(X, gates)
    np.testing.assert_array_equal(cells.gates, gates[:, [0, 1, 3]])
    np.testing.assert_array_equal(cells.patterns, X @ gates[:, [0, 1, 3]] >= 0)
    assert cells.scope == "cells"


def test_given_gates_with_many_rows_are_compared_on_all_of_them():
    X = np.eye(19)
    gates = np.ones((19, 3))
    gates[18, 1] = -1
    assert len(given_cells(X, gates)) == 2


def test_no_usable_gate_gives_no_cell():
    X = np.ones((3, 1))
    assert len(given_cells(X, np.array([[-1.0, -2.0]]))) == 0
    assert given_cells(X, np.zeros((1, 0))).patterns.shape == (3, 0)
