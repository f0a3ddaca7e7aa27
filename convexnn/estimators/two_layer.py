"""Two-layer networks: which are trained, and how they are kept as arrays."""

from __future__ import annotations

import numpy as np

from ..architectures import ARCHITECTURES
from ..checks import check_range
from ..networks.network import GatedReLUNetwork, ReLUNetwork

__all__ = ["TwoLayerNetworks"]


class TwoLayerNetworks:
    """Trains networks of the parameter `activation`, of one output or several."""

    @property
    def network_(self):
        """The network of the fit, in the precision of X."""
        hidden, output = self.coefs_
        hidden_bias, output_bias = self.intercepts_
        if len(output_bias) == 1:
            output, output_bias = output[:, 0], output_bias[0]
        weights = (hidden, hidden_bias, output, output_bias)
        if not hasattr(self, "gates_"):
            return ReLUNetwork(*weights, slopes=self._architecture().slopes)
        has_bias = len(self.gates_) > len(hidden)
        bias = self.gates_[-1] if has_bias else np.zeros_like(hidden_bias)
        return GatedReLUNetwork(*weights, self.gates_[: len(hidden)], bias)

    def _architecture(self):
        return ARCHITECTURES[self.activation]

    def _keep(self, network, dtype):
        output = network.output
        self.coefs_ = [
            check_range(network.hidden, dtype),
            check_range(output[:, None] if output.ndim == 1 else output, dtype),
        ]
        self.intercepts_ = [
            check_range(network.hidden_bias, dtype),
            check_range(np.atleast_1d(network.output_bias), dtype),
        ]
        self.n_neurons_ = network.n_neurons
        vars(self).pop("gates_", None)
        if isinstance(network, GatedReLUNetwork):
            gates = [network.gates, network.gate_bias[None]]
            self.gates_ = np.vstack(gates if self.fit_intercept else gates[:1]).astype(
                dtype
            )

    def _may_start(self, network, samples):
        is_gated = isinstance(network, GatedReLUNetwork)
        is_alike = is_gated == (self.activation == "gated_relu")
        return is_alike and super()._may_start(network, samples)

    def _has_cones(self):
        return self._architecture().has_cones

    def _has_vector_outputs(self):
        """Return whether the parameters allow for more outputs than one.

        ReLU units take a search, gated ones a solver of programs with nuclear norms.
        """
        if self._has_cones():
            return super()._has_vector_outputs()
        try:
            backend = self._backend()
        except ValueError:
            return False
        return backend.is_default or backend.can({"nuclear_norms"})
