"""What CenteredGDDecoder refuses, survives, tells, and leaves behind when it fails."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning

from convexnn import CenteredGDDecoder
from convexnn.decoding.progress import Progress

SOLVERS = ("newton", "newton_cg", "centered_gd", "nesterov")
every_solver = pytest.mark.parametrize("solver", SOLVERS)

rng = np.random.default_rng(0)
W, X = rng.uniform(-1, 1, 4), 3 * rng.standard_normal((30, 4))
Y = np.maximum(X + W, 0).sum(axis=1)
ONES = np.ones(30)


def model(**parameters):
    return CenteredGDDecoder(**{"theta": 1.0, "random_state": 0} | parameters)


def encoded(inputs, w):
    return np.maximum(inputs + w, 0).sum(axis=1)


def with_entry(array, value):
    array = np.array(array, dtype=np.result_type(array, type(value)))
    array.flat[1] = value
    return array


BAD_DATA = {
    "no rows": ((X[:0], Y[:0]), ValueError, "0 sample"),
    "no columns": ((X[:, :0], Y), ValueError, "0 feature"),
    "NaN in X": ((with_entry(X, np.nan), Y), ValueError, "Input X contains NaN"),
    "inf in X": ((with_entry(X, np.inf), Y), ValueError, "Input X contains inf"),
    "NaN in y": ((X, with_entry(Y, np.nan)), ValueError, "Input y contains NaN"),
    "inf in y": ((X, with_entry(Y, -np.inf)), ValueError, "Input y contains inf"),
    "no y": ((X, None), ValueError, "requires y"),
    "NaN weight": ((X, Y, with_entry(ONES, np.nan)), ValueError, "sample_weight"),
    "negative weight": ((X, Y, with_entry(ONES, -1.0)), ValueError, "sample_weight"),
    "zero weights": ((X, Y, 0 * ONES), ValueError, "(?i)sample.weight"),
    "few weights": ((X, Y, ONES[:5]), ValueError, r"sample_weight.*\(5,\).*\(30,\)"),
    "complex X": ((X + 1j, Y), ValueError, "Complex data not supported"),
    "sparse y": (
        (X, sparse.csr_array(Y[:, None])),
        TypeError,
        "dense data is required",
    ),
    "1-D X": ((X[:, 0], Y), ValueError, "Expected 2D array, got 1D array"),
    "two targets": ((X, np.column_stack([Y, Y])), ValueError, "should be a 1d array"),
    "few targets": ((X, Y[:5]), ValueError, r"inconsistent numbers.*\[30, 5\]"),
    "huge X": ((X * 1e200, Y), ValueError, r"X must have its largest.*e\+200.*Rescale"),
    "huge y": ((X, Y * 1e145), ValueError, r"y must have its largest .*e\+14"),
    "tiny X": ((X * 1e-200, Y), ValueError, r"X must have its largest .*e-200"),
    "tiny y": ((X, Y * 1e-200), ValueError, r"y must have its largest .*e-199"),
}


@pytest.mark.parametrize("name", BAD_DATA)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_bad_data_is_refused_without_a_trace(name, is_fitted):
    data, error, match = BAD_DATA[name]
    estimator = model().fit(X, Y) if is_fitted else model()
    before = dict(vars(estimator))
    with pytest.raises(error, match=match):
        estimator.fit(*data)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[key] is value for key, value in before.items())


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"theta": 0}, r"'theta'.*\(0.0, inf\) or None. Got 0 "),
        ({"theta": -1.0}, r"'theta'.*\(0.0, inf\) or None. Got -1.0 "),
        ({"theta": np.inf}, r"'theta'.*\(0.0, inf\) or None. Got inf "),
        ({"theta": np.nan}, r"'theta'.*\(0.0, inf\) or None. Got nan "),
        ({"theta": "1"}, r"'theta'.*\(0.0, inf\) or None. Got '1' "),
        ({"solver": "adam"}, "'solver'(?=.*'newton')(?=.*'auto').*Got 'adam'"),
        ({"learning_rate": 0.0}, r"'learning_rate'.*\(0.0, inf\). Got 0.0 "),
        ({"learning_rate": "fast"}, "'learning_rate'.*'theory'.*Got 'fast'"),
        ({"n_batches": 0}, r"'n_batches'.*\[1, inf\). Got 0 "),
        ({"n_batches": 1.5}, r"'n_batches'.*\[1, inf\). Got 1.5 "),
        ({"centered": "yes"}, "'centered'.*bool.*Got 'yes'"),
        ({"max_iter": 0}, r"'max_iter'.*\[1, inf\). Got 0 "),
        ({"tol": -1e-3}, r"'tol'.*\[0.0, 1.0\). Got -0.001 "),
        ({"tol": 1.0}, r"'tol'.*\[0.0, 1.0\). Got 1.0 "),
        ({"n_restarts": -1}, r"'n_restarts'.*\[0, inf\). Got -1 "),
        ({"verbose": -1}, "'verbose'.*Got -1"),
        ({"random_state": "a"}, "'random_state'.*Got 'a'"),
    ],
)
def test_bad_parameters_are_refused_with_what_is_allowed(parameters, match):
    with pytest.raises(ValueError, match=match):
        model(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"learning_rate": 0.1}, r"learning_rate=0.1 .*'centered_gd' or 'nesterov'"),
        ({"learning_rate": "theory", "solver": "newton"}, "got solver='newton'"),
        ({"n_batches": 2, "solver": "nesterov"}, "n_batches=2 .*'centered_gd' only"),
        ({"centered": False, "solver": "auto"}, "centered=False .*'centered_gd' only"),
        ({"n_batches": 31, "solver": "centered_gd"}, "at most .* 30; got 31"),
    ],
)
def test_parameters_without_effect_are_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        model(**parameters).fit(X, Y)


def test_theory_step_needs_probes_on_both_sides_of_the_box():
    estimator = model(theta=100.0, solver="centered_gd", learning_rate="theory")
    with pytest.raises(ValueError, match=r"learning_rate='theory' .*theta=100\. .*sma"):
        estimator.fit(X, Y)


undetermined = pytest.mark.filterwarnings("ignore:The codes do not determine")


@every_solver
@undetermined
def test_fewer_samples_than_entries_need_not_be_unique(solver):
    with pytest.warns(UserWarning, match="3 samples .* for 4 features.*not be unique"):
        fitted = model(solver=solver, max_iter=2000, tol=1e-6).fit(X[:3], Y[:3])
    assert fitted.loss_ < 1e-6


@undetermined
def test_rows_without_weight_do_not_count_as_samples():
    weights = np.where(np.arange(30) < 3, 1.0, 0.0)
    with pytest.warns(UserWarning, match="3 samples with a positive weight"):
        model().fit(X, Y, weights)


def test_negative_codes_are_counted():
    codes = Y.copy()
    codes[:2] = -1.0
    with pytest.warns(UserWarning, match="y has 2 negative entries"):
        model().fit(X, codes)


@every_solver
def test_units_that_are_never_active_are_named(solver):
    inputs = X.copy()
    inputs[:, [1, 3]] = -np.abs(inputs[:, [1, 3]]) - 2
    codes = encoded(inputs, W)
    with pytest.warns(UserWarning, match=r"not determine these entries .*: 1, 3\."):
        fitted = model(solver=solver).fit(inputs, codes)
    assert fitted.unidentified_.tolist() == [1, 3]
    np.testing.assert_allclose(fitted.coef_[[0, 2]], W[[0, 2]], atol=1e-9)


@pytest.mark.parametrize("solver", ["newton", "newton_cg"])
def test_of_units_that_are_always_active_the_sum_is_found(solver):
    inputs = X.copy()
    inputs[:, [0, 2]] = np.abs(inputs[:, [0, 2]]) + 2
    codes = encoded(inputs, W)
    with pytest.warns(UserWarning, match=r"not determine these entries .*: 0, 2\."):
        fitted = model(solver=solver).fit(inputs, codes)
    assert fitted.unidentified_.tolist() == [0, 2]
    assert fitted.is_exact_
    assert fitted.coef_[[0, 2]].sum() == pytest.approx(W[[0, 2]].sum())
    np.testing.assert_allclose(fitted.coef_[[1, 3]], W[[1, 3]], atol=1e-9)


@pytest.mark.parametrize("solver", ["newton", "newton_cg"])
def test_one_constant_column_is_decoded_from_the_mean(solver):
    inputs = X.copy()
    inputs[:, 2] = 2.0
    fitted = model(solver=solver).fit(inputs, encoded(inputs, W))
    assert fitted.unidentified_.size == 0
    np.testing.assert_allclose(fitted.coef_, W, atol=1e-9)


def test_constant_columns_are_named():
    inputs = X.copy()
    inputs[:, [0, 2]] = [2.0, 3.0]
    with pytest.warns(UserWarning, match=r"not determine these entries .*: 0, 2\."):
        fitted = model().fit(inputs, encoded(inputs, W))
    assert fitted.is_exact_


def test_equal_columns_are_named():
    inputs = np.column_stack([X, X[:, 0]])
    with pytest.warns(UserWarning, match=r"not determine these entries .*: 0, 4\."):
        fitted = model().fit(inputs, encoded(inputs, np.append(W, W[0])))
    assert fitted.coef_[[0, 4]].sum() == pytest.approx(2 * W[0])


@every_solver
def test_all_units_inactive(solver):
    inputs = -np.abs(X) - 5
    with pytest.warns(UserWarning, match=r"not determine .*: 0, 1, 2, 3\."):
        fitted = model(solver=solver).fit(inputs, 0 * Y)
    assert fitted.loss_ == 0
    np.testing.assert_array_equal(fitted.predict(inputs), 0)


@every_solver
def test_all_units_active(solver):
    inputs = np.abs(X) + 5
    with pytest.warns(UserWarning, match=r"not determine .*: 0, 1, 2, 3\."):
        fitted = model(solver=solver).fit(inputs, encoded(inputs, W))
    np.testing.assert_array_equal(fitted.unidentified_, [0, 1, 2, 3])
    if solver.startswith("newton"):
        assert fitted.is_exact_
        assert fitted.coef_.sum() == pytest.approx(W.sum())


def test_long_lists_of_entries_are_cut():
    inputs = np.zeros((30, 25))
    with pytest.warns(UserWarning, match=r": 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 15 more"):
        model().fit(inputs, ONES)


@every_solver
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("theta", [1.0, None])
@pytest.mark.parametrize(
    ("inputs", "codes"),
    [
        (np.zeros((5, 3)), np.zeros(5)),
        (np.zeros((5, 3)), np.full(5, 7.0)),
        (X[:1], Y[:1]),
        (X[:, :1], Y),
        (X, np.full(30, 0.1)),
        (X, -Y),
        (X * [1e-150, 1e-3, 1.0, 1e100], Y),
        (np.repeat(X, 2, axis=1), Y),
        (X.astype(np.float32) * 1e30, Y),
    ],
)
def test_odd_data_leave_finite_vectors_in_the_box(solver, theta, inputs, codes):
    fitted = model(solver=solver, theta=theta, max_iter=50).fit(inputs, codes)
    assert np.isfinite(fitted.coef_).all()
    assert np.isfinite(fitted.predict(inputs)).all()
    assert np.isfinite(fitted.loss_path_).all()
    assert np.abs(fitted.coef_).max() <= fitted.theta_


@undetermined
@pytest.mark.filterwarnings("ignore:The loss .* falls beyond the box")
@pytest.mark.parametrize("solver", ["centered_gd", "nesterov"])
def test_steps_that_diverge_are_told_and_stopped(solver):
    estimator = model(theta=1e6, solver=solver, learning_rate=1e3)
    with pytest.warns(
        ConvergenceWarning, match=r"loss grew from .* smaller learning_r"
    ):
        fitted = estimator.fit(X, Y)
    assert fitted.n_iter_ < 100
    assert np.isfinite(fitted.loss_path_).all()


@every_solver
def test_too_few_iterations_are_told_with_what_was_reached(solver):
    with pytest.warns(ConvergenceWarning, match=r"Loss .* after 1 iter.*tol=1e-12"):
        fitted = model(solver=solver, max_iter=1, n_restarts=0).fit(X, Y)
    assert fitted.n_iter_ == 1


def test_a_column_of_targets_is_read_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        fitted = model().fit(X, Y[:, None])
    np.testing.assert_array_equal(fitted.coef_, model().fit(X, Y).coef_)


@every_solver
@pytest.mark.parametrize("is_fitted", [False, True])
def test_an_interrupted_fit_leaves_no_trace(monkeypatch, solver, is_fitted):
    estimator = model(solver=solver)
    if is_fitted:
        estimator.fit(X, Y)
    before = dict(vars(estimator))
    record = Progress.record

    def interrupt(self, w, loss):
        record(self, w, loss)
        if self.n_iter == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "record", interrupt)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X[:, :3], Y)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[key] is value for key, value in before.items())


def test_the_data_are_not_changed():
    inputs, codes, weights = X.copy(), Y.copy(), with_entry(ONES, 0.0)
    kept = inputs.copy(), codes.copy(), weights.copy()
    for array in (inputs, codes, weights):
        array.setflags(write=False)
    for solver in SOLVERS:
        model(solver=solver).fit(inputs, codes, weights)
    for array, before in zip((inputs, codes, weights), kept, strict=True):
        np.testing.assert_array_equal(array, before)
