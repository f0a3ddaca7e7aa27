"""The table of backends: what each can express, needs, and understands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec

__all__ = [
    "Backend",
    "available_backends",
    "register_backend",
    "select_backend",
    "select_for_several_outputs",
]


@dataclass(frozen=True)
class Backend:
    """A solver for programs over given cells.

    Attributes
    ----------
    name : str
        What users pass as `solver`.
    solve : callable or str
        ``solve(program, *, tol, max_iter, start, verbose, options)`` returning a
        :class:`~convexnn.solvers.Solution`, or its place as "module:function",
        which is imported on first use. `options` is the user's `solver_options`.
    expresses : frozenset of str
        Activations whose programs it can solve: "relu" has cones, "gated_relu" has
        none. The forms for several outputs count for themselves: "vector_relu" is
        searched, "vector_gated_relu" has nuclear norms.
    requires : tuple of str
        Modules that must be installed.
    options : frozenset of str or None
        Names accepted in `solver_options`; None leaves the check to the backend.
    uses_working_set : bool
        Hand it only the groups that matter, priced in rounds, rather than all.
    search : callable or str or None
        For backends that find the cells themselves: ``search(X, loss, beta, *, tol,
        max_iter, start, verbose, options, random_state)`` returning a
        :class:`~convexnn.search.active_set.Found`. It replaces `solve` where
        ``cells="auto"``.
    is_default : bool
        Whether ``solver="auto"`` led to it, so that another may take its place.
    """

    name: str
    solve: Callable | str
    expresses: frozenset
    requires: tuple = ()
    options: frozenset | None = frozenset()
    uses_working_set: bool = False
    search: Callable | str | None = None
    is_default: bool = False

    @property
    def is_installed(self):
        """Whether every required module can be found (without importing it)."""
        return all(find_spec(module) is not None for module in self.requires)

    def load(self):
        """Return the solve function, importing it if need be."""
        return _imported(self.solve)

    def load_search(self):
        """Return the search function, importing it if need be."""
        return _imported(self.search)


def _imported(function):
    """Return a function from itself or from its place as "module:function"."""
    if callable(function):
        return function
    module, name = function.split(":")
    return getattr(import_module(module), name)


_BACKENDS: dict[str, Backend] = {}

#: First choice of "auto" for some forms under smooth losses other than squares, where
#: quadratic models were seen to take up to ten times as long.
_BY_GRADIENTS = {"vector_gated_relu": "fista"}


def register_backend(
    name,
    solve,
    *,
    expresses=("relu", "gated_relu"),
    requires=(),
    options=(),
    uses_working_set=False,
    search=None,
):
    """Add a backend to the table, or replace the one of that name.

    Parameters
    ----------
    name : str
        What users pass as `solver`; "auto" is taken.
    solve : callable or str
        See :class:`Backend`.
    expresses : iterable of str, default=("relu", "gated_relu")
        Activations whose programs it can solve.
    requires : iterable of str, default=()
        Modules that must be installed.
    options : iterable of str or None, default=()
        Names accepted in `solver_options`; None accepts any.
    uses_working_set : bool, default=False
        Whether it should see only the groups that matter.
    search : callable or str, default=None
        See :class:`Backend`.

    Raises
    ------
    ValueError
        If the name is "auto" or empty.

    Examples
    --------
    A backend that returns the zero network, which is optimal from ``beta_max_`` on:

    >>> import numpy as np
    >>> from convexnn import ConvexReLURegressor
    >>> from convexnn.solvers import Solution, register_backend
    >>> def solve_zero(program, *, tol, max_iter, start, verbose, options):
    ...     return Solution(U=np.zeros(program.shape), n_iter=1)
    >>> register_backend("zero", solve_zero)
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 0.0, 1.0])
    >>> model = ConvexReLURegressor(beta_ratio=2.0, solver="zero").fit(X, y)
    >>> model.n_neurons_, model.certificate_.gap
    (0, 0.0)
    """
    if not isinstance(name, str) or name in ("", "auto"):
        raise ValueError(
            f"name must be a non-empty string other than 'auto', got {name!r}."
        )
    _BACKENDS[name] = Backend(
        name,
        solve,
        frozenset(expresses),
        tuple(requires),
        None if options is None else frozenset(options),
        uses_working_set,
        search,
    )


def available_backends(activation):
    """Return the names of the installed backends for an activation, best first."""
    return [
        backend.name
        for backend in _BACKENDS.values()
        if activation in backend.expresses and backend.is_installed
    ]


def select_backend(name, activation, options=()):
    """Return the backend of that name after checking that it can be used.

    Parameters
    ----------
    name : str
        A backend's name, or "auto" for the first that fits.
    activation : str
        What the program needs.
    options : iterable of str, default=()
        Names in the user's `solver_options`.

    Returns
    -------
    Backend
        The backend.

    Raises
    ------
    ValueError
        If it is unknown, not installed, cannot express the program, or does not
        know an option. The message names those that can be used.
    """
    usable = available_backends(activation)
    chosen = usable[0] if name == "auto" and usable else name
    backend = _BACKENDS.get(chosen)
    allowed = f"Allowed for activation={activation!r}: 'auto', " + ", ".join(
        map(repr, usable)
    )
    if backend is None:
        raise ValueError(f"solver={name!r} is not a known backend. {allowed}.")
    if activation not in backend.expresses:
        raise ValueError(
            f"solver={name!r} cannot express the program of "
            f"activation={activation!r}. {allowed}."
        )
    if not backend.is_installed:
        missing = ", ".join(m for m in backend.requires if find_spec(m) is None)
        raise ValueError(
            f"solver={name!r} needs {missing}, which is not installed. {allowed}."
        )
    unknown = set() if backend.options is None else set(options) - backend.options
    if unknown:
        known = ", ".join(sorted(backend.options)) or "none"
        raise ValueError(
            f"solver_options has {sorted(unknown)}, unknown to "
            f"solver={backend.name!r}. Allowed: {known}."
        )
    return replace(backend, is_default=name == "auto")


def select_for_several_outputs(backend, activation, form, *, by_gradients):
    """Return the backend for networks of several outputs, once the targets are seen.

    Parameters
    ----------
    backend : Backend
        What :func:`select_backend` chose for one output.
    activation : str
        What it was chosen for.
    form : str
        The name of the activation's form for several outputs.
    by_gradients : bool
        Whether the loss is smooth without being quadratic.

    Returns
    -------
    Backend
        The same, or if it is the choice of "auto", the first for this form and loss.

    Raises
    ------
    ValueError
        If the backend cannot express the program. The message names those that can.
    """
    usable = available_backends(form)
    if backend.is_default and usable:
        first = _BY_GRADIENTS.get(form) if by_gradients else None
        chosen = first if first in usable else usable[0]
        return replace(_BACKENDS[chosen], is_default=True)
    if form not in backend.expresses:
        raise ValueError(
            f"solver={backend.name!r} cannot train networks of "
            f"activation={activation!r} with several outputs (y with several columns, "
            f"or more than two classes). Allowed for these: 'auto', "
            + ", ".join(map(repr, usable))
            + "."
        )
    return backend


# In the order of preference of solver="auto".
register_backend(
    "active_set",
    "convexnn.solvers.newton:solve",
    expresses=("relu", "convolutional_relu", "vector_relu"),
    options=("n_starts", "width"),
    search="convexnn.search.active_set:search",
)
register_backend(
    "newton",
    "convexnn.solvers.newton:solve",
    expresses=("relu", "gated_relu", "convolutional_relu", "vector_gated_relu"),
)
register_backend(
    "interior_point",
    "convexnn.solvers.interior_point:solve",
    expresses=("relu",),
    uses_working_set=True,
)
register_backend(
    "fista",
    "convexnn.solvers.fista:solve",
    expresses=("relu", "gated_relu", "vector_gated_relu"),
    uses_working_set=True,
)
register_backend(
    "cvxpy",
    "convexnn.solvers.cvxpy:solve",
    expresses=("relu", "gated_relu", "convolutional_relu", "vector_gated_relu"),
    requires=("cvxpy",),
    options=None,
)
register_backend(
    "osqp",
    "convexnn.solvers.osqp:solve",
    requires=("osqp",),
    options=None,
    uses_working_set=True,
)
