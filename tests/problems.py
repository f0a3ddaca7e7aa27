"""Problems that several test files solve, and values from fitted arrays alone."""

import numpy as np
from sklearn.preprocessing import scale


def standardised(load):
    """Return a set of scikit-learn with columns and (first) target standardised."""
    X, y = load(return_X_y=True)
    return scale(X), scale(y if y.ndim == 1 else y[:, 0])


def network_value(model, X):
    """Evaluate a network of two layers and one output from the fitted arrays alone."""
    (hidden, output), (bias, intercept) = model.coefs_, model.intercepts_
    values = X @ hidden + bias
    if model.activation == "relu":
        return np.maximum(values, 0) @ output[:, 0] + intercept[0]
    gates, biases = np.split(model.gates_, [X.shape[1]])
    active = X @ gates + biases.sum(axis=0) >= 0
    return (active * values) @ output[:, 0] + intercept[0]


def squares(model):
    """Return the sum of squares of all weights but the output intercept."""
    arrays = [*model.coefs_, model.intercepts_[0]]
    return sum(float(np.sum(array**2)) for array in arrays)


def network_objective(model, X, y, weights=None):
    """Evaluate the non-convex objective from the fitted arrays alone."""
    weights = np.ones(len(y)) if weights is None else weights
    loss = 0.5 * float(weights @ (network_value(model, X) - y) ** 2)
    return loss + 0.5 * model.beta * squares(model)
