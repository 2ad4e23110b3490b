"""The house keeps its order: imports only go down, files stay small enough to read, lines short.

FLOORS   What each folder may import of ours, by `import` statements anywhere in its files: lazy
         ones and those for type checkers count.  `graph` takes four modules of the engine.
READING  `commands.context` says what a token is, and what the engine and the web pull in.
LOOK     Limits over all of the package; the models we learn from are well below them.
"""

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from pipulate.commands.context import core, parsed, tokens
from pipulate.engine.settings import PACKAGE

LIBRARIES = {"docs", "engine", "graph", "simulator", "botify", "chat"}
FLOORS = {
    "engine": set(),
    "docs": set(),
    "graph": {"engine.errors", "engine.files", "engine.child", "engine.foreign"},
    "simulator": {"graph", "engine"},
    "botify": {"simulator", "graph", "engine"},
    "chat": {"graph", "engine", "docs"},
    "markdown": set(),
    "web": {"markdown", "engine"},
    "watch": {"web", "engine"},
    "guard": {"engine"},
    "door": {"web", "engine"},
    "frame": {"web"},
    "failures": {"web", "engine"},
    "pairing": {"guard", "web", "engine"},
    "backups": {"engine"},
    "protocol": {"guard"},
    "pages": {"guard", "pairing", "markdown", "web", *LIBRARIES},
    "app": {"guard", "door", "frame", "failures", "watch", "pages", "web", *LIBRARIES},
    "": {"app", "engine"},  # the public names
    "cli": {"commands", "engine"},
    "commands": {"cli", "app", "watch", "protocol", "guard", "pairing", "pages", "web", *LIBRARIES},
    "workflows": {"", "web", "pages.graph_cards", *LIBRARIES},
    "__main__": {"cli"},
}
#: Who may use SQLite: the engine's files, the manual's index, graphs' tables; `failures` errors.
SQLITE = {
    *("engine.store", "engine.care", "engine.history", "engine.past", "engine.migrations"),
    *("docs", "graph.select", "graph.sql", "failures"),
}
#: Who may read what others wrote without the bounds of `engine.foreign`.
#: JSON is read, too, where this program, or its author, wrote it.
UNBOUNDED = {
    "json.loads": {
        *("engine.foreign", "engine.past", "engine.classic", "engine.values", "engine.care"),
        *("engine.child", "engine.doing", "engine.store", "engine.each"),
        *("graph.report", "graph.making", "graph.edges", "graph.sources", "graph.shelf"),
        *("chat.filters", "chat.llama_child", "chat.proposals", "chat.weights"),
        *("chat.conversation", "botify.ingest", "pages.lists", "simulator", "simulator.jobs"),
    },
    "json.load": set(),
    "json.JSONDecoder": {"engine.record"},
    "response.json": set(),
    "csv.reader": {"engine.foreign"},
    "csv.DictReader": set(),
    "csv.field_size_limit": {"engine.foreign"},
    "gzip.open": set(),
    "gzip.decompress": set(),
    "igzip.open": {"graph.unpack"},  # of a capped size
    "zipfile.ZipFile": {  # runs, by pieces; wheels, of a known hash; one written
        *("graph.unpack", "engine.exchange", "chat.weights", "simulator.exportfile"),
    },
}
ENGINE_TOKENS = 20_000
ENGINE_AND_WEB_TOKENS = 40_000


def module_name(path: Path, root: Path) -> str:
    """Return a file's module below the package: "engine.store", "" for the package itself."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


@cache
def trees() -> Mapping[str, ast.Module]:
    """Return every module of the package, parsed."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {module_name(path, PACKAGE): parsed(path) for path in files}


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the names of ours that a module imports, below the package."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports say where from"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            top, _, below = name.partition(".")
            if top == "pipulate":
                yield below


def imports(modules: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Return which modules each module imports."""
    found: dict[str, set[str]] = {}
    for name, tree in modules.items():
        found[name] = {closest(target, modules) for target in imported(tree)} - {name}
    return found


def closest(name: str, modules: Mapping[str, ast.Module]) -> str:
    """Return the module that an imported name belongs to."""
    while name not in modules:
        name = name.rpartition(".")[0]
    return name


def breaches(modules: Mapping[str, ast.Module]) -> list[str]:
    """Return the imports that go up, or to a room that a folder keeps out of."""
    found = []
    for name, targets in imports(modules).items():
        here = name.partition(".")[0]
        for target in sorted(targets):
            there = target.partition(".")[0]
            if there != here and not {there, target} & FLOORS[here]:
                found.append(f"{name} -> {target}")
    return found


def circles(modules: Mapping[str, ast.Module]) -> list[str]:
    """Return the modules that import themselves by way of others."""
    direct = imports(modules)
    del direct[""]  # its names are imported when they are first asked for
    return [name for name in direct if name in reachable(name, direct)]


def reachable(start: str, direct: Mapping[str, set[str]]) -> set[str]:
    """Return all that `start` imports, and what that imports, and so on."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = direct.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def made_up(**sources: str) -> dict[str, ast.Module]:
    """Return made-up modules; "__" stands for the dot of their names."""
    known = {name.replace("__", "."): ast.parse(text) for name, text in sources.items()}
    return {"": ast.parse(""), **known}


def test_imports_only_go_down():
    """No module imports from a floor above its own, nor from a room that it keeps out of."""
    assert breaches(trees()) == []


def test_no_module_imports_itself_by_way_of_others():
    """There is an order in which all can be read."""
    assert circles(trees()) == []


@pytest.mark.parametrize(
    ("line", "breach"),
    [
        ("from pipulate.web.state import State", ["engine.store -> web.state"]),
        ("from pipulate.web import state", ["engine.store -> web.state"]),
        ("def late():\n    import pipulate.web.state", ["engine.store -> web.state"]),
        ("if TYPE_CHECKING:\n    from pipulate.web import state", ["engine.store -> web.state"]),
        ("from pipulate import Workflow", ["engine.store -> "]),
        ("from pipulate.engine import record", []),
        ("from apsw import Connection", []),
    ],
)
def test_a_planted_import_is_found(line: str, breach: list[str]):
    """Whatever its form."""
    modules = made_up(engine__store=line, engine__record="", web__state="")
    assert breaches(modules) == breach


def test_a_planted_circle_is_found():
    """Over any number of modules."""
    modules = made_up(
        engine__a="from pipulate.engine import b",
        engine__b="from pipulate.engine import c",
        engine__c="from pipulate.engine.a import x",
        engine__d="from pipulate.engine import a",
    )
    assert circles(modules) == ["engine.a", "engine.b", "engine.c"]


# --- what reading costs


def cost(files: Iterable[Path]) -> int:
    """Return the tokens of all these files."""
    return sum(tokens(path.read_text()) for path in files)


def test_the_engine_is_read_in_an_hour():
    """It may not grow beyond what a person keeps in mind."""
    assert 10_000 < cost(core()["the engine"]) <= ENGINE_TOKENS


def test_engine_and_web_are_read_in_an_afternoon():
    """And fit into a model's window."""
    assert 20_000 < cost(chain(*core().values())) <= ENGINE_AND_WEB_TOKENS


def test_what_is_counted_is_what_is_pulled_in():
    """The names of the engine, really imported, load the files that are counted, and no other."""
    ask = (
        "import sys\nfrom pipulate.engine import *\n"
        "print([m.__file__ for n, m in sys.modules.items() if n.startswith('pipulate.')])"
    )
    command = [sys.executable, "-P", "-c", ask]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert {Path(name) for name in ast.literal_eval(said)} == set(core()["the engine"])


# --- the look


def functions() -> Iterator[tuple[str, int]]:
    """Yield each function with its lines, its docstring left out."""
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}.{node.name}", length(node)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return a function's lines without its docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return lines
    docstring = node.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def test_a_strangers_sql_has_one_door():
    """Nobody else opens SQLite: what a model writes runs in the child of `graph.select`."""
    users = {name for name, tree in trees().items() if {"apsw", "sqlite3"} & foreign(tree)}
    assert users == SQLITE


def foreign(tree: ast.Module) -> set[str]:
    """Return the names of the modules that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def called(tree: ast.Module) -> set[str]:
    """Return the dotted names of what a module calls, or hands on."""
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize("name", UNBOUNDED)
def test_what_strangers_wrote_has_one_reader(name: str):
    """With bounds of size and depth; a second one would forget them."""
    assert {module for module, tree in trees().items() if name in called(tree)} == UNBOUNDED[name]
    bare = f"from {name.rpartition('.')[0]} import"
    assert not [module for module, tree in trees().items() if bare in ast.unparse(tree)]


def test_a_number_is_asked_for_by_what_int_takes():
    """`"²".isdigit()` holds, and int("²") fails."""
    asked = {"isdigit", "isnumeric"}
    assert not [
        f"{module}: {call}"
        for module, tree in trees().items()
        for call in called(tree)
        if call.rpartition(".")[2] in asked
    ]


def test_a_planted_reader_is_found():
    """Called, or handed on."""
    assert "csv.reader" in called(ast.parse("for row in csv.reader(file): pass"))
    assert "json.loads" in called(ast.parse("rows = map(json.loads, lines)"))


def test_functions_are_short():
    """Half are six lines or less; a long one tells one story."""
    found = dict(functions())
    lengths = sorted(found.values())
    assert [name for name, lines in found.items() if lines > 60] == []
    assert statistics.median(lengths) <= 6
    assert lengths[len(lengths) * 9 // 10] <= 20


def per_thousand(kind: type[ast.AST]) -> float:
    """Return how many nodes of a kind there are in a thousand lines of the package."""
    count = sum(isinstance(node, kind) for tree in trees().values() for node in ast.walk(tree))
    return 1000 * count / len(lines())


@cache
def lines() -> list[str]:
    """Return all lines of the package that hold something."""
    texts = (path.read_text() for path in PACKAGE.rglob("*.py"))
    return [line.strip() for text in texts for line in text.splitlines() if line.strip()]


def test_lines_are_read_once():
    """38 characters on average."""
    assert sum(map(len, lines())) / len(lines()) <= 38


@pytest.mark.parametrize("folder", ["pipulate", "tests", "bench", "scripts"])
def test_no_line_is_cut_off(folder: str):
    """The linter lets a line pass that ends in an address or in a remark to a checker."""
    texts = {path: path.read_text() for path in (PACKAGE.parent / folder).rglob("*.py")}
    long = [
        f"{path}:{number}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > 100
    ]
    assert not long
    assert texts


def test_one_statement_is_one_thought():
    """Few conditional expressions, none in another; few assignments of several things at once."""
    nested = several = 0
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.IfExp):
                nested += any(isinstance(child, ast.IfExp) for child in ast.iter_child_nodes(node))
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                several += any(isinstance(target, ast.Tuple) for target in node.targets)
    assert nested == 0
    assert 1000 * several / len(lines()) <= 2
    assert per_thousand(ast.IfExp) <= 15
