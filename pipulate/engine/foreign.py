"""What somebody else wrote, read within bounds: JSON, and lines.

WHO      APIs, models, agents, files to import or to look at: all but what this
         program wrote itself.  Tests let none of them be read otherwise.
DEPTH    `[` a hundred thousand times ends Python's parser by RecursionError,
         and what is merely deep ends whoever walks it.
SIZE     JSON takes up to thirty times its text in memory; a line without an
         end takes all of it.
"""

import json
from collections.abc import Iterator
from typing import IO, Any, AnyStr

DEEPEST = 200  #: lists and objects, one in another
MOST = 8 << 20  #: characters of one JSON text
LONGEST_LINE = 8 << 20  #: characters


class TooMuch(ValueError):
    """It is over a bound; the message goes on a sentence."""


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
