"""Tools that answer from the user's tables, link graphs and the manual.

A model's SQL can only read: see `graph.select`.
"""

import inspect
from pathlib import Path
from typing import Annotated

from pipulate import docs
from pipulate.chat import sql
from pipulate.chat.desk import Desk
from pipulate.engine.errors import Unknown
from pipulate.graph.shelf import Shelf

LONGEST_SECTION = 1500  # characters of the manual's sections that are told

Select = Annotated[str, "one SQLite SELECT"]
GraphName = Annotated[str, "org/project; empty for the latest"]


def query_data(desk: Desk, statement: Select) -> str:
    """Count and look up tasks, profiles and runs by SQL.  Tables:
    task (id, name, done, priority, profile_id), profile (id, name, address),
    pipeline (workflow, id, data, created, updated), history (workflow, id,
    at, kind, act), job, conversation, message.
    """
    return f"`{statement}`\n\n{sql.query(desk.store.path, statement)}"


def query_links(desk: Desk, statement: Select, graph: GraphName = "") -> str:
    """Find pages of a site by their links, depth, PageRank, clicks or
    impressions, by SQL.  Tables: pages (url, depth in clicks from home,
    inlinks, outlinks, pagerank, orphan, dead_end, ..., and the crawl's
    columns, such as pagetype, impressions, clicks), links (source, target).
    """
    from pipulate.graph import sql as of_graph  # here: it brings polars, which few commands need

    answer = of_graph.query(_graph(desk, graph), statement, sql.ROWS)
    return f"`{statement}`\n\n{sql.table(answer)}"


def describe_data(desk: Desk, tool: str) -> str:
    """Return the tables that a querying tool reads; raises Unknown."""
    if tool != query_links.__name__:
        return inspect.getdoc(query_data) or ""
    from pipulate.graph import sql as of_graph

    return of_graph.schema(_graph(desk, ""))


def _graph(desk: Desk, wanted: str) -> Path:
    places = Shelf(desk.settings.downloads).built()
    for place in places:
        if wanted.casefold() in place.name.casefold():
            return place.graph
    names = ", ".join(place.name for place in places) or "none yet; make one in Link graph"
    raise Unknown(f"There is no such link graph. There are: {names}.")


def search_docs(desk: Desk, query: Annotated[str, "a few words"]) -> str:
    """Search the manual for how Pipulate works and how something is done with it."""
    found = [
        f"{section.page}, {section.title}:\n{section.text[:LONGEST_SECTION]}"
        for section in docs.search(query, folder=desk.docs)
    ]
    return "\n\n".join(found) or "The manual has nothing on that."
