"""`pipulate mcp`: what a client's configuration needs."""

import json

from pipulate.chat import agents


def test_the_command_prints_a_configuration(cli, tmp_path):
    """It prints JSON that a client takes as it stands; --forget shuts the door."""
    data = tmp_path / "data"
    status, out, _ = cli("--port", "5009", "mcp")
    server = json.loads(out)["mcpServers"]["pipulate"]
    key = agents.read_key(data)
    assert status == 0 and server["url"] == "http://127.0.0.1:5009/mcp"
    assert key and server["headers"] == {"Authorization": f"Bearer {key}"}
    assert cli("mcp", "--forget")[0] == 0 and not agents.read_key(data)
