"""How near is ingest to gunzip?  From the packed export to checked CSVs and the columnar copy.

    python -m bench.bench_ingest [LINKS]            1,000,000 by default

YARDSTICK  `gzip -dc FILE > /dev/null`.
GOALS      The whole chain in at most 3 times that; at most 300 MB; the event loop never held for
           more than 50 ms, told by a page that is fetched every 20 ms from the same loop.
COLUMNS    Times are the best of three in turn, so that a busy machine disturbs both sides alike;
           CPU is user and system together; "page ms" is the slowest fetch.  "With its process" has
           everything that a user waits for; of that, starting Python with Polars and numpy takes a
           third.
"""

import asyncio
import contextlib
import gzip
import http.client
import os
import platform
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from isal import igzip

from pipulate.botify.ingest import Order, Raw, ingest
from pipulate.botify.normalise import run
from pipulate.botify.queries import COLUMNS, page_columns

ROUNDS = 3
LINKS_PER_PAGE = 32
SECTIONS = ("category", "product", "blog", "help", "store-locator", "brand")
ROOMS = ("garden", "kitchen", "outdoor", "lighting")
PAGE = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Figure:
    """One measured way."""

    name: str
    wall: float = float("inf")
    cpu: float = float("inf")
    memory: float = 0.0  # MB
    held: float = 0.0  # ms

    @contextlib.contextmanager
    def taken(self, who: int) -> Iterator[None]:
        """Note what a block takes, here or in children, if it is the best so far."""
        cpu = spent(who)
        began = time.perf_counter()
        yield
        self.wall = min(self.wall, time.perf_counter() - began)
        self.cpu = min(self.cpu, spent(who) - cpu)

    def line(self, yardstick: "Figure") -> str:
        """Return it as a line of the table."""
        text = f"  {self.name:36}"
        if self.cpu:
            wall = self.wall / yardstick.wall
            cpu = self.cpu / yardstick.cpu
            text += f"{self.wall:7.2f}{wall:7.2f}{self.cpu:7.2f}{cpu:7.2f}"
        else:
            text += " " * 28  # it only waited
        if self.held:
            text += f"{self.memory:6.0f}{self.held:9.1f}"
        return text


def export(folder: Path, links: int, commas: bool) -> tuple[Path, Path]:
    """Packed exports of a shop with long addresses: its links, and its pages with all columns."""
    draw = random.Random(7)
    pages = max(10, links // LINKS_PER_PAGE)
    urls = [address(draw, number, commas) for number in range(pages)]
    link_file = folder / f"links{commas}.gz"
    with gzip.open(link_file, "wt", 6, encoding="utf-8") as file:
        file.write("url,outlinks_internal.graph.url\n")
        for number in range(links):
            source = urls[number // LINKS_PER_PAGE % pages]
            target = urls[int(pages * draw.random() ** 3)]
            file.write(f"{source},{target}\n")
    page_file = folder / f"pages{commas}.gz"
    with gzip.open(page_file, "wt", 6, encoding="utf-8") as file:
        file.writelines(map(page_row, urls, range(pages)))
    return link_file, page_file


def address(draw: random.Random, number: int, commas: bool) -> str:
    """Return a page's address as a cell of CSV; with `commas`, a third of them need quotes."""
    url = (
        f"https://www.example-shop.com/{SECTIONS[number % 6]}/{draw.choice(ROOMS)}-{number % 97}/"
        f"a-rather-descriptive-slug-for-item-{number}.html"
    )
    if commas and number % 3 == 0:
        return f'"{url},v={number}"'
    return url


def page_row(url: str, number: int) -> str:
    """Return a page's row, with all columns."""
    title = "" if number % 5 else "True"
    return (
        f"{url},{SECTIONS[number % 6]}/{number % 9},{number % 7 > 0},{title},{number % 3 > 0},"
        f"True,False,{number},{number // 9}\n"
    )


def spent(who: int) -> float:
    """CPU seconds of this process or of its children."""
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def unpack(file: Path) -> None:
    """gunzip as ingest does it, to nowhere."""
    with igzip.open(file) as stream:
        while stream.read(1 << 20):
            pass


def memory_of_children() -> float:
    """The peak resident set of the largest of our living children, in MB."""
    peak = 0.0
    for children in Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
                peak = max(peak, int(found[1]) / 1024 if found else 0)
    return peak


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A page, from the event loop that also runs ingest."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(PAGE.encode())
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()


async def visited(figure: Figure, work: Awaitable[object]) -> None:
    """Await `work` while a page is fetched every 20 ms; note the slowest, and children's memory."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    stop = threading.Event()

    def visit() -> None:
        while not stop.wait(0.02):
            figure.held = max(figure.held, fetch(port) * 1000)
            figure.memory = max(figure.memory, memory_of_children())

    visitor = threading.Thread(target=visit)
    visitor.start()
    with figure.taken(resource.RUSAGE_CHILDREN):
        await work
    stop.set()
    await asyncio.to_thread(visitor.join)
    server.close()


def fetch(port: int) -> float:
    """Fetch the page; return the seconds it took."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/")
    connection.getresponse().read()
    connection.close()
    return time.perf_counter() - began


def compare(title: str, link_file: Path, page_file: Path, folder: Path) -> None:
    """Print one table."""
    columns = page_columns(column.name for column in COLUMNS)
    links = Raw(link_file, folder / "links.csv")
    pages = Raw.pages(page_file, folder / "meta.csv", columns)
    graph = folder / "graph"
    nothing = Figure("nothing, for a second")
    yardstick = Figure("gzip -dc")
    quick = Figure("isal to nowhere")
    here = Figure("links to CSV and columnar, here")
    alone = Figure("... with its process")
    both = Figure("links and pages, with the process")
    for _ in range(ROUNDS):
        asyncio.run(visited(nothing, asyncio.sleep(1)))
        with yardstick.taken(resource.RUSAGE_CHILDREN):
            subprocess.run(["gzip", "-dc", link_file], stdout=subprocess.DEVNULL, check=True)
        with quick.taken(resource.RUSAGE_SELF):
            unpack(link_file)
        with here.taken(resource.RUSAGE_SELF):
            run(Order(links, None, graph))
        clean(folder)
        asyncio.run(visited(alone, ingest(Order(links, None, graph))))
        clean(folder)
        asyncio.run(visited(both, ingest(Order(links, pages, graph))))
        clean(folder)
    print(f"\n{title}: {link_file.stat().st_size / 1e6:.1f} MB packed")
    print(f"  {'':36}{'s':>7}{'ratio':>7}{'CPU s':>7}{'ratio':>7}{'MB':>6}{'page ms':>9}")
    for figure in (nothing, yardstick, quick, here, alone, both):
        print(figure.line(yardstick))


def clean(folder: Path) -> None:
    """Remove what was made: writing over 200 MB takes time, too."""
    (folder / "links.csv").unlink(missing_ok=True)
    (folder / "meta.csv").unlink(missing_ok=True)
    shutil.rmtree(folder / "graph", ignore_errors=True)


def main() -> None:
    """Measure plain addresses, and such that need quotes."""
    (links,) = map(int, sys.argv[1:2] or ["1_000_000"])
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    print(f"{date.today()}, {machine}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare(f"{links:,} links", *export(folder, links, commas=False), folder)
        title = f"{links:,} links, a third of the pages with commas"
        compare(title, *export(folder, links, commas=True), folder)


if __name__ == "__main__":
    main()
