"""Networks and points of their programs are the same thing in two notations."""

import numpy as np
import pytest

from convexnn.architectures import ARCHITECTURES
from convexnn.cells import sample_cells
from convexnn.certificate import feasible_point
from convexnn.datasets import make_relu_teacher
from convexnn.losses import SquaredLoss
from convexnn.samples import collect_samples

CASES = [(name, bias) for name in ARCHITECTURES for bias in (True, False)]


def random_point(name, fit_intercept, seed=0):
    """Return data, samples, a program and a feasible point with some empty groups."""
    rng = np.random.default_rng(seed)
    X, y = make_relu_teacher(30, 3, noise=0.3, random_state=seed)
    X, y = 5.0 * X, 11.0 * y + 2
    weights = rng.uniform(0.5, 3, len(y))
    samples = collect_samples(X, y, weights, fit_intercept=fit_intercept)
    loss = SquaredLoss(
        samples.y, samples.weights, intercept=fit_intercept, constant=samples.within
    )
    cells = sample_cells(samples.X, 8, np.random.RandomState(seed))
    program = ARCHITECTURES[name].program(samples.X, loss, 0.1, cells)
    U = rng.standard_normal(program.shape) * (rng.random(program.n_groups) < 0.7)
    return X, y, weights, samples, program, feasible_point(program, U)


@pytest.mark.parametrize(("name", "fit_intercept"), CASES)
def test_recovered_network_predicts_as_the_convex_solution(name, fit_intercept):
    _, _, _, samples, program, U = random_point(name, fit_intercept)
    network = ARCHITECTURES[name].recover(program, U, samples)
    # Rows of the program are sorted; the network sees them in the caller's units.
    rows = samples.X * samples.x_scale
    rows = rows[:, :-1] if fit_intercept else rows
    output = program.output(U)
    expected = (output + program.loss.offset(output)) * samples.y_scale
    np.testing.assert_allclose(
        network.predict(rows), expected + samples.y_offset, rtol=1e-6
    )
    assert network.n_neurons == np.count_nonzero(np.linalg.norm(U, axis=0))


@pytest.mark.parametrize(("name", "fit_intercept"), CASES)
def test_objectives_of_network_and_program_agree(name, fit_intercept):
    X, y, weights, samples, program, U = random_point(name, fit_intercept)
    network = ARCHITECTURES[name].recover(program, U, samples)
    convex = program.objective(U) * samples.objective_scale
    beta = program.beta * samples.beta_scale
    assert network.objective(X, y, beta, weights) == pytest.approx(convex, rel=1e-6)


@pytest.mark.parametrize(("name", "fit_intercept"), CASES)
def test_locating_a_recovered_network_returns_its_point(name, fit_intercept):
    _, _, _, samples, program, U = random_point(name, fit_intercept)
    architecture = ARCHITECTURES[name]
    network = architecture.recover(program, U, samples)
    located = architecture.locate(program, network, samples)
    np.testing.assert_allclose(program.output(located), program.output(U), atol=1e-10)
    assert program.objective(located) <= program.objective(U) * (1 + 1e-10)


def test_atoms_are_the_units_on_the_ball():
    X = np.array([[1.0, -2.0], [0.5, 1.0]])
    directions = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(
        ARCHITECTURES["relu"].atoms(X, directions), [[1.0, 0.0], [0.5, 1.0]]
    )
    gates = np.array([[0.0, -1.0], [1.0, 0.0]])
    np.testing.assert_array_equal(
        ARCHITECTURES["gated_relu"].atoms(X, directions, gates),
        [[0.0, 0.0], [0.5, 0.0]],
    )
