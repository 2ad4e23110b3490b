"""The door for agents: who gets in, what the protocol's own client sees, and that nothing
there changes anything by itself.
"""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from pipulate import create_app
from pipulate.botify import token
from pipulate.chat import agents as mcp
from pipulate.chat.talk import Talk
from pipulate.chat.tools import TOOLS
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings

HERE = "http://127.0.0.1:5001"


@pytest.fixture
def app(tmp_path: Path) -> Any:
    """Give an app on a scratch folder, with its key made."""
    settings = Settings(data=tmp_path, downloads=tmp_path / "d", workflows=(PACKAGE / "workflows",))
    mcp.make_key(tmp_path)
    made = create_app(settings)
    yield made
    made.state.store.close()


@pytest.fixture
async def agent(app: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client that has the key and sends what an agent sends."""
    headers = {
        "Authorization": f"Bearer {mcp.read_key(app.state.settings.data)}",
        "Accept": "application/json, text/event-stream",
    }
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url=HERE, headers=headers
    ) as client:
        yield client


async def ask(agent: httpx2.AsyncClient, method: str, /, **params: Any) -> Any:
    """Return the result of a request."""
    reply = await agent.post(
        "/mcp", json={"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    )
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert body["jsonrpc"] == "2.0" and body["id"] == 7
    return body["result"]


async def use(agent: httpx2.AsyncClient, tool: str, /, **arguments: Any) -> str:
    """Return the text of a tool's answer, marked if it is an error."""
    result = await ask(agent, "tools/call", name=tool, arguments=arguments)
    return "ERROR " * result["isError"] + result["content"][0]["text"]


def tasks(app: Any) -> list[str]:
    """Return the names of all tasks."""
    return [row["name"] for row in app.state.store.read("SELECT name FROM task")]


# -------------------------------------------------------------------- the door

PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": HERE}, 200),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": "Basic KEY"}, 401),
        ({"Authorization": "Bearer KEYx"}, 401),
        ({"Authorization": "bearer KEY"}, 200),
        ({"Authorization": "Bearer ké"}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:9"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:5001"}, 421),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Length": "3000000"}, 413),
        ({"MCP-Protocol-Version": "2025-06-18"}, 200),
        ({"MCP-Protocol-Version": "1999-01-01"}, 400),
    ],
)
async def test_who_gets_in(
    app: Any, agent: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """The key, our own name and JSON, and no page of another site."""
    key = mcp.read_key(app.state.settings.data)
    given = {
        name.encode(): value.replace("KEY", key).encode("latin-1")
        for name, value in headers.items()
    }
    reply = await agent.post(
        "/mcp", content=PING, headers={b"Content-Type": b"application/json", **given}
    )
    assert reply.status_code == status, reply.text
    assert ("result" in reply.text) == (status == 200)


async def test_json_is_taken_nowhere_else(agent: httpx2.AsyncClient) -> None:
    """The key opens no other address, and no other address takes what agents send."""
    for path in ("/mcp/", "/MCP", "/tasks", "/chat/send", "/settings/mcp"):
        reply = await agent.post(path, content=PING, headers={"Content-Type": "application/json"})
        assert reply.status_code == 403
        reply = await agent.post(
            path, content=PING, headers={"Content-Type": "application/json", "Origin": HERE}
        )
        assert reply.status_code in (404, 415)


async def test_without_a_key_nobody_gets_in(app: Any, agent: httpx2.AsyncClient) -> None:
    """The door is shut until the user opens it, and from the moment it is shut again."""
    data = app.state.settings.data
    assert await ask(agent, "ping") == {}
    mcp.key_file(data).unlink()
    for given in ("Bearer ", "Bearer", "Bearer None", agent.headers["authorization"]):
        assert (
            await agent.post(
                "/mcp",
                content=PING,
                headers={"Content-Type": "application/json", "Authorization": given},
            )
        ).status_code == 401
    mcp.key_file(data).write_text("short\n")
    assert (
        await agent.post(
            "/mcp",
            content=PING,
            headers={"Content-Type": "application/json", "Authorization": "Bearer short"},
        )
    ).status_code == 401


async def test_there_is_no_stream_and_no_session(agent: httpx2.AsyncClient) -> None:
    """What a client tries beside POST is answered as the protocol says."""
    for method in ("GET", "DELETE"):
        reply = await agent.request(
            method, "/mcp", headers={"Origin": HERE, "Content-Type": "application/json"}
        )
        assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
        assert (
            await agent.request(
                method,
                "/mcp",
                headers={"Authorization": "", "Origin": HERE, "Content-Type": "application/json"},
            )
        ).status_code == 401
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    reply = await agent.post("/mcp", json=note)
    assert (reply.status_code, reply.text) == (202, "")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", -32700),
        ("{", -32700),
        ("\ud800", -32700),
        ("[" * 200_000, -32700),
        ('{"a":' * 200_000, -32700),
        ("9" * 5000, -32700),
        (r'{"id": "\ud800"}', -32700),
        ("null", -32600),
        ("1", -32600),
        ('"ping"', -32600),
        ("[]", -32600),
        ("{}", -32600),
        (f"[{PING}]", -32600),
        ('{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        ('{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        ('{"jsonrpc": "2.0", "id": [], "method": "ping"}', -32600),
        ('{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": 5}', -32600),
        ('{"jsonrpc": "2.0", "id": 1, "result": {}}', -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []}', -32602),
        ('{"jsonrpc": "2.0", "id": 1, "method": "rm"}', -32601),
        ('{"jsonrpc": "2.0", "id": 1, "method": "server/discover"}', -32601),
        ('{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}', -32602),
        (
            '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": ["add_task"]}}',
            -32602,
        ),
        (
            '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "confirm"}}',
            -32602,
        ),
        (
            '{"jsonrpc": "2.0", "id": 1, "method": "tools/call",'
            ' "params": {"name": "list_tasks", "arguments": [1]}}',
            -32602,
        ),
        ('{"jsonrpc": "2.0", "id": 1, "method": "resources/read"}', -32602),
        ('{"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": 5}}', -32602),
        (
            '{"jsonrpc": "2.0", "id": 1, "method": "resources/read",'
            ' "params": {"uri": "file:///etc/passwd"}}',
            -32002,
        ),
        (
            '{"jsonrpc": "2.0", "id": 1, "method": "resources/read",'
            ' "params": {"uri": "pipulate://runs/bridge/nobody"}}',
            -32002,
        ),
        (
            '{"jsonrpc": "2.0", "id": 1, "method": "resources/read",'
            ' "params": {"uri": "pipulate://runs/"}}',
            -32002,
        ),
    ],
)
async def test_garbage_is_told_so(agent: httpx2.AsyncClient, body: str, code: int) -> None:
    """Whatever comes is answered by an error of JSON-RPC."""
    reply = await agent.post(
        "/mcp",
        content=body.encode("utf-8", "surrogatepass"),
        headers={"Content-Type": "application/json"},
    )
    assert reply.status_code in (200, 400)
    answer = reply.json()
    assert (
        answer["error"]["code"] == code
        and answer["error"]["message"]
        and answer["jsonrpc"] == "2.0"
        and "id" in answer
    )


async def test_a_failure_of_ours_is_no_500(
    agent: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in a tool is logged here, and told without its words."""

    def broken(desk: Any) -> str:
        raise RuntimeError("the inside")

    monkeypatch.setitem(TOOLS, "list_tasks", broken)
    reply = await agent.post(
        "/mcp",
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_tasks"}},
    )
    assert (
        reply.status_code == 200
        and reply.json()["error"]["code"] == -32603
        and "inside" not in reply.text
    )


# -------------------------------------------------------------------- tools and resources


async def test_an_agent_finds_its_way(app: Any, agent: httpx2.AsyncClient) -> None:
    """The handshake names a version both speak; every tool is listed with its schema and
    whether it only reads.
    """
    for wanted, spoken in (
        ("2025-06-18", "2025-06-18"),
        ("2024-01-01", "2025-11-25"),
        (7, "2025-11-25"),
    ):
        assert (await ask(agent, "initialize", protocolVersion=wanted))["protocolVersion"] == spoken
    listed = {tool["name"]: tool for tool in (await ask(agent, "tools/list"))["tools"]}
    assert set(listed) == {*TOOLS, *mcp.OWN}
    assert (
        listed["add_task"]["inputSchema"]["required"] == ["name"]
        and "asked first" in listed["add_task"]["description"]
    )
    assert {name for name, tool in listed.items() if not tool["annotations"]["readOnlyHint"]} >= {
        "add_task",
        "delete_profile",
        "fill_run",
        "forget",
    }
    assert listed["list_tasks"]["annotations"]["readOnlyHint"]
    workflows = await use(agent, "list_workflows")
    assert (
        "The Bridge of Death (`bridge`)" in workflows
        and "quest (What... is your quest?)" in workflows
    )
    tables = await use(agent, "list_tables")
    assert (
        "- task: id, name, done, priority, profile_id" in tables
        and "There is no such link graph" in tables
    )


async def test_reading_acts_at_once(app: Any, agent: httpx2.AsyncClient) -> None:
    """Tasks, runs and tables are read as in the chat; links lead to the app."""
    app.state.store.db.t.task.insert({"name": "Buy tea"})
    Pipulate(app.state.store, "bridge").initialize_if_missing("arthur")
    assert await use(agent, "list_tasks") == "1. Buy tea"
    assert f"]({HERE}/bridge?id=arthur)" in await use(agent, "list_runs")
    assert "| Buy tea |" in await use(agent, "query_data", statement="SELECT name FROM task")
    assert (await use(agent, "query_data", statement="DELETE FROM task")).startswith(
        "ERROR Not allowed"
    )
    assert (await use(agent, "explain_run", run="nobody")).startswith("ERROR Which run")
    assert (await use(agent, "list_tasks", name="x")).startswith(
        "ERROR list_tasks has no argument 'name'"
    )
    assert (await use(agent, "check_change", number="12")).startswith(
        "ERROR There is no such proposal"
    )
    assert (await use(agent, "check_change", number="²")).startswith(
        "ERROR A change is named by its number"
    )


async def test_resources_are_workflows_runs_and_tables(app: Any, agent: httpx2.AsyncClient) -> None:
    """Each listed resource can be read, and the record of a run by its template, also when
    its ID is an address.
    """
    engine, id = Pipulate(app.state.store, "bridge"), "https://app.botify.com/acme/shop/"
    engine.initialize_if_missing(id)
    engine.set_step_data(id, "step_01", {"name": "Ärthur"})
    listed = (await ask(agent, "resources/list"))["resources"]
    assert [item["uri"] for item in listed] == [
        "pipulate://workflows",
        "pipulate://runs",
        "pipulate://tables",
    ]
    for item in listed:
        (content,) = (await ask(agent, "resources/read", uri=item["uri"]))["contents"]
        assert (
            content["uri"] == item["uri"]
            and content["mimeType"] == "text/markdown"
            and len(content["text"]) > 40
        )
    (template,) = (await ask(agent, "resources/templates/list"))["resourceTemplates"]
    uri = (
        template["uriTemplate"].replace("{workflow}", "bridge").replace("{id}", quote(id, safe=""))
    )
    (content,) = (await ask(agent, "resources/read", uri=uri))["contents"]
    assert json.loads(content["text"])["step_01"] == {"name": "Ärthur"}
    app.state.found["bridge"].normalise = lambda text: f" {text.strip()} "
    Pipulate(app.state.store, "bridge", str).initialize_if_missing(" padded ")
    for typed in ("padded", "%20padded%20"):
        found = await ask(agent, "resources/read", uri=f"pipulate://runs/bridge/{typed}")
        assert "created" in found["contents"][0]["text"]


async def test_changing_changes_nothing_until_the_user_says_yes(
    app: Any, agent: httpx2.AsyncClient
) -> None:
    """The agent's wish becomes a card in the panel; only the app's own page can say Yes,
    and the agent can ask what came of it.
    """
    told = await use(agent, "add_task", name="<b>Call</b> Bob")
    assert told == (
        "A card now asks the user in Pipulate (change 1): Add the task “<b>Call</b> Bob”. "
        "Nothing has been done yet."
    )
    assert (
        tasks(app) == []
        and await use(agent, "check_change", number="1") == "The user has not decided yet."
    )
    talk = app.state.part(Talk)
    noted = [(row["role"], row["content"], row["about"]) for row in talk.messages()]
    assert noted[-2:] == [
        ("note", "Another program's agent asks for this:", "said"),
        ("note", "Add the task “<b>Call</b> Bob”.", "proposal 1"),
    ]
    shown = (await agent.get("/tasks")).text
    assert "/chat/yes/1" in shown and "&lt;b&gt;Call&lt;/b&gt; Bob" in shown
    assert (await agent.post("/chat/yes/1", data={})).status_code == 403 and tasks(app) == []
    assert (await agent.post("/chat/yes/1", data={}, headers={"Origin": HERE})).status_code == 303
    assert (
        tasks(app) == ["<b>Call</b> Bob"]
        and await use(agent, "check_change", number="1") == "The user said Yes: it is done."
    )
    await use(agent, "delete_task", task="Bob")
    await agent.post("/chat/no/2", data={}, headers={"Origin": HERE})
    assert (
        await use(agent, "check_change", number="2") == "The user said No: nothing was done."
        and len(tasks(app)) == 1
    )


async def test_no_tool_reveals_a_secret(app: Any, agent: httpx2.AsyncClient) -> None:
    """Botify's token and the agent's own key are struck out of whatever is told."""
    canary = "canary0123456789abcdef0123456789abcdef01"
    token.save(app.state.settings.data, token.Token(canary))
    key = mcp.read_key(app.state.settings.data)
    app.state.store.db.t.task.insert({"name": f"{canary} and {key}"})
    engine = Pipulate(app.state.store, "bridge")
    engine.initialize_if_missing("x")
    engine.set_step_data("x", "step_01", {"name": canary})
    assert await use(agent, "list_tasks") == "1. [secret] and [secret]"
    assert (
        canary
        not in (
            await agent.post(
                "/mcp",
                json={
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "resources/read",
                    "params": {"uri": "pipulate://runs/bridge/x"},
                },
            )
        ).text
    )


# -------------------------------------------------------------------- the settings


async def test_settings_opens_and_shuts_the_door(app: Any, agent: httpx2.AsyncClient) -> None:
    """The page shows the key only when asked; a button takes it away."""
    key = mcp.read_key(app.state.settings.data)
    assert key not in (await agent.get("/settings")).text
    assert key in (await agent.post("/settings/mcp", data={}, headers={"Origin": HERE})).text
    assert (
        await agent.post("/settings/mcp/forget", data={}, headers={"Origin": HERE})
    ).status_code == 303
    assert not mcp.read_key(app.state.settings.data)
    page = await agent.get("/settings")
    assert "None gets in at present" in page.text and "Let agents in" in page.text
    await agent.post("/settings/mcp", data={}, headers={"Origin": HERE})
    assert mcp.read_key(app.state.settings.data) not in ("", key)


# -------------------------------------------------------------------- the protocol's own client


async def test_the_official_client_connects(app: Any, serve: Callable[..., str]) -> None:
    """The SDK's client shakes hands, lists, reads and calls over real HTTP."""
    from mcp.client.client import Client
    from mcp.client.streamable_http import streamable_http_client

    url = serve(app)
    async with (
        httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {mcp.read_key(app.state.settings.data)}"}
        ) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
    ):
        assert client.protocol_version == "2025-11-25" and client.server_info.name == "pipulate"
        assert {tool.name for tool in (await client.list_tools()).tools} == {*TOOLS, *mcp.OWN}
        result = await client.call_tool("add_task", {"name": "Call Bob"})
        assert not result.is_error and "Nothing has been done yet" in result.content[0].text
        assert (await client.call_tool("list_tasks", {})).content[0].text == "There are no tasks."
        assert (await client.call_tool("add_task", {})).is_error
        assert len((await client.list_resources()).resources) == 3
        assert "Bridge" in (await client.read_resource("pipulate://workflows")).contents[0].text
        assert len((await client.list_resource_templates()).resource_templates) == 1
    assert tasks(app) == []
