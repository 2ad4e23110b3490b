"""A link graph in columns: pages are numbers, links are two columns of
numbers.

FORMAT    One folder holds one graph; only this file reads and writes it:
          links.parquet  source u32, target u32: one row per distinct link,
                         sorted by both; `follow` bool too, when the source
                         says which links are nofollow
          pages.parquet  row i is page i, sorted by URL: `url`, `listed`
                         (bool: it is in the page table), then the table's
                         columns, typed, null for pages that are not listed
          meta.json      format number, counts, what was left out and why,
                         name, size, time and SHA-256 of the inputs
READING   Polars reads the URLs as categoricals: it numbers each distinct
          text once, for both columns, so a million links cost 8 bytes each.
          The numbers come by arrival (with many threads, by chance), so we
          renumber by sorted URL: the same input gives the same bytes,
          sections lie together.
LINKS     A link counts once from page to page; a self link stays.  It is
          nofollow only when every copy is.  Where a crawler exports images
          or scripts as "links" too (`Type`), only hyperlinks are taken.
URLS      Taken as they are, but for white space around them: two spellings
          are two pages.
WRITING   The folder appears whole; without `meta.json` it does not exist.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from pipulate.engine.files import whole_folder
from pipulate.graph import sources
from pipulate.graph.errors import GraphError, GraphMissing
from pipulate.graph.sources import Table

FORMAT = 1
MOST_PAGES = 2**31 - 1  # a page number takes 31 bits of a sort key
Read = TypeVar("Read")

_RESERVED = ("url", "listed")
_UNKNOWN = ("", "null", "none", "nan", "n/a", "-")
_NOFOLLOW = (  # columns that may say so, and how
    ("follow", "^(false|no|0|nofollow)$"),
    ("nofollow", "^(true|yes|1|nofollow)$"),
    ("rel", "nofollow"),
)


@dataclass(frozen=True)
class Graph:
    """A link graph in memory.

    `pages` has `n` rows, row i is page i, columns as in pages.parquet.
    `source`, `target` (u32, length `m`) are the distinct links, sorted by
    both; `follow` (bool, length `m`) is None when nothing is nofollow.
    """

    pages: pl.DataFrame
    source: np.ndarray
    target: np.ndarray
    follow: np.ndarray | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of pages."""
        return self.pages.height

    @property
    def m(self) -> int:
        """Number of distinct links."""
        return len(self.source)

    @property
    def urls(self) -> pl.Series:
        """The pages' addresses, by page number."""
        return self.pages["url"]

    @property
    def listed(self) -> np.ndarray:
        """Bool by page: is it in the page table?  False without one."""
        return self.pages["listed"].to_numpy()

    def csr(self) -> tuple[np.ndarray, np.ndarray]:
        """(offsets, targets): i links to targets[offsets[i]:offsets[i + 1]]."""
        return self._offsets, self.target

    def reverse(self) -> tuple[np.ndarray, np.ndarray]:
        """(offsets, sources): who links to each page, ascending."""
        return self._reverse

    @cached_property
    def _offsets(self) -> np.ndarray:
        return offsets(self.source, self.n)

    @cached_property
    def _reverse(self) -> tuple[np.ndarray, np.ndarray]:
        key = (self.target.astype(np.uint64) << np.uint64(32)) | self.source
        key.sort()
        return offsets(self.target, self.n), key.astype(np.uint32)


def offsets(ends: np.ndarray, n: int) -> np.ndarray:
    """Where each page's links begin (i64, n + 1), sorted by these ends."""
    starts = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(ends, minlength=n), out=starts[1:])
    return starts


def of(
    source: np.ndarray,
    target: np.ndarray,
    pages: pl.DataFrame,
    nofollow: np.ndarray | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Graph:
    """Make a graph of links in any order; without `listed` all pages are."""
    if "listed" not in pages.columns:
        pages = pages.with_columns(listed=pl.lit(True))
    pages = pages.select(pl.col("url").cast(pl.String), "listed", pl.exclude(*_RESERVED))
    source, target, follow = _distinct(source, target, nofollow)
    if source.size:
        highest = max(int(source[-1]), int(target.max()))
        if highest >= pages.height:
            raise GraphError(f"A link names page {highest}; there are {pages.height} pages.")
    counts = {
        "format": FORMAT,
        "pages": pages.height,
        "links": len(source),
        "listed": int(pages["listed"].sum()),
    }
    return Graph(pages, source, target, follow, {**(meta or {}), **counts})


def build(links: Path, pages: Path | None, folder: Path) -> Graph:
    """Read a file of links (and one of pages); write the columnar form.

    Raises GraphError when a file cannot be used; `folder` is then as it was.
    """
    inputs = [path for path in (links, pages) if path]
    for path in inputs:
        if not path.is_file():
            raise GraphError(f"{path.name} cannot be read: there is no such file.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        ThreadPoolExecutor(1) as aside,  # hashing releases the interpreter lock
        tempfile.TemporaryDirectory(".part", ".scratch.", folder.parent) as scratch,
    ):
        prints = [aside.submit(fingerprint, path) for path in inputs]
        graph = read(links, pages, Path(scratch))
        graph = replace(graph, meta={**graph.meta, "inputs": [p.result() for p in prints]})
        save(graph, folder)
    return graph


def fresh(folder: Path, links: Path, pages: Path | None) -> bool:
    """Say whether `folder` is of just these files, by time or SHA-256."""
    try:
        was = about(folder).get("inputs", [])
    except GraphMissing:
        return False
    inputs = [path for path in (links, pages) if path]
    return len(was) == len(inputs) and all(map(_same, inputs, was))


def save(graph: Graph, folder: Path) -> None:
    """Write a graph, whole or not at all; what was there is replaced."""
    with whole_folder(folder) as part:
        links = {"source": graph.source, "target": graph.target}
        if graph.follow is not None:
            links["follow"] = graph.follow
        pl.DataFrame(links).write_parquet(part / "links.parquet", row_group_size=1 << 20)
        graph.pages.write_parquet(part / "pages.parquet")
        (part / "meta.json").write_text(json.dumps(dict(graph.meta), indent=1), "utf-8")


def load(folder: Path) -> Graph:
    """Read the columnar form.  Raises GraphMissing when it is not whole."""
    meta = about(folder)
    try:
        links = pl.read_parquet(folder / "links.parquet", glob=False)
        pages = pl.read_parquet(folder / "pages.parquet", glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(folder) from error
    if (links.height, pages.height) != (meta.get("links"), meta.get("pages")):
        raise _damaged(folder)
    ends = {name: links[name].to_numpy() for name in links.columns}
    return Graph(pages, **ends, meta=meta)


def about(folder: Path) -> dict[str, Any]:
    """Return meta.json.  Raises GraphMissing, also for another version's."""
    try:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise GraphMissing(f"There is no graph in {folder.name}.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder) from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise GraphMissing(
            f"The graph in {folder.name} was written by another version: build it again."
        )
    return meta


def _damaged(folder: Path) -> GraphMissing:
    return GraphMissing(f"The graph in {folder.name} is damaged: build it again.")


def read(links: Path, pages: Path | None, scratch: Path) -> Graph:
    """Read tables into a graph; the folder `scratch` takes unpacked copies."""
    found, names, notes = _read_links(links, scratch)
    table, page_notes = _read_pages(pages, scratch)
    ends = {name: found[name].to_numpy() for name in found.columns if name != "hyperlink"}
    del found
    used = np.zeros(len(names), bool)
    used[ends["source"]] = True
    used[ends["target"]] = True
    spelled = names.str.strip_chars()
    known = spelled.filter(pl.Series(used))
    url = pl.concat([known, table["url"]]).unique().sort().alias("url")
    if len(url) > MOST_PAGES:
        raise GraphError(
            f"{links.name} has {len(url):,} pages; at most {MOST_PAGES:,} can be numbered."
        )
    listed = table.with_columns(listed=pl.lit(True))
    frame = url.to_frame().join(listed, "url", "left", maintain_order="left")
    frame = frame.with_columns(pl.col("listed").fill_null(False))
    number = _numbers(spelled, url)
    for end in ("source", "target"):
        ends[end] = number[ends[end]]  # in its place: 100 million take 400 MB
    graph = of(ends["source"], ends["target"], frame, ends.get("nofollow"))
    counts = {
        "rows": len(ends["source"]),
        "duplicates": len(ends["source"]) - graph.m,
        "self_links": int((graph.source == graph.target).sum()),
    }
    return replace(graph, meta={**graph.meta, **counts, **notes, **page_notes})


def _distinct(
    source: np.ndarray, target: np.ndarray, nofollow: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Sort links and keep one of each: a followed one, if there is one."""
    key = source.astype(np.uint64)
    for part in _parts(len(key)):  # in place: at 100 million links a copy is 800 MB
        key[part] <<= np.uint64(32)
        key[part] |= target[part].astype(np.uint64) << np.uint64(1)
        if nofollow is not None:
            key[part] |= nofollow[part].astype(np.uint64)
    key.sort()
    follow = None
    if nofollow is not None and nofollow.any():
        follow = (key & np.uint64(1)) == 0
    key >>= np.uint64(1)
    first = np.ones(len(key), bool)
    np.not_equal(key[1:], key[:-1], out=first[1:])
    if not first.all():
        key = key[first]
        if follow is not None:
            follow = follow[first]
    target = np.empty(len(key), np.uint32)
    for part in _parts(len(key)):
        target[part] = key[part] & np.uint64(0x7FFFFFFF)
    key >>= np.uint64(31)
    return key.astype(np.uint32), target, follow


def _parts(length: int, size: int = 1 << 22) -> Iterator[slice]:
    return (slice(at, at + size) for at in range(0, length, size))


def _numbers(names: pl.Series, url: pl.Series) -> np.ndarray:
    """For each name its row in `url` (u32); 0 for one that is not there."""
    rows = url.to_frame().with_row_index("row")
    found = names.alias("url").to_frame().join(rows, "url", "left", maintain_order="left")
    return found["row"].fill_null(0).cast(pl.UInt32).to_numpy()


# --- links ---


def _read_links(path: Path, scratch: Path) -> tuple[pl.DataFrame, pl.Series, dict[str, int]]:
    """The links as they stand there, numbered by the texts; the texts; notes."""
    table = sources.open_table(path, scratch, "source", "target")
    (frame, names), mended = _fast_or_patient(table, scratch, _number)
    _check_length(names, path)
    links = _complete(frame, names)
    incomplete = frame.height - links.height + mended
    notes = {"incomplete_rows": incomplete}
    if "hyperlink" in links.columns and links["hyperlink"].any():
        hyperlinks = links.filter("hyperlink")
        notes["other_types"] = links.height - hyperlinks.height
        links = hyperlinks
    if not links.height:
        raise GraphError(
            f"{path.name} has no links below its header "
            f"({', '.join(table.columns[:8])}); rows without a source or a target: "
            f"{incomplete}."
        )
    return links, names, notes


def _number(table: Table) -> tuple[pl.DataFrame, pl.Series]:
    """Read links as numbers, with what is said of them; and the texts."""
    kind = pl.Categorical(pl.Categories.random())
    alive = pl.Series([], dtype=kind)  # the numbering lives as long as a series that uses it
    ends = _link_columns(table)
    said = _said_of_links(table)
    types: dict[str, pl.DataType] = dict.fromkeys(ends, kind)
    types |= {name: pl.String() for expression in said for name in expression.meta.root_names()}
    source, target = (pl.col(end).to_physical() for end in ends)
    scanned = sources.scan(table, types).select(*said, source=source, target=target)
    frame = scanned.collect(engine="streaming")
    count = frame.select(pl.max_horizontal(pl.col("source", "target").max() + 1)).item() or 0
    numbers = pl.Series(np.arange(count, dtype=np.uint32))
    return frame, _valid(numbers.cat.to(alive.dtype).cast(pl.String))


def _complete(frame: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    ends = pl.col("source", "target")
    blank = ends.is_null()
    empty = np.flatnonzero((names.str.strip_chars() == "").to_numpy())
    if empty.size:
        blank |= ends.is_in(empty)
    if frame.select(pl.any_horizontal(blank.any())).item():
        return frame.filter(~pl.any_horizontal(blank))
    return frame  # a filter would copy it


def _link_columns(table: Table) -> tuple[str, str]:
    columns = table.columns
    source = sources.find(columns, "source")
    target = sources.find(columns, "target")
    others = [column for column in columns if column not in (source, target)]
    if len(columns) == 2 and len(others) == 1:  # of two, one name tells both
        source = source or others[0]
        target = target or others[0]
    if source and target:
        return source, target
    lacks = "source and target columns"
    if source:
        lacks = "a target column"
    elif target:
        lacks = "a source column"
    raise GraphError(
        f"{table.name} lacks {lacks}; its columns are: {sources.shown(columns)}. "
        "Name the column of the linking page `source` and that of the linked page "
        "`target`."
    )


def _said_of_links(table: Table) -> list[pl.Expr]:
    """What the file says of each link: `hyperlink`, `nofollow` (bool)."""
    said = []
    if kind := sources.find(table.columns, "link type"):
        said.append(pl.col(kind).eq_missing("Hyperlink").alias("hyperlink"))
    against = [
        pl.col(column).str.contains(f"(?i){words}")
        for role, words in _NOFOLLOW
        if (column := sources.find(table.columns, role))
    ]
    if against:
        said.append(pl.any_horizontal(against).fill_null(False).alias("nofollow"))
    return said


# --- pages ---


def _read_pages(path: Path | None, scratch: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    if path is None:
        return pl.DataFrame(schema={"url": pl.String}), {}
    table = sources.open_table(path, scratch, "page")
    column = sources.find(table.columns, "page")
    if column is None:
        raise GraphError(
            f"{table.name} has no column with the page's address; its columns are: "
            f"{sources.shown(table.columns)}. Name it `url` or `id`."
        )
    texts, mended = _fast_or_patient(table, scratch, _texts)
    address = texts[column].str.strip_chars().alias("url")
    _check_length(address, path)
    rest = texts.drop(column)
    frame = pl.DataFrame([address, *(_typed(text).alias(_free_name(text.name)) for text in rest)])
    whole = frame.filter(pl.col("url") != "")
    single = whole.unique("url", keep="first", maintain_order=True)
    return single, {
        "page_rows": frame.height,
        "pages_without_address": frame.height - whole.height + mended,
        "page_duplicates": whole.height - single.height,
    }


def _texts(table: Table) -> pl.DataFrame:
    types: dict[str, pl.DataType] = dict.fromkeys(table.columns, pl.String())
    frame = sources.scan(table, types).collect(engine="streaming")
    return frame.select(_valid(series) for series in frame)


def _free_name(column: str) -> str:
    if column in _RESERVED:
        return f"{column} (table)"
    return column or "column"


def _typed(text: pl.Series) -> pl.Series:
    """Integers, numbers (also `3.4%`) or booleans, if all texts are such."""
    said = text.str.strip_chars()
    said = said.set(said.str.to_lowercase().is_in(_UNKNOWN), None)
    unknown = said.null_count()
    if unknown == len(said):
        return said
    for kind in (pl.Int64, pl.Float64):
        number = said.cast(kind, strict=False)
        if number.null_count() == unknown and number.is_finite().all():
            return number
    if said.str.ends_with("%").all():
        share = said.str.strip_suffix("%").cast(pl.Float64, strict=False)
        if share.null_count() == unknown:
            return share
    lower = said.str.to_lowercase()
    if lower.drop_nulls().is_in(["true", "false", "yes", "no"]).all():
        return lower.is_in(["true", "yes"]).set(said.is_null(), None)
    return said


# --- both ---


def _fast_or_patient(
    table: Table, scratch: Path, read: Callable[[Table], Read]
) -> tuple[Read, int]:
    """Read a table as it is, or else mended: (it, rows left out)."""
    try:
        if not table.odd:
            try:
                return read(table), 0
            except pl.exceptions.PolarsError:
                if table.parquet:
                    raise
        table, left_out = sources.mend(table, scratch)
        return read(table), left_out
    except pl.exceptions.PolarsError as error:
        reason = sources.first_line(error)
        raise GraphError(f"{table.name} cannot be read: {reason}.") from error


def _valid(text: pl.Series) -> pl.Series:
    """Raise a PolarsError when a text is not UTF-8.

    Polars takes a cell two bytes short after a closing quote within it.
    """
    text.cast(pl.Binary).cast(pl.String)
    return text


def _check_length(names: pl.Series, path: Path) -> None:
    too_long = names.filter(names.str.len_bytes() > sources.LONGEST_URL)
    if len(too_long):
        found = too_long[0]
        raise GraphError(
            f"{path.name} has an address of {len(found.encode()):,} bytes (it begins "
            f"{found[:60]!r}); at most {sources.LONGEST_URL:,} are taken. "
            'Probably a quotation mark (") in the file has no partner.'
        )


# --- is a file still the same? ---


def fingerprint(path: Path, sha256: str = "") -> dict[str, Any]:
    """What `fresh` knows a file by; `sha256` if it was computed already."""
    with path.open("rb") as file:
        sha256 = sha256 or hashlib.file_digest(file, "sha256").hexdigest()
        stat = os.fstat(file.fileno())
    return {
        "name": path.name,
        "size": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "sha256": sha256,
    }


def _same(path: Path, old: Mapping[str, Any]) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return False
    if stat.st_size != old["size"]:
        return False
    return stat.st_mtime_ns == old["mtime_ns"] or fingerprint(path)["sha256"] == old["sha256"]
