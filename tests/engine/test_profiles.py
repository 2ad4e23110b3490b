"""Whose work it is: what a window shows, else what was chosen; one module says so."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipulate.engine import profiles
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE
from pipulate.engine.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give a store with a second profile, which has no menu name."""
    made = Store(tmp_path / "pipulate.db")
    made.write("INSERT INTO profile (id, name, priority) VALUES (2, 'Camelot plc', 1)")
    yield made
    made.close()


def owner(store: Store, id: str) -> int:
    """Begin a run; return the profile that it belongs to."""
    engine = Pipulate(store, "bridge")
    engine.initialize_if_missing(id)
    return int((engine.row(id) or {})["profile_id"])


def test_a_run_belongs_to_what_the_window_shows(store: Store) -> None:
    """Without a window to the chosen one; what is within a window ends with it."""
    assert owner(store, "first") == 1
    profiles.choose(store, 2)
    assert owner(store, "second") == profiles.shown(store) == 2
    with profiles.window(1):
        assert owner(store, "third") == profiles.shown(store) == 1
        assert profiles.chosen(store) == 2
    assert profiles.shown(store) == 2


def readers(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that take the choice from a store, or put it there."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=holder, slice=ast.Constant("profile_id")):
                pass
            case ast.Call(func=ast.Attribute(value=holder), args=[ast.Constant("profile_id"), *_]):
                pass
            case _:
                continue
        if ast.unparse(holder).rpartition(".")[2] in ("store", "db"):
            yield node.lineno


@pytest.mark.parametrize(
    "line",
    [
        'self.store.get("profile_id", 1)',
        'store["profile_id"] = 2',
        'del app.state.store["profile_id"]',
        'db["profile_id"]',
    ],
)
def test_a_planted_reader_is_found(line: str) -> None:
    """Whatever its form; a column of a row is none."""
    assert list(readers(ast.parse(line))) == [1]
    assert not list(readers(ast.parse('row["profile_id"], where.get("profile_id")')))


def test_nobody_else_reads_the_choice() -> None:
    """Who asks for it would act for another profile than the window shows."""
    for path in PACKAGE.rglob("*.py"):
        assert not list(readers(ast.parse(path.read_text(encoding="utf-8")))), path
