"""Measures of a graph whose links do not fit in memory, by passes over them.

MEMORY  A few arrays by page, and one block of links.  100 million links
        between 3 million pages: 0.6 GB.
PASSES  links.parquet is sorted by source, so once each page's number of
        links is known, only `target` is read.  Degrees and matrix take one
        pass, click depth one for each level, PageRank 40 to 60.
BLOCKS  Several Parquet row groups; a thread decodes the next while numpy
        adds up this one.
EQUAL   Tests compare with `measures` page by page.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from pipulate.graph import edges, measures
from pipulate.graph.errors import GraphMissing
from pipulate.graph.measures import Array
from pipulate.graph.sources import first_line

BLOCK = 1 << 22  # links
ROUNDS = 1000  # of PageRank, at most
Progress = Callable[[float, str], None]


def silent(share: float, text: str) -> None:
    """Take progress that nobody asked for."""


@dataclass(frozen=True)
class Disk:
    """A graph on disk; page i has the links `starts[i]` to `starts[i + 1]`."""

    folder: Path
    n: int
    m: int
    starts: Array
    nofollow: bool

    @property
    def outlinks(self) -> Array:
        """Number of pages each page links to."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class Block:
    """Links of consecutive pages."""

    first: int  #: the first of the pages
    count: Array  #: how many links of each page are in this block
    target: Array
    follow: Array | None

    def spread(self, by_page: Array) -> Array:
        """Return a value of each link's source, given one by page."""
        return np.repeat(by_page[self.first : self.first + len(self.count)], self.count)

    def passed(self, each: Array) -> Array:
        """Return what goes along each link, given what each page passes."""
        along = self.spread(each)
        if self.follow is not None:
            along *= self.follow
        return along


def open_graph(folder: Path) -> Disk:
    """Read counts and, in one pass, `starts`.  Raises GraphMissing."""
    about = edges.about(folder)
    n = int(about["pages"])
    m = int(about["links"])
    with _explained(folder):
        columns = pl.read_parquet_schema(folder / "links.parquet")
    starts = np.zeros(n + 1, np.int64)
    for frame in _frames(folder, m, ["source"]):
        source = frame["source"].to_numpy()
        if len(source):
            low = int(source[0])
            counted = np.bincount(source - np.uint32(low))
            starts[low + 1 : low + 1 + len(counted)] += counted
    np.cumsum(starts, out=starts)
    if starts[-1] != m:
        raise GraphMissing(
            f"The graph in {folder.name} is damaged: its counts differ. Build it again."
        )
    return Disk(folder, n, m, starts, "follow" in columns)


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise GraphMissing(
            f"The graph in {folder.name} cannot be read: {first_line(error)}."
        ) from error


def blocks(disk: Disk) -> Iterator[Block]:
    """Read the links once, block by block."""
    columns = ["target", "follow"] if disk.nofollow else ["target"]
    at = 0
    for frame in _frames(disk.folder, disk.m, columns):
        end = at + frame.height
        first = int(np.searchsorted(disk.starts, at, side="right")) - 1
        last = int(np.searchsorted(disk.starts, end, side="left"))
        borders = np.clip(disk.starts[first : last + 1], at, end)
        follow = frame["follow"].to_numpy() if disk.nofollow else None
        yield Block(first, np.diff(borders), frame["target"].to_numpy(), follow)
        at = end


def _frames(folder: Path, m: int, columns: list[str]) -> Iterator[pl.DataFrame]:
    lazy = pl.scan_parquet(folder / "links.parquet", glob=False).select(columns)

    def read(at: int) -> pl.DataFrame:
        with _explained(folder):
            return lazy.slice(at, BLOCK).collect()

    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, 0)
        for at in range(0, m, BLOCK):
            now = ahead.result()
            if at + BLOCK < m:
                ahead = reader.submit(read, at + BLOCK)
            yield now


def inlinks(disk: Disk) -> tuple[Array, Array]:
    """Return `measures.inlinks` and `measures.inlinks_from_others`."""
    total = np.zeros(disk.n, np.int64)
    others = np.zeros(disk.n, np.int64)
    pages = np.arange(disk.n, dtype=np.uint32)
    for block in blocks(disk):
        other = block.target[block.target != block.spread(pages)]
        total += np.bincount(block.target, minlength=disk.n)
        others += np.bincount(other, minlength=disk.n)
    return total, others


def pagerank(disk: Disk, *, tolerance: float = 1e-10, progress: Progress = silent) -> Array:
    """PageRank as `measures.pagerank`, one pass a round."""
    n = max(1, disk.n)
    rank = np.full(disk.n, 1 / n)
    for number in range(ROUNDS):
        after = np.zeros(disk.n)
        each = measures.divided(measures.DAMPING * rank, disk.outlinks)
        for block in blocks(disk):
            after += np.bincount(block.target, weights=block.passed(each), minlength=disk.n)
        after += (1 - after.sum()) / n
        change = float(np.abs(after - rank).sum())
        rank = after
        share = np.log(change + 1e-300) / np.log(tolerance)
        progress(min(0.99, share), f"PageRank: round {number + 1}")
        if change < tolerance:
            break
    return rank


def depths(disk: Disk, start: int, progress: Progress = silent) -> Array:
    """Clicks from `start`, as `measures.depths`, one pass for each level.

    A pass also follows pages found in it, so it often sees several levels
    at once; a page's depth is lowered until nothing changes (Bellman and
    Ford's rule): the same in the end.
    """
    far = np.iinfo(np.int32).max - 1
    depth = np.full(disk.n, far, np.int32)
    depth[start : start + 1] = 0  # a graph may have no pages
    changed = True
    number = 0
    while changed:
        changed = False
        number += 1
        progress(0.5, f"Click depth: pass {number}")
        for block in blocks(disk):
            new = block.spread(depth) + 1
            nearer = new < depth[block.target]
            if nearer.any():
                np.minimum.at(depth, block.target[nearer], new[nearer])
                changed = True
    return np.where(depth == far, measures.UNREACHED, depth).astype(np.int32)


def flow(disk: Disk, group: Array, k: int, rank: Array) -> tuple[Array, Array]:
    """Links and PageRank between groups, as `measures.flow`, in one pass."""
    each = measures.divided(measures.DAMPING * rank, disk.outlinks)
    count = np.zeros(k * k, np.int64)
    flows = np.zeros(k * k)
    wide = group.astype(np.int64) * k
    for block in blocks(disk):
        pair = block.spread(wide) + group[block.target]
        count += np.bincount(pair, minlength=k * k)
        flows += np.bincount(pair, weights=block.passed(each), minlength=k * k)
    return count.reshape(k, k), flows.reshape(k, k)
