"""The table of backends: selection, refusals, and backends from elsewhere."""

import inspect
import re

import numpy as np
import pytest

from convexnn import ConvexReLURegressor
from convexnn.architectures import ARCHITECTURES
from convexnn.data.datasets import make_relu_teacher
from convexnn.solvers import (
    Backend,
    Solution,
    available_backends,
    register_backend,
    registry,
    select_backend,
)

BUILT_IN = {
    "relu": ["active_set", "newton", "interior_point", "fista", "cvxpy", "osqp"],
    "gated_relu": ["newton", "fista", "cvxpy", "osqp"],
}
FEATURES = {name: ARCHITECTURES[name].features for name in BUILT_IN}
OTHERS = {
    frozenset({"cones", "patches"}): ["active_set", "newton", "cvxpy"],
    frozenset({"cones", "several_outputs"}): ["active_set"],
    frozenset({"cones", "coupled_cones"}): ["active_set", "interior_point", "cvxpy"],
    frozenset({"nuclear_norms"}): ["newton", "fista", "cvxpy"],
}
ACTIVATIONS = ("relu", "gated_relu")


@pytest.fixture(autouse=True)
def table():
    """Give back the table of backends as it was."""
    before = dict(registry._BACKENDS)
    yield registry._BACKENDS
    registry._BACKENDS.clear()
    registry._BACKENDS.update(before)


@pytest.fixture(scope="module")
def data():
    return make_relu_teacher(40, 3, noise=0.1, random_state=0)


def solve_descent(program, *, tol, max_iter, start, verbose, options):
    """Take proximal gradient steps and leave the cones to the certificate."""
    step = 0.5 / (program.loss.smoothness * program.n_groups * np.sum(program.X**2))
    U = np.zeros(program.shape) if start is None else start
    for _ in range(min(max_iter, 50)):
        U = U + step * program.correlations(program.loss.dual_point(program.output(U)))
        norms = np.maximum(np.linalg.norm(U, axis=0), 1e-300)
        U = U * np.maximum(1 - step * program.beta / norms, 0)
    return Solution(U=U, n_iter=max_iter)


def delegate_to_fista(calls):
    """Return a backend that records what it is handed."""
    fista = registry._BACKENDS["fista"].load()

    def solve(program, **settings):
        calls.append((program.n_groups, settings))
        return fista(program, **settings)

    return solve


def model(**parameters):
    defaults = {"beta": 0.5, "cells": "sampled", "n_cells": 100, "random_state": 0}
    return ConvexReLURegressor(**defaults | parameters)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_built_in_backends_in_order_of_preference(activation):
    features = FEATURES[activation]
    assert available_backends(features) == BUILT_IN[activation]
    assert select_backend("auto", features).name == BUILT_IN[activation][0]


@pytest.mark.parametrize("features", OTHERS)
def test_auto_takes_the_first_with_all_features(features):
    assert available_backends(features) == OTHERS[features]
    assert select_backend("auto", features).name == OTHERS[features][0]


def test_searches_do_not_count_over_listed_cells():
    features = {"cones", "coupled_cones"}
    assert select_backend("auto", features, is_listed=True).name == "interior_point"
    with pytest.raises(ValueError, match=r"couple units.*over listed cells") as error:
        select_backend("active_set", features, is_listed=True)
    assert "'active_set'" not in str(error.value).split("Allowed")[1]
    assert select_backend("auto", {"cones"}, is_listed=True).name == "active_set"


def test_gradients_come_first_where_models_of_the_loss_are_slow():
    assert select_backend("auto", {"nuclear_norms"}, by_gradients=True).name == "fista"
    assert select_backend("auto", {"cones"}, by_gradients=True).name == "active_set"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_unknown_name_lists_the_usable_ones(activation):
    with pytest.raises(ValueError, match="solver='nope' is not a known") as error:
        select_backend("nope", FEATURES[activation])
    allowed = str(error.value).split("Allowed")[1]
    assert all(repr(name) in allowed for name in ["auto", *BUILT_IN[activation]])
    assert ("interior_point" in allowed) == (activation == "relu")


@pytest.mark.parametrize(
    ("name", "features", "lacking"),
    [
        ("osqp", {"nuclear_norms"}, "nuclear norms (gated units of several outputs)"),
        ("fista", {"cones", "patches"}, "units pooled over patches"),
        ("newton", {"cones", "coupled_cones"}, "cones that couple units"),
        ("newton", {"cones", "several_outputs"}, "output weights that are vectors"),
        ("active_set", set(), "programs without cones"),
        ("interior_point", set(), "programs without cones"),
    ],
)
def test_what_a_backend_lacks_is_named_with_those_that_can(name, features, lacking):
    match = re.escape(f"solver={name!r} cannot express {lacking}")
    with pytest.raises(ValueError, match=match) as error:
        select_backend(name, features)
    allowed = str(error.value).split("Allowed")[1]
    usable = available_backends(features)
    assert all(repr(other) in allowed for other in ("auto", *usable))
    assert name not in allowed


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("uses_working_set", [True, False])
def test_backend_from_elsewhere_solves(data, activation, uses_working_set):
    X, y = data
    calls = []
    register_backend(
        "mine", delegate_to_fista(calls), uses_working_set=uses_working_set
    )
    parameters = {"activation": activation, "beta": 2.0, "tol": 0.01}
    mine = model(solver="mine", **parameters).fit(X, y)
    auto = model(**parameters).fit(X, y)
    assert 0 <= mine.certificate_.relative_gap <= mine.tol
    assert mine.objective_ == pytest.approx(auto.objective_, rel=0.02)
    n_groups = 200 if activation == "relu" else 100
    assert (calls[0][0] < n_groups) == uses_working_set


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("uses_working_set", [True, False])
def test_rough_backend_is_certified_all_the_same(data, activation, uses_working_set):
    X, y = data
    register_backend("rough", solve_descent, uses_working_set=uses_working_set)
    parameters = {"activation": activation, "n_cells": 20, "tol": 0.99}
    rough = model(solver="rough", **parameters).fit(X, y)
    exact = model(solver="cvxpy", **parameters | {"tol": 1e-3}).fit(X, y)
    assert rough.certificate_.dual <= exact.objective_ <= rough.objective_
    zero = 0.5 * np.sum((y - y.mean()) ** 2)
    assert rough.objective_ < zero


def test_backend_gets_the_users_settings(data):
    calls = []
    register_backend("mine", delegate_to_fista(calls), options=("a", "b"))
    model(solver="mine", solver_options={"a": 1}, max_iter=77, tol=0.9, verbose=1).fit(
        *data
    )
    _, settings = calls[0]
    assert settings["options"] == {"a": 1}
    assert settings["max_iter"] == 77
    assert settings["tol"] <= 0.9
    assert settings["verbose"] == 1
    assert settings["start"] is None


def test_backend_cannot_change_the_users_options(data):
    def solve(program, *, options, **_):
        options.clear()
        return Solution(np.zeros(program.shape), 1)

    register_backend("mine", solve, options=None)
    options = {"a": 1}
    model(solver="mine", solver_options=options, beta=None, beta_ratio=2.0).fit(*data)
    assert options == {"a": 1}


def test_backend_by_place_is_imported_on_first_use():
    register_backend("place", "convexnn.solvers.fista:solve")
    assert (
        select_backend("place", {"cones"}).load() is registry._BACKENDS["fista"].load()
    )
    register_backend("nowhere", "convexnn.solvers.no_such_file:solve")
    with pytest.raises(ModuleNotFoundError, match="no_such_file"):
        select_backend("nowhere", {"cones"}).load()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_missing_requirement_is_named_with_those_that_can(data, activation):
    register_backend("absent", solve_descent, requires=("no_such_module", "numpy"))
    assert "absent" not in available_backends(FEATURES[activation])
    with pytest.raises(ValueError, match="needs no_such_module, which") as error:
        model(solver="absent", activation=activation).fit(*data)
    allowed = str(error.value).split("Allowed")[1]
    assert all(repr(name) in allowed for name in BUILT_IN[activation])
    assert "absent" not in allowed


def test_auto_passes_over_what_cannot_be_used(table):
    for name in ("active_set", "newton"):
        register_backend(name, table[name].solve, requires=("no_such_module",))
    assert select_backend("auto", {"cones"}).name == "interior_point"
    assert select_backend("auto").name == "fista"


def test_auto_says_so_where_nothing_is_left(table):
    table.clear()
    with pytest.raises(ValueError, match="solver='auto'"):
        select_backend("auto", {"cones"})


def test_options_are_checked_against_the_table(data):
    register_backend("mine", solve_descent, options=("speed", "depth"))
    match = r"\['colour'\], unknown to solver='mine'. Allowed: depth, speed"
    with pytest.raises(ValueError, match=match):
        model(solver="mine", solver_options={"colour": 1, "speed": 2}).fit(*data)
    assert select_backend("mine", {"cones"}, {"speed": 2}).name == "mine"


def test_options_are_left_to_a_backend_that_wants_them():
    register_backend("mine", solve_descent, options=None)
    assert select_backend("mine", {"cones"}, {"anything": 1}).options is None


def test_no_options_are_understood_by_default():
    register_backend("mine", solve_descent)
    with pytest.raises(ValueError, match=r"\['speed'\].*Allowed: none"):
        select_backend("mine", {"cones"}, {"speed": 2})


def test_registering_a_name_again_replaces_it_in_its_place(table):
    order = list(table)
    register_backend("fista", solve_descent, features=())
    assert list(table) == order
    assert select_backend("fista").load() is solve_descent
    with pytest.raises(ValueError, match="cannot express"):
        select_backend("fista", {"cones"})


def test_a_backend_can_be_put_first(table):
    order = list(table)
    register_backend("fista", solve_descent, is_first=True)
    assert list(table) == ["fista", *(name for name in order if name != "fista")]
    assert select_backend("auto", {"cones"}).load() is solve_descent


@pytest.mark.parametrize("parameter", ["features", "needs", "searches"])
def test_unknown_features_are_refused(table, parameter):
    before = dict(table)
    with pytest.raises(ValueError, match=rf"{parameter} must be among.*'cones'.*relu"):
        register_backend("mine", solve_descent, **{parameter: ("relu",)})
    assert table == before


@pytest.mark.parametrize("name", ["auto", "", 3, None])
def test_unusable_names_are_refused(table, name):
    before = dict(table)
    with pytest.raises(ValueError, match="name must be a non-empty string") as error:
        register_backend(name, solve_descent)
    assert repr(name) in str(error.value)
    assert table == before


@pytest.mark.parametrize("name", sorted({*BUILT_IN["relu"], *BUILT_IN["gated_relu"]}))
def test_entries_match_the_functions_they_stand_for(table, name):
    entry = table[name]
    assert isinstance(entry, Backend)
    assert entry.name == name
    assert entry.is_installed
    for activation, features in FEATURES.items():
        assert entry.can(features) == (name in BUILT_IN[activation])
    parameters = inspect.signature(entry.load()).parameters
    first, *keywords = parameters
    assert first == "program"
    assert set(keywords) == {"tol", "max_iter", "start", "verbose", "options"}
    assert all(
        parameters[key].kind is inspect.Parameter.KEYWORD_ONLY for key in keywords
    )


@pytest.mark.parametrize(
    ("activation", "name"), [(a, name) for a in ACTIVATIONS for name in BUILT_IN[a]]
)
def test_entries_solve_what_they_express(data, activation, name):
    fitted = model(solver=name, activation=activation, n_cells=10).fit(*data)
    assert 0 <= fitted.certificate_.relative_gap <= fitted.tol
