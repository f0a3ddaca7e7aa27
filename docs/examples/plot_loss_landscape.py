"""
What does the objective look like around a trained network?
===========================================================

A network has far more weights than a picture has axes, but a plane through trained
networks shows two things: how sharp the valley is that a network lies in, and what
stands between two networks. Here are three-layer networks from the convex program over
a few sampled blocks, and from a search over all.
"""

import numpy as np

from convexnn import ThreeLayerConvexRegressor
from convexnn.plotting import LossLandscapeDisplay

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 2))
y = np.maximum(np.abs(X[:, 0]) - np.abs(X[:, 1]), 0) - 0.5 * np.maximum(X[:, 1], 0)

# %%
# A plane through one network
# ---------------------------
# The directions are random; every unit's weights in them have the norm that they have
# in the network, so that one unit of length is a change as large as the weights
# themselves.

search = ThreeLayerConvexRegressor(4, beta=0.1, tol=1e-3, random_state=0).fit(X, y)
print(f"{search.n_neurons_} sub-networks, {search.certificate_}")

display = LossLandscapeDisplay.from_estimator(
    search, X, y, random_state=0, title="around the network that was searched"
)
print(f"non-convex at {100 * display.nonconvex_share:.0f} % of the points")

# %%
# A plane through three networks
# ------------------------------
# Two fits over ten sampled blocks each end above the search. The order of units does
# not change a network, so they are matched to those of the first before the plane is
# drawn. A wall is how far the objective rises on the straight line between two.

networks = {"searched": search}
for seed in (1, 2):
    model = ThreeLayerConvexRegressor(
        4, beta=0.1, cells="sampled", n_cells=10, tol=1e-3, random_state=seed
    )
    networks[f"sampled {seed}"] = model.fit(X, y)

for name, model in networks.items():
    print(f"{name:10} objective {model.objective_:.4f}")

display = LossLandscapeDisplay.from_networks(networks, X, y, beta=0.1)
for pair, wall in display.walls.items():
    print(f"{pair[0]} to {pair[1]}: a wall of {wall:.4f}")
