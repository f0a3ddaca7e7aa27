"""Regularisation paths: networks from the penalty that silences them downwards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_array, check_random_state

from ..networks.network import Network
from ..programs.certificate import Certificate
from ..solvers.time_limit import is_out_of_time
from .trainer import Trained, Trainer

__all__ = ["NetworkPath", "choose_betas", "seed_of", "trace"]


@dataclass(frozen=True)
class NetworkPath:
    """Networks along a path of penalties.

    Attributes
    ----------
    betas : ndarray of shape (n_betas,)
        Penalties in descending order.
    networks : tuple of Network
        The network of each penalty, in float64.
    certificates : tuple of Certificate
        Objective and dual bound of each network, and what the bound holds over.
    gaps : ndarray of shape (n_betas,)
        Relative duality gaps, (primal - dual) / primal, before any cut to
        `max_neurons`.
    seconds : ndarray of shape (n_betas,)
        CPU seconds of the process that each network took.
    tol : float
        Bound on the gaps that was asked for.
    n_features : int or None
        Number of features of the inputs, None if that is not known.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from convexnn import relu_path
    >>> X, y = load_diabetes(return_X_y=True)
    >>> path = relu_path(X, y, betas=5, beta_min_ratio=0.1, random_state=0)
    >>> path.predict(X).shape
    (442, 5)
    """

    betas: np.ndarray
    networks: tuple[Network, ...]
    certificates: tuple[Certificate, ...]
    gaps: np.ndarray
    seconds: np.ndarray
    tol: float
    n_features: int | None = None

    @property
    def objectives(self) -> np.ndarray:
        """Objectives of the networks, of shape (n_betas,)."""
        return np.array([certificate.primal for certificate in self.certificates])

    @property
    def n_neurons(self) -> np.ndarray:
        """Numbers of hidden units, filters or sub-networks, of shape (n_betas,)."""
        return np.array([network.n_neurons for network in self.networks])

    @property
    def is_estimate(self) -> bool:
        """Whether the gaps are estimates, because the bounds rest on local pricing."""
        return any(certificate.is_estimate for certificate in self.certificates)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Return the outputs of all networks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs, dense and finite.

        Returns
        -------
        ndarray of shape (n_samples, n_betas) or (n_samples, n_outputs, n_betas)
            The last axis runs over the penalties.

        Raises
        ------
        ValueError
            If X is not as described.
        """
        inputs = check_array(X, dtype=[np.float64, np.float32], input_name="X")
        if self.n_features not in (None, inputs.shape[1]):
            raise ValueError(
                f"X must have the {self.n_features} features of the path, got "
                f"{inputs.shape[1]}."
            )
        return np.stack([network.predict(inputs) for network in self.networks], axis=-1)


def trace(
    trainer: Trainer,
    betas: Sequence[float] | np.ndarray,
    *,
    is_warm: bool = True,
    previous: Trained | None = None,
    may_stop: bool = False,
) -> tuple[NetworkPath, Trained | None]:
    """Return the path of a trainer, each network started from the one before.

    With it comes what was trained last, for `previous` of a path that goes on. A path
    that may stop does so when time is up.
    """
    trained, seconds = [], []
    for beta in betas:
        started = time.process_time()
        if previous is None or not is_warm:
            previous = trainer.train(beta)
        else:
            previous = trainer.train(beta, previous.network, previous.known)
        trained.append(previous)
        seconds.append(time.process_time() - started)
        if may_stop and is_out_of_time():
            break
    path = NetworkPath(
        betas=np.asarray(betas[: len(trained)], dtype=float),
        networks=tuple(one.network for one in trained),
        certificates=tuple(one.certificate for one in trained),
        gaps=np.array([one.gap for one in trained]),
        seconds=np.array(seconds),
        tol=trainer.tol,
    )
    return path, previous


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """Return an integer that every penalty can start from; an integer is its own."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def choose_betas(
    trainer: Trainer, betas: int | ArrayLike, beta_min_ratio: float
) -> np.ndarray:
    """Return penalties in descending order: the given ones, or so many below beta_max.

    Parameters
    ----------
    trainer : Trainer
        Tells beta_max.
    betas : int or array-like of shape (n_betas,)
        Number of penalties or the penalties themselves.
    beta_min_ratio : float
        Smallest penalty divided by the largest, where `betas` is a number.

    Returns
    -------
    ndarray of shape (n_betas,)
        The penalties.

    Raises
    ------
    ValueError
        If given penalties are not a vector of numbers in (0, inf).
    """
    if not isinstance(betas, Integral):
        given = check_array(
            betas, dtype=np.float64, ensure_2d=False, input_name="betas"
        )
        if given.ndim != 1 or not given.min() > 0:
            raise ValueError(
                "betas must be a number of penalties or a vector of penalties in "
                f"(0, inf), got {betas!r}."
            )
        return np.sort(given)[::-1]
    # Where y is constant or X is zero, every penalty gives the constant network.
    beta_max = trainer.beta_max() or 1.0
    return beta_max * np.geomspace(1.0, beta_min_ratio, betas)
