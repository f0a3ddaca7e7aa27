"""What outputs mean: targets of a loss, and predictions and errors from outputs.

Everything that trains and judges a network of two layers goes by a coding: its
``settings`` name the loss, ``targets`` are what the loss compares with outputs, and
``errors`` are what cross-validation chooses by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.utils.class_weight import compute_class_weight

__all__ = ["LabelCoding", "NumberCoding", "class_weights"]


@dataclass(frozen=True)
class NumberCoding:
    """Numbers as targets: they stand for themselves.

    Attributes
    ----------
    loss : {"squared", "huber"}
        A name of :data:`~convexnn.programs.losses.LOSSES`.
    epsilon : float, default=None
        Of "huber".
    """

    loss: str
    epsilon: float | None = None

    @property
    def settings(self):
        """The loss of :class:`~convexnn.training.trainer.Trainer`."""
        return {"loss": self.loss, "epsilon": self.epsilon}

    def targets(self, y):
        """Return what the loss compares with outputs."""
        return y

    def errors(self, outputs, y, weights):
        """Return mean squared errors, over samples and targets, of several networks.

        Parameters
        ----------
        outputs : ndarray of shape (n, n_networks) or (n, q, n_networks)
            Outputs of each network.
        y : ndarray of shape (n,) or (n, q)
            Targets.
        weights : ndarray of shape (n,)
            Sample weights, not all zero.

        Returns
        -------
        ndarray of shape (n_networks,)
            Errors.
        """
        squares = (outputs - y[..., None]) ** 2
        if squares.ndim == 3:
            squares = squares.mean(axis=1)
        return np.average(squares, axis=0, weights=weights)


@dataclass(frozen=True)
class LabelCoding:
    """Labels as targets: -1 and 1, or a column for each of three and more classes.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        Labels in ascending order, at least two.
    loss : {"log_loss", "squared_hinge", "hinge"}
        The loss of two classes, and of each class against the rest, but for
        "log_loss", which is that of softmax probabilities for three classes and more.
    scoring : {"log_loss", "accuracy"}, default="accuracy"
        What errors are.
    """

    classes: np.ndarray
    loss: str
    scoring: str = "accuracy"

    @classmethod
    def of(cls, labels, weights, loss, **settings):
        """Return the coding of labels, refusing fewer than two of positive weight."""
        classes = np.unique(labels[weights > 0])
        if len(classes) < 2:
            names = ", ".join(map(str, classes))
            raise ValueError(
                "y must have at least 2 classes of positive weight, got "
                f"{len(classes)} class: {names}."
            )
        return cls(classes, loss, **settings)

    @property
    def is_binary(self):
        """Whether there are two classes, and one output."""
        return len(self.classes) == 2

    @property
    def settings(self):
        """The loss of :class:`~convexnn.training.trainer.Trainer`."""
        if self.loss == "log_loss" and not self.is_binary:
            return {"loss": "multinomial"}
        return {"loss": self.loss}

    def targets(self, labels):
        """Return what the loss compares with outputs.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Labels. Those that are no class here have no target: give them no weight.

        Returns
        -------
        ndarray of shape (n,) or (n, n_classes)
            -1 and 1 for two classes. For more a column each, of ones for the rows in
            the class, and otherwise of -1, or of 0 for the loss of probabilities.
        """
        if self.is_binary:
            return np.where(labels == self.classes[1], 1.0, -1.0)
        is_in = labels[:, None] == self.classes
        return np.where(is_in, 1.0, 0.0 if self.loss == "log_loss" else -1.0)

    def predict(self, outputs):
        """Return labels of outputs of shape (n,) or (n, n_classes), or one axis more.

        Of classes with equal outputs it is the first.
        """
        if self.is_binary:
            return self.classes[(outputs > 0).astype(int)]
        return self.classes[np.argmax(outputs, axis=1)]

    def log_probabilities(self, outputs):
        """Return logarithms of probabilities, with an axis for the classes at 1."""
        if self.is_binary:
            return np.stack([log_expit(-outputs), log_expit(outputs)], axis=1)
        return log_softmax(outputs, axis=1)

    def errors(self, outputs, labels, weights):
        """Return mean errors of several networks: log loss, or share of wrong labels.

        A probability below the machine epsilon of the outputs, as is that of a class
        that is not among the classes here, counts as that epsilon.

        Parameters
        ----------
        outputs : ndarray of shape (n, n_networks) or (n, n_classes, n_networks)
            Outputs of each network.
        labels : ndarray of shape (n,)
            Labels.
        weights : ndarray of shape (n,)
            Sample weights, not all zero.

        Returns
        -------
        ndarray of shape (n_networks,)
            Errors.
        """
        if self.scoring == "accuracy":
            losses = (self.predict(outputs) != labels[:, None]).astype(float)
        else:
            is_in = (labels[:, None] == self.classes)[..., None]
            chosen = np.where(is_in, self.log_probabilities(outputs), 0.0).sum(axis=1)
            least = np.log(np.finfo(outputs.dtype).eps)
            known = np.isin(labels, self.classes)[:, None]
            losses = -np.where(known, np.maximum(chosen, least), least)
        return np.average(losses, axis=0, weights=weights)


def class_weights(class_weight, labels, weights):
    """Return weights of the rows times those of their classes.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        Weights by label, 1 for those that are left out. "balanced" gives all classes
        the same total weight and leaves the sum as it is.
    labels : ndarray of shape (n,)
        Labels.
    weights : ndarray of shape (n,)
        Sample weights.

    Returns
    -------
    ndarray of shape (n,)
        Products.

    Raises
    ------
    ValueError
        If a class weight is negative or not finite, or a product overflows.
    """
    if class_weight is None:
        return weights
    classes, codes = np.unique(labels, return_inverse=True)
    if class_weight == "balanced":
        # Sums that do not depend on the order of the rows.
        totals = np.array([math.fsum(weights[codes == k]) for k in range(len(classes))])
        share = math.fsum(totals) / np.count_nonzero(totals)
        factors = np.divide(share, totals, where=totals > 0, out=np.zeros(len(totals)))
    else:
        factors = compute_class_weight(class_weight, classes=classes, y=classes)
        if not (np.isfinite(factors) & (factors >= 0)).all():
            raise ValueError(
                "class_weight must have finite, non-negative values, got "
                f"{class_weight!r}."
            )
    with np.errstate(over="ignore"):
        products = weights * factors[codes]
    if not np.isfinite(products).all():
        raise ValueError(
            "class_weight and sample_weight are too large together: their product "
            "overflows. Rescale one of them."
        )
    return products
