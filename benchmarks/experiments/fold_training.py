"""What judges a penalty on the folds: descents beside certified paths.

On the training rows of the first split of ``uci``, the estimators that choose their
penalty are fitted twice, with ``fold_training="descent"`` and ``"certified"``, over
the same ten penalties down to 0.003 of beta_max and three folds, to gaps of 0.1. The
table has the penalties chosen, as shares of beta_max, the scores on the test rows, and
CPU seconds; the picture the errors on the left-out rows along both kinds of paths.
"""

from __future__ import annotations

from sklearn.preprocessing import StandardScaler

import convexnn

from ..measures import fitted
from ..methods.tuned import INNER, folds_of
from ..pictures import grid
from ..problems.sets import labelled, present
from ..run import Part
from ..tables import grouped
from .uci import split_rows

SETTINGS = {
    # Sets on which certified folds end in reasonable time.
    "sets": (
        *("yacht", "energy", "diabetes", "ionosphere", "blood"),
        *("breast-cancer-wisc-diag", "statlog-vehicle", "statlog-german-credit"),
    ),
    "betas": 10,
    "smallest": 3e-3,  # share of beta_max
}
QUICK = {"sets": ("diabetes",), "betas": 3, "smallest": 0.1}
KINDS = ("descent", "certified")


def measure(options, case, _):
    X, y, is_regression = labelled(case["set"], options.data)
    train, test = split_rows(y, is_regression, 0)
    X = StandardScaler().fit(X[train]).transform(X)
    if is_regression:
        y = (y - y[train].mean()) / y[train].std()
    name = f"ConvexReLU{'Regressor' if is_regression else 'Classifier'}CV"
    row = {}
    for kind in KINDS:
        model = getattr(convexnn, name)(
            betas=options.betas,
            beta_min_ratio=options.smallest,
            patience=None,
            fold_training=kind,
            cv=folds_of(is_regression),
            random_state=0,
        )
        _, seconds = fitted(model, X[train], y[train])
        row[f"{kind}: share"] = model.beta_ / model.beta_max_
        row[f"{kind}: score"] = model.score(X[test], y[test])
        row[f"{kind}: s"] = seconds
        path = model.mse_path_ if is_regression else model.error_path_
        shares = model.betas_ / model.betas_[0]
        for share, error in zip(shares, path.mean(axis=1), strict=True):
            point = {"kind": kind, "share": share, "error": error}
            yield "fold_training_paths", point | {"regression": int(is_regression)}
    yield row


PARTS = {
    "fold_training": Part(
        "set | "
        + " | ".join(f"{k}: share @.2g | {k}: score @.3f | {k}: s @.2f" for k in KINDS),
        measure,
        lambda options: [{"set": x} for x in present(options.sets, options.data)],
        beside={
            "fold_training_paths": "set | regression | kind | share @.6g | error @.6g"
        },
    )
}


def about(options):
    return {"folds": INNER, "tol": 0.1}


def draw(tables, options):
    rows = tables["fold_training"]
    paths = grouped(tables["fold_training_paths"], "set", "kind")
    n_rows = min(len(rows), 2)
    figure, panels = grid(n_rows, -(-len(rows) // n_rows), panel=(3, 2.6))
    for axes, row in zip(panels.flat, rows, strict=False):
        for kind, style in zip(KINDS, ("o-", "s--"), strict=True):
            path = paths[row["set"], kind]
            points = [x["share"] for x in path], [x["error"] for x in path]
            (line,) = axes.plot(*points, style, ms=4, lw=1.2, label=kind)
            axes.axvline(row[f"{kind}: share"], color=line.get_color(), lw=0.8, ls=":")
        if not path[0]["regression"]:
            axes.set_ylim(top=1.05 * points[1][0])
        axes.set(title=row["set"], xscale="log", xlabel=r"$\beta / \beta_{\max}$")
    panels.flat[0].legend(fontsize=8)
    panels.flat[0].set_ylabel("error on left-out rows")
    return figure


PICTURES = {"fold_training": draw}
