"""Tables: columns with formats, CSV files, and the versions beside them."""

from __future__ import annotations

import csv
import json
import os
import platform
from importlib import metadata
from numbers import Number
from pathlib import Path

from .pictures import save

__all__ = ["MissingError", "Store", "as_table", "grouped", "read", "show"]

_PACKAGES = ("numpy", "scipy", "scikit-learn", "cvxpy", "osqp")


class MissingError(LookupError):
    """A table that has not been measured."""


def formats(columns):
    """Return the format of each column of ``"set | beta @.6g"``."""
    parts = (part.strip().partition(" @") for part in columns.split("|"))
    return {name: form for name, _, form in parts}


def as_table(columns, rows):
    """Return header and lines of text; entries of rows without a column are left out.

    Parameters
    ----------
    columns : str
        Names between bars, each with the format of its numbers: ``"set | beta @.6g"``.
    rows : iterable of dict
        Entries by name; absent ones and None are empty.
    """
    forms = formats(columns)
    lines = [
        tuple(_text(row.get(name), form) for name, form in forms.items())
        for row in rows
    ]
    return [tuple(forms), *lines]


def _text(value, form):
    if form and isinstance(value, Number):
        return format(value, form)
    return "" if value is None else str(value)


def _value(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def read(path):
    """Return the rows of a CSV file, numbers as numbers."""
    if not Path(path).exists():
        raise MissingError(f"there is no {path}")
    with open(path, newline="") as file:
        return [{k: _value(v) for k, v in row.items()} for row in csv.DictReader(file)]


def grouped(rows, *names):
    """Return lists of rows by their entries of some names; a single one is the key."""
    groups = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        groups.setdefault(key if len(names) > 1 else key[0], []).append(row)
    return groups


def show(table):
    """Print a table with aligned columns."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(*table)]  # noqa: B905
    for row in table:
        print("  ".join(str(x).ljust(w) for x, w in zip(row, widths, strict=True)))


def _write(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)


class Store:
    """The tables of an experiment on disk; ``store[name]`` reads the rows of one.

    Parameters
    ----------
    output : Path
        Folder with data/ and images/, or the file of the only table.
    name : str
        Name of the experiment.
    """

    def __init__(self, output, name):
        self.output, self.name = Path(output), name
        self.single = self.output.suffix == ".csv"
        self.columns, self.lines = {}, {}

    def path(self, table, suffix="csv"):
        """Return where a table is."""
        if self.single:
            return self.output
        return self.output / "data" / f"{table}.{suffix}"

    def __getitem__(self, table):
        return read(self.path(table))

    def open(self, columns, *, keep):
        """Begin tables, with the lines that are there if they are kept."""
        for table, form in columns.items():
            self.columns[table], self.lines[table] = form, []
            if keep and self.path(table).exists():
                with open(self.path(table), newline="") as file:
                    self.lines[table] = list(csv.DictReader(file))

    def has(self, table, case):
        """Whether there is a row of a case."""
        return any(_belongs(line, case) for line in self.lines[table])

    def replace(self, case, rows):
        """Write rows, pairs of table and entries, in the place of those of a case."""
        new = {table: [] for table, _ in rows}
        for table, row in rows:
            header, line = as_table(self.columns[table], [row])
            new[table].append(dict(zip(header, line, strict=True)))
        for table, lines in new.items():
            kept = [x for x in self.lines[table] if not _belongs(x, case)]
            self.lines[table] = kept + lines
            self.write(table, as_table(self.columns[table], self.lines[table]))

    def write(self, table, rows):
        """Write header and lines."""
        _write(self.path(table), rows)

    def save(self, picture, figure):
        """Save a figure."""
        save(figure, self.output / "images" / f"{picture}.png")

    def write_about(self, settings, threads, keep):
        """Write versions, processor, threads and settings, and those kept."""
        if self.single:
            return
        path = self.path(self.name, "json")
        before = json.loads(path.read_text()) if keep and path.exists() else {}
        path.parent.mkdir(parents=True, exist_ok=True)
        about = before | _environment() | {"threads": threads} | settings
        path.write_text(json.dumps(about, indent=1) + "\n")


def _belongs(line, case):
    # Tables beside the first one need not have every entry of the case.
    return all(line.get(k, str(v)) == str(v) for k, v in case.items())


def _environment():
    import convexnn

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [x.split(":")[1].strip() for x in lines if x.startswith("model name")]
    return {
        "python": platform.python_version(),
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "convexnn": convexnn.__version__,
        **{package: metadata.version(package) for package in _PACKAGES},
    }
