"""
How many samples does a filter take?
====================================

A convolutional network with one filter labels Gaussian inputs. From how many of them
can the filter be found again? B. Bartan and M. Pilanci ("Convex Relaxations of
Convolutional Neural Nets", ICASSP 2019) relax the problem to a linear program along a
random direction, and find a border between success and failure. This script finds the
filter with one fit, draws the border, and shows why the direction matters.
"""

# %%
# One filter, five patches
# ------------------------
# Each input of length 50 has five patches of length 10. The label is the sum of their
# rectified responses. Fourteen samples for ten weights are enough.

import numpy as np

from convexnn import ConvexCNNRegressor

rng = np.random.default_rng(0)
w = rng.standard_normal(10)


def draw(n, d, w):
    X = rng.standard_normal((n, d))
    patches = X.reshape(n, -1, len(w))
    return X, np.maximum(patches @ w, 0).sum(axis=1)


X, y = draw(14, 50, w)
model = ConvexCNNRegressor(filter_shape=10, random_state=0).fit(X, y)
print("recovered:", model.recovered_, "after", model.n_restarts_, "starts")
print(f"error: {np.linalg.norm(model.filter_ - w):.1e}")

# %%
# ``recovered_`` says that the residual is zero, which can be seen without knowing the
# filter. The filter is then a global minimum of the least squares.
#
# The direction
# -------------
# The linear program (9) of the paper has many feasible filters and returns the one that
# reaches furthest along a direction r. It is the one looked for if and only if r is in
# the cone (14), and a Gaussian direction seldom is.

from convexnn.filters import in_recovery_cone

X, y = draw(40, 10, w)
hits = [in_recovery_cone(X, w, rng.standard_normal(10)) for _ in range(200)]
print("random directions in the cone:", sum(hits), "of 200")
print("sum of labels times inputs:   ", in_recovery_cone(X, w, X.T @ y))

# %%
# That is why ``direction="data"``, the default, sums the patches times their labels.
# The random directions of the paper are ``direction="gaussian"``, and their pairs r, -r
# ``direction="antithetic"``. The naive relaxation, without a direction, is solved by
# the zero filter.
#
# The border
# ----------
# For each size, one draw and one fit; a dark cell is a failure.

from convexnn.plotting import PhaseTransitionDisplay

samples, dimensions = np.arange(10, 131, 10), np.arange(10, 61, 10)


def errors(k):
    found = np.ones((len(samples), len(dimensions)))
    for i, n in enumerate(samples):
        for j, d in enumerate(dimensions):
            w = rng.standard_normal(d // k)
            X, y = draw(n, d, w)
            model = ConvexCNNRegressor(filter_shape=d // k, random_state=0).fit(X, y)
            found[i, j] = np.linalg.norm(model.coef_ - w) / np.linalg.norm(w)
    return found


maps = {f"k = {k}": errors(k) for k in (1, 2, 5)}
PhaseTransitionDisplay(samples, dimensions, maps).plot()

# %%
# The more patches share the filter, the fewer samples it takes. The page
# :doc:`/convex_cnn` sets this beside random directions and gradient descent.
