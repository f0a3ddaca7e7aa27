"""Limits in seconds of three layers, filters, and the solvers of programs."""

import time
import warnings

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning

from convexnn import (
    ConvexCNNRegressor,
    ThreeLayerConvexClassifier,
    ThreeLayerConvexRegressor,
)
from convexnn.architectures import ARCHITECTURES
from convexnn.data.samples import collect_samples
from convexnn.programs.cells import sample_cells
from convexnn.programs.losses import SquaredLoss
from convexnn.solvers import select_backend, solve_program
from convexnn.solvers.driver import cap_width
from convexnn.solvers.time_limit import OUT_OF_TIME, time_limit
from convexnn.training.trainer import Trainer

rng = np.random.default_rng(0)
X = rng.standard_normal((24, 4))
Y = X[:, 0] * X[:, 1] + 0.3 * rng.standard_normal(24)
LABELS = np.searchsorted(np.quantile(Y, [1 / 3, 2 / 3]), Y)

GIVEN = {"cells": "sampled", "n_cells": 6, "random_state": 0}
CNN = {"filter_shape": 2, "random_state": 0}
REGRESSORS = {
    "search": ThreeLayerConvexRegressor(2, random_state=0),
    "warm search": ThreeLayerConvexRegressor(2, warm_start=True, random_state=0),
    "given blocks": ThreeLayerConvexRegressor(2, **GIVEN),
    "few blocks": ThreeLayerConvexRegressor(2, max_neurons=2, **GIVEN),
    "blocks of cvxpy": ThreeLayerConvexRegressor(2, solver="cvxpy", **GIVEN),
    "searched filters": ConvexCNNRegressor(
        filter_shape=2, formulation="global", random_state=0
    ),
    "filters": ConvexCNNRegressor(
        filter_shape=2, formulation="global", solver="newton", **GIVEN
    ),
}
CLASSIFIERS = {
    "classifier, search": ThreeLayerConvexClassifier(2, tol=0.1, random_state=0),
    "classifier, given blocks": ThreeLayerConvexClassifier(2, **GIVEN),
    "classifier, hinge": ThreeLayerConvexClassifier(2, loss="hinge", tol=0.1, **GIVEN),
}
CERTIFIED = REGRESSORS | CLASSIFIERS
RELAXED = {
    "data": ConvexCNNRegressor(**CNN),
    "threads": ConvexCNNRegressor(n_jobs=2, **CNN),
    "drawn": ConvexCNNRegressor(direction="gaussian", **CNN),
    "program": ConvexCNNRegressor(refine=False, **CNN),
    "linear program": ConvexCNNRegressor(refine=False, linear_weight="limit", **CNN),
    "osqp": ConvexCNNRegressor(solver="osqp", **CNN),
}


def target_of(estimator):
    """Return targets, or labels: of two classes over given blocks."""
    if not is_classifier(estimator):
        return Y
    return LABELS if estimator.cells == "auto" else LABELS[0] == LABELS


def outputs_of(fitted):
    return (fitted.decision_function if is_classifier(fitted) else fitted.predict)(X)


def told_by(estimator, y):
    """Fit, and return the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator.fit(X, y)
    return caught


@pytest.mark.parametrize("name", CERTIFIED)
def test_no_time_leaves_a_network_with_its_gap(name):
    estimator = clone(CERTIFIED[name]).set_params(max_seconds=1e-9)
    caught = told_by(estimator, target_of(estimator))
    assert {each.category for each in caught} == {ConvergenceWarning}
    match = (
        r"max_seconds=1e-09 ended the fit: the relative duality gap is .*, above tol"
    )
    for each in caught:
        assert each.filename == __file__
        with pytest.warns(ConvergenceWarning, match=match):
            warnings.warn(each.message, stacklevel=1)
    assert np.isfinite(outputs_of(estimator)).all()
    certificate = estimator.certificate_
    assert 0 <= certificate.dual < certificate.primal
    assert estimator.objective_ == pytest.approx(certificate.primal, rel=1e-9)
    assert estimator.n_iter_ >= 1
    # The network is no worse than none, and the bound holds for a better one.
    assert estimator.beta_ == pytest.approx(0.05 * estimator.beta_max_)
    better = clone(CERTIFIED[name]).fit(X, target_of(estimator))
    assert certificate.dual <= better.objective_ * (1 + 1e-9)
    zero = clone(estimator).set_params(beta_ratio=1.01)
    assert not told_by(zero, target_of(zero))
    assert estimator.objective_ <= zero.objective_ * (1 + 1e-9)


@pytest.mark.parametrize("name", CERTIFIED)
def test_time_enough_changes_nothing(name):
    estimator = CERTIFIED[name]
    free = clone(estimator).fit(X, target_of(estimator))
    limited = clone(estimator).set_params(max_seconds=1e6)
    limited.fit(X, target_of(estimator))
    np.testing.assert_array_equal(outputs_of(limited), outputs_of(free))
    assert limited.certificate_ == free.certificate_
    assert limited.n_iter_ == free.n_iter_


@pytest.mark.parametrize("name", ["search", "given blocks"])
def test_a_limit_amid_the_steps_is_kept(name):
    data = np.random.default_rng(1)
    inputs, y = data.standard_normal((300, 8)), data.standard_normal(300)
    estimator = clone(REGRESSORS[name])
    estimator.set_params(max_seconds=2.0, tol=0.0, beta_ratio=1e-3, n_cells=100)
    started = time.monotonic()
    with pytest.warns(ConvergenceWarning, match="max_seconds=2 ended the fit"):
        estimator.fit(inputs, y)
    # Steps are shorter than that by far, even on a busy machine.
    assert time.monotonic() - started < 30
    assert estimator.certificate_.primal < 0.5 * np.sum((y - y.mean()) ** 2)


@pytest.mark.parametrize("name", RELAXED)
@pytest.mark.filterwarnings("error")
def test_no_time_leaves_a_filter(name):
    estimator = clone(RELAXED[name]).set_params(max_seconds=1e-9)
    match = r"max_seconds=1e-09 ended the fit: after 1 of up to 50 starts the relative"
    match = match.replace("1 of", "[12] of")
    with pytest.warns(ConvergenceWarning, match=match) as caught:
        estimator.fit(X, np.abs(Y))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert np.isfinite(estimator.predict(X)).all()
    residual = estimator.predict(X) - np.abs(Y)
    assert estimator.objective_ == pytest.approx(0.5 * residual @ residual)
    assert not estimator.recovered_
    assert np.isfinite(estimator.relaxation_objective_)


@pytest.mark.parametrize("name", RELAXED)
def test_time_enough_changes_no_filter(name):
    free = clone(RELAXED[name]).fit(X, np.abs(Y))
    limited = clone(RELAXED[name]).set_params(max_seconds=1e6).fit(X, np.abs(Y))
    np.testing.assert_array_equal(limited.coef_, free.coef_)
    assert limited.n_iter_ == free.n_iter_


@pytest.mark.parametrize("name", CERTIFIED | RELAXED)
@pytest.mark.parametrize("value", [0, -1.0, np.nan, "1"])
def test_bad_limits_are_refused(name, value):
    estimator = clone((CERTIFIED | RELAXED)[name]).set_params(max_seconds=value)
    with pytest.raises(ValueError, match=r"'max_seconds'.*\(0.0, inf\) or None. Got"):
        estimator.fit(X, target_of(estimator))


BACKENDS = [
    *[("relu", name) for name in ("newton", "fista", "interior_point", "osqp")],
    *[("gated_relu", name) for name in ("newton", "fista", "osqp")],
]


@pytest.mark.parametrize("loss", ["squared", "log_loss"])
@pytest.mark.parametrize(("activation", "solver"), BACKENDS)
def test_solvers_of_given_cells_end_in_time(activation, solver, loss):
    y = Y if loss == "squared" else np.where(Y > 0, 1.0, -1.0)
    # Small tolerances are slow where each step is a quadratic program or a first order.
    tol = 1e-2 if solver in ("fista", "osqp") else 1e-4
    trainer = Trainer(
        collect_samples(X, y, loss=loss),
        select_backend(solver, ARCHITECTURES[activation].features),
        cells="sampled",
        n_cells=4,
        tol=tol,
        loss=loss,
    )
    beta = 0.1 * trainer.beta_max()
    free = trainer.train(beta)
    assert free.gap <= tol
    with time_limit(1e6):
        limited = trainer.train(beta)
    assert limited.certificate == free.certificate
    with time_limit(1e-9):
        cut = trainer.train(beta)
    assert cut.status == OUT_OF_TIME
    assert cut.gap > tol
    assert cut.certificate.dual <= free.certificate.primal
    assert cut.certificate.primal >= free.certificate.dual
    # Without the limit the next call is as it was.
    assert trainer.train(beta).certificate == free.certificate


def test_a_cut_without_time_to_train_keeps_the_largest_units():
    samples = collect_samples(X, Y)
    program = ARCHITECTURES["gated_relu"].program(
        samples.X,
        SquaredLoss(samples.y, samples.weights, intercept=True),
        0.05,
        sample_cells(samples.X, 8, np.random.RandomState(0)),
    )
    settings = {"tol": 1e-6, "max_iter": 1000}
    backend = select_backend("newton")
    point = solve_program(program, backend, **settings)
    with time_limit(1e-9):
        cut = cap_width(program, point, backend, 2, **settings)
    trained = cap_width(program, point, backend, 2, **settings)
    norms = np.linalg.norm(point.U, axis=0)
    kept = np.zeros_like(point.U)
    kept[:, np.argsort(-norms)[:2]] = point.U[:, np.argsort(-norms)[:2]]
    zero = program.objective(np.zeros(program.shape))
    assert cut.certificate.primal == program.objective(cut.U)
    assert cut.certificate.primal <= min(program.objective(kept), zero)
    assert cut.certificate.dual <= trained.certificate.primal
    assert trained.certificate.primal <= cut.certificate.primal
    assert cut.certificate.is_capped
