"""The file of an export job: the rows of a query as CSV, packed.

FORMAT      UTF-8 CSV, quotes where needed, null as an empty cell.  Data rows only, unless the job asked otherwise:
            `print_delimiter` adds a first line "sep=,", `print_header` a row of labels in the wording of
            `header_format`; `prepend_columns` and `append_columns` add constant columns.  Packed as a gzip file or a
            zip archive with one member.  Equal query, equal bytes: no time stamp goes in.
WRITING     Chunk by chunk through the packer into a temporary file beside the target, which gets its name when whole.
"""

import csv
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

import polars as pl
from isal import igzip

from pipulate.simulator.bql import Column, Query

Packing = Literal["gzip", "zip", "plain"]
SUFFIXES: dict[str, str] = {"gzip": ".csv.gz", "zip": ".csv.zip", "plain": ".csv"}


@dataclass(frozen=True)
class Extra:
    """A constant column, as `prepend_columns` and `append_columns` give it."""

    value: str
    name: str
    slug: str


@dataclass(frozen=True)
class FileFormat:
    """How the rows are written; the defaults are those of the API."""

    delimiter: str = ","
    print_header: bool = False
    print_delimiter: bool = False
    header_format: str = "verbose"
    prepend: tuple[Extra, ...] = ()
    append: tuple[Extra, ...] = ()
    packing: Packing = "gzip"
    booleans: tuple[str, str] = ("true", "false")


def write_export(query: Query, path: Path, size: int, form: FileFormat | None = None) -> int:
    """Write at most `size` rows of the query's answer to `path`; returns how many there are in the file.

    Blocks for as long as it takes (a second per million rows): call it in a thread.
    """
    form = form or FileFormat()
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        rows = _write(query, file, path.name, size, form)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return rows


def _write(query: Query, file: IO[bytes], name: str, size: int, form: FileFormat) -> int:
    if form.packing == "zip":
        member = zipfile.ZipInfo(name.removesuffix(".zip"))
        member.compress_type = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(file, "w") as archive, archive.open(member, "w") as packed:
            return _csv(query, packed, size, form)
    if form.packing == "gzip":
        with igzip.IGzipFile("", "wb", compresslevel=2, fileobj=file, mtime=0) as packed:
            return _csv(query, packed, size, form)
    return _csv(query, file, size, form)


class _Writer(Protocol):
    def write(self, data: bytes | memoryview, /) -> object: ...


def _csv(query: Query, out: _Writer, size: int, form: FileFormat) -> int:
    if form.print_delimiter:
        out.write(f"sep={form.delimiter}\n".encode())
    if form.print_header:
        header = io.StringIO()
        csv.writer(header, delimiter=form.delimiter, lineterminator="\n").writerow(
            _labels(query, form)
        )
        out.write(header.getvalue().encode())
    written = 0
    for frame in _up_to(query.frames(), size):
        text = io.BytesIO()
        _cells(query, frame, form).write_csv(text, include_header=False, separator=form.delimiter)
        out.write(text.getbuffer())
        written += len(frame)
    return written


def _labels(query: Query, form: FileFormat) -> list[str]:
    def extra(columns: tuple[Extra, ...]) -> list[str]:
        return [
            column.name if form.header_format == "verbose" else column.slug for column in columns
        ]

    return [
        *extra(form.prepend),
        *(column.label(form.header_format) for column in query.columns),
        *extra(form.append),
    ]


def _up_to(frames: Iterator[pl.DataFrame], size: int) -> Iterator[pl.DataFrame]:
    """The frames, cut after `size` rows in all."""
    for frame in frames:
        if size <= 0:
            return
        yield frame[:size]
        size -= len(frame)


def _cells(query: Query, frame: pl.DataFrame, form: FileFormat) -> pl.DataFrame:
    """The frame as it is to be written: booleans and ranges as texts, constant columns added."""
    cells = [_cell(column, pl.col(f"c{n}"), form) for n, column in enumerate(query.columns)]
    before = [pl.lit(extra.value).alias(f"before{n}") for n, extra in enumerate(form.prepend)]
    after = [pl.lit(extra.value).alias(f"after{n}") for n, extra in enumerate(form.append)]
    return frame.select([*before, *cells, *after])


def _cell(column: Column, value: pl.Expr, form: FileFormat) -> pl.Expr:
    if column.type == "boolean":
        yes, no = form.booleans
        return (
            pl.when(value)
            .then(pl.lit(yes))
            .when(~value)
            .then(pl.lit(no))
            .alias(value.meta.output_name())
        )
    if column.ranges:
        return value.replace_strict(
            {n: json.dumps(each) for n, each in enumerate(column.ranges)}, return_dtype=pl.String
        )
    return value
