"""From the file that Botify exported to our CSV, in one pass and constant memory.

IN        gzip, zip or plain, told by their first bytes.  UTF-8 CSV, told by what it says, since what Botify sends
          depends on settings that its documentation gets wrong:
            sep=,                  perhaps a first line that names the separator
            url,crawl.X.depth      perhaps a header: a first row whose first cell is filled and not an address
            https://...,2          rows; their columns are those that were asked for, in that order
OUT       `source,target` or `id,<columns>`, UTF-8, comma, "\\n", quotes only where needed; true/false in lower case.
          Links: a row without both ends, and a link from a page to itself, is dropped and counted.
          Pages: a row without an address (a page that only Search Console knows) is dropped and counted.
THE PASS  Blocks of whole records (2 MB) are parsed by Polars.  Then, for a block
          1. of links without quotes or carriage returns: the bytes of the kept rows are copied as they are.  The cells'
             lengths must add up to the block's, else some row has not two cells, and 3 applies.
          2. in which every row is complete: Polars writes it anew.
          3. otherwise: Python's csv module reads it row by row, and says in which row what is wrong.
          Hashing and writing go on in a second thread; both release the interpreter lock.
CAPS      A record of at most 1 MB and a file of at most `MOST_BYTES` unpacked: a bomb ends as an error, not as a full
          disk.
NUMBERS   On the way the links' ends are numbered (Polars categoricals: each distinct text is kept once), which gives
          `pipulate.graph.edges` its columnar form without reading 200 MB of CSV again.

This module is run by `pipulate.botify.ingest` in a process of its own; it imports no web and no event loop.
"""

import csv
import hashlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import polars as pl

from pipulate.botify.errors import BadFile, TooLarge
from pipulate.botify.ingest import LINKS, Ingested, Order, Raw, Stage, Table
from pipulate.botify.unpack import MOST_BYTES, unpacked
from pipulate.engine.errors import PipulateError
from pipulate.engine.files import whole
from pipulate.graph import edges

BLOCK = 2 << 20
LONGEST_RECORD = 1 << 20
Progress = Callable[
    [float, int], object
]  # share of the packed file that was read (0 to 1), rows so far


@dataclass
class Numbered:
    """Links as numbers: what `normalise` collects for the columnar form."""

    kind: pl.Categorical = field(default_factory=lambda: pl.Categorical(pl.Categories.random()))
    ends: list[pl.DataFrame] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Polars forgets a numbering as soon as no series uses it.
        self._alive = pl.Series([], dtype=self.kind)

    def add(self, links: pl.DataFrame) -> None:
        """Number the ends of these links."""
        self.ends.append(links.select(pl.all().cast(self.kind).to_physical()))


def normalise(
    raw: Raw,
    each: Callable[[pl.DataFrame], object] = lambda frame: None,
    progress: Progress = lambda share, rows: None,
    most_bytes: int = MOST_BYTES,
) -> Table:
    """Write `raw.target` from `raw.file`; `each` gets every block of kept rows as a frame of strings.

    Raises BadFile, TooLarge or CannotWrite; the target is then as it was.
    """
    table = Table()
    with (
        whole(raw.target) as out,
        ThreadPoolExecutor(1) as aside,
        unpacked(raw.file) as (file, share),
    ):
        digest = hashlib.sha256()

        def put(data: bytes) -> None:
            out.write(data)
            digest.update(data)
            table.bytes += len(data)

        put(_csv_row(raw.columns))
        written: Future[None] | None = None
        for block, separator in _blocks(file, raw, most_bytes):
            frame, data = _kept(block, separator, raw, table)
            if written:
                written.result()  # one block ahead, no more
            written = aside.submit(put, data)
            each(frame)
            progress(share(), table.rows)
        if written:
            written.result()
        table.sha256 = digest.hexdigest()
    table.possibly_truncated = bool(raw.export_size) and table.rows_received >= raw.export_size
    progress(1.0, table.rows)
    return table


def _kept(block: bytes, separator: str, raw: Raw, table: Table) -> tuple[pl.DataFrame, bytes]:
    """Parse a block, count its rows into `table`, and return the kept rows: as a frame, and as CSV."""
    frame, plain = _parse(block, separator, raw, table.rows_received)
    key, last = pl.col(raw.columns[0]), pl.col(raw.columns[-1])
    full = (key != "") & (last != "") if raw.of_links else key != ""
    loop = full & (key == last) if raw.of_links else pl.lit(False)
    marks = frame.select(full=full, loop=loop)
    incomplete, self_links = frame.height - int(marks["full"].sum()), int(marks["loop"].sum())
    dropped = incomplete + self_links
    table.rows_received += frame.height
    table.rows += frame.height - dropped
    table.incomplete += incomplete
    table.self_links += self_links
    if not dropped and plain:
        return frame, block
    kept = marks["full"] & ~marks["loop"]
    rows = frame.filter(kept)
    if plain:
        return rows, _sliced(block, frame, kept)
    text = io.BytesIO()
    (rows if raw.of_links else _tidied(rows, raw.booleans)).write_csv(text, include_header=False)
    return rows, text.getvalue()


def _parse(block: bytes, separator: str, raw: Raw, rows_before: int) -> tuple[pl.DataFrame, bool]:
    """Return a block as strings, "" for an empty cell, and whether its bytes may be copied as they are."""
    schema = {column: pl.String() for column in raw.columns}
    try:
        frame = pl.read_csv(
            block, has_header=False, schema=schema, separator=separator, empty_string_is_null=False
        )
    except pl.exceptions.PolarsError:
        return _patient(block, separator, raw, rows_before), False
    if b'"' not in block and b"\r" not in block:
        # Nothing but cells, separators and line ends: the lengths add up exactly if each row has all its cells,
        # and are one too many for each that is missing.
        cells = frame.select(pl.all().str.len_bytes().cast(pl.Int64).sum()).row(0)
        if sum(cells) + frame.width * frame.height == len(block):
            return frame, raw.of_links and separator == ","
    elif not frame.select(pl.any_horizontal((pl.all() == "").any())).item():
        return frame, False
    return _patient(block, separator, raw, rows_before), False


def _patient(block: bytes, separator: str, raw: Raw, rows_before: int) -> pl.DataFrame:
    """Read a block row by row: odd quotes and bytes that are no UTF-8 are forgiven, a wrong number of cells is not."""
    rows: list[list[str]] = []
    csv.field_size_limit(LONGEST_RECORD)
    try:
        for row in csv.reader(
            io.StringIO(block.decode("utf-8", "replace"), newline=""), delimiter=separator
        ):
            if not row:
                continue
            if len(row) != len(raw.columns):
                _wrong_width(row, raw, rows_before + len(rows) + 1)
            rows.append(row)
    except csv.Error as e:
        number = rows_before + len(rows) + 1
        raise BadFile(
            f"{raw.target.name}: the export cannot be read near row {number:,}: {e}."
        ) from e
    return pl.DataFrame(rows, schema={column: pl.String() for column in raw.columns}, orient="row")


def _wrong_width(row: list[str], raw: Raw, number: int) -> None:
    raise BadFile(
        f"{raw.target.name}: row {number:,} of the export has {len(row)} cells ({', '.join(row)[:80]}), but "
        f"{len(raw.columns)} columns were asked for ({', '.join(raw.columns)}). The file is probably cut off or not "
        "the one that belongs to this export: download it again."
    )


def _ends(frame: pl.DataFrame) -> np.ndarray:
    """Where each row ends in an unquoted CSV, in bytes."""
    length = pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64)) + frame.width
    return frame.select(length.cum_sum()).to_series().to_numpy()


def _sliced(block: bytes, frame: pl.DataFrame, kept: pl.Series) -> bytes:
    """Copy the bytes of the kept rows."""
    ends = _ends(frame)
    view, start, parts = memoryview(block), 0, []
    for row in np.flatnonzero(~kept.to_numpy()).tolist():
        parts.append(view[start : ends[row - 1] if row else 0])
        start = ends[row]
    return b"".join([*parts, view[start:]])


def _tidied(frame: pl.DataFrame, booleans: Sequence[str]) -> pl.DataFrame:
    """Write true and false in lower case, and nothing for an empty cell (Polars would write "")."""
    for name in booleans:
        lower = pl.col(name).str.to_lowercase()
        frame = frame.with_columns(
            pl.when(lower.is_in(["true", "false"])).then(lower).otherwise(name).alias(name)
        )
    return frame.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _csv_row(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


# --- blocks of whole records ------------------------------------------------------------------------------------------


def _blocks(file: IO[bytes], raw: Raw, most_bytes: int) -> Iterator[tuple[bytes, str]]:
    """Cut the stream into blocks of whole records, without `sep=` line and header: (block, separator)."""
    total, separator = 0, ""
    while block := file.read(BLOCK):
        line = file.readline(LONGEST_RECORD)
        block += line
        odd = b'"' in block and block.count(b'"') % 2
        extra = 0
        while odd:  # the line's end stands within quotes: the record goes on
            line = file.readline(LONGEST_RECORD)
            block += line
            extra += len(line)
            odd = (odd + line.count(b'"')) % 2
            if odd and (not line or extra > LONGEST_RECORD):
                raise BadFile(
                    f"{raw.file.name}: a quotation mark has no partner, so that rows cannot be told apart."
                )
        if len(line) == LONGEST_RECORD:
            raise BadFile(
                f"{raw.file.name} has a row of more than {LONGEST_RECORD >> 20} MB: it is no CSV."
            )
        total += len(block)
        if total > most_bytes:
            raise TooLarge(
                f"{raw.file.name} unpacks to more than {most_bytes >> 20:,} MB, more than any export."
            )
        if not block.endswith(b"\n"):
            block += b"\n"  # the end of the file
        if not separator:
            start, separator = _preamble(block, raw)
            block = block[start:]
        if block:
            yield block, separator


def _preamble(block: bytes, raw: Raw) -> tuple[int, str]:
    """How many bytes come before the first row, and the separator: skips a byte order mark, `sep=` line and header."""
    start, separator = (3 if block.startswith(b"\xef\xbb\xbf") else 0), ","
    line = block[start : block.find(b"\n", start) + 1]
    if line[:4].lower() == b"sep=":
        separator = line[4:5].decode("latin-1").strip() or ","
        start += len(line)
    end = start
    while True:  # the first record may hold line ends
        end = block.find(b"\n", end) + 1
        if not end:
            return start, separator
        if block.count(b'"', start, end) % 2 == 0:
            break
    record = block[start:end].decode("utf-8", "replace")
    first = next(csv.reader(io.StringIO(record, newline=""), delimiter=separator), [])
    if first and first[0].strip() and "://" not in first[0]:
        if len(first) != len(raw.columns):
            _wrong_width(first, raw, 0)
        start = end
    return start, separator


# --- the columnar copy ------------------------------------------------------------------------------------------------


def columnar(
    links: Raw, table: Table, numbered: Numbered, pages: Path | None, folder: Path
) -> edges.Graph:
    """Write what `edges.build(links.target, pages, folder)` writes, from the numbers that are already there."""
    listed = None if pages is None else _page_table(pages)
    rows = None if listed is None else listed["id"].cast(numbered.kind).to_physical().to_numpy()
    names = numbered.kind.categories.to_series()
    # Pages are numbered by their sorted addresses.  Joins and copies of a million addresses would double the memory.
    order = names.arg_sort().to_numpy()
    number = np.empty(len(order), np.uint32)
    number[order] = np.arange(len(order), dtype=np.uint32)
    frame = names[order].alias("url").to_frame()
    if listed is None or rows is None:
        frame = frame.with_columns(listed=pl.lit(False))
    else:
        row = np.full(len(order), -1, np.int64)
        row[number[rows]] = np.arange(len(rows))
        at = pl.Series(row).replace(-1, None)
        frame = frame.with_columns(
            at.is_not_null().alias("listed"), *(c.gather(at) for c in listed.drop("id"))
        )
    source, target = (number[pl.concat(numbered.ends)[c].to_numpy()] for c in LINKS)
    inputs = [_print(links.target, table.sha256), *([_print(pages)] if pages else [])]
    meta = {
        "rows": table.rows,
        "incomplete_rows": table.incomplete,
        "self_links": 0,
        "inputs": inputs,
    }
    graph = edges.of(source, target, frame, meta=meta)
    graph = replace(graph, meta={**graph.meta, "duplicates": table.rows - graph.m})
    edges.save(graph, folder)
    return graph


def _page_table(pages: Path) -> pl.DataFrame:
    """Read our own CSV of pages: `id`, then its columns, typed by what they hold; one row a page."""
    frame = pl.read_csv(
        pages, schema_overrides={"id": pl.String()}, infer_schema_length=None, glob=False
    )
    return frame.unique("id", keep="first", maintain_order=True)


def _print(path: Path, sha256: str = "") -> dict[str, Any]:
    """What tells `edges.fresh` later whether the file is still the same."""
    if not sha256:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    stat = path.stat()
    return {"name": path.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256}


# --- the process ------------------------------------------------------------------------------------------------------


def run(order: Order, report: Callable[[Stage, float, int], object]) -> Ingested:
    """Normalise what is raw, then make the columnar copy, all in this process."""
    done = Ingested()
    numbered = Numbered()
    if isinstance(order.links, Raw):
        done.links = normalise(
            order.links, numbered.add, lambda share, rows: report("links", share, rows)
        )
    if isinstance(order.pages, Raw):
        done.pages = normalise(
            order.pages, progress=lambda share, rows: report("pages", share, rows)
        )
    if order.graph:
        report("graph", 0.0, 0)
        pages = order.pages.target if isinstance(order.pages, Raw) else order.pages
        if isinstance(order.links, Path):
            graph = edges.build(order.links, pages, order.graph)
        elif order.links and done.links and done.links.rows:
            graph = columnar(order.links, done.links, numbered, pages, order.graph)
        else:
            return done  # no link, no graph
        done.graph_pages, done.graph_links = graph.n, graph.m
        report("graph", 1.0, graph.m)
    return done


def main() -> NoReturn:
    """Take an order as a line of JSON from stdin; answer in lines of JSON: progress, then the outcome.  Does not return."""
    last: tuple[str, float] = ("", 0.0)

    def say(**line: object) -> None:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()

    def report(stage: Stage, share: float, rows: int) -> None:
        nonlocal last
        if stage != last[0] or share == 1.0 or time.monotonic() - last[1] > 0.1:
            last = stage, time.monotonic()
            say(stage=stage, share=share, rows=rows)

    if hasattr(os, "nice"):
        os.nice(5)  # on a busy machine pages come first
    order = Order.from_json(sys.stdin.readline())
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        say(done=asdict(run(order, report)))
    except PipulateError as e:
        say(error=type(e).__name__, message=str(e))
    os._exit(
        0
    )  # all files are on the disk: taking Polars and a million numbers apart would only cost time


def _follow_parent() -> None:
    """End with the process that started us: nothing more comes on standard input but its end."""
    os.read(0, 1)
    os._exit(1)
