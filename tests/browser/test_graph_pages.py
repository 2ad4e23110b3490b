"""The link graph's pages in the whole app: from CSVs on disk to picture, report, comparison."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import polars as pl
import pytest
from playwright.sync_api import Page, expect

from pipulate.app import create_app
from pipulate.engine.settings import Settings
from pipulate.graph import edges, making, measures
from pipulate.pages import graphs as pages
from tests.browser.test_look import faults
from tests.conftest import Serve
from tests.graph.sites import export, site

ADDRESS = "/graph/acme/shop/20261101"


def hub(graph: edges.Graph) -> int:
    """The page with the second most inlinks."""
    return int(measures.inlinks(graph).argsort()[-2])


def quiet(share: float, text: str) -> None:
    pass


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two analyses of a site, as exports leave them; of the later one there is all."""
    root = tmp_path_factory.mktemp("downloads")
    folder = root / "link-graph" / "acme" / "shop"
    now = site("1k")
    keep = now.target != hub(now)
    export(edges.of(now.source[keep], now.target[keep], now.pages), folder, "20261001")
    order = export(now, folder, "20261101")
    making.make_picture(quiet, **order)
    making.make_report(quiet, order["folder"])
    return root


@pytest.fixture
def base(downloads: Path, tmp_path: Path, serve: Serve) -> Iterator[str]:
    """Serve the whole app; give its address."""
    app = create_app(Settings(data=tmp_path / "data", downloads=downloads), (pages.routes,))
    yield serve(app)


def test_from_the_list_to_the_picture(page: Page, base: str) -> None:
    """The list names the graphs; the picture is drawn inside the shell; axe finds no fault."""
    page.goto(f"{base}/graph")
    expect(page.get_by_role("heading", name="acme / shop")).to_be_visible()
    page.get_by_role("link", name="20261101", exact=True).click()
    page.locator("link-graph[data-state=drawn]").wait_for()
    expect(page.locator(".told")).to_have_text(f"220 pages · {site('1k').m:,} links")
    assert faults(page) == []


def test_the_picture_of_new_csvs_is_made_while_one_waits(page: Page, base: str) -> None:
    """Without a picture, progress is shown, and the picture as soon as it is made."""
    page.goto(f"{base}/graph/acme/shop/20261001")
    page.locator("link-graph[data-state=drawn]").wait_for(timeout=180_000)
    expect(page.get_by_role("heading", level=1)).to_have_text("shop 20261001")


@pytest.mark.console("status of 404")
def test_the_force_layout_is_computed_on_demand(page: Page, base: str) -> None:
    """Choosing Force starts its computing, tells how far it is, and shows it."""
    page.goto(base + ADDRESS)
    page.locator("link-graph[data-state=drawn]").wait_for()
    page.set_viewport_size({"width": 1500, "height": 800})
    page.locator("summary", has_text="Colours and filter").click()
    page.get_by_label("Layout").select_option("force")
    page.wait_for_url("**layout=force**", timeout=180_000)
    page.locator("link-graph[data-state=drawn]").wait_for()
    assert page.evaluate("document.querySelector('link-graph').viewer.stage.discs") == []


def test_the_report_sorts_filters_and_turns_its_pages(page: Page, base: str) -> None:
    """A table is sorted and filtered over all its rows; each part of it has an address."""
    page.goto(f"{base}{ADDRESS}/report")
    expect(page.get_by_role("img", name="Pages more than 3 clicks from home")).to_be_visible()
    chapter = page.locator("#pagerank")
    chapter.get_by_text("Table of").click()
    rows = chapter.locator("tbody tr")
    where = chapter.get_by_role("status")
    inlinks = chapter.get_by_role("columnheader", name="Inlinks")
    expect(rows).to_have_count(20)
    chapter.get_by_role("link", name="Next").click()
    expect(where).to_have_text("21 to 40 of 220")
    inlinks.get_by_role("link").click()
    expect(inlinks).to_have_attribute("aria-sort", "descending")
    expect(where).to_have_text("1 to 20 of 220")
    inlinks.get_by_role("link").click()
    expect(inlinks).to_have_attribute("aria-sort", "ascending")
    chapter.get_by_role("searchbox").fill("KITCHEN-0")
    wanted = int(site("1k").urls.str.contains("kitchen-0").sum())
    expect(where).to_have_text(f"1 to {min(20, wanted)} of {wanted}")
    expect(inlinks).to_have_attribute("aria-sort", "ascending")
    rows.first.get_by_role("link").click()
    expect(page.get_by_role("complementary", name="The chosen page")).to_contain_text("kitchen-0")


def test_the_report_is_accessible(page: Page, base: str) -> None:
    """No fault for axe in either theme, nothing wider than a phone, with all tables open."""
    page.goto(f"{base}{ADDRESS}/report")
    page.evaluate("document.querySelectorAll('details').forEach((part) => part.open = true)")
    assert faults(page) == []


def test_a_comparison_shows_what_changed(page: Page, base: str) -> None:
    """The earlier analysis is chosen on the picture's page; colours and tables say what is new."""
    page.goto(base + ADDRESS)
    page.get_by_role("link", name="Compare with 20261001").click()
    page.locator("link-graph[data-state=drawn]").wait_for(timeout=180_000)
    page.locator("summary", has_text="Colours and filter").click()
    legend = page.get_by_role("list", name="Legend")
    expect(legend.get_by_role("button", name="changed")).to_be_visible()
    expect(page.get_by_role("heading", name="New links")).to_be_visible()
    new = int((site("1k").target == hub(site("1k"))).sum())
    expect(page.locator("#new_links .count").first).to_have_text(str(new))


def test_files_are_whole(base: str, downloads: Path) -> None:
    """Downloads equal the files on disk."""
    folder = downloads / "link-graph" / "acme" / "shop" / "shop_20261101.graph"
    with httpx2.Client(base_url=base) as client:
        csv = client.get(f"{ADDRESS}/report/orphans.csv")
        assert csv.content == (folder / "report" / "orphans.csv").read_bytes()
        assert "attachment" in csv.headers["content-disposition"]
        frame = pl.read_parquet(client.get(f"{ADDRESS}/report/pages.parquet").content)
        assert frame.height == 220


NOWHERE = (
    "/graph/acme/shop/20250101",
    "/graph/acme/nothing/20261101",
    "/graph/..%2f..%2fetc/shop/20261101",
    f"{ADDRESS}/with/20250101",
    f"{ADDRESS}/data/nothing",
    f"{ADDRESS}/data/..%2fmeta.json",
    f"{ADDRESS}/data/.force.part",
    f"{ADDRESS}/report/nothing",
    f"{ADDRESS}/report/..%2fmeta.json",
    f"{ADDRESS}/report/report.json",
    f"{ADDRESS}/report/%2e%2e",
)


def test_other_names_are_not_there(base: str) -> None:
    """Every other name is the same 404; nonsense in a query is passed over."""
    with httpx2.Client(base_url=base) as client:
        for path in NOWHERE:
            assert client.get(path).status_code == 404, path
        assert client.get(f"{ADDRESS}/report/orphans?sort=nothing&from=-1&q=%00").status_code == 200


def test_what_is_chosen_has_an_address_and_foreign_pages_start_nothing(base: str) -> None:
    """The form that chooses an earlier analysis leads to its page; only our own pages may post."""
    with httpx2.Client(base_url=base) as client:
        chosen = client.get(f"{ADDRESS}/compare?with=20261001")
        assert chosen.headers["location"] == f"{ADDRESS}/with/20261001"
        foreign = {"Origin": "http://evil.example"}
        assert client.post(f"{ADDRESS}/force", headers=foreign).status_code == 403
