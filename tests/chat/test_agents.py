"""MCP without the web: the key's file, and messages that are answered by messages."""

import json
import stat
from pathlib import Path

import pytest

from pipulate.chat import agents
from pipulate.chat.agents import RpcError, Server
from pipulate.chat.talk import Talk
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """Give a server over an empty data folder."""
    settings = Settings(data=tmp_path, host="::1", port=5009)
    return Server(Talk(Store(settings.database), settings))


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    """A second call gives the same key, nobody else may read it, and a loosened file is mended."""
    data = tmp_path / "data"
    key = agents.make_key(data)
    assert len(key) == 43 and agents.make_key(data) == key
    file = agents.key_file(data)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in data.iterdir()] == ["mcp_token"]
    file.chmod(0o644)
    assert agents.read_key(data) == key and stat.S_IMODE(file.stat().st_mode) == 0o600
    agents.forget_key(data)
    agents.forget_key(data)
    assert agents.read_key(data) == "" != agents.make_key(data) != key


async def test_a_request_is_answered_under_its_id_a_notification_not(server: Server) -> None:
    """Texts and whole numbers are ids; what has none expects no answer, not even an error."""
    for id in ("a", 7, 0):
        message = {"jsonrpc": "2.0", "id": id, "method": "ping"}
        assert await server.answer(message) == {"jsonrpc": "2.0", "id": id, "result": {}}
    assert await server.answer({"jsonrpc": "2.0", "method": "no/such", "params": 5}) is None


async def test_links_lead_to_this_app(server: Server) -> None:
    """An agent has no address bar: what is a path in the chat is a whole address for it."""
    server.talk.store.db.t.task.insert({"name": "[Docs](/docs)"})
    given = {"name": "list_tasks"}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": given}
    answer = await server.answer(message)
    assert answer and "[Docs](http://[::1]:5009/docs)" in json.dumps(answer)


def test_a_body_that_is_no_json_is_an_error_of_the_protocol() -> None:
    """The code is JSON-RPC's, and the error's message has an id of null."""
    with pytest.raises(RpcError) as caught:
        agents.parse(b'{"id": "\\ud800"}')
    told = agents.failure(caught.value)
    assert (told["id"], told["error"]["code"]) == (None, -32700)
