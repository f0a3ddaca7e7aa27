"""Solver backends for programs over given cells, behind one registry.

One backend a file. :func:`register_backend` adds one; :func:`select_backend` finds
the one a program can use; :func:`solve_program` runs it and certifies the result.
"""

from .driver import solve_program
from .registry import Backend, available_backends, register_backend, select_backend
from .solution import Solution, SolverError

__all__ = [
    "Backend",
    "Solution",
    "SolverError",
    "available_backends",
    "register_backend",
    "select_backend",
    "solve_program",
]
