"""What the browser fetches to draw a link graph; `data.js` is its reader.

FORMAT    One folder, `picture/`, inside the graph's (which replaces it):
          meta.json     format, counts, home, columns, discs (see `files`)
          links.u32     out-degree of each page, then all targets, page by
                        page; little-endian u32 (CSR: 4 bytes a link, drawn
                        and searched as it is)
          urls.txt      one URL a line, UTF-8, in page order: kept in a
                        worker, never decoded on the main thread
          sections.f32  x, y of each page, 0..SIDE
          force.f32     the same for the Force layout; `save_force` adds it
          <number>.f32  a number column, NaN where unknown; .f64 where f32
                        would round a whole number
          <number>.u8   a category column: place in `categories`; 255 where
                        unknown
          <number>.txt  a text column, one line a page
COLUMNS   Measures first, then the page table's own.  Few different texts,
          booleans and status codes are categories.
TEMPLATE  The category column `site-wide` marks template targets (see
          `layout`): links to them are drawn on demand.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipulate.engine.files import whole_folder, write
from pipulate.graph import layout, roles
from pipulate.graph.edges import Graph
from pipulate.graph.shelf import PICTURE_FORMAT
from pipulate.graph.site_sections import Sections, sections

UNKNOWN = 255
MOST_CATEGORIES = 200
EXACT = 2**24  # from here on f32 rounds whole numbers
SITE_WIDE = "site-wide"
_CODES = ("http_code", "status", "status_code", "depth_code")


def files(
    graph: Graph,
    measures: Mapping[str, NDArray | pl.Series],
    title: str = "",
    home: int | None = None,
    colour: str = "",
) -> dict[str, bytes]:
    """The picture's files by name.

    `measures` are `graph.n` values each; one named like a column of the page
    table replaces it.  `colour` names the column that colours at first, page
    type by default, or else the section.
    """
    kind = roles.roles(graph.pages.columns).get("type")
    site = sections(graph.urls, graph.pages[kind] if kind else None)
    placed = layout.sections(graph.n, graph.source, graph.target, site.codes)
    content: dict[str, bytes] = {}
    columns: list[dict[str, Any]] = []
    for series in _columns(graph, measures, site):
        about, ending, data = _encoded(series)
        file = f"{len(columns)}.{ending}"
        columns.append({"name": series.name, **about, "file": file})
        content[file] = data
    categories = [column["name"] for column in columns if column["kind"] == "category"]
    meta = {
        "format": PICTURE_FORMAT,
        "title": title,
        "pages": graph.n,
        "links": graph.m,
        "side": layout.SIDE,
        "home": home,
        "colour": colour or (kind if kind in categories else "section"),
        "columns": columns,
        "discs": _discs(site, placed.discs),
    }
    degrees = np.bincount(graph.source, minlength=graph.n).astype("<u4")
    return content | {
        "links.u32": degrees.tobytes() + graph.target.astype("<u4").tobytes(),
        "urls.txt": _lines(graph.urls),
        "sections.f32": placed.positions.astype("<f4").tobytes(),
        "meta.json": json.dumps(meta, ensure_ascii=False).encode(),
    }


def _columns(
    graph: Graph, measures: Mapping[str, NDArray | pl.Series], site: Sections
) -> Iterator[pl.Series]:
    for name, values in measures.items():
        yield pl.Series(name, values, nan_to_null=True)
    yield pl.Series("section", site.names).gather(pl.Series(site.codes))
    template = layout.template_targets(graph.n, graph.source, graph.target)
    if template.any():
        yield pl.Series(SITE_WIDE, template)
    for column in graph.pages.drop("url", "listed", *measures, strict=False):
        if column.null_count() < graph.n:
            yield column


def _discs(site: Sections, discs: NDArray[np.float32]) -> list[dict[str, Any]]:
    pages = np.bincount(site.codes, minlength=len(site.names)).tolist()
    places = discs.astype(float).round(2).tolist()
    return [
        {"label": label, "pages": count, "x": x, "y": y, "r": r}
        for label, count, (x, y, r) in zip(site.names, pages, places, strict=True)
    ]


def _encoded(series: pl.Series) -> tuple[dict[str, Any], str, bytes]:
    """What a column is, its file's ending, its bytes."""
    if categories := _categories(series):
        names, codes = categories
        return {"kind": "category", "categories": names}, "u8", codes.tobytes()
    if not series.dtype.is_numeric():
        return {"kind": "text"}, "txt", _lines(series)
    values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = values[np.isfinite(values)]
    whole = bool((known == np.rint(known)).all())
    about: dict[str, Any] = {"kind": "number", "whole": whole}
    if known.size:
        about |= {"min": float(known.min()), "max": float(known.max())}
    if whole and np.abs(known).max(initial=0) >= EXACT:
        return about, "f64", values.astype("<f8").tobytes()
    return about, "f32", values.astype("<f4").tobytes()


def _categories(series: pl.Series) -> tuple[list[str], NDArray[np.uint8]] | None:
    """(categories, most frequent first; codes), or None for other columns."""
    if series.dtype == pl.Boolean:
        series = series.replace_strict({True: "yes", False: "no"}, return_dtype=pl.String)
    elif series.name.lower() not in _CODES and series.dtype not in (
        pl.String,
        pl.Categorical,
    ):
        return None
    series = series.cast(pl.String)
    counts = series.drop_nulls().value_counts()
    counts = counts.sort(["count", series.name], descending=[True, False])
    if counts.height > MOST_CATEGORIES or counts.height > max(2, len(series) // 2):
        return None
    names = counts[series.name].to_list()
    code = {name: place for place, name in enumerate(names)}
    codes = series.replace_strict(code, default=UNKNOWN, return_dtype=pl.UInt8)
    return names, codes.fill_null(UNKNOWN).to_numpy()


def _lines(series: pl.Series) -> bytes:
    flat = series.cast(pl.String).fill_null("").str.replace_all(r"[\r\n\u2028\u2029]+", " ")
    return "\n".join(flat.to_list()).encode()


def save(content: Mapping[str, bytes], folder: Path) -> None:
    """Write the files to `folder`, whole or not at all."""
    with whole_folder(folder) as part:
        for name, data in content.items():
            (part / name).write_bytes(data)


def save_force(placed: layout.Layout, file: Path) -> None:
    """Add the Force layout to a picture that is there."""
    write(file, placed.positions.astype("<f4").tobytes())
