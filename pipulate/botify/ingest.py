"""Make our files from downloaded ones, in a process of its own.

Order and Ingested cross between the processes as JSON; the work there is
`pipulate.botify.normalise`.  Cancelling kills that process.  Neither Polars
nor numpy is imported here: the server starts without them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipulate.botify.errors import IngestStopped
from pipulate.engine import child
from pipulate.engine.files import sweep

if TYPE_CHECKING:
    from pipulate.botify.queries import Column

LINKS = ("source", "target")


@dataclass(frozen=True)
class Raw:
    """One downloaded file, what it holds, and where its CSV goes.

    `columns` is the header to write; `booleans` those written true or false;
    `export_size` the rows after which Botify stopped (0: unknown).
    """

    file: Path
    target: Path
    columns: Sequence[str] = LINKS
    booleans: Sequence[str] = ()
    export_size: int = 0

    @classmethod
    def pages(
        cls,
        file: Path,
        target: Path,
        columns: Sequence[Column],
        export_size: int = 0,
    ) -> Self:
        """The answer to `queries.pages_query`: the address, then `columns`."""
        names = ("id", *(column.name for column in columns))
        booleans = tuple(column.name for column in columns if column.boolean)
        return cls(file, target, names, booleans, export_size)

    @property
    def of_links(self) -> bool:
        """Whether the rows are links (else pages)."""
        return tuple(self.columns) == LINKS


@dataclass(frozen=True)
class Order:
    """A Raw becomes its `target`; a Path is a CSV of ours that is there.

    `graph` is the folder for the columnar copy, which needs `links`.
    """

    links: Raw | Path | None = None
    pages: Raw | Path | None = None
    graph: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """What JSON can hold: paths as text."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain

    @classmethod
    def read(cls, links: Any, pages: Any, graph: str | None) -> Self:
        """The inverse of `as_json`."""
        return cls(_part(links), _part(pages), Path(graph) if graph else None)


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
    """What was made; None was not asked for.  `graph_links` are distinct."""

    links: Table | None = None
    pages: Table | None = None
    graph_pages: int = 0
    graph_links: int = 0

    @property
    def tables(self) -> dict[str, Table]:
        """The tables that were made, by kind."""
        return {kind: made for kind, made in vars(self).items() if isinstance(made, Table)}


async def ingest(order: Order, told: child.Tell = lambda **told: None) -> Ingested:
    """Carry out an order; `told` gets `stage`, `share` and `rows`.

    Raises BadFile, TooLarge, CannotWrite, GraphError or IngestStopped.
    """
    try:
        made = await child.work("pipulate.botify.normalise:carry_out", order.as_json(), told)
    except child.Died as error:
        raise IngestStopped(
            "Reading the downloaded files ended before it was done. "
            "The downloads are still there: try again; "
            f"if it happens again, free some memory first. {error}"
        ) from error
    finally:
        await asyncio.to_thread(_sweep, order)
    tables = {kind: Table(**made[kind]) for kind in ("links", "pages") if made[kind]}
    return Ingested(**{**made, **tables})


def _part(data: dict[str, Any] | str | None) -> Raw | Path | None:
    if isinstance(data, dict):
        return Raw(**{**data, "file": Path(data["file"]), "target": Path(data["target"])})
    return Path(data) if data else None


def _sweep(order: Order) -> None:
    for part in (order.links, order.pages):
        if isinstance(part, Raw):
            sweep(part.target)
