"""The structure: who may import whom, and how large and unlike its parts are."""

import ast
import re
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "convexnn"
TREES = {path: ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}

# Folders whose public functions and methods have types.
TYPED = {
    "architectures",
    "data",
    "decoding",
    "networks",
    "programs",
    "search",
    "solvers",
    "training",
}

# Names of several modules, and of how many. The two that stay are `solve`, as
# backends are called alike, and one more `descend`, as the decoder has its own.
SAME_NAMES = {"certify": 2, "descend": 2, "solve": 9}
NO_NAMES = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}
PLACE = re.compile(r"convexnn(\.\w+)+:\w+")  # of what is loaded when it is used


def place(path):
    """Return the path inside the package, as a string."""
    return path.relative_to(PACKAGE).as_posix()


def room(path):
    """Return the folder, or the file at the top, without its ending."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module(*parts):
    """Return the file of a dotted name, or None if it is outside of the package."""
    path = ROOT.joinpath(*parts)
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file in TREES), None)


def imported(path):
    """Yield the files that a file imports, or names as a place to load from."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom):
            folder = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            base = (*folder, *(node.module or "").split(".")) if node.module else folder
            for alias in node.names:
                yield module(*base, alias.name) or module(*base)
        elif isinstance(node, ast.Import):
            yield from (module(*alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.Constant) and PLACE.fullmatch(str(node.value)):
            yield module(*node.value.split(":")[0].split("."))


IMPORTS = {path: set(imported(path)) - {None, path} for path in TREES}


def allowed():
    """Return the table of CONTRIBUTING.md: the imports allowed to each room."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \| ([^|]*) \|", text, re.MULTILINE)
    return {name: set(re.findall(r"\w+", names)) - {"nothing"} for name, names in rows}


def test_the_table_names_what_stands_at_the_top():
    top = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    folders = {name for name in top if (PACKAGE / name).is_dir()}
    assert top - folders == {"__init__.py", "checks.py", "py.typed"}
    assert set(allowed()) == folders | {"__init__", "checks"}


def test_imports_are_read():
    assert PACKAGE / "training" / "certify.py" in IMPORTS[PACKAGE / "__init__.py"]
    named = IMPORTS[PACKAGE / "solvers" / "registry.py"]
    assert PACKAGE / "solvers" / "fista.py" in named


def test_the_table_has_no_circle():
    TopologicalSorter(allowed()).prepare()


def test_imports_keep_to_the_table():
    table = allowed()
    found = {
        (place(path), room(target))
        for path, targets in IMPORTS.items()
        for target in targets
        if room(target) not in table[room(path)] | {room(path)}
    }
    assert found == set()


def test_files_import_each_other_in_no_circle():
    graph = dict(IMPORTS)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" < ".join(place(path) for path in error.args[1]))


def test_modules_are_small_and_named_by_what_they_hold():
    for path in TREES:
        assert len(path.read_text().splitlines()) <= 600, path
        names = (Path(part).stem for part in path.relative_to(PACKAGE).parts)
        assert not {word for name in names for word in name.split("_")} & NO_NAMES, path


def lines(function):
    """Return the number of lines of a function without its docstring."""
    first = function.body[0]
    has_text = ast.get_docstring(function) is not None
    text = first.end_lineno - first.lineno + 1 if has_text else 0
    return function.end_lineno - function.lineno + 1 - text


def test_functions_are_short():
    found = {
        (place(path), node.name)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and lines(node) > 60
    }
    assert found == set()


def test_public_names_stand_in_one_module():
    names = Counter(
        node.name
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("_")
    )
    assert {name: n for name, n in names.items() if n > 1} == SAME_NAMES


def public(body):
    """Yield the public functions of a module or a class, and of its public classes."""
    for node in body:
        name = getattr(node, "name", "_")
        is_public = not name.startswith("_") or name.startswith("__")
        if isinstance(node, ast.ClassDef) and is_public:
            yield from public(node.body)
        elif isinstance(node, ast.FunctionDef) and is_public:
            yield node


def untyped(function):
    """Return whether a parameter or the value of a function has no type."""
    every = function.args
    named = [*every.posonlyargs, *every.args, *every.kwonlyargs]
    named += [each for each in (every.vararg, every.kwarg) if each is not None]
    missing = {each.arg for each in named if each.annotation is None}
    return bool(missing - {"self", "cls"}) or function.returns is None


def test_what_lacks_a_type_is_seen():
    text = "class A:\n    def f(self, a: int, *b) -> int: ...\n    def _g(self): ...\n"
    text += "def f(a: int): ...\ndef g(a, /) -> int: ...\ndef h(a: int) -> int: ...\n"
    assert [untyped(node) for node in public(ast.parse(text).body)] == [1, 1, 1, 0]


def test_public_functions_and_methods_have_types():
    found = {
        (place(path), node.name)
        for path, tree in TREES.items()
        if room(path) in TYPED
        for node in public(tree.body)
        if untyped(node)
    }
    assert found == set()
