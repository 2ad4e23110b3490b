"""What the browser fetches to draw a link graph.  Pure but for `save`; the viewer's `data.js` is the only reader.

FORMAT      One folder, `picture/`, inside the graph's folder (so that rebuilding the graph removes it):
            meta.json        format, counts, home, columns, layouts (see `Meta` below)
            links.u32        out-degree of each page, then all targets, page by page; little-endian u32 (CSR: 4 bytes a
                             link, drawn and searched as it is)
            urls.txt         one URL a line, UTF-8, in page order: kept in a worker, never decoded on the main thread
            sections.f32     x, y of each page, 0..SIDE
            force.f32        the same for the Force layout; added later by `save_force`
            <number>.f32     a number column, NaN where unknown        (.f64 where f32 would round a whole number)
            <number>.u8      a category column: place in `categories`; 255 where unknown
            <number>.txt     a text column, one line a page
COLUMNS     measures first, then the page table's own.  Few different texts, booleans and status codes are categories;
            other numbers are numbers; the rest is text.
TEMPLATE    The category column `site-wide` marks template targets (see `layout`): links to them are drawn on demand.
WRITING     A hidden sibling folder, renamed into place.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipulate.engine.files import whole_folder, write
from pipulate.graph import layout, roles
from pipulate.graph.edges import Graph
from pipulate.graph.shelf import PICTURE_FORMAT
from pipulate.graph.site_sections import sections

UNKNOWN = 255
MOST_CATEGORIES = 200
SITE_WIDE = "site-wide"
_CODES = ("http_code", "status", "status_code", "depth_code")


@dataclass
class _Files:
    """The files so far, by name, and the column list that describes them."""

    content: dict[str, bytes] = field(default_factory=dict)
    columns: list[dict[str, Any]] = field(default_factory=list)


def files(
    graph: Graph,
    measures: Mapping[str, NDArray | pl.Series],
    title: str = "",
    home: int | None = None,
    colour: str = "",
) -> dict[str, bytes]:
    """Return the picture's files by name.  `measures` are `graph.n` values each: inlinks, depth, PageRank, ...

    Measures named like a column of the page table stand before it and replace it.  `colour` names the column that
    colours the picture at first (page type by default, or else the section).
    """
    kind = roles.roles(graph.pages.columns).get("type")
    site = sections(graph.urls, graph.pages[kind] if kind else None)
    placed = layout.sections(graph.n, graph.source, graph.target, site.codes)
    template = layout.template_targets(graph.n, graph.source, graph.target)

    made = _Files()
    for name, values in measures.items():
        series = values if isinstance(values, pl.Series) else pl.Series(values, nan_to_null=True)
        _add_column(made, series.alias(name))
    _add_column(made, site.by_page())
    if template.any():
        _add_column(made, pl.Series(SITE_WIDE, template))
    for name in graph.pages.columns:
        if name not in ("url", "listed", *measures) and graph.pages[name].null_count() < graph.n:
            _add_column(made, graph.pages[name])

    degrees = np.bincount(graph.source, minlength=graph.n).astype("<u4")
    made.content["links.u32"] = degrees.tobytes() + graph.target.astype("<u4").tobytes()
    made.content["urls.txt"] = _lines(graph.urls)
    made.content["sections.f32"] = placed.positions.astype("<f4").tobytes()
    discs = [
        {
            "label": name,
            "pages": int(pages),
            "x": round(float(x), 2),
            "y": round(float(y), 2),
            "r": round(float(r), 2),
        }
        for name, pages, (x, y, r) in zip(
            site.names, np.bincount(site.codes), placed.discs, strict=True
        )
    ]
    categories = [column["name"] for column in made.columns if column["kind"] == "category"]
    meta = {
        "format": PICTURE_FORMAT,
        "title": title,
        "pages": graph.n,
        "links": graph.m,
        "side": layout.SIDE,
        "home": home,
        "colour": colour or (kind if kind in categories else "section"),
        "columns": made.columns,
        "discs": discs,
    }
    made.content["meta.json"] = json.dumps(meta, ensure_ascii=False).encode()
    return made.content


def _add_column(made: _Files, series: pl.Series) -> None:
    """Encode one column as bytes and describe it."""
    about: dict[str, Any] = {"name": series.name}
    number = len(made.columns)
    categories = _categories(series)
    if categories is not None:
        codes = categories[1]
        about |= {"kind": "category", "categories": categories[0], "file": f"{number}.u8"}
        made.content[about["file"]] = codes.tobytes()
    elif series.dtype.is_numeric():
        values = series.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        known = values[np.isfinite(values)]
        whole = bool((known == np.rint(known)).all())
        wide = whole and known.size > 0 and np.abs(known).max() >= 2**24
        about |= {"kind": "number", "whole": whole, "file": f"{number}.{'f64' if wide else 'f32'}"}
        if known.size:
            about |= {"min": float(known.min()), "max": float(known.max())}
        made.content[about["file"]] = values.astype("<f8" if wide else "<f4").tobytes()
    else:
        about |= {"kind": "text", "file": f"{number}.txt"}
        made.content[about["file"]] = _lines(series)
    made.columns.append(about)


def _categories(series: pl.Series) -> tuple[list[str], NDArray[np.uint8]] | None:
    """Return (categories, most frequent first; u8 codes), or None when the column is not one of categories."""
    if series.dtype == pl.Boolean:
        series = series.replace_strict({True: "yes", False: "no"}, return_dtype=pl.String)
    elif series.name.lower() in _CODES:
        series = series.cast(pl.String)
    elif series.dtype not in (pl.String, pl.Categorical):
        return None
    counts = series.cast(pl.String).drop_nulls().value_counts()
    counts = counts.sort(["count", series.name], descending=[True, False])
    if counts.height > MOST_CATEGORIES or counts.height > max(2, len(series) // 2):
        return None
    names = counts[series.name].to_list()
    code = {name: place for place, name in enumerate(names)}
    codes = (
        series.cast(pl.String)
        .replace_strict(code, default=UNKNOWN, return_dtype=pl.UInt8)
        .fill_null(UNKNOWN)
    )
    return names, codes.to_numpy()


def _lines(series: pl.Series) -> bytes:
    """One line a value: line breaks inside become spaces, unknown becomes an empty line."""
    flat = series.cast(pl.String).fill_null("").str.replace_all(r"[\r\n\u2028\u2029]+", " ")
    return "\n".join(flat.to_list()).encode()


def save(content: Mapping[str, bytes], folder: Path) -> None:
    """Write the files to `folder`, whole or not at all, replacing what was there."""
    with whole_folder(folder) as part:
        for name, data in content.items():
            (part / name).write_bytes(data)


def save_force(placed: layout.Layout, file: Path) -> None:
    """Add the Force layout to a picture that is there."""
    write(file, placed.positions.astype("<f4").tobytes())
