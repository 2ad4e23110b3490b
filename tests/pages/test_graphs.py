"""The pages of link graphs as the server answers them (in the browser: test_graph_pages)."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fasthtml.common import FastHTML

from pipulate.app import lifespan
from pipulate.graph import shelf
from pipulate.graph.shelf import Place, Shelf
from tests.graph.sites import export, site

ADDRESS = "/graph/acme/shop/20261101"


@pytest.fixture(autouse=True)
async def served(app: FastHTML) -> AsyncIterator[None]:
    """Begin and end the app as a server does, so that at last nothing is being made any more."""
    async with asynccontextmanager(lifespan)(app):
        yield


@pytest.fixture
def place(app: FastHTML) -> Place:
    """Give an analysis whose CSVs are on disk, and an earlier one."""
    shelf = Shelf(app.state.settings.downloads)
    places = [shelf.place("acme", "shop", day) for day in ("20261001", "20261101")]
    for place in places:
        export(site("1k"), place.folder, place.analysis)
    return places[-1]


async def until_made(client: httpx2.AsyncClient, address: str) -> httpx2.Response:
    """Follow the lines of progress as HTMX does, until the page itself is there."""
    while True:
        answer = await client.get(address)
        line = re.search(r'hx-get="([^"]+)"[^>]*hx-trigger="every', answer.text)
        if not line:
            return answer
        while "hx-refresh" not in (await client.get(line[1])).headers:
            await asyncio.sleep(0.1)


async def test_without_graphs_the_way_to_one_is_told(client: httpx2.AsyncClient) -> None:
    """The list is empty at first."""
    assert "There are none yet" in (await client.get("/graph")).text


async def test_the_list_names_all_newest_first(client: httpx2.AsyncClient, place: Place) -> None:
    """Each can be compared with the one before it."""
    shown = (await client.get("/graph")).text
    assert shown.index(ADDRESS) < shown.index("/graph/acme/shop/20261001")
    assert shown.count("Compare with") == 1 and f"{ADDRESS}/with/20261001" in shown


async def test_what_is_looked_at_is_made(htmx: httpx2.AsyncClient, place: Place) -> None:
    """The picture, then report and comparison, and the Force layout when it is asked for."""
    drawn = await until_made(htmx, ADDRESS)
    assert f'src="{ADDRESS}/data/"' in drawn.text and shelf.picture(place.graph).is_dir()
    report = await until_made(htmx, f"{ADDRESS}/report")
    assert "Report on shop 20261101" in report.text
    table = (await htmx.get(f"{ADDRESS}/report/orphans")).text
    assert "<table" in table and "<main" not in table
    changes = await until_made(htmx, f"{ADDRESS}/with/20261001")
    assert "20261001 → 20261101" in changes.text
    force = f"{ADDRESS}/force"
    assert (await htmx.get(force)).json()["text"] == "It was not asked for"
    assert (await htmx.post(force)).json()["state"] == "running"


async def test_the_earlier_analysis_may_come_as_a_query(
    client: httpx2.AsyncClient, place: Place
) -> None:
    """As a form of a page sends it."""
    answer = await client.get(f"{ADDRESS}/compare", params={"with": "20261001"})
    assert answer.headers["location"] == f"{ADDRESS}/with/20261001"


@pytest.mark.parametrize(
    "address",
    [
        "/graph/acme/shop/20250101",
        "/graph/acme/nothing/20261101",
        "/graph/..%2f../shop/20261101",
        f"{ADDRESS}/with/20250101",
        f"{ADDRESS}/compare?with=..",
        f"{ADDRESS}/progress/nothing",
        f"{ADDRESS}/progress/force",
        f"{ADDRESS}/data/nothing",
        f"{ADDRESS}/data/.hidden",
        f"{ADDRESS}/report/report.json",
    ],
)
async def test_what_is_not_there_is_a_404(
    client: httpx2.AsyncClient, place: Place, address: str
) -> None:
    """Whatever the address names."""
    picture = shelf.picture(place.graph)
    picture.mkdir(parents=True)
    (picture / ".hidden").write_text("x")
    assert (await client.get(address)).status_code == 404


async def test_a_failure_is_told_with_a_way_to_try_again(
    client: httpx2.AsyncClient, place: Place
) -> None:
    """What its process said; once, so that looking again tries again."""
    place.links.write_text("a,b,c\n1,2,3\n")
    place.meta.unlink()
    shown = (await client.get(ADDRESS)).text
    while "Try again" not in shown:
        shown = (await client.get(f"{ADDRESS}/progress/picture")).text
        await asyncio.sleep(0.1)
    assert 'role="alert"' in shown and "source and target" in shown
