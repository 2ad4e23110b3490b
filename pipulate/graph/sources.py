"""Tables from anywhere: what separates the cells, which columns are needed.

TAKEN     CSV of any usual separator (`,` `;` tab `|`), with a header, a
          `sep=` line, both or neither; plain, gzip or zip; UTF-8, UTF-16 or
          Windows-1252, also mixed within one file; or Parquet.
COLUMNS   Found by name, never by position alone: `source,target`, Screaming
          Frog's and Sitebulb's "all inlinks", Search Console's "Top pages",
          and the like (`names.json`).
TWO WAYS  Polars reads a well-formed file at a gigabyte a second, but says
          little when it is not.  Then `mend` reads it row by row, forgives
          what has one clear meaning (a stray encoding, short rows, spare
          separators), and names file, line and reason for what has not.
          What it wrote goes through the fast way after all.
BOUNDS    Polars holds a row whole, three times: `_overlong` looks for one first.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from pipulate.engine import foreign
from pipulate.graph.errors import GraphError
from pipulate.graph.unpack import is_packed, unpack

# By role, compared by their letters and digits, lower case, in this order:
# Screaming Frog's own `Target` holds `_blank`, the page is in `Destination`.
_TOLD = json.loads(Path(__file__).with_name("names.json").read_text("utf-8"))
_NAMES: dict[str, list[str]] = _TOLD["reading"] | _TOLD["roles"]
ROLES = list(_TOLD["roles"])  #: what columns of a page table may mean

LONGEST_URL = 16_384  # bytes; browsers and servers stop far below
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_HEAD = 256 << 10
_FEW_QUOTES = 10_000
_START = 64 << 10


@dataclass(frozen=True)
class Table:
    """A readable table."""

    file: Path  #: plain CSV or Parquet
    name: str  #: what the user called it
    columns: tuple[str, ...]  #: its header
    parquet: bool = False
    separator: str = ","
    skip: int = 0  #: lines before the first record
    header: bool = True
    encoding: str = "utf-8"
    odd: bool = False  #: only `mend` can read it


def plain(name: str) -> str:
    """A column's name for comparing: letters and digits in lower case."""
    return "".join(c for c in name.lower() if c.isalnum())


def find(columns: Iterable[str], role: str) -> str | None:
    """The column whose plain name comes first among those of a role."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(plain(column), column)
    return next((by_name[name] for name in _NAMES[role] if name in by_name), None)


def open_table(path: Path, scratch: Path, *wanted: str) -> Table:
    """Find out how to read a file, unpacked into `scratch` if need be.

    The roles `wanted` of it tell the separator.  Raises GraphError for one
    that is missing, empty, binary or damaged.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise GraphError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    if not magic:
        raise GraphError(
            f"{path.name} is empty: expected a header such as `source,target` and rows below it."
        )
    if magic == b"PAR1":
        return _open_parquet(path)
    if not is_packed(path):
        return _sniff(path, path.name, wanted)
    plain_file = scratch / f"{path.name}.plain"
    unpack(path, plain_file)
    return _sniff(plain_file, path.name, wanted)


def scan(table: Table, types: dict[str, pl.DataType]) -> pl.LazyFrame:
    """The columns of these types, lazily; others are skipped unread."""
    if table.parquet:
        frame = pl.scan_parquet(table.file, glob=False)
        return frame.select(pl.col(c).cast(pl.String).cast(kind) for c, kind in types.items())
    # A header may repeat a name (crawlers do), the first is meant: we read by number.
    where = {column: str(table.columns.index(column)) for column in types}
    schema: dict[str, pl.DataType] = {str(i): pl.String() for i in range(len(table.columns))}
    schema |= {where[column]: kind for column, kind in types.items()}
    frame = pl.scan_csv(
        table.file,
        separator=table.separator,
        has_header=False,
        skip_rows=table.skip + table.header,
        schema=schema,
        low_memory=True,
        glob=False,
    )
    return frame.select(pl.col(number).alias(column) for column, number in where.items())


def mend(table: Table, scratch: Path) -> tuple[Table, int]:
    """Rewrite a CSV row by row as clean UTF-8: (it, how many rows were left
    out).

    Left out are rows with more filled cells than the header; GraphError names
    the first line when it is one in a hundred, or a cell is over a megabyte.
    """
    target = scratch / f"{table.file.name}.mended"
    width = len(table.columns)
    rows = 0
    bad = 0
    first_bad = ""
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(table.columns)
        for line, row in _rows(table):
            if not any(row):
                continue
            rows += 1
            if any(row[width:]):
                bad += 1
                first_bad = first_bad or (
                    f"line {line} has {len(row)} cells, the header has {width}: "
                    f"{table.separator.join(row)[:120]!r}"
                )
            else:
                writer.writerow((row + [""] * width)[:width])
    if bad * 100 > rows:
        separator = _SEPARATORS.get(table.separator, repr(table.separator))
        raise GraphError(
            f"{table.name}: {bad:,} of {rows:,} rows do not fit the header; "
            f"{first_bad}. A cell with a {separator} in it must stand in quotes: "
            "export the file again."
        )
    return Table(target, table.name, table.columns), bad


def _rows(table: Table) -> Iterator[tuple[int, list[str]]]:
    try:
        with table.file.open(encoding=table.encoding, errors="windows-1252", newline="") as file:
            rows = foreign.rows(file, table.separator)
            yield from islice(rows, table.skip + table.header, None)
    except UnicodeError as error:
        raise GraphError(
            f"{table.name} is not {table.encoding} text ({error}). Save it as UTF-8."
        ) from error
    except ValueError as error:
        raise GraphError(
            f'{table.name}: {error}. Probably a quotation mark (") there has no partner.'
        ) from error


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Decode what is not UTF-8."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    raw = error.object[error.start : error.end]
    return "".join(bytes([b]).decode("cp1252", "replace") for b in raw), error.end


codecs.register_error("windows-1252", _as_windows_1252)


def _open_parquet(path: Path) -> Table:
    try:
        columns = tuple(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise GraphError(f"{path.name} is a damaged Parquet file: {first_line(error)}.") from error
    return Table(path, path.name, columns, parquet=True)


def _sniff(file: Path, name: str, wanted: Sequence[str]) -> Table:
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    encoding = _encoding(head, name)
    text = head.decode(encoding, "windows-1252")
    first, _, rest = text.lstrip("\r\n").partition("\n")
    skip = 0
    if declared := _SEP_LINE.fullmatch(first):
        separator = declared[1]
        skip = text.count("\n", 0, len(text) - len(rest))
    else:
        rest = text
        separator = max(_SEPARATORS, key=lambda s: _rank(_record(text, s, name), wanted))
    cells = _record(rest, separator, name)
    if not any(cells):
        raise GraphError(f"{name} has no header: its first row is blank.")
    header = "://" not in cells[0][:12] and not cells[0].startswith("/")
    return Table(
        file,
        name,
        _columns(cells) if header else _nameless(len(cells), wanted),
        separator=separator,
        skip=skip,
        header=header,
        encoding=encoding,
        odd=encoding == "utf-16" or ("\r" in text and "\n" not in text) or _overlong(file, name),
    )


def _overlong(file: Path, name: str) -> bool:
    """Whether a row may be longer than we take, quotation marks being odd.

    Raises GraphError for one that is: its line has no end.
    """
    inside = False
    block = bytearray(foreign.LONGEST_LINE)
    with file.open("rb", buffering=0) as stream:
        while stream.readinto(block) == len(block):
            if b"\n" not in block and b"\r" not in block:
                raise GraphError(
                    f"{name} has a row of more than {foreign.LONGEST_LINE >> 20} MB "
                    f"in one line, near byte {stream.tell():,}. Is it a CSV file?"
                )
            quotes = 0
            if b'"' in block:
                quotes = int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord('"')))
            if not _ends_row(block[:_START], inside) and not _ends_row(block, inside):
                return True
            inside ^= bool(quotes % 2)
    return False


def _ends_row(block: bytearray, inside: bool) -> bool:
    """Whether a line ends outside of quotes; where that is hard to say, no."""
    pieces = block.split(b'"', _FEW_QUOTES)
    outside = pieces[inside:_FEW_QUOTES:2]
    return any(b"\n" in piece or b"\r" in piece for piece in outside)


def _encoding(head: bytes, name: str) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = head[:4096]
    if b"\0" in head or sum(b < 9 or 13 < b < 32 for b in start) * 50 > len(start):
        raise GraphError(
            f"{name} is not a text file: expected CSV (plain, .gz or .zip) or Parquet."
        )
    return "utf-8-sig" if head.startswith(codecs.BOM_UTF8) else "utf-8"


def _columns(cells: list[str]) -> tuple[str, ...]:
    if cells[-1] == "" and len(cells) > 1:  # a separator at the end of each line
        return (*cells[:-1], f"column {len(cells)}")
    return tuple(cells)


def _nameless(width: int, wanted: Sequence[str]) -> tuple[str, ...]:
    """Without a header only their number tells what columns are."""

    names = [f"column {i + 1}" for i in range(width)]
    if len(wanted) in (1, width):
        names[: len(wanted)] = [_NAMES[role][0] for role in wanted]
    return tuple(names)


def _record(text: str, separator: str, name: str) -> list[str]:
    lines = io.StringIO(text, newline="")
    try:
        _, row = next(foreign.rows(lines, separator), (1, []))
    except ValueError as error:
        raise GraphError(
            f"{name}: the first row cannot be read ({error}). Is it a CSV file?"
        ) from error
    return [cell.strip() for cell in row]


def _rank(cells: list[str], wanted: Sequence[str]) -> tuple[int, int]:
    return sum(find(cells, role) is not None for role in wanted), len(cells)


def shown(columns: Sequence[str]) -> str:
    """The first dozen of a table's columns, for a message."""
    more = ", …" if len(columns) > 12 else ""
    return ", ".join(columns[:12]) + more


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for a message."""
    return str(error).strip().split("\n", 1)[0][:200]
