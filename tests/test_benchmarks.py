"""The benchmarks judge every competitor by the objective that convexnn minimises."""

import csv
import importlib
import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from convexnn import ConvexReLURegressor
from convexnn.networks.three_layer import ThreeLayerNetwork
from convexnn.programs.cells import activation_patterns

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "data"
BETA = 2.0

pytest.importorskip("matplotlib")
sys.path.insert(0, str(ROOT))
run = pytest.importorskip("benchmarks.run")
sys.path.remove(str(ROOT))

#: What is left out of the quick runs, for the time it takes.
SHORTER = {
    "frozen_fits": ("--only", "gated diabetes", "cnn global"),
    "three_layer_convergence": ("--part", "three_layer_landscape"),
}


def module(name):
    return importlib.import_module(f"benchmarks.{name}")


def table(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module", params=run.NAMES)
def quick(request, tmp_path_factory):
    """Return an experiment and where its quick run has written."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONVEXNN_DATA", "CONVEXNN_PEERS"):
            patch.delenv(name, raising=False)
        more = SHORTER.get(request.param, ())
        run.run(request.param, ["--quick", "--output", str(folder), *more])
    return request.param, run.load(request.param), folder


def test_quick_run_writes_tables_versions_and_pictures(quick):
    name, experiment, folder = quick
    about = json.loads((folder / "data" / f"{name}.json").read_text())
    assert about["threads"] == 1
    assert {"convexnn", "numpy", "scikit-learn", "processor"} <= set(about)
    options = run.options_of(experiment, ["--quick", *SHORTER.get(name, ())])
    for part in options.part:
        columns = {part: experiment.PARTS[part].columns} | experiment.PARTS[part].beside
        for each, form in columns.items():
            header, *rows = table(folder / "data" / f"{each}.csv")
            assert header == list(module("tables").formats(form))
            assert rows
    # That of the parts left out is drawn in a test below.
    for picture in {*getattr(experiment, "PICTURES", ())} - {"three_layer_convergence"}:
        assert (folder / "images" / f"{picture}.png").stat().st_size > 5_000


def test_quick_run_has_the_columns_of_the_documentation(quick):
    *_, folder = quick
    written = list((folder / "data").glob("*.csv"))
    assert written
    for path in written:
        if path.stem in ("uci_scores", "uci_seconds"):
            continue  # columns are methods, not all of which are installed
        if (DATA / path.name).exists():
            assert table(path)[0] == table(DATA / path.name)[0]


def test_quick_runs_write_every_table_of_the_documentation():
    measured = set()
    for name in run.NAMES:
        for part, about in run.load(name).PARTS.items():
            measured |= {part, *about.beside}
    derived = {"phase_transition", "defaults_mean"}
    derived |= {f"two_layer_{x}" for x in ("table", "cases", "losses", "targets")}
    derived |= {f"three_layer_uci_{x}" for x in ("objectives", "errors")}
    derived |= {path.stem for path in DATA.glob("uci_*.csv")}
    assert {path.stem for path in DATA.glob("*.csv")} <= measured | derived


@pytest.mark.parametrize(
    "name", ["uci", "phase_transition", "defaults", "three_layer_uci"]
)
def test_tables_of_the_documentation_follow_from_its_rows(name, tmp_path):
    (tmp_path / "data").mkdir()
    for path in DATA.glob("*.csv"):
        (tmp_path / "data" / path.name).write_bytes(path.read_bytes())
    options = run.options_of(run.load(name))
    store = module("tables").Store(tmp_path, name)
    reported = dict(run.load(name).report(store, options))
    assert any(reported)
    for each, lines in reported.items():
        if each:
            written = [[str(x) for x in line] for line in lines]
            assert written == table(DATA / f"{each}.csv")


def test_commands_of_the_documentation_are_understood():
    pages = [*ROOT.glob("docs/*.rst"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    text = "\n".join(page.read_text() for page in pages)
    commands = re.findall(r"python -m benchmarks ([\w-][^`\n]*)", text)
    assert len({command.split()[0] for command in commands}) >= 12
    for command in commands:
        name, *words = shlex.split(command.replace("...", ""))
        run.options_of(run.load(name), words)
    for path in re.findall(r"benchmarks/[\w/]+\.py", text):
        assert (ROOT / path).exists()


def test_experiments_are_listed_and_others_refused(capsys):
    run.main([])
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in run.NAMES)
    with pytest.raises(SystemExit, match="no experiment 'x'"):
        run.main(["x"])


def test_runs_keep_and_resume_cases(tmp_path, monkeypatch):
    bounds = run.load("search_bound")
    measured = []
    part = bounds.PARTS["search_bound"]

    def measure(options, case, problem):
        measured.append(case["set"])
        return {"objective": float(len(measured))}

    fake = run.Part(part.columns, measure, part.problems)
    monkeypatch.setitem(bounds.PARTS, "search_bound", fake)
    words = ["--output", str(tmp_path / "x.csv"), "--shares", "0.1", "--sets"]
    run.run("search_bound", [*words, "wine", "digits"])
    run.run("search_bound", [*words, "wine", "diabetes", "--resume"])
    assert measured == ["wine", "digits", "diabetes"]
    run.run("search_bound", [*words, "digits", "--keep"])
    rows = table(tmp_path / "x.csv")[1:]
    assert [row[:3] for row in rows] == [
        ["wine", "0.1", "1"],
        ["diabetes", "0.1", "3"],
        ["digits", "0.1", "4"],
    ]
    run.run("search_bound", [*words, "wine"])
    assert [row[:3] for row in table(tmp_path / "x.csv")[1:]] == [["wine", "0.1", "5"]]


def test_jobs_write_the_same_rows_in_order(tmp_path):
    words = ["--quick", "--part", "phase_transition_probability"]
    found = []
    for jobs in (1, 2):
        output = tmp_path / f"{jobs}.csv"
        run.run(
            "phase_transition", [*words, "--jobs", str(jobs), "--output", str(output)]
        )
        found.append(table(output))
    assert found[0] == found[1]
    assert len(found[0]) == 4


def frozen(path, *rows):
    header = ["kind", "fit", "objective", "gap", "width", "seconds"]
    lines = [["two layers", name, value, 0, 1, spent] for name, value, spent in rows]
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return str(path)


def test_frozen_fits_tell_what_became_worse(tmp_path, capsys):
    base = frozen(tmp_path / "base.csv", ("a", 1.0, 1.0), ("b", 2.0, 1.0))
    words = ["frozen_fits", "--compare", base]
    # Of several rows of a fit, the largest objective and the median time count.
    same = [("a", 1.0, 9.0), ("a", 1.0, 1.0), ("a", 1.0, 1.0), ("b", 1.9, 1.2)]
    with pytest.raises(SystemExit) as ended:
        run.main([*words, frozen(tmp_path / "head.csv", *same)])
    assert not ended.value.code
    assert "b: objective down by 5.00e-02" in capsys.readouterr().out
    worse = frozen(tmp_path / "head.csv", ("a", 1.00001, 1.3))
    with pytest.raises(SystemExit) as ended:
        run.main([*words, worse])
    assert ended.value.code.splitlines() == [
        "a: objective up by 1.00e-05, relatively",
        "two layers: median CPU ratio 1.30 > 1.1",
        "b: missing",
    ]
    with pytest.raises(SystemExit) as ended:
        run.main([*words, worse, "--allowed", "1.4"])
    assert "CPU" not in ended.value.code


def test_quick_frozen_fits_are_five():
    frozen = run.load("frozen_fits")
    options = run.options_of(frozen, ["--quick"])
    assert len(options.only) == 5
    assert len(frozen.KINDS) == 43


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    return X, np.maximum(X[:, 0], 0) - X[:, 1] + 0.1 * rng.standard_normal(40)


@pytest.fixture
def gates():
    return np.random.default_rng(1).standard_normal((4, 6))


@pytest.fixture
def recompute():
    return module("objectives")


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


def test_time_counts_only_down_to_the_final_network():
    time_to = run.load("two_layer").time_to
    ended = {"objective": 2.0, "seconds": 5.0}
    curve = [(1.0, 4.0), (2.0, 1.5)]
    assert time_to(ended, curve, 3.0) == 2.0
    assert time_to(ended, curve, 1.9) == float("inf")
    assert time_to(ended, [], 2.0) == 5.0


@pytest.fixture(scope="module")
def descents():
    return module("methods.three_layer")


@pytest.fixture(scope="module")
def convergence(tmp_path_factory):
    """Return the rows of Fig. 4, not rounded, and where they are written."""
    experiment, folder = (
        run.load("three_layer_convergence"),
        tmp_path_factory.mktemp("x"),
    )
    parts = [f"three_layer_convergence_{x}" for x in ("convex", "ends")]
    words = ["--part", *parts, "--steps", "400", "--draws", "1", "--output"]
    words += [str(folder), "--widths", "1", "3", "5"]
    found = {part: [] for part in parts} | {"three_layer_convergence": []}
    with pytest.MonkeyPatch.context() as patch:
        store = module("tables").Store
        replace = store.replace

        def keep(self, case, rows):
            for name, row in rows:
                found[name].append(row)
            replace(self, case, rows)

        patch.setattr(store, "replace", keep)
        run.run("three_layer_convergence", words)
    return experiment, *found.values(), folder


def test_descent_has_the_objective_of_networks_and_its_slopes(descents):
    descent = descents
    drawn = [descent.draw_weights(2, 3, 4, seed) for seed in range(2)]
    weights = tuple(np.concatenate(x) for x in zip(*drawn, strict=True))
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


def test_no_descent_ends_below_the_program_over_every_block(convergence):
    experiment, convex, summary, curves, folder = convergence
    best = convex[0]
    assert best["holds over"] == "all"
    assert best["gap"] < 1e-4
    bound = best["convex objective"] * (1 - best["gap"])
    assert min(line["objective"] for line in curves) >= bound
    assert min(row["least over optimum"] for row in summary) >= 1 - best["gap"]
    # At most as many sub-networks as there are rows, at the same objective.
    for row in convex:
        assert row["network"] == pytest.approx(row["convex objective"], rel=1e-6)
        assert row["thinned"] == pytest.approx(row["convex objective"], rel=1e-6)
        assert row["thinned K"] <= experiment.N < row["K"]
        assert row["convex objective"] >= bound
    # A start keeps to its objective, whether it runs alone or beside others.
    alone = min(x["objective"] for x in curves if (x["K"], x["step"]) == (3, 400))
    assert summary[1]["best"] == alone
    assert summary[1]["least over optimum"] == pytest.approx(
        alone / best["network"], rel=1e-6
    )
    picture = folder / "images" / "three_layer_convergence.png"
    assert picture.stat().st_size > 10_000


def test_lbfgs_stops_where_no_direction_descends(descents):
    X, y = descents.teacher(12, 3, 2, 1, 0)
    problem = descents.Problem(X[None], y[None], 0.1)
    flat = descents.Flat(X, y, descents.draw_weights(3, 2, 2, 0), 0.1)
    point = descents.lbfgs(flat, 2000)
    (weights, _), (value, slope) = flat.weights(point), flat(point)
    assert problem.value(*weights)[0] == pytest.approx(value, rel=1e-12)
    assert value < flat(flat.start)[0]
    np.testing.assert_allclose(np.sum(weights[0] ** 2, axis=(1, 3)), 1, rtol=1e-12)
    slopes = problem.value_and_slopes(*weights)[1]
    assert max(np.abs(slopes[1]).max(), np.abs(slope).max()) < 1e-3


def test_slopes_of_batches_add_up_to_that_of_all_rows(descents):
    X, y = descents.teacher(12, 3, 2, 1, 0)
    flat = descents.Flat(X, y, descents.scaled_weights(3, 2, 4, 0), 0.1)
    value, slope = flat(flat.start)
    parts = [flat(flat.start, np.arange(k, 12, 3)) for k in range(3)]
    assert np.mean([x for x, _ in parts]) == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(np.mean([x for _, x in parts], axis=0), slope, 1e-9)
    for k in (0, 20, len(slope) - 1):
        step = 1e-6 * (np.arange(len(slope)) == k)
        difference = flat(flat.start + step)[0] - flat(flat.start - step)[0]
        assert difference / 2e-6 == pytest.approx(slope[k], rel=1e-5, abs=1e-8)
    hidden = flat.weights(flat.start)[0]
    network = ThreeLayerNetwork(descents.as_subnetworks(hidden), 0.0, False)
    np.testing.assert_allclose(flat.predict(flat.start, X), network.predict(X), 1e-9)


@pytest.fixture
def rotated():
    return module("methods.ridge")


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
        peers[alpha] = module("measures").rmse(found, y[32:])
    assert penalty == min(peers, key=peers.get)
    assert error == pytest.approx(peers[penalty], rel=1e-10)


def test_rotated_digits_of_a_folder_give_table_and_picture(tmp_path):
    rng = np.random.default_rng(0)
    images = np.zeros((120, 28, 28), dtype=np.uint8)
    images[:, 6:22, 12:16] = rng.integers(100, 255, (120, 16, 4))
    (tmp_path / "images").mkdir()
    np.savez(tmp_path / "images" / "mnist.npz", x_train=images[:80], x_test=images[80:])
    words = ["--quick", "--data", str(tmp_path), "--output", str(tmp_path)]
    run.run("rotated_mnist", words)
    rows = module("tables").read(tmp_path / "data" / "rotated_mnist.csv")
    names = [row["features"] for row in rows]
    assert names[0] == "pixels"
    assert names[-1].startswith("pixels and all ")
    assert len(names) == 1 + 1 + 2 * 2 + 1
    # The bars turn about their middle, so that their angle is easy to tell.
    assert min(row["RMSE, test"] for row in rows) < 15
    store = module("tables").Store(tmp_path, "rotated_mnist")
    ((_, (_, _, best)),) = run.load("rotated_mnist").report(store, None)
    validated = {row["features"]: row["RMSE, validated"] for row in rows}
    assert validated[best[0]] == min(validated.values())
    assert (tmp_path / "images" / "rotated_mnist.png").stat().st_size > 1000


@pytest.fixture
def uci():
    return run.load("uci")


@pytest.mark.parametrize("quick", ["uci"], indirect=True)
def test_quick_uci_comparison_has_every_method(quick):
    _, uci, folder = quick
    rows = module("tables").read(folder / "data" / "uci.csv")
    assert len(rows) == 3 * len(uci.METHODS)
    assert len({(row["set"], row["method"]) for row in rows}) == len(rows)
    for row in rows:
        least = 0.0 if row["set"] == "diabetes" else 0.85
        assert least < row["score"] <= 1, row
        assert row["CPU s"] > 0
        assert row["training rows"] == 100
    ranks = table(folder / "data" / "uci_ranks.csv")
    assert {line[0] for line in ranks[1:]} == set(uci.METHODS)
    about = json.loads((folder / "data" / "uci.json").read_text())
    assert set(uci.METHODS) & {"xgboost", "lightgbm", "catboost"} <= set(about)


@pytest.mark.parametrize("is_regression", [True, False])
def test_uci_splits_share_no_row_and_have_all(uci, is_regression):
    y = np.arange(90) % 3
    for most, expected in ((0, 60), (12, 12), (100, 60)):
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
    found = runpy.run_path(ROOT / "benchmarks" / "methods" / "tuned.py")
    assert found["METHODS"][-1] == "boosting"
    assert found["versions"]() == {}
    assert {"xgboost", "lightgbm", "catboost"} <= set(found["NAMES"])


UCI_SCORES = {"convexnn": 0.6, "MLP": 0.5, "random forest": 0.7, "xgboost": 0.7}


def uci_rows(uci, cells):
    """Return a row for every split, set and method, of one score a method."""
    return [
        {
            **{"set": name, "kind": "regression" if name == "c" else "classification"},
            **{"n": 30, "split": split, "method": method},
            "score": UCI_SCORES[method] + 0.1 * split,
            "CPU s": 1 + 4 * (method == uci.OURS) + 5 * (name == "b"),
        }
        for name, split, method in cells
    ]


def test_uci_scores_are_means_over_common_splits(uci):
    cells = [("a", split, method) for split in (0, 1) for method in UCI_SCORES]
    cells += [("b", 0, method) for method in UCI_SCORES if method != "MLP"]
    cells += [("c", 0, "convexnn"), ("c", 1, "xgboost")]
    cells.remove(("a", 1, "xgboost"))
    results = uci.collect(uci_rows(uci, cells))
    assert results.methods == list(UCI_SCORES)
    assert [(about["set"], about["splits"]) for about in results.sets] == [
        ("a", 1),
        ("b", 1),
    ]
    assert results.complete().tolist() == [True, False]
    assert results.scores[0].tolist() == list(UCI_SCORES.values())
    assert np.isnan(results.scores[1]).tolist() == [False, True, False, False]
    cells.append(("a", 1, "xgboost"))
    results = uci.collect(uci_rows(uci, cells))
    assert results.scores[0] == pytest.approx([x + 0.05 for x in UCI_SCORES.values()])


def uci_report(uci, folder, cells, *arguments):
    """Write rows and the report, and return its tables by name."""
    (folder / "data").mkdir(exist_ok=True)
    with open(folder / "data" / "uci.csv", "w", newline="") as file:
        writer = csv.DictWriter(
            file, ["set", "kind", "n", "split", "method", "score", "CPU s"]
        )
        writer.writeheader()
        writer.writerows(uci_rows(uci, cells))
    run.run("uci", ["--report", "--output", str(folder), *arguments])
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
    tables = uci_report(uci, tmp_path, cells, "--methods", "random forest", "xgboost")
    assert [*tables["uci_seconds"][0]] == ["set", "random forest", "xgboost"]
    assert len(tables["uci_scores"]) == 3
    assert tables["uci_trees"] == []
    assert [row["found"] for row in tables["uci_targets"]] == ["3 of 3"]
    uci_report(uci, tmp_path, cells, "--methods", "k-NN")
    assert "no results to report of k-NN" in capsys.readouterr().out


def test_uci_ranks_and_critical_difference(uci):
    table = np.array([[0.9, 0.8, 0.8], [0.7, 0.9, 0.6]])
    assert uci.mean_ranks(table).tolist() == [1.5, 1.75, 2.75]
    # The quantiles of Demsar's table 5, 1.960 for two methods and 3.164 for ten.
    for n_methods, quantile in ((2, 1.960), (4, 2.569), (10, 3.164)):
        expected = quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * 14))
        found = uci.critical_difference(n_methods, 14)
        assert found == pytest.approx(expected, abs=1e-3)
    runs = uci.groups
    assert runs([1.0, 1.5, 2.0, 4.0], 1.1) == [(0, 2)]
    assert runs([1.0, 1.5, 2.4, 4.0], 1.0) == [(0, 1), (1, 2)]


@pytest.mark.parametrize("quick", ["fold_training"], indirect=True)
def test_descents_and_certified_folds_are_compared(quick):
    *_, folder = quick
    (row,) = module("tables").read(folder / "data" / "fold_training.csv")
    for kind in ("descent", "certified"):
        assert 0.1 <= row[f"{kind}: share"] <= 1
        assert 0.3 < row[f"{kind}: score"] < 0.6
