"""How near is ingest to gunzip?  From the packed export to checked CSVs and the columnar copy.

    python bench/bench_ingest.py [LINKS]            1,000,000 by default

The yardstick is `gzip -dc FILE > /dev/null`.  To reach: the whole chain in at most 3 times that;
at most 300 MB; the event loop never held for more than 50 ms, told by a page that is fetched every
20 ms from the same loop.  "With its process" has everything that a user waits for; of that,
starting Python with Polars and numpy takes a third.  Times are the best of three in turn, so that
a busy machine disturbs both sides alike; CPU is user and system together.  "page ms" is the
slowest fetch.
"""

import asyncio
import contextlib
import gzip
import http.client
import os
import platform
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from isal import igzip

from pipulate.botify.ingest import Order, Raw, ingest
from pipulate.botify.normalise import run
from pipulate.botify.queries import COLUMNS, page_columns

ROUNDS = 3
LINKS_PER_PAGE = 32


@dataclass
class Figure:
    """One measured way."""

    name: str
    wall: float = float("inf")
    cpu: float = float("inf")
    memory: float = 0.0  # MB
    held: float = 0.0  # ms


def export(folder: Path, links: int, commas: bool) -> tuple[Path, Path]:
    """Packed exports of a shop with long addresses: its links, and its pages with all columns."""
    rng = random.Random(7)
    pages = max(10, links // LINKS_PER_PAGE)
    sections = ["category", "product", "blog", "help", "store-locator", "brand"]
    rooms = ["garden", "kitchen", "outdoor", "lighting"]
    tail = ",v={}" if commas else ""
    urls = [
        f"https://www.example-shop.com/{sections[i % 6]}/{rng.choice(rooms)}-{i % 97}/"
        f"a-rather-descriptive-slug-for-item-{i}.html" + (tail.format(i) if i % 3 == 0 else "")
        for i in range(pages)
    ]
    quoted = [f'"{u}"' if "," in u else u for u in urls]
    link_file, page_file = folder / f"links{commas}.gz", folder / f"pages{commas}.gz"
    with gzip.open(link_file, "wt", 6, encoding="utf-8") as file:
        file.write("url,outlinks_internal.graph.url\n")
        for n in range(0, links, LINKS_PER_PAGE):
            source = quoted[n // LINKS_PER_PAGE % pages]
            file.writelines(
                f"{source},{quoted[int(pages * rng.random() ** 3)]}\n"
                for _ in range(min(LINKS_PER_PAGE, links - n))
            )
    with gzip.open(page_file, "wt", 6, encoding="utf-8") as file:
        for i, url in enumerate(quoted):
            known = "" if i % 5 else "True"
            file.write(f"{url},{sections[i % 6]}/{i % 9},{i % 7 > 0},{known},")
            file.write(f"{i % 3 > 0},True,False,{i},{i // 9}\n")
    return link_file, page_file


def spent(who: int) -> float:
    """CPU seconds of this process or of its children."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def outside(figure: Figure, command: list[str]) -> None:
    """Run a command and note what it took."""
    begun, before = time.perf_counter(), spent(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    note(figure, time.perf_counter() - begun, spent(resource.RUSAGE_CHILDREN) - before)


def inside(figure: Figure, work: Callable[[], object]) -> None:
    """Do something here and note what it took."""
    begun, before = time.perf_counter(), spent(resource.RUSAGE_SELF)
    work()
    note(figure, time.perf_counter() - begun, spent(resource.RUSAGE_SELF) - before)


def note(figure: Figure, wall: float, cpu: float) -> None:
    """Keep the best."""
    figure.wall, figure.cpu = min(figure.wall, wall), min(figure.cpu, cpu)


def unpack(file: Path) -> None:
    """gunzip as ingest does it, to nowhere."""
    with igzip.open(file) as stream:
        while stream.read(1 << 20):
            pass


def memory_of_children() -> float:
    """The peak resident set of our living children, in MB."""
    peak = 0.0
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                peak = max(
                    [
                        peak,
                        *(
                            int(line.split()[1]) / 1024
                            for line in lines
                            if line.startswith("VmHWM")
                        ),
                    ]
                )
    return peak


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A page, from the event loop that also runs ingest."""
    while (line := await reader.readline()) and line.strip():
        pass
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()


async def visited(figure: Figure, work: Awaitable[object]) -> None:
    """Await `work` while a page is fetched every 20 ms;
    note the slowest fetch and the children's memory.
    """
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port, stop = server.sockets[0].getsockname()[1], threading.Event()

    def fetch() -> None:
        while not stop.wait(0.02):
            begun = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
            figure.held = max(figure.held, (time.perf_counter() - begun) * 1000)
            figure.memory = max(figure.memory, memory_of_children())

    visitor = threading.Thread(target=fetch)
    visitor.start()
    begun, before = time.perf_counter(), spent(resource.RUSAGE_CHILDREN)
    await work
    note(figure, time.perf_counter() - begun, spent(resource.RUSAGE_CHILDREN) - before)
    stop.set()
    await asyncio.to_thread(visitor.join)
    server.close()


def compare(title: str, link_file: Path, page_file: Path, folder: Path) -> None:
    """Print one table."""
    columns = page_columns(c.name for c in COLUMNS)
    links, pages = (
        Raw(link_file, folder / "links.csv"),
        Raw.pages(page_file, folder / "meta.csv", columns),
    )
    graph = folder / "graph"

    def clean() -> None:  # removing 200 MB takes time, too
        links.target.unlink(missing_ok=True)
        pages.target.unlink(missing_ok=True)
        shutil.rmtree(graph, ignore_errors=True)

    nothing, yardstick, quick = (
        Figure("nothing, for a second"),
        Figure("gzip -dc"),
        Figure("isal to nowhere"),
    )
    here, alone = Figure("links to CSV and columnar, here"), Figure("... with its process")
    both = Figure("links and pages, with the process")
    for _ in range(ROUNDS):
        asyncio.run(visited(nothing, asyncio.sleep(1)))
        outside(yardstick, ["gzip", "-dc", str(link_file)])
        inside(quick, lambda: unpack(link_file))
        inside(here, lambda: run(Order(links, None, graph)))
        clean()
        for figure, order in (
            (alone, Order(links, None, graph)),
            (both, Order(links, pages, graph)),
        ):
            asyncio.run(visited(figure, ingest(order)))
            clean()
    print(f"\n{title}: {link_file.stat().st_size / 1e6:.1f} MB packed")
    print(f"  {'':36}{'s':>7}{'ratio':>7}{'CPU s':>7}{'ratio':>7}{'MB':>6}{'page ms':>9}")
    for f in (nothing, yardstick, quick, here, alone, both):
        times = (
            f"{f.wall:7.2f}{f.wall / yardstick.wall:7.2f}{f.cpu:7.2f}{f.cpu / yardstick.cpu:7.2f}"
        )
        print(f"  {f.name:36}{times if f is not nothing else ' ' * 28}", end="")
        print(f"{f.memory:6.0f}{f.held:9.1f}" if f.held else "")


def main() -> None:
    """Measure plain addresses, and such that need quotes."""
    links = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    print(f"{date.today()}, {machine}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        for commas, title in (
            (False, f"{links:,} links"),
            (True, f"{links:,} links, a third of the pages with commas"),
        ):
            compare(title, *export(Path(name), links, commas), Path(name))


if __name__ == "__main__":
    main()
