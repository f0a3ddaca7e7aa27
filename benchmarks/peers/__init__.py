"""Solvers that the benchmarks compare with, each in a process of its own.

A peer is a script ``run_*.py`` beside this file. It reads a case from one file and
writes what it reached to another (:mod:`peers.exchange`), so that it can live in an
environment whose packages do not agree with those of convexnn; such environments are
made by ``python benchmarks/peers/make_environment.py``.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CELL_PEERS", "PEERS", "Peer"]


@dataclass(frozen=True)
class Peer:
    """One competitor.

    Attributes
    ----------
    script : str
        File beside this one.
    environment : str or None
        Environment that it needs, None for the one that runs the benchmark.
    network : {"relu", "gated"}
        Class of its networks.
    uses_cells : bool
        Whether it needs a list of cells.
    """

    script: str
    environment: str | None = None
    network: str = "relu"
    uses_cells: bool = False

    def interpreter(self, folder=None):
        """Return the Python that runs the peer, or None if it is absent.

        Parameters
        ----------
        folder : path-like, default=None
            Folder of the environments; the environment variable CONVEXNN_PEERS by
            default.
        """
        if self.environment is None:
            return sys.executable
        folder = folder or os.environ.get("CONVEXNN_PEERS")
        if not folder:
            return None
        python = Path(folder) / self.environment / "bin" / "python"
        return str(python) if python.exists() else None

    @property
    def path(self):
        """Path of the script."""
        return Path(__file__).parent / self.script


#: Competitors by name, in the order in which they run on a case.
PEERS = {
    "convexnn": Peer("run_convexnn.py"),
    "L-BFGS": Peer("run_lbfgs.py"),
    "Adam": Peer("run_adam.py", "torch"),
    "adelie": Peer("run_adelie.py", "adelie", uses_cells=True),
    "Clarabel": Peer("run_clarabel.py", uses_cells=True),
    "pyscnn": Peer("run_pyscnn.py", "pyscnn", uses_cells=True),
    "skglm gated": Peer("run_skglm.py", "skglm", "gated", uses_cells=True),
    "adelie gated": Peer("run_adelie.py", "adelie", "gated", uses_cells=True),
}

#: Competitors over given cells, where convexnn keeps to the cells too.
CELL_PEERS = {
    "relu": {
        "convexnn": Peer("run_convexnn_cells.py", uses_cells=True),
        **{name: PEERS[name] for name in ("adelie", "Clarabel")},
    },
    "gated": {
        "convexnn": Peer("run_convexnn_cells.py", None, "gated", uses_cells=True),
        "adelie": PEERS["adelie gated"],
        "skglm": PEERS["skglm gated"],
    },
}
