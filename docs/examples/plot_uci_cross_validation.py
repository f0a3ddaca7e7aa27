"""
How far does a convex ReLU network get on ordinary tabular data?
================================================================

Four UCI sets that come with scikit-learn, each a regression (on the class label for
the first three). A pipeline standardises the inputs, chooses the penalty beta of a
two-layer ReLU network on five folds, and trains and certifies the network there. Ridge
regression and a tuned multilayer perceptron run beside it on the same split. The table
gives, for the chosen network, its objective, how far that can be from the optimum
over all networks, and its width.

The networks are free to use any activation patterns. The scope of their certificates
is "search": the bound is meant for every network of any width, and it is an estimate.
"""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, train_test_split
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from convexnn import ConvexReLURegressorCV
from convexnn.data.datasets import SHIPPED, load_shipped
from convexnn.plotting import RegularizationPathDisplay

FOLDS = KFold(5, shuffle=True, random_state=0)

# %%
# The three methods. Each is a scikit-learn estimator like any other; that of convexnn
# needs no grid, since its penalties are shares of the one that silences the network.


def fit_convex(X, y):
    """Choose beta on the folds, by descents, and train and certify the network.

    Of penalties within one standard error of the best, the largest is taken: it has the
    narrowest network.
    """
    network = ConvexReLURegressorCV(
        cv=FOLDS, betas=10, selection="one_se", n_jobs=2, random_state=0
    )
    return make_pipeline(StandardScaler(), network).fit(X, y)


def search_mlp(X, y):
    """Tune the weight decay of a perceptron of 100 units."""
    pipeline = make_pipeline(
        StandardScaler(), MLPRegressor(learning_rate_init=1e-2, random_state=0)
    )
    parameters = {
        "mlpregressor__alpha": [1e-2, 1.0, 10.0],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GridSearchCV(pipeline, parameters, cv=FOLDS, n_jobs=2).fit(X, y)


def fit_ridge(X, y):
    """Ridge regression with its penalty chosen by the same folds."""
    ridge = RidgeCV(alphas=np.logspace(-2, 4, 13), cv=FOLDS)
    return make_pipeline(StandardScaler(), ridge).fit(X, y)


# %%
# One line of the table per set.

HEADER = (
    f"{'set':14}{'n':>6}{'d':>4}{'beta':>9}{'/ beta_max':>12}"
    f"{'held-out R2: convex':>21}{'ridge':>8}{'MLP':>8}"
    f"{'objective':>12}{'gap':>10}{'neurons':>9}{'seconds':>9}"
)


def compare(name, axes):
    """Fit the three on one set, print its line, and draw its panels."""
    X, y = load_shipped(name)
    split = train_test_split(X, y, test_size=0.25, random_state=0)
    X_train, X_test, y_train, y_test = split
    started = time.perf_counter()
    convex = fit_convex(X_train, y_train)
    seconds = time.perf_counter() - started
    network = convex[-1]
    held_out = [
        model.score(X_test, y_test)
        for model in (convex, fit_ridge(X_train, y_train), search_mlp(X_train, y_train))
    ]
    print(
        f"{name:14}{X.shape[0]:6}{X.shape[1]:4}{network.beta_:9.3g}"
        f"{network.beta_ / network.beta_max_:12.3g}"
        f"{held_out[0]:21.3f}{held_out[1]:8.3f}{held_out[2]:8.3f}"
        f"{network.objective_:12.5g}{network.certificate_.relative_gap:10.1e}"
        f"{network.n_neurons_:9}{seconds:9.1f}",
        flush=True,
    )
    RegularizationPathDisplay.from_estimator(network, axes=axes, title=name)


# %%
# The error on the left-out rows, the width and the objective along the paths of the
# folds: from the penalty that silences the network down to where the error only rises.

if __name__ == "__main__":
    print(HEADER, flush=True)
    figure, panels = plt.subplots(
        3, len(SHIPPED), sharex="col", figsize=(12, 7), layout="constrained"
    )
    for set_name, column in zip(SHIPPED, panels.T, strict=True):
        compare(set_name, column)
    for row in panels[:, 1:]:
        for panel in row:
            panel.set_ylabel("")
    figure.savefig("uci_cross_validation.png", dpi=120)
    print("picture: uci_cross_validation.png")
