"""The benchmarks judge every competitor by the objective that convexnn minimises."""

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from convexnn import ConvexReLURegressor
from convexnn.networks.three_layer import ThreeLayerNetwork
from convexnn.programs.cells import activation_patterns

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
BETA = 2.0


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    return X, np.maximum(X[:, 0], 0) - X[:, 1] + 0.1 * rng.standard_normal(40)


@pytest.fixture
def gates():
    return np.random.default_rng(1).standard_normal((4, 6))


@pytest.fixture
def recompute(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return pytest.importorskip("recompute")


def units(model):
    return {
        "hidden": model.coefs_[0],
        "bias": model.intercepts_[0],
        "output": model.coefs_[1][:, 0],
        "intercept": model.intercepts_[1][0],
    }


def test_objective_of_units_is_the_estimators(recompute, data, gates):
    model = ConvexReLURegressor(beta=BETA, cells=gates).fit(*data)
    found = recompute.relu_objective(units(model), *data, BETA)
    assert found == pytest.approx(model.objective_, rel=1e-10)
    assert recompute.count_units(units(model)) == model.n_neurons_ > 0


def test_objective_of_gated_blocks_is_the_estimators(recompute, data, gates):
    model = ConvexReLURegressor(
        beta=BETA, cells=gates, activation="gated_relu", tol=1e-8
    ).fit(*data)
    inputs = np.column_stack([data[0], np.ones(40)])
    patterns = activation_patterns(inputs, model.gates_)
    hidden = np.vstack([model.coefs_[0], model.intercepts_[0]])
    network = {"positive": hidden * model.coefs_[1][:, 0]}
    network["intercept"] = model.intercepts_[1][0]
    found = recompute.cell_objective(network, *data, BETA, patterns)
    assert found == pytest.approx(model.objective_, rel=1e-10)


def test_blocks_in_their_cones_have_one_objective(recompute, data, gates):
    X, y = data
    inputs = np.column_stack([X, np.ones(40)])
    patterns = activation_patterns(inputs, gates)
    network = {"positive": gates, "negative": 0.5 * gates, "intercept": 0.3}
    assert recompute.violation(network, X, patterns) == 0
    assert recompute.cell_objective(network, X, y, BETA, patterns) == pytest.approx(
        recompute.relu_objective(network, X, y, BETA), rel=1e-12
    )
    assert recompute.violation(network, X, ~patterns) == pytest.approx(1.0)


def test_time_counts_only_down_to_the_final_network(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    tables = pytest.importorskip("two_layer_tables")
    run = {"objective": 2.0, "seconds": 5.0}
    curve = [(1.0, 4.0), (2.0, 1.5)]
    assert tables.time_to(run, curve, 3.0) == 2.0
    assert tables.time_to(run, curve, 1.9) == float("inf")
    assert tables.time_to(run, [], 2.0) == 5.0


@pytest.fixture(scope="module")
def convergence():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield pytest.importorskip("three_layer_convergence")


@pytest.fixture(scope="module")
def tables(convergence):
    return convergence.measure_convergence({"steps": 400, "draws": 1, "wider": ()})


def test_descent_has_the_objective_of_networks_and_its_slopes(convergence):
    descent = pytest.importorskip("three_layer_descent")
    drawn = [descent.draw_weights(2, 3, 4, seed) for seed in range(2)]
    weights = convergence.stacked(drawn)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2, 6, 2)), rng.standard_normal((2, 6))
    problem = descent.Problem(X, y, 0.3)
    values, slopes = problem.value_and_slopes(*weights)
    for run in range(2):
        network = ThreeLayerNetwork(descent.as_subnetworks(weights, run), 0.0, False)
        expected = network.objective(X[run], y[run], 0.3)
        assert values[run] == pytest.approx(expected, rel=1e-12)
    for layer, slope in enumerate(slopes):
        direction = rng.standard_normal(slope.shape)
        ends = []
        for step in (1e-6, -1e-6):
            moved = list(weights)
            moved[layer] = moved[layer] + step * direction
            ends.append(problem.value(*moved))
        found = (ends[0] - ends[1]).sum() / 2e-6
        assert found == pytest.approx(np.sum(slope * direction), rel=1e-5)


def test_no_descent_ends_below_the_program_over_every_block(convergence, tables):
    convex, curves, summary = tables
    best = convex[0]
    assert best["holds over"] == "all"
    assert best["gap"] < 1e-4
    bound = best["convex objective"] * (1 - best["gap"])
    assert min(line[4] for line in curves) >= bound
    assert min(row["least over optimum"] for row in summary) >= 1 - best["gap"]
    # At most as many sub-networks as there are rows, at the same objective.
    for row in convex:
        assert row["network"] == pytest.approx(row["convex objective"], rel=1e-6)
        assert row["thinned"] == pytest.approx(row["convex objective"], rel=1e-6)
        assert row["thinned K"] <= convergence.N < row["K"]
        assert row["convex objective"] >= bound
    # A start keeps to its objective, whether it runs alone or beside others.
    alone = min(x[4] for x in curves if x[:1] == (3,) and x[2] == 400)
    assert summary[2]["best"] == alone
    assert summary[2]["least over optimum"] == pytest.approx(
        alone / best["network"], rel=1e-6
    )


def test_lbfgs_stops_where_no_direction_descends(convergence):
    descent = pytest.importorskip("three_layer_descent")
    X, y = descent.teacher(12, 3, 2, 1, 0)
    problem = descent.Problem(X[None], y[None], 0.1)
    start = descent.draw_weights(3, 2, 2, 0)
    weights, value = descent.lbfgs(problem, start, 2000)
    assert problem.value(*weights)[0] == pytest.approx(value, rel=1e-12)
    assert value < problem.value(*start)[0]
    np.testing.assert_allclose(np.sum(weights[0] ** 2, axis=(1, 3)), 1, rtol=1e-12)
    slopes = problem.value_and_slopes(*weights)[1]
    assert np.abs(slopes[1]).max() < 1e-3


def test_a_quick_run_writes_tables_and_pictures(
    convergence, tables, tmp_path, monkeypatch
):
    quick = convergence.SETTINGS["quick"] | {"n_points": 5}
    monkeypatch.setitem(convergence.SETTINGS, "quick", quick)
    small = {"n": 15, "d": 2, "m": 2, "beta": 0.1}
    monkeypatch.setattr(convergence, "LANDSCAPE", small)
    monkeypatch.setattr(convergence, "measure_convergence", lambda _: tables)
    monkeypatch.setattr("sys.argv", ["x", "--quick", "--output", str(tmp_path)])
    convergence.main()
    names = ["", "_convex", "_ends"]
    tables = [f"three_layer_convergence{name}.csv" for name in names]
    for table in (*tables, "three_layer_landscape.csv"):
        assert len((tmp_path / "data" / table).read_text().splitlines()) > 2
    about = json.loads((tmp_path / "data" / "three_layer_convergence.json").read_text())
    assert about["settings"] == "quick"
    for picture in ("three_layer_convergence.png", "three_layer_landscape.png"):
        assert (tmp_path / "images" / picture).stat().st_size > 10_000


@pytest.fixture
def rotated(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    pytest.importorskip("matplotlib")
    return pytest.importorskip("rotated_mnist")


def test_ridge_of_the_digits_is_scikit_learns(rotated, data):
    X, y = data
    ridge = rotated.Ridge().fit(X, y)
    folds = [np.arange(len(y)) % rotated.N_FOLDS == f for f in range(rotated.N_FOLDS)]
    # There the offsets are those of all rows.
    peers = {}
    for penalty in rotated.PENALTIES:
        squares = 0.0
        for fold in folds:
            model = Ridge(alpha=penalty, fit_intercept=False)
            model.fit((X - X.mean(axis=0))[~fold], (y - y.mean())[~fold])
            wrong = model.predict((X - X.mean(axis=0))[fold]) - (y - y.mean())[fold]
            squares += np.sum(wrong**2)
        peers[penalty] = np.sqrt(squares / len(y))
    assert ridge.penalty == min(peers, key=peers.get)
    assert ridge.validated == pytest.approx(peers[ridge.penalty], rel=1e-10)
    peer = Ridge(alpha=ridge.penalty).fit(X, y)
    np.testing.assert_allclose(ridge.predict(X), peer.predict(X), rtol=1e-9)


def test_held_out_rows_choose_the_penalty(rotated, data):
    X, y = data
    penalty, error = rotated.held_out(X, y, 32)
    peers = {}
    for alpha in rotated.PENALTIES:
        found = Ridge(alpha=alpha).fit(X[:32], y[:32]).predict(X[32:])
        peers[alpha] = rotated.rmse(found, y[32:])
    assert penalty == min(peers, key=peers.get)
    assert error == pytest.approx(peers[penalty], rel=1e-10)


def test_rotated_digits_give_table_and_picture(rotated, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    images = np.zeros((120, 28, 28), dtype=np.uint8)
    images[:, 6:22, 12:16] = rng.integers(100, 255, (120, 16, 4))
    (tmp_path / "images").mkdir()
    np.savez(tmp_path / "images" / "mnist.npz", x_train=images[:80], x_test=images[80:])
    monkeypatch.setattr(rotated, "QUICK_MANY", (((14, 14), 14), ((14, 28), 14)))
    monkeypatch.setattr(rotated, "QUICK_SHARES", (0.5, 0.1))
    monkeypatch.setattr(rotated, "QUICK", (((7, 7), None, True),))
    arguments = ["--quick", "--data", str(tmp_path), "--output", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["rotated_mnist.py", *arguments])
    rotated.main()
    with open(tmp_path / "data" / "rotated_mnist.csv", newline="") as file:
        table = list(csv.DictReader(file))
    names = [row["features"] for row in table]
    about = json.loads((tmp_path / "data" / "rotated_mnist.json").read_text())
    assert names[0] == "pixels"
    assert names[-1].startswith("pixels and all ")
    assert len(names) == 1 + 1 + 2 * 2 + 1
    validated = {row["features"]: float(row["RMSE, validated"]) for row in table}
    assert validated[about["chosen"]] == min(validated.values())
    # The bars turn about their middle, so that their angle is easy to tell.
    assert min(float(row["RMSE, test"]) for row in table) < 15
    assert (tmp_path / "images" / "rotated_mnist.png").stat().st_size > 1000


@pytest.fixture
def uci(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return pytest.importorskip("uci")


def test_quick_uci_comparison_goes_on_where_it_stopped(uci, tmp_path, capsys):
    arguments = ["--quick", "--output", str(tmp_path)]
    uci.main([*arguments, "--sets", "breast cancer"])
    first = (tmp_path / "data" / "uci.csv").read_text()
    assert not (tmp_path / "images").exists()
    uci.main(arguments)
    stored = (tmp_path / "data" / "uci.csv").read_text()
    assert stored.startswith(first)
    rows = uci.tables.read(tmp_path / "data" / "uci.csv")
    assert len(rows) == len(uci.SHIPPED) * len(uci.METHODS)
    assert len({uci.tables.key(row) for row in rows}) == len(rows)
    for row in rows:
        least = 0.0 if row["set"] == "diabetes" else 0.85
        assert least < float(row["score"]) <= 1, row
        assert float(row["CPU s"]) > 0
        assert int(row["training rows"]) == 100
    ranks = (tmp_path / "data" / "uci_ranks.csv").read_text().splitlines()
    assert {line.split(",")[0] for line in ranks[1:]} == set(uci.METHODS)
    assert (tmp_path / "images" / "uci.png").stat().st_size > 1000
    about = json.loads((tmp_path / "data" / "uci.json").read_text())
    assert set(uci.METHODS) & {"xgboost", "lightgbm", "catboost"} <= set(about)
    assert "Friedman p = " in capsys.readouterr().out


@pytest.mark.parametrize("is_regression", [True, False])
def test_uci_splits_share_no_row_and_have_all(uci, is_regression):
    y = np.arange(90) % 3
    for most, expected in ((None, 60), (12, 12), (100, 60)):
        train, test = uci.split_rows(y, is_regression, 0, most)
        assert sorted([*train, *test]) == list(range(90))
        assert len(train) == expected
        if not is_regression:
            assert np.bincount(y[train]).tolist() == [expected // 3] * 3
        again, _ = uci.split_rows(y, is_regression, 0, most)
        other, _ = uci.split_rows(y, is_regression, 1, most)
        assert train.tolist() == again.tolist()
        assert set(train) != set(other)


def test_uci_methods_do_without_boosting_libraries(uci, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = runpy.run_path(BENCHMARKS / "uci_methods.py")
    assert found["METHODS"][-1] == "boosting"
    assert found["versions"]() == {}
    assert {"xgboost", "lightgbm", "catboost"} <= set(found["NAMES"])


UCI_SCORES = {"convexnn": 0.6, "MLP": 0.5, "random forest": 0.7, "xgboost": 0.7}


def uci_rows(uci, cells):
    """Return a row for every split, set and method, of one score a method."""
    return [
        {
            **{"set": name, "kind": "regression" if name == "c" else "classification"},
            **{"n": "30", "split": str(split), "method": method},
            "score": str(UCI_SCORES[method] + 0.1 * split),
            "CPU s": str(1 + 4 * (method == uci.OURS) + 5 * (name == "b")),
        }
        for name, split, method in cells
    ]


def test_uci_scores_are_means_over_common_splits(uci):
    cells = [("a", split, method) for split in (0, 1) for method in UCI_SCORES]
    cells += [("b", 0, method) for method in UCI_SCORES if method != "MLP"]
    cells += [("c", 0, "convexnn"), ("c", 1, "xgboost")]
    cells.remove(("a", 1, "xgboost"))
    results = uci.tables.collect(uci_rows(uci, cells))
    assert results.methods == list(UCI_SCORES)
    assert [(about["set"], about["splits"]) for about in results.sets] == [
        ("a", 1),
        ("b", 1),
    ]
    assert results.complete().tolist() == [True, False]
    assert results.scores[0].tolist() == list(UCI_SCORES.values())
    assert np.isnan(results.scores[1]).tolist() == [False, True, False, False]
    cells.append(("a", 1, "xgboost"))
    results = uci.tables.collect(uci_rows(uci, cells))
    assert results.scores[0] == pytest.approx([x + 0.05 for x in UCI_SCORES.values()])


def uci_report(uci, folder, cells, *arguments):
    """Write rows and the report, and return its tables by name."""
    (folder / "data").mkdir(exist_ok=True)
    with open(folder / "data" / "uci.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, uci.tables.COLUMNS)
        writer.writeheader()
        writer.writerows(uci_rows(uci, cells))
    uci.main(["--report", "--output", str(folder), *arguments])
    tables = {}
    for path in (folder / "data").glob("uci_*.csv"):
        with open(path, newline="") as file:
            tables[path.stem] = list(csv.DictReader(file))
    return tables


def test_uci_report_ranks_what_is_complete(uci, tmp_path, capsys):
    cells = [(name, 0, method) for name in "abc" for method in UCI_SCORES]
    cells.remove(("c", 0, "MLP"))
    tables = uci_report(uci, tmp_path, cells)
    assert "c: not ranked, without MLP" in capsys.readouterr().out
    assert [row["MLP"] for row in tables["uci_scores"]] == ["0.500", "0.500", ""]
    ranks = {row["method"]: row for row in tables["uci_ranks"]}
    kin = "rank without trees and k-NN"
    found = [ranks[method]["mean rank"] for method in UCI_SCORES]
    assert found == [
        "3.00",
        "4.00",
        "1.50",
        "1.50",
    ]
    assert [ranks[k][kin] for k in UCI_SCORES] == ["1.00", "2.00", "", ""]
    assert ranks["convexnn"]["mean accuracy"] == "0.600"
    assert ranks["convexnn"]["mean R2"] == ""
    trees = [tuple(row.values()) for row in tables["uci_trees"]]
    assert trees == [(k, "0.600", "0.700", "random forest", "-0.100") for k in "abc"]
    assert [row["which"] for row in tables["uci_kin"]] == ["MLP", "MLP"]
    found = [(row["found"], row["where"]) for row in tables["uci_targets"]]
    assert found[:2] == [("2.14", "2 sets"), ("5.00", "a")]
    assert found[2:] == [("-0.100", "a"), ("0 of 3", ""), ("2 of 3", "")]


def test_uci_report_keeps_to_methods(uci, tmp_path, capsys):
    cells = [(name, 0, method) for name in "abc" for method in UCI_SCORES]
    cells.remove(("c", 0, "MLP"))
    tables = uci_report(uci, tmp_path, cells, "--methods", "random forest,xgboost")
    assert [*tables["uci_seconds"][0]] == ["set", "random forest", "xgboost"]
    assert len(tables["uci_scores"]) == 3
    assert tables["uci_trees"] == []
    assert [row["found"] for row in tables["uci_targets"]] == ["3 of 3"]
    uci_report(uci, tmp_path, cells, "--methods", "k-NN")
    assert "no results to report of k-NN" in capsys.readouterr().out


def test_uci_ranks_and_critical_difference(uci):
    table = np.array([[0.9, 0.8, 0.8], [0.7, 0.9, 0.6]])
    assert uci.tables.mean_ranks(table).tolist() == [1.5, 1.75, 2.75]
    # The quantiles of Demsar's table 5, 1.960 for two methods and 3.164 for ten.
    for n_methods, quantile in ((2, 1.960), (4, 2.569), (10, 3.164)):
        expected = quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * 14))
        found = uci.tables.critical_difference(n_methods, 14)
        assert found == pytest.approx(expected, abs=1e-3)
    runs = pytest.importorskip("uci_picture").groups
    assert runs([1.0, 1.5, 2.0, 4.0], 1.1) == [(0, 2)]
    assert runs([1.0, 1.5, 2.4, 4.0], 1.0) == [(0, 1), (1, 2)]


def test_descents_and_certified_folds_are_compared(uci, tmp_path):
    comparison = pytest.importorskip("fold_training")
    comparison.main(["--output", str(tmp_path), "--sets", "diabetes"])
    with open(tmp_path / "data" / "fold_training.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    for kind in ("descent", "certified"):
        assert 0.003 <= float(row[f"{kind}: share"]) <= 1
        assert 0.3 < float(row[f"{kind}: score"]) < 0.6
    assert (tmp_path / "images" / "fold_training.png").stat().st_size > 1000
