"""What do a link graph's steps cost, against the limits they could reach?

    python -m bench.bench_graph [1M 10M 100M]

1M when none is named; 10M needs 3 GB, 100M 4 GB and minutes.
Each step runs in a process of its own; s is wall time, CPU s that of all its threads, MB its peak
memory (RSS).

gunzip          unpacking the same links from .gz with isal: no reader of compressed links can be
                faster
ingest          CSV on disk -> columnar form on disk (with SHA-256 of the inputs); ingest gz: the
                same from .gz
load            columnar form -> memory
measures        each by itself, after loading
scipy           a bare power iteration with scipy.sparse to the same tolerance: what PageRank has
                to be measured by
igraph,         the same PageRank (and depth) where they are installed, and the largest difference
                of any page
networkit
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
from pathlib import Path
from typing import Any

SIZES = {"1M": 1_000_000, "10M": 10_000_000, "100M": 100_000_000}
TOLERANCE = 1e-10


def main() -> None:
    """Make the sites, run each step in a child process, print a table."""
    with tempfile.TemporaryDirectory(prefix="bench-graph-") as folder:
        for size in sys.argv[1:] or ["1M"]:
            place = Path(folder) / size
            print(f"\n{size} links{'':22}{'s':>8}{'CPU s':>8}{'MB':>7}  ratio")
            if size == "100M":
                show("(made)", child("make_columnar", size, place))
                for step in ("disk_degrees", "disk_matrix", "disk_rounds"):
                    show(step.replace("_", " "), child(step, size, place))
                continue
            show("(made)", child("make", size, place))
            limit = show("gunzip", child("gunzip", size, place))
            show("ingest gz", child("ingest_gz", size, place), limit, "gunzip")
            ingest = show("ingest", child("ingest", size, place))
            show("load", child("load", size, place))
            bare = show("scipy power iteration", child("scipy_rank", size, place))
            show("pagerank", child("pagerank", size, place), bare, "scipy")
            for step in ("depths", "hits", "strong_parts", "flow", "communities", "roles"):
                show(step.replace("_", " "), child(step, size, place))
            for peer in ("igraph", "networkit"):
                show(peer, child(peer, size, place), bare, "scipy")
            report = show("report", child("report", size, place))
            show("report from CSV", child("report_from_csv", size, place))
            show("disk: pagerank", child("disk_pagerank", size, place), bare, "scipy")
            print(f"{'ingest + report, CPU s':30}{'':8}{(ingest or 0) + (report or 0):8.2f}")


def show(
    name: str, result: dict[str, Any], limit: float | None = None, against: str = ""
) -> float | None:
    """Print a row; return its CPU seconds."""
    if "missing" in result:
        print(f"{name:30}  not installed")
        return None
    ratio = f"{result['cpu'] / limit:5.1f} x {against}" if limit else ""
    figures = f"{result['wall']:8.2f}{result['cpu']:8.2f}{result['mb']:7.0f}"
    print(f"{name:30}{figures}  {ratio} {result.get('note', '')}", flush=True)
    return float(result["cpu"])


def child(step: str, size: str, place: Path) -> dict[str, Any]:
    """Run one step in a process of its own, so that memory and threads are its own."""
    call = [sys.executable, "-m", "bench.bench_graph", "--step", step, size, str(place)]
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        return {"missing": True} if "ModuleNotFoundError" in done.stderr else sys.exit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def step(name: str, size: str, place: Path) -> None:
    """Run a step here and print what it cost."""
    work = STEPS[name](
        SIZES[size], place
    )  # imports and loading are not counted, but for "ingest" and "load"
    wall, cpu = time.perf_counter(), time.process_time()
    note = work()
    row = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(row | ({"note": note} if isinstance(note, str) else {})))


Work = Callable[[], Any]


def make(links: int, place: Path) -> Work:
    """Write the site as CSV, and as .gz."""
    from isal import igzip

    from bench import synthetic

    def work() -> None:
        place.mkdir()
        synthetic.write(synthetic.generate(links), place / "links.csv", place / "pages.csv")
        with (
            (place / "links.csv").open("rb") as plain,
            igzip.open(place / "links.csv.gz", "wb") as packed,
        ):
            while block := plain.read(1 << 20):
                packed.write(block)

    return work


def gunzip(links: int, place: Path) -> Work:
    """Unpack to nothing."""
    from isal import igzip_threaded

    def work() -> None:
        with igzip_threaded.open(place / "links.csv.gz", "rb", threads=1) as packed:
            while packed.read(1 << 20):
                pass

    return work


def ingest(links: int, place: Path, name: str = "links.csv") -> Work:
    """CSV to columnar form."""
    from pipulate.graph import edges

    return lambda: edges.build(place / name, place / "pages.csv", place / "graph") and None


def ingest_gz(links: int, place: Path) -> Work:
    """The same from .gz."""
    return ingest(links, place, "links.csv.gz")


def load(links: int, place: Path) -> Work:
    """Columnar form to memory."""
    from pipulate.graph import edges

    return lambda: edges.load(place / "graph") and None


def measure(name: str) -> Callable[[int, Path], Work]:
    """Return the step that computes one measure."""

    def prepare(links: int, place: Path) -> Work:
        import numpy as np

        from pipulate.graph import edges, measures, roles

        graph = edges.load(place / "graph")
        match name:
            case "pagerank":
                return lambda: np.save(
                    place / "rank.npy", measures.pagerank(graph, tolerance=TOLERANCE)
                )
            case "depths":
                return lambda: np.save(
                    place / "depth.npy", measures.depths(graph, measures.home(graph))
                )
            case "flow":
                group = np.arange(graph.n, dtype=np.uint32) % 25
                return lambda: (
                    measures.flow(graph, group, 25, np.full(graph.n, 1 / graph.n)) and None
                )
            case "communities":
                return lambda: (
                    f"modularity {measures.modularity(graph, measures.communities(graph)):.3f}"
                )
            case "roles":
                return lambda: roles.facts(graph) and None
        return lambda: getattr(measures, name)(graph) is None

    return prepare


def scipy_rank(links: int, place: Path) -> Work:
    """Power iteration as a textbook writes it: build the matrix,
    multiply until the change is small.
    """
    import numpy as np
    from scipy import sparse

    from pipulate.graph import edges

    graph = edges.load(place / "graph")
    n, source, target = graph.n, graph.source, graph.target

    def work() -> str:
        out = np.bincount(source, minlength=n)
        matrix = sparse.csr_matrix((1 / out[source], (target, source)), shape=(n, n))
        dangling = out == 0
        rank = np.full(n, 1 / n)
        rounds, change = 0, 1.0
        while change >= TOLERANCE:
            after = 0.85 * (matrix @ rank + rank[dangling].sum() / n) + 0.15 / n
            change = np.abs(after - rank).sum()
            rank = after
            rounds += 1
        return f"{rounds} rounds"

    return work


def igraph(links: int, place: Path) -> Work:
    """PageRank by igraph's PRPACK, and depth."""
    import igraph as peer  # type: ignore[import-not-found]
    import numpy as np

    from pipulate.graph import edges, measures

    graph = edges.load(place / "graph")

    def work() -> str:
        other = peer.Graph(
            n=graph.n, edges=np.column_stack([graph.source, graph.target]), directed=True
        )
        rank = np.array(other.pagerank(damping=0.85))
        far = np.array(other.distances(source=measures.home(graph), mode="out")[0])
        same = (np.where(np.isinf(far), -1, far) == np.load(place / "depth.npy")).all()
        depths = "equal" if same else "DIFFER"
        return f"{difference(rank, place)}, depths {depths}"

    return work


def difference(rank: Any, place: Path) -> str:
    """Say by how much another's PageRank differs from ours."""
    import numpy as np

    return f"largest difference {np.abs(rank - np.load(place / 'rank.npy')).max():.1e}"


def networkit(links: int, place: Path) -> Work:
    """PageRank by networkit."""
    import networkit as peer  # type: ignore[import-not-found]
    import numpy as np

    from pipulate.graph import edges

    graph = edges.load(place / "graph")

    def work() -> str:
        ends = graph.source.astype(np.uint64), graph.target.astype(np.uint64)
        other = peer.GraphFromCoo(ends, n=graph.n, directed=True)
        sinks = peer.centrality.SinkHandling.DistributeSinks
        made = peer.centrality.PageRank(other, damp=0.85, tol=1e-12, distributeSinks=sinks)
        made.run()
        rank = np.array(made.scores())
        return difference(rank / rank.sum(), place)

    return work


def report(links: int, place: Path) -> Work:
    """Everything from the columnar form to the report's files."""
    from pipulate.graph import analysis

    return lambda: analysis.make(place / "graph", place / "report", deep=False) and None


def report_from_csv(links: int, place: Path) -> Work:
    """Everything from the CSVs to the report's files, in one process."""
    from pipulate.graph import analysis, edges
    from pipulate.graph import report as made

    def work() -> None:
        graph = edges.build(place / "links.csv", place / "pages.csv", place / "graph2")
        made.write(analysis.in_memory(graph), place / "report")

    return work


def make_columnar(links: int, place: Path) -> Work:
    """Write a columnar form block by block."""
    from bench import synthetic

    return lambda: synthetic.write_columnar(links, place / "graph")


def disk(what: str) -> Callable[[int, Path], Work]:
    """Return a step that reads the links from the disk."""

    def prepare(links: int, place: Path) -> Work:
        import numpy as np

        from pipulate.graph import outofcore

        def work() -> str | None:
            graph = outofcore.open_graph(place / "graph")
            match what:
                case "degrees":
                    outofcore.inlinks(graph)
                    return f"{graph.m:,} links, {graph.n:,} pages"
                case "matrix":
                    group = np.arange(graph.n, dtype=np.uint32) % 25
                    outofcore.flow(graph, group, 25, np.full(graph.n, 1 / graph.n))
                case "rounds":
                    told: list[float] = []
                    outofcore.pagerank(
                        graph, progress=lambda share, text: told.append(time.perf_counter())
                    )
                    each = (told[-1] - told[0]) / (len(told) - 1)
                    return f"{len(told)} rounds, {each:.2f} s a round"
                case "pagerank":
                    rank = outofcore.pagerank(graph, tolerance=TOLERANCE)
                    return (
                        f"largest difference {np.abs(rank - np.load(place / 'rank.npy')).max():.1e}"
                    )
            return None

        return work

    return prepare


STEPS: dict[str, Callable[[int, Path], Work]] = {
    "make": make,
    "gunzip": gunzip,
    "ingest": ingest,
    "ingest_gz": ingest_gz,
    "load": load,
    "scipy_rank": scipy_rank,
    "igraph": igraph,
    "networkit": networkit,
    "report": report,
    "report_from_csv": report_from_csv,
    "make_columnar": make_columnar,
    **{
        name: measure(name)
        for name in ("pagerank", "depths", "hits", "strong_parts", "flow", "communities", "roles")
    },
    **{f"disk_{name}": disk(name) for name in ("degrees", "matrix", "rounds", "pagerank")},
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        step(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main()
