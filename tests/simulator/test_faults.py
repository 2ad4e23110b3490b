"""The language of faults: read strictly, counted exactly."""

import pytest

from pipulate.engine.errors import Invalid
from pipulate.simulator.faults import (
    FILE,
    KINDS,
    REQUEST,
    Fault,
    Faults,
    describe_faults,
    parse_faults,
)


def test_a_text_is_read_into_rules():
    """Kind, value and all conditions."""
    slow, cut = parse_faults(" slow=0.5 on=/query method=POST token=t ; cut skip=1 times=2; ")
    assert slow == Fault("slow", "0.5", on="/query", method="POST", token="t")
    assert cut == Fault("cut", skip=1, times=2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("explode", 'no fault "explode". Known: 401'),
        ("slow", "number of seconds"),
        ("slow=never", '"never" is none'),
        ("429=-1", "number of seconds"),
        ("500=3", "takes no value"),
        ("500 times=many", "whole number"),
        ("500 where=/x", "expected on="),
        ("500 on=", "expected on="),
    ],
)
def test_what_cannot_be_read_is_said(text, words):
    """A wrong fault names itself and what is known."""
    with pytest.raises(Invalid, match=words):
        parse_faults(text)


def test_skip_and_times_count_matching_requests_only():
    """The first passes, then two are met, then none; others do not count."""
    faults = Faults("500 on=/jobs method=POST skip=1 times=2")

    def met(method, path):
        return [fault.kind for fault in faults.take(REQUEST, method, path, None)]

    assert met("GET", "/v1/jobs") == met("POST", "/v1/query") == []
    assert [met("POST", "/v1/jobs") for _ in range(4)] == [[], ["500"], ["500"], []]


def test_a_fault_acts_at_its_moment_and_for_its_token():
    """A file's fault does not touch requests; one of another token neither."""
    faults = Faults("cut; 500 token=a")
    assert faults.take(REQUEST, "GET", "/", "b") == []
    assert [fault.kind for fault in faults.take(REQUEST, "GET", "/", "a")] == ["500"]
    assert [fault.kind for fault in faults.take(FILE, "GET", "/", None)] == ["cut"]


def test_rules_can_be_replaced():
    """`set` forgets what was in force."""
    faults = Faults("500")
    faults.set("502; cut")
    assert str(faults) == "502; cut"


def test_every_kind_is_described():
    """The help lists them all."""
    assert all(kind in describe_faults() for kind in KINDS)
