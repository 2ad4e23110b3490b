"""Copies of tables that a spreadsheet opens without computing anything.

A cell whose first visible sign begins a formula, or that begins with a
control sign, gets an apostrophe before it (OWASP, "CSV Injection").  Full-width
signs count: spreadsheets of East Asian systems read them as the plain ones.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import polars as pl

from pipulate.engine import foreign

CHUNK = 65_536  # characters
RISKY = r"^([\t\r\n]|[\s\x00-\x1f\u200B\uFEFF]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20])"
_risky = re.compile(RISKY)


def write(table: pl.DataFrame, path: Path) -> None:
    """Write the table as CSV with harmless texts, names of columns among them."""
    rust = re.sub(r"\\u(\w{4})", r"\\x{\1}", RISKY)
    texts = pl.selectors.string(include_categorical=True).cast(pl.String)
    names = pl.DataFrame([list(map(_harmless, table.columns))], orient="row")
    with path.open("wb") as file:
        names.write_csv(file, include_header=False)
        harmless = table.with_columns(texts.str.replace(rust, "'$1"))
        harmless.write_csv(file, include_header=False)


def of_file(path: Path) -> Iterator[bytes]:
    """Yield the CSV with harmless cells; of other encodings each byte stays."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        for row in _rows(file):
            writer.writerow(map(_harmless, row))
            if buffer.tell() > CHUNK:
                yield buffer.getvalue().encode(errors="surrogateescape")
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue().encode(errors="surrogateescape")


def _harmless(cell: str) -> str:
    return f"'{cell}" if _risky.match(cell) else cell


def _rows(file: IO[str]) -> Iterator[list[str]]:
    try:
        for _, row in foreign.rows(file):
            yield row
    except ValueError as error:
        yield [f"This copy stops here: {error}. The file itself has all of it."]
