"""The report on a link graph: what was found, what it means, what to do.  Pure data; a page or a terminal shows it.

REPORT    `pages`: one table with every measure by page; `findings`: in the order in which to read them, each with a
          title, one line of meaning, one line of advice, a table and perhaps a plot; `summary`: the figures for a head.
SPEED     10 million links: 5 CPU seconds and 1 GB (without communities, which `deep` adds: 50 more).
FILES     `write` makes a folder: `report.json` (all but the long tables: at most ROWS rows each), and for each finding
          `<key>.parquet` (exact) and `<key>.csv` (for spreadsheets: a text that a spreadsheet would run as a formula has
          an apostrophe before it).
PLOTS     Only numbers and labels; `kind` says how they are meant: bars, curve, heat, scatter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipulate.graph import edges, measures, roles
from pipulate.graph.edges import Graph
from pipulate.graph.layout import template_targets
from pipulate.graph.roles import Facts

ROWS = 1000  # of each table, in report.json
GROUPS = 24  # in the matrix; smaller groups are put together
OTHER = "(all others)"
TOP = 1000  # rows in "the most ..." tables
DOTS = 4000  # in a scatter plot
DEEP = 3_000_000  # links up to which communities are worth waiting for
Progress = Callable[[float, str], None]

COLUMNS = {
    "url": "address of the page",
    "section": "part of the site, by the folders of the address",
    "depth": "clicks from home by the shortest way; empty: cannot be reached",
    "inlinks": "pages that link here",
    "outlinks": "pages it links to",
    "pagerank": "share of the time a random surfer of this site spends here; all pages together have 1",
    "link_score": "PageRank on a logarithmic scale from 0 to 100",
    "hub": "how much it links to authorities; all pages together have 1",
    "authority": "how much hubs link to it; all pages together have 1",
    "part": "number of its strongly connected part; 0 is the largest",
    "community": "number of its community; 0 is the largest",
    "orphan": "no other page links here",
    "near_orphan": "just one other page links here",
    "reachable": "can be reached from home by clicks",
    "dead_end": "it was crawled and links to no other page",
    "template": "linked from more than a quarter of all pages: part of menu or footer",
    "problem": "why a link should not lead there",
    "linking_pages": "how many other pages link there",
    "example": "one of them, the strongest by PageRank",
    "linked_from": "the one page that links here",
    "links": "links from the one to the other",
    "flow": "share of the whole site's PageRank that goes this way",
    "share": "share of all pages",
    "pages": "number of pages",
}


@dataclass(frozen=True)
class Finding:
    """One chapter: `count` is what the title counts, `table` has all of it, `plot` is for eyes (or None)."""

    key: str
    title: str
    count: int
    meaning: str
    todo: str
    table: pl.DataFrame
    plot: dict[str, Any] | None = None


@dataclass(frozen=True)
class Report:
    """See the module's docstring."""

    summary: dict[str, Any]
    findings: list[Finding]
    pages: pl.DataFrame = field(repr=False)

    def finding(self, key: str) -> Finding:
        """Return the finding of that key; KeyError when the data gave none."""
        return {finding.key: finding for finding in self.findings}[key]


@dataclass(frozen=True)
class Work:
    """What the chapters are made from.  Those of LIGHT ask the graph for its size and its pages only."""

    graph: Graph
    links: int
    self_links: int
    facts: Facts
    home: int
    pages: pl.DataFrame
    rank: np.ndarray
    depth: np.ndarray
    inlinks: np.ndarray
    flow: Callable[
        [np.ndarray, int], tuple[np.ndarray, np.ndarray]
    ]  # (group by page, groups) -> measures.flow

    def rows(self, chosen: np.ndarray, *columns: str) -> pl.DataFrame:
        """Return these pages' rows (page numbers, or a mask: then the strongest first), address first."""
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
            chosen = chosen[np.lexsort((chosen, -self.rank[chosen]))]
        own = [c for c in self.known() if c not in columns]
        return self.pages.select("url", *columns, *own)[chosen]

    @property
    def group(self) -> str:
        """Name of the column that divides the site: the page type's own, or `section`."""
        return self.facts.group.name

    def known(self) -> list[str]:
        """Columns of the page table that help to judge any page."""
        return [
            self.facts.columns[r]
            for r in ("title", "impressions", "clicks")
            if r in self.facts.columns
        ]


def analyse(
    graph: Graph, *, deep: bool = False, only_good: bool = False, progress: Progress | None = None
) -> Report:
    """Compute all measures and findings.  `progress(share, text)` is told what is going on.

    `deep` adds communities.  `only_good` leaves redirected and canonicalised pages and their links out of PageRank;
    otherwise PageRank is over all pages and links.
    """
    tell = progress or (lambda share, text: None)
    tell(0.0, "Reading the page table")
    facts = roles.facts(graph)
    home = measures.home(graph, facts.depth)
    tell(0.1, "Counting clicks from home")
    depth = measures.depths(graph, home)
    tell(0.2, "PageRank")
    rank = measures.pagerank(graph, leave_out=_left_out(facts) if only_good else None)
    tell(0.5, "Hubs and authorities")
    hub, authority = measures.hits(graph)
    tell(0.65, "Connected parts")
    inlinks, seen = measures.inlinks(graph), measures.crawled(graph, facts.depth) & facts.internal
    template = template_targets(graph.n, graph.source, graph.target)
    columns: dict[str, Any] = {
        "url": graph.urls,
        facts.group.name: facts.group,
        "depth": pl.Series(depth).replace(measures.UNREACHED, None),
        "inlinks": inlinks,
        "outlinks": measures.outlinks(graph),
        "pagerank": rank,
        "link_score": measures.link_score(rank),
        "hub": hub,
        "authority": authority,
        "part": measures.strong_parts(graph),
        "reachable": measures.reachable(depth),
        "orphan": measures.orphans(graph, home) & facts.internal,
        "near_orphan": measures.near_orphans(graph, home) & facts.internal,
        "dead_end": measures.dead_ends(graph, seen),
        "template": template,
    }
    if deep:
        tell(0.7, "Communities")
        columns["community"] = measures.communities(graph, template)
    tell(0.85, "Findings")
    pages, facts = whole_table(graph.pages, columns, facts)
    work = Work(
        graph,
        graph.m,
        int((graph.source == graph.target).sum()),
        facts,
        home,
        pages,
        rank,
        depth,
        inlinks,
        lambda group, k: measures.flow(graph, group, k, rank),
    )
    made = compose(work, CHAPTERS)
    tell(1.0, "Done")
    return made


def whole_table(
    table: pl.DataFrame, columns: dict[str, Any], facts: Facts
) -> tuple[pl.DataFrame, Facts]:
    """Join measures and page table; where both have a column, the table's gets another name.  Roles follow."""
    pages = pl.DataFrame(columns)
    own = {
        c: f"{c} (table)" if c in columns else c
        for c in table.columns
        if c not in ("url", "listed")
    }
    if facts.columns.get("type") == facts.group.name:
        own[facts.group.name] = facts.group.name  # already there, as the group
    added = [pl.col(c).alias(name) for c, name in own.items() if name not in columns]
    renamed = {role: own[column] for role, column in facts.columns.items()}
    return pages.hstack(table.select("listed", *added)), replace(facts, columns=renamed)


def compose(work: Work, chapters: Sequence[Callable[[Work], Finding | None]]) -> Report:
    """Make a report of these chapters."""
    findings = [found for chapter in chapters if (found := chapter(work)) is not None]
    return Report(_summary(work, findings), findings, work.pages)


def _left_out(facts: Facts) -> np.ndarray | None:
    known = [mask for mask in (facts.redirected, facts.canonicalised) if mask is not None]
    return np.logical_or.reduce(known) if known else None


def _summary(work: Work, findings: list[Finding]) -> dict[str, Any]:
    graph = work.graph
    reached = work.depth[work.depth >= 0]
    return {
        "pages": graph.n,
        "links": work.links,
        "home": graph.urls[work.home] if graph.n else None,
        "links_per_page": round(work.links / max(1, graph.n), 2),
        "deepest": int(reached.max()) if len(reached) else 0,
        "average_depth": round(float(reached.mean()), 2) if len(reached) else 0.0,
        "pagerank_gini": round(measures.concentration(work.rank), 3),
        "grouping": work.facts.group.name,
        "duplicates": graph.meta.get("duplicates", 0),
        "self_links": work.self_links,
        "counts": {finding.key: finding.count for finding in findings},
    }


# --- chapters: each returns a finding, or None when the data has nothing to say ---------------------------------------


def _clicks(work: Work) -> Finding:
    reached = work.depth[work.depth >= 0]
    pages = np.bincount(reached) if len(reached) else np.zeros(0, np.int64)
    table = pl.DataFrame(
        {"depth": np.arange(len(pages)), "pages": pages, "share": pages / max(1, work.graph.n)}
    )
    ranks = (
        np.bincount(reached, weights=work.rank[work.depth >= 0]) if len(reached) else np.zeros(0)
    )
    far = int((work.depth > 3).sum())
    return Finding(
        "depth",
        "Pages more than 3 clicks from home",
        far,
        "Click depth: the least number of clicks from home. Deep pages are visited and crawled less.",
        "Link the important ones from a page near home: a category, a list of best sellers, a hub article.",
        table.with_columns(pagerank=ranks),
        {
            "kind": "bars",
            "x": table["depth"].to_list(),
            "y": pages.tolist(),
            "x_label": "clicks from home",
            "y_label": "pages",
        },
    )


def _received(work: Work) -> Finding:
    most = int(work.inlinks.max()) if work.graph.n else 0
    lower = np.array([0, 1, *(2**i + 1 for i in range(int(most).bit_length()) if 2**i + 1 <= most)])
    pages = np.bincount(
        np.searchsorted(lower, work.inlinks, side="right") - 1, minlength=len(lower)
    )
    upper = np.append(lower[1:] - 1, max(most, int(lower[-1])))
    names = [
        str(a) if a == b else f"{a}–{b}"
        for a, b in zip(lower.tolist(), upper.tolist(), strict=True)
    ]
    table = pl.DataFrame(
        {"from": lower, "to": upper, "pages": pages, "share": pages / max(1, work.graph.n)}
    )
    return Finding(
        "inlinks",
        "Pages with at most 2 inlinks",
        int((work.inlinks <= 2).sum()),
        "How many pages link to each page. The doubling steps show the long tail that every site has.",
        "Look at who is in the first bars: pages that should be found need more links from related pages.",
        table,
        {"kind": "bars", "x": names, "y": pages.tolist(), "x_label": "inlinks", "y_label": "pages"},
    )


def _strongest(work: Work) -> Finding:
    order = np.lexsort((np.arange(work.graph.n), -work.rank))
    running = np.cumsum(work.rank[order]) if work.graph.n else np.zeros(1)
    spots = np.unique(np.linspace(0, max(0, work.graph.n - 1), 101).astype(np.int64))
    half = int(np.searchsorted(running, 0.5)) + 1 if work.graph.n else 0
    return Finding(
        "pagerank",
        "Pages that hold half of all PageRank",
        half,
        "Internal PageRank: where a surfer who follows links at random would be. It tells what the links say is important.",
        "Compare with what is important to you: cut links to strong pages nobody needs, add links to weak ones.",
        work.rows(
            order[:TOP], work.group, "pagerank", "link_score", "inlinks", "outlinks", "depth"
        ),
        {
            "kind": "curve",
            "x": ((spots + 1) / max(1, work.graph.n)).round(5).tolist(),
            "y": running[spots].round(6).tolist(),
            "x_label": "share of pages, strongest first",
            "y_label": "share of PageRank",
        },
    )


def _groups(work: Work) -> Finding | None:
    by_pages = work.facts.group.value_counts(name="pages").sort(
        ["pages", work.group], descending=[True, False]
    )
    names = by_pages[work.group].to_list()
    if len(names) < 2:
        return None
    shown = names if len(names) <= GROUPS + 1 else [*names[:GROUPS], OTHER]
    number = {name: min(i, len(shown) - 1) for i, name in enumerate(names)}
    code = work.facts.group.replace_strict(number, return_dtype=pl.UInt32).to_numpy()
    count, flow = work.flow(code, len(shown))
    row, column = np.nonzero(count)
    pages = np.bincount(code, minlength=len(shown))
    table = pl.DataFrame(
        {
            "from": pl.Series(shown).gather(pl.Series(row)),
            "to": pl.Series(shown).gather(pl.Series(column)),
            "links": count[row, column],
            "flow": flow[row, column],
        }
    ).sort(["flow", "from", "to"], descending=[True, False, False])
    what = "section" if work.group == "section" else "page type"
    return Finding(
        "matrix",
        f"Links between {what}s",
        len(names),
        f"How many links lead from each {what} to each, and how much PageRank flows along them.",
        "Find the empty and the too strong fields: does each list link its products, does each article link what it sells?",
        table,
        {
            "kind": "heat",
            "labels": shown,
            "links": count.tolist(),
            "flow": flow.round(8).tolist(),
            "pages": pages.tolist(),
            "pagerank": np.bincount(code, weights=work.rank, minlength=len(shown))
            .round(6)
            .tolist(),
        },
    )


def _wanted(work: Work) -> Finding | None:
    what = "impressions" if work.facts.impressions is not None else "clicks"
    demand = work.facts.impressions if work.facts.impressions is not None else work.facts.clicks
    if demand is None or not (np.nan_to_num(demand) > 0).any():
        return None
    among = work.facts.internal & ~_bad(work.facts)
    chosen = measures.opportunities(demand, work.inlinks, among)
    with_demand = np.flatnonzero(among & (np.nan_to_num(demand) > 0))
    dots = with_demand[
        np.linspace(0, len(with_demand) - 1, min(DOTS, len(with_demand))).astype(np.int64)
    ]
    dots = np.union1d(dots, chosen[:DOTS])
    picked = np.isin(dots, chosen)
    return Finding(
        "opportunities",
        "Wanted pages with few inlinks",
        len(chosen),
        f"Pages in the top quarter by {what}, with no more inlinks than the median page: searchers want them, the site hides them.",
        "Link each from two or three related strong pages. This is where new links pay first.",
        work.rows(chosen, work.group, "inlinks", "depth", "pagerank", "link_score"),
        {
            "kind": "scatter",
            "x": work.inlinks[dots].tolist(),
            "y": demand[dots].tolist(),
            "picked": picked.tolist(),
            "page": dots.tolist(),
            "x_label": "inlinks",
            "y_label": what,
        },
    )


def _orphans(work: Work) -> Finding:
    chosen = work.pages["orphan"].to_numpy()
    extra = [work.facts.columns["sitemap"]] if "sitemap" in work.facts.columns else []
    return Finding(
        "orphans",
        "Orphans",
        int(chosen.sum()),
        "Known from the page table, a sitemap or Search Console, but no other page links to them.",
        "Wanted? Link them from their section. Not wanted? Take them out of the sitemap, redirect or remove them.",
        work.rows(chosen, work.group, "outlinks", *extra),
    )


def _near_orphans(work: Work) -> Finding:
    chosen = work.pages["near_orphan"].to_numpy()
    starts, origins = work.graph.reverse()
    table = work.rows(chosen, work.group, "depth", "pagerank")
    pages = np.flatnonzero(chosen)
    pages = pages[np.lexsort((pages, -work.rank[pages]))]
    # Its own link to itself may stand before or after the one other.
    first = origins[starts[pages]] if len(pages) else pages
    last = origins[starts[pages + 1] - 1] if len(pages) else pages
    only = np.where(first == pages, last, first)
    return Finding(
        "near_orphans",
        "Near-orphans",
        int(chosen.sum()),
        "Just one other page links to them: one edit away from being lost.",
        "Add a second way in: from a related page, a list or a breadcrumb.",
        table.insert_column(
            1, work.graph.urls.gather(pl.Series(only.astype(np.int64))).alias("linked_from")
        ),
    )


def _unreachable(work: Work) -> Finding:
    chosen = (
        (work.depth == measures.UNREACHED) & work.facts.internal & ~work.pages["orphan"].to_numpy()
    )
    return Finding(
        "unreachable",
        "Linked, but out of reach",
        int(chosen.sum()),
        "Other pages link to them, but no chain of clicks leads there from home: islands, or children of orphans.",
        "Link one page of each island from the main site; the rest follows.",
        work.rows(chosen, work.group, "inlinks", "outlinks", "part"),
    )


def _dead_ends(work: Work) -> Finding:
    chosen = work.pages["dead_end"].to_numpy()
    unsure = (
        ""
        if work.graph.listed.any()
        else " (Without a page table this includes pages nobody crawled.)"
    )
    return Finding(
        "dead_ends",
        "Dead ends",
        int(chosen.sum()),
        f"Pages that link to no other page: visitors and PageRank stop there.{unsure}",
        "Give each a way on: menu, breadcrumb, related pages. Files (PDF, images) may stay as they are.",
        work.rows(chosen, work.group, "inlinks", "depth", "pagerank"),
    )


def _reasons(facts: Facts) -> list[tuple[str, np.ndarray]]:
    """What can be wrong with a link's target, gravest first."""
    non_compliant = None if facts.compliant is None else ~facts.compliant
    said = [
        ("broken", facts.broken),
        ("redirected", facts.redirected),
        ("canonicalised", facts.canonicalised),
    ]
    return [
        (name, mask) for name, mask in [*said, ("non-compliant", non_compliant)] if mask is not None
    ]


def _bad(facts: Facts) -> np.ndarray:
    bad = np.zeros(len(facts.group), bool)
    for _, mask in _reasons(facts):
        bad |= mask
    return bad


def _problem(facts: Facts) -> pl.Series:
    """Return each page's gravest problem by name, null for none."""
    problem = pl.lit(None, pl.String)
    for name, mask in reversed(_reasons(facts)):
        problem = pl.when(pl.Series(mask)).then(pl.lit(name)).otherwise(problem)
    return pl.select(problem.alias("problem")).to_series()


def _bad_targets(work: Work) -> Finding | None:
    if not _reasons(work.facts):
        return None
    others = measures.inlinks_from_others(work.graph)
    chosen = _bad(work.facts) & (others > 0)
    pages = np.flatnonzero(chosen)
    pages = pages[np.lexsort((pages, -others[pages]))]
    rows = measures.links_to(work.graph, chosen)
    strongest = np.lexsort((rows, -work.rank[work.graph.source[rows]], work.graph.target[rows]))
    target = work.graph.target[rows][strongest]
    first = np.searchsorted(target, pages)
    example = work.graph.source[rows][strongest][first]
    table = pl.DataFrame(
        {
            "url": work.graph.urls.gather(pl.Series(pages)),
            "problem": _problem(work.facts).gather(pl.Series(pages)),
            "linking_pages": others[pages],
            "example": work.graph.urls.gather(pl.Series(example.astype(np.int64))),
            work.group: work.facts.group.gather(pl.Series(pages)),
            "pagerank": work.rank[pages],
        }
    )
    for column in (
        work.facts.columns[r]
        for r in ("status", "redirect", "canonical")
        if r in work.facts.columns
    ):
        table = table.with_columns(work.pages[column].gather(pl.Series(pages)))
    reasons = table["problem"].value_counts().sort("problem")
    return Finding(
        "bad_targets",
        "Linked pages that should not be linked",
        len(pages),
        "Broken, redirected, canonicalised or otherwise non-compliant pages which other pages link to: rank and visits leak there.",
        "Repair the page, or change the links to where they should lead. Start at the top: most linking pages first.",
        table,
        {
            "kind": "bars",
            "x": reasons["problem"].to_list(),
            "y": reasons["count"].to_list(),
            "x_label": "problem",
            "y_label": "pages",
        },
    )


def _bad_links(work: Work) -> Finding | None:
    if not _reasons(work.facts):
        return None
    rows = measures.links_to(work.graph, _bad(work.facts))
    source, target = work.graph.source[rows], work.graph.target[rows]
    order = np.lexsort((target, source, -work.rank[source]))
    source, target = pl.Series(source[order]), pl.Series(target[order])
    return Finding(
        "bad_links",
        "Links that lead to those pages",
        len(rows),
        "Every single link to a page that should not be linked, from the strongest page down.",
        "Hand this list to whoever edits the pages; template links vanish with one change.",
        pl.DataFrame(
            {
                "source": work.graph.urls.gather(source),
                "target": work.graph.urls.gather(target),
                "problem": _problem(work.facts).gather(target),
            }
        ),
    )


def _template(work: Work) -> Finding:
    chosen = work.pages["template"].to_numpy()
    linking = max(1, int(np.count_nonzero(measures.outlinks(work.graph))))
    table = work.rows(chosen, work.group, "inlinks", "pagerank").with_columns(
        share=pl.col("inlinks") / linking
    )
    return Finding(
        "template",
        "Site-wide links",
        int(chosen.sum()),
        "Pages linked from more than a quarter of all linking pages: menu, footer, breadcrumbs.",
        "Each such link costs every page a share of its rank. Keep those that visitors need; drop imprint-like ones to one hub.",
        table.sort("share", descending=True, maintain_order=True),
    )


def _centres(work: Work) -> Finding:
    hub, authority = work.pages["hub"].to_numpy(), work.pages["authority"].to_numpy()
    half = TOP // 2
    order = np.arange(work.graph.n)
    best = np.union1d(np.lexsort((order, -hub))[:half], np.lexsort((order, -authority))[:half])
    best = best[np.lexsort((best, -np.maximum(hub[best], authority[best])))]
    return Finding(
        "hubs",
        "Hubs and authorities",
        len(best),
        "Hubs link to what is well linked; authorities are linked by good hubs (Kleinberg's HITS). They show the densest block of the site.",
        "A hub nobody meant is a template link list; an authority nobody meant is its target. Check that your guides are among them.",
        work.rows(best, work.group, "hub", "authority", "inlinks", "outlinks"),
    )


def _parts(work: Work) -> Finding:
    part = work.pages["part"].to_numpy()
    size = np.bincount(part) if len(part) else np.zeros(0, np.int64)
    order = np.lexsort((np.arange(len(part)), -work.rank, part))
    first = np.searchsorted(part[order], np.arange(len(size)))
    table = pl.DataFrame(
        {
            "part": np.arange(len(size)),
            "pages": size,
            "example": work.graph.urls.gather(pl.Series(order[first])),
            "reachable": work.depth[order[first]] >= 0,
        }
    ).filter(pl.col("pages") > 1)
    largest = int(size[0]) if len(size) else 0
    return Finding(
        "parts",
        "Strongly connected parts of two pages or more",
        table.height,
        f"Within a part every page can be reached from every other. The largest holds {largest:,} of {work.graph.n:,} pages.",
        "Small parts of their own are islands: link them with the main part in both directions.",
        table,
    )


def _communities(work: Work) -> Finding | None:
    if "community" not in work.pages.columns:
        return None
    frame = (
        work.pages.lazy()
        .select("community", work.group, "url", "pagerank")
        .sort("pagerank", descending=True)
    )
    groups = (
        frame.group_by("community", work.group)
        .agg(count=pl.len())
        .sort(["count", work.group], descending=[True, False])
    )
    main = groups.group_by("community", maintain_order=True).agg(
        pl.first(work.group), most=pl.first("count")
    )
    whole = frame.group_by("community").agg(
        pages=pl.len(), pagerank=pl.sum("pagerank"), example=pl.first("url")
    )
    table = (
        whole.join(main, on="community")
        .filter(pl.col("pages") > 1)
        .sort("community")
        .select(
            "community",
            "pages",
            work.group,
            (pl.col("most") / pl.col("pages")).alias("share"),
            "pagerank",
            "example",
        )
        .collect()
    )
    return Finding(
        "communities",
        "Communities",
        table.height,
        "Groups of pages that link among themselves more than chance would give, site-wide links set aside: the structure that "
        "the links really have.",
        "Compare with the structure you meant: a group torn in several communities lacks cross links; a mixed one has too many.",
        table,
        {
            "kind": "bars",
            "x": table["example"].head(20).to_list(),
            "y": table["pages"].head(20).to_list(),
            "x_label": "community (its strongest page)",
            "y_label": "pages",
        },
    )


#: What needs no link in memory: also for graphs measured on disk.
LIGHT = (_clicks, _received, _strongest, _groups, _wanted, _orphans)
CHAPTERS = (
    *LIGHT,
    _near_orphans,
    _unreachable,
    _dead_ends,
    _bad_targets,
    _bad_links,
    _template,
    _centres,
    _parts,
    _communities,
)


# --- files -----------------------------------------------------------------------------------------------------------


def as_json(report: Report, rows: int = ROWS) -> dict[str, Any]:
    """Return the report as plain JSON values; tables are cut to `rows` rows (`count` still counts all)."""
    return {
        "summary": report.summary,
        "columns": COLUMNS,
        "findings": [
            {
                "key": f.key,
                "title": f.title,
                "count": f.count,
                "meaning": f.meaning,
                "todo": f.todo,
                "columns": f.table.columns,
                "height": f.table.height,
                "rows": [list(row) for row in f.table.head(rows).rows()],
                "plot": f.plot,
            }
            for f in report.findings
        ],
    }


def write(report: Report, folder: Path) -> None:
    """Write the report's files to `folder`, whole or not at all (see FILES above)."""
    with edges.whole(folder) as part:
        for key, table in [("pages", report.pages), *((f.key, f.table) for f in report.findings)]:
            table.write_parquet(part / f"{key}.parquet")
            for_spreadsheets(table).write_csv(part / f"{key}.csv")
        text = json.dumps(as_json(report), ensure_ascii=False, allow_nan=False)
        (part / "report.json").write_text(text, "utf-8")


def for_spreadsheets(table: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before texts that a spreadsheet would take for a formula (OWASP, "CSV Injection")."""
    risky = pl.selectors.string()
    return table.with_columns(
        pl.when(risky.str.contains(r"^[=+\-@\t\r]")).then("'" + risky).otherwise(risky).name.keep()
    )


def of_folder(
    folder: Path,
    *,
    deep: bool | None = None,
    only_good: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Make the report on the graph in `folder`, in memory or, when it is too large for that, by passes over the disk.

    Unless `deep` says otherwise, graphs of up to DEEP links get communities too.
    """
    from pipulate.graph import outofcore  # which makes reports, too

    links = edges.about(folder)["links"]
    if links > outofcore.LARGE:
        return outofcore.analyse(folder, progress)
    deep = links <= DEEP if deep is None else deep
    return analyse(edges.load(folder), deep=deep, only_good=only_good, progress=progress)


def make(
    graph_folder: Path, folder: Path, *, deep: bool | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Analyse the graph in a folder, write the report to `folder`; return its summary.  For a child process."""
    report = of_folder(graph_folder, deep=deep, progress=progress)
    write(report, folder)
    return report.summary
