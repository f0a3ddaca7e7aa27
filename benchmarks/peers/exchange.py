"""Cases and results as files, and the CPU limit; needs nothing but numpy.

A *network* is a dictionary of arrays: ``hidden`` (d, m), ``bias`` (m,), ``output`` (m,)
and ``intercept`` for units, or ``positive`` and ``negative`` of shape (d + 1, P), bias
last, and ``intercept`` for the two blocks of every cell (no ``negative`` if gated).
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib import metadata
from types import SimpleNamespace

import numpy as np

__all__ = ["Stopwatch", "read_case", "read_result", "serve", "write_case"]


def write_case(path, **arrays):
    """Write a case; absent parts are left out."""
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


def read_case(path):
    """Return a case with X, y, beta, limit, and whatever else was written."""
    with np.load(path) as file:
        parts = {k: file[k] for k in file.files}
    return SimpleNamespace(
        **{k: v.item() if v.ndim == 0 else v for k, v in parts.items()}
    )


class Stopwatch:
    """Times a peer in CPU seconds and writes what it has so far.

    Everything is rewritten whenever a network is handed in, so that a peer that is
    killed by its limit has reported what it reached before.

    Parameters
    ----------
    path : path-like
        File of the result.
    packages : list of str
        Packages whose versions belong to the result.
    """

    def __init__(self, path, packages):
        self.path = path
        self.versions = {name: metadata.version(name) for name in packages}
        self.networks, self.curves = [], []
        self.started = None

    def start(self, limit):
        """Start the clock; the system kills the process `limit` seconds later."""
        used = time.process_time()
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(np.ceil(used + limit)) + 1, hard))
        self.started = time.process_time()

    def seconds(self):
        """Return the CPU seconds since the start."""
        return time.process_time() - self.started

    def hand_in(self, network, seconds, curve=None, **facts):
        """Report a network reached after `seconds`, and how it got there.

        Parameters
        ----------
        network : dict of ndarray
            As described at the top of the module.
        seconds : float
            CPU seconds that it took, alone.
        curve : list of (float, float), default=None
            CPU seconds and objectives on the way.
        **facts
            Anything else worth knowing, such as a gap.
        """
        self.networks.append((network, float(seconds), facts))
        self.curves.append(np.asarray(curve or [], float).reshape(-1, 2))
        arrays = {
            f"network_{k}_{name}": value
            for k, (network, _, _) in enumerate(self.networks)
            for name, value in network.items()
        }
        arrays |= {f"curve_{k}": curve for k, curve in enumerate(self.curves)}
        about = {
            "versions": self.versions,
            "seconds": [seconds for _, seconds, _ in self.networks],
            "facts": [facts for _, _, facts in self.networks],
        }
        np.savez(self.path, about=np.array(json.dumps(about)), **arrays)


def read_result(path):
    """Return the versions and the list of reports of a peer.

    Each report has `network`, `seconds`, `curve` and `facts`.
    """
    with np.load(path) as file:
        about = json.loads(file["about"].item())
        reports = []
        for k, seconds in enumerate(about["seconds"]):
            prefix = f"network_{k}_"
            network = {
                name.removeprefix(prefix): file[name]
                for name in file.files
                if name.startswith(prefix)
            }
            reports.append(
                SimpleNamespace(
                    network=network,
                    seconds=seconds,
                    curve=file[f"curve_{k}"],
                    facts=about["facts"][k],
                )
            )
    return about["versions"], reports


def serve(solve, packages):
    """Run ``solve(case, watch)`` on the files named on the command line."""
    source, target = sys.argv[1:3]
    solve(read_case(source), Stopwatch(target, packages))
