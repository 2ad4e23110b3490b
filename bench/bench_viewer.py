"""How fast is the link graph's picture, without a GPU?  A real browser, made-up sites of 10k, 100k
and 1M links.

    python -m bench.bench_viewer [10k 100k 1M]

server      ms to make the picture's files from the columnar graph and its measures (the Sections
            layout is in it)
first       ms from opening the page to the first picture: all pages, and a preview of all links
whole       ms until all links are drawn
frame       ms between frames while panning and zooming, median / 95th of 100
hover       ms to find the page under the pointer, median / worst of 400 points
find        ms from a typed letter to the list of pages, worst of 5 words
path        ms for the first shortest click path (one pass over all links)
memory      MB of the browser process that shows the page (PSS, the engine itself included), and
            what an empty page takes
force       ms to compute the Force layout (a background job, once)
"""

import contextlib
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from pipulate.graph import layout, measures, picture
from tests.chromium import LAUNCH_ARGS, find_chromium
from tests.graph.sites import SIZES, Pages, picture_files, site

LIMITS = {"first": 3000, "frame": 50, "hover": 5, "find": 50, "memory": 300}
STAGE = "document.querySelector('link-graph').viewer.stage"

FRAMES = """async () => {
  const stage = STAGE, gaps = [];
  let before = await new Promise(requestAnimationFrame);
  for (let k = 0; k < 100; k++) {
    if (k % 10 < 8) stage.camera.pan(k % 20 < 10 ? 9 : -9, 4 - (k % 9));
    else stage.camera.zoomAt(600, 400, k % 20 < 10 ? 1.06 : 1 / 1.06);
    stage.moved();
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - before);
    before = now;
  }
  return gaps;
}""".replace("STAGE", STAGE)
HOVER = """() => Array.from({length: 400}, (_, k) => {
  STAGE.pageAt(280 + (k * 97) % 980, 10 + (k * 61) % 780);
  return STAGE.timings.pick;
})""".replace("STAGE", STAGE)
PATH = """() => {
  const { viewer } = document.querySelector("link-graph"), start = performance.now();
  viewer.pathTo(viewer.graph.n - 1);
  return performance.now() - start;
}"""


def serve(pictures: dict[str, dict[str, bytes]]) -> str:
    """Serve pictures in a thread; return the address."""
    server = uvicorn.Server(uvicorn.Config(Pages(pictures).app(), port=0, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


def renderer_memory() -> float:
    """Return the PSS, in MB, of the largest renderer among this process's descendants."""
    sizes = [0.0]
    for pid in descendants():
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if b"--type=renderer" in Path(f"/proc/{pid}/cmdline").read_bytes():
                sizes.append(pss(pid))
    return max(sizes)


def descendants() -> list[int]:
    """Return the processes that this one, or one of its descendants, started."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = [os.getpid()]
    for pid in found:  # which grows meanwhile
        found += children.get(pid, [])
    return found


def pss(pid: int) -> float:
    """Return the memory of a process in MB, its share of what is shared included."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def look(page: Page, address: str) -> dict[str, float]:
    """Open one picture, use it, and return what it took (ms, MB)."""
    page.goto("about:blank")
    empty = renderer_memory()
    page.goto(address)
    page.locator("link-graph[data-state=drawn]").wait_for(timeout=120_000)
    timings = page.evaluate(f"{STAGE}.timings")
    found = {"first": timings["first"], "whole": page.evaluate("performance.now()")}
    gaps = page.evaluate(FRAMES)
    found |= {"frame": statistics.median(gaps), "frame95": statistics.quantiles(gaps, n=20)[-1]}
    picks = page.evaluate(HOVER)
    found |= {
        "hover": statistics.median(picks),
        "hoverworst": max(picks),
        "path": page.evaluate(PATH),
    }
    field = page.get_by_role("combobox", name="Find a page")
    field.fill("warm up")
    times = []
    for word in ("p", "kitchen", "listing-9", "product 77", "nowhere"):
        page.evaluate(f"{STAGE}.timings.find = 0")
        field.fill(word)
        while not (took := page.evaluate(f"{STAGE}.timings.find")):
            page.wait_for_timeout(5)
        times.append(took)
    field.fill("")
    page.mouse.click(*page.evaluate(f"{STAGE}.onScreen({STAGE}.ranking[2])"))
    page.get_by_role("complementary", name="The chosen page").wait_for()
    page.locator("link-graph[data-state=drawn]").wait_for(timeout=120_000)
    return found | {"find": max(times), "memory": renderer_memory(), "empty": empty}


def measure(browser: Browser, size: str) -> str:
    """Return the table's line for one size; a figure over its limit is marked."""
    graph = site(size)
    shown = {"inlinks": measures.inlinks(graph), "outlinks": measures.outlinks(graph)}
    server = milliseconds(lambda: picture.files(graph, shown))
    force = milliseconds(lambda: layout.force(graph.n, graph.source, graph.target))
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    it = look(page, f"{serve({size: picture_files(graph)})}/{size}")
    page.close()

    def mark(name: str) -> str:
        digits = 1 if it[name] < 10 else 0
        over = "!" if it[name] > LIMITS[name] else ""
        return f"{it[name]:.{digits}f}{over}"

    return (
        f"{size:6} {graph.n:7,} {server:8.0f} {mark('first'):>6} {it['whole']:6.0f} "
        f"{mark('frame'):>5} ({it['frame95']:.0f}) "
        f"{mark('hover'):>10} ({it['hoverworst']:.1f}) {mark('find'):>8} "
        f"{it['path']:6.0f} {mark('memory'):>7} ({it['empty']:.0f}) {force:9.0f}"
    )


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def main(sizes: list[str]) -> list[str]:
    """Return the table, line by line."""
    lines = [
        "links   pages    server  first  whole  frame (95th)  hover (worst)  find   path   "
        "memory (empty)  force",
        f"limit             {LIMITS['first']:9}          {LIMITS['frame']:4}          "
        f"{LIMITS['hover']:4}          {LIMITS['find']:4}           {LIMITS['memory']:4}",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH_ARGS)
        lines += [measure(browser, size) for size in sizes]
        browser.close()
    return lines


if __name__ == "__main__":
    print("\n".join(main(sys.argv[1:] or [size for size in SIZES if size != "1k"])))
