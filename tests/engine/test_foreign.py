"""What somebody else wrote is read within bounds, and refused in words."""

import io
from typing import Any

import pytest

from pipulate.engine.foreign import DEEPEST, LONGEST_CELL, LONGEST_LINE, lines, loads, rows


def nested(depth: int) -> str:
    """Return so many lists, one in another."""
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "nested more than 200 deep"),
        ('{"a":' * 100_000, "nested more than 200 deep"),
        (nested(DEEPEST + 1), "nested more than 200 deep"),
        ('{"a": [' * 150 + "]}" * 150, "nested more than 200 deep"),
        ("[1, 2", "Expecting"),
        (b"\xff\xfe\xff", "decode"),
        ("[" + "1," * 60 + "1]", "more than 100 characters"),
    ],
)
def test_what_is_too_much_is_told(text: str | bytes, words: str) -> None:
    """By one kind of error, whatever is wrong."""
    most = 100 if words.endswith("characters") else 10_000_000
    with pytest.raises(ValueError, match=words):
        loads(text, most)


@pytest.mark.parametrize(
    "text", [nested(DEEPEST), "[[]" + ",[]" * 500 + "]", '"' + "[" * 999 + '"']
)
def test_what_is_within_bounds_is_read(text: str) -> None:
    """Brackets in a text, or side by side, are not depth."""
    assert loads(text) is not None
    assert loads(text.encode()) is not None


@pytest.mark.parametrize(
    "file", [io.StringIO("a\nbb\n" + "c" * 11), io.BytesIO(b"a\nbb\n" + b"c" * 11)]
)
def test_a_line_without_an_end_is_told(file: Any) -> None:
    """With its number; those before it were read."""
    read = lines(file, 10)
    assert [len(next(read)), len(next(read))] == [2, 3]
    with pytest.raises(ValueError, match="line 3 has more than 10 characters"):
        next(read)


def test_lines_within_bounds_are_read() -> None:
    """Whole, with their ends."""
    assert [*lines(io.StringIO("ab\n\ncd"), 3)] == ["ab\n", "\n", "cd"]


def test_rows_know_their_lines() -> None:
    """The line where each begins, also after a cell of several lines."""
    table = io.StringIO('a;b\n"c\nd";e\n\nf;g')
    read = [*rows(table, ";")]
    assert read == [(1, ["a", "b"]), (2, ["c\nd", "e"]), (4, []), (5, ["f", "g"])]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x" * (LONGEST_CELL + 1), "starts in line 2 has a cell of more than 1,048,576"),
        ('"' + "x\n" * LONGEST_CELL, "starts in line 2 has a cell of more than 1,048,576"),
        ("x" * (LONGEST_LINE + 1), "line 2 has more than 8,388,608"),
        ('"a\n",' * (LONGEST_LINE // 5 + 1), "starts in line 2 has more than 8,388,608"),
    ],
)
def test_a_row_without_an_end_is_told(row: str, words: str) -> None:
    """In one line or in many, one cell or many."""
    read = rows(io.StringIO("a,b\n" + row))
    assert next(read) == (1, ["a", "b"])
    with pytest.raises(ValueError, match=words):
        next(read)
