"""The door for other programs' agents, MCP at POST /mcp, and its card.

DOOR    The guard wants our Host, no foreign Origin, JSON and at most 2 MB;
        the LAN's gate, this machine; we, the key.
WIRE    One message a POST, answered as JSON: MCP's streamable HTTP without
        sessions and streams.  So one stateless route is enough.
"""

import asyncio
import secrets
from typing import Any

from fasthtml.common import (
    FT,
    A,
    Code,
    Div,
    FastHTML,
    P,
    Pre,
    RedirectResponse,
    Request,
    Response,
    Route,
)
from starlette.responses import JSONResponse

from pipulate.chat import agents
from pipulate.chat.agents import RpcError, Server
from pipulate.chat.talk import Talk
from pipulate.guard import AGENTS
from pipulate.pages.settings import card
from pipulate.web.components import button, page

TITLE = "Agents of other programs"
WRONG_KEY = (
    "The key is missing or wrong. `pipulate mcp` on the machine on which Pipulate "
    "runs tells how to connect."
)
PUT = "Put this into the client's configuration. It holds the key, which is like a password: "
ABOUT = (
    "A program that speaks MCP can read workflows, runs and tables here. What it "
    "wants to change, it must ask you for, by a card in the chat panel. Only "
    "programs on this machine that have the key get in."
)


async def door(request: Request) -> Response:
    """Answer one HTTP request."""
    server = Server(request.app.state.part(Talk))
    key = await asyncio.to_thread(agents.read_key, server.talk.settings.data)
    if not _opens(request.headers.get("authorization", ""), key):
        return JSONResponse({"error": WRONG_KEY}, 401, {"www-authenticate": "Bearer"})
    if request.method != "POST":  # we have no stream to listen to, and no session to end
        return Response(status_code=405, headers={"allow": "POST"})
    try:
        version = request.headers.get("mcp-protocol-version", agents.VERSIONS[0])
        if version not in agents.VERSIONS:
            spoken = {
                "supported": list(agents.VERSIONS),
                "requested": version[:40],
            }
            raise RpcError(agents.VERSION, "This version of MCP is not spoken here.", spoken)
        message = agents.parse(await request.body())
    except RpcError as error:
        return JSONResponse(agents.failure(error), 400)
    answer = await server.answer(message)
    if answer is None:
        return Response(status_code=202)
    return JSONResponse(answer, 400 if answer["id"] is None else 200)


def _opens(authorization: str, key: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    same = secrets.compare_digest(given.strip().encode(), key.encode())
    return bool(key) and scheme.lower() == "bearer" and same


def section(app: FastHTML) -> FT:
    """The card of the settings page."""
    data = app.state.settings.data
    if agents.read_key(data):
        state = P("The key is in ", Code(str(agents.key_file(data))), ".")
        show = button("/settings/mcp", "Show how to connect")
        forget = button("/settings/mcp/forget", "Shut agents out", cls="quiet danger")
        acts = Div(show, forget, cls="row")
    else:
        state = P("None gets in at present.", cls="hint")
        acts = Div(button("/settings/mcp", "Let agents in", cls=""), cls="row")
    return card(TITLE, P(ABOUT), state, acts)


def routes(app: FastHTML) -> None:
    """Add the door, and its card in Settings."""
    settings = app.state.settings
    app.state.add_settings(TITLE, section)
    app.router.routes.append(Route(AGENTS, door, methods=["GET", "POST", "DELETE"]))

    @app.post("/settings/mcp")
    async def show(request: Request) -> Any:
        ready = await asyncio.to_thread(agents.configuration, settings, AGENTS)
        lead = P(PUT, Code("pipulate mcp"), " prints it as well.")
        back = P(A("Back to Settings", href="/settings"))
        return page(
            request,
            "How agents connect",
            lead,
            Pre(Code(ready), tabindex="0"),
            back,
        )

    @app.post("/settings/mcp/forget")
    async def forget() -> Any:
        await asyncio.to_thread(agents.forget_key, settings.data)
        return RedirectResponse("/settings", 303)
