"""Draw link graphs of real sites for the README: documentation that Debian installs as HTML.

    apt-get install python-django-doc rust-doc
    python scripts/make_graph_pictures.py

Writes pictures/graph.png (Django's documentation), graph-large.png and graph-force.png (Rust's,
725,000 links).
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from pipulate.graph.intake import html_folder  # noqa: E402
from tests.chromium import LAUNCH_ARGS, find_chromium  # noqa: E402
from tests.graph.sites import Pages, picture_files  # noqa: E402

DOCS = Path("/usr/share/doc")
SITES = {"django": DOCS / "python-django-doc" / "html", "rust": DOCS / "rust-doc" / "html"}
SHOTS = (  # name, site, theme, address
    ("graph", "django", "dark", "colour=section"),
    ("graph-large", "rust", "light", "colour=section"),
    ("graph-force", "rust", "dark", "layout=force&colour=section"),
)


def main() -> None:
    """Read the sites, serve their pictures, look at them."""
    pictures = {name: read(folder) for name, folder in SITES.items()}
    with served(pictures) as base, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH_ARGS)
        for name, site, theme, address in SHOTS:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.goto(f"{base}/{site}?theme={theme}#{address}")
            page.locator("link-graph[data-state=drawn]").wait_for(timeout=120_000)
            page.wait_for_timeout(500)  # names come a moment later
            page.screenshot(path=ROOT / "pictures" / f"{name}.png")
            page.close()
        browser.close()


def read(folder: Path) -> dict[str, bytes]:
    """Return the files of a site's picture, with both layouts."""
    _, graph = html_folder(folder)
    print(f"{folder}: {graph.n:,} pages, {graph.m:,} links")
    return picture_files(graph, force=True)


@contextmanager
def served(pictures: dict[str, dict[str, bytes]]) -> Iterator[str]:
    """Serve the pictures; give the address."""
    server = uvicorn.Server(uvicorn.Config(Pages(pictures).app(), port=0, log_level="warning"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True


if __name__ == "__main__":
    main()
