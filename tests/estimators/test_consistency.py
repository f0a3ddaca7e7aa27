"""The same parameter has the same meaning, words and default, or a reason not to."""

import inspect
from collections import defaultdict

import pytest
from numpydoc.docscrape import NumpyDocString
from sklearn.utils._testing import assert_docstring_consistency

import convexnn
from convexnn.estimators.paths import beta_grid

TWO_LAYERS = ("ConvexReLURegressor", "ConvexReLUClassifier")
CHOICES = ("ConvexReLURegressorCV", "ConvexReLUClassifierCV")
THREE_LAYERS = ("ThreeLayerConvexRegressor", "ThreeLayerConvexClassifier")
PUBLIC = (
    *(*TWO_LAYERS, *CHOICES, *THREE_LAYERS),
    *("ConvexCNNRegressor", "CenteredGDDecoder", "relu_path"),
)
OBJECTS = {name: getattr(convexnn, name) for name in PUBLIC} | {"beta_grid": beta_grid}

#: Defaults that differ from those of all others, and why.
OTHER_DEFAULTS = {
    # What predicts best differs with the network and the loss: see docs/defaults.rst.
    "beta_ratio": {"ConvexReLURegressor": 0.007, "ConvexReLUClassifier": 0.1},
    # Classes have other losses than numbers.
    "loss": {
        "ConvexReLUClassifier": "log_loss",
        "ConvexReLUClassifierCV": "log_loss",
        "ThreeLayerConvexClassifier": "log_loss",
    },
    # A choice trains many networks, and predictions hardly depend on their gap;
    # neighbours on a path are to be told apart by their objectives; the decoder's is
    # an accuracy of exact fits.
    "tol": {
        "ConvexReLURegressorCV": 0.1,
        "ConvexReLUClassifierCV": 0.1,
        "relu_path": 1e-3,
        "CenteredGDDecoder": 1e-12,
    },
    # A choice by descents ends with few rounds of a search; the decoder has iterations
    # of one start.
    "max_iter": {
        "ConvexReLURegressorCV": None,
        "ConvexReLUClassifierCV": None,
        "CenteredGDDecoder": 1000,
    },
    # A path is a picture, a grid for a search is not.
    "betas": {"relu_path": 100},
    "beta_min_ratio": {"relu_path": 1e-4},
    # Starts of the decoder are further ones.
    "n_restarts": {"CenteredGDDecoder": 10},
}

#: Descriptions that differ from those of all others, and why.
OTHER_WORDS = {
    # Says what it adapts to; the others refer to it.
    "beta_ratio": {"ConvexReLURegressor"},
    # What each can do with the programs it has.
    "solver": {
        *("ConvexReLURegressor", "ThreeLayerConvexRegressor", "ConvexCNNRegressor"),
        "CenteredGDDecoder",
    },
    # Blocks of three layers are no cells.
    "cells": {"ThreeLayerConvexRegressor"},
    "n_cells": {"ThreeLayerConvexRegressor"},
    # Losses of numbers and of classes.
    "loss": {"ConvexReLURegressor"},
    # Of many networks, of one, and of an exact fit.
    "tol": {"ConvexReLURegressorCV", "relu_path", "CenteredGDDecoder"},
    "max_iter": {
        *("ConvexReLURegressorCV", "relu_path", "CenteredGDDecoder"),
        "ConvexCNNRegressor",
    },
    "max_seconds": {"ConvexReLURegressorCV", "relu_path", "ConvexCNNRegressor"},
    # Folds here, starts there.
    "n_jobs": {"ConvexCNNRegressor"},
    "n_restarts": {"CenteredGDDecoder"},
    # What is printed, and drawn at random, differs.
    "verbose": {"ConvexReLURegressorCV", "ConvexCNNRegressor", "CenteredGDDecoder"},
    "random_state": {
        *("ConvexReLURegressorCV", "ConvexCNNRegressor", "CenteredGDDecoder"),
    },
}

#: Entries whose types name defaults that differ.
OTHER_TYPES = tuple(OTHER_DEFAULTS)


def defaults():
    """Return the defaults of every parameter by the names of what has it."""
    found = defaultdict(dict)
    for name, each in OBJECTS.items():
        for parameter in inspect.signature(each).parameters.values():
            if parameter.default is not parameter.empty:
                found[parameter.name][name] = parameter.default
    return {name: by for name, by in found.items() if len(by) > 1}


def entries():
    """Return the names of what describes a parameter in an entry of its own."""
    found = defaultdict(set)
    for name, each in OBJECTS.items():
        for entry in NumpyDocString(inspect.getdoc(each))["Parameters"]:
            found[entry.name].add(name)
    return found


SHARED = defaults()


@pytest.mark.parametrize("parameter", SHARED)
def test_a_parameter_has_one_default(parameter):
    others = OTHER_DEFAULTS.get(parameter, {})
    by = SHARED[parameter]
    assert {name: by[name] for name in others} == others
    common = {repr(by[name]) for name in by.keys() - others.keys()}
    assert len(common) <= 1
    assert not common & {repr(value) for value in others.values()}


@pytest.mark.parametrize("parameter", SHARED)
def test_a_parameter_is_described_in_the_same_words(parameter):
    excepted = OTHER_WORDS.get(parameter, set())
    names = entries()[parameter]
    assert excepted <= names
    alike = [OBJECTS[name] for name in sorted(names - excepted)]
    assert_docstring_consistency(
        alike, include_params=[parameter], ignore_types=OTHER_TYPES
    )


@pytest.mark.parametrize(
    ("attribute", "names"),
    [
        ("classes_", ("ConvexReLUClassifier", "ThreeLayerConvexClassifier")),
        ("beta_", CHOICES),
        ("betas_", CHOICES),
        ("n_features_in_", PUBLIC[:-1]),
        ("feature_names_in_", PUBLIC[:-1]),
    ],
)
def test_an_attribute_is_described_in_the_same_words(attribute, names):
    assert_docstring_consistency(
        [OBJECTS[name] for name in names], include_attrs=[attribute]
    )


@pytest.mark.parametrize("name", OBJECTS)
def test_every_parameter_is_described(name):
    documented = NumpyDocString(inspect.getdoc(OBJECTS[name]))["Parameters"]
    described = [one for entry in documented for one in entry.name.split(", ")]
    assert sorted(described) == sorted(inspect.signature(OBJECTS[name]).parameters)
