"""Table 1 of the three-layer paper: six UCI sets, seven hidden units, beta = 0.1.

Every method trains the problem of the paper (eq. 4, no biases), with the features as
the collection standardised them and raw.

"objectives", over all rows: the best of five starts of L-BFGS, Adam and SGD. SGD is
plain, of batches of an eighth of the rows. The step of SGD is the best of seven by the
final objective of a whole run from the first start, that of Adam the best of five by
that of a quarter of a run; both fall to a tenth after 70 % of the run and to a
hundredth after 90 %. The sampled convex program has 30 blocks, each with both signs.

"errors": mean of the squared errors on the tenth left out, over the same ten splits for
all. SGD has ten sub-networks, the step chosen on the training rows with the paper's
beta, and that beta, or one by cross-validation as the search has.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from sklearn.model_selection import GridSearchCV, KFold

from convexnn import ThreeLayerConvexRegressor

from ..measures import fitted, timed
from ..methods.three_layer import adam, best_of, lbfgs, minibatch_sgd, tuned_step
from ..pictures import grid, legend_above
from ..problems.sets import raw
from ..run import Part
from ..tables import as_table, grouped

BETA, N_UNITS = 0.1, 7

#: Training objectives, then test errors, of SGD and of the convex program in the
#: paper's table.
PAPER = {
    "acute-inflammation": (0.0029, 0.0013, 0.0224, 0.0217),
    "acute-nephritis": (0.0039, 0.0021, 0.0198, 0.0192),
    "balloons": (0.7901, 0.6695, 0.2693, 0.1496),
    "breast-tissue": (0.5219, 0.3979, 1.4082, 1.0377),
    "fertility": (0.125, 0.1224, 0.3551, 0.5050),
    "pittsburg-bridges-span": (0.1723, 0.1668, 1.4373, 1.3112),
}
SCALINGS = {
    **{"standardised": "classification/", "raw": "classification_raw/"},
    "shipped": "",
}

OURS, SAMPLED, PEER, SGD = "convexnn", "sampled", "L-BFGS K=100", "SGD K=10"

SETTINGS = {
    "parts": ("objectives", "errors"),
    "scaling": ("standardised", "raw"),
    "sets": tuple(PAPER),
    "steps": 2000,  # of Adam; L-BFGS has twice as many
    "epochs": 1000,  # of SGD; half as many for errors
    "starts": 5,
    "splits": 10,
    "rows": 0,  # 0 for all
    "features": 0,
    "betas": (0.1, 1.0, 5.0),  # of the cross-validation
}
QUICK = {
    **{"scaling": ("shipped",), "sets": ("wine",), "rows": 9},
    **{"steps": 20, "epochs": 5, "starts": 1, "splits": 1},
    **{"features": 2, "betas": (5.0, 20.0)},
}
CHOICES = {"parts": SETTINGS["parts"], "scaling": tuple(SCALINGS)}

#: Folds of the cross-validation, and rounds and gap of its fits.
FOLDS = KFold(3, shuffle=True, random_state=0)
VALIDATED = {"max_iter": 1, "tol": 0.01}


def ours(X, y, **settings):
    """Return our estimator, fitted, and CPU seconds."""
    settings = {"beta": BETA} | settings
    model = ThreeLayerConvexRegressor(
        N_UNITS, fit_intercept=False, random_state=0, **settings
    )
    return fitted(model, X, y)


def objectives(X, y, options):
    """Yield a row for each method."""
    steps, epochs = options.steps, options.epochs
    for name, method, K, length, tried in (
        ("L-BFGS K=10", lbfgs, 10, 2 * steps, None),
        (PEER, lbfgs, 100, 2 * steps, None),
        # What a short run of SGD says of a step does not hold for a long one.
        ("Adam K=100", adam, 100, steps, steps // 4),
        (SGD, minibatch_sgd, 10, epochs, epochs),
    ):
        settings, row = [length], {"method": name}
        if tried is not None:
            settings.append(tuned_step(method, X, y, (N_UNITS, K), tried, beta=BETA))
            row["setting"] = f"step {settings[1]:g}"
        data = X, y, (N_UNITS, K), options.starts
        value, *_, seconds = best_of(method, *data, *settings, beta=BETA)
        yield row | {"value": value, "seconds": seconds}
    for name, settings in ((SAMPLED, {"cells": "sampled", "n_cells": 30}), (OURS, {})):
        model, seconds = ours(X, y, **settings)
        network = model.network_.objective(X, y, BETA)
        yield {
            **{"method": name, "value": model.objective_, "seconds": seconds},
            "gap": model.certificate_.relative_gap,
            "reconstruction": abs(network / model.objective_ - 1),
        }


def errors(X, y, options):
    """Yield a row for each method, over the same ten splits."""
    splits = list(KFold(10, shuffle=True, random_state=0).split(X))
    n_epochs = options.epochs // 2
    methods = {
        "SGD, beta=0.1": lambda A, b: _sgd(A, b, n_epochs, (BETA,)),
        "SGD": lambda A, b: _sgd(A, b, n_epochs, options.betas),
        OURS: lambda A, b: _validated_ours(A, b, options.betas),
    }
    for name, method in methods.items():
        found = []
        for train, test in splits[: options.splits]:
            (predict, beta), seconds = timed(method, X[train], y[train])
            error = np.mean((predict(X[test]) - y[test]) ** 2)
            found.append((error, beta, seconds))
        error, beta, seconds = np.array(found).T
        yield {
            **{"method": name, "value": error.mean(), "seconds": seconds.mean()},
            "setting": f"median beta {np.median(beta):g}",
        }


def _sgd(X, y, n_epochs, betas):
    """Return how SGD's network predicts, and the beta chosen of some."""
    size = N_UNITS, 10
    step = tuned_step(minibatch_sgd, X, y, size, n_epochs, beta=BETA)

    def fit(X, y, beta):
        settings = 1, n_epochs, step
        _, flat, point, _ = best_of(minibatch_sgd, X, y, size, *settings, beta=beta)
        return lambda new: flat.predict(point, new)

    missed = dict.fromkeys(betas, 0.0)
    if len(betas) > 1:
        for train, test in FOLDS.split(X):
            for beta in betas:
                residual = fit(X[train], y[train], beta)(X[test]) - y[test]
                missed[beta] += np.sum(residual**2)
    beta = min(missed, key=missed.get)
    return fit(X, y, beta), beta


def _validated_ours(X, y, betas):
    model = ThreeLayerConvexRegressor(
        N_UNITS, fit_intercept=False, random_state=0, **VALIDATED
    )
    search = GridSearchCV(
        model, {"beta": betas}, cv=FOLDS, scoring="neg_mean_squared_error"
    ).fit(X, y)
    return search.predict, search.best_params_["beta"]


def problems(options):
    # The first fit of a process also loads the conic solver.
    ours(np.eye(4, 2), np.arange(4.0), cells="sampled")
    for part, scaling, name in product(options.parts, options.scaling, options.sets):
        yield {"part": part, "scaling": scaling, "set": name}


def measure(options, case, _):
    X, y = raw(SCALINGS[case["scaling"]] + case["set"], options.data)
    part = objectives if case["part"] == "objectives" else errors
    rows = slice(None, None, len(y) // (options.rows or len(y)))
    return part(X[rows, : options.features or None], y[rows], options)


PARTS = {
    "three_layer_uci": Part(
        "part | set | scaling | method | value | seconds | gap | reconstruction"
        " | setting",
        measure,
        problems,
    )
}


def about(options):
    return {"beta": BETA, "n_units": N_UNITS}


def report(tables, options):
    """Yield a line a set and scaling, the paper's figures last.

    Ratios are those of the search, or of the paper's convex program, to SGD.
    """
    paper = ("paper's SGD", "paper's convex", "paper's ratio")
    for part in SETTINGS["parts"]:
        rows = [row for row in tables["three_layer_uci"] if row["part"] == part]
        if not rows:
            continue
        methods, cases = grouped(rows, "method"), grouped(rows, "scaling", "set")
        lines = []
        order = [key for key in product(SCALINGS, (*PAPER, "wine")) if key in cases]
        for scaling, name in order:
            found = {row["method"]: row for row in cases[scaling, name]}
            sgd = found[SGD if part == "objectives" else "SGD"]["value"]
            line = {"set": name, "scaling": scaling}
            line["ratio"] = found[OURS]["value"] / sgd
            line |= {method: _cell(found[method], part) for method in methods}
            if name in PAPER:
                at = 2 * (part == "errors")
                a, b = PAPER[name][at : at + 2]
                line |= dict(zip(paper, (a, b, f"{b / a:.3f}"), strict=True))
            lines.append(line)
        columns = ["set", "scaling", *methods, "ratio @.3f", *paper]
        yield f"three_layer_uci_{part}", as_table(" | ".join(columns), lines)


def _cell(row, part):
    if part == "errors":
        return f"{row['value']:.4f}"
    return f"{row['value']:.5g} ({row['seconds']:.1f})"


def draw(tables, options):
    """Draw each method's objective above the best of its set."""
    rows = [row for row in tables["three_layer_uci"] if row["part"] == "objectives"]
    if not rows:
        return None
    scalings, methods = grouped(rows, "scaling"), grouped(rows, "method")
    figure, (panels,) = grid(1, len(scalings), panel=(4.5, 3.8), sharey=True)
    for axes, (scaling, found) in zip(panels, scalings.items(), strict=True):
        names = grouped(found, "set")
        for j, method in enumerate(methods):
            at, above = [], []
            for k, group in enumerate(names.values()):
                values = {x["method"]: x["value"] for x in group}
                if method in values:
                    at.append(k + 0.1 * (j - 0.5 * len(methods)))
                    above.append(max(values[method] / min(values.values()) - 1, 1e-5))
            axes.plot(at, above, "D" if method == OURS else "o", label=method, ms=5)
        axes.set(yscale="log", title=f"{scaling} features")
        short = [name.replace("pittsburg-", "") for name in names]
        axes.set_xticks(range(len(names)), short, rotation=35, ha="right")
        axes.grid(axis="y", lw=0.4)
    panels[0].set_ylabel("objective above the best, relative")
    legend_above(figure, panels[0])
    return figure


PICTURES = {"three_layer_uci": draw}
