"""A report's HTML: summary, chapters, and tables that sort, filter and turn their pages on the server.

TABLE    One fragment, `#table-<key>`; its heading links, filter field and page links ask for it anew (HTMX), and work as
         plain links, too.  It reads the chapter's Parquet file, so sorting and filtering see every row, not only the
         first thousand.  The state stands in the query: sort, desc, q, from.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import polars as pl
from fasthtml.common import (
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

ROWS = 20
TITLES = {"url": "URL", "pagerank": "PageRank", "pagetype": "Page type", "http_code": "HTTP code"}
FIGURES = (
    ("pages", "Pages"),
    ("links", "Links"),
    ("links_per_page", "Links per page"),
    ("deepest", "Deepest page, in clicks"),
    ("average_depth", "Clicks on average"),
    ("pagerank_gini", "PageRank inequality, 0 to 1"),
)


@dataclass(frozen=True)
class View:
    """What part of a chapter's table is shown."""

    sort: str = ""
    desc: bool = False
    q: str = ""
    start: int = 0

    @classmethod
    def read(cls, query: Any) -> "View":
        """From an address's query; nonsense is as if it were not there."""
        start = query.get("from", "0")
        return cls(
            query.get("sort", ""),
            query.get("desc") == "1",
            query.get("q", "")[:200].strip(),
            int(start) if start.isdecimal() and len(start) < 12 else 0,
        )

    def query(self, **changes: Any) -> str:
        """As an address's query, changed."""
        state = {
            "sort": self.sort,
            "desc": "1" if self.desc else "",
            "q": self.q,
            "from": self.start,
            **changes,
        }
        return urlencode({key: value for key, value in state.items() if value})


def load(folder: Path) -> dict[str, Any]:
    """Read report.json."""
    report: dict[str, Any] = json.loads((folder / "report.json").read_text("utf-8"))
    return report


def body(report: dict[str, Any], base: str, picture: str) -> tuple[FT, ...]:
    """Return the page's parts.  `base` is the address of the report's files, `picture` that of the picture."""
    shown = [finding for finding in report["findings"] if finding["height"] or finding["plot"]]
    clear = [finding["title"] for finding in report["findings"] if finding not in shown]
    return (
        Link(rel="stylesheet", href="/static/graph/report.css"),
        summary(report["summary"], picture),
        Nav(
            Ul(
                *[
                    Li(A(f["title"], Span(f"{f['count']:,}", cls="count"), href=f"#{f['key']}"))
                    for f in shown
                ]
            ),
            aria_label="Chapters",
            cls="chapters",
        ),
        *[chapter(finding, base, picture) for finding in shown],
        P(f"Nothing was found for: {', '.join(clear)}.", cls="hint") if clear else "",
        P(
            "All measures of all pages: ",
            A("CSV", href=f"{base}/pages.csv", download=True),
            " · ",
            A("Parquet", href=f"{base}/pages.parquet", download=True),
        ),
    )


def summary(found: dict[str, Any], picture: str) -> FT:
    """Return the figures at the head; two values (earlier, later) are shown as a change."""
    figures = [(title, found[key]) for key, title in FIGURES if key in found]
    home = found.get("home")
    return Section(
        Dl(*[Div(Dt(title), Dd(_figure(value))) for title, value in figures], cls="figures"),
        P("Clicks are counted from ", A(home, href=_in_picture(picture, home)), ".", cls="hint")
        if home
        else None,
        P(
            "The two exports end at different depths: pages beyond the shallower one only seem new or gone.",
            cls="hint",
        )
        if found.get("same_depth") is False
        else None,
    )


def _figure(value: Any) -> str:
    if isinstance(value, list):
        return " → ".join(_figure(part) for part in value)
    return "–" if value is None else f"{value:,}"


def chapter(finding: dict[str, Any], base: str, picture: str) -> FT:
    """Return one finding: what it means, what to do, plot, table."""
    key = finding["key"]
    rows = pl.DataFrame(
        finding["rows"][:ROWS], schema=finding["columns"], orient="row", strict=False
    )
    return Section(
        H2(finding["title"], Span(f"{finding['count']:,}", cls="count")),
        P(finding["meaning"]),
        P(Strong("What to do: "), finding["todo"], cls="todo") if finding["todo"] else None,
        draw(finding["plot"], f"{finding['title']}: {finding['meaning']}")
        if finding["plot"]
        else None,
        Details(
            Summary(f"Table of {finding['height']:,} row{'s' if finding['height'] != 1 else ''}"),
            table(key, rows, finding["height"], View(), base, picture),
            open=finding["plot"] is None,
        ),
        id=key,
        cls="finding",
    )


def read_table(folder: Path, key: str, view: View) -> tuple[pl.DataFrame, int]:
    """Return the rows that the view shows, and how many rows there are with this filter."""
    file = folder / f"{key}.parquet"
    if not key.replace("_", "").isalnum() or not file.is_file():
        raise Unknown(f"The report has no table {key!r}.")
    frame = pl.scan_parquet(file, glob=False)
    schema = frame.collect_schema()
    if view.q:
        texts = [name for name, kind in schema.items() if kind == pl.String]
        wanted = [
            pl.col(name).str.to_lowercase().str.contains(view.q.lower(), literal=True)
            for name in texts
        ]
        frame = frame.filter(pl.any_horizontal(wanted) if wanted else pl.lit(False))
    count = frame.select(pl.len()).collect().item()
    if view.sort in schema:
        frame = frame.sort(view.sort, descending=view.desc, nulls_last=True, maintain_order=True)
    return frame.slice(view.start, ROWS).collect(), count


def table(key: str, rows: pl.DataFrame, count: int, view: View, base: str, picture: str) -> FT:
    """Return the fragment (see TABLE)."""
    place = f"{base}/{key}"

    def link(text: Any, query: str, **more: Any) -> FT:
        address = f"{place}?{query}" if query else place
        return A(
            text,
            href=address,
            hx_get=address,
            hx_target=f"#table-{key}",
            hx_swap="outerHTML",
            **more,
        )

    def heading(name: str) -> FT:
        current = view.sort == name
        first_down = rows[name].dtype.is_numeric()
        down = not view.desc if current else first_down
        arrow = Span(" ▾" if view.desc else " ▴", aria_hidden="true") if current else None
        query = view.query(sort=name, desc="1" if down else "", **{"from": 0})
        return Th(
            link((title(name), arrow) if arrow else title(name), query, title=COLUMNS.get(name)),
            scope="col",
            aria_sort=("descending" if view.desc else "ascending") if current else "none",
        )

    last = min(count, view.start + rows.height)
    return Div(
        Form(
            Input(
                type="search",
                name="q",
                value=view.q,
                placeholder="Filter",
                aria_label=f"Filter the table {key}",
                hx_get=place,
                hx_trigger="input changed delay:200ms, search",
                hx_target=f"#table-{key}-rows",
                hx_select=f"#table-{key}-rows",
                hx_swap="outerHTML",
                hx_include="closest form",
            ),
            Input(type="hidden", name="sort", value=view.sort),
            Input(type="hidden", name="desc", value="1" if view.desc else ""),
            Span(
                A("CSV", href=f"{place}.csv", download=True),
                " · ",
                A("Parquet", href=f"{place}.parquet", download=True),
            ),
            method="get",
            action=place,
            cls="filter",
        ),
        Div(
            Div(
                Table(
                    Thead(Tr(*[heading(name) for name in rows.columns])),
                    Tbody(
                        *[
                            Tr(
                                *[
                                    _cell(name, value, picture)
                                    for name, value in zip(rows.columns, row, strict=True)
                                ]
                            )
                            for row in rows.rows()
                        ]
                    ),
                ),
                cls="scroll",
                tabindex="0",
                role="region",
                aria_label=f"Table {key}",
            ),
            Nav(
                link("Back", view.query(**{"from": max(0, view.start - ROWS)}))
                if view.start
                else None,
                Small(
                    f"{view.start + 1:,} to {last:,} of {count:,}" if rows.height else "No rows",
                    role="status",
                ),
                link("Next", view.query(**{"from": view.start + ROWS})) if last < count else None,
                aria_label=f"Pages of the table {key}",
            ),
            id=f"table-{key}-rows",
        ),
        id=f"table-{key}",
        cls="rows",
    )


def _cell(name: str, value: Any, picture: str) -> FT:
    if value is None:
        return Td("–")
    if isinstance(value, bool):
        return Td("yes" if value else "no")
    if isinstance(value, int):
        return Td(f"{value:,}", cls="figure")
    if isinstance(value, float):
        return Td(f"{value:.2%}" if name in ("share", "flow") else f"{value:,.6g}", cls="figure")
    text = str(value)
    if "://" in text[:12]:
        return Td(
            A(text, href=_in_picture(picture, text), title=f"{text} (show in the picture)"),
            cls="url",
        )
    return Td(text)


def _in_picture(picture: str, url: str) -> str:
    return f"{picture}#page={quote(url, safe='')}"


def title(name: str) -> str:
    """linking_pages -> Linking pages."""
    return TITLES.get(name) or name.replace("_", " ").capitalize().replace("pagerank", "PageRank")
