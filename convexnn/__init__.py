"""Small ReLU networks trained through convex optimisation, with a duality gap.

scikit-learn estimators whose fit ends with a network and a bound on how far its
objective is from the optimum. Importing the package loads no solver backend and no
plotting library.
"""

from .estimators import (
    CenteredGDDecoder,
    ConvexCNNRegressor,
    ConvexCNNRegressorCV,
    ConvexReLUClassifier,
    ConvexReLUClassifierCV,
    ConvexReLURegressor,
    ConvexReLURegressorCV,
    ThreeLayerConvexClassifier,
    ThreeLayerConvexClassifierCV,
    ThreeLayerConvexRegressor,
    ThreeLayerConvexRegressorCV,
    penalty_path,
    relu_path,
)
from .training.certify import certify

__all__ = [
    "CenteredGDDecoder",
    "ConvexCNNRegressor",
    "ConvexCNNRegressorCV",
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
    "penalty_path",
    "relu_path",
]

__version__ = "0.1.0"
