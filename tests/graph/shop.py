"""A shop of eleven pages, small enough to be worked out by hand."""

import numpy as np
import polars as pl

from pipulate.graph import edges
from pipulate.graph.edges import Graph

SITE = "https://shop.example"
PAGES = [  # path, type, status, compliant, impressions
    ("/", "home", 200, True, 50),
    ("/c/1", "category", 200, True, 10),
    ("/c/2", "category", 200, True, 5),
    ("/p/1", "product", 200, True, 900),
    ("/p/2", "product", 200, True, 2),
    ("/p/3", "product", 200, True, 1),
    ("/p/4", "product", 200, True, 800),  # an orphan that searchers want
    ("/p/5", "product", 200, True, 0),  # only reachable from the orphan
    ("/old", "product", 301, False, 0),
    ("/gone", "product", 404, False, 0),
    ("/print", "product", 200, False, 0),
]
LINKS = [
    ("/", "/c/1"),
    ("/", "/c/2"),
    ("/", "/gone"),
    ("/c/1", "/"),
    ("/c/1", "/p/1"),
    ("/c/1", "/p/2"),
    ("/c/2", "/"),
    ("/c/2", "/p/2"),
    ("/c/2", "/p/3"),
    ("/c/2", "/old"),
    ("/p/1", "/c/1"),
    ("/p/2", "/c/1"),
    ("/p/2", "/print"),
    ("/p/3", "/c/2"),
    ("/p/3", "/p/3"),
    ("/p/3", "/old"),
    ("/p/4", "/p/5"),
    ("/p/4", "/c/1"),
    ("/p/5", "/"),
    ("/print", "/"),
]


def shop() -> Graph:
    """Return its graph, with its page table."""
    number = {path: row for row, (path, *_) in enumerate(PAGES)}
    source = np.array([number[path] for path, _ in LINKS])
    target = np.array([number[path] for _, path in LINKS])
    columns = ["url", "pagetype", "http_code", "compliant", "impressions"]
    table = pl.DataFrame(PAGES, schema=columns, orient="row")
    return edges.of(source, target, table.with_columns(url=SITE + pl.col("url")))
