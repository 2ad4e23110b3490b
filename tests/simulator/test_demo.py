"""The demo: its projects with several analyses each, and the simulator that serves them."""

import asyncio

import httpx2
import polars as pl
import pytest

from pipulate.engine.errors import Invalid
from pipulate.simulator.demo import DEMO_BASE, demo_projects, demo_simulator
from pipulate.simulator.inprocess import InProcessTransport
from pipulate.simulator.options import DEMO_TOKEN
from tests.simulator.examples import GRAPH, X, body, csv_rows, export_body

CRAWL = "crawl.20261102"


def test_every_project_has_the_usual_analyses():
    """A running crawl, a finished one, a failed one and two of the same day, newest first."""
    for project in demo_projects():
        assert [(analysis.slug, analysis.status) for analysis in project.analyses] == [
            ("20261116", "crawling"),
            ("20261102", "success"),
            ("20261019", "failed"),
            ("20261005-2", "success"),
            ("20261005", "success"),
        ]
        assert project.url == f"https://app.botify.com/demo/{project.slug}/"


def test_tiny_has_no_javascript_and_a_folder_no_search_console(tmp_path):
    """Projects lack what their kind of site cannot have."""
    docs = tmp_path / "docs.v1"
    docs.mkdir()
    (docs / "index.html").write_text("<a href='x.html'>x</a>")
    projects = {each.slug: each for each in demo_projects(links=600, folders=[docs, docs])}
    assert list(projects) == ["shop", "tiny", "portal", "links-600", "docs-v1", "docs-v1-2"]
    assert "js_executed" not in projects["tiny"].site("20261102").pages.columns
    assert len(projects["links-600"].site("20261102").sources) == 600
    folder = projects["docs-v1"]
    assert folder.search_days is None
    assert folder.collection("search_console", "crawl.{}".format) is None
    assert folder.site("20261102").pages["http_code"].to_list() == [200, 404]


def test_a_folder_is_crawled_from_every_file_that_no_click_reaches(tmp_path):
    """Such files are start pages, so that no link is lost to a filter on depth."""
    links = {"index": "a", "a": "b", "b": "", "lost": "gone", "lone": "lost"}
    for name, target in links.items():
        (tmp_path / f"{name}.html").write_text(f"<a href='{target}.html'>x</a>" if target else "")
    project = demo_projects(folders=[tmp_path])[-1]
    pages = project.site("20261102").pages
    names = pages["url"].str.extract(r"(\w+)\.html$")
    depths = {"index": 0, "a": 1, "b": 2, "lost": 0, "lone": 0, "gone": 1}
    assert dict(zip(names, pages["depth"], strict=True)) == depths
    there = project.site("20261005").pages.filter(pl.col("http_code") == 200)
    assert there["depth"].null_count() == 0


def test_a_missing_folder_is_said_at_once(tmp_path):
    """A wrong path must not wait for the first request."""
    with pytest.raises(Invalid, match="not a folder"):
        demo_projects(folders=[tmp_path / "none"])


def client(app) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Token {DEMO_TOKEN}"}
    transport = InProcessTransport(app)
    return httpx2.AsyncClient(transport=transport, base_url=DEMO_BASE, headers=headers, timeout=60)


async def test_the_demo_in_process(tmp_path):
    """The tiny demo site is exported; a second simulator on the folder knows the job."""
    query = body(["url", GRAPH.replace(X, CRAWL)], collections=[CRAWL])
    posted = export_body(query, username="demo", project="tiny")
    first = demo_simulator(tmp_path)
    async with client(first) as http:
        job = (await http.post("/jobs", json=posted)).json()
        address = f"/jobs/{job['job_id']}"
        assert (await http.get(address)).json()["job_status"] == "CREATED"
    first.state.jobs.close()
    async with client(demo_simulator(tmp_path)) as http:
        while job["job_status"] != "DONE":  # each look waits a moment for the file
            job = (await http.get(address)).json()
        url = job["results"]["download_url"]
        file = await http.get(url)
    assert url.startswith("http://localhost/cdn/")
    assert len(csv_rows(file.content)) == 1_000


async def test_the_loop_is_free_while_a_big_site_is_made_and_exported():
    """Other work goes on while the portal (300,000 links) is made and counted."""
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.005)

    worker = asyncio.create_task(other_work())
    async with client(demo_simulator()) as http:
        request = body([], [f"{CRAWL}.count_urls_crawl"], collections=[CRAWL])
        answer = await http.post("/projects/demo/portal/query", json=request)
    worker.cancel()
    assert answer.json()["results"][0]["metrics"][0] > 9_000
    assert turns > 20
