"""The chat panel: the conversation at the side of every page.

ACTS    are ordinary form posts, so the guard protects them; they answer 204.
NEWS    come over one WebSocket per open page: HTML that htmx puts in place
        by id, in the order in which it was told.  A page that connects (again)
        first gets all messages; what was stored by then, and is told only
        later, is not told to it again.
STREAM  The answer at hand is #m-live, drawn every PAINT seconds at most.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

from fasthtml.common import (
    FT,
    Aside,
    Button,
    Details,
    Div,
    FastHTML,
    Header,
    HTTPException,
    Input,
    Label,
    Li,
    Ol,
    Option,
    P,
    Pre,
    Progress,
    Request,
    Response,
    Select,
    Small,
    Span,
    Strong,
    Summary,
    Textarea,
    Ul,
    WebSocket,
    WebSocketDisconnect,
    WebSocketRoute,
    to_xml,
)

from pipulate.botify import token
from pipulate.chat import proposals
from pipulate.chat.conversation import Row
from pipulate.chat.models import SMALL
from pipulate.chat.talk import LONGEST_MESSAGE, PAGE, Listener, Talk
from pipulate.engine import host
from pipulate.engine.byhand import Whichever
from pipulate.engine.errors import PipulateError, Unknown
from pipulate.engine.workflow import Workflow
from pipulate.pages.profiles import names
from pipulate.web.components import form, fragment, markdown, search_field
from pipulate.web.runs import rest

PAINT = 0.06  #: seconds between two renderings of an answer that streams
SHARE = 5  #: rendering may take one part in so many of the time: long Markdown takes long
MOST = 30  #: conversations that are listed
MOST_PAGES = 200  #: open at once
OVER = {"hx_swap_oob": "true"}  #: takes the place of the element with the same id
GONE = {"hx_swap_oob": "delete"}
NO_MODEL = (
    "No model yet. All works without one; with one the panel explains, answers and remembers."
)


class Panel(Listener):
    """Shows a talk, and what its Listener is told, on every open page."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self._sockets: dict[WebSocket, set[int]] = {}  # the messages that its list came with
        self._sending = asyncio.Lock()
        self._due = 0.0
        self._live: str | None = None  # the answer at hand, as it is shown

    # --- news: one at a time, first come, first sent

    async def push(self, *parts: Any) -> None:
        """Send pieces of HTML to every open page."""
        async with self._sending:
            await self._send([*self._sockets], *parts)

    async def _send(self, sockets: list[WebSocket], *parts: Any) -> None:
        html = to_xml(parts, indent=False)
        for socket in sockets:
            try:
                await socket.send_text(html)
            except (RuntimeError, WebSocketDisconnect, OSError):
                self._sockets.pop(socket, None)

    async def _list(self, sockets: list[WebSocket], *parts: Any) -> None:
        # Of what is stored meanwhile, it is told afterwards.
        rows, shown = await asyncio.to_thread(self._all)
        for socket in sockets:
            self._sockets[socket] = {row["id"] for row in rows} - {PAGE}
        await self._send(sockets, shown(**OVER), *parts)

    def _all(self) -> tuple[list[Row], FT]:
        rows = self.talk.messages()
        return rows, self._messages(rows)

    async def said(self, row: Row) -> None:
        async with self._sending:
            shown = await asyncio.to_thread(self._message, row)
            new = [socket for socket, listed in self._sockets.items() if row["id"] not in listed]
            await self._send(new, _appended(shown))

    async def unsaid(self, id: int) -> None:
        await self.push(Li(id=f"m{id}", **GONE))

    async def decided(self, row: Row) -> None:
        shown = await asyncio.to_thread(self._message, row)
        await self.push(shown(**OVER))

    async def thinking(self) -> None:
        self._due = 0.0
        async with self._sending:
            self._live = ""
            await self._send([*self._sockets], _appended(_live("")))

    async def live(self, text: str) -> None:
        begun = time.monotonic()
        if begun > self._due:
            self._live = text
            shown = await asyncio.to_thread(_live, text)
            await self.push(shown(**OVER))
            now = time.monotonic()
            self._due = now + max(PAINT, (SHARE - 1) * (now - begun))

    async def over(self) -> None:
        async with self._sending:
            self._live = None
            await self._send([*self._sockets], Li(id="m-live", **GONE))

    async def turned(self) -> None:
        alert = Div(id="alert", hx_swap_oob="innerHTML")
        line = await self._state_line()
        async with self._sending:
            await self._list([*self._sockets], line, alert)

    async def state(self) -> None:
        await self.push(await self._state_line())

    async def getting(self) -> None:
        await self.push(self._getting_line()(**OVER))

    async def deleted(self, seq: int) -> None:
        undo = act(f"/chat/restore/{seq}", "Undo")
        await self.push(
            Div(
                P("Conversation deleted."),
                undo,
                id="alert",
                hx_swap_oob="innerHTML",
            )
        )

    async def listen(self, socket: WebSocket) -> None:
        """Serve an open page until it closes."""
        if len(self._sockets) > MOST_PAGES:
            raise HTTPException(429)
        await socket.accept()
        try:
            path = socket.query_params.get("page", "").split("?")[0]
            await self.talk.visit(*socket.app.state.about.get(path, ("", "")))
            line = await self._state_line()
            async with self._sending:
                await self._list([socket], line)
            while True:
                await socket.receive_text()  # pages send nothing: their acts are posts
        except (WebSocketDisconnect, RuntimeError, OSError, KeyError):
            pass
        finally:
            self._sockets.pop(socket, None)

    # --- the panel's parts

    def aside(self, request: Request) -> FT:
        """The panel as it stands beside a page."""
        if host.away.get():
            note = P("The chat is on the machine on which Pipulate runs.", cls="hint")
            return Aside(note, id="chat", aria_label="Chat")
        here = quote(request.url.path, safe="/")
        head = Header(Strong("Chat"), _conversations())
        state = Div(id="chat-state", cls="chat-state")
        socket = Div(hx_ext="ws", ws_connect=f"/chat/ws?page={here}", hidden=True)
        parts = (head, self._messages(self.talk.messages()), state, _form(), socket)
        return Aside(*parts, id="chat", aria_label="Chat")

    def _messages(self, rows: list[Row]) -> FT:
        shown = [self._message(row) for row in rows]
        if self._live is not None:
            shown.append(_live(self._live))
        return Ol(
            *shown,
            id="messages",
            aria_live="polite",
            aria_label="Messages",
            tabindex="0",
        )

    def _message(self, row: Row) -> FT:
        kind, _, what = row["about"].partition(" ")
        id = f"m{row['id']}"
        match row["role"], kind:
            case "user", _:
                edit = Details(Summary("Edit", aria_label="Edit this message"), _edit(row))
                return Li(P(row["content"]), edit, cls="user", id=id)
            case "assistant", _:
                on = Small(f"On “{what}”") if kind == "step" else None
                again = act(f"/chat/again/{row['id']}", "Answer again")
                return Li(on, markdown(row["content"]), again, cls="assistant", id=id)
            case _, "page":
                about = Details(Summary(f"You opened “{what}”"), P(row["content"]))
                return Li(about, cls="note page", id=id)
            case _, "proposal":
                return Li(
                    self._proposal(int(what), row["content"]),
                    cls="note proposal",
                    id=id,
                )
            case _, "problem":
                return Li(markdown(row["content"]), cls="note problem", id=id)
        return Li(markdown(row["content"]), cls="note said", id=id)

    def _proposal(self, number: int, words: str) -> FT:
        try:
            found = proposals.get(self.talk.store, number)
        except Unknown:
            return Div(P(words), Small("No longer there."))
        said = Pre(found.words) if "\n" in found.words else P(Strong(found.words))
        known = names(self.talk.store)
        if len(known) > 1:  # every window shows this card
            said = Div(said, Small("For “", known.get(found.profile, "a deleted profile"), "”"))
        if found.state == "open":
            return Div(said, *_choices(found))
        undo = None
        if found.state == "done" and found.undoable:
            undo = act(f"/chat/undo/{number}", "Undo")
        told = {"done": "Done.", "refused": "Not done.", "undone": "Undone."}[found.state]
        return Div(said, Div(Small(told), undo, cls="row"))

    async def _state_line(self) -> FT:
        found = [(model.name, model.place) for model in await self.talk.models.found()]
        models = _choice(found) if found else self._none()
        stop = act("/chat/stop", "Stop") if self.talk.busy else None
        parts = (models, self._getting_line(), stop)
        return Div(*parts, id="chat-state", cls="chat-state", **OVER)

    def _none(self) -> FT:
        get = act(f"/chat/get/{SMALL}", "Get a small model, 491 MB", cls="")
        return Div(P(NO_MODEL, cls="hint"), None if self.talk.models.getting else get)

    def _getting_line(self) -> FT:
        line = Div(id="chat-getting")
        if self.talk.models.getting:
            what, share = self.talk.models.getting
            bar = Progress(value=f"{share:.3f}", max="1", aria_label=what)
            return line(bar, Small(f"{what}: {share:.0%}"))
        return line

    def conversations(self, search: str = "") -> tuple[FT, ...]:
        """All conversations, or the messages that contain `search`."""
        looking = search_field("/chat/conversations", "#conversations", "Search messages", search)
        looking = looking(hx_swap="innerHTML")
        if search:
            hits = self.talk.conversations.search(search, 20)
            items = [
                Li(
                    act(
                        f"/chat/open/{row['conversation_id']}",
                        row["content"][:80],
                    )
                )
                for row in hits
            ]
            return looking, Ul(*items or [Li("No message has that.", cls="empty")])
        begin = Div(
            act("/chat/new", "New"),
            act("/chat/temporary", "Temporary"),
            cls="row",
        )
        current = self.talk.conversation
        rows = self.talk.conversations.all()
        items = [_conversation(row, current) for row in rows[:MOST]]
        if len(rows) > MOST:
            items.append(rest(MOST))
        return looking, begin, Ul(*items)


# --- pieces


def act(
    url: str,
    text: str,
    *inside: Any,
    cls: str = "quiet",
    label: str | None = None,
) -> FT:
    """A form of one button and fields, whose answer is no HTML."""
    send = Button(text, type="submit", cls=cls or None, aria_label=label)
    return form(url, *inside, send, hx_post=url, hx_swap="none")


def _live(text: str) -> FT:
    body = markdown(text) if text else Div(Span("…", cls="thinking"), cls="markdown")
    return Li(body, id="m-live", cls="assistant live", aria_busy="true")


def _appended(item: FT) -> FT:
    return Ol(item, hx_swap_oob="beforeend:#messages")


def _conversations() -> FT:
    when = "toggle from:closest details, chat-changed from:body"
    get = {
        "hx_get": "/chat/conversations",
        "hx_trigger": when,
        "hx_swap": "innerHTML",
    }
    rows = Div(id="conversations", **get)
    summary = Summary("Conversations", aria_label="Conversations")
    return Details(summary, rows, cls="conversations")


def _conversation(row: Row, current: int) -> FT:
    title = row["title"]
    go_on = act(f"/chat/open/{row['id']}", title)
    delete = act(f"/chat/delete/{row['id']}", "×", label=f"Delete {title}")
    return Li(go_on, delete, aria_current="true" if row["id"] == current else None)


def _form() -> FT:
    words = Textarea(
        name="text",
        rows="2",
        placeholder="Ask, or type /help for commands",
        required=True,
        id="chat-text",
        aria_label="Message",
        maxlength=str(LONGEST_MESSAGE),
    )
    return act("/chat/send", "Send", words, cls="")(id="chat-form")


def _edit(row: Row) -> FT:
    words = Textarea(
        row["content"],
        name="text",
        rows="2",
        required=True,
        aria_label="Edited message",
        id=None,
    )
    return act(f"/chat/edit/{row['id']}", "Send again", words)


def _choices(proposal: proposals.Proposal) -> list[FT]:
    yes = f"/chat/yes/{proposal.id}"
    plain = Div(
        act(yes, "Yes, do it", cls=""),
        act(f"/chat/no/{proposal.id}", "No"),
        cls="row",
    )
    if not proposal.arguments:
        return [plain]
    given = proposal.arguments.items()
    fields = [Label(key, Input(name=key, value=value, id=None)) for key, value in given]
    return [plain, Details(Summary("Edit first"), act(yes, "Do it so", *fields))]


def _choice(models: list[tuple[str, str]]) -> FT:
    options = [
        Option(f"{name} · {place}", value=name, selected=(name, place) == models[0])
        for name, place in models
    ]
    select = Select(*options, name="name", aria_label="Model", id=None)
    return form(
        "/chat/model",
        select,
        hx_post="/chat/model",
        hx_trigger="change",
        hx_swap="none",
    )


# --- addresses

Take = Callable[[dict[str, str]], Any]  #: from a form
Act = Callable[..., Awaitable[None]]


def _field(name: str) -> Take:
    return lambda form: form.get(name, "")


def _acts(talk: Talk) -> dict[str, tuple[Act, *tuple[Take, ...]]]:
    return {
        "send": (talk.send, _field("text")),
        "stop": (talk.stop,),
        "again/{message:int}": (talk.again,),
        "edit/{message:int}": (talk.edit, _field("text")),
        "yes/{proposal:int}": (talk.confirm, dict),
        "no/{proposal:int}": (talk.refuse,),
        "undo/{proposal:int}": (talk.undo,),
        "new": (talk.begin,),
        "temporary": (talk.begin_temporary,),
        "open/{conversation:int}": (talk.open,),
        "delete/{conversation:int}": (talk.delete,),
        "restore/{seq:int}": (talk.restore,),
        "model": (talk.choose, _field("name")),
        "get/{name}": (talk.get,),
    }


def _handler(act: Act, *takes: Take) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        form = {key: str(value) for key, value in (await request.form()).items()}
        try:
            await act(*request.path_params.values(), *(take(form) for take in takes))
        except PipulateError as error:
            refusal = P(str(error), cls="error")
            return fragment(refusal, status=409, hx_retarget="#alert", hx_reswap="innerHTML")
        return fragment(status=204, hx_trigger="chat-changed")

    return handle


def routes(app: FastHTML) -> None:
    """Add the panel to the app: voice, place in the shell, addresses."""
    state = app.state

    def workflows() -> Mapping[str, Workflow]:
        return {name: flow for name, flow in state.found.items() if isinstance(flow, Workflow)}

    def secrets() -> list[str]:
        kept = token.load(state.settings.data)
        return [kept.reveal()] if kept else []

    talk = Talk(state.store, state.settings, workflows, secrets)
    panel = Panel(talk)
    talk.listener = panel
    state.offer(talk)
    state.jobs.speaker = talk
    state.explain = talk.explain
    state.chat_panel = panel.aside
    state.end.append(talk.close)
    state.names["model"] = lambda: Whichever(next((it.name for it in talk.models.known), ""))

    for path, act in _acts(talk).items():
        app.post(f"/chat/{path}")(_handler(*act))

    @app.get("/chat/conversations")
    def conversations(request: Request) -> Any:
        return fragment(*panel.conversations(request.query_params.get("q", "")))

    app.router.routes.append(WebSocketRoute("/chat/ws", panel.listen))
