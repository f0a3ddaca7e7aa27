"""The table of backends: what each can express, needs, and understands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..programs.program import FEATURES
from .solution import Solve

__all__ = [
    "Backend",
    "available_backends",
    "register_backend",
    "select",
    "select_backend",
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
    features : frozenset of str
        What the programs that it can solve may have: names of
        :data:`~convexnn.programs.program.FEATURES`, as in `ConvexProgram.features`.
    needs : frozenset of str
        What they have to have.
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
    searches : frozenset of str
        What the programs may have whose cells it can find: names of features too.
    by_gradients : frozenset of str
        Features of programs for which "auto" takes it first if the loss is smooth and
        not quadratic: quadratic models were seen to take up to ten times as long there.
    is_default : bool
        Whether ``solver="auto"`` led to it, so that another may take its place.
    """

    name: str
    solve: Solve | str
    features: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    requires: tuple[str, ...] = ()
    options: frozenset[str] | None = frozenset()
    uses_working_set: bool = False
    search: Callable | str | None = None
    searches: frozenset[str] = frozenset()
    by_gradients: frozenset[str] = frozenset()
    is_default: bool = False

    def can(self, features: Iterable[str], *, is_listed: bool = False) -> bool:
        """Return whether it can train networks of programs with these features.

        Over listed cells what it can search for does not count.
        """
        features = frozenset(features)
        is_known = any(features <= each for each in self._able(is_listed))
        return is_known and self.needs <= features

    def _able(self, is_listed):
        return (self.features,) if is_listed else (self.features, self.searches)

    @property
    def is_installed(self) -> bool:
        """Whether every required module can be found (without importing it)."""
        return all(find_spec(module) is not None for module in self.requires)

    def load(self) -> Solve:
        """Return the solve function, importing it if need be."""
        return _imported(self.solve)

    def load_search(self) -> Callable:
        """Return the search function, importing it if need be."""
        return _imported(self.search)


def _imported(function):
    """Return a function from itself or from its place as "module:function"."""
    if callable(function):
        return function
    module, name = function.split(":")
    return getattr(import_module(module), name)


_BACKENDS: dict[str, Backend] = {}


def register_backend(
    name: str,
    solve: Solve | str,
    *,
    features: Iterable[str] = ("cones",),
    needs: Iterable[str] = (),
    requires: Iterable[str] = (),
    options: Iterable[str] | None = (),
    uses_working_set: bool = False,
    search: Callable | str | None = None,
    searches: Iterable[str] = (),
    by_gradients: Iterable[str] = (),
    is_first: bool = False,
) -> None:
    """Add a backend to the table, or replace the one of that name.

    Parameters
    ----------
    name : str
        What users pass as `solver`; "auto" is taken.
    solve : callable or str
        See :class:`Backend`.
    features : iterable of str, default=("cones",)
        What the programs that it can solve may have; without any, it is one for gated
        networks.
    needs : iterable of str, default=()
        What they have to have.
    requires : iterable of str, default=()
        Modules that must be installed.
    options : iterable of str or None, default=()
        Names accepted in `solver_options`; None accepts any.
    uses_working_set : bool, default=False
        Whether it should see only the groups that matter.
    search : callable or str, default=None
        See :class:`Backend`.
    searches, by_gradients : iterable of str, default=()
        See :class:`Backend`.
    is_first : bool, default=False
        Whether "auto" prefers it to all that are registered, rather than to none.

    Raises
    ------
    ValueError
        If the name is "auto" or empty, or a feature is unknown.

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
    sets: dict[str, Any] = {
        "features": frozenset(features),
        "needs": frozenset(needs),
        "searches": frozenset(searches),
        "by_gradients": frozenset(by_gradients),
    }
    for parameter, names in sets.items():
        if not names <= FEATURES.keys():
            raise ValueError(
                f"{parameter} must be among {list(FEATURES)}, got {sorted(names)}."
            )
    backend = Backend(
        name,
        solve,
        requires=tuple(requires),
        options=None if options is None else frozenset(options),
        uses_working_set=uses_working_set,
        search=search,
        **sets,
    )
    others = dict(_BACKENDS)
    if is_first:
        _BACKENDS.clear()
    _BACKENDS[name] = backend
    if is_first:
        _BACKENDS.update({key: others[key] for key in others if key != name})


def available_backends(features: Iterable[str] = ()) -> list[str]:
    """Return the names of the installed backends for some features, best first.

    Examples
    --------
    >>> from convexnn.solvers import available_backends
    >>> available_backends({"cones", "coupled_cones"})
    ['active_set', 'interior_point', 'cvxpy']
    """
    return _usable(_BACKENDS, features, is_listed=False)


def _usable(table, features, is_listed):
    return [
        backend.name
        for backend in table.values()
        if backend.can(features, is_listed=is_listed) and backend.is_installed
    ]


def select_backend(
    name: str,
    features: Iterable[str] = (),
    options: Iterable[str] = (),
    *,
    subject: str | None = None,
    is_listed: bool = False,
    by_gradients: bool = False,
) -> Backend:
    """Return the backend of that name after checking that it can be used.

    Parameters
    ----------
    name : str
        A backend's name, or "auto" for the first that fits.
    features : iterable of str, default=()
        What the program has: see :data:`~convexnn.programs.program.FEATURES`. An
        architecture's attribute `features` tells.
    options : iterable of str, default=()
        Names in the user's `solver_options`.
    subject : str, default=None
        What has them, in the user's words.
    is_listed : bool, default=False
        Whether cells are listed, rather than searched where the backend can.
    by_gradients : bool, default=False
        Whether the loss is smooth without being quadratic.

    Returns
    -------
    Backend
        The backend.

    Raises
    ------
    ValueError
        If it is unknown, not installed, cannot express the program, or does not
        know an option. The message names those that can be used.

    Examples
    --------
    >>> from convexnn.solvers import select_backend
    >>> select_backend("auto", {"cones"}).name, select_backend("auto").name
    ('active_set', 'newton')
    """
    features = frozenset(features)
    if subject is None:
        words = " and ".join(FEATURES[each] for each in FEATURES if each in features)
        subject = f"programs with {words}" if words else "programs without cones"
    table = _BACKENDS
    if by_gradients and name == "auto":
        table = dict(
            sorted(table.items(), key=lambda x: not features & x[1].by_gradients)
        )
    backend = select(table, name, features, subject=subject, is_listed=is_listed)
    unknown = set() if backend.options is None else set(options) - backend.options
    if unknown:
        known = ", ".join(sorted(backend.options or ())) or "none"
        raise ValueError(
            f"solver_options has {sorted(unknown)}, unknown to "
            f"solver={backend.name!r}. Allowed: {known}."
        )
    return backend


def select(
    table: dict[str, Backend],
    name: str,
    features: frozenset[str],
    *,
    subject: str,
    words: dict[str, str] = FEATURES,
    is_listed: bool = False,
) -> Backend:
    """Return a backend of a table: that of a name, or the first with some features.

    Parameters
    ----------
    table : dict of str to Backend
        Backends by name, the preferred one first.
    name : str
        A name, or "auto" for the first that fits.
    features : frozenset of str
        What it has to know.
    subject : str
        What asks for that, in the user's words.
    words : dict of str to str, default=FEATURES
        Names of features in words.
    is_listed : bool, default=False
        Whether cells are listed.

    Returns
    -------
    Backend
        The backend, which tells whether it was chosen by "auto".

    Raises
    ------
    ValueError
        If it is unknown, not installed, or lacks a feature.
    """
    usable = _usable(table, features, is_listed)
    chosen = usable[0] if name == "auto" and usable else name
    backend = table.get(chosen)
    allowed = f"Allowed for {subject}: 'auto', " + ", ".join(map(repr, usable))
    if backend is None:
        raise ValueError(f"solver={name!r} is not a known backend. {allowed}.")
    if not backend.can(features, is_listed=is_listed):
        missing = min((features - each for each in backend._able(is_listed)), key=len)
        lacking = [words[each] for each in sorted(missing)]
        absent = sorted(backend.needs - features)
        lacking += [f"programs without {words[each]}" for each in absent]
        where = " over listed cells" if is_listed and backend.search else ""
        raise ValueError(
            f"solver={name!r} cannot express {' and '.join(lacking)}{where}. {allowed}."
        )
    if not backend.is_installed:
        modules = ", ".join(m for m in backend.requires if find_spec(m) is None)
        raise ValueError(
            f"solver={name!r} needs {modules}, which is not installed. {allowed}."
        )
    return replace(backend, is_default=name == "auto")


# In the order of preference of solver="auto", after those that search.
register_backend(
    "newton",
    "convexnn.solvers.newton:solve",
    features=("cones", "patches", "nuclear_norms"),
)
register_backend(
    "interior_point",
    "convexnn.solvers.interior_point:solve",
    features=("cones", "coupled_cones"),
    # Nothing but slacks keeps its steps short.
    needs=("cones",),
    uses_working_set=True,
)
register_backend(
    "fista",
    "convexnn.solvers.fista:solve",
    features=("cones", "nuclear_norms"),
    uses_working_set=True,
    by_gradients=("nuclear_norms",),
)
register_backend(
    "cvxpy",
    "convexnn.solvers.cvxpy:solve",
    features=("cones", "coupled_cones", "nuclear_norms", "patches"),
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
