"""
How many ratings tell what a user likes?
========================================

A neural recommendation model adds a feature of the user to features of the films and
sends the sum through ReLU: the first layer of such a model, with weights
:math:`M = [M_u\\ M_v]`, turns the representations :math:`u` of a user and
:math:`v_i` of a film into :math:`M_u u + M_v v_i`, and the sum of its positive parts
is the rating,

.. math::

    y_i = \\sum_k \\max(w_k + x_{ik}, 0),
    \\qquad w = M_u u, \\quad x_i = M_v v_i.

The films are known and the user is not. This is the setting of S. Oymak and M. S. Asif,
"Exactly Decoding a Vector through ReLU Activation": from ratings of known films, decode
:math:`w`, and predict every other rating.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV

from convexnn import CenteredGDDecoder
from convexnn.decoding import encode
from convexnn.plotting import DecodingDisplay

# Descents that need too many iterations are part of the picture.
warnings.simplefilter("ignore", ConvergenceWarning)
rng = np.random.default_rng(0)
n_units, n_films = 64, 1000

# %%
# A made-up catalogue
# -------------------
# 64 hidden units; films have 80 features, a few of which matter more than the rest, and
# the hidden features of the users lie between -1 and 1.

film_features = rng.standard_normal((n_films, 80)) * np.geomspace(2.0, 0.5, 80)
M_v = rng.standard_normal((80, n_units)) / np.sqrt(20)
films = film_features @ M_v
user = rng.uniform(-1, 1, n_units)
ratings = encode(films, user)
print(f"ratings from {ratings.min():.1f} to {ratings.max():.1f}")

# %%
# Exact ratings
# -------------
# One vector of 64 numbers fits 64 ratings, give or take. How many more does it need?
# ``theta`` says that no hidden feature of a user exceeds 1. Beside the default solver
# runs the paper's own iteration, centred gradient descent.

counts = np.array([64, 70, 77, 90, 115, 130, 160])


def errors_of(**parameters):
    """Return the relative recovery error by number of ratings, for four users."""
    errors = np.empty((4, len(counts)))
    for k in range(len(errors)):
        one = rng.uniform(-1, 1, n_units)
        for j, n in enumerate(counts):
            seen = rng.permutation(n_films)[:n]
            model = CenteredGDDecoder(theta=1.0, random_state=0, **parameters)
            model.fit(films[seen], encode(films[seen], one))
            errors[k, j] = np.sum((model.coef_ - one) ** 2) / np.sum(one**2)
    return errors


ratios = counts / n_units
found = {
    "newton, the default": (ratios, errors_of()),
    "centred descent": (ratios, errors_of(solver="centered_gd", max_iter=2000)),
}
DecodingDisplay.from_recovery(found, title="mean and range over four users")

# %%
# The default gets there with hardly more ratings than unknowns: it solves a problem of
# least squares over the box in each iteration, and starts anew when it ends with an
# error. ``is_exact_`` tells: a loss of zero is seen without knowing the user.
#
# Why centre?
# -----------
# Ratings are positive, so that all residuals have a common part, which the paper's
# iteration takes out. Plain gradient descent has to work it off with small steps.

seen = rng.permutation(n_films)[:160]
models = {
    "plain descent": {"solver": "centered_gd", "centered": False, "max_iter": 5000},
    "centred descent": {"solver": "centered_gd", "max_iter": 5000},
    "with momentum": {"solver": "nesterov", "max_iter": 5000},
    "newton": {"solver": "newton"},
}
for name, parameters in models.items():
    models[name] = CenteredGDDecoder(theta=1.0, random_state=0, tol=1e-8, **parameters)
    models[name].fit(films[seen], ratings[seen])
DecodingDisplay.from_estimator(models, title="one user, 160 ratings")

# %%
# Ratings with noise
# ------------------
# Users do not rate by formula. With errors of a tenth of the spread of the ratings, the
# decoder still predicts those of films that the user has not seen. Ridge regression on
# the hidden features of the films, which knows nothing of the encoder, is far behind.

noisy = ratings + 0.1 * ratings.std() * rng.standard_normal(n_films)
sizes = (100, 130, 200, 400)
scores = {"decoder": [], "ridge": []}
order = rng.permutation(n_films)
for n in sizes:
    train, test = order[:n], order[500:]
    decoder = CenteredGDDecoder(theta=1.0, random_state=0).fit(
        films[train], noisy[train]
    )
    ridge = RidgeCV(np.logspace(-3, 3, 25)).fit(films[train], noisy[train])
    scores["decoder"].append(decoder.score(films[test], ratings[test]))
    scores["ridge"].append(ridge.score(films[test], ratings[test]))

figure, axes = plt.subplots(layout="constrained", figsize=(5, 3.5))
for name, values in scores.items():
    axes.plot(sizes, values, marker="o", label=name)
    print(f"{name:8s}", *(f"{value:.3f}" for value in values))
axes.set(
    xlabel="ratings", ylabel="R² on unseen films", title="noise of 10 % of the spread"
)
axes.grid(alpha=0.3)
axes.legend(frameon=False)
