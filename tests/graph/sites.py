"""A made-up site of any size, always the same: sections, page types, hubs, a menu."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipulate.engine.settings import PACKAGE
from pipulate.graph import edges, measures, picture

TYPES = np.array(["home", "category", "listing", "product", "article", "tag", "author", "static"])
SHARE = np.array([0, 0.02, 0.15, 0.5, 0.18, 0.08, 0.04, 0.03])
PULL = np.array([50, 25, 4, 1, 1.2, 2, 1, 4])  # how readily pages of a type are linked to
SIZES = {
    "1k": (220, 1_000),
    "10k": (1_800, 10_000),
    "100k": (14_000, 100_000),
    "1M": (110_000, 1_000_000),
}
WORDS = np.array(
    [
        "garden",
        "kitchen",
        "office",
        "outdoor",
        "lighting",
        "storage",
        "bath",
        "kids",
        "bedroom",
        "tools",
    ]
)
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; worker-src 'self'"
)
PAGE = """<!doctype html>
<html lang="en" data-theme="{theme}"><title>{name}</title>
<meta name=viewport content="width=device-width">
<body style="margin:0">
<script type="module" src="/static/graph/link-graph.js"></script>
<link-graph src="/{name}/data/" {small} style="{style}"></link-graph>"""


def site(size: str = "1k", seed: int = 1) -> edges.Graph:
    """Return a site of about this many links, four in five of them within a section."""
    n, m = SIZES[size]
    random = np.random.default_rng(seed)
    count = max(4, int(n**0.42))
    weight = 1 / np.arange(1, count + 1) ** 0.8
    section = random.choice(count, n, p=weight / weight.sum())
    own = random.choice(len(TYPES), count, p=SHARE)  # what most pages of a section are
    kind = np.where(random.random(n) < 0.7, own[section], random.choice(len(TYPES), n, p=SHARE))
    kind[0] = 0
    source, target = _links(random, n, m, section, (random.pareto(1.3, n) + 0.05) * PULL[kind])
    menu = np.flatnonzero(kind == 1)
    # Every page links home, and home to the whole menu.
    source = np.concatenate([source, np.arange(n), np.zeros(len(menu), np.int64)])
    target = np.concatenate([target, np.zeros(n, np.int64), menu])
    name = pl.Series(WORDS[section % len(WORDS)] + "-" + (section // len(WORDS)).astype(str))
    address = pl.format("https://www.example.com/{}/{}-{}.html", "section", "type", "row")
    home = pl.lit("https://www.example.com/")
    frame = pl.DataFrame({"section": name, "type": TYPES[kind], "row": np.arange(n)}).select(
        url=pl.when(pl.col("row") == 0).then(home).otherwise(address),
        pagetype=pl.col("type"),
        title=pl.format("The {} no. {} of {}", "type", "row", "section"),
        impressions=pl.Series((random.pareto(1.1, n) * 40).astype(np.int64)),
        http_code=pl.Series(random.choice([200, 301, 404], n, p=[0.95, 0.03, 0.02])),
        compliant=pl.Series(random.random(n) < 0.9),
    )
    return edges.of(source.astype(np.uint32), target.astype(np.uint32), frame)


def _links(
    random: np.random.Generator, n: int, m: int, section: np.ndarray, pull: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw links to popular pages, mostly of the own section."""
    wanted = int(m * 1.35)
    source = random.integers(0, n, wanted)
    order = np.argsort(section, kind="stable")
    reach = np.concatenate([[0], np.cumsum(pull[order])])
    first = np.searchsorted(section[order], np.arange(section.max() + 2))
    low = reach[first[section[source]]]
    high = reach[first[section[source] + 1]]
    away = random.random(wanted) > 0.8
    low[away] = 0
    high[away] = reach[-1]
    spot = np.searchsorted(reach, low + random.random(wanted) * (high - low), "right") - 1
    target = order[np.clip(spot, 0, n - 1)]
    pair = np.unique((source * n + target)[source != target])
    pair = random.permutation(pair)[: m - n]
    return pair // n, pair % n


def picture_files(graph: edges.Graph, force: bool = False) -> dict[str, bytes]:
    """Return the files of a graph's picture with the usual measures."""
    start = measures.home(graph)
    depth = measures.depths(graph, start).astype(float)
    depth[depth < 0] = np.nan
    shown = {
        "depth": depth,
        "inlinks": measures.inlinks(graph),
        "outlinks": measures.outlinks(graph),
        "pagerank": measures.pagerank(graph, tolerance=1e-6),
    }
    files = picture.files(graph, shown, title="example.com", home=start)
    if force:
        from pipulate.graph import layout

        files["force.f32"] = layout.force(graph.n, graph.source, graph.target).positions.tobytes()
    return files


def export(graph: edges.Graph, folder: Path, slug: str) -> dict[str, str]:
    """Write a graph as the CSVs that an export leaves; return the order for its picture."""
    folder.mkdir(parents=True, exist_ok=True)
    links = folder / f"shop_{slug}_links.csv"
    pages = folder / f"shop_{slug}_meta.csv"
    source = graph.urls.gather(pl.Series(graph.source))
    target = graph.urls.gather(pl.Series(graph.target))
    pl.DataFrame({"source": source, "target": target}).write_csv(links)
    graph.pages.drop("listed").rename({"url": "id"}).write_csv(pages)
    made = folder / f"shop_{slug}.graph"
    return {"folder": str(made), "links": str(links), "pages": str(pages), "title": f"shop {slug}"}


@dataclass
class Pages:
    """A small app that serves pictures without the shell, under the same security policy."""

    pictures: dict[str, dict[str, bytes]]

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/{name}", self.page),
                Route("/{name}/data/{file}", self.data),
                Mount("/static", StaticFiles(directory=PACKAGE / "static")),
            ]
        )

    async def page(self, request: Request) -> Response:
        name = request.path_params["name"]
        small = ""
        style = "height:100vh;border:0;border-radius:0"
        if "small" in request.query_params:
            small = "small href='/elsewhere'"
            style = "height:340px"
        theme = request.query_params.get("theme", "")
        body = PAGE.format(theme=theme, name=name, small=small, style=style)
        return HTMLResponse(body, headers={"content-security-policy": POLICY})

    async def data(self, request: Request) -> Response:
        content = self.pictures.get(request.path_params["name"], {}).get(
            request.path_params["file"]
        )
        if content is None:
            return Response(status_code=404)
        return Response(content, media_type="application/octet-stream")
