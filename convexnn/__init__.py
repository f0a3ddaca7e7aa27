"""Small ReLU networks trained through convex optimisation, with a duality gap.

scikit-learn estimators whose fit ends with a network and a bound on how far its
objective is from the optimum. Importing the package loads no solver backend and no
plotting library.
"""

from .estimators import (
    CenteredGDDecoder,
    ConvexCNNRegressor,
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    ThreeLayerConvexClassifier,
    ThreeLayerConvexClassifierCV,
    ThreeLayerConvexRegressor,
    ThreeLayerConvexRegressorCV,
    relu_path,
)
from .training.certify import certify

__all__ = [
    "CenteredGDDecoder",
    "ConvexCNNRegressor",
    "ConvexReLUClassifier",
    "ConvexReLUClassifierCV",
    "ConvexReLURegressor",
    "ConvexReLURegressorCV",
    "ThreeLayerConvexClassifier",
    "ThreeLayerConvexClassifierCV",
    "ThreeLayerConvexRegressor",
    "ThreeLayerConvexRegressorCV",
    "__version__",
    "certify",
    "relu_path",
]

__version__ = "0.1.0"
