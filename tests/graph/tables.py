"""Files of links as crawlers write them, and graphs made of such files."""

from pathlib import Path

import polars as pl

from pipulate.graph import edges

SCREAMING_FROG = (
    '"Type","Source","Destination","Size (Bytes)","Alt Text","Anchor","Status Code","Status",'
    '"Follow","Target","Rel","Path Type","Link Path","Link Position","Link Origin"\n'
)
ONE = {("/a", "/b")}


def frog(kind: str, source: str, target: str, follow: str = "true", anchor: str = "x") -> str:
    """Return one row of Screaming Frog's "all inlinks" export."""
    rel = "" if follow == "true" else "nofollow"
    before = [kind, source, target, "10", "", anchor, "200", "OK"]
    after = [follow, "_blank", rel, "Absolute", "//a", "Content", "HTML"]
    return ",".join(f'"{cell}"' for cell in (*before, *after)) + "\n"


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def named(graph: edges.Graph) -> set[tuple[str, str]]:
    """Return the links as pairs of addresses."""
    sources, targets = (
        graph.urls.gather(pl.Series(end)).to_list() for end in (graph.source, graph.target)
    )
    return set(zip(sources, targets, strict=True))


def build(
    folder: Path, content: str | bytes, pages: str | bytes | None = None, name: str = "links.csv"
) -> edges.Graph:
    """Build a graph from the contents of its files."""
    table = None if pages is None else write(folder, "pages.csv", pages)
    return edges.build(write(folder, name, content), table, folder / "graph")
