"""Networks and points of their programs are the same thing in two notations."""

import numpy as np
import pytest

from convexnn.architectures import ARCHITECTURES, ConvolutionalReLU
from convexnn.data.datasets import make_relu_teacher
from convexnn.data.patches import Patches, patch_grid
from convexnn.data.samples import collect_samples
from convexnn.programs.cells import given_cells, sample_cells
from convexnn.programs.certificate import feasible_point
from convexnn.programs.losses import SquaredLoss
from convexnn.solvers import select_backend
from convexnn.training.trainer import Trainer

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
    gates = given_cells(X, np.array([[0.0, -1.0], [1.0, 0.0]]))
    np.testing.assert_array_equal(
        ARCHITECTURES["gated_relu"].opened(gates).atoms(X, directions[:, :1]),
        [[0.0], [0.5]],
    )


def convolutional_trainers(fit_intercept):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 12))
    grid = patch_grid(12, filter_shape=4, stride=2)
    pooled = Patches(X, grid).pooled(rng.standard_normal((4, 2)))
    y = pooled @ [1.0, -0.5] + 0.3 * rng.standard_normal(40)
    samples = collect_samples(X, y, fit_intercept=fit_intercept, grid=grid)

    def trainer(solver, **settings):
        backend = select_backend(solver, {"cones", "patches"})
        return Trainer(
            samples, backend, architecture=ConvolutionalReLU(grid), **settings
        )

    return X, y, trainer


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_convolutional_backends_agree_on_given_cells(fit_intercept):
    X, y, trainer = convolutional_trainers(fit_intercept)
    given = {"cells": "sampled", "n_cells": 10, "tol": 1e-6}
    beta = 0.05 * trainer("newton", **given).beta_max()
    found = {name: trainer(name, **given).train(beta) for name in ("newton", "cvxpy")}
    for trained in found.values():
        assert trained.gap <= 1e-6
        objective = trained.network.objective(X, y, beta)
        assert objective == pytest.approx(trained.certificate.primal, rel=1e-9)
    values = [trained.certificate.primal for trained in found.values()]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_search_of_filters_ends_below_given_cells(fit_intercept):
    X, y, trainer = convolutional_trainers(fit_intercept)
    search = trainer("active_set")
    beta = 0.05 * search.beta_max()
    found = search.train(beta)
    listed = trainer("newton", cells="sampled", n_cells=30, tol=1e-5).train(beta)
    assert found.gap <= 1e-3
    assert found.certificate.scope == "search"
    assert found.certificate.primal < listed.certificate.primal
    assert found.certificate.bound <= found.certificate.primal
    objective = found.network.objective(X, y, beta)
    assert objective == pytest.approx(found.certificate.primal, rel=1e-9)


def test_one_patch_is_a_two_layer_network():
    X, y = make_relu_teacher(30, 3, noise=0.3, random_state=0)
    grid = patch_grid(3)
    samples = collect_samples(X, y, grid=grid)
    backend = select_backend("active_set", {"cones"})
    plain = Trainer(collect_samples(X, y), backend).train(0.3)
    pooled = Trainer(samples, backend, architecture=ConvolutionalReLU(grid)).train(0.3)
    assert pooled.certificate == plain.certificate
    np.testing.assert_array_equal(pooled.network.hidden, plain.network.hidden)
    outputs = pooled.network.predict(X)
    np.testing.assert_allclose(outputs, plain.network.predict(X), rtol=1e-12)
