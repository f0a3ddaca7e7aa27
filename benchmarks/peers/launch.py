"""Run one peer on one case in a process of its own, with a limit."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from .exchange import read_result, write_case

__all__ = ["THREADS", "launch"]

#: Variables that keep every library to one thread.
THREADS = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")
}

#: Wall-clock seconds allowed per CPU second of the limit, and for loading.
_PATIENCE, _LOADING = 12, 300

#: Bytes that a peer may allocate.
_MEMORY = 6 * 2**30


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
        What it handed in, as :func:`peers.exchange.read_result` returns it.
    """
    python = peer.interpreter(environments)
    variables = os.environ | THREADS
    if python != sys.executable:
        variables.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "case.npz", Path(folder) / "result.npz"
        write_case(source, limit=limit, network=peer.network, **case)
        command = [python, str(peer.path), str(source), str(target)]
        try:
            ended = subprocess.run(
                command,
                env=variables,
                capture_output=True,
                text=True,
                timeout=_PATIENCE * limit + _LOADING,
                preexec_fn=_limit_memory,
            )
            status = _status(ended)
        except subprocess.TimeoutExpired:
            status = "limit"
        if not target.exists():
            return status, {}, []
        return status, *read_result(target)


def _limit_memory():
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))


def _status(ended):
    if ended.returncode == 0:
        return "done"
    # A negative code is the signal of the limit on CPU seconds, or of memory.
    if ended.returncode < 0:
        return (
            "limit" if ended.returncode in (-24, -9) else f"signal {-ended.returncode}"
        )
    return (ended.stderr.strip().splitlines() or ["failed"])[-1][:100]
