"""The tests mirror the house: a module's tests are found by its name, and use its public doors."""

import ast
import gc
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE, TESTS = Path("pipulate"), Path("tests")

#: Modules without a test file of their name, and where their behaviour is tested instead.
ELSEWHERE = {
    "docs/__init__.py": "tests/test_docs.py",  # with the manual itself
    "chat/llama_child.py": "tests/chat/test_embedded.py",  # as the process that it is
    "engine/__init__.py": "tests/test_layers.py",  # with what its names pull in
}


@pytest.fixture(autouse=True)
def no_collection() -> Iterator[None]:
    """CPython 3.11 may fail to parse when a collection comes in between."""
    gc.disable()
    yield
    gc.enable()


#: Names with an underscore that are public all the same.
PUBLIC = {
    *("_replace", "_asdict", "_fields"),  # of named tuples
    *("_get_state", "_save_state"),  # of classic workflows
}

#: Files of the project's own folder.
TOP = {
    *("README.md", "CHANGELOG.md", "AGENTS.md", "LICENSE", "Makefile", "flake.nix"),
    *("pyproject.toml", "requirements.lock", "requirements-dev.lock", "requirements-spark.lock"),
    *(".gitattributes", ".gitignore"),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def behaves(module: ast.Module) -> bool:
    """Say whether a module has a function of three statements or more, not counting `__init__`."""
    functions = [node for node in ast.walk(module) if isinstance(node, Function)]
    return any(len(_body(made)) > 2 for made in functions if made.name != "__init__")


def _body(function: Function) -> list[ast.stmt]:
    """Return a function's statements without its docstring."""
    if ast.get_docstring(function) is None:
        return function.body
    return function.body[1:]


def test_a_module_with_behaviour_has_its_test_in_the_mirrored_folder() -> None:
    """`pipulate/graph/edges.py` is tested by `tests/graph/test_edges.py`."""
    missing = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        mirrored = TESTS / name.parent / f"test_{name.stem.strip('_')}.py"
        if behaves(ast.parse(path.read_text(encoding="utf-8"))) and not mirrored.is_file():
            missing.append(str(name))
    assert sorted(missing) == sorted(ELSEWHERE)
    assert [path for path in ELSEWHERE.values() if not Path(path).is_file()] == []


def private_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of each private name that a test takes from somebody else.

    `x._name` counts unless x is self or cls or the file itself defines `_name`; so does a private
    name that is imported, or spelled in a string for `monkeypatch.setattr` and its like.
    """
    module = ast.parse(source)
    own = PUBLIC | {node.attr for node in ast.walk(module) if _is_own(node)}
    own |= {node.name for node in ast.walk(module) if isinstance(node, Function | ast.ClassDef)}
    for node in ast.walk(module):
        for name in _taken(node):
            last = name.rpartition(".")[2]
            if last.startswith("_") and not last.startswith("__") and last not in own:
                yield node.lineno, name  # type: ignore[attr-defined]


def _is_own(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("self", "cls")
    )


def _taken(node: ast.AST) -> list[str]:
    """Return the names that a node takes from an object or a module."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.ImportFrom):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        if called in ("setattr", "getattr", "delattr", "hasattr"):
            strings = [arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant)]
            return [text for text in strings if isinstance(text, str)]
    return []


def test_what_stands_at_the_top_is_meant_to() -> None:
    """A library that a test calls may leave a file where it runs."""
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True)
    assert {path for path in listed.stdout.split() if "/" not in path} == TOP


def test_no_test_reaches_behind_a_public_door() -> None:
    """What a test needs, the module offers: else a change inside would break tests of nothing."""
    found = [
        f"{path}:{line} {name}"
        for path in sorted(TESTS.rglob("*.py"))
        for line, name in private_names(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_the_rule_sees_what_it_should() -> None:
    """Each way to a private name, and the ways that are none."""
    reaching = """
from pipulate.engine.jobs import _swap
jobs._tasks
app.state.lan._seen[0]
monkeypatch.setattr(lan, "_now", None)
monkeypatch.setattr("pipulate.engine.files._part", None)
getattr(model, "_child")
"""
    assert [name for _, name in sorted(private_names(reaching))] == [
        "_swap",
        "_tasks",
        "_seen",
        "_now",
        "pipulate.engine.files._part",
        "_child",
    ]
    fine = """
class Fake:
    def __init__(self): self._seen = self.__class__
    def _count(self): return cls._made
fake._seen, fake._count(), row._replace(a=1), x.__dict__
print("_not a name")
"""
    assert sorted(private_names(fine)) == []
