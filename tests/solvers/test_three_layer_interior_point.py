"""The own solver of three-layer blocks against cvxpy, and cells given as gates."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from convexnn import ConvexReLURegressor, ThreeLayerConvexRegressor
from convexnn.programs.blocks import (
    Blocks,
    enumerate_blocks,
    given_blocks,
    sample_blocks,
)
from convexnn.programs.certificate import certify, price_groups
from convexnn.programs.losses import SquaredLoss
from convexnn.programs.parallel import ParallelProgram
from convexnn.solvers import cvxpy, interior_point


def data(n=12, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n), rng.uniform(0.5, 2, n)


def program_of(X, y, weights, *, n_units=3, n_blocks=6, beta=0.1, intercept=False):
    loss = SquaredLoss(y, weights, intercept=intercept)
    blocks = sample_blocks(X, n_units, n_blocks, np.random.RandomState(0))
    return ParallelProgram(X, loss, beta, blocks)


def own(program, **settings):
    """Return what the interior point makes of a program."""
    return interior_point.solve(program, **{"tol": 1e-7, "max_iter": 200} | settings)


def certified(program, solution):
    """Return the certificate of a solution after checking what it is made of."""
    assert program.violation(solution.U) <= 1e-9 * np.abs(solution.U).max(
        initial=1e-300
    )
    assert all(each.min(initial=0.0) >= 0 for each in solution.multipliers)
    certificate = certify(program, solution.U, multipliers=solution.multipliers)[1]
    assert certificate.primal == pytest.approx(program.objective(solution.U), rel=1e-8)
    return certificate


def assert_agreement(program):
    found = own(program)
    conic = cvxpy.solve(program, tol=1e-7, max_iter=1)
    certificate = certified(program, found)
    assert found.status == "tolerance reached"
    assert certificate.relative_gap <= 2e-7
    value = program.objective(conic.U)
    assert certificate.primal == pytest.approx(value, rel=1e-6)
    assert certificate.dual <= value * (1 + 1e-7)


@pytest.mark.parametrize("beta", [1e-4, 0.1, 1.0])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("n_units", [1, 4])
def test_agrees_with_the_conic_solver(n_units, intercept, beta):
    program = program_of(*data(), n_units=n_units, intercept=intercept, beta=beta)
    assert_agreement(program)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_on_narrow_cones(seed):
    assert_agreement(program_of(*data(40, 5, seed), n_blocks=8, beta=0.02))


def test_agrees_on_tied_opposite_and_empty_rows():
    X, y, weights = data(14)
    X[1], X[2], X[3] = X[0], -X[0], 0.0
    X = np.round(X, 1)
    for intercept in (False, True):
        assert_agreement(program_of(X, y, weights, intercept=intercept))


def test_agrees_on_features_of_different_scales():
    X, y, weights = data(20, 3)
    assert_agreement(program_of(X * [1.0, 1e-2, 1e-3], y, weights, beta=1e-3))


def test_agrees_on_blocks_without_an_interior():
    X, y, weights = data(4, 2)
    loss = SquaredLoss(y, weights, intercept=False)
    program = ParallelProgram(X, loss, 0.05, enumerate_blocks(X, 2))
    found = own(program)
    conic = cvxpy.solve(program, tol=1e-7, max_iter=1)
    assert program.objective(found.U) == pytest.approx(
        program.objective(conic.U), rel=1e-6
    )
    assert program.violation(found.U) < 1e-6


def test_zero_is_found_from_the_largest_price_on():
    X, y, weights = data()
    program = program_of(X, y, weights)
    prices = price_groups(program, program.loss.dual_point(np.zeros(len(X))))
    program.beta = 1.01 * prices.largest
    found = own(program)
    at_zero = program.objective(np.zeros(program.shape))
    assert certified(program, found).relative_gap < 2e-7
    assert program.objective(found.U) == pytest.approx(at_zero, rel=1e-6)


@pytest.mark.parametrize("nothing", ["blocks", "inputs", "targets"])
def test_nothing_to_fit_is_the_zero_network(nothing):
    X, y, weights = data()
    program = program_of(X, y, weights)
    if nothing == "blocks":
        program = program.restrict(np.zeros(0, dtype=int))
    elif nothing == "inputs":
        program.X = 0 * X
    else:
        program.loss = SquaredLoss(0 * y, weights, intercept=True)
    found = own(program)
    assert found.U.shape == program.shape
    assert not found.U.any()


def test_order_of_blocks_and_units_does_not_matter():
    program = program_of(*data(20, 4))
    blocks = program.blocks
    order = np.random.default_rng(0).permutation(len(blocks))
    unit = np.array([2, 0, 1])
    shuffled = Blocks(
        blocks.first[:, order][:, :, unit],
        blocks.inner[order][:, unit],
        blocks.second[:, order],
        blocks.sign[order],
        blocks.scope,
    )
    value = program.objective(own(program).U)
    program = ParallelProgram(program.X, program.loss, program.beta, shuffled)
    again = program.objective(own(program).U)
    assert again == pytest.approx(value, rel=2e-7)


@pytest.mark.parametrize("beta", [0.02, 0.3])
def test_any_start_leads_to_the_optimum(beta):
    program = program_of(*data(20, 4), beta=beta)
    found = own(program)
    value = program.objective(found.U)
    far = np.random.default_rng(0).standard_normal(program.shape)
    for start in (found.U, 0.5 * found.U, far, 0 * far):
        again = own(program, start=start)
        assert certified(program, again).relative_gap < 2e-7
        assert program.objective(again.U) == pytest.approx(value, rel=2e-7)


@pytest.mark.parametrize("d", [1, 5])
def test_given_start_is_not_changed(d):
    program = program_of(*data(40, d), n_blocks=10, beta=0.02)
    start = own(program).U
    before = start.copy()
    own(program, start=start)
    np.testing.assert_array_equal(start, before)


def test_good_start_saves_steps():
    program = program_of(*data(40, 5), n_blocks=10, beta=0.02)
    found = own(program)
    again = own(program, start=found.U)
    assert again.n_iter < found.n_iter


def test_verbose_prints_a_line_a_step(capsys):
    found = own(program_of(*data()), verbose=2)
    assert capsys.readouterr().out.count("interior point") == found.n_iter


def test_fits_do_not_import_cvxpy():
    code = (
        "import sys, numpy as np; from convexnn import ThreeLayerConvexRegressor\n"
        "X = np.random.default_rng(0).standard_normal((10, 2))\n"
        "for cells in 'auto', 'sampled':\n"
        "    model = ThreeLayerConvexRegressor(2, cells=cells, n_cells=4, tol=0.1)\n"
        "    assert model.fit(X, X[:, 0] * X[:, 1]).n_neurons_ > 0\n"
        "print('cvxpy' in sys.modules)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


X, Y, _ = data(16, 3)


def model(**parameters):
    defaults = {"n_units": 2, "beta": 0.2, "fit_intercept": False, "random_state": 0}
    return ThreeLayerConvexRegressor(**defaults | parameters)


def gates_of(n_blocks=5, n_inputs=3, n_units=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_blocks, n_inputs + 1, n_units))


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_solvers_agree_on_given_gates(fit_intercept):
    gates = gates_of(n_inputs=3 + fit_intercept)
    settings = {"cells": gates, "fit_intercept": fit_intercept}
    own = clone(model(**settings)).fit(X, Y)
    conic = model(solver="cvxpy", **settings).fit(X, Y)
    assert own.objective_ == pytest.approx(conic.objective_, rel=1e-6)
    assert own.certificate_.scope == "cells"
    assert own.certificate_.relative_gap < 1e-6
    assert own.n_neurons_ > 0
    inputs = np.column_stack([X, np.ones(len(X))])[:, : gates.shape[1] - 1]
    blocks = given_blocks(inputs, gates)
    for W1, w2, w3 in own.subnetworks_:
        first = inputs @ W1
        sides = np.where(blocks.first, 1, -1).transpose(1, 0, 2) * first
        fits = sides.min(axis=(1, 2)) >= -1e-9
        fits &= (blocks.inner * w2 >= 0).all(axis=1) & (blocks.sign * w3 > 0)
        assert fits.any()


def test_gates_of_a_network_are_the_blocks_it_lies_in():
    found = model().fit(X, Y)
    gates = np.stack([np.vstack([W1, w2]) for W1, w2, _ in found.subnetworks_])
    listed = model(cells=gates).fit(X, Y)
    assert listed.objective_ <= found.objective_ * (1 + 1e-6)
    again = model(cells=np.concatenate([gates, gates])).fit(X, Y)
    assert again.objective_ == pytest.approx(listed.objective_, rel=1e-6)


def test_one_unit_is_the_two_layer_program_over_the_same_gates():
    gates = gates_of(12, n_units=1)
    gates[:, -1] = 1.0
    three = model(cells=gates, n_units=1).fit(X, Y)
    two = ConvexReLURegressor(
        beta=0.2, cells=gates[:, :-1, 0].T, tol=1e-7, fit_intercept=False
    ).fit(X, Y)
    assert three.objective_ == pytest.approx(two.objective_, rel=1e-6)


def test_silent_gates_give_the_zero_network():
    gates = gates_of()
    gates[:, -1] = -np.abs(gates[:, -1])
    fitted = model(cells=gates).fit(X, Y)
    assert fitted.n_neurons_ == 0
    assert fitted.objective_ == pytest.approx(0.5 * Y @ Y)


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        (gates_of(n_units=3), r"cells.*n_units=2.*\(n_blocks, 4, 2\).*\(5, 4, 3\)"),
        (gates_of(n_inputs=4), r"cells.*\(n_blocks, 4, 2\).*got \(5, 5, 2\)"),
        (gates_of()[0], r"cells.*\(n_blocks, 4, 2\).*got \(4, 2\)"),
        (gates_of()[:0], r"cells.*n_blocks >= 1, got \(0, 4, 2\)"),
        (np.full((1, 4, 2), np.nan), "Input cells contains NaN"),
        (np.full((1, 4, 2), 1j), "Complex data not supported"),
        (np.full((1, 4, 2), "a"), "could not convert string to float"),
        (3, "'cells'.*Got 3 "),
    ],
)
def test_bad_gates_are_refused_with_what_is_allowed(cells, match):
    estimator = model(cells=cells)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=match):
        estimator.fit(X, Y)
    assert vars(estimator) == before


def test_biases_need_a_row_of_gates():
    with pytest.raises(ValueError, match=r"one bias.*\(n_blocks, 5, 2\).*\(5, 4, 2\)"):
        model(cells=gates_of(), fit_intercept=True).fit(X, Y)


def test_search_refuses_gates():
    with pytest.raises(ValueError, match=r"active_set.*listed cells.*'interior_point'"):
        model(cells=gates_of(), solver="active_set").fit(X, Y)
