"""What an export can give, what is there, and the words about it (crashes: test_link_graph)."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from pipulate.botify import export
from pipulate.botify.client import Botify
from pipulate.botify.export import LATEST, Plan, Wanted
from pipulate.botify.queries import Depth
from pipulate.botify.urls import Address
from pipulate.engine.errors import Invalid
from pipulate.engine.settings import Settings
from pipulate.graph.shelf import Shelf
from pipulate.simulator.demo import DEMO_BASE, demo_projects
from pipulate.simulator.inprocess import InProcessTransport
from pipulate.simulator.options import DEMO_TOKEN, Options
from pipulate.simulator.server import create_simulator

TINY = Address("demo", "tiny")

#: A plan as the step "analysis" of version 0.1.0 wrote it.
KEPT: dict[str, Any] = {
    "analysis": "20240301",
    "crawl": "crawl.20240301",
    "limit": 1000,
    "depth": 1,
    "profile": [[0, 10, 1], [1, 900, 11], [2, 5000, 60]],
    "columns": ["compliant", "clicks"],
    "period": ["2024-02-24", "2024-03-01"],
}


@pytest.fixture
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Botify]:
    """Give a connection to a simulator; its options may be a parameter."""
    options = Options(**getattr(request, "param", {}))
    simulator = create_simulator(demo_projects(), options=options)
    transport = InProcessTransport(simulator)
    async with Botify(DEMO_TOKEN, DEMO_BASE, transport=transport) as made:
        yield made


def test_a_plan_of_a_record_is_the_same_in_the_record() -> None:
    """Also one that an earlier version wrote."""
    plan = Plan.read(KEPT)
    assert plan.profile[1] == Depth(1, 900, 11)
    assert [list(row) for row in plan.fields().pop("profile")] == KEPT["profile"]
    assert Plan.read(plan.fields()) == plan


def test_a_plan_says_what_each_depth_costs() -> None:
    """Pages are counted one click further than links; what is cut off is told."""
    plan = Plan.read(KEPT)
    assert plan.links == 900
    assert plan.depths() == {
        0: "Depth 0: 10 links, 11 pages, 12.0 credits",
        1: "Depth 1: 900 links, 60 pages, 150.0 credits",
        2: "Depth 2: 5,000 links, 60 pages, 560.0 credits (cut off at 1,000)",
    }


def test_a_plan_offers_its_columns_by_group() -> None:
    """And asks for those that are wanted; without any, for the links alone."""
    plan = Plan.read(KEPT)
    groups = {label: [c.name for c in columns] for label, columns in plan.groups().items()}
    assert groups == {"Search performance": ["clicks"], "Technical": ["compliant"]}
    assert list(plan.asked(Wanted.read({"depth": "1"}))) == ["links"]
    asked = plan.asked(Wanted.read({"depth": "1", "fields": ["clicks"]}))
    assert asked["pages"]["periods"] == [KEPT["period"]]


async def test_the_latest_analysis_is_planned_by_name(api: Botify) -> None:
    """The name of the day goes into the record, not the word."""
    plan = await export.plan(api, TINY, LATEST)
    assert (plan.analysis, plan.crawl) == ("20261102", "crawl.20261102")
    assert plan == await export.plan(api, TINY, "20261102")
    assert plan.period and "clicks" in plan.columns
    assert plan.links <= plan.limit


async def test_an_analysis_that_is_not_there_is_refused(api: Botify) -> None:
    """Before anything is asked about it."""
    with pytest.raises(Invalid, match="tiny has no finished analysis '20200101'"):
        await export.plan(api, TINY, "20200101")


@pytest.mark.parametrize("api", [{"export_limit": 1}], indirect=True)
async def test_links_that_exceed_any_limit_are_refused(api: Botify) -> None:
    """Not even the home page's may be exported."""
    with pytest.raises(Invalid, match="more than the 1 rows"):
        await export.plan(api, TINY, LATEST)


def test_what_is_on_disk(tmp_path: Path) -> None:
    """Finished links only, newest first; leftovers, foreign files and pages alone do not count."""
    settings = Settings(downloads=tmp_path)
    shop = Address("acme", "shop")
    assert export.on_disk(settings, shop) == {}
    kinds = {
        "20240101": "links meta",
        "20240101-2": "links",
        "20240301": "links meta",
        "20240401": "meta",
    }
    for analysis, there in kinds.items():
        place = Shelf(tmp_path).place("acme", "shop", analysis)
        place.folder.mkdir(parents=True, exist_ok=True)
        for kind in there.split():
            getattr(place, kind).write_text("x")
    for name in (
        "other_20240501_links.csv",
        "shop_latest_links.csv",
        ".shop_20240601_links.csv.0a.part",
        "shop_20240601_links.csv.part",
    ):
        (place.folder / name).write_text("x")
    (place.folder / "shop_20240701_links.csv").mkdir()
    found = export.on_disk(settings, shop)
    assert [(analysis, place.pages is not None) for analysis, place in found.items()] == [
        ("20240301", True),
        ("20240101-2", False),
        ("20240101", True),
    ]


def test_candidates_are_read_from_the_data_folder(tmp_path: Path) -> None:
    """None without the file."""
    settings = Settings(data=tmp_path)
    assert export.candidates(settings) == []
    (tmp_path / "candidates.txt").write_text("acme\n  shop\n", "utf-8")
    assert export.candidates(settings) == [Address("acme", "shop")]


def test_what_is_missing_is_told() -> None:
    """Rows at the limit, and rows that are no links."""
    links = {"possibly_truncated": True, "incomplete": 1200, "self_links": 3}
    assert export.cut_off({"links": links}).startswith("Possibly truncated: the links have")
    assert export.left_out({"links": links}).startswith("1,200 links without a target and 3 of")
    pages = {"possibly_truncated": False}
    assert export.cut_off({"pages": pages}) == export.left_out({"pages": pages}) == ""
