"""scikit-learn's side: parameters, validation, fitted attributes."""

from .convex_cnn import ConvexCNNRegressor
from .convex_relu import ConvexReLURegressor
from .convex_relu_classifier import ConvexReLUClassifier
from .convex_relu_classifier_cv import ConvexReLUClassifierCV
from .convex_relu_cv import ConvexReLURegressorCV
from .decoder import CenteredGDDecoder
from .relu_path import relu_path
from .three_layer import ThreeLayerConvexRegressor
from .three_layer_classifier import ThreeLayerConvexClassifier
from .three_layer_cv import ThreeLayerConvexClassifierCV, ThreeLayerConvexRegressorCV

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
    "relu_path",
]
