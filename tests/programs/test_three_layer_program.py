"""The finite program of three-layer networks: blocks, optimality, recovery, counts."""

from dataclasses import replace

import cvxpy
import numpy as np
import pytest

from convexnn.architectures import ParallelReLU
from convexnn.architectures.bounds import three_layer_price_bound
from convexnn.programs.blocks import enumerate_blocks, sample_blocks
from convexnn.programs.cells import enumerate_cells
from convexnn.programs.certificate import certify, price_groups
from convexnn.programs.counts import (
    first_layer_bound,
    layer_bounds,
    second_layer_bound,
)
from convexnn.programs.losses import SquaredLoss
from convexnn.programs.parallel import ParallelProgram
from convexnn.search.descent import descend
from convexnn.search.pricer import Pricer
from convexnn.search.schedule import schedule_of
from convexnn.solvers import cvxpy as conic

BETA = 0.1


def problem(n=10, d=3, intercept=False, seed=0):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    return X, SquaredLoss(y, rng.uniform(0.5, 2, n), intercept=intercept)


def solve(program):
    return conic.solve(program, tol=1e-7, max_iter=1)


def written_out(program):
    """Return the optimum of eq. (12), a constraint and a term at a time."""
    X, blocks, loss = program.X, program.blocks, program.loss
    d, (n_blocks, m) = X.shape[1], blocks.inner.shape
    output, penalty, inside = np.zeros(len(X)), 0, []
    for b in range(n_blocks):
        hidden = 0
        for j in range(m):
            w, D1 = cvxpy.Variable(d), np.diag(blocks.first[:, b, j].astype(float))
            inside.append((2 * D1 - np.eye(len(X))) @ X @ w >= 0)
            hidden = hidden + blocks.inner[b, j] * (D1 @ X @ w)
            penalty += cvxpy.norm(w)
        D2 = np.diag(blocks.second[:, b].astype(float))
        mixed = blocks.is_mixed[:, b]
        if mixed.any():
            inside.append(((2 * D2 - np.eye(len(X))) @ hidden)[mixed] >= 0)
        output = output + blocks.sign[b] * (D2 @ hidden)
    if loss.intercept:
        output = output + cvxpy.Variable()
    residual = cvxpy.multiply(np.sqrt(loss.weights), output - loss.y)
    value = 0.5 * cvxpy.sum_squares(residual) + program.beta * penalty
    return cvxpy.Problem(cvxpy.Minimize(value), inside).solve(solver="CLARABEL")


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("n_units", [1, 3])
def test_solution_is_the_optimum_of_the_program_as_written(n_units, intercept):
    X, loss = problem(intercept=intercept)
    blocks = sample_blocks(X, n_units, 4, np.random.RandomState(0))
    program = ParallelProgram(X, loss, BETA, blocks)
    found = solve(program)
    assert program.objective(found.U) == pytest.approx(written_out(program), rel=1e-6)
    assert program.violation(found.U) < 1e-6
    _, certificate, _ = certify(program, found.U, multipliers=found.multipliers)
    assert certificate.primal == pytest.approx(program.objective(found.U), rel=1e-6)
    assert certificate.relative_gap < 1e-5
    assert certificate.scope == "cells"


def test_every_sampled_cone_has_an_interior():
    X, loss = problem(n=20)
    blocks = sample_blocks(X, 4, 15, np.random.RandomState(1))
    program = ParallelProgram(X, loss, BETA, blocks)
    W = cvxpy.Variable((3, len(blocks) * 4))
    values = X @ W
    side = np.where(blocks.first, 1.0, -1.0).reshape(len(X), -1)
    hidden = cvxpy.multiply(values, (blocks.first * blocks.inner).reshape(len(X), -1))
    summed = hidden @ np.kron(np.eye(len(blocks)), np.ones((4, 1)))
    outer = np.where(blocks.second, 1.0, -1.0)
    room = cvxpy.Variable()
    problem_ = cvxpy.Problem(
        cvxpy.Maximize(room),
        [
            cvxpy.multiply(side, values) >= room,
            cvxpy.multiply(outer, summed) >= room * blocks.is_mixed,
            cvxpy.abs(W) <= 1,
        ],
    )
    assert problem_.solve(solver="CLARABEL") > 1e-6
    assert program.shape == (3, 120)


def test_network_and_program_agree_in_the_blocks_of_the_network():
    X, loss = problem(n=30, d=4)
    architecture = ParallelReLU(5)
    units = architecture.random_units(X, loss, BETA, 12, np.random.RandomState(0))
    program, U = architecture.around(X, loss, BETA, units)
    np.testing.assert_allclose(program.output(U), architecture.outputs(X, units))
    atoms = architecture.atoms(X, units.hidden) * units.output
    np.testing.assert_allclose(program.contributions(U), atoms)
    value = architecture.value(X, loss, BETA, units)
    assert program.objective(U) == pytest.approx(value, rel=1e-12)
    assert program.network_objective(U) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(program.sizes(U), architecture.norms(units))
    assert program.violation(U) <= 1e-12


def test_merging_keeps_the_output_and_cannot_raise_the_penalty():
    X, loss = problem(n=6, d=2)
    architecture = ParallelReLU(3)
    units = architecture.random_units(X, loss, BETA, 300, np.random.RandomState(0))
    fewer = architecture.merged(X, units)
    assert len(fewer) < len(units)
    outputs = architecture.outputs(X, units)
    np.testing.assert_allclose(architecture.outputs(X, fewer), outputs, atol=1e-10)
    norms = [architecture.norms(each).sum() for each in (fewer, units)]
    assert norms[0] <= norms[1] * (1 + 1e-12)


def test_listed_blocks_hold_every_network_and_bound_every_price():
    X, loss = problem(n=4, d=2)
    blocks = enumerate_blocks(X, 2)
    assert blocks.scope == "all"
    program = ParallelProgram(X, loss, BETA, blocks)
    found = solve(program)
    optimum = program.objective(found.U)
    certificate = certify(program, found.U, multipliers=found.multipliers)[1]
    assert certificate.relative_gap < 1e-6
    architecture, random_state = ParallelReLU(2), np.random.RandomState(0)
    units = architecture.random_units(X, loss, BETA, 30, random_state)
    about = architecture, X, loss, BETA
    for width in (0.1, 0.01, 0.001, 0.0):
        units = descend(*about, units, width=width, n_steps=300)
    value = architecture.value(X, loss, BETA, units)
    assert value >= optimum * (1 - 1e-7)
    assert value <= optimum * (1 + 1e-2)
    v = loss.dual_point(np.zeros(4))
    schedule = schedule_of(architecture, 0.0)
    pricer = Pricer(architecture, X, 60, schedule, random_state)
    found = pricer.climb(v, units, BETA).largest
    listed = price_groups(program, v).largest
    assert found <= listed * (1 + 1e-9)
    assert listed <= three_layer_price_bound(X, v) * 10


def test_too_many_blocks_are_refused_with_the_bounds_of_the_paper():
    X, _ = problem(n=30, d=3)
    with pytest.raises(ValueError, match=r"up to 872 patterns.*eqs. 13 and 14"):
        enumerate_blocks(X, 3)


def test_duality_of_block_prices_for_any_multipliers():
    X, loss = problem(n=12, d=3)
    blocks = sample_blocks(X, 3, 6, np.random.RandomState(0))
    program = ParallelProgram(X, loss, BETA, blocks)
    v = np.random.default_rng(1).standard_normal(12)
    rng = np.random.default_rng(2)
    multipliers = (
        rng.uniform(0, 0.1, (12, program.n_groups)),
        rng.uniform(0, 0.1, blocks.second.shape),
    )
    U = solve(program).U
    atoms, sizes = v @ program.contributions(U), program.sizes(U)
    for given in (None, multipliers):
        prices = price_groups(program, v, multipliers=given)
        bounds = prices.bounds.reshape(blocks.inner.shape).max(axis=1)
        assert (atoms <= bounds * sizes + 1e-8).all()


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_linear_maps_have_the_adjoints_that_they_say(n_outputs):
    rng = np.random.default_rng(3)
    X, loss = problem(n=15, d=3)
    blocks = sample_blocks(X, 3, 4, np.random.RandomState(1))
    if n_outputs is not None:
        heads = rng.standard_normal((len(blocks), n_outputs))
        heads /= np.linalg.norm(heads, axis=1, keepdims=True)
        blocks = replace(blocks, sign=heads)
    program = ParallelProgram(X, loss, BETA, blocks)
    U = rng.standard_normal(program.shape)
    v = rng.standard_normal(program.output(U).shape)
    assert v.shape == (15,) if n_outputs is None else (15, 2)
    assert np.vdot(program.output(U), v) == pytest.approx(
        np.vdot(U, program.correlations(v))
    )
    slacks = program.slacks(U)
    multipliers = [rng.standard_normal(slack.shape) for slack in slacks]
    assert sum(map(np.vdot, slacks, multipliers)) == pytest.approx(
        np.vdot(U, program.pull_back(multipliers))
    )
    for b in range(len(blocks)):
        one = program.restrict(np.array([b]))
        groups = program.groups_of(np.array([b]))
        atom = program.contributions(U)[..., b]
        np.testing.assert_allclose(one.network_output(U[:, groups]), atom)


def test_counts_bound_what_is_enumerated():
    X, _ = problem(n=7, d=2)
    cells = enumerate_cells(X)
    assert len(cells) <= first_layer_bound(7, 2) == 14
    blocks = enumerate_blocks(X[:5], 2)
    assert len(blocks) // 2 <= second_layer_bound(5, 2, 2)


@pytest.mark.parametrize(("n", "r", "m"), [(20, 2, 3), (50, 3, 4), (100, 5, 2)])
def test_counts_stay_below_the_closed_forms_of_the_paper(n, r, m):
    e = np.e
    assert first_layer_bound(n, r) <= 2 * r * (e * (n - 1) / r) ** r
    closed = 2.0 ** (2 * m + 1) * (e * (n - 1)) ** (2 * m * r)
    closed /= m ** (m * r - 1) * float(r) ** (2 * m * r - m - 1)
    assert second_layer_bound(n, r, m) <= closed
    assert layer_bounds(n, r, ()) == [first_layer_bound(n, r)]
    assert layer_bounds(n, r, (m, 2))[2] > second_layer_bound(n, r, m)
