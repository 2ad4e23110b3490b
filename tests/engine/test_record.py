"""The record's laws: what an ID names, what counts as done, what revert and undo keep, what
JSON brings back."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipulate.engine import record as rec
from pipulate.engine.errors import Corrupt, Invalid

# No deadline: a busy machine is no finding.
law = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

STEPS = [(f"key{number}", f"step_{number:02d}", f"Label {number}") for number in range(1, 6)]
IDS = [step[1] for step in STEPS]

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
answers = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
steps_done = st.dictionaries(st.sampled_from(IDS), st.dictionaries(texts, answers, max_size=3))
acts = st.dictionaries(
    texts, st.fixed_dictionaries({"begun": texts}, optional={"result": answers}), max_size=3
)


@st.composite
def records(draw: st.DrawFn) -> rec.Record:
    """Draw any record that the engine could have written."""
    record: rec.Record = {**draw(steps_done), "created": "2026-11-23T19:10:00+00:00"}
    optional = {"was": draw(steps_done), "once": draw(acts), "version": draw(st.integers(1, 9))}
    return record | {key: value for key, value in optional.items() if draw(st.booleans())}


# --- IDs


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        # nothing to do: any text is an ID, case and inner spaces are its own
        ("arthur", "arthur"),
        ("Arthur", "Arthur"),
        ("King  Arthur/../2", "King  Arthur/../2"),
        ("https://example.com/acme/shop?x=1", "https://example.com/acme/shop?x=1"),
        ("x" * 500, "x" * 500),
        # trimmed, of unseen padding too
        ("  arthur \t\r\n", "arthur"),
        ("\u200b\ufeffarthur\u2060\u00a0\u200f", "arthur"),
        # one spelling for each letter, whichever keyboard wrote it
        ("Zoe\u0308", "Zo\u00eb"),
        # an address is a text like any other
        ("app.botify.com/acme/shop", "app.botify.com/acme/shop"),
    ],
)
def test_what_an_id_names(typed: str, named: str) -> None:
    """Different spellings of one run's ID name one run."""
    assert rec.normalise_id(typed) == named


NO_IDS = ["", "   ", "\u200b", "a\x00b", "a\nb", "a\x7f", "\ud800", "x" * 501, None, 7, b"arthur"]


@pytest.mark.parametrize("typed", NO_IDS, ids=lambda typed: repr(typed)[:12])
def test_what_is_no_id(typed: Any) -> None:
    """An empty, huge, unprintable or non-text ID is refused at the field `id`, in words."""
    with pytest.raises(Invalid) as caught:
        rec.normalise_id(typed)
    assert caught.value.field == "id" and "ID" in str(caught.value)


@law
@given(st.text(max_size=600))
def test_normalising_twice_is_normalising_once(typed: str) -> None:
    """A normalised ID is its own normal form, NFC, trimmed, and 1 to 500 characters long."""
    try:
        id = rec.normalise_id(typed)
    except Invalid:
        return
    assert rec.normalise_id(id) == rec.normalise_id(f"  {id}\n") == id
    assert 1 <= len(id) <= rec.MAX_ID and id == id.strip() == unicodedata.normalize("NFC", id)


# --- JSON


@law
@given(records())
def test_a_record_comes_back_as_it_went(record: rec.Record) -> None:
    """Any record is the same after dumps and loads, in text that any JSON reader takes."""
    text = rec.dumps(record)
    assert rec.loads(text) == record == json.loads(text)
    text.encode()


@pytest.mark.parametrize(
    "value",
    [{1, 2}, object(), b"bytes", float("nan"), float("inf"), "lone \ud800 surrogate", {("a",): 1}],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    """An answer that JSON or UTF-8 cannot hold is refused in words, before anything is stored."""
    with pytest.raises(Invalid, match="not plain JSON"):
        rec.dumps({"step_01": {"x": value}})


def test_an_endless_answer_is_refused() -> None:
    """A value that holds itself, or is nested a hundred thousand deep, is refused and not a
    crash."""
    endless: list[Any] = []
    endless.append(endless)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (endless, deep):
        with pytest.raises(Invalid, match="not plain JSON"):
            rec.dumps({"step_01": {"x": value}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nonsense",
        "[]",
        "null",
        '"text"',
        "7",
        '{"a": 1,}',
        "[" * 200_000,
        '{"step_01": "\x01"}',
        '{"was": []}',
        '{"was": null}',
        '{"once": "x"}',
        '{"version": "2"}',
    ],
    ids=lambda text: text[:20],
)
def test_a_damaged_record_says_so(text: str) -> None:
    """Text that is no record raises Corrupt with the reason, whatever is wrong with it."""
    with pytest.raises(Corrupt, match=r"record|format"):
        rec.loads(text)


# --- done, next


@pytest.mark.parametrize(
    ("value", "done"),
    [
        ({"color": "blue"}, True),
        ({"color": "", "size": "L"}, True),
        ({"agree": False}, True),  # an answer: no
        ({"count": 0}, True),
        ({"rows": [0]}, True),
        ("blue", True),
        (0, True),
        (False, True),
        ([1], True),
        ({}, False),
        ({"color": ""}, False),
        ({"color": None, "rows": [], "map": {}}, False),
        ("", False),
        (None, False),
        ([], False),
    ],
)
def test_what_is_done(value: Any, done: bool) -> None:
    """A step is done if its value holds something; an emptied step is not."""
    assert rec.is_done({"step_01": value}, "step_01") is done


def test_a_missing_step_is_not_done() -> None:
    """A step that the record does not know is open."""
    assert not rec.is_done({}, "step_01")


def test_step_ids_are_in_order_past_ninety_nine() -> None:
    """The steps of a record are listed by number, and nothing else of it is."""
    record = {
        "created": "",
        "step_100": 1,
        "step_99": 1,
        "step_02": 1,
        "was": {},
        "steps": 1,
        "my_step_01": 1,
    }
    assert rec.step_ids(record) == ["step_02", "step_99", "step_100"]


# --- revert and undo


@law
@given(records(), st.sampled_from(IDS))
def test_revert_undoes_the_step_and_all_later_ones(record: rec.Record, step_id: str) -> None:
    """After a revert the steps before it stand, it and the later ones are open, and what they
    held is in `was`."""
    before = json.dumps(record)
    cleared = rec.clear_from(record, step_id, STEPS)
    at = IDS.index(step_id)
    assert json.dumps(record) == before  # pure
    assert all(cleared.get(id) == record.get(id) for id in IDS[:at])
    assert not any(id in cleared for id in IDS[at:])
    for id in IDS[at:]:
        if rec.is_done(record, id):
            assert cleared["was"][id] == record[id]
        else:
            assert cleared.get("was", {}).get(id) == record.get("was", {}).get(id)
    for key in ("once", "version", "created"):
        assert cleared.get(key) == record.get(key)


@law
@given(records(), st.sampled_from(IDS), st.sampled_from(IDS))
def test_two_reverts_are_the_deeper_one(record: rec.Record, first: str, second: str) -> None:
    """Reverting twice leaves the steps that the deeper revert alone would leave, and loses no
    answer."""
    twice = rec.clear_from(rec.clear_from(record, first, STEPS), second, STEPS)
    once = rec.clear_from(record, min(first, second), STEPS)
    assert twice == once


@law
@given(records(), records())
def test_undo_takes_back_everything_but_outward_acts(
    snapshot: rec.Record, current: rec.Record
) -> None:
    """Restoring a snapshot gives the snapshot, with the outward acts as they are known now."""
    restored = rec.restore(snapshot, current)
    assert restored.get("once", {}) == current.get("once", {})
    assert {k: v for k, v in restored.items() if k != "once"} == {
        k: v for k, v in snapshot.items() if k != "once"
    }
    assert rec.restore(restored, current) == restored


def test_an_intention_taken_back_stays_so_after_undo() -> None:
    """An outward act that was begun, then known not to have happened, does not come back with
    an old snapshot."""
    snapshot = {
        "step_01": {"x": "1"},
        "once": {"export:job:1": {"begun": "2026-11-23T19:10:00+00:00"}},
    }
    assert rec.restore(snapshot, {"once": {}}) == {"step_01": {"x": "1"}}


@pytest.mark.parametrize(
    "entry",
    [
        7,
        None,
        [],
        {},
        {"fields": {}},
        {"key": 7, "fields": {}},
        {"key": "name"},
        {"key": "name", "fields": []},
        {"key": "name", "fields": {}, "files": 7},
        {"key": "name", "fields": {}, "kinds": "date"},
    ],
)
@pytest.mark.parametrize("part", ["asked", "gone"])
def test_a_question_that_is_none_damages_the_record(part: str, entry: Any) -> None:
    """An imported run with one made the list of all runs fail, for good."""
    with pytest.raises(Corrupt, match="which questions were answered"):
        rec.loads(rec.dumps({"step_01": {"name": "A"}, part: {"step_01": entry}}))
