"""Three-layer networks: which are trained, and how they are kept as sub-networks."""

from __future__ import annotations

import numpy as np

from ..architectures import ParallelReLU
from ..checks import check_range
from ..networks.three_layer import ThreeLayerNetwork

__all__ = ["ThreeLayerNetworks"]


class ThreeLayerNetworks:
    """Trains parallel sub-networks of `n_units` hidden units, of any number of outputs.

    For a :class:`~convexnn.estimators.base.NetworkEstimator`.
    """

    @property
    def network_(self):
        """The network of the fit, in the precision of X."""
        first = self.subnetworks_[0][0] if self.subnetworks_ else ()
        has_bias = len(first) > self.n_features_in_
        return ThreeLayerNetwork(self.subnetworks_, self.intercept_, has_bias)

    def _architecture(self):
        return ParallelReLU(self.n_units)

    def _keep(self, network, dtype):
        self.subnetworks_ = [
            tuple(check_range(layer, dtype)[()] for layer in layers)
            for layers in network.subnetworks
        ]
        self.intercept_ = check_range(network.intercept, dtype)[()]
        self.n_neurons_ = network.n_neurons

    def _may_start(self, network, samples):
        if (
            not network.subnetworks
            or np.shape(network.intercept) != samples.y.shape[1:]
        ):
            return False
        return network.subnetworks[0][0].shape == (samples.X.shape[1], self.n_units)
