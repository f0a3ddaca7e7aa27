"""Gated networks of several outputs on given cells: against cvxpy, and invariances."""

import cvxpy
import numpy as np
import pytest

from convexnn.architectures import ARCHITECTURES, GatedReLU
from convexnn.data.samples import collect_samples
from convexnn.programs.cells import sample_cells
from convexnn.programs.certificate import certify
from convexnn.programs.losses import LOSSES
from convexnn.programs.nuclear_norms import NuclearNormProgram
from convexnn.programs.program import ConvexProgram
from convexnn.solvers import available_backends, select_backend, solve_program
from convexnn.solvers.singular_values import SingularValueShrinkage
from convexnn.training.trainer import Trainer

FEATURES = {"nuclear_norms"}
SMOOTH = ["squared", "huber", "multinomial", "squared_hinge", "log_loss"]
EPSILON = 0.3


def make_data(seed, loss="squared", n=30, d=3, q=3):
    """Return inputs, targets of a random network with noise, and weights."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    teacher = rng.standard_normal((d, 4)), rng.standard_normal((4, q))
    f = np.maximum(X @ teacher[0], 0) @ teacher[1] + 0.2 * rng.standard_normal((n, q))
    f -= f.mean(axis=0)
    weights = rng.uniform(0.5, 2, n)
    if loss == "multinomial":
        return X, np.eye(q)[f.argmax(axis=1)], weights
    if loss not in ("squared", "huber"):
        f = np.where(f > 0, 1.0, -1.0)
    return X, f, weights


def make_loss(loss, y, weights, intercept):
    options = {"epsilon": EPSILON} if loss == "huber" else {}
    return LOSSES[loss](y, weights, intercept=intercept, **options)


def make_program(seed, loss="squared", *, intercept=True, share=0.2, **sizes):
    X, y, weights = make_data(seed, loss, **sizes)
    cells = sample_cells(X, 6, np.random.RandomState(seed))
    loss = make_loss(loss, y, weights, intercept)
    program = NuclearNormProgram(X, loss, 1.0, cells)
    program.beta = share * certify(program, np.zeros(program.shape))[2].largest
    return program


def make_trainer(X, y, loss="squared", weights=None, solver="auto", **settings):
    samples = collect_samples(
        X, y, weights, loss=loss, fit_intercept=settings.pop("fit_intercept", True)
    )
    return Trainer(
        samples,
        select_backend(solver),
        ARCHITECTURES["gated_relu"],
        loss=loss,
        epsilon=EPSILON,
        **{"cells": "sampled", "n_cells": 6} | settings,
    )


def optimum(program):
    """Return the optimum as cvxpy finds it, from the program's definition alone."""
    X, loss, q = program.X, program.loss, program.shape[2]
    matrices = [cvxpy.Variable((X.shape[1], q)) for _ in program.cells.patterns.T]
    parts = zip(program.cells.patterns.T, matrices, strict=True)
    f = sum((pattern[:, None] * X) @ matrix for pattern, matrix in parts)
    if loss.intercept:
        f = f + np.ones((len(X), 1)) @ cvxpy.Variable((1, q))
    name = type(loss).__name__
    if name == "SquaredLoss":
        values = 0.5 * cvxpy.square(f - loss.y)
    elif name == "HuberLoss":
        values = 0.5 * cvxpy.huber(f - loss.y, EPSILON)
    elif name == "MultinomialLoss":
        chosen = cvxpy.sum(cvxpy.multiply(f, loss.y), axis=1)
        values = cvxpy.log_sum_exp(f, axis=1) - chosen
    else:
        margins = cvxpy.multiply(loss.y, f)
        short = cvxpy.pos(1 - margins)
        values = {
            "LogisticLoss": cvxpy.logistic(-margins),
            "SquaredHingeLoss": 0.5 * cvxpy.square(short),
            "HingeLoss": short,
        }[name]
    penalty = program.beta * sum(cvxpy.normNuc(matrix) for matrix in matrices)
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(loss.weights @ values) + penalty))
    return problem.solve(solver="CLARABEL", tol_gap_rel=1e-9, tol_feas=1e-9)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(
    ("loss", "solver"),
    [(loss, "fista") for loss in SMOOTH]
    + [("squared", "newton"), ("hinge", "newton"), ("multinomial", "newton")],
)
def test_optimum_is_that_of_cvxpy(loss, solver, intercept):
    program = make_program(0, loss, intercept=intercept)
    value = optimum(program)
    # The dual point of the hinge is that of its rounded form.
    tol = 1e-6 if solver == "fista" or loss == "squared" else 1e-3
    point = solve_program(
        program, select_backend(solver, FEATURES), tol=tol, max_iter=5000
    )
    assert point.certificate.primal == pytest.approx(
        value, rel=1e-3 if loss == "hinge" else min(tol, 1e-4)
    )
    assert point.certificate.relative_gap <= (2 * tol if loss == "hinge" else tol)
    assert point.certificate.dual <= value * (1 + 1e-7)
    assert point.certificate.primal == pytest.approx(
        program.objective(point.U), rel=1e-12
    )


@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_backend_of_cvxpy_is_certified(loss):
    program = make_program(1, loss)
    point = solve_program(
        program, select_backend("cvxpy", FEATURES), tol=1e-4, max_iter=1
    )
    assert point.certificate.relative_gap <= 1e-4
    assert point.certificate.primal == pytest.approx(optimum(program), rel=1e-4)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("loss", SMOOTH)
def test_certificate_is_the_objective_of_the_network(loss, fit_intercept):
    X, y, weights = make_data(2, loss)
    X, y = (5 * X, 7 * y + 1) if loss == "squared" else (5 * X, y)
    trainer = make_trainer(X, y, loss, weights, fit_intercept=fit_intercept)
    beta = 0.1 * trainer.beta_max()
    trained = trainer.train(beta)
    network = trained.network
    plain = make_loss(loss, y, weights, intercept=False)
    objective = float(plain.value(network.predict(X)))
    objective += 0.5 * beta * network.penalty()
    assert network.output.shape == (network.n_neurons, 3)
    assert trained.certificate.primal == pytest.approx(objective, rel=1e-8)
    assert trained.certificate.scope == "cells"
    assert trained.gap <= 1e-3


def test_network_of_a_point_is_the_point_and_back():
    X, y, weights = make_data(3)
    samples = collect_samples(3 * X, 5 * y + 2, weights)
    loss = make_loss("squared", samples.y, samples.weights, intercept=True)
    loss.constant = samples.within
    cells = sample_cells(samples.X, 7, np.random.RandomState(0))
    form = GatedReLU()
    program = form.program(samples.X, loss, 0.3, cells)
    rng = np.random.default_rng(0)
    U = rng.standard_normal((4, 7, 2)) @ rng.standard_normal((2, 3))
    U[:, 2] = 0
    network = form.recover(program, U, samples)
    assert network.n_neurons == 12
    assert form.locate(program, network, samples) == pytest.approx(U)
    plain = make_loss("squared", 5 * y + 2, weights, intercept=False)
    objective = float(plain.value(network.predict(3 * X)))
    objective += 0.5 * 0.3 * samples.beta_scale * network.penalty()
    convex = program.objective(U) * samples.objective_scale
    assert objective == pytest.approx(convex, rel=1e-10)
    units, V = program.factored(U)
    assert units.objective(V) == pytest.approx(program.objective(U))
    assert program.collected(units, V) == pytest.approx(U)


@pytest.mark.parametrize("loss", ["squared", "log_loss"])
def test_one_column_is_one_output(loss):
    X, y, weights = make_data(4, loss)
    trained = [
        make_trainer(X, target, loss, weights, tol=1e-6).train(0.7)
        for target in (y[:, 0], y[:, :1])
    ]
    first, second = (one.certificate.primal for one in trained)
    assert second == pytest.approx(first, rel=2e-6)
    first, second = (one.network.predict(X) for one in trained)
    assert second[:, 0] == pytest.approx(first, abs=0.02)


def test_optimum_is_below_that_of_separate_networks_with_as_much_decay():
    """Separate networks of one output each are one point of the program."""
    X, y, weights = make_data(5)
    together = make_trainer(X, y, weights=weights).train(0.7)
    apart = [make_trainer(X, column, weights=weights).train(0.7) for column in y.T]
    total = sum(one.certificate.primal for one in apart)
    assert together.certificate.dual < together.certificate.primal < total


def test_targets_may_be_turned():
    X, y, _ = make_data(6)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    one, other = (
        make_trainer(X, target, tol=1e-6).train(1.0) for target in (y, y @ turn)
    )
    assert one.certificate.primal == pytest.approx(other.certificate.primal, rel=2e-6)
    assert one.network.predict(X) @ turn == pytest.approx(
        other.network.predict(X), abs=0.02
    )


@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_weights_are_repetitions(loss):
    X, y, _ = make_data(7, loss)
    counts = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), counts)
    outputs = [
        make_trainer(*data).train(0.7).network.predict(X)
        for data in (
            (X, y, loss, counts.astype(float)),
            (X[rows], y[rows], loss),
        )
    ]
    assert np.array_equal(*outputs)


def test_start_at_the_network_takes_fewer_steps():
    X, y, _ = make_data(8, "log_loss")
    trainer = make_trainer(X, y, "log_loss")
    beta = 0.05 * trainer.beta_max()
    cold = trainer.train(beta)
    warm = trainer.train(beta, cold.network)
    assert warm.n_iter < cold.n_iter
    assert warm.gap <= 1e-3


@pytest.mark.parametrize("solver", ["newton", "fista", "cvxpy"])
def test_network_is_cut_to_its_largest_units(solver):
    X, y, _ = make_data(9)
    trainer = make_trainer(X, y, solver=solver, max_neurons=2)
    beta = 0.05 * trainer.beta_max()
    trained = trainer.train(beta)
    assert trained.network.n_neurons == 2
    assert trained.certificate.is_capped
    plain = make_loss("squared", y, np.ones(len(y)), intercept=False)
    objective = float(plain.value(trained.network.predict(X)))
    objective += 0.5 * beta * trained.network.penalty()
    assert trained.certificate.primal == pytest.approx(objective, rel=1e-8)


def test_penalty_from_which_on_the_network_is_zero():
    X, y, weights = make_data(10)
    trainer = make_trainer(X, y, weights=weights)
    largest = trainer.beta_max()
    assert trainer.train(1.001 * largest).network.n_neurons == 0
    assert trainer.train(0.98 * largest).network.n_neurons > 0


@pytest.mark.parametrize(("d", "q"), [(5, 3), (3, 5), (4, 4), (3, 1)])
def test_derivative_of_the_proximal_map(d, q):
    program = make_program(11, d=d, q=q)
    program.beta = 0.8
    prox = SingularValueShrinkage(program)
    rng = np.random.default_rng(1)
    W, H = rng.standard_normal((2, *program.shape))
    point, size = prox(W, 1.0), 1e-6
    change = prox(W + size * H, 1.0).full() - prox(W - size * H, 1.0).full()
    change = change[:, point.groups].transpose(1, 0, 2) / (2 * size)
    image = point.derivative()(H[:, point.groups].transpose(1, 0, 2))
    assert len(point.groups) > 0
    assert image == pytest.approx(change, abs=1e-7)
    assert point.full() == pytest.approx(program.shrink(W, 0.8))


def test_products_are_those_of_the_definition():
    program = make_program(12, d=4, q=2)
    rng = np.random.default_rng(2)
    U, v = rng.standard_normal(program.shape), rng.standard_normal((30, 2))
    parts = [
        pattern[:, None] * program.X @ U[:, k]
        for k, pattern in enumerate(program.cells.patterns.T)
    ]
    assert program.output(U) == pytest.approx(sum(parts))
    assert np.vdot(program.output(U), v) == pytest.approx(
        np.vdot(U, program.correlations(v))
    )
    svd = np.linalg.svd(U.transpose(1, 0, 2), compute_uv=False)
    assert program.norms(U) == pytest.approx(svd.sum(axis=1))
    assert program.dual_norms(U) == pytest.approx(svd[:, 0])


def test_auto_is_chosen_by_the_loss():
    for loss, name in (
        ("squared", "newton"),
        ("log_loss", "fista"),
        ("hinge", "newton"),
    ):
        X, y, _ = make_data(13, loss)
        assert make_trainer(X, y, loss)._backend.name == name
        assert make_trainer(X, y, loss, solver="newton")._backend.name == "newton"


def test_solvers_that_cannot_are_named_with_those_that_can():
    X, y, _ = make_data(14)
    with pytest.raises(
        ValueError, match="solver='osqp' cannot express nuclear norms"
    ) as error:
        make_trainer(X, y, solver="osqp").train(1.0)
    assert available_backends(FEATURES) == ["newton", "fista", "cvxpy"]
    assert all(repr(name) in str(error.value) for name in available_backends(FEATURES))
    samples = collect_samples(X, y)
    with pytest.raises(ValueError, match=r"'newton' cannot .*'auto', 'active_set'"):
        Trainer(samples, select_backend("newton", {"cones"})).train(1.0)


def test_relu_networks_have_no_convex_program_on_given_cells():
    X, y, _ = make_data(15)
    trainer = Trainer(
        collect_samples(X, y), select_backend("auto", {"cones"}), cells="sampled"
    )
    with pytest.raises(ValueError, match=r"cells='sampled'.*'gated_relu'"):
        trainer.train(1.0)


def test_matrices_of_rank_one_are_a_group_lasso():
    """Copies of one target, times a head of norm 1, need that head alone."""
    X, y, weights = make_data(16)
    head = np.array([0.6, 0.0, 0.8])
    program = make_program(16)
    several = NuclearNormProgram(
        X,
        make_loss("squared", np.outer(y[:, 0], head), weights, intercept=True),
        0.5,
        program.cells,
    )
    single = ConvexProgram(
        X,
        make_loss("squared", y[:, 0], weights, intercept=True),
        0.5,
        program.cells,
        has_cones=False,
    )
    settings = {"tol": 1e-7, "max_iter": 2000}
    one = solve_program(single, select_backend("newton"), **settings)
    other = solve_program(several, select_backend("newton", FEATURES), **settings)
    assert other.certificate.primal == pytest.approx(one.certificate.primal, rel=1e-6)
    np.testing.assert_allclose(other.U, one.U[:, :, None] * head, atol=1e-3)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("loss", SMOOTH[1:])
def test_quadratic_models_touch_the_loss(loss, intercept):
    _, y, weights = make_data(17, loss)
    exact = make_loss(loss, y, weights, intercept)
    rng = np.random.default_rng(0)
    z = rng.standard_normal(y.shape)
    model = exact.outputwise_model(z)
    assert model.weights.shape == y.shape
    assert model.value(z) == pytest.approx(exact.value(z))
    assert model.dual_point(z) == pytest.approx(exact.dual_point(z), abs=1e-8)
    near = z + 1e-3 * rng.standard_normal(y.shape)
    assert model.value(near) == pytest.approx(exact.value(near), rel=1e-4)
    v = model.dual_point(near)
    assert model.dual_value(v) == pytest.approx(
        model.value(near) + np.vdot(v, near), rel=1e-9
    )
    several = np.stack([z, near], axis=2)
    assert model.value(several) == pytest.approx([model.value(z), model.value(near)])
    if loss == "multinomial":
        # Near the point it is not below the loss.
        assert model.value(near) >= exact.value(near) - 1e-9
