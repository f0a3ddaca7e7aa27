"""Networks under losses other than squares: given cells against cvxpy, and searches."""

import numpy as np
import pytest
from scipy.optimize import minimize

from convexnn.data.samples import collect_samples
from convexnn.programs.cells import sample_cells
from convexnn.programs.certificate import certify
from convexnn.programs.losses import LOSSES
from convexnn.programs.program import ConvexProgram
from convexnn.solvers import select_backend, solve_program
from convexnn.training.trainer import Trainer

SCALAR = ["log_loss", "squared_hinge", "hinge", "huber"]
SMOOTH = ["log_loss", "squared_hinge", "huber"]


def make_data(seed, loss, n=30, d=3):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    f = np.maximum(X[:, 0], 0) - np.maximum(X[:, 1], 0) + 0.3 * rng.standard_normal(n)
    y = f if loss == "huber" else np.where(f > np.median(f), 1.0, -1.0)
    return X, y, rng.uniform(0.5, 2, n)


def make_program(seed, loss, *, has_cones, intercept, share=0.2):
    X, y, weights = make_data(seed, loss)
    options = {"epsilon": 0.3} if loss == "huber" else {}
    loss = LOSSES[loss](y, weights, intercept=intercept, **options)
    cells = sample_cells(X, 8, np.random.RandomState(seed))
    program = ConvexProgram(X, loss, 1.0, cells, has_cones=has_cones)
    program.beta = share * certify(program, np.zeros(program.shape))[2].largest
    return program


#: Solvers, losses, and whether there are cones: "interior_point" needs them, and the
#: hinge takes "fista" and "osqp" too long.
CASES = [
    (solver, loss, has_cones)
    for solver, losses in {
        "newton": SCALAR,
        "interior_point": SCALAR,
        "osqp": ["log_loss", "squared_hinge"],
        "fista": SMOOTH,
    }.items()
    for loss in losses
    for has_cones in ([True] if solver == "interior_point" else [True, False])
]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("solver", "loss", "has_cones"), CASES)
def test_solvers_agree_with_cvxpy_on_given_cells(solver, loss, has_cones, intercept):
    program = make_program(1, loss, has_cones=has_cones, intercept=intercept)
    reference = solve_program(
        program, select_backend("cvxpy", program.features), tol=1e-6, max_iter=1
    )
    tol = 1e-3 if loss == "hinge" else 1e-5
    point = solve_program(
        program, select_backend(solver, program.features), tol=tol, max_iter=20_000
    )
    assert point.certificate.relative_gap <= 2 * tol
    assert point.certificate.primal == pytest.approx(
        reference.certificate.primal, rel=2 * tol
    )
    assert point.certificate.dual <= reference.certificate.primal * (1 + 1e-8)


@pytest.mark.parametrize("loss", SMOOTH)
def test_search_is_below_the_descents_of_wide_networks(loss):
    X, y, weights = make_data(2, loss, n=50)
    samples = collect_samples(X, y, weights, loss=loss)
    trainer = Trainer(
        samples,
        select_backend("auto", {"cones"}),
        loss=loss,
        epsilon=0.3,
        # The bound is an estimate: with fewer starts some seeds miss a direction.
        solver_options={"n_starts": 1024},
    )
    beta = 0.05 * trainer.beta_max()
    trained = trainer.train(beta)
    assert trained.gap <= 1e-3
    options = {"epsilon": 0.3} if loss == "huber" else {}
    plain = LOSSES[loss](y, weights, intercept=True, **options)
    inputs = np.column_stack([X, np.ones(len(X))])

    def objective(flat):
        hidden, output = flat[: 4 * 30].reshape(4, 30), flat[4 * 30 :]
        values = inputs @ hidden
        layer = np.maximum(values, 0)
        z = layer @ output
        v = plain.dual_point(z)
        by_hidden = inputs.T @ ((values > 0) * v[:, None]) * output
        gradient = beta * flat - np.concatenate([by_hidden.ravel(), layer.T @ v])
        return plain.value(z) + 0.5 * beta * flat @ flat, gradient

    rng = np.random.default_rng(0)
    for _ in range(3):
        start = rng.standard_normal(5 * 30) / 3
        found = minimize(objective, start, jac=True, options={"maxiter": 2000}).fun
        assert trained.certificate.primal <= found * (1 + 1e-4)
        assert trained.certificate.dual <= found * (1 + 1e-9)


@pytest.mark.parametrize("loss", SMOOTH)
def test_certificate_is_the_objective_of_the_network(loss):
    X, y, weights = make_data(3, loss)
    samples = collect_samples(X, y, weights, loss=loss)
    backend = select_backend("auto", {"cones"})
    trainer = Trainer(samples, backend, loss=loss, epsilon=0.3)
    beta = 0.1 * trainer.beta_max()
    trained = trainer.train(beta)
    options = {"epsilon": 0.3} if loss == "huber" else {}
    plain = LOSSES[loss](y, weights, intercept=False, **options)
    objective = plain.value(trained.network.predict(X))
    objective += 0.5 * beta * trained.network.penalty()
    assert trained.certificate.primal == pytest.approx(objective, rel=1e-9)


@pytest.mark.parametrize("loss", ["log_loss", "huber"])
def test_weights_are_repetitions(loss):
    X, y, _ = make_data(4, loss)
    counts = np.random.default_rng(0).integers(0, 3, len(y))
    rows = np.repeat(np.arange(len(y)), counts)
    backend = select_backend("auto", {"cones"})
    values = []
    for samples in (
        collect_samples(X, y, counts.astype(float), loss=loss),
        collect_samples(X[rows], y[rows], loss=loss),
    ):
        trainer = Trainer(samples, backend, loss=loss, epsilon=0.3)
        values.append(trainer.train(0.5).network.predict(X))
    assert np.array_equal(*values)


def test_huber_scales_with_the_targets():
    X, y, weights = make_data(5, "huber")
    networks = []
    for scale in (1.0, 8.0):
        samples = collect_samples(X, scale * y + scale, weights, loss="huber")
        trainer = Trainer(
            samples,
            select_backend("auto", {"cones"}),
            loss="huber",
            epsilon=0.3 * scale,
        )
        networks.append(trainer.train(0.5 * scale).network.predict(X) / scale)
    assert networks[0] == pytest.approx(networks[1], abs=1e-8)
