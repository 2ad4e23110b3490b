"""A report's HTML: summary, chapters, and tables that sort, filter and turn.

TABLE  One fragment, `#table-<key>`; its headings, filter and page links ask
       for it anew (HTMX), and work as plain links, too.  It reads the
       chapter's Parquet file, so it sorts and filters every row.  Its state
       stands in the query: sort, desc, q, from.
"""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import polars as pl
from fastcore.xml import (
    FT,
    H2,
    A,
    Dd,
    Details,
    Div,
    Dl,
    Dt,
    Form,
    Input,
    Li,
    Link,
    Nav,
    P,
    Section,
    Small,
    Span,
    Strong,
    Summary,
    Table,
    Tbody,
    Td,
    Th,
    Thead,
    Tr,
    Ul,
)

from pipulate.engine.errors import Unknown
from pipulate.graph.report import COLUMNS
from pipulate.pages.graph_plots import draw
from pipulate.web.components import search_field

ROWS = 20
TITLES = {"url": "URL", "pagetype": "Page type", "http_code": "HTTP code"}
PERCENT = ("share", "flow")  # columns
ORIGIN = re.compile("(https?://[^/]+)/")
ARROWS = {"ascending": " ▴", "descending": " ▾"}
FIGURES = {
    "pages": "Pages",
    "links": "Links",
    "links_per_page": "Links per page",
    "deepest": "Deepest page, in clicks",
    "average_depth": "Clicks on average",
    "pagerank_gini": "PageRank inequality, 0 to 1",
}


@dataclass(frozen=True)
class Where:
    """Addresses of the report's files, and of the picture."""

    files: str
    picture: str

    def page(self, url: str) -> str:
        """The address of a page of the site in the picture."""
        return f"{self.picture}#page={quote(url, safe='')}"


@dataclass(frozen=True)
class View:
    """How a table is sorted and filtered, and from which row on it is shown."""

    sort: str = ""
    desc: bool = False
    q: str = ""
    start: int = 0

    @classmethod
    def read(cls, query: Any) -> "View":
        """Read an address's query; nonsense is as if it were not there."""
        start = query.get("from", "")
        if not start.isdecimal() or len(start) > 11:
            start = "0"
        q = query.get("q", "")[:200].strip()
        return cls(query.get("sort", ""), query.get("desc") == "1", q, int(start))

    def query(self) -> str:
        """As an address's query."""
        state = {
            "sort": self.sort,
            "desc": int(self.desc),
            "q": self.q,
            "from": self.start,
        }
        return urlencode({key: value for key, value in state.items() if value})


@dataclass(frozen=True)
class Part:
    """The rows of a chapter's table that a view shows, of `count` it finds."""

    key: str
    rows: pl.DataFrame
    count: int
    view: View = View()

    def address(self, where: Where, view: View | None = None) -> str:
        """The address of another part of the same table."""
        query = (view or View()).query()
        return f"{where.files}/{self.key}?{query}".removesuffix("?")


def read_table(folder: Path, key: str, view: View) -> Part:
    """Read what the view shows.  Raises Unknown for no table of the report."""
    file = folder / f"{key}.parquet"
    if not key.replace("_", "").isalnum() or not file.is_file():
        raise Unknown(f"The report has no table {key!r}.")
    frame = pl.scan_parquet(file, glob=False)
    schema = frame.collect_schema()
    if view.q:
        texts = pl.col([name for name, kind in schema.items() if kind == pl.String])
        found = texts.str.to_lowercase().str.contains(view.q.lower(), literal=True)
        frame = frame.filter(pl.any_horizontal(pl.lit(False), found))
    count = frame.select(pl.len()).collect().item()
    if view.sort in schema:
        frame = frame.sort(view.sort, descending=view.desc, nulls_last=True, maintain_order=True)
    return Part(key, frame.slice(view.start, ROWS).collect(), count, view)


# --- the page ---


def body(report: dict[str, Any], where: Where) -> tuple[Any, ...]:
    """The page's parts."""
    shown = [finding for finding in report["findings"] if finding["height"] or finding["plot"]]
    clear = [finding["title"] for finding in report["findings"] if finding not in shown]
    nothing: Any = ""
    if clear:
        nothing = P(f"Nothing was found for: {', '.join(clear)}.", cls="hint")
    return (
        Link(rel="stylesheet", href="/static/graph/report.css"),
        summary(report["summary"], where),
        _contents(shown),
        *[_chapter(finding, where) for finding in shown],
        nothing,
        P("All measures of all pages: ", *_files(f"{where.files}/pages")),
    )


def _contents(findings: list[dict[str, Any]]) -> FT:
    links = [Li(A(*_titled(finding), href=f"#{finding['key']}")) for finding in findings]
    return Nav(Ul(*links), aria_label="Chapters", cls="chapters")


def summary(found: dict[str, Any], where: Where) -> FT:
    """The figures at the head; [earlier, later] is shown as a change."""
    figures = [
        Div(Dt(name), Dd(_figure(found[key]))) for key, name in FIGURES.items() if key in found
    ]
    parts = [Dl(*figures, cls="figures")]
    if home := found.get("home"):
        parts.append(
            P(
                "Clicks are counted from ",
                A(home, href=where.page(home)),
                ".",
                cls="hint",
            )
        )
    if found.get("same_depth") is False:
        warning = "The two exports end at different depths: "
        warning += "pages beyond the shallower one only seem new or gone."
        parts.append(P(warning, cls="hint"))
    return Section(*parts)


def _figure(value: Any) -> str:
    if isinstance(value, list):
        return " → ".join(map(_figure, value))
    return "–" if value is None else f"{value:,}"


def _chapter(finding: dict[str, Any], where: Where) -> FT:
    plot = finding["plot"]
    parts = [H2(*_titled(finding)), P(finding["meaning"])]
    if finding["todo"] and finding["count"]:
        parts.append(P(Strong("What to do: "), finding["todo"], cls="todo"))
    if plot:
        parts.append(draw(plot, f"{finding['title']}: {finding['meaning']}"))
    rows = pl.DataFrame(
        finding["rows"][:ROWS],
        schema=finding["columns"],
        orient="row",
        strict=False,
    )
    height = finding["height"]
    name = f"Table of {height:,} rows" if height != 1 else "Table of 1 row"
    first = table(Part(finding["key"], rows, height), where)
    parts.append(Details(Summary(name), first, open=plot is None))
    return Section(*parts, id=finding["key"], cls="finding")


def _titled(finding: dict[str, Any]) -> tuple[str, FT]:
    return finding["title"], Span(f"{finding['count']:,}", cls="count")


def _files(address: str) -> tuple[FT, str, FT]:
    csv = A("CSV", href=f"{address}.csv", download=True)
    return csv, " · ", A("Parquet", href=f"{address}.parquet", download=True)


# --- a table ---


def table(part: Part, where: Where) -> FT:
    """The fragment (see TABLE)."""
    names = part.rows.columns
    head = Tr(*[_heading(part, name, where) for name in names])
    origin = _origin(part.rows)
    rows = [
        Tr(*[_cell(name, value, where, origin) for name, value in zip(names, row, strict=True)])
        for row in part.rows.rows()
    ]
    grid = Table(Thead(head), Tbody(*rows))
    name = f"Table {part.key}"
    scrolling = Div(grid, cls="scroll", tabindex="0", role="region", aria_label=name)
    turning = Div(scrolling, _turning(part, where), id=f"table-{part.key}-rows")
    return Div(_filter(part, where), turning, id=f"table-{part.key}", cls="rows")


def _filter(part: Part, where: Where) -> FT:
    # It renews the rows alone, so that it keeps the focus.
    address = part.address(where)
    rows = f"#table-{part.key}-rows"
    field = search_field(address, rows, f"Filter the table {part.key}", part.view.q)
    return Form(
        field(placeholder="Filter", hx_select=rows, hx_include="closest form"),
        Input(type="hidden", name="sort", value=part.view.sort),
        Input(type="hidden", name="desc", value="1" if part.view.desc else ""),
        Span(*_files(address)),
        method="get",
        action=address,
        cls="filter",
    )


def _heading(part: Part, name: str, where: Where) -> FT:
    text: tuple[Any, ...] = (title(name),)
    order = "none"
    down = part.rows[name].dtype.is_numeric()
    if part.view.sort == name:
        down = not part.view.desc
        order = "ascending" if down else "descending"
        text += (Span(ARROWS[order], aria_hidden="true"),)
    view = replace(part.view, sort=name, desc=down, start=0)
    link = _link(part, where, view, *text, title=COLUMNS.get(name))
    return Th(link, scope="col", aria_sort=order)


def _turning(part: Part, where: Where) -> FT:
    view = part.view
    last = min(part.count, view.start + part.rows.height)
    told = "No rows"
    if part.rows.height:
        told = f"{view.start + 1:,} to {last:,} of {part.count:,}"
    parts = [Small(told, role="status")]
    if view.start:
        before = replace(view, start=max(0, view.start - ROWS))
        parts.insert(0, _link(part, where, before, "Back"))
    if last < part.count:
        parts.append(_link(part, where, replace(view, start=view.start + ROWS), "Next"))
    return Nav(*parts, aria_label=f"Pages of the table {part.key}")


def _link(part: Part, where: Where, view: View, *text: Any, **attributes: Any) -> FT:
    address = part.address(where, view)
    return A(
        *text,
        href=address,
        hx_get=address,
        hx_target=f"#table-{part.key}",
        hx_swap="outerHTML",
        **attributes,
    )


def _origin(rows: pl.DataFrame) -> str:
    """What the URLs of a table begin with, where all have one host."""
    found = (ORIGIN.match(str(value)) for row in rows.rows() for value in row)
    origins = {match[1] for match in found if match}
    return origins.pop() if len(origins) == 1 else ""


def figure(value: float) -> str:
    """A figure with three digits, so that those of a column can be compared."""
    size = abs(value)
    if 1e-6 <= size < 100:
        return f"{value:.{2 - math.floor(math.log10(size))}f}"
    if 0 < size < 1e-6:
        return f"{value:.2e}"
    return f"{value:,.0f}"


def _cell(name: str, value: Any, where: Where, origin: str) -> FT:
    match value:
        case None:
            return Td("–")
        case bool():
            return Td("yes" if value else "no")
        case int():
            return Td(f"{value:,}", cls="figure")
        case float() if name in PERCENT:
            return Td(f"{value:.2%}", cls="figure")
        case float():
            return Td(figure(value), cls="figure")
    text = str(value)
    if "://" in text[:12]:
        path = text.removeprefix(origin)
        link = A(path, href=where.page(text), title=f"{text} (show in the picture)")
        return Td(link, cls="url")
    return Td(text)


def title(name: str) -> str:
    """linking_pages -> Linking pages."""
    return TITLES.get(name) or name.replace("_", " ").capitalize().replace("Pagerank", "PageRank")
