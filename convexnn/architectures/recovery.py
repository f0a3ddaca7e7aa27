"""From groups of a two-layer program to units of a network, and back.

A group u of sign +1 or -1 and the unit with hidden weights ``u / sqrt(norm2(u))``
and output weight ``sign * sqrt(norm2(u))`` have the same output and the same
penalty (talk, the theorem that follows the two-layer program).
"""

from __future__ import annotations

import numpy as np

from ..data.samples import Samples
from ..networks.network import ReLUNetwork
from ..programs.losses import Offset
from ..programs.program import ConvexProgram, lengths_of

__all__ = [
    "network_weights",
    "program_directions",
    "split_bias",
    "sum_into_groups",
    "unscaled_units",
]


def split_bias(columns: np.ndarray, has_bias: bool) -> tuple[np.ndarray, np.ndarray]:
    """Split columns into weights and the bias in the last row, zeros without one."""
    if has_bias:
        return columns[:-1], columns[-1]
    return columns, np.zeros(columns.shape[1])


def unscaled_units(
    program: ConvexProgram, U: np.ndarray, samples: Samples
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Offset]:
    """Return non-zero groups, weights, biases, output weights and the intercept."""
    norms = np.linalg.norm(U, axis=0)
    groups = np.flatnonzero(norms)
    root = np.sqrt(norms[groups])
    output = (program.sign[groups].T * root).T
    offset = program.loss.offset(program.output(U))
    return groups, *network_weights(U[:, groups] / root, output, offset, samples)


def network_weights(
    hidden: np.ndarray, output: np.ndarray, offset: Offset, samples: Samples
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Offset]:
    """Return weights, biases, output weights and intercept in the caller's units.

    With ``f = y_scale * (offset + sum_j (x u_j / x_scale)_+ a_j)`` the factor is split
    evenly over the layers.
    """
    root = np.sqrt(samples.y_scale / samples.x_scale)
    offset = offset * samples.y_scale + samples.y_offset
    weights, bias = split_bias(hidden * root, samples.has_bias)
    offset = offset if np.ndim(offset) else float(offset)
    return weights, bias, output * root, offset


def program_directions(network: ReLUNetwork, samples: Samples) -> np.ndarray:
    """Return a network's groups in the program's units, of shape (d, m)."""
    hidden = network.hidden
    if samples.has_bias:
        hidden = np.vstack([hidden, network.hidden_bias])
    scale = samples.x_scale / samples.y_scale
    return hidden * lengths_of(network.output) * scale


def sum_into_groups(
    program: ConvexProgram,
    network: ReLUNetwork,
    directions: np.ndarray,
    cells: np.ndarray,
) -> np.ndarray:
    """Add each unit's direction to the group of its cell and sign."""
    U = np.zeros(program.shape)
    group_of = {
        (cell, sign): group
        for group, (cell, sign) in enumerate(
            zip(program.cell_of, program.sign, strict=True)
        )
    }
    for j, cell in enumerate(cells):
        sign = float(np.sign(network.output[j]))
        if program.has_cones:
            U[:, group_of[cell, sign]] += directions[:, j]
        else:
            U[:, group_of[cell, 1.0]] += sign * directions[:, j]
    return U
