"""scikit-learn's side: parameters, validation, fitted attributes."""

from .convex_relu import ConvexReLURegressor

__all__ = ["ConvexReLURegressor"]
