"""From a link graph to its report: in memory, or by passes over the disk when it is too large.

MEMORY    10 million links: 5 CPU seconds and 1 GB (without communities, which `deep` adds).
DISK      The chapters that need no link in memory (`chapters.LIGHT`), from `outofcore`'s numbers;
          they are equal, word by word and row by row.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipulate.graph import chapters, edges, measures, outofcore, report, roles
from pipulate.graph.chapters import Chapter, Measured
from pipulate.graph.edges import Graph
from pipulate.graph.layout import template_targets
from pipulate.graph.outofcore import Progress
from pipulate.graph.report import Report
from pipulate.graph.roles import Facts

LARGE = 30_000_000  # links: from here on, memory is what a laptop lacks
DEEP = 3_000_000  # links up to which communities are worth waiting for


def silent(share: float, text: str) -> None:
    """Take progress that nobody asked for."""


def make(
    graph_folder: Path, folder: Path, *, deep: bool | None = None, progress: Progress = silent
) -> dict[str, Any]:
    """Analyse the graph in a folder, write the report to `folder`; return its summary."""
    found = of_folder(graph_folder, deep=deep, progress=progress)
    report.write(found, folder)
    return found.summary


def of_folder(
    folder: Path,
    *,
    deep: bool | None = None,
    only_good: bool = False,
    progress: Progress = silent,
) -> Report:
    """Make the report on the graph in `folder`, in memory or on the disk.

    Unless `deep` says otherwise, graphs of up to DEEP links get communities too.
    """
    links = edges.about(folder)["links"]
    if links > LARGE:
        return on_disk(folder, progress)
    if deep is None:
        deep = links <= DEEP
    return in_memory(edges.load(folder), deep=deep, only_good=only_good, progress=progress)


def in_memory(
    graph: Graph, *, deep: bool = False, only_good: bool = False, progress: Progress = silent
) -> Report:
    """Compute all measures and findings.  `progress(share, text)` is told what is going on.

    `deep` adds communities.  `only_good` leaves redirected and canonicalised pages and their links
    out of PageRank; otherwise PageRank is over all pages and links.
    """
    progress(0.0, "Reading the page table")
    facts = roles.facts(graph)
    home = measures.home(graph, facts.depth)
    progress(0.1, "Counting clicks from home")
    depth = measures.depths(graph, home)
    progress(0.2, "PageRank")
    rank = measures.pagerank(graph, leave_out=facts.elsewhere if only_good else None)
    columns = _columns(
        graph,
        facts,
        depth=depth,
        inlinks=measures.inlinks(graph),
        outlinks=measures.outlinks(graph),
        rank=rank,
        orphan=measures.orphans(graph, home) & facts.internal,
    )
    columns |= _structure(graph, facts, home, progress)
    if deep:
        progress(0.7, "Communities")
        columns["community"] = measures.communities(graph, columns["template"])
    progress(0.85, "Findings")
    pages, facts = _with_table(columns, graph.pages, facts)
    site = Measured(
        graph=graph,
        facts=facts,
        home=home,
        pages=pages,
        links=graph.m,
        self_links=int((graph.source == graph.target).sum()),
        flow=partial(measures.flow, graph, rank=rank),
    )
    return _told(site, chapters.ALL, progress)


def on_disk(folder: Path, progress: Progress = silent) -> Report:
    """Make a report of the chapters that need no link in memory: for more than LARGE links."""
    progress(0.0, "Counting links")
    disk = outofcore.open_graph(folder)
    table = pl.read_parquet(folder / "pages.parquet", glob=False)
    nothing = np.zeros(0, np.uint32)
    graph = Graph(table, nothing, nothing, meta=edges.about(folder))  # its pages alone
    facts = roles.facts(graph)
    inlinks, from_others = outofcore.inlinks(disk)
    home = measures.choose_home(graph.urls, inlinks, facts.depth)

    def ranking(share: float, text: str) -> None:
        progress(0.2 + 0.7 * share, text)

    def counting(share: float, text: str) -> None:
        progress(0.1, text)

    depth = outofcore.depths(disk, home, counting)
    rank = outofcore.pagerank(disk, progress=ranking)
    progress(0.95, "Findings")
    columns = _columns(
        graph,
        facts,
        depth=depth,
        inlinks=inlinks,
        outlinks=disk.outlinks,
        rank=rank,
        orphan=(from_others == 0) & (np.arange(disk.n) != home),
    )
    pages, facts = _with_table(columns, table, facts)
    site = Measured(
        graph=graph,
        facts=facts,
        home=home,
        pages=pages,
        links=disk.m,
        self_links=int((inlinks - from_others).sum()),
        flow=partial(outofcore.flow, disk, rank=rank),
    )
    return _told(site, chapters.LIGHT, progress)


def _columns(
    graph: Graph,
    facts: Facts,
    *,
    depth: np.ndarray,
    inlinks: np.ndarray,
    outlinks: np.ndarray,
    rank: np.ndarray,
    orphan: np.ndarray,
) -> dict[str, Any]:
    """Return the columns of the page table that every report has."""
    return {
        "url": graph.urls,
        facts.group.name: facts.group,
        "depth": pl.Series(depth).replace(measures.UNREACHED, None),
        "inlinks": inlinks,
        "outlinks": outlinks,
        "pagerank": rank,
        "link_score": measures.link_score(rank),
        "reachable": measures.reachable(depth),
        "orphan": orphan,
    }


def _structure(graph: Graph, facts: Facts, home: int, progress: Progress) -> dict[str, Any]:
    """Return the columns that need the links in memory."""
    progress(0.5, "Hubs and authorities")
    hub, authority = measures.hits(graph)
    progress(0.65, "Connected parts")
    seen = measures.crawled(graph, facts.depth) & facts.internal
    return {
        "hub": hub,
        "authority": authority,
        "part": measures.strong_parts(graph),
        "near_orphan": measures.near_orphans(graph, home) & facts.internal,
        "dead_end": measures.dead_ends(graph, seen),
        "template": template_targets(graph.n, graph.source, graph.target),
    }


def _with_table(
    columns: dict[str, Any], table: pl.DataFrame, facts: Facts
) -> tuple[pl.DataFrame, Facts]:
    """Join measures and page table; where both have a column, the table's gets another name.

    The page type stays what it is: it is among the measures already, as the group.  Roles follow.
    """
    names = {name: name for name in table.columns if name not in ("url", "listed")}
    for name in names.keys() & columns.keys():
        names[name] = f"{name} (table)"
    if facts.columns.get("type") == facts.group.name:
        names[facts.group.name] = facts.group.name
    added = [pl.col(old).alias(new) for old, new in names.items() if new not in columns]
    pages = pl.DataFrame(columns).hstack(table.select("listed", *added))
    followed = {role: names[column] for role, column in facts.columns.items()}
    return pages, replace(facts, columns=followed)


def _told(site: Measured, contents: tuple[Chapter, ...], progress: Progress) -> Report:
    """Make a report of these chapters."""
    told = [chapter(site) for chapter in contents]
    findings = [finding for finding in told if finding is not None]
    made = Report(chapters.summary(site, findings), findings, site.pages)
    progress(1.0, "Done")
    return made
