"""scikit-learn's side: parameters, validation, fitted attributes."""

from .convex_relu import ConvexReLURegressor
from .convex_relu_cv import ConvexReLURegressorCV

__all__ = ["ConvexReLURegressor", "ConvexReLURegressorCV"]
