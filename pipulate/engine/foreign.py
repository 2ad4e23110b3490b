"""What somebody else wrote, read within bounds: JSON, lines, rows of CSV.

WHO      APIs, models, agents, files to import or to look at: all but what this
         program wrote itself.  Tests let none of them be read otherwise.
DEPTH    `[` a hundred thousand times ends Python's parser by RecursionError,
         and what is merely deep ends whoever walks it.
SIZE     JSON takes up to thirty times its text in memory; a line without an
         end takes all of it, and so does a row of which a quotation mark has
         no partner.
"""

import csv
import json
from collections.abc import Iterator
from typing import IO, Any, AnyStr

DEEPEST = 200  #: lists and objects, one in another
MOST = 8 << 20  #: characters of one JSON text
LONGEST_LINE = 8 << 20  #: characters, also of a row
LONGEST_CELL = 1 << 20

csv.field_size_limit(LONGEST_CELL)  # of the whole process: it is set nowhere else


class TooMuch(ValueError):
    """It is over a bound; says what is, as a part of a sentence."""


def loads(text: str | bytes, most: int = MOST) -> Any:
    """Return the value in a JSON text; raises ValueError, which says why."""
    if len(text) > most:
        raise TooMuch(f"it has more than {most:,} characters")
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    if _opened(text) > DEEPEST:
        _measure(value)
    return value


def _opened(text: str | bytes) -> int:
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _measure(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _too_deep()


def _inside(value: Any) -> list[Any]:
    held = value.values() if isinstance(value, dict) else value
    return [item for item in held if isinstance(item, dict | list)]


def _too_deep() -> TooMuch:
    return TooMuch(f"its lists and objects are nested more than {DEEPEST} deep")


def lines(file: IO[AnyStr], most: int = LONGEST_LINE) -> Iterator[AnyStr]:
    """Yield the lines of a file; raises TooMuch, which says what line."""
    number = 0
    while line := file.readline(most + 1):
        number += 1
        if len(line) > most:
            raise TooMuch(f"line {number:,} has more than {most:,} characters")
        yield line


def rows(file: IO[str], separator: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Yield (the line where it begins, the cells) of each row of a CSV.

    Raises ValueError, which says in which line what cannot be read.
    """
    taken = 0
    begins = 1

    def counted() -> Iterator[str]:
        nonlocal taken
        for line in lines(file):
            taken += len(line)
            if taken > LONGEST_LINE:
                raise _row_too_long(begins, f"more than {LONGEST_LINE:,} characters")
            yield line

    reader = csv.reader(counted(), delimiter=separator)
    try:
        for row in reader:
            yield begins, row
            begins = reader.line_num + 1
            taken = 0
    except csv.Error as error:
        if "field limit" in str(error):
            raise _row_too_long(
                begins, f"a cell of more than {LONGEST_CELL:,} characters"
            ) from error
        raise ValueError(f"the row that starts in line {begins:,}: {error}") from error


def _row_too_long(line: int, what: str) -> TooMuch:
    return TooMuch(f"the row that starts in line {line:,} has {what}")
