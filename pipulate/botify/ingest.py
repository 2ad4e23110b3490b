"""Make our files from downloaded ones, in a process of its own, while the server stays responsive.

WHY A PROCESS  Parsing a million rows holds Python's interpreter lock for tens of milliseconds at a time; in a thread the
               event loop would stutter.  A process also gives its memory back, and dies alone.
PROTOCOL       `pipulate.botify.normalise` gets an `Order` as one line of JSON on its standard input and
               answers in lines: {"stage", "share", "rows"} as it goes on, at last {"done": ...} or {"error", "message"}.
               It stops by itself when its standard input ends, that is, when we are killed.
CANCELLING     kills it.  Files appear by renaming, so what was not finished is not there.

This module imports neither Polars nor numpy, which the server need not load to start, nor at its top asyncio, which the
process need not.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipulate.botify import errors
from pipulate.engine.errors import CannotWrite, PipulateError
from pipulate.engine.files import sweep

if TYPE_CHECKING:
    from pipulate.botify.queries import Column

LINKS = ("source", "target")
Stage = Literal["links", "pages", "graph"]
Progress = Callable[
    [Stage, float, int], object
]  # what is being made, share done (0 to 1), rows so far

_PACKAGE = Path(__file__).parents[1]
# `import pipulate` brings the web framework, a second of work.  The process needs only modules inside the package, so
# it starts from a bare one.
_START = (
    "import sys, types; bare = types.ModuleType('pipulate'); "
    f"bare.__path__ = [{str(_PACKAGE)!r}]; sys.modules['pipulate'] = bare; "
    "from pipulate.botify.normalise import main; main()"
)


@dataclass(frozen=True)
class Raw:
    """One downloaded file, what it holds, and where its CSV goes.

    `columns` is the header to write; `booleans` those of them whose True/true/FALSE become true and false;
    `export_size` the number of rows after which Botify stopped (0: unknown).
    """

    file: Path
    target: Path
    columns: Sequence[str] = LINKS
    booleans: Sequence[str] = ()
    export_size: int = 0

    @classmethod
    def pages(
        cls, file: Path, target: Path, columns: Sequence[Column], export_size: int = 0
    ) -> Raw:
        """The answer to `queries.pages_query`: the page's address, then those columns."""
        names = ("id", *(c.name for c in columns))
        return cls(file, target, names, tuple(c.name for c in columns if c.boolean), export_size)

    @property
    def of_links(self) -> bool:
        """Whether the rows are links (else pages)."""
        return tuple(self.columns) == LINKS


@dataclass(frozen=True)
class Order:
    """What to make.  A Raw is normalised into its `target`; a Path is a CSV of ours that is already there.

    `graph` is the folder for the columnar copy (`pipulate.graph.edges`), which needs `links`.
    """

    links: Raw | Path | None = None
    pages: Raw | Path | None = None
    graph: Path | None = None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Order:
        """The inverse of `to_json`."""
        data = json.loads(text)
        return cls(
            _part(data["links"]),
            _part(data["pages"]),
            Path(data["graph"]) if data["graph"] else None,
        )


@dataclass
class Table:
    """What became of one exported file."""

    rows: int = 0  #: rows written
    rows_received: int = 0  #: rows in the file, without header
    incomplete: int = 0  #: dropped: no address, or no target
    self_links: int = 0  #: dropped: a page that links to itself
    bytes: int = 0
    sha256: str = ""
    possibly_truncated: bool = False  #: as many rows as the export was limited to


@dataclass
class Ingested:
    """What was made.  A table is None if it was not asked for; the counts are 0 if there is no columnar copy.

    Without a single link there is none.  `graph_links` counts distinct links.
    """

    links: Table | None = None
    pages: Table | None = None
    graph_pages: int = 0
    graph_links: int = 0


async def ingest(order: Order, progress: Progress = lambda stage, share, rows: None) -> Ingested:
    """Carry out an order.

    Raises BadFile, TooLarge, CannotWrite, GraphError's text as a PipulateError, or IngestStopped.  Every file is then
    either whole or as it was before.
    """
    import asyncio

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # a polars.py in the working folder must not be imported
        "-c",
        _START,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
    )
    assert process.stdin and process.stdout and process.stderr
    trouble = asyncio.create_task(process.stderr.read())
    outcome: dict[str, Any] = {}
    try:
        process.stdin.write(order.to_json().encode() + b"\n")
        async for line in process.stdout:
            said = json.loads(line)
            if "stage" in said:
                progress(said["stage"], said["share"], said["rows"])
            else:
                outcome = said
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await asyncio.to_thread(_sweep, order)
        stderr = await trouble
        process.stdin.close()
    if "error" in outcome:
        name = outcome["error"]
        kind = CannotWrite if name == "CannotWrite" else getattr(errors, name, PipulateError)
        raise kind(outcome["message"])
    if "done" not in outcome:
        last = stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise errors.IngestStopped(
            f"Reading the downloaded files stopped unexpectedly (exit code {process.returncode}). {last[:300]} "
            "The downloads are still there: try again; if it happens again, free some memory first."
        )
    done = outcome["done"]
    links, pages = (Table(**done[name]) if done[name] else None for name in ("links", "pages"))
    return Ingested(links, pages, done["graph_pages"], done["graph_links"])


def _part(data: dict[str, Any] | str | None) -> Raw | Path | None:
    if isinstance(data, dict):
        return Raw(**{**data, "file": Path(data["file"]), "target": Path(data["target"])})
    return Path(data) if data else None


def _environment() -> dict[str, str]:
    # Blocks are small: more threads would cost memory and win nothing.
    return {**os.environ, "POLARS_MAX_THREADS": str(min(4, os.cpu_count() or 1))}


def _sweep(order: Order) -> None:
    for part in (order.links, order.pages):
        if isinstance(part, Raw):
            sweep(part.target)
