"""Two analyses of one site side by side: what is new, gone, or changed.

PAGES     The same address is the same page.  Numbers: the later graph's,
          then those that are gone.
LINKS     New or gone, also between pages that stayed.
STRENGTH  A page's share of PageRank shrinks when the site grows, though
          nothing happened to it.  So we compare PageRank times the number
          of pages: 1 is the average page.
DEPTH     Where the exports end at different depths, pages beyond the
          shallower one only *seem* new or gone (`same_depth` is False).
TABLES    A column `x` has the later value, `x before` the earlier one.
"""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pipulate.graph import measures, roles
from pipulate.graph.edges import Graph
from pipulate.graph.measures import Array
from pipulate.graph.report import Finding, Report, counts, found
from pipulate.graph.roles import Facts
from pipulate.graph.site_sections import sections

SAME, CHANGED, NEW, GONE = range(4)
STATES = ("same", "changed", "new", "gone")  # of a page

NOTABLE = 0.1  # a change by a tenth is worth a line: less is the weather


@dataclass(frozen=True)
class Comparison:
    """What differs, in the common numbering (see PAGES).

    `state` (u8 by page) is SAME, CHANGED (depth, inlinks, strength by a
    tenth, or a value in the page table), NEW or GONE.  `new_links` and
    `gone_links` are (k, 2) arrays of page numbers.
    """

    urls: pl.Series
    state: Array
    new_links: Array
    gone_links: Array
    report: Report


def compare(earlier: Graph, later: Graph) -> Comparison:
    """Compare two graphs of one site."""
    urls, number = _common(earlier, later)
    facts_before, facts_after = _facts(earlier, later, urls, number)
    before = _measured(earlier, facts_before)
    after = _measured(later, facts_after)
    pages = after.join(
        before,
        on="url",
        how="full",
        coalesce=True,
        suffix=" before",
        maintain_order="left_right",
    )
    old = _keys(number[earlier.source], number[earlier.target])
    new = _keys(later.source, later.target)
    new_links = _without(new, old)
    gone_links = _without(old, new)
    values = _differences(earlier.pages, later.pages)
    state = _state(pages, values["url"].unique())
    pages = pages.with_columns(state=pl.Series(STATES).gather(pl.Series(state)))
    stayed = pages.filter(pl.col("state").is_in(["same", "changed"]))
    findings = [
        _new_pages(pages),
        _gone_pages(pages),
        _depth_changes(stayed),
        _lost_inlinks(stayed),
        _strength_changes(stayed),
        _changed_values(values),
        _links("new_links", urls, new_links),
        _links("gone_links", urls, gone_links),
        _by_section(pages),
    ]
    deepest = [before["depth"].max(), after["depth"].max()]
    summary = {
        "pages": [earlier.n, later.n],
        "links": [earlier.m, later.m],
        "deepest": deepest,
        "same_depth": deepest[0] == deepest[1],
        "counts": counts(findings),
    }
    return Comparison(urls, state, new_links, gone_links, Report(summary, findings, pages))


def _common(earlier: Graph, later: Graph) -> tuple[pl.Series, Array]:
    """Return all addresses, and the earlier pages' numbers among them."""
    gone = earlier.urls.filter(~earlier.urls.is_in(later.urls.implode()))
    urls = pl.concat([later.urls, gone]).alias("url")
    numbered = urls.to_frame().with_row_index("page")
    rows = earlier.urls.to_frame("url").join(numbered, on="url", how="left", maintain_order="left")
    return urls, rows["page"].to_numpy()


def _facts(earlier: Graph, later: Graph, urls: pl.Series, number: Array) -> tuple[Facts, Facts]:
    """Read both page tables; without page types, cut both into the same sections."""
    before = roles.facts(earlier)
    after = roles.facts(later)
    if "section" in (before.group.name, after.group.name):
        parts = sections(urls).by_page()
        before = replace(before, group=parts.gather(pl.Series(number)))
        after = replace(after, group=parts[: later.n])
    return before, after


def _measured(graph: Graph, facts: Facts) -> pl.DataFrame:
    depth = measures.depths(graph, measures.home(graph, facts.depth))
    rank = measures.pagerank(graph)
    columns = {
        "url": graph.urls,
        "section": facts.group.alias("section"),
        "depth": pl.Series(depth).replace(measures.UNREACHED, None),
        "inlinks": measures.inlinks(graph),
        "pagerank": rank,
        "strength": rank * graph.n,
    }
    if facts.demand is not None:
        columns["demand"] = pl.Series(facts.demand).fill_nan(None)
    return pl.DataFrame(columns)


def _keys(source: Array, target: Array) -> Array:
    return (source.astype(np.uint64) << np.uint64(32)) | target


def _without(keys: Array, others: Array) -> Array:
    left = np.setdiff1d(keys, others, assume_unique=True)
    return np.column_stack([left >> np.uint64(32), left & np.uint64(0xFFFFFFFF)]).astype(np.int64)


def _differences(earlier: pl.DataFrame, later: pl.DataFrame) -> pl.DataFrame:
    """Return url, column, before, after of what pages in both tables say."""
    both = later.filter("listed").join(earlier.filter("listed"), on="url", suffix=" before")
    parts = [pl.DataFrame(schema=dict.fromkeys(["url", "column", "before", "after"], pl.String))]
    for column in _comparable(earlier, later):
        before = pl.col(f"{column} before").cast(pl.String)
        after = pl.col(column).cast(pl.String)
        rows = both.filter(after.ne_missing(before))
        parts.append(rows.select("url", column=pl.lit(column), before=before, after=after))
    return pl.concat(parts).sort("column", "url")


def _comparable(earlier: pl.DataFrame, later: pl.DataFrame) -> list[str]:
    """Return columns of both tables but for numbers, which always change."""
    status = roles.roles(later.columns).get("status")
    numeric = pl.selectors.numeric()
    numbers = {
        *earlier.select(numeric).columns,
        *later.select(numeric).columns,
    } - {status}
    left_out = {"url", "listed", *numbers}
    return [name for name in later.columns if name in earlier.columns and name not in left_out]


def _state(pages: pl.DataFrame, changed: pl.Series) -> Array:
    moved = (
        pl.col("depth").ne_missing(pl.col("depth before"))
        | (pl.col("inlinks") != pl.col("inlinks before"))
        | _notable("strength")
        | pl.col("url").is_in(changed.implode())
    )
    state = (
        pl.when(pl.col("inlinks before").is_null())
        .then(NEW)
        .when(pl.col("inlinks").is_null())
        .then(GONE)
        .when(moved)
        .then(CHANGED)
        .otherwise(SAME)
    )
    return pages.select(state.cast(pl.UInt8)).to_series().to_numpy()


def _notable(column: str) -> pl.Expr:
    return (pl.col(column) / pl.col(f"{column} before") - 1).abs() >= NOTABLE


def _change(column: str) -> pl.Expr:
    return pl.col(column) - pl.col(f"{column} before")


def _known(pages: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Not every site has demand."""
    return pages.select(name for name in dict.fromkeys(columns) if name in pages.columns)


def _moved(stayed: pl.DataFrame, column: str, moved: pl.Expr) -> pl.DataFrame:
    rows = stayed.filter(moved).with_columns(change=_change(column))
    shown = (
        f"{column} before",
        column,
        "inlinks before",
        "inlinks",
        "demand",
        "change",
    )
    return _known(rows, "url", "section", *shown)


# --- findings: `pages` are all, `stayed` those that are in both ---


def _new_pages(pages: pl.DataFrame) -> Finding:
    new = pages.filter(pl.col("state") == "new")
    new = new.sort("pagerank", descending=True, maintain_order=True)
    return found(
        "new_pages",
        table=_known(new, "url", "section", "depth", "inlinks", "pagerank", "demand"),
    )


def _gone_pages(pages: pl.DataFrame) -> Finding:
    gone = pages.filter(pl.col("state") == "gone")
    gone = gone.sort("pagerank before", descending=True, maintain_order=True)
    earlier = ("section", "depth", "inlinks", "pagerank", "demand")
    return found(
        "gone_pages",
        table=_known(gone, "url", *(f"{name} before" for name in earlier)),
    )


def _depth_changes(stayed: pl.DataFrame) -> Finding:
    now = pl.col("depth")
    before = pl.col("depth before")
    moved = _moved(stayed, "depth", now.ne_missing(before))
    worst_first = (now.is_null(), before.is_not_null(), "change")
    return found(
        "depth_changes",
        table=moved.sort(worst_first, descending=True, maintain_order=True),
    )


def _lost_inlinks(stayed: pl.DataFrame) -> Finding:
    much = pl.col("inlinks") < pl.col("inlinks before") * (1 - NOTABLE)
    return found(
        "lost_inlinks",
        table=_moved(stayed, "inlinks", much).sort("change", maintain_order=True),
    )


def _strength_changes(stayed: pl.DataFrame) -> Finding:
    moved = _moved(stayed, "strength", _notable("strength"))
    return found(
        "pagerank_changes",
        table=moved.sort(pl.col("change").abs(), descending=True, maintain_order=True),
    )


def _changed_values(values: pl.DataFrame) -> Finding:
    return found("changed_values", table=values)


def _links(key: str, urls: pl.Series, pairs: Array) -> Finding:
    source, target = (urls.gather(pl.Series(ends)) for ends in pairs.T)
    return found(key, table=pl.DataFrame({"source": source, "target": target}))


def _by_section(pages: pl.DataFrame) -> Finding:
    now = pages.group_by("section").agg(
        pl.sum("pagerank"),
        pages=pl.col("inlinks").count(),
        new=(pl.col("state") == "new").sum(),
    )
    then = pages.group_by(pl.col("section before").alias("section")).agg(
        pl.sum("pagerank before"),
        pl.col("inlinks before").count().alias("pages before"),
        gone=(pl.col("state") == "gone").sum(),
    )
    columns = (
        "pages before",
        "pages",
        "new",
        "gone",
        "pagerank before",
        "pagerank",
    )
    table = (
        now.join(then, on="section", how="full", coalesce=True)
        .filter(pl.col("section").is_not_null())
        .select("section", pl.col(columns).fill_null(0))
        .with_columns(change=_change("pagerank"))
        .sort(pl.col("change").abs(), "section", descending=[True, False])
    )
    return found("sections", table=table)
