"""Tables as CSV files, and what they were measured with as a JSON file beside them."""

from __future__ import annotations

import csv
import json
import os
import platform
from importlib import metadata
from pathlib import Path

__all__ = ["write_environment", "write_table"]

_PACKAGES = ("numpy", "scipy", "scikit-learn", "cvxpy", "osqp")


def write_table(folder, name, rows):
    """Write rows, the first of which is the header, to ``name.csv``."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / f"{name}.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_environment(folder, name, **settings):
    """Write versions, processor, threads and settings to ``name.json``."""
    import convexnn

    about = {
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
        "convexnn": convexnn.__version__,
        **{package: metadata.version(package) for package in _PACKAGES},
        **settings,
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / f"{name}.json", "w") as file:
        json.dump(about, file, indent=1)
        file.write("\n")
