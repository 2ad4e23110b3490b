"""From a link graph to its report: in memory, or by passes over the disk.

MEMORY  10 million links: 5 CPU seconds and 1 GB (without communities).
DISK    The chapters that need no link in memory (`chapters.LIGHT`), from
        `outofcore`'s numbers; equal, word by word and row by row.
"""

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
from pipulate.graph.measures import Array
from pipulate.graph.outofcore import Progress, silent
from pipulate.graph.report import Report
from pipulate.graph.roles import Facts

LARGE = 30_000_000  # links: from here on, memory is what a laptop lacks
DEEP = 3_000_000  # links up to which communities are worth waiting for


def make(
    graph_folder: Path,
    folder: Path,
    *,
    deep: bool | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write the report on a folder's graph to `folder`; return its summary."""
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
    """Make the report on a folder's graph, in memory or on the disk."""
    links = edges.about(folder)["links"]
    if links > LARGE:
        return on_disk(folder, progress)
    if deep is None:
        deep = links <= DEEP
    return in_memory(edges.load(folder), deep=deep, only_good=only_good, progress=progress)


def in_memory(
    graph: Graph,
    *,
    deep: bool = False,
    only_good: bool = False,
    progress: Progress = silent,
) -> Report:
    """Compute all measures and findings; `deep` adds communities.

    `only_good` takes redirected and canonicalised pages out of PageRank.
    """
    progress(0.0, "Reading the page table")
    facts = roles.facts(graph)
    home = measures.home(graph, facts.depth)
    progress(0.1, "Counting clicks from home")
    depth = measures.depths(graph, home)
    progress(0.2, "PageRank")
    rank = measures.pagerank(graph, leave_out=facts.elsewhere if only_good else None)
    columns = _columns(depth, measures.inlinks(graph), measures.outlinks(graph), rank)
    columns["orphan"] = measures.orphans(graph, home) & facts.internal
    columns |= _structure(graph, facts, home, progress)
    if deep:
        progress(0.7, "Communities")
        columns["community"] = measures.communities(graph, columns["template"])
    progress(0.85, "Findings")
    self_links = int((graph.source == graph.target).sum())
    flow = partial(measures.flow, graph, rank=rank)
    site = _site(
        graph,
        facts,
        columns,
        home=home,
        links=graph.m,
        self_links=self_links,
        flow=flow,
    )
    return _told(site, chapters.ALL, progress)


def on_disk(folder: Path, progress: Progress = silent) -> Report:
    """Make the report on a graph of more than LARGE links."""
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
    columns = _columns(depth, inlinks, disk.outlinks, rank)
    columns["orphan"] = (from_others == 0) & (np.arange(disk.n) != home)
    self_links = int((inlinks - from_others).sum())
    flow = partial(outofcore.flow, disk, rank=rank)
    site = _site(
        graph,
        facts,
        columns,
        home=home,
        links=disk.m,
        self_links=self_links,
        flow=flow,
    )
    return _told(site, chapters.LIGHT, progress)


def _columns(depth: Array, inlinks: Array, outlinks: Array, rank: Array) -> dict[str, Any]:
    return {
        "depth": pl.Series(depth).replace(measures.UNREACHED, None),
        "inlinks": inlinks,
        "outlinks": outlinks,
        "pagerank": rank,
        "link_score": measures.link_score(rank),
        "reachable": measures.reachable(depth),
    }


def _structure(graph: Graph, facts: Facts, home: int, progress: Progress) -> dict[str, Any]:
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


def _site(graph: Graph, facts: Facts, measured: dict[str, Any], **counted: Any) -> Measured:
    """Join measures and page table, whose columns give way where names clash.

    The page type keeps its name: it is there already, as the group.
    """
    group = facts.group.name
    columns = {"url": graph.urls, group: facts.group, **measured}
    names = {name: name for name in graph.pages.columns if name not in ("url", "listed")}
    for name in names.keys() & columns.keys():
        names[name] = f"{name} (table)"
    if facts.columns.get("type") == group:
        names[group] = group
    added = [pl.col(old).alias(new) for old, new in names.items() if new not in columns]
    pages = pl.DataFrame(columns).hstack(graph.pages.select("listed", *added))
    facts = replace(facts, columns={role: names[old] for role, old in facts.columns.items()})
    inlinks = measured["inlinks"]
    rank = measured["pagerank"]
    return Measured(
        graph=graph,
        facts=facts,
        pages=pages,
        inlinks=inlinks,
        rank=rank,
        **counted,
    )


def _told(site: Measured, contents: tuple[Chapter, ...], progress: Progress) -> Report:
    told = [chapter(site) for chapter in contents]
    findings = [finding for finding in told if finding is not None]
    made = Report(chapters.summary(site, findings), findings, site.pages)
    progress(1.0, "Done")
    return made
