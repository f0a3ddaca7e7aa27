"""What importing the package costs, and that its parts are public as promised."""

import subprocess
import sys

import convexnn


def loaded_after(statement):
    """Return the names of the modules loaded by a statement in a new process."""
    code = f"{statement}; import sys; print('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_import_loads_no_backend_and_no_plotting():
    modules = loaded_after("import convexnn")
    assert not modules & {"cvxpy", "osqp", "matplotlib", "clarabel"}


def test_choosing_a_backend_loads_only_that_one():
    statement = (
        "from convexnn.solvers import select_backend; select_backend('osqp').load()"
    )
    modules = loaded_after(statement)
    assert "osqp" in modules
    assert "cvxpy" not in modules


def test_displays_load_no_plotting_library_by_themselves():
    assert "matplotlib" not in loaded_after("import convexnn.plotting")


def test_public_names_exist():
    assert all(hasattr(convexnn, name) for name in convexnn.__all__)
