"""Answers follow their keys to the places that a changed file has for them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.engine import record as rec
from pipulate.engine.errors import Incompatible
from pipulate.engine.places import fitted, upgraded
from pipulate.engine.record import knows


def record(*keys: str, **more: Any) -> rec.Record:
    """Return a record whose steps of these keys are answered, in this order."""
    made: rec.Record = {"created": "then", "asked": {}}
    for place, key in enumerate(keys, 1):
        made[f"step_{place:02d}"] = {key: f"of {key}"}
        made["asked"][f"step_{place:02d}"] = {"key": key, "fields": {key: "text"}}
    return made | more


def places(*keys: str) -> dict[str, str]:
    """Return the places of a file with these steps."""
    return {key: f"step_{place:02d}" for place, key in enumerate(keys, 1)}


def test_a_step_put_in_front_moves_all_answers() -> None:
    """And is itself open."""
    found = fitted(record("name", "budget"), places("email", "name", "budget"))
    assert "step_01" not in found
    assert found["step_02"] == {"name": "of name"} and found["step_03"] == {"budget": "of budget"}
    assert found["asked"]["step_02"]["key"] == "name" and found["created"] == "then"


def test_an_answer_without_a_place_is_kept_and_comes_back_with_its_step() -> None:
    """By its key, with what is known of it."""
    whole = record("name", "budget")
    without = fitted(whole, places("budget"))
    assert without["step_01"] == {"budget": "of budget"} and "step_02" not in without
    assert without["gone"]["name"]["answer"] == {"name": "of name"}
    assert fitted(without, places("name", "budget")) == whole


def test_what_was_reverted_moves_as_well() -> None:
    """It is offered at its own step only."""
    reverted = rec.clear_from(record("name", "budget"), "step_02", [("", "step_02", "")])
    found = fitted(reverted, places("email", "name", "budget"))
    assert found["was"] == {"step_03": {"budget": "of budget"}}
    assert fitted(reverted, places("name"))["gone"]["budget"]["was"] == {"budget": "of budget"}


def test_what_was_written_by_hand_is_never_covered() -> None:
    """It has no key: where another answer comes to stand, it is kept."""
    by_hand = {**record("name"), "step_02": {"x": 1}}
    found = fitted(by_hand, places("email", "name"))
    assert found["step_02"] == {"name": "of name"}
    assert found["gone"]["step_02"]["answer"] == {"x": 1}


KEYS = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@given(KEYS, st.lists(KEYS, min_size=1, max_size=5))
def test_whatever_the_file_becomes(keys: list[str], files: list[list[str]]) -> None:
    """Each answer stands under its key or is kept; it settles at once, and nothing is lost."""
    found = record(*keys)
    for file in files:
        found = fitted(found, places(*file))
        assert knows(found, places(*file)) and fitted(found, places(*file)) is found
        for key in keys:
            place = places(*file).get(key)
            kept = found[place] if place else found["gone"][key]["answer"]
            assert kept == {key: f"of {key}"}
        answered = [place for place in rec.step_ids(found) if rec.is_done(found, place)]
        assert len(answered) == len(set(keys) & set(file))


def test_an_upgrade_converts_values_where_they_stand() -> None:
    """They keep their keys, whatever the file did to their places."""

    def upgrade(old: rec.Record, wrote: int) -> rec.Record:
        return {**old, "step_02": {"budget": 1000}}

    found = upgraded(record("name", "budget"), places("email", "name", "budget"), 2, upgrade)
    found = fitted(found, places("email", "name", "budget"))
    assert found["step_03"] == {"budget": 1000} and found["version"] == 2
    assert found["step_02"] == {"name": "of name"}


def test_an_upgrade_that_moves_answers_is_believed() -> None:
    """As one had to be written before answers knew their keys; they are not moved twice."""

    def upgrade(old: rec.Record, wrote: int) -> rec.Record:
        return {"step_02": old["step_01"], "step_03": old["step_02"], "created": old["created"]}

    file = places("email", "name", "budget")
    found = fitted(upgraded(record("name", "budget"), file, 2, upgrade), file)
    assert found["step_02"] == {"name": "of name"} and found["step_03"] == {"budget": "of budget"}
    assert knows(found, file) and "step_01" not in found


def test_a_version_without_a_way_is_refused_in_words() -> None:
    """Also one from the future."""
    for wrote in (1, 3):
        with pytest.raises(Incompatible, match="Its answers are safe"):
            upgraded(record("a", version=wrote), places("a"), 2, None)
