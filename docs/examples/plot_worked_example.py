"""
Which program trains a network on three points?
===============================================

A two-layer ReLU network on three points of the plane is a convex program with three
pairs of vectors. This script writes that program down, draws what its parts mean,
solves it, and bounds the result against *every* network of any width. The points are
those of the worked example in M. Pilanci's talk "The Hidden Convex Optimization
Landscape of Deep Neural Networks".
"""

import numpy as np

X = np.array([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]])

# %%
# The activation patterns
# -----------------------
# A hidden unit with weights :math:`u` is active on the points where
# :math:`x_i^\top u \ge 0`. Few combinations are possible: the first two points are
# multiples of each other, so no unit tells their signs apart, and two lines through the
# origin cut the plane into four cells.

from convexnn.programs.cells import count_bound, enumerate_cells

cells = enumerate_cells(X)
for pattern in cells.patterns.T:
    print(tuple(pattern.astype(int).tolist()))
print("bound for two lines in the plane:", count_bound(n_rows=2, rank=2))

# %%
# The bound counts four patterns and three are listed. The fourth is (0, 0, 0), the one
# that the talk calls :math:`D_3`: a unit there is active nowhere, so that its output on
# the data is zero whatever its weights, and the penalty makes these zero as well. It
# contributes nothing and is left out.

from convexnn.plotting import ArrangementDisplay

ArrangementDisplay.from_rows(X)

# %%
# The program
# -----------
# Inside one cell a unit is *linear*: :math:`(X u)_+ = D X u` with the pattern on the
# diagonal of :math:`D`. What remains of the network is a least-squares problem in one
# pair of vectors per cell, u for positive and v for negative output weights.

names = {(1, 1, 1): "D_1", (1, 1, 0): "D_2", (0, 0, 1): "D_4"}
patterns = {tuple(p): np.diag(p) for p in cells.patterns.T.astype(int).tolist()}

print("minimise   1/2 || sum of the blocks below - y ||^2 + beta * sum of the norms\n")
for k, (pattern, name) in enumerate(names.items(), start=1):
    rows = [f"x_{i}'" if active else "0" for i, active in enumerate(pattern, start=1)]
    print(f"{name} X (u_{k} - v_{k})  =  [{'; '.join(rows)}] (u_{k} - v_{k})")
    print("\n".join(f"    {row}" for row in str(patterns[pattern] @ X).split("\n")))

print("\nsubject to, for u_k and v_k alike,\n")
for k, pattern in enumerate(names, start=1):
    signs = [f"x_{i}'u_{k} {'>=' if on else '<='} 0" for i, on in enumerate(pattern, 1)]
    print("   ", ",  ".join(signs))

# %%
# The talk's slide shows the same three blocks, with a misprint: the last entry of its
# third block reads :math:`x_2^\top`, where :math:`D_4 = \mathrm{diag}(0, 0, 1)` leaves
# :math:`x_3^\top`. Two more details differ. The slide writes the constraints as
# :math:`D X u \ge 0`, for the active rows; what is needed, and used here, is the whole
# cone :math:`(2 D - I) X u \ge 0`, since a unit of :math:`D_2` must also be inactive on
# :math:`x_3`. And the slide has no factors of one half; :doc:`/theory` converts its
# :math:`\lambda`.
#
# The network
# -----------
# The targets ask for a positive output on the first two points and for a negative one
# on the third. ``cells="all"`` lists all the cells, and ``tol`` is the relative duality
# gap to reach.

from convexnn import ConvexReLURegressor

y = np.array([1.0, 2.0, -1.0])
model = ConvexReLURegressor(beta=0.1, cells="all", fit_intercept=False, tol=1e-6)
model.fit(X, y)

for w, a in zip(model.coefs_[0].T, model.coefs_[1][:, 0], strict=True):
    print(f"w = ({w[0]:+.4f}, {w[1]:+.4f})   a = {a:+.4f}")
print("predictions", model.predict(X).round(4))

# %%
# In the picture a unit is the vector :math:`u = w\,|a|` of the program.

ArrangementDisplay.from_estimator(model, X, y=y)

# %%
# All units lie on two rays, and both rays are borders between cells. A unit on a border
# belongs to the cells on both sides, so the program may split it into two pieces of the
# same direction (up to the accuracy of the solver), which together are one neuron: the
# talk's "up to permutation and neuron splitting". Neither the predictions nor the
# objective depend on how it is split.
#
# The certificate
# ---------------
# The lower bound comes from the dual problem. Its scope is "all": the listed cells are
# the whole arrangement, so no two-layer ReLU network of any width has an objective
# below ``dual``.

certificate = model.certificate_
print(f"objective of the network   {certificate.primal:.8f}")
print(f"bound for every network    {certificate.dual:.8f}")
print(f"scope                      {certificate.scope}")

# %%
# The objective is that of the network itself, weight decay on both layers included:

W, a = model.coefs_
residual = np.maximum(X @ W, 0) @ a[:, 0] - y
weight_decay = np.sum(W**2) + np.sum(a**2)
print(f"{0.5 * residual @ residual + 0.5 * model.beta * weight_decay:.8f}")
