r"""
What do networks tend to as the penalty vanishes?
=================================================

On labels that a network can separate, log loss has no minimiser: any network that
separates them does better when its output is multiplied by two. The talk's theorem,
"Unregularized Gradient Flow Converges to the Optimum of the Convex Program", says what
training without a penalty tends to all the same: for linearly separable X and log loss,
the gradient flow converges to the solution of

.. math::

    \min \sum_k \|u_k\|_2 + \|v_k\|_2 \quad \text{s.t.} \quad
    \mathrm{Diag}(y) \sum_k D_k X (u_k - v_k) \ge 1

over vectors in the cones of their cells: the network of *largest margin*. This script
solves that program over given cells, and follows the networks of log loss
with a falling penalty :math:`\beta` over the same cells towards it.
"""

import numpy as np

rng = np.random.default_rng(0)
corners = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]])
X = 2 * np.repeat(corners, 6, axis=0) + 0.6 * rng.standard_normal((24, 2))
y = np.repeat([1.0, -1.0], 12)
gates = rng.standard_normal((3, 12))

# %%
# The largest margin
# ------------------
# ``primal`` is the least sum of norms with all margins :math:`y_i f(x_i) \ge 1`,
# ``dual`` a bound from the multipliers, which are positive on the rows that support
# the margin.

from convexnn.training.max_margin import max_margin_network

limit = max_margin_network(X, y, gates)
print(limit.certificate)
print("neurons:", limit.network.n_neurons, " margin:", round(limit.margin, 4))
support = limit.multipliers > 1e-4 * limit.multipliers.max()
print("rows that support it:", support.sum(), "of", len(y))

# %%
# The path under log loss
# -----------------------
# Outputs grow as :math:`\log(1/\beta)`, so that directions are compared: outputs
# divided by their norm, and the sum of the norms divided by the smallest margin.

from convexnn.data.samples import collect_samples
from convexnn.solvers import select_backend
from convexnn.training.trainer import Trainer

samples = collect_samples(X, y, loss="log_loss")
backend = select_backend("auto", {"cones"})
trainer = Trainer(samples, backend, loss="log_loss", cells=gates)
betas = np.logspace(0, -3, 13)
networks, start = [], None
for beta in betas:
    start = trainer.train(beta, start=start).network
    networks.append(start)


def direction(network):
    output = network.predict(X)
    return output / np.linalg.norm(output)


distances, excesses = [], []
for network in networks:
    distances.append(np.linalg.norm(direction(network) - direction(limit.network)))
    margin = (y * network.predict(X)).min()
    excesses.append(0.5 * network.penalty() / margin / limit.certificate.primal - 1)

# %%
# Boundaries of a large and a small penalty, and of the limit, with the lines of output
# -1, 0 and 1 times the smallest margin. Circles mark the rows that support the limit.

import matplotlib.pyplot as plt

figure, panels = plt.subplots(1, 3, figsize=(9, 3.3), sharey=True, layout="constrained")
side = np.linspace(-3.6, 3.6, 161)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
shown = {
    f"beta = {betas[0]:g}": networks[0],
    f"beta = {betas[-1]:g}": networks[-1],
    "largest margin": limit.network,
}
for axes, (title, network) in zip(panels, shown.items(), strict=True):
    margin = (y * network.predict(X)).min()
    output = (network.predict(grid) / margin).reshape(161, 161)
    levels = [-np.inf, -1, 0, 1, np.inf]
    colors = ["#6baed6", "#deebf7", "#fee6ce", "#fd8d3c"]
    axes.contourf(side, side, output, levels=levels, colors=colors)
    axes.contour(side, side, output, levels=[0], colors="0.2", linewidths=1)
    for label, colour in ((1, "#a63603"), (-1, "#08519c")):
        axes.plot(*X[y == label].T, "o", ms=4, color=colour)
    if network is limit.network:
        axes.plot(*X[support].T, "o", ms=9, mfc="none", color="0.2")
    axes.set(title=title, aspect="equal")

# %%
# Both distances to the limit fall, but slowly: since outputs grow as
# :math:`\log(1/\beta)`, the distance goes as :math:`1 / \log(1/\beta)` in the
# end. The program reaches in one go what the path takes so long to approach.

figure, axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
axes.plot(betas, distances, "o-", ms=4, label="distance of directions")
axes.plot(betas, excesses, "s-", ms=4, label="norm per margin above the least")
pace = 1 / np.log(1 / betas[betas < 0.2])
axes.plot(betas[betas < 0.2], 0.25 * pace, "k:", label="a quarter of 1 / log(1 / beta)")
axes.set(xscale="log", yscale="log", xlabel="beta")
axes.invert_xaxis()
axes.grid(alpha=0.3, which="both")
axes.legend(frameon=False)
plt.show()
