"""The choice of the penalty by descents over folds, and limits of choices."""

import numpy as np
import pytest
from problems import standardised
from sklearn import config_context
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_linnerud
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import scale

from convexnn import (
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    relu_path,
)
from convexnn.architectures import ARCHITECTURES, GatedReLU, Units
from convexnn.data.datasets import make_relu_teacher
from convexnn.data.samples import collect_samples
from convexnn.programs.cells import sample_cells
from convexnn.programs.losses import LOSSES
from convexnn.search.descent import Objective
from convexnn.solvers import select_backend
from convexnn.training.trainer import Trainer

FOLDS = KFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def teacher():
    return make_relu_teacher(200, 4, noise=0.2, random_state=0)


def trainer_of(X, y, *, loss="squared", activation="relu"):
    return Trainer(
        collect_samples(X, y, loss=loss),
        select_backend("auto", ARCHITECTURES[activation].features),
        architecture=ARCHITECTURES[activation],
        loss=loss,
        epsilon=1.35,
    )


# Descents.


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_descents_come_near_the_optimum(activation, n_targets):
    X, y = make_relu_teacher(150, 3, noise=0.2, random_state=1)
    y = y if n_targets == 1 else np.column_stack([y, X[:, 0] - y])
    trainer = trainer_of(X, y, activation=activation)
    betas = trainer.beta_max() * np.geomspace(1, 0.03, 7)
    rough, _ = trainer.descend(betas)
    for beta, one in zip(betas[1:], rough[1:], strict=True):
        certificate = trainer.train(beta).certificate
        assert certificate.dual <= one.objective * (1 + 1e-5)
        assert one.objective <= 1.05 * certificate.primal


def test_the_objective_of_a_descent_is_that_of_its_network(teacher):
    X, y = teacher
    trainer = trainer_of(X, y)
    beta = 0.1 * trainer.beta_max()
    (rough,), _ = trainer.descend([beta])
    expected = rough.network.objective(X, y, beta)
    assert rough.objective == pytest.approx(expected, rel=1e-5)


def test_a_path_that_is_gone_on_with_is_the_path(teacher):
    trainer = trainer_of(*teacher)
    betas = trainer.beta_max() * np.geomspace(0.5, 0.01, 6)
    whole, _ = trainer.descend(betas)
    first, last = trainer.descend(betas[:2])
    rest, _ = trainer.descend(betas[2:], last)
    assert [one.objective for one in whole] == [
        one.objective for one in [*first, *rest]
    ]


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "huber", "multinomial"])
def test_gradients_with_free_intercepts(loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3)) * [1.0, 300.0, 1.0]
    y = np.where(X[:, 0] > 0, 1.0, -1.0)
    y = np.eye(3)[rng.integers(0, 3, 30)] if loss == "multinomial" else y
    weights = rng.uniform(0.5, 2, 30)
    units = Units(rng.standard_normal((3, 5)), rng.standard_normal((5, *y.shape[1:])))
    loss = LOSSES[loss](y, weights, intercept=True)
    objective = Objective(ARCHITECTURES["relu"], X, loss, 0.3, units, is_exact=True)
    flat = objective.start
    flat = np.append(flat, rng.standard_normal(y.shape[1:]))
    _, gradient = objective.at_intercepts(flat)
    steps = 1e-6 * np.eye(len(flat))
    slopes = [
        (objective.at_intercepts(flat + h)[0] - objective.at_intercepts(flat - h)[0])
        / 2e-6
        for h in steps
    ]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-4, atol=1e-4)


def test_open_gates_are_the_gated_network(teacher):
    X, y = teacher
    samples = collect_samples(X, y)
    cells = sample_cells(samples.X, 6, np.random.RandomState(0))
    gates, rng = GatedReLU(cells), np.random.default_rng(0)
    hidden = rng.standard_normal((samples.X.shape[1], len(cells)))
    output = rng.standard_normal(len(cells))
    z, pull = gates.linearise(samples.X, hidden, output, 0.0)
    np.testing.assert_allclose(z, gates.atoms(samples.X, hidden) @ output)
    v, step = rng.standard_normal(len(z)), rng.standard_normal(hidden.shape)
    by_hidden, by_output = pull(v)
    moved, _ = gates.linearise(samples.X, hidden + step, output, 0.0)
    assert np.sum(by_hidden * step) == pytest.approx(v @ (moved - z))
    assert by_output @ output == pytest.approx(v @ z)


# The choice.


@pytest.mark.parametrize("load", [load_diabetes, load_linnerud])
@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_descents_choose_nearly_what_certified_folds_choose(load, activation):
    X, y = load(return_X_y=True)
    settings = {"activation": activation, "cv": FOLDS, "random_state": 0}
    rough = ConvexReLURegressorCV(**settings).fit(scale(X), scale(y))
    sure = ConvexReLURegressorCV(
        fold_training="certified", betas=6, beta_min_ratio=0.03, tol=0.1, **settings
    ).fit(scale(X), scale(y))
    least = sure.mse_path_.mean(axis=1).min()
    errors = sure.mse_path_.mean(axis=1)[::-1]
    at = np.interp(np.log(rough.beta_), np.log(sure.betas_[::-1]), errors)
    assert at <= 1.05 * least


def test_classes_are_chosen_for_by_descents():
    X, y = load_iris(return_X_y=True)
    model = ConvexReLUClassifierCV(random_state=0).fit(scale(X), y)
    assert not hasattr(model, "gap_path_")
    assert model.error_path_.shape == (len(model.betas_), 5)
    assert model.certificate_.relative_gap <= model.tol
    assert model.score(scale(X), y) > 0.95


def test_the_largest_penalty_of_a_tie_is_chosen(teacher):
    model = ConvexReLURegressorCV(random_state=0, cv=FOLDS).fit(*teacher)
    mean = model.mse_path_.mean(axis=1)
    assert model.beta_ == model.betas_[mean <= 1.02 * mean.min()].max()


def test_paths_go_on_while_errors_fall():
    X, y = make_relu_teacher(300, 3, noise=0.0, random_state=0)
    model = ConvexReLURegressorCV(
        betas=4, beta_min_ratio=0.1, cv=FOLDS, random_state=0
    ).fit(X, y)
    assert len(model.betas_) > 4
    assert model.betas_[-1] >= 0.3 * 0.1 * model.betas_[0]
    np.testing.assert_allclose(np.diff(np.log(model.betas_)), np.log(0.1) / 3)


@pytest.mark.parametrize("parameters", [{"verbose": 1}, {"n_jobs": 2}])
def test_nothing_depends_on_how_the_work_is_done(teacher, parameters):
    model = ConvexReLURegressorCV(cv=FOLDS, random_state=0, patience=None)
    first = model.fit(*teacher).mse_path_
    second = model.set_params(**parameters).fit(*teacher).mse_path_
    np.testing.assert_array_equal(first, second)


def test_listed_cells_are_judged_by_certified_paths(teacher):
    model = ConvexReLURegressorCV(
        betas=3, beta_min_ratio=0.1, cells="sampled", n_cells=5, random_state=0
    ).fit(*teacher)
    assert model.gap_path_.max() <= model.tol


def test_progress_is_a_line_a_penalty(teacher, capsys):
    model = ConvexReLURegressorCV(betas=3, beta_min_ratio=0.1, verbose=1).fit(*teacher)
    lines = [line for line in capsys.readouterr().out.splitlines() if "[cv]" in line]
    assert len(lines) == len(model.betas_)
    assert f"{model.betas_[0]:.4g}" in lines[0]


def test_constant_targets_give_the_constant_network():
    X = np.random.default_rng(0).standard_normal((30, 2))
    model = ConvexReLURegressorCV(random_state=0).fit(X, np.full(30, 1 / 3))
    assert model.n_neurons_ == 0
    np.testing.assert_allclose(model.predict(X), 1 / 3)
    assert relu_path(X, np.ones(30), betas=3).n_neurons.tolist() == [0, 0, 0]


# Groups.


def test_groups_reach_the_splitter(teacher):
    X, y = teacher
    groups = np.arange(len(y)) % 4
    model = ConvexReLURegressorCV(betas=3, cv=GroupKFold(4), random_state=0)
    model.fit(X, y, groups=groups)
    assert model.mse_path_.shape[1] == 4
    splits = list(GroupKFold(4).split(X, y, groups))
    same = ConvexReLURegressorCV(betas=3, cv=splits, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.mse_path_, same.mse_path_)
    with pytest.raises(ValueError, match="groups"):
        model.fit(X, y)
    with pytest.raises(TypeError, match=r"`groups`.*colour"):
        model.fit(X, y, colour=groups)


def test_groups_are_routed(teacher):
    X, y = teacher
    groups = np.arange(len(y)) % 3
    with config_context(enable_metadata_routing=True):
        model = ConvexReLURegressorCV(betas=3, cv=GroupKFold(3), random_state=0)
        model.fit(X, y, groups=groups)
    assert model.mse_path_.shape[1] == 3


# Limits in seconds.


def test_a_choice_without_time_ends_with_a_network():
    X, y = standardised(load_diabetes)
    model = ConvexReLURegressorCV(
        betas=[20.0], max_seconds=1e-9, random_state=0, tol=1e-4
    )
    with pytest.warns(ConvergenceWarning, match="max_seconds=1e-09"):
        model.fit(X, y)
    assert model.certificate_.relative_gap > 1e-4
    assert np.isfinite(model.predict(X)).all()


def test_a_fit_without_time_has_its_true_gap():
    X, y = standardised(load_diabetes)
    model = ConvexReLURegressor(beta_ratio=0.1, max_seconds=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_seconds=1e-09") as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    tight = ConvexReLURegressor(beta_ratio=0.1, random_state=0).fit(X, y)
    assert model.certificate_.dual <= tight.objective_ <= model.objective_


def test_time_that_is_not_used_changes_nothing(teacher):
    X, y = teacher
    free = ConvexReLURegressorCV(random_state=0).fit(X, y)
    limited = ConvexReLURegressorCV(random_state=0, max_seconds=1e4).fit(X, y)
    assert free.certificate_ == limited.certificate_


def test_two_classes_of_breast_cancer_are_told_apart():
    X, y = load_breast_cancer(return_X_y=True)
    model = ConvexReLUClassifierCV(random_state=0).fit(scale(X), y)
    assert model.score(scale(X), y) > 0.98
