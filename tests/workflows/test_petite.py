"""Petite: every kind of field is taken, and the briefing shows it all."""

import io
import json
import re
from contextlib import closing
from types import SimpleNamespace

import pytest
from fastcore.xml import to_xml

from pipulate import Invalid, Settings
from pipulate.commands.run import find
from pipulate.engine.changed import opened
from pipulate.engine.kept import keep
from pipulate.engine.store import Store
from pipulate.workflows.petite import check_brief, check_data, numbers, rows

ANSWERS = {
    "site": "https://example.com",
    "text": "**Goal:** more",
    "due": "2026-11-23",
    "market": "Asia",
    "goals": ["More sales", "Fewer errors"],
    "pace": "Calm",
    "hours": "8",
}


async def test_the_briefing_has_what_was_answered(play):
    """As a page, and as a file to download."""
    run, result = await play("petite", **ANSWERS)
    assert "<strong>Goal:</strong> more" in result
    assert "Market: Asia. Goals: More sales, Fewer errors." in result
    assert 'download="arthur.md"' in result and "The numbers" not in result
    assert run["choices"]["effort"] == 5 and run["choices"]["report"] is False
    assert run["data"] == {"table": None, "hours": 8} and "Due on a Monday, 2026-11-23" in result


def test_a_table_becomes_bars(tmp_path):
    """Each number as its share of the largest; a negative one has no bar."""
    file = tmp_path / "numbers.csv"
    file.write_text("Page,Visits\nHome,10\nShop,2.5\nLoss,-4\nOdd\n", encoding="utf-8")
    assert rows(file) == [("Home", 10.0), ("Shop", 2.5), ("Loss", -4.0)]
    shown = to_xml(numbers({"data": {"table": file}}))
    assert re.findall(r'<progress value="(.*?)" max="(.*?)"', shown) == [
        ("10.0", "10.0"),
        ("2.5", "10.0"),
        ("0", "10.0"),
    ]


def test_what_cannot_be_is_refused_at_its_field(tmp_path):
    """The message stands where the mistake was made."""
    with pytest.raises(Invalid) as refused:
        check_brief(None, {"site": "https://example.invalid/x"})
    assert refused.value.field == "site"
    file = tmp_path / "empty.csv"
    file.write_text("only,words\n", encoding="utf-8")
    with pytest.raises(Invalid) as refused:
        check_data(None, {"table": file})
    assert refused.value.field == "table"


async def test_a_run_of_before_opens_with_its_numbers_and_files(tmp_path):
    """Numbers were texts, and a file was where the server had been started."""
    data = tmp_path / "data"
    file = keep(io.BytesIO(b"Home,10\nShop,5\n"), "numbers.csv", data)
    old = {"file": file.name, "path": f"data/uploads/{file.sha256[:16]}/numbers.csv"}
    record = {
        "step_01": {"site": "https://example.com", "contact": "", "text": "x", "due": ""},
        "step_02": {"market": "Asia", "goals": [], "pace": "Calm", "effort": "5", "report": False},
        "step_03": {"table": {**old, "size": file.size, "sha256": file.sha256}, "hours": "8"},
    }
    settings = Settings(data=data)
    flow = find("petite", settings)
    with closing(Store(settings.database)) as store:
        flow.engine(store).initialize_if_missing("arthur", record)
        run = await opened(flow, store, "arthur", settings)
        assert run["data"] == {"table": file, "hours": 8} and run["choices"]["effort"] == 5
        assert run["brief"]["due"] is None and run.open_index == 3
        assert "Shop" in to_xml(numbers(run))
        assert str(tmp_path) not in json.dumps(run.state) and '"hours": 8' in json.dumps(run.state)


class Lines(io.StringIO):
    """A file with the same line for ever."""

    def __init__(self, line):
        super().__init__()
        self.line = line

    def readline(self, size=-1):
        """Return it again."""
        return self.line


def test_a_table_without_an_end_is_read_as_far_as_it_is_shown():
    """No list of all rows: 25 million of them would take 2.75 GB."""
    table = SimpleNamespace(name="all.csv", open=lambda **_: Lines("name,1\n"))
    assert rows(table) == [("name", 1.0)] * 50


def test_a_row_without_an_end_is_refused():
    """In words, at the field."""
    table = SimpleNamespace(name="all.csv", open=lambda **_: Lines("x" * 9_000_000))
    with pytest.raises(Invalid, match=r"all\.csv cannot be read: line 1 has more than") as refused:
        check_data(None, {"table": table})
    assert refused.value.field == "table"
