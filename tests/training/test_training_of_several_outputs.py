"""Networks of several outputs: against one output, and a convex program on a grid."""

import cvxpy
import numpy as np
import pytest

from convexnn.architectures import ReLU
from convexnn.data.samples import collect_samples
from convexnn.programs.losses import LOSSES
from convexnn.search.climbing import climb, maxima_at
from convexnn.solvers import select_backend
from convexnn.solvers.newton_system import NewtonSystem
from convexnn.solvers.proximal import proximal_map
from convexnn.training.trainer import Trainer

LOSS_NAMES = ["squared", "huber", "multinomial", "squared_hinge", "log_loss"]


def make_data(seed, loss="squared", n=40, d=3, q=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    teacher = rng.standard_normal((d, 4)), rng.standard_normal((4, q))
    f = np.maximum(X @ teacher[0], 0) @ teacher[1] + 0.2 * rng.standard_normal((n, q))
    f -= f.mean(axis=0)
    if loss == "multinomial":
        return X, np.eye(q)[f.argmax(axis=1)]
    return (X, f) if loss in ("squared", "huber") else (X, np.where(f > 0, 1.0, -1.0))


def make_trainer(X, y, loss="squared", **settings):
    samples = collect_samples(X, y, loss=loss)
    return Trainer(
        samples, select_backend("auto", {"cones"}), loss=loss, epsilon=0.5, **settings
    )


@pytest.mark.parametrize("loss", LOSS_NAMES)
def test_certificate_is_the_objective_of_the_network(loss):
    X, y = make_data(0, loss)
    trainer = make_trainer(X, y, loss)
    beta = 0.05 * trainer.beta_max()
    trained = trainer.train(beta)
    network = trained.network
    assert network.predict(X).shape == y.shape
    options = {"epsilon": 0.5} if loss == "huber" else {}
    plain = LOSSES[loss](y, np.ones(len(y)), intercept=False, **options)
    objective = float(plain.value(network.predict(X)))
    objective += 0.5 * beta * network.penalty()
    assert trained.certificate.primal == pytest.approx(objective, rel=1e-8)
    assert trained.gap <= 1e-3
    assert trained.certificate.bound <= trained.certificate.dual


@pytest.mark.parametrize("loss", ["squared", "huber", "log_loss", "squared_hinge"])
def test_one_column_is_one_output(loss):
    X, y = make_data(1, loss)
    y = y[:, :1]
    trained = []
    for target in (y[:, 0], y):
        trainer = make_trainer(X, target, loss, tol=1e-5)
        trained.append(trainer.train(1.0))
    first, second = trained
    assert second.certificate.primal == pytest.approx(
        first.certificate.primal, rel=1e-4
    )
    assert second.network.predict(X)[:, 0] == pytest.approx(
        first.network.predict(X), abs=0.05
    )


@pytest.mark.parametrize("loss", ["squared", "squared_hinge"])
def test_search_reaches_a_convex_program_on_a_grid_of_directions(loss):
    """In the plane the units' directions can be listed nearly all."""
    X, y = make_data(2, loss, n=20, d=2, q=2)
    samples = collect_samples(X, y, fit_intercept=False, loss=loss)
    trainer = Trainer(samples, select_backend("auto", {"cones"}), loss=loss)
    beta = 0.1 * trainer.beta_max()
    trained = trainer.train(beta)
    angles = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
    units = np.maximum(X @ np.stack([np.cos(angles), np.sin(angles)]), 0)
    output = cvxpy.Variable((len(angles), 2))
    f = units @ output
    if loss == "squared":
        value = 0.5 * cvxpy.sum_squares(f - y)
    else:
        margins = cvxpy.pos(1 - cvxpy.multiply(y, f))
        value = 0.5 * cvxpy.sum(cvxpy.square(margins))
    norms = cvxpy.sum(cvxpy.norm(output, 2, axis=1))
    problem = cvxpy.Problem(cvxpy.Minimize(value + beta * norms))
    problem.solve(solver="CLARABEL")
    assert trained.certificate.primal == pytest.approx(problem.value, rel=2e-4)
    assert trained.certificate.dual <= problem.value * (1 + 1e-6)


def test_columns_that_are_copies_need_one_head():
    """With y = t e', e of norm 1, the network of t times e is optimal."""
    X, y = make_data(3)
    head = np.array([0.6, 0.0, 0.8])
    single = make_trainer(X, y[:, 0]).train(0.5)
    several = make_trainer(X, np.outer(y[:, 0], head)).train(0.5)
    assert several.certificate.primal == pytest.approx(
        single.certificate.primal, rel=1e-3
    )


def test_targets_may_be_turned():
    """The squared loss and the penalty are the same for y Q, Q orthogonal."""
    X, y = make_data(4)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    one, other = (make_trainer(X, target).train(1.0) for target in (y, y @ turn))
    assert one.certificate.primal == pytest.approx(other.certificate.primal, rel=1e-3)


@pytest.mark.parametrize("width", [None, 0.3])
def test_price_and_gradient_of_several_outputs(width):
    rng = np.random.default_rng(5)
    X, v = rng.standard_normal((15, 4)), rng.standard_normal((15, 3))
    directions, step = rng.standard_normal((4, 6)), 1e-6
    widths = None if width is None else np.full(6, width)
    architecture = ReLU()
    values, gradients = architecture.correlate(X, v, directions, widths)
    singles = [ReLU().correlate(X, column, directions, widths)[0] for column in v.T]
    assert values == pytest.approx(np.linalg.norm(singles, axis=0))
    for k in range(4):
        moved = np.zeros_like(directions)
        moved[k] = step
        above = architecture.correlate(X, v, directions + moved, widths)[0]
        below = architecture.correlate(X, v, directions - moved, widths)[0]
        assert gradients[k] == pytest.approx((above - below) / (2 * step), abs=1e-5)


def test_climbs_raise_the_price_and_stay_below_the_bound():
    rng = np.random.default_rng(6)
    X, v = rng.standard_normal((30, 4)), rng.standard_normal((30, 3))
    architecture, starts = ReLU(), rng.standard_normal((4, 50))
    ends = maxima_at(architecture, X, v, climb(architecture, X, v, starts))
    assert ends.values.mean() > maxima_at(architecture, X, v, starts).values.mean()
    assert ends.largest <= architecture.price_bound(X, v)


def test_newton_step_of_several_outputs_solves_the_full_system():
    X, y = make_data(7, n=12)
    samples = collect_samples(X, y)
    trainer = make_trainer(X, y)
    found = trainer._search(0.3, None, None)
    program = found[0]
    system = NewtonSystem(program)
    sigma = 5.0
    W = program.correlations(np.random.default_rng(0).standard_normal(samples.y.shape))
    point = proximal_map(program)(sigma * W, sigma)
    point.gradient = np.random.default_rng(1).standard_normal(samples.y.shape)
    point.gradient -= point.gradient.mean(axis=0)
    step = system.solve(point, sigma)
    # Column by column, the matrix I + sigma A J A' from finite differences.
    prox, size = proximal_map(program), 1e-6

    def times(v):
        moved = prox(sigma * (W + size * program.correlations(v)), sigma).output()
        change = (moved - point.output()) / size
        return v + change - change.mean(axis=0)

    assert times(step) == pytest.approx(-point.gradient, abs=1e-3)
