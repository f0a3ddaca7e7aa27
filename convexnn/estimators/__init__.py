"""scikit-learn's side: parameters, validation, fitted attributes."""

from .convex_cnn import ConvexCNNRegressor
from .convex_cnn_cv import ConvexCNNRegressorCV
from .convex_relu import ConvexReLURegressor
from .convex_relu_classifier import ConvexReLUClassifier
from .convex_relu_classifier_cv import ConvexReLUClassifierCV
from .convex_relu_cv import ConvexReLURegressorCV
from .decoder import CenteredGDDecoder
from .paths import penalty_path, relu_path
from .three_layer import ThreeLayerConvexRegressor
from .three_layer_classifier import ThreeLayerConvexClassifier
from .three_layer_cv import ThreeLayerConvexClassifierCV, ThreeLayerConvexRegressorCV

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
    "penalty_path",
    "relu_path",
]
