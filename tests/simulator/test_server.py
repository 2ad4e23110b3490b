"""The way of a request through the simulator: faults, refusals, what is watched; and real wires."""

import socket
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from pipulate.engine.errors import Invalid
from pipulate.simulator.faults import KINDS
from pipulate.simulator.options import Options, User
from pipulate.simulator.server import create_simulator, running
from tests.simulator.examples import (
    EDGES,
    EDGES_QUERY,
    QUICK,
    TOKEN,
    Api,
    csv_rows,
    export_body,
    projects,
    refused,
)

PROFILE = "/authentication/profile"
AUTHORIZATION = {"Authorization": f"Token {TOKEN}"}
ALLOW = "access-control-allow-origin"


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retry_after"),
    [
        ("401", 401, "1001", None),
        ("403", 403, "1002", None),
        ("404", 404, "1000", None),
        ("429", 429, "1053", None),
        ("429=7", 429, "1053", "7"),
        ("500", 500, "html", None),
        ("502", 502, "html", None),
        ("503=1", 503, "html", "1"),
        ("html", 200, "html", None),
    ],
)
@pytest.mark.parametrize("place", ["app", "header", "admin"])
async def test_faults_of_requests(fault, status, kind, retry_after, place):
    """The same text works for the app, for one request, and by the admin route."""
    once = f"{fault} on=/jobs times=1"
    api = Api(replace(QUICK, admin=True), faults=once if place == "app" else "")
    if place == "admin":
        told = await api.http.post("/_simulate", json={"faults": once})
        assert told.status_code == 200
    answer = await api.job(fault=fault if place == "header" else "")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    if kind == "html":
        assert answer.text.startswith("<html>")
    else:
        assert refused(answer) == (status, kind)
    assert not api.state.jobs.all, "nothing was done"
    assert (await api.job()).status_code == 201


@pytest.mark.parametrize(("fault", "created"), [("drop", 0), ("lost", 1)])
async def test_a_dropped_connection_before_or_after_the_act(api, fault, created):
    """The client cannot tell them apart; the jobs can."""
    with pytest.raises(httpx2.RemoteProtocolError):
        await api.job(fault=fault, export_job_name="once")
    assert api.state.jobs.created["once"] == created


async def test_a_slow_answer_meets_the_clients_time_limit(api):
    """It is only late: without the limit it would come."""
    slow = {**AUTHORIZATION, "X-Simulate": "slow=60"}
    with pytest.raises(httpx2.ReadTimeout):
        await api.http.get(f"/v1{PROFILE}", headers=slow, timeout=0.01)
    assert (await api.get(PROFILE, **{"X-Simulate": "slow=0"})).status_code == 200


async def test_a_fault_may_be_for_one_token(api):
    """Others do not meet it."""
    api.state.faults.set(f"500 token={TOKEN}")
    assert (await api.get(PROFILE)).status_code == 500
    assert (await api.get(PROFILE, token="b" * 40)).status_code == 200


async def test_a_fault_that_does_not_exist_is_refused(api):
    """In a header as in the constructor."""
    answer = await api.get(PROFILE, **{"X-Simulate": "explode"})
    assert refused(answer) == (400, "1020")
    assert "explode" in answer.text
    with pytest.raises(Invalid, match="explode"):
        Api(faults="explode")


def test_every_kind_of_fault_is_tested():
    """A new fault cannot be added without a test that names it."""
    tests = Path(__file__).parent
    files = [tests / f"test_{name}.py" for name in ("server", "visit", "exports")]
    text = "".join(file.read_text() for file in files)
    assert [kind for kind in KINDS if f'"{kind}' not in text] == []


async def test_a_bad_token_may_be_answered_otherwise():
    """403, or the framework's own body."""
    answer = await Api(Options(bad_token_status=403)).get("/jobs", token="x")
    assert refused(answer) == (403, "1001")
    answer = await Api(Options(bad_token_detail=True)).get("/jobs", token="x")
    assert answer.json() == {"detail": "Invalid token."}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [("https://ok.example", "https://ok.example"), ("https://no.example", None)],
)
async def test_cors_is_for_those_named(api, origin, allowed):
    """Nobody by default."""
    friendly = Api(Options(allowed_origins=("https://ok.example",)))
    assert (await friendly.get("/jobs", Origin=origin)).headers.get(ALLOW) == allowed
    assert ALLOW not in (await api.get("/jobs", Origin=origin)).headers


async def test_the_admin_route_is_there_only_when_enabled(api):
    """It tells what happened."""
    assert (await api.http.get("/_simulate")).status_code == 404
    watched = Api(Options(admin=True))
    await watched.job(export_job_name="n")
    told = (await watched.http.get("/_simulate")).json()
    assert told["posts"] == told["created"] == {"n": 1}
    assert told["calls"] == {"POST /v1/jobs": 1}


@pytest.mark.parametrize("bad", [{"faults": "explode"}, {"fault": ""}, []])
async def test_the_admin_route_refuses_what_is_no_fault(bad):
    """400, and nothing changes."""
    api = Api(Options(admin=True), faults="500 times=1")
    assert (await api.http.post("/_simulate", json=bad)).status_code == 400
    assert str(api.state.faults) == "500"


async def test_on_a_real_wire():
    """A file that is cut and a dropped answer are errors there, too."""
    app = create_simulator(projects(), tokens={TOKEN: User()}, options=QUICK)
    with running(app) as base:
        async with httpx2.AsyncClient(base_url=base, timeout=60, headers=AUTHORIZATION) as http:
            job = (await http.post("/jobs", json=export_body(EDGES_QUERY))).json()
            done = (await http.get(f"/jobs/{job['job_id']}")).json()
            url = done["results"]["download_url"]
            assert url.startswith(base.removesuffix("/v1"))
            assert csv_rows((await http.get(url)).content) == EDGES
            for fault, path in (("cut", url), ("drop", "/jobs"), ("lost", "/jobs")):
                with pytest.raises(httpx2.TransportError):
                    await http.get(path, headers={"X-Simulate": fault})


def test_a_port_in_use_is_said():
    """A message, not a traceback."""
    app = create_simulator(projects())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refusal = pytest.raises(Invalid, match=f"Port {port} cannot be used")
        with refusal, running(app, port):
            pass
