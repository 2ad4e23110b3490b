"""The door for other programs' agents: MCP at POST /mcp, by one stateless route of our own, so that it is always there.

WIRE       JSON-RPC 2.0, one message a POST, answered as JSON: MCP's streamable HTTP without sessions and streams, as
           https://modelcontextprotocol.io/specification/2025-11-25/basic/transports allows. A client of a later version
           asks for that, is told which ones there are (-32022), and shakes hands the older way.
DOOR       The guard wants our Host, no foreign Origin, JSON and at most 2 MB; the LAN's gate, this machine. Then the key: 256
           bits in a file of mode 600, which is not there before the user asks for it. Without it, nobody gets in.
TOOLS      Those of the chat, and three that only outsiders need. Reading acts; changing puts a card into the chat panel, and
           only the user's Yes there does it: nothing at this door can say Yes.
RESOURCES  Workflows, runs and tables as Markdown, and the record of each run as JSON.
"""

import argparse
import asyncio
import inspect
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

from fasthtml.common import FT, H2, A, Button, Code, Div, FastHTML, Form, P, Pre, Section
from loguru import logger
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

import pipulate
from pipulate.chat import prompts, proposals, sql
from pipulate.chat.proposals import Proposal
from pipulate.chat.talk import Talk
from pipulate.chat.tools import TOOLS, Desk, checked, describe_data, list_runs, schema
from pipulate.engine.errors import Invalid, PipulateError, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.web.components import page
from pipulate.web.guard import AGENTS

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26")  #: of the protocol, the newest first
PARSE, REQUEST, METHOD, PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603  # JSON-RPC 2.0
NOT_FOUND, VERSION = -32002, -32022  # MCP: no such resource; no such version
INSTRUCTIONS = """Pipulate runs step-by-step workflows on this user's machine. Read with the list_, explain_ and query_ tools.
A tool that changes something only asks the user by a card in Pipulate; check_change tells what they decided."""

Json = dict[str, Any]


class RpcError(Exception):
    """What JSON-RPC reports as an error."""

    def __init__(self, code: int, message: str, data: Json | None = None) -> None:
        self.body: Json = {"code": code, "message": message} | ({"data": data} if data else {})


# -------------------------------------------------------------------- what only outsiders need


def list_workflows(desk: Desk) -> str:
    """List the workflows: what each is for, and its steps."""
    told = []
    for flow in desk.flows.values():
        steps = "; ".join(f"{step.key} ({step.label})" for step in flow.steps)
        told.append(f"## {flow.title} (`{flow.name}`)\n\n{flow.about}\n\nSteps: {steps or 'none'}")
    return "\n\n".join(told) or "There are no workflows."


def list_tables(desk: Desk) -> str:
    """List the tables that query_data reads, with their columns, and those of the latest link graph, which query_links reads."""
    rows = [
        (
            name,
            [row["name"] for row in desk.store.read("SELECT name FROM pragma_table_info(?)", name)],
        )
        for name in sorted(sql.TABLES)
    ]
    tables = "\n".join(f"- {name}: {', '.join(columns)}" for name, columns in rows)
    try:
        graph = describe_data(desk, "query_links")
    except Unknown as none:
        graph = str(none)
    return f"query_data:\n{tables}\n\nquery_links:\n{graph}"


def check_change(
    desk: Desk, number: Annotated[str, "the number of the change, as told when it was asked for"]
) -> str:
    """Tell what the user decided about a change that was asked for."""
    if not number.isdecimal() or len(number) > 15:
        raise Invalid("A change is named by its number.", "number")
    told = {
        "open": "The user has not decided yet.",
        "done": "The user said Yes: it is done.",
        "refused": "The user said No: nothing was done.",
        "undone": "It was done, and then undone.",
    }
    return told[proposals.get(desk.store, int(number)).state]


OWN: dict[str, Callable[..., Any]] = {
    function.__name__: function for function in (list_workflows, list_tables, check_change)
}
RESOURCES: dict[str, Callable[[Desk], str]] = {
    "workflows": list_workflows,
    "runs": list_runs,
    "tables": list_tables,
}


def described() -> list[Json]:
    """Return all tools as MCP lists them."""
    listed = []
    for name, function in {**TOOLS, **OWN}.items():
        asks = inspect.isgeneratorfunction(function)
        told = (inspect.getdoc(function) or "") + (
            " The user is asked first, by a card in Pipulate." if asks else ""
        )
        hints = {"readOnlyHint": not asks, "destructiveHint": False, "openWorldHint": False}
        listed.append(
            {
                "name": name,
                "description": told,
                "inputSchema": schema(function),
                "annotations": hints,
            }
        )
    return listed


# -------------------------------------------------------------------- the server


class Server:
    """Answers messages, for one app."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    async def answer(self, message: Any) -> Json | None:
        """Return the answer to a message, None to a notification; never raises."""
        id = message.get("id") if isinstance(message, dict) else None
        try:
            result = await self._result(message)
            return None if result is None else {"jsonrpc": "2.0", "id": id, "result": result}
        except RpcError as error:
            return failure(error, id)
        except Exception:
            logger.exception("an agent's request failed")
            return failure(
                RpcError(INTERNAL, "Something in Pipulate failed; its log has the details."), id
            )

    async def _result(self, message: Any) -> Json | None:
        if (
            not isinstance(message, dict)
            or message.get("jsonrpc") != "2.0"
            or not isinstance(message.get("method"), str)
        ):
            raise RpcError(REQUEST, "One JSON-RPC 2.0 request was expected.")
        if "id" not in message:
            return None
        if isinstance(message["id"], bool) or not isinstance(message["id"], (str, int)):
            raise RpcError(REQUEST, "The id must be a text or a whole number.")
        given = message.get("params", {})
        if not isinstance(given, dict):
            raise RpcError(PARAMS, "The params must be an object.")
        match message["method"]:
            case "initialize":
                wanted = given.get("protocolVersion")
                return {
                    "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[0],
                    "capabilities": {"tools": {}, "resources": {}},
                    "serverInfo": {
                        "name": "pipulate",
                        "title": "Pipulate",
                        "version": pipulate.__version__,
                    },
                    "instructions": INSTRUCTIONS,
                }
            case "ping":
                return {}
            case "tools/list":
                return {"tools": described()}
            case "tools/call":
                return await self._call(given)
            case "resources/list":
                return {
                    "resources": [
                        {
                            "uri": f"pipulate://{name}",
                            "name": name,
                            "description": inspect.getdoc(function),
                            "mimeType": "text/markdown",
                        }
                        for name, function in RESOURCES.items()
                    ]
                }
            case "resources/templates/list":
                run = {
                    "uriTemplate": "pipulate://runs/{workflow}/{id}",
                    "name": "run",
                    "description": "The record of a run.",
                    "mimeType": "application/json",
                }
                return {"resourceTemplates": [run]}
            case "resources/read":
                return await self._read(given)
        raise RpcError(METHOD, "There is no such method here.")

    async def _call(self, given: Json) -> Json:
        name, arguments = given.get("name"), given.get("arguments") or {}
        if not isinstance(name, str) or name not in {**TOOLS, **OWN}:
            raise RpcError(PARAMS, "There is no tool of that name.")
        if not isinstance(arguments, dict):
            raise RpcError(PARAMS, "The arguments must be an object.")
        failed = False
        try:
            text = await self._use(name, arguments)
        except PipulateError as error:  # for the agent to mend: it is told as the tool's answer
            text, failed = str(error), True
        return {"content": [{"type": "text", "text": self._fit_to_tell(text)}], "isError": failed}

    async def _use(self, name: str, arguments: Json) -> str:
        desk = replace(self.talk.desk(), source="an agent")
        if name in OWN:
            return str(await asyncio.to_thread(OWN[name], desk, **checked(OWN[name], arguments)))
        made = await asyncio.to_thread(proposals.call, desk, name, arguments)
        if not isinstance(made, Proposal):
            return made
        await self.talk.say("Another program's agent asks for this:")
        await self.talk.propose(made)
        return f"A card now asks the user in Pipulate (change {made.id}): {made.words} Nothing has been done yet."

    async def _read(self, given: Json) -> Json:
        uri = given.get("uri")
        if not isinstance(uri, str):
            raise RpcError(PARAMS, "A uri was expected.")
        kind, _, rest = uri.removeprefix("pipulate://").partition("/")
        workflow, _, id = rest.partition("/")
        if uri == f"pipulate://{kind}" and kind in RESOURCES:
            mime, text = (
                "text/markdown",
                await asyncio.to_thread(RESOURCES[kind], self.talk.desk()),
            )
        elif uri.startswith("pipulate://runs/") and (
            record := await asyncio.to_thread(self._record, workflow, unquote(id))
        ):
            mime, text = "application/json", json.dumps(record, ensure_ascii=False)
        else:
            raise RpcError(NOT_FOUND, "There is no such resource.", {"uri": uri[:500]})
        return {"contents": [{"uri": uri, "mimeType": mime, "text": self._fit_to_tell(text)}]}

    def _record(self, workflow: str, id: str) -> Json | None:
        try:
            return Pipulate(self.talk.store, workflow).get_state(id) or None
        except PipulateError as error:
            raise RpcError(NOT_FOUND, str(error)) from None

    def _fit_to_tell(self, text: str) -> str:
        """Return the text without secrets, its links with our address."""
        struck = prompts.strike(
            [{"role": "tool", "content": text}],
            [*self.talk.secrets(), read_key(self.talk.settings.data)],
        )
        return str(struck[0]["content"]).replace("](/", f"]({origin(self.talk.settings)}/")


def failure(error: RpcError, id: Any = None) -> Json:
    """Return an error's message; the id is null if the request had none that can be answered."""
    return {
        "jsonrpc": "2.0",
        "id": id if isinstance(id, (str, int)) and not isinstance(id, bool) else None,
        "error": error.body,
    }


async def handle(server: Server, request: Request) -> Response:
    """Answer one HTTP request."""
    key = await asyncio.to_thread(read_key, server.talk.settings.data)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if (
        not key
        or scheme.lower() != "bearer"
        or not secrets.compare_digest(given.strip().encode(), key.encode())
    ):
        told = "The key is missing or wrong. `pipulate mcp` on the machine on which Pipulate runs tells how to connect."
        return JSONResponse({"error": told}, 401, {"www-authenticate": "Bearer"})
    if request.method != "POST":
        return Response(
            status_code=405, headers={"allow": "POST"}
        )  # we have no stream to listen to, and no session to end
    version = request.headers.get("mcp-protocol-version", VERSIONS[0])
    if version not in VERSIONS:
        refused = RpcError(
            VERSION,
            "This version of MCP is not spoken here.",
            {"supported": list(VERSIONS), "requested": version[:40]},
        )
        return JSONResponse(failure(refused), 400)
    body = await request.body()
    try:
        message = json.loads(body)
        json.dumps(message, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        return JSONResponse(failure(RpcError(PARSE, "This is no JSON.")), 400)
    answer = await server.answer(message)
    if answer is None:
        return Response(status_code=202)
    return JSONResponse(answer, 400 if answer["id"] is None else 200)


# -------------------------------------------------------------------- the key


def key_file(data: Path) -> Path:
    """Return where the key is kept."""
    return data / "mcp_token"


def read_key(data: Path) -> str:
    """Return the key, "" if there is none.  Loose modes are mended."""
    try:
        key = key_file(data).read_text("ascii").strip()
        if os.name == "posix" and key_file(data).stat().st_mode & 0o077:
            key_file(data).chmod(0o600)
    except (OSError, ValueError):
        return ""
    return key if len(key) >= 40 else ""


def make_key(data: Path) -> str:
    """Return the key, made if there is none yet: readable by the user alone from its first byte on."""
    if key := read_key(data):
        return key
    data.mkdir(parents=True, exist_ok=True)
    part = key_file(data).with_suffix(f".{secrets.token_hex(4)}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(key_file(data))
    return read_key(data)


def origin(settings: Settings) -> str:
    """Return the address at which this machine reaches the app."""
    return (
        f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.port}"
    )


def configuration(settings: Settings) -> str:
    """Return what most clients want in their configuration file, with the key."""
    server = {
        "type": "http",
        "url": origin(settings) + AGENTS,
        "headers": {"Authorization": f"Bearer {make_key(settings.data)}"},
    }
    return json.dumps({"mcpServers": {"pipulate": server}}, indent=2)


def main(argv: Sequence[str], settings: Settings) -> int:
    """`pipulate mcp`: print how an agent connects, making the key if there is none."""
    parser = argparse.ArgumentParser(
        prog="pipulate mcp",
        description="Let other programs' agents in: print what their configuration needs, key included.",
    )
    parser.add_argument(
        "--forget", action="store_true", help="throw the key away: agents are shut out at once"
    )
    if parser.parse_args(argv).forget:
        key_file(settings.data).unlink(missing_ok=True)
        print("Agents are shut out.")
    else:
        print(configuration(settings))
    return 0


# -------------------------------------------------------------------- the part


def section(app: FastHTML) -> FT:
    """Return the part of the settings page."""
    settings = app.state.settings
    on = bool(read_key(settings.data))
    return Section(
        H2("Agents of other programs"),
        P(
            "A program that speaks MCP can read workflows, runs and tables here. What it wants to change, it must ask you for, by a card in the chat panel. Only programs on this machine that have the key get in."
        ),
        P("The key is in ", Code(str(key_file(settings.data))), ".")
        if on
        else P("None gets in at present.", cls="hint"),
        Div(
            _button(
                "/settings/mcp",
                "Show how to connect" if on else "Let agents in",
                "" if not on else "quiet",
            ),
            _button("/settings/mcp/forget", "Shut agents out", "quiet danger") if on else None,
            cls="row",
        ),
        cls="card open",
    )


def _button(action: str, text: str, cls: str) -> FT:
    return Form(
        Button(text, type="submit", cls=cls),
        method="post",
        action=action,
        enctype="application/x-www-form-urlencoded",
    )


def routes(app: FastHTML) -> None:
    """Add the door, and its section in Settings."""
    settings = app.state.settings
    app.state.add_settings("Agents of other programs", section)

    async def door(request: Request) -> Response:
        return await handle(Server(app.state.part(Talk)), request)

    app.router.routes.append(Route(AGENTS, door, methods=["GET", "POST", "DELETE"]))

    @app.route("/settings/mcp", methods=["POST"])
    async def show(request: Request) -> Any:
        ready = await asyncio.to_thread(configuration, settings)
        lead = P(
            "Put this into the client's configuration. It holds the key, which is like a password: ",
            Code("pipulate mcp"),
            " prints it as well.",
        )
        return page(
            request,
            "How agents connect",
            lead,
            Pre(Code(ready), tabindex="0"),
            P(A("Back to Settings", href="/settings")),
        )

    @app.route("/settings/mcp/forget", methods=["POST"])
    async def forget() -> Any:
        await asyncio.to_thread(key_file(settings.data).unlink, True)
        return RedirectResponse("/settings", 303)
