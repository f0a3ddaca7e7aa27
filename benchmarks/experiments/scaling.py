"""CPU time and memory of the searching solver against the number of rows.

Fits 20-neuron teachers in 50 dimensions with 2,000 to 200,000 rows, each in a process
of its own, on one thread. Memory is the peak of the process less what it had before the
data were made, and is compared with X and 8 arrays of n x (neurons + starts) floats.
"""

from __future__ import annotations

import numpy as np

from ..methods.processes import Peer, launch
from ..run import Part

SETTINGS = {
    "rows": (2_000, 6_000, 20_000, 60_000, 200_000),
    "beta": 0.1,  # of beta_max
    "limit": 1800.0,  # CPU seconds of a fit
}
QUICK = {"rows": (100, 200), "beta": 0.5}


def measure(options, case, _):
    asked = {"n": case["n"], "share": options.beta}
    status, _, reports = launch(Peer("run_growth.py"), asked, options.limit)
    if not reports:
        print(f"{case['n']} rows: {status}")
        return
    facts = reports[0].facts
    yield {
        "CPU s": reports[0].seconds,
        **{name: facts[name] for name in ("rounds", "neurons", "gap")},
        "peak MB": facts["peak"] / 1e6,
        "allowed MB": facts["allowed"] / 1e6,
        "verdict": "PASS" if facts["peak"] <= facts["allowed"] else "FAIL",
    }


PARTS = {
    "scaling": Part(
        "n | CPU s @.2f | rounds | neurons | gap @.1e | peak MB @.0f"
        " | allowed MB @.0f | verdict",
        measure,
        lambda options: [{"n": n} for n in options.rows],
    )
}


def report(tables, options):
    rows = tables["scaling"]
    if len(rows) > 1:
        logs = np.log([(row["n"], row["CPU s"]) for row in rows])
        slope = np.polyfit(*logs.T, 1)[0]
        yield "", [("time grows as n to the",), (f"{slope:.2f}",)]
