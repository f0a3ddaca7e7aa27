"""Make the environment of a peer from the package registry.

    python benchmarks/peers/make_environment.py adelie --at ENVIRONMENTS

makes ENVIRONMENTS/adelie; give the benchmarks ``--environments ENVIRONMENTS``, or set
CONVEXNN_PEERS to it. torch, which pyscnn needs too, brings several GB of libraries
that it does not load without.
"""

from __future__ import annotations

import argparse
import subprocess
import venv
from pathlib import Path

#: Packages of each environment, in the order of installation: pip's arguments.
ENVIRONMENTS = {
    "adelie": (["adelie==1.1.52", "numpy<2"],),
    "skglm": (["skglm==0.5", "numpy>=2"],),
    "torch": (["torch", "numpy>=2"],),
    # Its requirements also name packages that these benchmarks do not touch.
    "pyscnn": (
        ["torch", "numpy>=2", "scipy", "scikit-learn", "cvxpy"],
        ["typing_extensions", "tqdm", "opt_einsum"],
        ["--no-deps", "pyscnn==0.0.10", "linalg_backends==0.0.1b0"],
    ),
}


def main():
    """Make the environments named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=ENVIRONMENTS)
    parser.add_argument("--at", required=True, type=Path)
    arguments = parser.parse_args()
    for name in arguments.names:
        folder = arguments.at / name
        venv.create(folder, with_pip=True)
        for packages in ENVIRONMENTS[name]:
            command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
            subprocess.run([*command, *packages], check=True)
        print(f"{name}: {folder}")


if __name__ == "__main__":
    main()
