"""The data model: a collection's fields, and how each comes out of a Site.

A *collection* is what BQL queries name: `crawl.20240301` (one analysis),
`search_console` (of the whole project, with dates).  A field exists only if
the site has its columns: to ask for another is an error, as in the real API.

The dimensions stand in `datamodel.json`: {collection: {group: {id: [label,
type, column]}}}; an empty column means one of `_COMPUTED`.  Ids, types and
labels are Botify's; labels never seen in a real file are our guess.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeVar

import polars as pl

from pipulate.graph.sites import Site
from pipulate.simulator import constants

NUMBERS = ("integer", "float")
HEADER_FORMATS = ("verbose", "slug", "collection_slug")
GRAPH = "outlinks_internal.graph.url"  # one value per link of the page

Period = tuple[date, date]  #: first and last day


@dataclass(frozen=True)
class Field:
    """A dimension; `value` computes it from a source frame's columns."""

    id: str
    name: str
    type: str  # string, integer, float, boolean, date, tree
    value: pl.Expr
    group: str
    multiple: bool = False


@dataclass(frozen=True)
class Metric:
    """A ready-made aggregate: `combine` makes one of many rows' `parts`."""

    id: str
    name: str
    type: str
    parts: tuple[str, ...]
    combine: Callable[..., pl.Expr]


@dataclass
class Needs:
    """What a query wants of a table: dimensions, and metrics' parts."""

    fields: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Table:
    """One collection, or one period of it, as a query sees it.

    `prefix` begins its names (`crawl.20240301`, `search_console.period_0`);
    `rows` makes the frame the fields are computed from, of a crawl's `site`.
    """

    prefix: str
    fields: Mapping[str, Field]
    metrics: Mapping[str, Metric]
    rows: Callable[[Needs], pl.DataFrame]
    site: Site | None = None

    def alias(self, name: str) -> str:
        """A field's column in a join."""
        return f"{self.prefix}:{name}"

    def part_alias(self, part: str) -> str:
        """A part's column in a join."""
        return f"{self.prefix}:#{part}"


@dataclass(frozen=True)
class Collection:
    """With `days` it is timestamped; `tables` is what a query sees of it."""

    id: str
    name: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tables: Callable[[Sequence[Period]], list[Table]] = lambda periods: []
    days: Period | None = None


# --- the catalogue ---

_URL = pl.col("url")
_LEVELS = pl.col("pagetype").str.split("/")
_REASONS = ("http_code", "content_type", "canonical", "noindex")
_COMPUTED = {
    "host": _URL.str.extract(r"^[a-z]+://([^/?#]+)"),
    "protocol": _URL.str.extract(r"^([a-z]+)://"),
    "url_exists_crawl": _URL.is_not_null(),
    "segments.pagetype.depth_1": _LEVELS.list.get(0),
    "segments.pagetype.depth_2": _LEVELS.list.get(1, null_on_oob=True),
    "metadata.title.len": pl.col("title").str.len_chars(),
    **{f"compliant.reason.{why}": pl.col("reason") == why for why in _REASONS},
}


def catalogue(collection: str) -> list[Field]:
    """Its dimensions."""
    fields = []
    for group, members in constants("datamodel")[collection].items():
        for name, (label, kind, column) in members.items():
            value = pl.col(column) if column else _COMPUTED[name]
            fields.append(Field(name, label, kind, value, group))
    return fields


Item = TypeVar("Item", Field, Metric)


def by_id(items: Iterable[Item]) -> dict[str, Item]:
    return {item.id: item for item in items}


def distinct(column: pl.Expr) -> pl.Expr:
    """How many distinct values there are."""
    return column.drop_nulls().n_unique()


CRAWL_FIELDS = [
    *catalogue("crawl"),
    Field(GRAPH, "Internal Outlinks Graph", "string", _URL, "outlinks", True),
]
CRAWL_METRICS = by_id([Metric("count_urls_crawl", "No. of URLs", "integer", ("url",), distinct)])
#: fields that a query names without a collection
UNPREFIXED = by_id(each for each in CRAWL_FIELDS if each.id in ("url", "host", "protocol"))

# --- the collections ---

GLOBAL = Collection("global", "URL Scheme and Segmentation")


def crawl_fields(site: Site, links_graph: bool = True) -> list[Field]:
    """Those whose columns the site has."""
    columns = set(site.pages.columns)
    return [
        each
        for each in CRAWL_FIELDS
        if columns.issuperset(each.value.meta.root_names()) and (links_graph or each.id != GRAPH)
    ]


def crawl_collection(id: str, name: str, site: Site, *, links_graph: bool = True) -> Collection:
    """Its rows have their page id in `page`."""
    fields = by_id(crawl_fields(site, links_graph))
    # the "empty target" quirk is no page
    pages = site.pages.with_row_index("page").filter(_URL != "")
    table = Table(id, fields, CRAWL_METRICS, lambda needs: pages, site)
    return Collection(id, name, fields, CRAWL_METRICS, lambda periods: [table])
