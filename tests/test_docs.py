"""The code in the documentation runs and prints what it says."""

import doctest
import pkgutil
import re
from pathlib import Path

import pytest

from convexnn import architectures
from convexnn.solvers import registry

DOCS = Path(__file__).parents[1] / "docs"


PAGES = [*DOCS.glob("*.rst"), *DOCS.glob("examples*/*.py"), *DOCS.parent.glob("*.md")]


def test_names_of_the_package_in_pages_exist():
    names = {
        name
        for page in PAGES
        if page.is_file()
        for name in re.findall(r"convexnn(?:\.\w+)+", page.read_text())
    }
    assert len(names) > 50
    for name in sorted(names):
        pkgutil.resolve_name(name)


@pytest.fixture
def _registry(monkeypatch):
    backends = dict(registry._BACKENDS)
    backends.pop("zero", None)  # of the example of register_backend
    monkeypatch.setattr(registry, "_BACKENDS", backends)


@pytest.mark.usefixtures("_registry")
def test_page_on_backends(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "examples_backend")
    outcome = doctest.testfile(str(DOCS / "backends.rst"), module_relative=False)
    assert outcome.attempted > 10
    assert outcome.failed == 0


def test_page_on_architectures(monkeypatch):
    monkeypatch.syspath_prepend(DOCS / "examples_architecture")
    before = dict(architectures.ARCHITECTURES)
    try:
        page = str(DOCS / "architectures.rst")
        outcome = doctest.testfile(page, module_relative=False)
    finally:
        architectures.ARCHITECTURES.clear()
        architectures.ARCHITECTURES.update(before)
    assert outcome.attempted > 10
    assert outcome.failed == 0


def test_page_on_classification():
    outcome = doctest.testfile(str(DOCS / "classification.rst"), module_relative=False)
    assert outcome.attempted > 10
    assert outcome.failed == 0


def test_code_of_the_start_page(capsys):
    lines = (DOCS / "index.rst").read_text().splitlines()
    first = lines.index(".. code-block:: python") + 2
    block = []
    for line in lines[first:]:
        if line and not line.startswith("   "):
            break
        block.append(line[3:])
    exec("\n".join(block), {})
    assert "Certificate(primal=" in capsys.readouterr().out
