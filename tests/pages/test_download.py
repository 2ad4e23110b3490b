"""Exported CSVs, and nothing else: who gets them, in which form."""

import httpx2
import pytest
from fasthtml.common import FastHTML

from pipulate.graph.shelf import Place, Shelf
from pipulate.pages.download import COSMOGRAPH

LINKS = "/download/acme/shop/shop_20240301_links.csv"
META = "/download/acme/shop/shop_20240301_meta.csv"


@pytest.fixture
def place(app: FastHTML) -> Place:
    """Give an analysis with its links and pages on disk."""
    place = Shelf(app.state.settings.downloads).place("acme", "shop", "20240301")
    place.folder.mkdir(parents=True)
    place.links.write_text("source,target\nhttps://a.example/,https://b.example/\n")
    place.meta.write_text("id,title\nhttps://a.example/,=1+1\n")
    return place


async def test_a_file_is_sent_as_it_is(client: httpx2.AsyncClient, place: Place) -> None:
    """Under its own name."""
    answer = await client.get(LINKS)
    assert answer.content == place.links.read_bytes()
    assert answer.headers["content-disposition"] == f'attachment; filename="{place.links.name}"'
    assert (await client.head(LINKS)).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/download/acme/shop/shop_20240302_links.csv",
        "/download/acme/shop/secret.csv",
        "/download/acme/shop/shop_20240301.graph",
        "/download/acme/other/shop_20240301_links.csv",
        "/download/acme/shop/..%2fshop%2fshop_20240301_links.csv",
        "/download/..%2facme/shop/shop_20240301_links.csv",
        "/cosmograph/acme/shop/20240302",
        "/cosmograph/acme/shop/..%2f20240301",
    ],
)
async def test_all_else_is_the_same_404(
    client: httpx2.AsyncClient, place: Place, address: str
) -> None:
    """Whether it exists or not: the answer does not tell."""
    (place.folder / "secret.csv").write_text("x")
    place.graph.mkdir()
    refused = await client.get(address)
    usual = await client.get("/download/no/such/file")
    assert refused.status_code == usual.status_code == 404
    body = refused.text.partition("<main")[2].partition("</main>")[0]
    assert body == usual.text.partition("<main")[2].partition("</main>")[0]


async def test_only_cosmograph_may_read_from_elsewhere(
    client: httpx2.AsyncClient, place: Place
) -> None:
    """The one site that the user is led to; every answer says that it depends on who asks."""
    for origin, allowed in ((COSMOGRAPH, COSMOGRAPH), ("https://evil.example", None)):
        for method in ("GET", "OPTIONS"):
            answer = await client.request(method, LINKS, headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
    asked = await client.options(LINKS, headers={"Origin": COSMOGRAPH})
    assert asked.status_code == 204 and asked.headers["vary"] == "Origin"
    assert asked.headers["access-control-allow-methods"] == "GET"


async def test_cosmograph_is_opened_with_the_files_that_are_there(
    client: httpx2.AsyncClient, place: Place
) -> None:
    """Pages and their colours only if there is a page table."""
    led = (await client.get("/cosmograph/acme/shop/20240301")).headers["location"]
    asked = httpx2.URL(led).params
    assert asked["data"].endswith(LINKS) and asked["meta"].endswith(META)
    place.meta.unlink()
    led = (await client.get("/cosmograph/acme/shop/20240301")).headers["location"]
    assert set(httpx2.URL(led).params) == {"data", "link-spring"}


async def test_a_spreadsheet_computes_nothing(client: httpx2.AsyncClient, place: Place) -> None:
    """A cell that begins like a formula gets an apostrophe; the name tells the copy."""
    answer = await client.get(META, params={"spreadsheet": "1"})
    assert answer.text.splitlines()[1] == "https://a.example/,'=1+1"
    assert "shop_20240301_meta_spreadsheet.csv" in answer.headers["content-disposition"]
