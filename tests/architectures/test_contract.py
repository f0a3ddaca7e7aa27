"""What every architecture must keep to, for one output and several."""

from types import SimpleNamespace

import numpy as np
import pytest

from convexnn.architectures import (
    Architecture,
    ConvolutionalReLU,
    GatedReLU,
    OneLayer,
    ParallelReLU,
    ReLU,
)
from convexnn.architectures.rectifiers import parabolic, rounded
from convexnn.data.patches import Patches, patch_grid
from convexnn.data.samples import collect_samples
from convexnn.programs.cells import sample_cells
from convexnn.programs.losses import SquaredLoss
from convexnn.search.climbing import climb, maxima_at

GRID = patch_grid(6, filter_shape=3, stride=3)
NAMES = ["relu", "leaky", "gated", "convolutional", "parallel", "one in parallel"]
OUTPUTS = pytest.mark.parametrize("n_outputs", [1, 2])
ALL = pytest.mark.parametrize("name", NAMES)
CONES = pytest.mark.parametrize("name", [name for name in NAMES if name != "gated"])


class Leaky(OneLayer):
    words, slopes = "leaky units", (0.1, 1.0)


def problem(name, n_outputs, seed=0):
    """Return an architecture, inputs, a loss, directions, units and a dual point."""
    rng = np.random.default_rng(seed)
    n, d = 20, 6
    raw = rng.standard_normal((n, d))
    y = rng.standard_normal((n, n_outputs)) if n_outputs > 1 else rng.standard_normal(n)
    grid = GRID if name == "convolutional" else None
    samples = collect_samples(raw, y, grid=grid)
    loss = SquaredLoss(samples.y, samples.weights, intercept=True)
    cells = sample_cells(samples.X, 5, np.random.RandomState(seed))
    architecture = {
        "relu": ReLU(),
        "leaky": Leaky(),
        "gated": GatedReLU(cells),
        "convolutional": ConvolutionalReLU(GRID),
        "parallel": ParallelReLU(3),
        "one in parallel": ParallelReLU(1),
    }[name]
    # So that no rectifier of a second layer is shut everywhere.
    directions = rng.standard_normal((architecture.n_entries(samples.X), 5))
    directions[len(directions) - architecture.n_later :, :3] += 0.5
    heads = architecture.random_heads(5, samples.y, np.random.RandomState(seed))
    units = architecture.units_of(directions, heads)
    v = rng.standard_normal(samples.y.shape)
    return SimpleNamespace(**{k: w for k, w in locals().items() if k != "rng"})


def difference(function, at, along, step=1e-6):
    """Return the derivative of a function along an array, by differences."""
    return (function(at + step * along) - function(at - step * along)) / (2 * step)


@ALL
@pytest.mark.parametrize("rectifier", [rounded, parabolic])
@pytest.mark.parametrize("width", [0.3, None])
def test_forward_gives_its_derivatives(name, rectifier, width):
    p = problem(name, 1)
    Z, X = p.directions, p.samples.X
    widths = None
    if width is not None and p.architecture.has_cones:
        widths = width * p.architecture.spread(X, Z)
    values, pull = p.architecture.forward(X, Z, widths, rectifier)
    W = np.random.default_rng(1).standard_normal(values.shape)
    along = np.random.default_rng(2).standard_normal(Z.shape)
    slope = np.sum(pull(W) * along)

    def total(Z):
        return np.sum(W * p.architecture.forward(X, Z, widths, rectifier)[0])

    assert slope == pytest.approx(difference(total, Z, along), rel=1e-5, abs=1e-6)


@ALL
def test_units_are_homogeneous_of_their_degree(name):
    p = problem(name, 1)
    once = p.architecture.atoms(p.samples.X, p.directions)
    np.testing.assert_allclose(
        p.architecture.atoms(p.samples.X, 2.0 * p.directions),
        2.0**p.architecture.degree * once,
        atol=1e-12,
    )
    np.testing.assert_allclose(
        p.architecture.forward(p.samples.X, p.directions)[0], once, atol=1e-12
    )


@ALL
@OUTPUTS
@pytest.mark.parametrize("width", [0.2, None])
def test_correlations_written_by_hand_are_those_derived(name, n_outputs, width):
    p = problem(name, n_outputs)
    about = p.samples.X, p.v, p.directions
    if width is not None and p.architecture.has_cones:
        about += (width * p.architecture.spread(p.samples.X, p.directions),)
    values, gradients = p.architecture.correlate(*about)
    derived = Architecture.correlate(p.architecture, *about)
    np.testing.assert_allclose(values, derived[0], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(gradients, derived[1], rtol=1e-10, atol=1e-10)


@ALL
@OUTPUTS
def test_correlations_are_inner_products_with_the_best_heads(name, n_outputs):
    p = problem(name, n_outputs)
    values, _ = p.architecture.correlate(p.samples.X, p.v, p.directions)
    signs = np.where(values < 0, -1.0, 1.0)
    heads = p.architecture.heads(p.samples.X, p.v, p.directions, signs)
    atoms = p.architecture.factor * p.architecture.atoms(p.samples.X, p.directions)
    pulled = (atoms.T @ p.v).reshape(len(heads), -1)
    inner = np.sum(pulled * heads.reshape(len(heads), -1), axis=1)
    np.testing.assert_allclose(inner, np.abs(values), rtol=1e-10, atol=1e-12)


@ALL
@OUTPUTS
@pytest.mark.parametrize("width", [0.2, 0.0])
def test_linearised_networks_are_those_derived(name, n_outputs, width):
    p = problem(name, n_outputs)
    widths = width and p.architecture.widths_of(p.samples.X, p.units, width)
    about = p.samples.X, p.units.hidden, p.units.output, widths
    z, pull = p.architecture.linearise(*about)
    derived, pull_derived = Architecture.linearise(p.architecture, *about)
    np.testing.assert_allclose(z, derived, rtol=1e-10, atol=1e-12)
    for one, other in zip(pull(p.v), pull_derived(p.v), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    along = np.random.default_rng(3).standard_normal(p.units.hidden.shape)

    def total(hidden):
        return np.sum(
            p.v * p.architecture.linearise(p.samples.X, hidden, *about[2:])[0]
        )

    slope = np.sum(p.architecture.linearise(*about)[1](p.v)[0] * along)
    expected = difference(total, p.units.hidden, along)
    assert slope == pytest.approx(expected, rel=1e-5, abs=1e-6)


@ALL
@OUTPUTS
def test_balancing_and_merging_keep_outputs_and_raise_no_penalty(name, n_outputs):
    p = problem(name, n_outputs)
    a, X, beta = p.architecture, p.samples.X, 0.7
    outputs, penalty = a.outputs(X, p.units), a.norms(p.units).sum()
    value = a.value(X, p.loss, beta, p.units)
    assert value == pytest.approx(float(p.loss.value(outputs)) + beta * penalty)
    changed = [a.balanced(p.units)]
    if a.has_cones:
        changed.append(a.merged(X, p.units.joined(p.units)))
    for k, other in enumerate(changed):
        np.testing.assert_allclose(a.outputs(X, other), (1 + k) * outputs, atol=1e-12)
        assert a.norms(other).sum() <= (1 + k) * penalty * (1 + 1e-12)


@ALL
@OUTPUTS
def test_networks_are_their_units_and_lead_back_to_them(name, n_outputs):
    p = problem(name, n_outputs)
    a, samples = p.architecture, p.samples
    offset = p.loss.offset(a.outputs(samples.X, p.units))
    network = a.network(p.units, offset, samples)
    rows = samples.X * samples.x_scale
    if name == "convolutional":
        raw = p.raw
        rows = Patches(raw, GRID).X
        predicted = network.predict(rows)
        order = [int(np.flatnonzero(_same_rows(raw, samples, k))[0]) for k in range(20)]
        predicted = predicted[order]
    else:
        predicted = network.predict(rows[:, :-1])
    expected = (a.outputs(samples.X, p.units) + offset) * samples.y_scale
    np.testing.assert_allclose(predicted, expected + samples.y_offset, atol=1e-9)
    if a.has_cones:
        again = a.units_in(network, samples)
        np.testing.assert_allclose(
            np.sort(a.norms(again)), np.sort(a.norms(p.units)), rtol=1e-9
        )


def _same_rows(raw, samples, k):
    patches = samples.X.reshape(20, GRID.n_patches, -1)[k, :, :-1] * samples.x_scale
    return np.isclose(raw, patches.reshape(-1)).all(axis=1)


@CONES
@OUTPUTS
def test_units_are_points_of_the_program_over_their_cells(name, n_outputs):
    p = problem(name, n_outputs)
    a, X = p.architecture, p.samples.X
    units = a.merged(X, p.units)
    # Units that are active nowhere are no part of a program.
    units = units.take(a.atoms(X, units.hidden).any(axis=0))
    program, U = a.around(X, p.loss, 0.7, units)
    np.testing.assert_allclose(program.output(U), a.outputs(X, units), atol=1e-12)
    expected = a.value(X, p.loss, 0.7, units)
    assert program.objective(U) == pytest.approx(expected, rel=1e-12)
    again = a.units_at(program, U)
    np.testing.assert_allclose(a.outputs(X, again), program.output(U), atol=1e-12)
    assert a.norms(again).sum() == pytest.approx(a.norms(units).sum(), rel=1e-12)
    one, other = units.take(slice(1)), units.take(slice(1, 2))
    wider, start = a.around(X, p.loss, 0.7, one, other)
    assert wider.n_groups > a.around(X, p.loss, 0.7, one)[0].n_groups
    first = a.outputs(X, one)
    np.testing.assert_allclose(wider.output(start), first, atol=1e-12)


@CONES
@OUTPUTS
def test_no_direction_is_worth_more_than_the_bound(name, n_outputs):
    p = problem(name, n_outputs)
    a, X = p.architecture, p.samples.X
    starts = np.random.default_rng(4).standard_normal((len(p.directions), 200))
    ends = climb(a, X, p.v, starts)
    found = maxima_at(a, X, p.v, a.canonical(ends))
    drawn = maxima_at(a, X, p.v, starts)
    assert drawn.largest < found.largest <= a.price_bound(X, p.v) * (1 + 1e-12)


@CONES
def test_first_layers_turn_with_the_inputs(name):
    p = problem(name, 1)
    d = p.samples.X.shape[1]
    turn = np.linalg.qr(np.random.default_rng(5).standard_normal((d, d))).Q
    turned = p.architecture.turned(p.units, turn.T)
    np.testing.assert_allclose(
        p.architecture.outputs(p.samples.X @ turn, turned),
        p.architecture.outputs(p.samples.X, p.units),
        atol=1e-12,
    )


@CONES
@OUTPUTS
def test_random_units_are_small_balanced_and_of_all_heads(name, n_outputs):
    p = problem(name, n_outputs)
    a, X = p.architecture, p.samples.X
    units = a.random_units(X, p.loss, 0.5, 12, np.random.RandomState(0))
    assert len(units) == 12
    again = a.balanced(units)
    np.testing.assert_allclose(a.outputs(X, again), a.outputs(X, units), atol=1e-12)
    sizes = np.linalg.norm(a.outputs(X, units)), np.linalg.norm(p.samples.y)
    assert sizes[0] < 20 * sizes[1]
    heads = units.heads.reshape(12, -1)
    np.testing.assert_allclose(np.linalg.norm(heads, axis=1), 1.0)
    assert len(np.unique(heads, axis=0)) > 1
