"""A small site with every kind of value, queries about it, and a client of a simulator of it."""

import csv
import gzip
import io
from datetime import date
from typing import Any

import httpx2
import numpy as np
import polars as pl

from pipulate.graph.sites import Site, link_site
from pipulate.simulator.bql import compile_query
from pipulate.simulator.datamodel import GLOBAL, crawl_collection
from pipulate.simulator.evaluation import Query
from pipulate.simulator.inprocess import InProcessTransport
from pipulate.simulator.options import Dialect, Options, Pace, User
from pipulate.simulator.projects import Analysis, Project
from pipulate.simulator.searchconsole import search_collection
from pipulate.simulator.server import create_simulator

X = "crawl.20240301"
GRAPH = f"{X}.outlinks_internal.graph.url"
S = "search_console.period_0"
DAYS = [["2024-02-26", "2024-02-26"]]
BOTH: dict[str, Any] = {"collections": (X, "search_console"), "periods": DAYS}

# url, http_code, pagetype, compliant, title; the depth follows from LINKS
PAGES = [
    ("https://x/", 200, "home", True, "Home"),
    ("https://x/a", 200, "product", True, "A, the first"),
    ("https://x/b", 200, "product/variant", False, None),
    ("http://x/é", 301, None, False, "É"),
    ("https://x/orphan", 200, "product", None, 'with "quotes"'),
    ("https://x/blocked", 0, "product", None, None),
    ("", 0, None, None, None),
]
LINKS = [(0, 1), (0, 1), (0, 2), (1, 1), (1, 3), (2, 5), (2, 6), (4, 0)]
SEARCH = [
    ("https://x/", "home", "usa", "mobile", 100.0, 0.5, 2.0),
    ("https://x/", "house", "fra", "mobile", 50.0, 0.1, 8.0),
    ("https://x/a", "home", "usa", "desktop", 10.0, 0.0, 30.0),
    ("https://x/forgotten", "old", "usa", "desktop", 20.0, 0.2, 5.0),
]
# the links of the pages down to depth 1
EDGES = [
    ["https://x/", "https://x/a"],
    ["https://x/", "https://x/b"],
    ["https://x/a", "https://x/a"],
    ["https://x/a", "http://x/é"],
    ["https://x/b", "https://x/blocked"],
    ["https://x/b", ""],
]


def make_site() -> Site:
    """The pages, links and Search Console rows above as a Site."""
    pages = pl.DataFrame(
        PAGES, ["url", "http_code", "pagetype", "compliant", "title"], orient="row"
    )
    sitemap = pl.Series("sitemap", [True, False, None, True, False, None, None])
    froms, tos = np.array(LINKS).T
    site = link_site("x", 0, pages.with_columns(sitemap), froms, tos)
    columns = ["url", "keyword", "country", "device", "impressions", "click_rate", "position"]
    search = pl.DataFrame(SEARCH, columns, orient="row")
    return Site(site.name, site.home, site.pages, site.sources, site.targets, site.repeats, search)


SITE = make_site()
COLLECTIONS = {
    X: crawl_collection(X, "the crawl", SITE),
    "crawl.20240201": crawl_collection("crawl.20240201", "no graph", SITE, links_graph=False),
    "search_console": search_collection(SITE, date(2024, 2, 1), date(2024, 2, 29)),
    "global": GLOBAL,
}


# --- queries --------------------------------------------------------------------------------------


def body(
    dimensions: list, metrics: list = (), collections: list = (X,), periods: Any = None, **more: Any
) -> dict:
    """A whole BQL request."""
    request: dict[str, Any] = {"collections": list(collections)}
    if periods is not None:
        request["periods"] = periods
    return {**request, "query": {"dimensions": dimensions, "metrics": list(metrics), **more}}


def where(field: str, predicate: str, *value: Any) -> dict:
    """A condition on a field of the crawl, or on one that needs no prefix."""
    name = field if field in ("url", GRAPH) or field.startswith("segments.") else f"{X}.{field}"
    condition = {"field": name, "predicate": predicate}
    return {**condition, "value": value[0]} if value else condition


def call(function: str, *args: Any) -> dict:
    """A function in the long form."""
    return {"function": function, "args": list(args)}


def compiled(request: dict, **dialect: Any) -> Query:
    return compile_query(request, COLLECTIONS.get, Dialect(**dialect))


def answer(request: dict, **dialect: Any) -> list[tuple]:
    """The answer's rows: dimensions, then metrics."""
    found = compiled(request, **dialect).results(0, 1000)
    return [(*row["dimensions"], *row["metrics"]) for row in found]


def rows(*args: Any, **more: Any) -> list[tuple]:
    """The rows that answer `body(...)`."""
    return answer(body(*args, **more))


# --- the simulator --------------------------------------------------------------------------------

TOKEN = "a" * 40
QUICK = Options(pace=Pace(polls=0, patience=60))
SLOW = Options(pace=Pace(patience=60))
EDGES_QUERY = body(["url", GRAPH], filters=where("depth", "lte", 1))


def projects() -> list[Project]:
    """Two organisations; the first has two projects, one with all sorts of analyses."""

    def site() -> Site:
        return SITE

    analyses = [
        Analysis("20240305", site, status="crawling"),
        Analysis("20240301-2", site, links_graph=False),
        Analysis("20240301", site),
        Analysis("20240201", site, status="failed"),
    ]
    return [
        Project("acme", "shop", "The Shop", analyses),
        Project("acme", "empty", "Nothing yet", [], has_search_console=False),
        Project("other", "secret", "Secret", [Analysis("20240301", site)]),
    ]


class Api:
    """A client of one simulator: paths under /v1, with the token unless told otherwise."""

    def __init__(self, options: Options = QUICK, **arguments: Any) -> None:
        tokens = {TOKEN: User("first.last"), "b" * 40: User("second", orgs=frozenset({"acme"}))}
        app = create_simulator(projects(), tokens=tokens, options=options, **arguments)
        self.state = app.state
        transport = InProcessTransport(app)
        self.http = httpx2.AsyncClient(transport=transport, base_url="http://simulated")

    async def send(
        self, method: str, path: str, json: Any = None, token: str | None = TOKEN, **headers: str
    ) -> httpx2.Response:
        if token:
            headers = {"Authorization": f"Token {token}", **headers}
        return await self.http.request(method, f"/v1{path}", json=json, headers=headers)

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        return await self.send("GET", path, **more)

    async def query(self, request: dict, parameters: str = "") -> httpx2.Response:
        return await self.send("POST", f"/projects/acme/shop/query{parameters}", json=request)

    async def job(
        self, request: dict | None = None, fault: str = "", **payload: Any
    ) -> httpx2.Response:
        """Post a job; `fault` goes into its header."""
        posted = export_body(request or EDGES_QUERY, **payload)
        return await self.send("POST", "/jobs", posted, **{"X-Simulate": fault})

    async def look(self, job: httpx2.Response) -> dict:
        """Poll a job that was posted."""
        return (await self.get(f"/jobs/{job.json()['job_id']}")).json()

    async def file(self, **job: Any) -> httpx2.Response:
        """Create a job, look at it once, fetch its file."""
        done = await self.look(await self.job(**job))
        assert done["job_status"] == "DONE", done
        return await self.http.get(done["results"]["download_url"])


def export_body(query: dict, **payload: Any) -> dict:
    """The body of POST /jobs."""
    posted = {"username": "acme", "project": "shop"}
    only = {"connector": "direct_download", "formatter": "csv"}
    return {"job_type": "export", "payload": {**posted, **only, "query": query, **payload}}


def refused(answer: httpx2.Response) -> tuple[int, str]:
    """Status and error code of a refusal."""
    return answer.status_code, answer.json()["error"]["error_code"]


def csv_rows(content: bytes) -> list[list[str]]:
    """The rows of a gzip file."""
    return list(csv.reader(io.StringIO(gzip.decompress(content).decode())))
