"""Solvers and fits in processes of their own, with limits.

A peer is a script ``run_*.py`` in the folder ``peers``. It reads a case from one file
and writes what it reached to another (``peers/exchange.py``), so that it can live in an
environment whose packages do not agree with those of convexnn; such environments are
made by ``python benchmarks/peers/make_environment.py``.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..peers.exchange import read_result, write_case

__all__ = ["CELL_PEERS", "PEERS", "Peer", "launch", "present"]

#: Variables that keep every library to one thread.
_THREADS = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")
}

#: Wall-clock seconds allowed per CPU second of the limit, and for loading.
_PATIENCE, _LOADING = 12, 300

#: Bytes that a peer may allocate.
_MEMORY = 6 * 2**30


@dataclass(frozen=True)
class Peer:
    """One competitor.

    Attributes
    ----------
    script : str
        File in ``peers``.
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

        The folder of the environments is the environment variable CONVEXNN_PEERS by
        default.
        """
        if self.environment is None:
            return sys.executable
        folder = folder or os.environ.get("CONVEXNN_PEERS")
        if not folder:
            return None
        python = Path(folder) / self.environment / "bin" / "python"
        return str(python) if python.exists() else None


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


def present(peers, environments):
    """Return the peers whose environments exist, and tell which do not."""
    here = {k: peer for k, peer in peers.items() if peer.interpreter(environments)}
    _tell(", ".join(name for name in peers if name not in here))
    return here


@cache
def _tell(absent):
    if absent:
        print(f"absent peers, for want of --environments: {absent}")


def launch(peer, case, limit, environments=None):
    """Run a peer and return how it ended, its versions, and its reports.

    Parameters
    ----------
    peer : Peer
        The competitor.
    case : dict
        Arrays and numbers of the case: X, y, beta, seed, and for peers that use
        cells patterns, gates and centre.
    limit : float
        CPU seconds.
    environments : path-like, default=None
        Folder of the peers' environments.

    Returns
    -------
    status : str
        "done", "limit" where the limit ended it, or the last line of its error.
    versions : dict of str
        Versions of its packages.
    reports : list
        What it handed in, as ``peers.exchange.read_result`` returns it.
    """
    python = peer.interpreter(environments)
    variables = os.environ | _THREADS
    if python != sys.executable:
        variables.pop("PYTHONPATH", None)
    script = Path(__file__).parents[1] / "peers" / peer.script
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "case.npz", Path(folder) / "result.npz"
        write_case(source, limit=limit, network=peer.network, **case)
        try:
            ended = subprocess.run(
                [python, str(script), str(source), str(target)],
                env=variables,
                capture_output=True,
                text=True,
                timeout=_PATIENCE * limit + _LOADING,
                preexec_fn=_limit_memory,
            )
            status = _status(ended)
        except subprocess.TimeoutExpired:
            status = "limit"
        return status, *(read_result(target) if target.exists() else ({}, []))


def _limit_memory():
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def _status(ended):
    if ended.returncode == 0:
        return "done"
    # A negative code is the signal of the limit on CPU seconds, or of memory.
    if ended.returncode in (-24, -9):
        return "limit"
    if ended.returncode < 0:
        return f"signal {-ended.returncode}"
    return (ended.stderr.strip().splitlines() or ["failed"])[-1][:100]
