"""Ten classes of digits by one network, beside other classifiers.

On the 1,797 digits that scikit-learn ships, pixels divided by 16, five shuffled
stratified folds: held-out accuracy, neurons, gap and CPU seconds a fit of
ConvexReLUClassifier at several penalties, of logistic regression, a multilayer
perceptron of 100 units and a support vector classifier with RBF kernel.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC

from convexnn import ConvexReLUClassifier

from ..measures import fitted
from ..problems.sets import raw
from ..run import Part

SETTINGS = {"betas": (3.0, 1.0, 0.5, 0.2), "folds": 5, "rows": 1797}
QUICK = {"betas": (3.0,), "folds": 1, "rows": 400}

#: Gap to stop at, and accuracy that some penalty is to reach.
GAP, WANTED = 0.1, 0.98

PEERS = {
    "logistic regression, C = 1": LogisticRegression(max_iter=1000),
    "multilayer perceptron": MLPClassifier(max_iter=1000, random_state=0),
    "support vectors, C = 10": SVC(C=10),
}


def classifiers(options):
    """Yield classifiers by name."""
    ours = ConvexReLUClassifier(tol=GAP, random_state=0)
    for beta in options.betas:
        yield f"convexnn, beta = {beta:g}", clone(ours).set_params(beta=beta)
    yield from PEERS.items()


def measure(options, case, data):
    X, y = data[0] / 16, data[1].astype(int)
    X, y = X[: options.rows], y[: options.rows]
    model = dict(classifiers(options))[case["classifier"]]
    scores, seconds, found = [], [], []
    splits = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
    for _, (train, test) in zip(range(options.folds), splits, strict=False):
        seconds.append(fitted(model, X[train], y[train])[1])
        scores.append(model.score(X[test], y[test]))
        if hasattr(model, "certificate_"):
            found.append((model.n_neurons_, model.certificate_.relative_gap))
    row = {"accuracy": np.mean(scores), "of the worst fold": min(scores)}
    if found:
        neurons, gaps = zip(*found, strict=True)
        row |= {"neurons": np.mean(neurons), "gap": max(gaps)}
    return row | {"CPU s": np.mean(seconds)}


PARTS = {
    "multiclass_digits": Part(
        "classifier | accuracy @.4f | of the worst fold @.4f | neurons @.0f | gap @.1e"
        " | CPU s @.2f",
        measure,
        methods=lambda options: [
            {"classifier": name} for name, _ in classifiers(options)
        ],
        load=lambda options, case: raw("digits"),
    )
}


def about(options):
    return {"folds": options.folds, "tol": GAP}


def report(tables, options):
    rows = [x for x in tables["multiclass_digits"] if "convexnn" in x["classifier"]]
    best = max(row["accuracy"] for row in rows)
    yield "", [("best", "wanted"), (best, WANTED)]
