"""Projects: sites are made once and only when asked for, collections are opened by their id."""

import pytest

from pipulate.simulator.demo import demo_projects
from pipulate.simulator.generated import generate_site
from pipulate.simulator.projects import Analysis, Project


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
