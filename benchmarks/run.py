"""One runner of all experiments.

An experiment is a module in ``experiments`` with

- SETTINGS, a dictionary: those that are numbers, words or sequences of them are options
  of the command line. QUICK has what ``--quick`` changes, CHOICES what is allowed;
- PARTS, the tables that are measured, by name: :class:`Part`;
- report(tables, options), which yields names and rows of the tables made from these,
  no name for those that are shown alone;
- PICTURES, functions of the same arguments that return a figure or None, by name;
- about(options), settings that belong to the versions;
- compare(options, base, head), which returns what is not allowed of two of its files.

CPU seconds are of ``--threads`` threads. Rows are written as they come, to
OUTPUT/data/TABLE.csv (or to OUTPUT itself if that ends in .csv), versions to
OUTPUT/data/NAME.json, and pictures to OUTPUT/images/.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from . import experiments
from .tables import MissingError, Store, as_table, show

__all__ = ["NAMES", "Part", "load", "main", "options_of", "run"]

#: Names of all experiments.
NAMES = tuple(module.name for module in pkgutil.iter_modules(experiments.__path__))


@dataclass(frozen=True)
class Part:
    """A table: what is measured of each method on each problem.

    Attributes
    ----------
    columns : str
        Names and formats of the columns, as :func:`tables.as_table` takes them.
    measure : callable
        From options, case and problem to a row, or to several; a row is a dictionary,
        or a pair of the name of a table in `beside` and one. The entries of the case
        are part of it.
    problems, methods : callable
        From options to dictionaries; together they are the case.
    load : callable
        From options and the first of the two to the problem.
    beside : dict
        Columns of further tables, by name.
    """

    columns: str
    measure: Callable
    problems: Callable = lambda options: [{}]
    methods: Callable = lambda options: [{}]
    load: Callable = lambda options, case: None
    beside: dict = field(default_factory=dict)


def load(name):
    """Return the module of an experiment."""
    return import_module(f"{experiments.__name__}.{name}")


def options_of(experiment, given=()):
    """Read the command line of an experiment."""
    settings = {"part": tuple(experiment.PARTS)} | experiment.SETTINGS
    choices = {"part": tuple(experiment.PARTS)} | getattr(experiment, "CHOICES", {})
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {experiment.__name__.rpartition('.')[2]}",
        description=experiment.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    data = os.environ.get("CONVEXNN_DATA")
    add("--data", default=data, help="folder of the data, or CONVEXNN_DATA")
    add("--output", type=Path, default="docs", help="gets data/ and images/; or a CSV")
    add("--quick", action="store_true", default=False, help="seconds; drawn or shipped")
    add("--report", action="store_true", default=False, help="measure nothing")
    add("--keep", action="store_true", default=False, help="keep rows of other cases")
    add("--resume", action="store_true", default=False, help="measure what is missing")
    add("--threads", type=int, default=1)
    add("--jobs", type=int, default=1, help="problems at a time")
    if hasattr(experiment, "compare"):
        add("--compare", nargs=2, default=None, metavar=("BASE", "HEAD"))
    for name, value in settings.items():
        parts = value if isinstance(value, list | tuple) else (value,)
        if parts and isinstance(parts[0], dict | list | tuple | Callable):
            continue
        kind = str if not parts or parts[0] is None else type(parts[0])
        several = {"nargs": "*"} if parts is value else {}
        reading = {"type": kind, "choices": choices.get(name)} | several
        if kind is bool:
            reading = {"action": "store_true"}
        add(f"--{name.replace('_', '-')}", help=f"default: {value}", **reading)
    given = vars(parser.parse_args(given))
    quick = getattr(experiment, "QUICK", {}) if given["quick"] else {}
    return SimpleNamespace(about={}, **(settings | quick | given))


def run(name, given=()):
    """Run an experiment with the words of a command line."""
    experiment = load(name)
    options = options_of(experiment, given)
    if getattr(options, "compare", None):
        problems = experiment.compare(options, *options.compare)
        sys.exit("\n".join(problems) if problems else 0)
    store = Store(options.output, name)
    if not options.report:
        with threadpool_limits(limits=options.threads), warnings.catch_warnings():
            # What was not reached is in the tables.
            warnings.simplefilter("ignore", UserWarning)
            for table in options.part:
                _measure(experiment.PARTS[table], table, options, store)
        about = getattr(experiment, "about", lambda options: {})
        kept = options.keep or options.resume
        store.write_about(about(options) | options.about, options.threads, kept)
    if store.single:
        return
    try:
        for table, rows in getattr(experiment, "report", lambda *_: ())(store, options):
            print(f"\n{table}")
            show(rows)
            if table:
                store.write(table, rows)
    except MissingError as missing:
        print(f"no report: {missing}")
    for picture, draw in getattr(experiment, "PICTURES", {}).items():
        try:
            if (figure := draw(store, options)) is not None:
                store.save(picture, figure)
        except MissingError as missing:
            print(f"{picture}.png is not drawn: {missing}")


def _measure(part, table, options, store):
    """Measure the cases of a part and write them as they come."""
    columns = {table: part.columns} | part.beside
    store.open(columns, keep=options.keep or options.resume)
    methods, work = list(part.methods(options)), []
    for problem in part.problems(options):
        cases = [problem | method for method in methods]
        if options.resume:
            cases = [case for case in cases if not store.has(table, case)]
        if cases:
            work.append((part, options, problem, cases))
    if options.jobs > 1:
        parallel = Parallel(n_jobs=options.jobs, return_as="generator")
        found = parallel(delayed(_listed)(*each) for each in work)
        found = (pair for pairs in found for pair in pairs)
    else:
        found = (pair for each in work for pair in _measured(*each))
    for case, rows in found:
        rows = [row if isinstance(row, tuple) else (table, row) for row in rows]
        shown = [case | row for name, row in rows if name == table]
        for line in as_table(part.columns, shown)[1:]:
            print(*line, sep="  ", flush=True)
        store.replace(case, [(name, case | row) for name, row in rows])


def _measured(part, options, problem, cases):
    """Yield the cases of a problem and their rows."""
    loaded = part.load(options, problem)
    for case in cases:
        rows = part.measure(options, case, loaded)
        yield case, [rows] if isinstance(rows, dict) else list(rows)


def _listed(*arguments):
    with threadpool_limits(limits=arguments[1].threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return list(_measured(*arguments))


def main(given=None):
    """Run the experiment named on the command line."""
    given = sys.argv[1:] if given is None else given
    if given and given[0] in NAMES:
        return run(given[0], given[1:])
    print(f"{__doc__}\nExperiments, each with --help:\n")
    for name in NAMES:
        print(f"  {name:24}{load(name).__doc__.splitlines()[0]}")
    if given and given[0] not in ("-h", "--help"):
        sys.exit(f"\nthere is no experiment {given[0]!r}")
