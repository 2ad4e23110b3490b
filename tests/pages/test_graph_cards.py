"""Link graphs in cards: what may be chosen, what leads to what."""

import re
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from fasthtml.common import to_xml

from pipulate.pages import graph_cards


@dataclass
class Place:
    """A graph on disk."""

    org: str
    project: str
    analysis: str
    pages: Path | None = None
    asked: dict[str, Any] | None = None

    def choice(self) -> dict[str, Any] | None:
        return self.asked


@dataclass
class Analysis:
    """One of Botify's."""

    slug: str
    done: bool = True
    status: str = "success"
    urls: int | None = 1234
    date: date = date(2024, 3, 1)


RUNNING = Analysis("20240401", done=False, status="crawling", urls=None)
FOUND = [RUNNING, Analysis("20240301"), Analysis("20240201"), Analysis("20240101")]
KEPT = {"20240201": Place("acme", "shop", "20240201", Path("meta.csv"))}


def radios(shown: str) -> dict[str, str]:
    """Each radio button's state, by its value."""
    states = {}
    for button in re.findall(r"<input[^>]*>", shown):
        value = re.search(r'value="(\w+)"', button)
        assert value
        states[value[1]] = " ".join(word for word in ("checked", "disabled") if word in button)
    return states


def test_only_what_is_finished_and_not_there_can_be_chosen() -> None:
    """What the address named is chosen if it can be, else the latest."""
    shown = to_xml(graph_cards.choice(FOUND, KEPT, "20240101", "latest"))
    assert radios(shown) == {
        "latest": "",
        "20240401": "disabled",
        "20240301": "",
        "20240201": "disabled",
        "20240101": "checked",
    }
    assert "The latest one, 20240301" in shown and "1,234" in shown
    for wanted in ("latest", "20240201", "20200101"):
        shown = to_xml(graph_cards.choice(FOUND, KEPT, wanted, "latest"))
        assert radios(shown)["latest"] == "checked"
        assert list(radios(shown).values()).count("checked") == 1


def test_what_the_run_had_can_be_kept() -> None:
    """Also if it is on disk, as it is after the export; an answer is needed."""
    shown = to_xml(graph_cards.choice(FOUND, KEPT, "latest", "latest", own="20240201"))
    assert radios(shown)["20240201"] == "" and "required" in shown


def test_what_is_there_is_told_and_leads_to_its_picture() -> None:
    """In the table, in the list, and of the latest one."""
    shown = to_xml(graph_cards.choice(FOUND, KEPT, "latest", "latest"))
    assert 'href="/graph/acme/shop/20240201">(links &amp; meta)' in shown
    assert "1 on disk already" in shown
    latest = {"20240301": Place("acme", "shop", "20240301")}
    asked = {"depth": 3, "columns": ["pagetype", "sitemap"]}
    kept = {"20240201": replace(KEPT["20240201"], asked=asked)}
    shown = to_xml(graph_cards.choice(FOUND, kept, "latest", "latest"))
    assert "depth 3, pagetype, sitemap" in shown
    assert "(links only, on disk)" in to_xml(graph_cards.choice(FOUND, latest, "latest", "latest"))


def test_a_project_without_any_is_no_error() -> None:
    """Neither analyses nor graphs."""
    shown = to_xml(graph_cards.choice([], {}, "", "latest"))
    assert radios(shown) == {"latest": "checked"} and "on disk already" not in shown


def test_files_are_those_that_are_there() -> None:
    """The page table only if there is one; the other site gets no hold on our window."""
    both = to_xml(tuple(graph_cards.files(KEPT["20240201"])))
    assert re.findall(r'download="([^"]+)"', both) == [
        "shop_20240201_links.csv",
        "shop_20240201_meta.csv",
    ]
    assert 'rel="noopener"' in both and "/cosmograph/acme/shop/20240201" in both
    assert "meta" not in to_xml(tuple(graph_cards.files(Place("acme", "shop", "20240201"))))


def test_a_preview_leads_to_the_whole() -> None:
    """The small picture never asks for the Force layout."""
    small = to_xml(graph_cards.preview("/graph/a/b/20240301"))
    assert "Open the picture" in small and "/graph/a/b/20240301/report" in small
    assert "force" not in small
    assert "/graph/a/b/20240301/force" in to_xml(graph_cards.whole_picture("/graph/a/b/20240301"))
