"""No copy for a spreadsheet computes anything, and none stops in the midst."""

import csv
from pathlib import Path

import polars as pl
import pytest

from pipulate.graph.spreadsheets import CHUNK, of_file, write

HARMLESS = ["", "a=b", "a", "1", "https://a.example/?q=1", "'=1", "日本", "\ufeffurl"]
RISKY = [
    *("=1+1", "+x", "-x", "@x", "\tx", "\rx", "\nx", " =1", "\u3000=1", "\u00a0@x", "\x00=1"),
    *("＝1+1", "＋1", "－1", "＠x", "\ufeff=1", "\u200b=1", "\n=1"),
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_formula_stays(text: str, tmp_path: Path) -> None:
    """In tables, their names of columns, and files."""
    assert both(text, tmp_path) == (text, text)


@pytest.mark.parametrize("text", RISKY)
def test_a_formula_gets_an_apostrophe(text: str, tmp_path: Path) -> None:
    """Whatever it hides behind."""
    assert both(text, tmp_path) == (f"'{text}", f"'{text}")


def both(text: str, folder: Path) -> tuple[str, str]:
    """Return what becomes of a text in a table, and in a file."""
    path = folder / "one.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(["x", text])
    (row,) = csv.reader(b"".join(of_file(path)).decode().splitlines(keepends=True))
    columns = {text: [text, None], "n": [-1, 1], "c": pl.Series([text, "x"], dtype=pl.Categorical)}
    write(pl.DataFrame(columns), path)
    with path.open(encoding="utf-8", newline="") as file:
        names, first, second = csv.reader(file)
    assert second == ["", "1", "x"]
    assert [names[0], first[0]] == [first[2], first[2]] and first[1] == "-1"
    return names[0], row[1]


def test_a_long_file_comes_whole(tmp_path: Path) -> None:
    """Piece by piece, each cell once."""
    path = tmp_path / "long.csv"
    rows = [f"{number},@{number}" for number in range(20_000)]
    path.write_text("\n".join(rows))
    pieces = list(of_file(path))
    assert len(pieces) > 2 and len(pieces[0]) < 2 * CHUNK
    assert b"".join(pieces).decode().split() == [row.replace("@", "'@") for row in rows]


def test_odd_files_come_whole(tmp_path: Path) -> None:
    """A cell of a megabyte, and bytes that are no UTF-8: nothing breaks off."""
    path = tmp_path / "odd.csv"
    path.write_bytes(b"caf\xe9,=1\r\n" + b"x" * 1_000_000 + b",\xff\r\n")
    assert b"".join(of_file(path)) == b"caf\xe9,'=1\r\n" + b"x" * 1_000_000 + b",\xff\r\n"


def test_a_row_without_an_end_ends_the_copy_in_words(tmp_path: Path) -> None:
    """What stands before it is there."""
    path = tmp_path / "endless.csv"
    path.write_bytes(b"a,=1\n" + b"x" * 9_000_000)
    (whole,) = of_file(path)
    assert whole.startswith(b"a,'=1\r\n")
    assert b"This copy stops here: line 2 has more than 8,388,608 characters." in whole
