"""Refusals: a code has its status and its wording; checks name the place and what was expected."""

import pytest

from pipulate.simulator.errors import CODES, Refusal, as_list, check_keys, is_text, is_whole


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_a_status_and_a_wording(code):
    """A message of one's own replaces the wording only."""
    status, usual = CODES[code]
    plain = Refusal(code=code)
    assert (plain.status, str(plain)) == (status, usual)
    assert (Refusal("Mine.", code).status, str(Refusal("Mine.", code))) == (status, "Mine.")


def test_the_envelope_has_the_code_as_a_text():
    """As the API describes it."""
    error = {"error_code": "1010", "message": "Project was not found", "error_detail": {}}
    assert Refusal(code=1010).envelope() == {"error": error}


@pytest.mark.parametrize(
    ("node", "words", "code"),
    [
        ([], "thing: an object was expected", 1024),
        ({}, 'thing: "a" is mandatory', 1022),
        ({"a": 1, "c": 2}, 'thing: "c" is not a valid field', 1022),
    ],
)
def test_keys_are_checked(node, words, code):
    """The code is a query's unless told otherwise."""
    with pytest.raises(Refusal, match=words) as refusal:
        check_keys(node, "thing", ("a",), ("b",))
    assert refusal.value.code == code
    with pytest.raises(Refusal) as refusal:
        check_keys(node, "thing", ("a",), ("b",), 1020)
    assert refusal.value.code == 1020


def test_what_fits_passes():
    """An optional key may be there, or not."""
    check_keys({"a": 1}, "thing", ("a",), ("b",))
    check_keys({"a": 1, "b": 2}, "thing", ("a",), ("b",))
    assert as_list([1], "thing") == [1]


def test_a_list_is_a_list():
    """A text is none, though Python could walk through it."""
    with pytest.raises(Refusal, match="thing: a list was expected"):
        as_list("text", "thing")


@pytest.mark.parametrize(("value", "whole"), [(0, True), (True, False), (1.0, False), ("1", False)])
def test_whole_numbers_are_no_booleans(value, whole):
    """Python takes True for 1; JSON does not."""
    assert is_whole(value) == whole


@pytest.mark.parametrize(("value", "text"), [("é😀", True), ("\ud800", False), (3, False)])
def test_half_a_character_is_no_text(value, text):
    """JSON can hold one, UTF-8 cannot."""
    assert is_text(value) == text
