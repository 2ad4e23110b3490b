"""The file of an export job: the rows of a query as CSV, packed.

UTF-8, quotes where needed, null as an empty cell.  `print_delimiter` adds a
first line "sep=,".  Equal query, equal bytes: no time stamp goes in.
"""

import contextlib
import csv
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import polars as pl
from isal import igzip

from pipulate.engine import files
from pipulate.simulator.evaluation import Query
from pipulate.simulator.expressions import Value

Packing = Literal["gzip", "zip", "plain"]
SUFFIXES: dict[str, str] = {"gzip": ".csv.gz", "zip": ".csv.zip", "plain": ".csv"}


@dataclass(frozen=True)
class FileFormat:
    """How rows are written: the API's `formatter_config`, and more."""

    delimiter: str = ","
    print_header: bool = False
    print_delimiter: bool = False
    header_format: str = "verbose"
    #: constant columns: value, name, slug
    prepend_columns: Sequence[dict[str, str]] = ()
    append_columns: Sequence[dict[str, str]] = ()
    packing: Packing = "gzip"
    booleans: tuple[str, str] = ("true", "false")


def write_export(query: Query, path: Path, size: int, form: FileFormat | None = None) -> int:
    """Write at most `size` rows to `path`; returns how many there are.

    Call in a thread (a second per million rows).  Raises CannotWrite.
    """
    form = form or FileFormat()
    with files.whole(path) as file, _packed(file, path.name, form.packing) as out:
        return _write(query, out, size, form)


@contextlib.contextmanager
def _packed(file: IO[bytes], name: str, packing: Packing) -> Iterator[Any]:
    if packing == "zip":
        member = zipfile.ZipInfo(name.removesuffix(".zip"))
        member.compress_type = zipfile.ZIP_DEFLATED
        with (
            zipfile.ZipFile(file, "w") as archive,
            archive.open(member, "w") as out,
        ):
            yield out
    elif packing == "gzip":
        with igzip.IGzipFile("", "wb", compresslevel=2, fileobj=file, mtime=0) as out:
            yield out
    else:
        yield file


def _write(query: Query, out: IO[bytes], size: int, form: FileFormat) -> int:
    if form.print_delimiter:
        out.write(f"sep={form.delimiter}\n".encode())
    if form.print_header:
        out.write(_header(query, form).encode())
    written = 0
    for frame in query.frames():
        if written >= size:
            break
        rows = frame[: size - written]
        text = io.BytesIO()
        _cells(query, rows, form).write_csv(text, include_header=False, separator=form.delimiter)
        out.write(text.getbuffer())
        written += len(rows)
    return written


def _header(query: Query, form: FileFormat) -> str:
    key = "name" if form.header_format == "verbose" else "slug"
    labels = [extra[key] for extra in form.prepend_columns]
    labels += [column.label(form.header_format) for column in query.columns]
    labels += [extra[key] for extra in form.append_columns]
    line = io.StringIO()
    csv.writer(line, delimiter=form.delimiter, lineterminator="\n").writerow(labels)
    return line.getvalue()


def _cells(query: Query, rows: pl.DataFrame, form: FileFormat) -> pl.DataFrame:
    cells = [pl.lit(extra["value"]) for extra in form.prepend_columns]
    cells += [_cell(column, pl.col(f"c{n}"), form) for n, column in enumerate(query.columns)]
    cells += [pl.lit(extra["value"]) for extra in form.append_columns]
    return rows.select(cell.alias(str(n)) for n, cell in enumerate(cells))


def _cell(column: Value, value: pl.Expr, form: FileFormat) -> pl.Expr:
    if column.type == "boolean":
        yes, no = map(pl.lit, form.booleans)
        return pl.when(value).then(yes).when(~value).then(no)
    if column.ranges:
        texts = dict(enumerate(map(json.dumps, column.ranges)))
        return value.replace_strict(texts, return_dtype=pl.String)
    return value
