"""Demo projects: several analyses each, made once and only when asked for; the earlier ones differ a little."""

import numpy as np
import polars as pl
import pytest

from pipulate.engine.errors import Invalid
from pipulate.simulator.demo import demo_projects
from pipulate.simulator.earlier import earlier_site
from pipulate.simulator.generated import generate_site
from pipulate.simulator.projects import Analysis, Project
from tests.graph.test_sites import clicks


def test_every_project_has_the_usual_analyses():
    """A running crawl, a finished one, a failed one and two of the same day, newest first."""
    for project in demo_projects():
        assert [(a.slug, a.status) for a in project.analyses] == [
            ("20261116", "crawling"),
            ("20261102", "success"),
            ("20261019", "failed"),
            ("20261005-2", "success"),
            ("20261005", "success"),
        ]
        assert project.url == f"https://app.botify.com/demo/{project.slug}/"


@pytest.mark.parametrize(
    ("slug", "name", "number"),
    [
        ("20240301", "2024 Mar. 1st", 1),
        ("20240102-2", "2024 Jan. 2nd", 2),
        ("20231223-11", "2023 Dec. 23rd", 11),
        ("20161208", "2016 Dec. 8th", 1),
        ("20161211", "2016 Dec. 11th", 1),
    ],
)
def test_an_analysis_is_named_after_its_day(slug, name, number):
    """Names are worded as Botify words them; the part after the dash counts the day's crawls."""
    analysis = Analysis(slug, lambda: generate_site("x", 500))
    assert (analysis.name, analysis.number) == (name, number)


def test_a_site_is_made_once():
    """Asking twice gives the same object and calls the maker once; nothing is made before."""
    made = []

    def make():
        made.append(1)
        return generate_site("x", 500)

    project = Project("org", "x", "X", [Analysis("20240301", make)])
    assert not made
    assert project.site("20240301") is project.site("20240301")
    assert len(made) == 1


def test_the_earlier_site_differs_slightly():
    """Most pages and links are the same, some are missing, a few pages were in another state; depths are true."""
    now = generate_site("shop", 5_000)
    before = earlier_site(now, seed=1)
    assert before.home == now.home
    assert 0.9 < len(before.pages) / len(now.pages) < 1
    assert 0.8 < len(before.sources) / len(now.sources) < 1
    both = now.pages.join(before.pages, "url")
    assert 0 < (both["title"] != both["title_right"]).sum() < 0.05 * len(both)
    assert (both["http_code"] != both["http_code_right"]).any()
    hops = before.pages.with_row_index("page").join(
        before.pages.select("url", goal=pl.int_range(pl.len())),
        left_on="redirect_url",
        right_on="url",
    )
    links = list(zip(before.sources.tolist(), before.targets.tolist(), strict=True))
    links += hops.select("page", "goal").rows()
    assert before.pages["depth"].to_list() == clicks(links, len(before.pages))
    again = earlier_site(now, seed=1)
    assert np.array_equal(again.sources, before.sources) and again.pages.equals(before.pages)
    assert not earlier_site(now, seed=2).pages.equals(before.pages)


def test_tiny_has_no_javascript_and_a_folder_no_search_console(tmp_path):
    """Projects lack what their kind of site cannot have."""
    (tmp_path / "docs.v1").mkdir()
    (tmp_path / "docs.v1" / "index.html").write_text("<a href='x.html'>x</a>")
    projects = {
        p.slug: p
        for p in demo_projects(links=600, folders=[tmp_path / "docs.v1", tmp_path / "docs.v1"])
    }
    assert list(projects) == ["shop", "tiny", "portal", "links-600", "docs-v1", "docs-v1-2"]
    assert "js_executed" not in projects["tiny"].site("20261102").pages.columns
    assert len(projects["links-600"].site("20261102").sources) == 600
    folder = projects["docs-v1"]
    assert folder.search_days is None
    assert folder.collection("search_console", "crawl.{}".format) is None
    assert folder.site("20261102").pages["http_code"].to_list() == [200, 404]


def test_a_folder_is_crawled_from_every_file_that_no_click_reaches(tmp_path):
    """Such files are start pages, so no link is lost to a filter on depth; what only they link to is one deeper."""
    for name, text in {"index": "a", "a": "b", "b": "", "lost": "gone", "lone": "lost"}.items():
        (tmp_path / f"{name}.html").write_text(f"<a href='{text}.html'>x</a>" if text else "")
    project = demo_projects(folders=[tmp_path])[-1]
    pages = project.site("20261102").pages
    names = pages["url"].str.extract(r"(\w+)\.html$").to_list()
    assert dict(zip(names, pages["depth"], strict=True)) == {
        "index": 0,
        "a": 1,
        "b": 2,
        "lost": 0,
        "lone": 0,
        "gone": 1,
    }
    assert (
        project.site("20261005").pages.filter(pl.col("http_code") == 200)["depth"].null_count() == 0
    )


def test_collections_are_opened_by_id():
    """Each finished crawl, search_console and global; nothing else."""
    project = demo_projects()[1]
    ids = [
        "crawl.20261102",
        "crawl.20261005-2",
        "search_console",
        "global",
        "crawl.20261019",
        "logs",
    ]
    opened = {id: project.collection(id, "crawl.{}".format) for id in ids}
    assert [id for id, collection in opened.items() if collection is not None] == ids[:4]
    assert str(opened["search_console"].days[1]) == "2026-10-31"


def test_a_missing_folder_is_said_at_once(tmp_path):
    """A wrong path must not wait for the first request."""
    with pytest.raises(Invalid, match="not a folder"):
        demo_projects(folders=[tmp_path / "none"])
