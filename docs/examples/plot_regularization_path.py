"""
How wide a network do the data call for?
========================================

The penalty beta decides: above ``beta_max`` the network is zero, and below it units
appear as they pay. This example follows the path downwards on the diabetes data,
chooses beta by cross-validation, and looks at how a single fit converged. Every network
here is searched for over the cells of all networks; the lower bound, and so the gap, is
an estimate.
"""

from sklearn.datasets import load_diabetes
from sklearn.preprocessing import StandardScaler, scale

from convexnn import ConvexReLURegressor, ConvexReLURegressorCV, relu_path
from convexnn.plotting import ConvergenceDisplay, RegularizationPathDisplay

X, y = load_diabetes(return_X_y=True)
X, y = StandardScaler().fit_transform(X), scale(y)

# %%
# One path
# --------
# Each network starts from the one before, at the next larger penalty, and is trained to
# a relative gap of 1e-3.

path = relu_path(X, y, betas=9, beta_min_ratio=0.03, random_state=0)
print(f"{'beta':>8} {'objective':>10} {'neurons':>8} {'gap':>8}")
for row in zip(path.betas, path.objectives, path.n_neurons, path.gaps, strict=True):
    print("{:8.2f} {:10.3f} {:8d} {:8.1e}".format(*row))

RegularizationPathDisplay.from_path(path, title="diabetes")

# %%
# Which penalty predicts best
# ---------------------------
# The paths of three folds, and the error on the fold that each left out. Below some
# penalty the error hardly changes, while the networks grow. The rule of one standard
# error takes the largest penalty that the data cannot tell from the best.

model = ConvexReLURegressorCV(
    betas=path.betas, cv=3, selection="one_se", random_state=0
).fit(X, y)
best = model.betas_[model.mse_path_.mean(axis=1).argmin()]
print(f"smallest error at beta = {best:.3g}; chosen: {model.beta_:.3g}")
print(f"{model.n_neurons_} neurons, {model.certificate_}")

RegularizationPathDisplay.from_estimator(model, title="diabetes, three folds")

# %%
# How a fit converged
# -------------------
# The objective of the network falls, the bound rises, and the fit ends when they meet
# up to ``tol``.

network = ConvexReLURegressor(beta=best, random_state=0)
ConvergenceDisplay.from_estimator(
    network.fit(X, y), title=f"diabetes, beta = {best:.3g}"
)
