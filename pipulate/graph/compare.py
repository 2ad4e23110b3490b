"""Two analyses of one site side by side: what is new, what is gone, what changed.  Pure data, as a report is.

PAGES     The same address is the same page.  The pages of both are numbered together: first the later graph's, by its
          own numbers, then those that are gone.
LINKS     A link is new or gone when its two addresses were, or are, not linked; also between pages that stayed.
STRENGTH  A page's share of PageRank shrinks when the site grows, though nothing happened to it.  So pages are compared
          by PageRank times the number of pages: 1 is the average page of its time.
DEPTH     The two exports may end at different depths; then pages beyond the shallower one only *seem* new or gone.
          `summary["same_depth"]` says whether that is excluded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pipulate.graph import measures, roles
from pipulate.graph.edges import Graph
from pipulate.graph.report import Finding, Report
from pipulate.graph.roles import Facts
from pipulate.graph.site_sections import sections

SAME, CHANGED, NEW, GONE = 0, 1, 2, 3  # a page's state
NOTABLE = 0.1  # a change of strength or inlinks by a tenth is worth a line


@dataclass(frozen=True)
class Comparison:
    """What differs, in the common numbering (see PAGES).

    `urls` has the later graph's pages, then the gone ones.  `state` (u8 by page) is SAME, CHANGED (depth, inlinks,
    strength by a tenth, or a column of the page table), NEW or GONE.  `new_links` and `gone_links` are (k, 2) arrays
    of page numbers.  `report` says it in tables.
    """

    urls: pl.Series
    state: np.ndarray
    new_links: np.ndarray
    gone_links: np.ndarray
    report: Report


def compare(earlier: Graph, later: Graph) -> Comparison:
    """Compare two graphs of one site."""
    urls, number = _common(earlier, later)
    facts = roles.facts(earlier), roles.facts(later)
    if any(
        f.group.name == "section" for f in facts
    ):  # the parts of both sites together, so that they are the same
        site = sections(urls)
        parts = pl.Series("section", site.names, pl.String).gather(pl.Series(site.codes))
        facts = (
            replace(facts[0], group=parts.gather(pl.Series(number))),
            replace(facts[1], group=parts[: later.n]),
        )
    before, after = _measured(earlier, facts[0]), _measured(later, facts[1])
    pages = (
        after.join(
            before,
            on="url",
            how="full",
            coalesce=True,
            suffix=" before",
            maintain_order="left_right",
        )
        .join(pl.DataFrame({"url": urls}).with_row_index("page"), on="url", how="left")
        .sort("page")
    )
    old = _keys(number[earlier.source], number[earlier.target])
    new = _keys(later.source, later.target)
    new_links, gone_links = np.setdiff1d(new, old, True), np.setdiff1d(old, new, True)
    values = _changed_values(earlier, later)
    state = _state(pages, values["url"].unique())
    pages = pages.with_columns(
        state=pl.Series(["same", "changed", "new", "gone"]).gather(pl.Series(state))
    )
    findings = _findings(pages.drop("page"), urls, new_links, gone_links, values)
    return Comparison(
        urls,
        state,
        _pairs(new_links),
        _pairs(gone_links),
        Report(_summary(earlier, later, before, after, findings), findings, pages.drop("page")),
    )


def _common(earlier: Graph, later: Graph) -> tuple[pl.Series, np.ndarray]:
    """Return all addresses, and for each page of the earlier graph its number among them."""
    gone = earlier.urls.filter(~earlier.urls.is_in(later.urls.implode()))
    urls = pl.concat([later.urls, gone]).alias("url")
    rows = earlier.urls.to_frame("url").join(
        pl.DataFrame({"url": urls}).with_row_index("page"),
        on="url",
        how="left",
        maintain_order="left",
    )
    return urls, rows["page"].to_numpy()


def _keys(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    return (source.astype(np.uint64) << np.uint64(32)) | target


def _pairs(keys: np.ndarray) -> np.ndarray:
    return np.column_stack([keys >> np.uint64(32), keys & np.uint64(0xFFFFFFFF)]).astype(np.int64)


def _measured(graph: Graph, facts: Facts) -> pl.DataFrame:
    depth = measures.depths(graph, measures.home(graph, facts.depth))
    rank = measures.pagerank(graph)
    frame = {
        "url": graph.urls,
        "section": facts.group.alias("section"),
        "depth": pl.Series(depth).replace(measures.UNREACHED, None),
        "inlinks": measures.inlinks(graph),
        "pagerank": rank,
        "strength": rank * graph.n,
    }
    demand = facts.impressions if facts.impressions is not None else facts.clicks
    if demand is not None:
        frame["demand"] = pl.Series(demand).fill_nan(None)
    return pl.DataFrame(frame)


def _changed_values(earlier: Graph, later: Graph) -> pl.DataFrame:
    """Return (url, column, before, after) for texts, booleans and status codes that differ on pages in both tables."""
    status = roles.roles(later.pages.columns).get("status")
    shared = [
        c
        for c in later.pages.columns
        if c in earlier.pages.columns
        and c not in ("url", "listed")
        and (
            c == status
            or not (later.pages[c].dtype.is_numeric() or earlier.pages[c].dtype.is_numeric())
        )
    ]
    both = later.pages.filter("listed").join(
        earlier.pages.filter("listed"), on="url", suffix=" before"
    )
    parts = [
        both.filter(
            pl.col(c).cast(pl.String).ne_missing(pl.col(f"{c} before").cast(pl.String))
        ).select(
            "url",
            pl.lit(c).alias("column"),
            pl.col(f"{c} before").cast(pl.String).alias("before"),
            pl.col(c).cast(pl.String).alias("after"),
        )
        for c in shared
    ]
    empty = pl.DataFrame(schema=dict.fromkeys(["url", "column", "before", "after"], pl.String))
    return pl.concat([empty, *parts]).sort("column", "url")


def _state(pages: pl.DataFrame, changed: pl.Series) -> np.ndarray:
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
    """Did the column change by a tenth or more?"""
    return (pl.col(column) / pl.col(f"{column} before") - 1).abs() >= NOTABLE


def _summary(
    earlier: Graph, later: Graph, before: pl.DataFrame, after: pl.DataFrame, findings: list[Finding]
) -> dict[str, object]:
    deepest = before["depth"].max(), after["depth"].max()
    return {
        "pages": [earlier.n, later.n],
        "links": [earlier.m, later.m],
        "deepest": list(deepest),
        "same_depth": deepest[0] == deepest[1],
        "counts": {finding.key: finding.count for finding in findings},
    }


def _findings(
    pages: pl.DataFrame,
    urls: pl.Series,
    new_links: np.ndarray,
    gone_links: np.ndarray,
    values: pl.DataFrame,
) -> list[Finding]:
    stayed = pages.filter(pl.col("state").is_in(["same", "changed"]))
    demand = ["demand"] if "demand" in pages.columns else []
    demand_before = ["demand before"] if "demand before" in pages.columns else []
    new = pages.filter(pl.col("state") == "new").sort(
        "pagerank", descending=True, maintain_order=True
    )
    gone = pages.filter(pl.col("state") == "gone").sort(
        "pagerank before", descending=True, maintain_order=True
    )
    moved = stayed.filter(pl.col("depth").ne_missing(pl.col("depth before")))
    lost = stayed.filter(pl.col("inlinks") < pl.col("inlinks before") * (1 - NOTABLE))
    rank = stayed.filter(_notable("strength"))
    return [
        Finding(
            "new_pages",
            "New pages",
            new.height,
            "Not there in the earlier analysis. Strongest first.",
            "Check that those you meant to add are linked well, and that nothing came by mistake.",
            new.select("url", "section", "depth", "inlinks", "pagerank", *demand),
        ),
        Finding(
            "gone_pages",
            "Pages that are gone",
            gone.height,
            "There in the earlier analysis, no longer. The figures are the earlier ones.",
            "Redirect those that had links or visitors.",
            gone.select(
                "url",
                "section before",
                "depth before",
                "inlinks before",
                "pagerank before",
                *demand_before,
            ),
        ),
        Finding(
            "depth_changes",
            "Pages nearer to or farther from home",
            moved.height,
            "Click depth changed; empty means out of reach. Those that went farthest away come first.",
            "See which link on the way was lost: usually one on a page near home.",
            moved.select(
                "url", "section", "depth before", "depth", "inlinks before", "inlinks", *demand
            )
            .with_columns(change=pl.col("depth") - pl.col("depth before"))
            .sort(
                pl.col("depth").is_null(),
                pl.col("depth before").is_not_null(),
                "change",
                descending=True,
                maintain_order=True,
            ),
        ),
        Finding(
            "lost_inlinks",
            "Pages that lost a tenth of their inlinks or more",
            lost.height,
            "Fewer pages link to them than before. Largest losses first.",
            "If they matter, put the links back: look at the list of gone links.",
            lost.select("url", "section", "inlinks before", "inlinks", *demand)
            .with_columns(change=pl.col("inlinks") - pl.col("inlinks before"))
            .sort("change", maintain_order=True),
        ),
        Finding(
            "pagerank_changes",
            "Pages whose strength changed by a tenth or more",
            rank.height,
            "Strength: PageRank times the number of pages, so 1 is the average page of its time.",
            "Losses of pages that earn money are worth a look at who stopped linking to them.",
            rank.select(
                "url",
                "section",
                "strength before",
                "strength",
                "inlinks before",
                "inlinks",
                *demand,
            )
            .with_columns(change=pl.col("strength") - pl.col("strength before"))
            .sort(pl.col("change").abs(), descending=True, maintain_order=True),
        ),
        Finding(
            "changed_values",
            "Changed values in the page table",
            values.height,
            "Page type, title, compliance, canonical, status, ... of pages that are in both tables.",
            "Non-compliant or redirected all of a sudden: find out why before search engines do.",
            values,
        ),
        Finding(
            "new_links",
            "New links",
            len(new_links),
            "Linked now, not before.",
            "",
            _table(urls, new_links),
        ),
        Finding(
            "gone_links",
            "Links that are gone",
            len(gone_links),
            "Linked before.",
            "",
            _table(urls, gone_links),
        ),
        _by_section(pages),
    ]


def _table(urls: pl.Series, keys: np.ndarray) -> pl.DataFrame:
    pairs = _pairs(keys)
    ends = {"source": pairs[:, 0], "target": pairs[:, 1]}
    return pl.DataFrame({name: urls.gather(pl.Series(rows)) for name, rows in ends.items()})


def _by_section(pages: pl.DataFrame) -> Finding:
    """Sum up by page type or section: pages that changed it count where they were, then where they are."""
    now = pages.group_by("section").agg(
        pages=pl.col("inlinks").is_not_null().sum(),
        new=(pl.col("state") == "new").sum(),
        pagerank=pl.col("pagerank").sum(),
    )
    then = pages.group_by(pl.col("section before").alias("section")).agg(
        gone=(pl.col("state") == "gone").sum(),
        **{
            "pages before": pl.col("inlinks before").is_not_null().sum(),
            "pagerank before": pl.col("pagerank before").sum(),
        },
    )
    table = now.join(then, on="section", how="full", coalesce=True).filter(
        pl.col("section").is_not_null()
    )
    table = table.with_columns(pl.col(c).fill_null(0) for c in table.columns if c != "section")
    table = table.select(
        "section", "pages before", "pages", "new", "gone", "pagerank before", "pagerank"
    )
    table = table.with_columns(change=pl.col("pagerank") - pl.col("pagerank before"))
    return Finding(
        "sections",
        "Sections and page types",
        table.height,
        "How each part of the site grew or shrank, and how much PageRank moved there.",
        "PageRank follows links: a part that gained without your meaning it took it from another.",
        table.sort(pl.col("change").abs(), "section", descending=[True, False]),
    )
