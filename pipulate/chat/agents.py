"""What other programs' agents read and ask for, by MCP.

WIRE   JSON-RPC 2.0, without sessions and streams:
       https://modelcontextprotocol.io/specification/2025-11-25
       A client of a later version is told which ones there are, and shakes
       hands the older way.
KEY    256 bits in a file of mode 600, made when the user asks for it.
TOOLS  Those of the chat, and three that only outsiders need.  Changing puts
       a card into the chat: nothing here can say Yes.
"""

import asyncio
import inspect
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

from loguru import logger

from pipulate.chat import prompts, proposals, sql
from pipulate.chat.desk import Desk
from pipulate.chat.proposals import Proposal
from pipulate.chat.questions import describe_data
from pipulate.chat.talk import Talk
from pipulate.chat.tools import TOOLS, checked, list_runs, schema
from pipulate.engine import files, foreign, private
from pipulate.engine.errors import Invalid, PipulateError, Unknown
from pipulate.engine.exchange import export, stored
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings

VERSIONS = (
    "2025-11-25",
    "2025-06-18",
    "2025-03-26",
)  #: of the protocol, the newest first

# Codes of errors: JSON-RPC's own, then MCP's.
PARSE = -32700
REQUEST = -32600
METHOD = -32601
PARAMS = -32602
INTERNAL = -32603
NOT_FOUND = -32002  #: no such resource
VERSION = -32022  #: no such version

INSTRUCTIONS = """\
Pipulate runs step-by-step workflows on this user's machine. \
Read with the list_, explain_ and query_ tools.
A tool that changes something only asks the user by a card in Pipulate; \
check_change tells what they decided."""
FAILED = "Something in Pipulate failed; its log has the details."
ASKS = "The user is asked first, by a card in Pipulate."
SHORTEST_KEY = 40  # characters; ours have 43

Json = dict[str, Any]


class RpcError(Exception):
    """An error as JSON-RPC reports it."""

    def __init__(self, code: int, message: str, data: Json | None = None) -> None:
        self.body: Json = {"code": code, "message": message}
        if data:
            self.body["data"] = data


# --- what only outsiders need


def list_workflows(desk: Desk) -> str:
    """List the workflows: what each is for, and its steps."""
    told = []
    for flow in desk.flows.values():
        steps = "; ".join(f"{step.key} ({step.label})" for step in flow.steps) or "none"
        told += [
            f"## {flow.title} (`{flow.name}`)",
            flow.about,
            f"Steps: {steps}",
        ]
    return "\n\n".join(told) or "There are no workflows."


def list_tables(desk: Desk) -> str:
    """List the tables that query_data reads, with their columns, and
    those of the latest link graph, which query_links reads.
    """
    told = ["query_data:"]
    for table in sorted(sql.TABLES):
        columns = desk.store.read("SELECT name FROM pragma_table_info(?)", table)
        told.append(f"- {table}: {', '.join(column['name'] for column in columns)}")
    told.append("\nquery_links:")
    try:
        told.append(describe_data(desk, "query_links"))
    except Unknown as none:
        told.append(str(none))
    return "\n".join(told)


DECIDED = {
    "open": "The user has not decided yet.",
    "done": "The user said Yes: it is done.",
    "refused": "The user said No: nothing was done.",
    "undone": "It was done, and then undone.",
}


def check_change(
    desk: Desk,
    number: Annotated[str, "the number of the change, as told when it was asked for"],
) -> str:
    """Tell what the user decided about a change that was asked for."""
    if not number.isdecimal() or len(number) > 15:
        raise Invalid("A change is named by its number.", "number")
    return DECIDED[proposals.get(desk.store, int(number)).state]


OWN: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (list_workflows, list_tables, check_change)
}
RESOURCES: dict[str, Callable[[Desk], str]] = {
    "workflows": list_workflows,
    "runs": list_runs,
    "tables": list_tables,
}
RECORD = {
    "uriTemplate": "pipulate://runs/{workflow}/{id}",
    "name": "run",
    "description": "The record of a run.",
    "mimeType": "application/json",
}


def described() -> list[Json]:
    """Return all tools as MCP lists them."""
    listed = []
    for name, tool in {**TOOLS, **OWN}.items():
        asks = inspect.isgeneratorfunction(tool)
        hints = {
            "readOnlyHint": not asks,
            "destructiveHint": False,
            "openWorldHint": False,
        }
        listed.append(
            {
                "name": name,
                "description": f"{inspect.getdoc(tool)} {ASKS * asks}".strip(),
                "inputSchema": schema(tool),
                "annotations": hints,
            }
        )
    return listed


def _resources() -> list[Json]:
    return [
        {
            "uri": f"pipulate://{name}",
            "name": name,
            "description": inspect.getdoc(function),
            "mimeType": "text/markdown",
        }
        for name, function in RESOURCES.items()
    ]


# --- messages


def parse(body: bytes) -> Any:
    """The message in a body; raises RpcError."""
    try:
        message = foreign.loads(body)
        json.dumps(message, ensure_ascii=False).encode()  # a lone surrogate is no text
    except ValueError:
        raise RpcError(PARSE, "This is no JSON.") from None
    return message


def failure(error: RpcError, id: Any = None) -> Json:
    """An error's message; its id is null if the request had none."""
    return {
        "jsonrpc": "2.0",
        "id": id if _is_id(id) else None,
        "error": error.body,
    }


def _is_id(id: Any) -> bool:
    return isinstance(id, (str, int)) and not isinstance(id, bool)


def _check(message: Json) -> None:
    if message.get("jsonrpc") != "2.0" or not isinstance(message.get("method"), str):
        raise RpcError(REQUEST, "One JSON-RPC 2.0 request was expected.")
    if "id" in message and not _is_id(message["id"]):
        raise RpcError(REQUEST, "The id must be a text or a whole number.")


def _handshake(given: Json) -> Json:
    from importlib import metadata

    wanted = given.get("protocolVersion")
    version = metadata.version("pipulate")
    return {
        "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {}, "resources": {}},
        "serverInfo": {
            "name": "pipulate",
            "title": "Pipulate",
            "version": version,
        },
        "instructions": INSTRUCTIONS,
    }


class Server:
    """Answers the messages of agents."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    async def answer(self, message: Any) -> Json | None:
        """The answer, None to a notification; never raises."""
        message = message if isinstance(message, dict) else {}
        id = message.get("id")
        try:
            _check(message)
            if "id" not in message:
                return None
            result = await self._result(message["method"], message.get("params", {}))
        except RpcError as error:
            return failure(error, id)
        except Exception:
            logger.exception("an agent's request failed")
            return failure(RpcError(INTERNAL, FAILED), id)
        return {"jsonrpc": "2.0", "id": id, "result": result}

    async def _result(self, method: str, given: Any) -> Json:
        if not isinstance(given, dict):
            raise RpcError(PARAMS, "The params must be an object.")
        match method:
            case "initialize":
                return _handshake(given)
            case "ping":
                return {}
            case "tools/list":
                return {"tools": described()}
            case "tools/call":
                return await self._call(given)
            case "resources/list":
                return {"resources": _resources()}
            case "resources/templates/list":
                return {"resourceTemplates": [RECORD]}
            case "resources/read":
                return await self._read(given)
        raise RpcError(METHOD, "There is no such method here.")

    async def _call(self, given: Json) -> Json:
        name = given.get("name")
        arguments = given.get("arguments") or {}
        if not isinstance(name, str) or name not in {**TOOLS, **OWN}:
            raise RpcError(PARAMS, "There is no tool of that name.")
        if not isinstance(arguments, dict):
            raise RpcError(PARAMS, "The arguments must be an object.")
        problem = ""
        try:
            text = await self._use(name, arguments)
        except PipulateError as error:  # the tool's answer too: the agent may mend it
            text = problem = str(error)
        told = {"type": "text", "text": self._fit_to_tell(text)}
        return {"content": [told], "isError": bool(problem)}

    async def _use(self, name: str, arguments: Json) -> str:
        desk = replace(self.talk.desk(), source="an agent")
        if tool := OWN.get(name):
            return str(await asyncio.to_thread(tool, desk, **checked(tool, arguments)))
        made = await proposals.called(desk, name, arguments)
        if not isinstance(made, Proposal):
            return made
        await self.talk.say("Another program's agent asks for this:")
        await self.talk.propose(made)
        return (
            f"A card now asks the user in Pipulate (change {made.id}): "
            f"{made.words} Nothing has been done yet."
        )

    async def _read(self, given: Json) -> Json:
        uri = given.get("uri")
        if not isinstance(uri, str):
            raise RpcError(PARAMS, "A uri was expected.")
        held = await asyncio.to_thread(self._held, uri)
        if not held:
            raise RpcError(NOT_FOUND, "There is no such resource.", {"uri": uri[:500]})
        mime, text = held
        return {"contents": [{"uri": uri, "mimeType": mime, "text": self._fit_to_tell(text)}]}

    def _held(self, uri: str) -> tuple[str, str] | None:
        _, ours, name = uri.partition("pipulate://")
        if ours and name in RESOURCES:
            return "text/markdown", RESOURCES[name](self.talk.desk())
        _, ours, run = uri.partition("pipulate://runs/")
        workflow, _, id = run.partition("/")
        try:
            record = ours and export(stored(self._engine(workflow), unquote(id)))["record"]
        except PipulateError as error:
            raise RpcError(NOT_FOUND, str(error)) from None
        if record:
            return "application/json", json.dumps(record, ensure_ascii=False)
        return None

    def _engine(self, workflow: str) -> Pipulate:
        if flow := self.talk.flows().get(workflow):
            return flow.engine(self.talk.store)
        return Pipulate(self.talk.store, workflow)

    def _fit_to_tell(self, text: str) -> str:
        settings = self.talk.settings
        hidden = [*self.talk.secrets(), read_key(settings.data)]
        (struck,) = prompts.strike([{"role": "tool", "content": text}], hidden)
        return str(struck["content"]).replace("](/", f"]({origin(settings)}/")


# --- the key


def key_file(data: Path) -> Path:
    """Return where the key is kept."""
    return data / "mcp_token"


def read_key(data: Path) -> str:
    """The key, "" if there is none.  Loose modes are mended."""
    file = key_file(data)
    try:
        key = file.read_text("ascii").strip()
        if os.name == "posix" and file.stat().st_mode & private.OTHERS:
            file.chmod(private.FILE)
    except (OSError, ValueError):
        return ""
    return key if len(key) >= SHORTEST_KEY else ""


def make_key(data: Path) -> str:
    """The key; makes it if there is none."""
    if not read_key(data):
        files.write(key_file(data), secrets.token_urlsafe(32) + "\n")
    return read_key(data)


def forget_key(data: Path) -> None:
    """Shut agents out."""
    key_file(data).unlink(missing_ok=True)


def origin(settings: Settings) -> str:
    """The address at which this machine reaches the app."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def configuration(settings: Settings, path: str) -> str:
    """What clients want in their configuration."""
    headers = {"Authorization": f"Bearer {make_key(settings.data)}"}
    server = {"type": "http", "url": origin(settings) + path, "headers": headers}
    return json.dumps({"mcpServers": {"pipulate": server}}, indent=2)
