"""Names that people and models say, and rows that are changed so that they can be changed back."""

from pathlib import Path

import pytest

from pipulate.chat.desk import Desk, drop, find, put, row_of
from pipulate.engine.errors import Unknown
from tests.chat.fakes import make_desk

ROWS = [
    {"id": 1, "name": "Call the client about shoes"},
    {"id": 2, "name": "Call Bob"},
    {"id": 12, "name": "Invoice"},
]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a desk on an empty store."""
    return make_desk(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "id"),
    [("2", 2), ("12", 12), ("INVOICE", 12), ("the one with the shoes", 1), ("bobby", 2)],
)
def test_a_thing_is_named_by_number_name_or_rare_words(wanted: str, id: int) -> None:
    """A number is no word of a name, and the rarest word tells."""
    rows = [*ROWS, {"id": 3, "name": "Call 2 people"}]
    if wanted == "bobby":  # words are compared by their beginnings, of five letters
        rows[1] = {"id": 2, "name": "Call Bobby Brown"}
    assert find(rows, wanted, "task")["id"] == id


@pytest.mark.parametrize("wanted", ["call", "the task", "", "nothing"])
def test_what_is_not_clear_is_asked_back(wanted: str) -> None:
    """The names are told with their numbers."""
    with pytest.raises(Unknown, match=r"There are: 1\. Call the client.*Name one by its number"):
        find(ROWS, wanted, "task")
    with pytest.raises(Unknown, match="none yet"):
        find([], wanted, "task")


def test_a_change_tells_how_it_was_and_is(desk: Desk) -> None:
    """A row made has no before, a dropped one no after, a changed one both."""
    (_, key, nothing, made) = put(desk, "task", {"name": "Tea", "profile_id": 1, "priority": 1})
    assert nothing is None and made["name"] == "Tea"
    assert put(desk, "task", {"id": key, "name": "Cocoa"}) == [
        "task",
        key,
        made,
        {**made, "name": "Cocoa"},
    ]
    assert drop(desk, "task", key) == ["task", key, {**made, "name": "Cocoa"}, None]
    assert row_of(desk.store, "task", key) is None
    with pytest.raises(Unknown, match="deleted meanwhile"):
        put(desk, "task", {"id": key, "name": "Milk"})
