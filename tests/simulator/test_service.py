"""The service behind all endpoints: projects by right, collections by name, calls counted."""

import pytest

from pipulate.simulator.errors import Refusal
from pipulate.simulator.faults import Faults
from pipulate.simulator.options import Options, User
from pipulate.simulator.service import Call, Calls, Service
from tests.simulator.examples import projects


def service(**options) -> Service:
    return Service(projects(), {}, Options(**options), Faults(), None, lambda: 0.0)


@pytest.mark.parametrize(
    ("org", "slug", "code"),
    [
        ("acme", "nothing", 1010),
        ("nobody", "shop", 1010),
        ("other", "secret", 1002),
        ("other", "x", 1002),
    ],
)
def test_rights_come_before_existence(org, slug, code):
    """Nobody learns which projects an organisation of others has."""
    user = User(orgs=frozenset({"acme"}))
    with pytest.raises(Refusal) as refusal:
        service().project(org, slug, user)
    assert refusal.value.code == code
    assert service().project("acme", "shop", user).name == "The Shop"


@pytest.mark.parametrize(
    ("slug", "mark", "collection"),
    [
        ("20240301", "_", "crawl.20240301"),
        ("20240301-2", "-", "crawl.20240301-2"),
        ("20240301-2", "_", "crawl.20240301_2"),
    ],
)
def test_a_collection_is_named_after_its_analysis(slug, mark, collection):
    """How the second of a day is written is not known."""
    assert service(same_day_mark=mark).collection_id(slug) == collection


def test_calls_are_counted_by_method_and_whole_path():
    """And tokens only at the file host."""
    calls = Calls()
    calls.log.append(Call("GET", "/v1/jobs/1", 200, True))
    calls.log.append(Call("GET", "/v1/jobs", 200, True))
    calls.log.append(Call("GET", "/cdn/x", 200, False))
    assert calls.count("GET", r"/v1/jobs/\d+") == 1
    assert calls.count("GET", "/v1/.*") == 2
    assert calls.count("POST", "/v1/jobs") == 0
    assert calls.tokens_at_file_host == 0
    calls.log.append(Call("GET", "/cdn/x", 200, True))
    assert calls.tokens_at_file_host == 1
