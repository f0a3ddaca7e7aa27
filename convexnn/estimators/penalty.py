"""The penalty of a fit: a number, or a share of the one that silences the network."""

from __future__ import annotations

from ..checks import warn_user

__all__ = ["chosen_penalty"]

#: Share of beta_max below which a penalty was hardly meant.
_HARDLY_MEANT = 1e-5


def chosen_penalty(beta, beta_ratio, beta_max):
    """Return the penalty to train with, and warn if a given one is far out.

    Where `beta_max` is 0 every penalty gives the constant network, and 1 stands for all
    of them.
    """
    if beta is None:
        return float(beta_ratio * beta_max) if beta_max > 0 else 1.0
    if beta_max > 0 and not _HARDLY_MEANT * beta_max <= beta <= beta_max:
        if beta > beta_max:
            place, follows = "above", "the network is constant"
        else:
            place = f"below {_HARDLY_MEANT:g} of"
            follows = "training takes long and follows the noise"
        warn_user(
            f"beta={beta:g} is {place} beta_max={beta_max:g}, so that {follows}. "
            f"beta=None takes beta_ratio={beta_ratio:g} times beta_max, whatever the "
            "units of the data."
        )
    return float(beta)
