"""From the file that Botify exported to our CSV, in one pass, constant
memory.

IN        gzip, zip or plain, told by the first bytes.  UTF-8 CSV with, as
          Botify's documentation gets it wrong, perhaps a `sep=,` line, and
          perhaps a header: its first cell is filled and not an address.
          The columns are those that were asked for.
OUT       `source,target` or `id,<columns>`, UTF-8, comma, "\\n", quotes only
          where needed, true/false in lower case.  Rows without an end or an
          address (only Search Console knows those pages), and links from a
          page to itself, are dropped and counted.
THE PASS  Polars parses blocks of whole records (2 MB).  Then, a block
          1. of links without quotes or carriage returns: the bytes of kept
             rows are copied.  The cells' lengths must add up to the
             block's, else some row has not two cells, and 3 applies.
          2. in which every row is complete: Polars writes it anew.
          3. otherwise: it is read row by row, and the wrong row named.
          A second thread hashes and writes.
CAPS      A record of 1 MB, and the limits of `unpack`, against bombs.
NUMBERS   The links' ends become Polars categoricals on the way, which gives
          `graph.edges` its columnar form without reading the CSV again.
"""

import codecs
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import polars as pl

from pipulate.botify.ingest import LINKS, Ingested, Order, Raw, Table
from pipulate.engine import foreign
from pipulate.engine.child import Tell
from pipulate.engine.files import whole
from pipulate.graph import edges
from pipulate.graph.errors import BadFile
from pipulate.graph.unpack import room, unpacked

BLOCK = 2 << 20
LONGEST_RECORD = 1 << 20


def carry_out(tell: Tell, **order: Any) -> dict[str, Any]:
    """Do in a child process what `ingest` was asked for."""
    return asdict(run(Order.read(**order), tell))


def run(order: Order, tell: Tell = lambda **told: None) -> Ingested:
    """Normalise what is raw, then make the columnar copy, in this process."""
    done = Ingested()
    numbered = Numbered()
    if isinstance(order.links, Raw):
        done.links = normalise(order.links, numbered.add, partial(tell, stage="links"))
    if isinstance(order.pages, Raw):
        done.pages = normalise(order.pages, tell=partial(tell, stage="pages"))
    if order.graph:
        tell(stage="graph", share=0.0, rows=0)
        if graph := _graph(order, done.links, numbered, order.graph):
            done.graph_pages = graph.n
            done.graph_links = graph.m
            tell(stage="graph", share=1.0, rows=graph.m)
    return done


@dataclass
class Numbered:
    """Links as numbers, for the columnar form."""

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
    tell: Tell = lambda **told: None,
    most_bytes: int | None = None,
) -> Table:
    """Write `raw.target` from `raw.file`; `each` gets the kept rows' blocks.

    `tell` gets `share` (read of the packed file) and `rows`.  Raises BadFile,
    TooLarge (after `most_bytes`, or what the disk has room for) or
    CannotWrite; the target is then as it was.
    """
    table = Table()
    digest = hashlib.sha256()
    with (
        whole(raw.target) as out,
        ThreadPoolExecutor(1) as aside,
        unpacked(raw.file, most_bytes=most_bytes or room(raw.target.parent)) as (
            file,
            share,
        ),
    ):

        def put(data: bytes) -> None:
            out.write(data)
            digest.update(data)
            table.bytes += len(data)

        written = aside.submit(put, f"{','.join(raw.columns)}\n".encode())
        for block, separator in _blocks(file, raw):
            frame, data = _kept(block, separator, raw, table)
            written.result()  # one block ahead, no more
            written = aside.submit(put, data)
            each(frame)
            tell(share=share(), rows=table.rows)
        written.result()
    table.sha256 = digest.hexdigest()
    table.possibly_truncated = bool(raw.export_size) and table.rows_received >= raw.export_size
    tell(share=1.0, rows=table.rows)
    return table


def _kept(block: bytes, separator: str, raw: Raw, table: Table) -> tuple[pl.DataFrame, bytes]:
    """Parse a block, count it into `table`; the kept rows, and as CSV."""
    frame, plain = _parse(block, separator, raw, table.rows_received)
    marks = _marks(frame, raw)
    kept = marks["full"] & ~marks["loop"]
    rows = frame.filter(kept)
    table.rows_received += frame.height
    table.rows += rows.height
    table.incomplete += frame.height - int(marks["full"].sum())
    table.self_links += int(marks["loop"].sum())
    if not plain:
        return rows, _written(rows, raw)
    if rows.height == frame.height:
        return frame, block
    return rows, _sliced(block, frame, kept)


def _marks(frame: pl.DataFrame, raw: Raw) -> pl.DataFrame:
    first = pl.col(raw.columns[0])
    last = pl.col(raw.columns[-1])
    if not raw.of_links:
        return frame.select(full=first != "", loop=pl.lit(False))
    full = (first != "") & (last != "")
    return frame.select(full=full, loop=full & (first == last))


def _parse(block: bytes, separator: str, raw: Raw, rows_before: int) -> tuple[pl.DataFrame, bool]:
    """A block as strings; and whether its bytes may be copied as they are."""
    schema = {column: pl.String() for column in raw.columns}
    try:
        frame = pl.read_csv(
            block,
            has_header=False,
            schema=schema,
            separator=separator,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError:
        return _patient(block, separator, raw, rows_before), False
    if b'"' not in block and b"\r" not in block:
        # The lengths add up exactly if each row has all its cells, and are
        # one too many for each that is missing.
        cells = frame.select(pl.all().str.len_bytes().cast(pl.Int64).sum()).row(0)
        if sum(cells) + frame.width * frame.height == len(block):
            return frame, raw.of_links and separator == ","
    elif not frame.select(pl.any_horizontal((pl.all() == "").any())).item():
        return frame, False
    return _patient(block, separator, raw, rows_before), False


def _patient(block: bytes, separator: str, raw: Raw, rows_before: int) -> pl.DataFrame:
    """Read row by row: odd quotes and bytes are forgiven, widths are not."""
    rows: list[list[str]] = []
    text = io.StringIO(block.decode("utf-8", "replace"), newline="")
    try:
        for _, row in foreign.rows(text, separator):
            if row and len(row) != len(raw.columns):
                raise _wrong_width(row, raw, rows_before + len(rows) + 1)
            if row:
                rows.append(row)
    except ValueError as error:
        number = rows_before + len(rows) + 1
        raise BadFile(
            f"{raw.target.name}: the export cannot be read near row {number:,}: {error}."
        ) from error
    return pl.DataFrame(rows, schema={column: pl.String() for column in raw.columns}, orient="row")


def _wrong_width(row: list[str], raw: Raw, number: int) -> BadFile:
    return BadFile(
        f"{raw.target.name}: row {number:,} of the export has {len(row)} cells "
        f"({', '.join(row)[:80]}), but {len(raw.columns)} columns were asked for "
        f"({', '.join(raw.columns)}). The file is probably cut off "
        "or not the one of this export: download it again."
    )


def _sliced(block: bytes, frame: pl.DataFrame, kept: pl.Series) -> bytes:
    length = pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64)) + frame.width
    ends = frame.select(length.cum_sum()).to_series().to_numpy()
    view = memoryview(block)
    parts = []
    start = 0
    for row in np.flatnonzero(~kept.to_numpy()).tolist():
        parts.append(view[start : ends[row - 1]] if row else b"")
        start = ends[row]
    return b"".join([*parts, view[start:]])


def _written(rows: pl.DataFrame, raw: Raw) -> bytes:
    # Polars would write "" for an empty cell; a link has none.
    for name in raw.booleans:
        lower = pl.col(name).str.to_lowercase()
        said = pl.when(lower.is_in(["true", "false"])).then(lower).otherwise(name)
        rows = rows.with_columns(said.alias(name))
    text = io.BytesIO()
    rows.with_columns(pl.when(pl.all() != "").then(pl.all())).write_csv(text, include_header=False)
    return text.getvalue()


def _blocks(file: IO[bytes], raw: Raw) -> Iterator[tuple[bytes, str]]:
    separator = ""
    while block := _records(file, raw.file.name):
        if not separator:
            start, separator = _preamble(block, raw)
            block = block[start:]
        if block:
            yield block, separator


def _records(file: IO[bytes], name: str) -> bytes:
    """A block and on to the end of its last record; b"" at the end."""
    block = bytearray(file.read(BLOCK))
    line = file.readline(LONGEST_RECORD)
    block += line
    limit = len(block) + LONGEST_RECORD
    odd = b'"' in block and block.count(b'"') % 2
    while odd and line and len(block) <= limit:  # the record goes on
        line = file.readline(LONGEST_RECORD)
        block += line
        odd = (odd + line.count(b'"')) % 2
    if odd:
        raise BadFile(
            f"{name}: a quotation mark has no partner, so that rows cannot be told apart."
        )
    if len(line) == LONGEST_RECORD:
        raise BadFile(f"{name} has a row of more than {LONGEST_RECORD >> 20} MB: it is no CSV.")
    if block and not block.endswith(b"\n"):
        block += b"\n"  # the end of the file
    return bytes(block)


def _preamble(block: bytes, raw: Raw) -> tuple[int, str]:
    """How long mark, `sep=` line and header are, and the separator."""
    separator = ","
    start = 0
    if block.startswith(codecs.BOM_UTF8):
        start = len(codecs.BOM_UTF8)
    line = block[start : block.find(b"\n", start) + 1]
    if line[:4].lower() == b"sep=":
        separator = line[4:5].decode("latin-1").strip() or ","
        start += len(line)
    end = _record_end(block, start)
    record = io.StringIO(block[start:end].decode("utf-8", "replace"), newline="")
    _, first = next(foreign.rows(record, separator), (1, [""]))
    if not first or not first[0].strip() or "://" in first[0]:
        return start, separator
    if len(first) != len(raw.columns):
        raise _wrong_width(first, raw, 0)
    return end, separator


def _record_end(block: bytes, start: int) -> int:
    end = block.find(b"\n", start) + 1
    while end and block.count(b'"', start, end) % 2:
        end = block.find(b"\n", end) + 1
    return end or start


def _graph(
    order: Order, table: Table | None, numbered: Numbered, folder: Path
) -> edges.Graph | None:
    pages = order.pages
    if isinstance(pages, Raw):
        pages = pages.target
    if isinstance(order.links, Path):
        return edges.build(order.links, pages, folder)
    if order.links and table and table.rows:
        return columnar(order.links, table, numbered, pages, folder)
    return None


def columnar(
    links: Raw, table: Table, numbered: Numbered, pages: Path | None, folder: Path
) -> edges.Graph:
    """Write what `edges.build` writes, from the numbers we have."""
    listed = _page_table(pages)
    rows = listed["id"].cast(numbered.kind).to_physical().to_numpy()
    names = numbered.kind.categories.to_series()
    # Pages are numbered by their sorted addresses; joins would double the memory.
    order = names.arg_sort().to_numpy()
    number = np.empty(len(order), np.uint32)
    number[order] = np.arange(len(order), dtype=np.uint32)
    row = np.full(len(order), -1, np.int64)
    row[number[rows]] = np.arange(len(rows))
    at = pl.Series(row).replace(-1, None)
    known = [column.gather(at) for column in listed.drop("id")]
    frame = pl.DataFrame([names[order].alias("url"), at.is_not_null().alias("listed"), *known])
    source, target = (number[pl.concat(numbered.ends)[end].to_numpy()] for end in LINKS)
    inputs = [edges.fingerprint(links.target, table.sha256)]
    if pages:
        inputs.append(edges.fingerprint(pages))
    meta = {
        "rows": table.rows,
        "incomplete_rows": table.incomplete,
        "self_links": 0,
    }
    graph = edges.of(source, target, frame, meta={**meta, "inputs": inputs})
    graph = replace(graph, meta={**graph.meta, "duplicates": table.rows - graph.m})
    edges.save(graph, folder)
    return graph


def _page_table(pages: Path | None) -> pl.DataFrame:
    if not pages:
        return pl.DataFrame(schema={"id": pl.String()})
    frame = pl.read_csv(
        pages,
        schema_overrides={"id": pl.String()},
        infer_schema_length=None,
        glob=False,
    )
    return frame.unique("id", keep="first", maintain_order=True)
