"""What do a link graph's steps cost, against the limits they could reach?

    python -m bench.bench_graph [1M 10M 100M]   1M when none is named; 10M needs 3 GB, 100M 4 GB

Each step runs in a process of its own; s is wall time, CPU s that of all its threads, MB its peak
memory (RSS).

gunzip          unpacking the same links from .gz with isal: no reader of them can be faster
ingest          CSV on disk -> columnar form on disk (with SHA-256 of both); ingest gz: from .gz
load            columnar form -> memory
measures        each by itself, after loading
scipy           a bare power iteration with scipy.sparse to the same tolerance: what PageRank has to
                be measured by
igraph,         the same PageRank (and depth) where they are installed, and the largest difference
networkit       of any page
report          all measures and findings but communities, from the columnar form; report from CSV:
                with ingest
disk            PageRank, degrees and matrix by passes over the disk; 100M only so
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.outcome import not_run

SIZES = {"1M": 1_000_000, "10M": 10_000_000, "100M": 100_000_000}
ON_DISK = "100M"
TOLERANCE = 1e-10
GROUPS = 25  # of the matrix

Work = Callable[[], str | None]  #: does a step; returns a note for its row


def main() -> None:
    """Make the sites, run each step in a child process, print a table."""
    with tempfile.TemporaryDirectory(prefix="bench-graph-") as folder:
        for size in sys.argv[1:] or ["1M"]:
            print(f"\n{size} links{'':22}{'s':>8}{'CPU s':>8}{'MB':>7}  ratio")
            steps = Steps(size, Path(folder) / size)
            if size == ON_DISK:
                from_disk(steps)
            else:
                in_memory(steps)


def from_disk(steps: Steps) -> None:
    """Run the steps that need no links in memory."""
    steps.make("make_columnar")
    for name in ("degrees", "matrix", "rounds"):
        steps.show(f"disk_{name}")


def in_memory(steps: Steps) -> None:
    """Run all steps."""
    steps.make("make")
    limit = steps.show("gunzip")
    steps.show("ingest_gz", limit, "gunzip")
    ingest = steps.show("ingest")
    steps.show("load")
    bare = steps.show("scipy_rank")
    steps.show("pagerank", bare, "scipy")
    for name in ("depths", "hits", "strong_parts", "flow", "communities", "roles"):
        steps.show(name)
    for peer in ("igraph", "networkit"):
        steps.show(peer, bare, "scipy")
    report = steps.show("report")
    steps.show("report_from_csv")
    steps.show("disk_pagerank", bare, "scipy")
    print(f"{'ingest + report, CPU s':30}{'':8}{ingest + report:8.2f}")


class Steps:
    """The steps on a site of one size, each in a process of its own."""

    def __init__(self, size: str, place: Path) -> None:
        self.size = size
        self.place = place

    def make(self, step: str) -> None:
        """Make the site; without one there is nothing to measure."""
        made = self.run(step)
        if "missing" in made:
            not_run(f"the site cannot be made: {made['missing']}")
        self._row("(made)", made)

    def show(self, step: str, limit: float = 0, against: str = "") -> float:
        """Run a step and print its row; return its CPU seconds."""
        name = step.replace("_", " ")
        result = self.run(step)
        if "missing" in result:
            print(f"{name:30}  not installed")
            return 0
        ratio = f"{result['cpu'] / limit:5.1f} x {against}" if limit else ""
        self._row(name, result, ratio)
        return float(result["cpu"])

    def _row(self, name: str, result: dict[str, Any], ratio: str = "") -> None:
        figures = f"{result['wall']:8.2f}{result['cpu']:8.2f}{result['mb']:7.0f}"
        print(f"{name:30}{figures}  {ratio} {result['note'] or ''}", flush=True)

    def run(self, step: str) -> dict[str, Any]:
        """Run one step in a child, so that memory and threads are its own."""
        call = [sys.executable, "-m", "bench.bench_graph", "--step", step, self.size, self.place]
        done = subprocess.run(call, capture_output=True, text=True)
        last = done.stderr.strip().rpartition("\n")[2]
        if last.startswith("ModuleNotFoundError"):
            return {"missing": last}
        if done.returncode:
            sys.exit(done.stderr)
        return dict(json.loads(done.stdout.splitlines()[-1]))


def step(name: str, size: str, place: Path) -> None:
    """Run a step here and print what it cost; imports and loading are not counted."""
    work = STEPS[name](SIZES[size], place)
    wall = time.perf_counter()
    cpu = time.process_time()
    note = work()
    row = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "note": note,
    }
    print(json.dumps(row))


# --- the steps: each function prepares, and returns the work that counts ---


def make(links: int, place: Path) -> Work:
    """Write the site as CSV, and as .gz."""
    from isal import igzip

    from bench import synthetic

    def work() -> None:
        place.mkdir()
        csv = place / "links.csv"
        synthetic.write(synthetic.generate(links), csv, place / "pages.csv")
        with csv.open("rb") as plain, igzip.open(place / "links.csv.gz", "wb") as packed:
            while block := plain.read(1 << 20):
                packed.write(block)

    return work


def make_columnar(links: int, place: Path) -> Work:
    """Write a columnar form block by block."""
    from bench import synthetic

    def work() -> None:
        synthetic.write_columnar(links, place / "graph")

    return work


def gunzip(links: int, place: Path) -> Work:
    """Unpack to nothing."""
    from isal import igzip_threaded

    def work() -> None:
        with igzip_threaded.open(place / "links.csv.gz", "rb", threads=1) as packed:
            while packed.read(1 << 20):
                pass

    return work


def ingest(name: str) -> Callable[[int, Path], Work]:
    """Return the step from a file of links to the columnar form."""

    def prepare(links: int, place: Path) -> Work:
        from pipulate.graph import edges

        def work() -> None:
            edges.build(place / name, place / "pages.csv", place / "graph")

        return work

    return prepare


def load(links: int, place: Path) -> Work:
    """Columnar form to memory."""
    from pipulate.graph import edges

    def work() -> None:
        edges.load(place / "graph")

    return work


def measure(
    compute: Callable[[Any, Path], str | None], library: str = "pipulate.graph.analysis"
) -> Callable[[int, Path], Work]:
    """Return the step that computes one measure of the graph in memory by some library."""

    def prepare(links: int, place: Path) -> Work:
        from pipulate.graph import edges

        import_module(library)  # which is not counted
        graph = edges.load(place / "graph")
        return lambda: compute(graph, place)

    return prepare


def pagerank(graph: Any, place: Path) -> None:
    """PageRank, kept for comparison."""
    import numpy as np

    from pipulate.graph import measures

    np.save(place / "rank.npy", measures.pagerank(graph, tolerance=TOLERANCE))


def depths(graph: Any, place: Path) -> None:
    """Click depth, kept for comparison."""
    import numpy as np

    from pipulate.graph import measures

    np.save(place / "depth.npy", measures.depths(graph, measures.home(graph)))


def hits(graph: Any, place: Path) -> None:
    """Hubs and authorities."""
    from pipulate.graph import measures

    measures.hits(graph)


def strong_parts(graph: Any, place: Path) -> None:
    """Strongly connected parts."""
    from pipulate.graph import measures

    measures.strong_parts(graph)


def flow(graph: Any, place: Path) -> None:
    """The matrix of a few groups."""
    from pipulate.graph import measures

    measures.flow(graph, *groups_and_ranks(graph.n))


def communities(graph: Any, place: Path) -> str:
    """Communities, and how good they are."""
    from pipulate.graph import measures

    return f"modularity {measures.modularity(graph, measures.communities(graph)):.3f}"


def page_facts(graph: Any, place: Path) -> None:
    """What the page table says."""
    from pipulate.graph import roles

    roles.facts(graph)


def groups_and_ranks(n: int) -> tuple[Any, int, Any]:
    """Return a group for each page, their number, and the same rank for each."""
    import numpy as np

    return np.arange(n, dtype=np.uint32) % GROUPS, GROUPS, np.full(n, 1 / n)


def report(links: int, place: Path) -> Work:
    """Everything from the columnar form to the report's files."""
    from pipulate.graph import analysis

    def work() -> None:
        analysis.make(place / "graph", place / "report", deep=False)

    return work


def report_from_csv(links: int, place: Path) -> Work:
    """Everything from the CSVs to the report's files, in one process."""
    from pipulate.graph import analysis, edges
    from pipulate.graph import report as reports

    def work() -> None:
        graph = edges.build(place / "links.csv", place / "pages.csv", place / "graph2")
        reports.write(analysis.in_memory(graph), place / "report")

    return work


# --- peers ---


def scipy_rank(graph: Any, place: Path) -> str:
    """Power iteration as a textbook writes it: multiply by a matrix until the change is small."""
    import numpy as np
    from scipy import sparse

    n = graph.n
    out = np.bincount(graph.source, minlength=n)
    ends = (graph.target, graph.source)
    matrix = sparse.csr_matrix((1 / out[graph.source], ends), shape=(n, n))
    dangling = out == 0
    rank = np.full(n, 1 / n)
    rounds = 0
    change = 1.0
    while change >= TOLERANCE:
        after = 0.85 * (matrix @ rank + rank[dangling].sum() / n) + 0.15 / n
        change = np.abs(after - rank).sum()
        rank = after
        rounds += 1
    return f"{rounds} rounds"


def igraph(graph: Any, place: Path) -> str:
    """PageRank by igraph's PRPACK, and depth."""
    import igraph as peer  # type: ignore[import-not-found]
    import numpy as np

    from pipulate.graph import measures

    ends = np.column_stack([graph.source, graph.target])
    other = peer.Graph(n=graph.n, edges=ends, directed=True)
    rank = np.array(other.pagerank(damping=0.85))
    far = np.array(other.distances(source=measures.home(graph), mode="out")[0])
    depth = np.where(np.isinf(far), measures.UNREACHED, far)
    same = np.array_equal(depth, np.load(place / "depth.npy"))
    return f"{difference(rank, place)}, depths {'equal' if same else 'DIFFER'}"


def networkit(graph: Any, place: Path) -> str:
    """PageRank by networkit."""
    import networkit as peer  # type: ignore[import-not-found]
    import numpy as np

    ends = graph.source.astype(np.uint64), graph.target.astype(np.uint64)
    other = peer.GraphFromCoo(ends, n=graph.n, directed=True)
    sinks = peer.centrality.SinkHandling.DistributeSinks
    made = peer.centrality.PageRank(other, damp=0.85, tol=1e-12, distributeSinks=sinks)
    made.run()
    rank = np.array(made.scores())
    return difference(rank / rank.sum(), place)


def difference(rank: Any, place: Path) -> str:
    """Say how far a PageRank is from ours."""
    import numpy as np

    return f"largest difference {np.abs(rank - np.load(place / 'rank.npy')).max():.1e}"


# --- by passes over the disk ---


def disk(compute: Callable[[Any, Path], str]) -> Callable[[int, Path], Work]:
    """Return a step that reads the links from the disk."""

    def prepare(links: int, place: Path) -> Work:
        from pipulate.graph import outofcore

        return lambda: compute(outofcore.open_graph(place / "graph"), place)

    return prepare


def disk_degrees(graph: Any, place: Path) -> str:
    """Inlinks."""
    from pipulate.graph import outofcore

    outofcore.inlinks(graph)
    return f"{graph.m:,} links, {graph.n:,} pages"


def disk_matrix(graph: Any, place: Path) -> str:
    """The matrix of a few groups."""
    from pipulate.graph import outofcore

    outofcore.flow(graph, *groups_and_ranks(graph.n))
    return ""


def disk_rounds(graph: Any, place: Path) -> str:
    """PageRank, round by round."""
    from pipulate.graph import outofcore

    told: list[float] = []
    outofcore.pagerank(graph, progress=lambda share, text: told.append(time.perf_counter()))
    each = (told[-1] - told[0]) / (len(told) - 1)
    return f"{len(told)} rounds, {each:.2f} s a round"


def disk_pagerank(graph: Any, place: Path) -> str:
    """PageRank, compared."""
    from pipulate.graph import outofcore

    return difference(outofcore.pagerank(graph, tolerance=TOLERANCE), place)


STEPS: dict[str, Callable[[int, Path], Work]] = {
    "make": make,
    "make_columnar": make_columnar,
    "gunzip": gunzip,
    "ingest": ingest("links.csv"),
    "ingest_gz": ingest("links.csv.gz"),
    "load": load,
    "scipy_rank": measure(scipy_rank),
    "pagerank": measure(pagerank),
    "depths": measure(depths),
    "hits": measure(hits),
    "strong_parts": measure(strong_parts),
    "flow": measure(flow),
    "communities": measure(communities),
    "roles": measure(page_facts),
    "igraph": measure(igraph, "igraph"),
    "networkit": measure(networkit, "networkit"),
    "report": report,
    "report_from_csv": report_from_csv,
    "disk_degrees": disk(disk_degrees),
    "disk_matrix": disk(disk_matrix),
    "disk_rounds": disk(disk_rounds),
    "disk_pagerank": disk(disk_pagerank),
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        step(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main()
