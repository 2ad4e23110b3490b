"""The rows of a list: their order, what may be written, and that nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from pipulate.engine.errors import Invalid
from pipulate.engine.store import Store
from pipulate.pages.lists import MOST, Row, Table

WORDS = ("Ask", "Build", "Call", "Dream")
TABLE = Table(
    name="task",
    noun="chore",
    fields={"name": "Chore"},
    toggle=("done", "Done"),
    scope=lambda store: {"profile_id": 7},
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give a store with four tasks of profile 7 and one of another."""
    made = Store(tmp_path / "pipulate.db")
    for word in WORDS:
        TABLE.add(made, {"name": word})
    made.write("INSERT INTO task (id, name, profile_id) VALUES (99, 'Not ours', 1)")
    yield made
    made.close()


def names(store: Store) -> list[str]:
    """Return the list as it is shown."""
    return [row["name"] for row in TABLE.rows(store)]


def by_name(store: Store, name: str) -> Row:
    """Return one row."""
    (row,) = TABLE.rows(store, name=name)
    return row


def test_what_is_added_stands_last(store: Store) -> None:
    """The order is that of adding, until somebody sorts."""
    assert names(store) == list(WORDS)
    TABLE.sort(store, [by_name(store, "Dream")["id"]])
    TABLE.add(store, {"name": "End"})
    assert names(store) == ["Dream", "Ask", "Build", "Call", "End"]


@pytest.mark.parametrize(
    ("name", "by", "order"),
    [
        ("Ask", 1, ["Build", "Ask", "Call", "Dream"]),
        ("Ask", -1, list(WORDS)),
        ("Dream", -1, ["Ask", "Build", "Dream", "Call"]),
        ("Dream", 1, list(WORDS)),
    ],
)
def test_a_row_moves_by_one_place(store: Store, name: str, by: int, order: list[str]) -> None:
    """And stays where it is at either end."""
    TABLE.move(store, by_name(store, name)["id"], by)
    assert names(store) == order


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(st.integers(-1, 6) | st.just(99) | st.just(10**17), max_size=9))
def test_whatever_order_is_sent_no_row_is_lost(store: Store, sent: list[int]) -> None:
    """Unknown, foreign and repeated ids: the named rows come first, the others follow as before."""
    before = [row["id"] for row in TABLE.rows(store)]
    TABLE.sort(store, sent)
    named = [id for id in dict.fromkeys(sent) if id in before]
    others = [id for id in before if id not in named]
    assert [row["id"] for row in TABLE.rows(store)] == named + others


def test_only_the_columns_of_the_list_are_written(store: Store) -> None:
    """A form that carries others changes nothing of them."""
    id = by_name(store, "Ask")["id"]
    TABLE.change(store, id, {"name": " Beg ", "profile_id": 1, "id": 99, "priority": 50})
    before = {"id": id, "name": "Beg", "done": 0, "priority": 1, "profile_id": 7}
    assert TABLE.one(store, id) == before
    assert TABLE.add(store, {"name": "New", "profile_id": 1})["profile_id"] == 7


@pytest.mark.parametrize(("sent", "kept"), [("1", 1), ("on", 1), (True, 1), ("", 0), ("no", 0)])
def test_the_toggle_is_yes_or_no(store: Store, sent: object, kept: int) -> None:
    """A box that is not ticked sends nothing, or an empty text."""
    id = by_name(store, "Ask")["id"]
    assert TABLE.change(store, id, {"done": sent})["done"] == kept


@pytest.mark.parametrize(
    ("name", "says"),
    [("", "A chore needs a name"), (" \t", "needs a name"), ("x" * (MOST + 1), "Chore has 301")],
)
def test_a_bad_name_is_refused_and_nothing_changes(store: Store, name: str, says: str) -> None:
    """When adding and when changing."""
    for act in (
        lambda: TABLE.add(store, {"name": name}),
        lambda: TABLE.change(store, 1, {"name": name}),
    ):
        with pytest.raises(Invalid, match=says):
            act()
    assert names(store) == list(WORDS)


def test_what_is_deleted_comes_back_whole_and_once(store: Store) -> None:
    """With its id, its place and its tick."""
    row = TABLE.change(store, by_name(store, "Build")["id"], {"done": 1})
    seq = TABLE.delete(store, row["id"])
    assert names(store) == ["Ask", "Call", "Dream"]
    assert TABLE.undelete(store, seq) == row and names(store) == list(WORDS)
    with pytest.raises(HTTPException):
        TABLE.undelete(store, seq)


@pytest.mark.parametrize("id", [0, -1, 99, 12345])
def test_a_row_of_another_list_is_out_of_reach(store: Store, id: int) -> None:
    """99 is another profile's: nothing is read, changed, moved or deleted."""
    for act in (
        lambda: TABLE.one(store, id),
        lambda: TABLE.change(store, id, {"name": "Stolen"}),
        lambda: TABLE.move(store, id, 1),
        lambda: TABLE.delete(store, id),
    ):
        with pytest.raises(HTTPException) as refused:
            act()
        assert refused.value.status_code == 404
    assert store.read("SELECT name FROM task WHERE id = 99") == [{"name": "Not ours"}]
