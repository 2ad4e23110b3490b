"""The client's whole journey against the simulator: under every fault, and in every dialect.

The journey is that of the link graph workflow: token, project, analyses, depth, fields, two
exports, two CSVs.  A fault that passes must not show in the result, byte for byte; one that
stays must be told as what it is; and no fault, ever, may make us pay twice or carry the token to
the file host.
"""

import asyncio
import csv
from collections import Counter
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from starlette.applications import Starlette

from pipulate.botify import queries
from pipulate.botify.answers import Job
from pipulate.botify.client import Botify
from pipulate.botify.errors import (
    AnswerLost,
    BadQuery,
    BadToken,
    JobFailed,
    JobRunning,
    LimitReached,
    LinkExpired,
    NoRight,
    NotThere,
    RateLimited,
    UnexpectedAnswer,
    Unreachable,
)
from pipulate.botify.ingest import Order, Raw
from pipulate.botify.normalise import run
from pipulate.graph.errors import BadFile
from pipulate.simulator.demo import DEMO_BASE, demo_projects
from pipulate.simulator.faults import KINDS
from pipulate.simulator.inprocess import InProcessTransport
from pipulate.simulator.options import DEMO_TOKEN, Dialect, Options, Pace, User
from pipulate.simulator.projects import Project
from pipulate.simulator.server import create_simulator, running

ORG, SHOP = "demo", "tiny"


@cache
def projects() -> list[Project]:
    """The demo projects; their sites are made once."""
    return demo_projects()


class World:
    """A simulator, a client, and one clock for both that only the client's sleeping moves."""

    def __init__(
        self, faults: str = "", options: Options | None = None, token: str = DEMO_TOKEN
    ) -> None:
        self.now = 1_700_000_000.0
        options = options or Options()
        self.app: Starlette = create_simulator(
            projects(), options=options, faults=faults, clock=lambda: self.now
        )
        self.api = Botify(
            token,
            DEMO_BASE,
            transport=InProcessTransport(self.app),
            clock=lambda: self.now,
            sleep=self._sleep,
            rng=lambda: 0.5,
        )

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    @property
    def created(self) -> Counter[str]:
        """Exports that were paid for, by name."""
        return self.app.state.jobs.created


class Result(NamedTuple):
    """What the journey brought home."""

    links: bytes
    meta: bytes
    columns: tuple[str, ...]
    order: Any
    profile: list[queries.Depth]


async def export(world: World, api: Botify, kind: str, query: queries.Json, folder: Path) -> Job:
    """One export, as a careful caller does it: a lost answer is looked for, not repeated."""
    name = queries.export_name(kind, "20261102", "nonce")
    try:
        job = await api.create_export(queries.export_body(ORG, SHOP, query, name))
    except AnswerLost:
        found = await api.find_export(name, SHOP)
        assert found is not None
        job = found
    job = await api.wait(job.id)
    await api.download(job, folder / kind)
    return job


async def journey(
    world: World, folder: Path, slug: str = "20261102", depth: int | None = None
) -> Result:
    """From a token to two CSVs."""
    async with world.api as api:
        assert (await api.profile()).username == "demo.user"
        owned = await api.projects(ORG)
        assert (ORG, SHOP) in [(p.owner, p.slug) for p in owned]
        analyses = await api.analyses(ORG, SHOP)
        assert [a.slug for a in analyses] == ["20261102", "20261005-2", "20261005"]
        assert [a.status for a in await api.analyses(ORG, SHOP, only_success=False)][:3] == [
            "crawling",
            "success",
            "failed",
        ]
        detail = await api.analysis(ORG, SHOP, slug)
        collections = await api.collections(ORG, SHOP)
        crawl = queries.crawl_id(slug, [c.id for c in collections])
        columns = queries.available(await api.fields(ORG, SHOP, crawl), search=True)
        profile = queries.read_profile(await api.query(ORG, SHOP, queries.depth_profile(crawl)))
        found = queries.deepest(
            profile, min(queries.EXPORT_LIMIT, detail.export_limit or queries.EXPORT_LIMIT)
        )
        assert found and detail.links_graph
        depth = found.depth if depth is None else depth
        console = next(c for c in collections if c.id == queries.SEARCH_CONSOLE)
        period = queries.search_period(slug, console.first, console.last)
        pages = queries.pages_query(crawl, [c.name for c in columns], period, depth)
        await export(world, api, "links", queries.links_query(crawl, depth), folder)
        await export(world, api, "pages", pages, folder)
    links_raw = Raw(folder / "links", folder / "links.csv")
    pages_raw = Raw.pages(
        folder / "pages", folder / "meta.csv", queries.page_columns(c.name for c in columns)
    )
    order = await asyncio.to_thread(run, Order(links_raw, pages_raw))
    return Result(
        links_raw.target.read_bytes(),
        pages_raw.target.read_bytes(),
        tuple(pages_raw.columns),
        order,
        profile,
    )


def rows(data: bytes) -> list[bytes]:
    """The rows below the header, sorted: without a sort, a query's order is not promised."""
    return sorted(data.splitlines()[1:])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The journey without any fault."""
    return asyncio.run(journey(World(), tmp_path_factory.mktemp("undisturbed")))


def test_the_links_are_those_of_the_site(undisturbed: Result) -> None:
    """Every link between two different pages within the depth, once, and no other."""
    site = next(p for p in projects() if p.slug == SHOP).site("20261102")
    url, depth = site.pages["url"].to_list(), site.pages["depth"].to_list()
    code = site.pages["http_code"].to_list()
    deepest = max(d.depth for d in undisturbed.profile)
    expected = {
        (url[s], url[t])
        for s, t in zip(site.sources.tolist(), site.targets.tolist(), strict=True)
        if depth[s] is not None and depth[s] <= deepest and code[s] and s != t and url[t]
    }
    got = [tuple(r) for r in csv.reader(undisturbed.links.decode().splitlines())][1:]
    assert len(got) == len(set(got)) and set(got) == expected and len(expected) > 500
    assert undisturbed.order.links.rows == len(expected)


def test_the_pages_have_the_columns_that_this_crawl_has(undisturbed: Result) -> None:
    """This one was made without JavaScript."""
    assert undisturbed.columns == (
        "id",
        "pagetype",
        "compliant",
        "canonical",
        "sitemap",
        "impressions",
        "clicks",
    )
    assert undisturbed.meta.splitlines()[0].decode() == ",".join(undisturbed.columns)


PASSING = [
    "429 times=2",
    "429=7 times=1",
    "500 times=4",
    "502 times=2",
    "503=1 times=2",
    "drop times=3 method=GET",
    "slow=0 times=2",
    "502 times=9 on=/jobs/",
    "drop times=3 on=/query",
    "next-repeats",
    "next-foreign",
    "job-no-processing",
    "job-url-foreign",
    "zip",
    "plain",
    "sep",
    "v1-header",
    "expired times=1",
    "truncated times=1",
    "cut times=2",
    "corrupt times=1",
    "500 times=2 on=/cdn",
    "lost times=2 method=POST on=/jobs",
    "lost times=2 on=/query",
    "html times=1 on=/jobs/",
    "sep; zip; cut times=1",
    "plain; sep; cut times=2 on=/cdn",
]


@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_that_passes_does_not_show(
    tmp_path: Path, undisturbed: Result, fault: str
) -> None:
    """Same bytes, two exports paid, no token at the file host."""
    world = World(fault)
    result = await journey(world, tmp_path)
    assert (result.links, result.meta) == (undisturbed.links, undisturbed.meta)
    assert sum(world.created.values()) == 2 and max(world.app.state.jobs.posts.values()) == 1
    assert world.app.state.calls.tokens_at_file_host == 0


STAYING: list[tuple[str, type[Exception]]] = [
    ("401", BadToken),
    ("403 on=/projects/demo", NoRight),
    ("404 on=/analyses", NotThere),
    ("429 on=/query", RateLimited),
    ("500 on=/authentication", Unreachable),
    ("html on=/collections", UnexpectedAnswer),
    ("drop on=/query", Unreachable),
    ("403 method=POST on=/jobs", NoRight),
    ("429 method=POST on=/jobs", RateLimited),
    ("job-fails", JobFailed),
    ("job-fails-silently", JobFailed),
    ("job-stuck", JobRunning),
    ("job-gone", NotThere),
    ("expired", LinkExpired),
    ("truncated", BadFile),
    ("cut", Unreachable),
    ("corrupt", BadFile),
    ("500 on=/cdn", Unreachable),
]


@pytest.mark.parametrize(("fault", "kind"), STAYING)
async def test_a_fault_that_stays_is_told(
    tmp_path: Path, fault: str, kind: type[Exception]
) -> None:
    """As what it is; nothing is left that could be taken for whole; nothing was paid twice."""
    world = World(fault)
    with pytest.raises(kind):
        await journey(world, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert max(world.app.state.jobs.posts.values(), default=0) <= 1
    assert world.app.state.calls.tokens_at_file_host == 0


def test_every_kind_of_fault_is_tried() -> None:
    """A fault that the simulator learns later must be added here."""
    tried = {
        part.split()[0].partition("=")[0]
        for text in [*PASSING, *(f for f, _ in STAYING)]
        for part in text.split(";")
    }
    assert tried | {"empty"} == set(KINDS)


async def test_an_empty_export_is_an_empty_table(tmp_path: Path) -> None:
    """A header and no rows."""
    result = await journey(World("empty"), tmp_path)
    assert result.links == b"source,target\n" and result.order.pages.rows == 0


@pytest.mark.parametrize("answer", ["drop", "500", "html", "502"])
async def test_an_export_that_never_arrived_is_not_sent_again(answer: str) -> None:
    """One POST whose answer told nothing: no definite error, and an honest "not found"."""
    world = World(f"{answer} times=1 method=POST on=/jobs")
    body = queries.export_body(ORG, SHOP, queries.links_query("crawl.20261102", 1), "name")
    async with world.api as api:
        with pytest.raises(AnswerLost) as caught:
            await api.create_export(body)
        assert not caught.value.definite
        assert await api.find_export("name", SHOP) is None
    assert world.app.state.calls.count("POST", "/v1/jobs") == 1 and not world.created


READINGS: list[tuple[str, Any]] = [
    ("bad_token_status", 403),
    ("bad_token_detail", True),
    ("profile_names", False),
    ("list_size", 1),
    ("query_size", 1),
    ("query_size_limit", 2),
    ("next_keeps_size", False),
    ("last_next", "absent"),
    ("past_end", "missing"),
    ("always_count", True),
    ("failure_in", "nowhere"),
    ("results_extra", True),
    ("booleans", ("True", "False")),
    ("refuse_bad_jobs", True),
    ("same_day_mark", "_"),
    ("export_limit", 900_000),
    ("refuse_over_limit", True),
    ("running_jobs", 1),
    ("rate", 5),
    ("retry_after", 3),
    ("allowed_origins", ("https://cosmograph.app",)),
    ("file_base", "http://localhost/cdn"),
    ("admin", True),
    ("pace", Pace(polls=0)),
    ("pace", Pace(polls=5, seconds=100)),
    *(
        ("bql", replace(Dialect(), **{f.name: 0 if f.name == "empty_sum" else True}))
        for f in fields(Dialect)
    ),
]


@pytest.mark.parametrize(("name", "value"), READINGS)
async def test_any_reading_of_the_unknown_gives_the_same(
    tmp_path: Path, undisturbed: Result, name: str, value: Any
) -> None:
    """What Botify leaves open may be either way: the client does not notice."""
    world = World(options=replace(Options(), **{name: value}))
    result = await journey(world, tmp_path)
    assert rows(result.links) == rows(undisturbed.links)
    assert rows(result.meta) == rows(undisturbed.meta)
    refused = [call for call in world.app.state.calls.log if call.status >= 400]
    assert [call for call in refused if not (name == "past_end" and call.status == 404)] == []


def test_every_reading_is_tried() -> None:
    """An option that the simulator learns later must be added here."""
    assert {name for name, _ in READINGS} == {f.name for f in fields(Options)}


async def test_second_crawl_of_a_day(tmp_path: Path) -> None:
    """Slug and collection with `-2`, whichever way that is written; another crawl's links."""
    first = await journey(World(), tmp_path / "a", "20261005")
    second = await journey(World(), tmp_path / "b", "20261005-2")
    other = await journey(World(options=Options(same_day_mark=".")), tmp_path / "c", "20261005-2")
    assert second.links == other.links != first.links


async def test_fewer_columns_stay_right(tmp_path: Path, undisturbed: Result) -> None:
    """Unticking any of them changes only what is there, not what it means."""
    full = {
        line.split(b",")[0]: line.split(b",")
        for line in undisturbed.meta.splitlines()[1:]
        if b'"' not in line
    }
    for names in (["clicks"], ["sitemap", "compliant"], ["impressions", "pagetype"], []):
        world, columns = World(), queries.page_columns(names)
        period = queries.search_period("20261102", None, projects()[1].search_days[1])
        folder = tmp_path / "-".join(["x", *names])
        async with world.api as api:
            await export(
                world, api, "pages", queries.pages_query("crawl.20261102", names, period), folder
            )
        raw = Raw.pages(folder / "pages", folder / "meta.csv", columns)
        await asyncio.to_thread(run, Order(pages=raw))
        where = [undisturbed.columns.index(c.name) for c in columns]
        got = {
            line.split(b",")[0]: line.split(b",")[1:]
            for line in raw.target.read_bytes().splitlines()[1:]
            if b'"' not in line
        }
        common = got.keys() & full.keys()
        assert len(common) > 50 and all(got[url] == [full[url][i] for i in where] for url in common)


async def test_export_that_reaches_its_size_is_possibly_truncated(tmp_path: Path) -> None:
    """The server cuts without a word; the count tells."""
    world = World()
    async with world.api as api:
        body = queries.export_body(ORG, SHOP, queries.links_query("crawl.20261102", 3), "cut", 100)
        job = await api.wait((await api.create_export(body)).id)
        await api.download(job, tmp_path / "links")
    raw = Raw(tmp_path / "links", tmp_path / "links.csv", export_size=100)
    done = await asyncio.to_thread(run, Order(raw))
    assert done.links and done.links.possibly_truncated and done.links.rows_received == 100


async def test_failed_export_is_diagnosed_by_its_query(tmp_path: Path) -> None:
    """The job says nothing; the query does."""
    world = World(options=Options(failure_in="nowhere"))
    query = queries.pages_query("crawl.20261102", ["js_executed"])
    async with world.api as api:
        with pytest.raises(JobFailed) as caught:
            await export(world, api, "pages", query, tmp_path)
        assert caught.value.reason == ""
        words = await api.diagnose(ORG, SHOP, query)
        assert words and "js.rendering.exec" in words
        with pytest.raises(BadQuery, match=r"js\.rendering\.exec"):
            await api.query(ORG, SHOP, query)


async def test_account_limits_are_told() -> None:
    """An export that already runs, and one that is too large."""
    body = queries.export_body(ORG, SHOP, queries.links_query("crawl.20261102", 1), "name")
    world = World(options=Options(running_jobs=0))
    async with world.api as api:
        with pytest.raises(LimitReached) as caught:
            await api.create_export(body)
        assert caught.value.definite
    world = World(options=Options(refuse_over_limit=True, export_limit=10))
    async with world.api as api:
        with pytest.raises(BadQuery):
            await api.create_export(body)


@pytest.mark.parametrize(
    "options", [Options(), Options(bad_token_status=403), Options(bad_token_detail=True)]
)
async def test_wrong_token_is_a_bad_token(options: Options) -> None:
    """However it is said."""
    async with World(options=options, token="f" * 40).api as api:
        with pytest.raises(BadToken):
            await api.profile()


async def test_someone_elses_organisation_is_not_ours() -> None:
    """A good token without the right."""
    app = create_simulator(projects(), tokens={DEMO_TOKEN: User(orgs=frozenset())})
    async with Botify(DEMO_TOKEN, DEMO_BASE, transport=InProcessTransport(app)) as api:
        assert (await api.profile()).name == "Demo User"
        with pytest.raises(NoRight):
            await api.collections(ORG, SHOP)


async def test_over_a_real_wire(tmp_path: Path) -> None:
    """A server on loopback: dropped connections and cut files are what they are in life."""
    app = create_simulator(
        projects(),
        options=Options(pace=Pace(polls=0)),
        faults="drop times=1 on=/light; cut times=1",
    )

    async def soon(seconds: float) -> None:
        await asyncio.sleep(0)

    with running(app) as base:
        async with Botify(DEMO_TOKEN, base, sleep=soon) as api:
            assert len(await api.analyses(ORG, SHOP)) == 3
            body = queries.export_body(ORG, SHOP, queries.links_query("crawl.20261102", 2), "wire")
            job = await api.wait((await api.create_export(body)).id)
            assert await api.download(job, tmp_path / "links") > 1000
    assert app.state.calls.count("GET", "/cdn/.*") == 2 and app.state.calls.tokens_at_file_host == 0
