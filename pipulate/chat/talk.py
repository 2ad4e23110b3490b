"""The chat panel: one conversation at the side of every page, whichever model answers.

ACTS      are ordinary form posts, so the guard protects them; they answer 204.
NEWS      come over one WebSocket per open page: pieces of HTML that htmx puts in their place by id.  A page that
          connects (again) first gets all messages, so nothing is missed; a stream goes on whoever listens.
STREAM    The answer at hand is #m-live, rendered anew at most every PAINT seconds; when it is whole (or stopped, or cut),
          it becomes a stored message.  One model call at a time: remarks on steps wait for the answer before them.
KNOWING   Connecting tells the page's address; if the page is another one than before, what it is about becomes a note.
TOOLS     See `tools` and `proposals`: reading acts at once, changing shows a card, and only its Yes does it.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import quote

from fasthtml.common import (
    FT,
    Aside,
    Button,
    Details,
    Div,
    FastHTML,
    Form,
    Header,
    Input,
    Label,
    Li,
    NotStr,
    Ol,
    Option,
    P,
    Pre,
    Progress,
    Select,
    Small,
    Span,
    Strong,
    Summary,
    Textarea,
    Ul,
    to_xml,
)
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipulate.botify import token
from pipulate.chat import prompts, proposals, router, weights
from pipulate.chat.conversation import Conversations, Row
from pipulate.chat.embedded import Embedded
from pipulate.chat.embedder import Embedder
from pipulate.chat.memory import Memory, text
from pipulate.chat.proposals import Proposal
from pipulate.chat.providers import Message, Model, ModelError, ToolCall, detect
from pipulate.chat.tools import TOOLS, Desk, schema
from pipulate.engine.errors import PipulateError, Refused, Unknown
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Workflow
from pipulate.web.components import fragment
from pipulate.web.markdown import render

PAINT = 0.06  #: seconds between two renderings of an answer that streams
FRESH = 15.0  #: seconds for which a list of models is believed
ROUNDS = 4  #: of native tool calls in one answer
LONGEST = 700  #: tokens of a small model's answer
SMALL = "qwen-0.5b"
NO_MODEL = "No model answers yet. Get a small one below, start Ollama, or name a server in Settings. Commands work all the same: /help"


class Panel:
    """The conversation of one app; it is the app's `voice`."""

    def __init__(self, app: FastHTML) -> None:
        self.app, self.settings = app, app.state.settings
        self.store: Store = app.state.store
        self.conversations = Conversations(self.store)
        self.folder = self.settings.data / "models"
        self.embedder = Embedder(self.folder)
        self.memory = Memory(self.store)
        self.sockets: set[WebSocket] = set()
        self.answering: asyncio.Task[None] | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.turn = asyncio.Lock()
        self.live = ""
        self._embedded: Embedded | None = None
        self._models: tuple[float, list[Model]] = (0.0, [])
        self._temporary = 0
        self.getting: tuple[str, float] | None = None

    # ---------------------------------------------------------------- what is current

    @property
    def conversation(self) -> int:
        """The id of the conversation that the panel shows."""
        if self._temporary:
            return self._temporary
        id = self.store.get("conversation", 0)
        with suppress(Unknown):
            return int(self.conversations.get(id)["id"])
        self.store["conversation"] = new = self.conversations.new()
        return new

    def desk(self) -> Desk:
        """What the tools work on."""
        self.memory.embedder = self.embedder if self.embedder.present else None
        flows = {
            name: flow for name, flow in self.app.state.found.items() if isinstance(flow, Workflow)
        }
        return Desk(self.store, self.memory, flows, self.settings, self.store.get("profile_id", 1))

    async def models(self, fresh: bool = False) -> list[Model]:
        """The models that answer now, the preferred one first."""
        when, found = self._models
        if fresh or time.monotonic() - when > FRESH:
            path = next(
                (
                    p
                    for name in ("qwen-1.5b", SMALL)
                    if (p := weights.find(weights.RECIPES[name], self.folder))
                ),
                None,
            )
            if path and (self._embedded is None or self._embedded.weights != path):
                self._embedded = Embedded(path)
            url = self.store.get("model_url", "") or self.settings.model_url
            name = self.store.get("model_name", "") or self.settings.model_name
            found = await detect(
                url=url, name=name, key=self.store.get("model_key", ""), embedded=self._embedded
            )
            self._models = (time.monotonic(), found)
        chosen = self.store.get("model", "")
        return sorted(found, key=lambda model: model.name != chosen)

    def secrets(self) -> list[str]:
        """What no model may read."""
        kept = token.load(self.settings.data) if token.path(self.settings.data).exists() else None
        return [*([kept.reveal()] if kept else []), self.store.get("model_key", "")]

    # ---------------------------------------------------------------- news

    async def push(self, *parts: Any) -> None:
        """Send pieces of HTML to every open page."""
        html = to_xml(parts, indent=False)
        for socket in list(self.sockets):
            try:
                await socket.send_text(html)
            except (RuntimeError, WebSocketDisconnect, OSError):
                self.sockets.discard(socket)

    async def add(self, role: str, content: str, about: str = "") -> int:
        """Store a message and show it."""
        id = await asyncio.to_thread(
            self.conversations.append, self.conversation, role, content, about
        )
        row = {"id": id, "role": role, "content": content, "about": about}
        await self.push(Ol(self.item(row), hx_swap_oob="beforeend:#messages"))
        return id

    async def show_all(self) -> None:
        """Show the whole conversation anew."""
        await self.push(self.messages(oob=True), await self.state())

    # ---------------------------------------------------------------- the voice of workflows

    async def say(self, text: str) -> None:
        """A workflow's remark."""
        await self.add("note", text, "said")

    async def ask(self, prompt: str) -> AsyncIterator[str]:
        """Stream a model's answer to a workflow; raises ModelError while none answers."""
        found = await self.models()
        if not found:
            raise ModelError(NO_MODEL)
        messages = prompts.strike([{"role": "user", "content": prompt}], self.secrets())
        async with self.turn, aclosing(found[0].stream(messages)) as stream:
            async for piece in stream:
                if isinstance(piece, str):
                    yield piece

    def explain(self, run: Run) -> None:
        """Let the model say a sentence about the card that has just opened; nothing if there is no model."""
        index, (looked, found) = run.open_index, self._models
        if looked and not found:  # none when a page last looked, which each page does
            return
        if (
            index < len(run.flow.steps)
            and run.flow.steps[index].explain
            and self.store.get("explain", True)
        ):
            self.background(self._explain(run, run.flow.steps[index].label))

    async def _explain(self, run: Run, label: str) -> None:
        found = await self.models()
        if not found:
            return
        prompt = (
            f"{prompts.note(run.flow.about, run.flow.title)}\n\nAnswers so far:\n{run.summary() or '(none)'}\n\n"
            f"The next card asks: “{label}”\nTell the user what this card is for. {prompts.LIMITER}"
        )
        messages = prompts.strike(
            [
                {"role": "system", "content": prompts.current(self.store)},
                {"role": "user", "content": prompt},
            ],
            self.secrets(),
        )
        async with self.turn:
            await self.stream(found[0], messages, about=f"step {label}", max_tokens=120)

    def background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start something that must not be lost; a failure is told in the conversation."""

        async def watched() -> None:
            try:
                await work
            except PipulateError as error:
                await self.add("note", str(error), "problem")
            except Exception:
                logger.exception("the chat failed")
                await self.add(
                    "note",
                    "Something in the chat failed; the log has the details. Try again.",
                    "problem",
                )

        task = asyncio.get_running_loop().create_task(watched())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # ---------------------------------------------------------------- talking

    async def send(self, said: str) -> None:
        """The user said something: a command, or words for the model."""
        if self.answering and not self.answering.done():
            raise Refused("The last answer is still coming. Stop it, or wait for it.")
        await self.add("user", said)
        self.answering = self.background(self.react(said))
        await self.push(await self.state())

    async def react(self, said: str) -> None:
        """Carry out a command, or let the model answer."""
        try:
            await (self.command(said) if said.startswith("/") else self.answer(said))
        finally:
            self.answering = None
            await self.push(await self.state())

    async def command(self, line: str) -> None:
        """Do what a slash command says."""
        if line.strip().lower() in ("/help", "/"):
            await self.add("note", proposals.help_text(), "tool help")
            return
        name, arguments = proposals.parse(line)
        await self.use(name, arguments)

    async def use(self, name: str, arguments: dict[str, Any]) -> str:
        """Call a tool and show what it says or proposes; returns the text for the model."""
        made = await asyncio.to_thread(proposals.call, self.desk(), name, arguments)
        if isinstance(made, Proposal):
            await self.add("note", made.words, f"proposal {made.id}")
            return f"A card now asks the user: {made.words} Nothing has been done yet."
        await self.add("note", made, f"tool {name}")
        return made

    async def answer(self, said: str) -> None:
        """Let the model answer the last message, with a tool if it wants one."""
        found = await self.models()
        if not found:
            await self.add("note", NO_MODEL, "problem")
            return
        model = found[0]
        async with self.turn:
            if not model.tools:
                await self.push(Ol(self.live_item(), hx_swap_oob="beforeend:#messages"))
                try:
                    choice = await router.choose(model, said, self.desk())
                finally:
                    await self.push(Li(id="m-live", hx_swap_oob="delete"))
                if choice:
                    await self.use(choice.name, choice.arguments)
                    return
            await self.speak(model, said)

    async def speak(self, model: Model, said: str) -> None:
        """Stream an answer; a model that calls tools natively gets their results and goes on."""
        self.desk()  # the embedder may be here by now
        recalled = [text(row) for row in await asyncio.to_thread(self.memory.recall, said)]
        beginning = prompts.system(
            prompts.current(self.store), [text(row) for row in self.memory.pinned()]
        )
        messages = await self.conversations.for_model(
            self.conversation, model, beginning, recalled, self.secrets()
        )
        tools = [
            {
                "type": "function",
                "function": {"name": n, "description": f.__doc__, "parameters": schema(f)},
            }
            for n, f in TOOLS.items()
        ]
        # A small model may ramble until its window is full.
        ask: dict[str, Any] = {"tools": tools} if model.tools else {"max_tokens": LONGEST}
        for _ in range(ROUNDS):
            calls = await self.stream(model, messages, **ask)
            if not calls:
                return
            functions = [
                {
                    "id": c.id or c.name,
                    "type": "function",
                    "function": {"name": c.name, "arguments": json.dumps(c.arguments)},
                }
                for c in calls
            ]
            messages = [*messages, {"role": "assistant", "content": "", "tool_calls": functions}]
            for call in calls:
                try:
                    result = await self.use(call.name, call.arguments)
                except PipulateError as error:
                    result = f"Error: {error}"
                note = {
                    "role": "tool",
                    "tool_call_id": call.id or call.name,
                    "name": call.name,
                    "content": prompts.note(result, call.name),
                }
                messages += prompts.strike([note], self.secrets())

    async def stream(
        self, model: Model, messages: Sequence[Message], about: str = "", **ask: Any
    ) -> list[ToolCall]:
        """Show and store one streamed answer; returns the tools it called."""
        calls: list[ToolCall] = []
        self.live, due, problem = "", 0.0, ""
        await self.push(Ol(self.live_item(), hx_swap_oob="beforeend:#messages"))
        try:
            async with aclosing(model.stream(messages, **ask)) as stream:
                async for piece in stream:
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                        continue
                    self.live += piece
                    await asyncio.sleep(0)  # a fast model must not keep the loop to itself
                    if (begun := time.monotonic()) > due:
                        # Long Markdown takes long to render: in a thread, and at most a fifth of the time.
                        await self.push(await asyncio.to_thread(self.live_item, True))
                        due = (now := time.monotonic()) + max(PAINT, 4 * (now - begun))
        except ModelError as error:
            problem = str(error)
        finally:  # also when stopped: what came is kept
            whole, self.live = self.live.strip(), ""
            keep = asyncio.ensure_future(self._keep(whole, about, problem))
            await asyncio.shield(keep)
        return calls

    async def _keep(self, whole: str, about: str, problem: str) -> None:
        await self.push(Li(id="m-live", hx_swap_oob="delete"))
        if whole:
            await self.add("assistant", whole, about)
        if problem:
            await self.add("note", problem, "problem")

    async def stop(self) -> None:
        """Stop the answer at hand; what came so far is kept."""
        if self.answering and not self.answering.done():
            self.answering.cancel()
            with suppress(asyncio.CancelledError):
                await self.answering

    async def visit(self, path: str) -> None:
        """The user opened a page: note once per visit what it is about; of pages only passed through, the last stays."""
        title, about = self.app.state.about.get(path.split("?")[0], ("", ""))
        rows = self.conversations.messages(self.conversation)
        seen = next(
            (row["about"] for row in reversed(rows) if row["about"].startswith("page ")), ""
        )
        if not about or seen == f"page {title}":
            return
        if rows and rows[-1]["about"].startswith("page "):
            await asyncio.to_thread(self.conversations.truncate, self.conversation, rows[-1]["id"])
            await self.push(Li(id=f"m{rows[-1]['id']}", hx_swap_oob="delete"))
        await self.add("note", about, f"page {title}")

    async def get(self, name: str) -> None:
        """Fetch weights, telling the progress."""
        recipe, loop = weights.named(name), asyncio.get_running_loop()

        def progress(share: float, source: str) -> None:
            self.getting = (f"{recipe.title}, from {source}", share)
            asyncio.run_coroutine_threadsafe(self.push(self.getting_line(oob=True)), loop)

        if self.getting:
            return
        self.getting = (recipe.title, 0.0)
        try:
            await asyncio.to_thread(weights.get, recipe, self.folder, progress)
            with suppress(PipulateError):  # finds memories by meaning; without it keywords do
                await asyncio.to_thread(
                    weights.get, weights.RECIPES["minilm"], self.folder, progress
                )
        finally:
            self.getting = None
            await self.models(fresh=True)
            await self.push(self.getting_line(oob=True), await self.state())
        await self.add("note", f"{recipe.title} is here and answers from now on.", "said")

    async def close(self) -> None:
        """End what runs."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self._embedded:
            await self._embedded.stop()

    # ---------------------------------------------------------------- HTML

    def panel(self, request: Request) -> FT:
        """The aside around all pages."""
        here = request.url.path
        return Aside(
            Header(
                Strong("Chat"),
                Details(
                    Summary("Conversations", aria_label="Conversations"),
                    Div(
                        hx_get="/chat/conversations",
                        hx_trigger="toggle from:closest details, chat-changed from:body",
                        hx_swap="innerHTML",
                        id="conversations",
                    ),
                    cls="conversations",
                ),
            ),
            self.messages(),
            Div(id="chat-state", cls="chat-state"),
            Form(
                Textarea(
                    name="text",
                    rows="2",
                    placeholder="Ask, or type / for a command",
                    aria_label="Message",
                    required=True,
                    id="chat-text",
                    maxlength="20000",
                ),
                Button("Send", type="submit"),
                hx_post="/chat/send",
                hx_swap="none",
                id="chat-form",
                action="/chat/send",
                method="post",
                enctype="application/x-www-form-urlencoded",
            ),
            Div(hx_ext="ws", ws_connect=f"/chat/ws?page={quote(here, safe='/')}", hidden=True),
            id="chat",
            aria_label="Chat",
        )

    def messages(self, oob: bool = False) -> FT:
        """The list of messages."""
        rows = [self.item(row) for row in self.conversations.messages(self.conversation)]
        if self.live:
            rows.append(self.live_item())
        return Ol(
            *rows,
            id="messages",
            aria_live="polite",
            aria_label="Messages",
            tabindex="0",
            **({"hx_swap_oob": "true"} if oob else {}),
        )

    def live_item(self, oob: bool = False) -> FT:
        """The answer that is coming."""
        body = NotStr(render(self.live)) if self.live else Span("…", cls="thinking")
        return Li(
            Div(body, cls="markdown"),
            id="m-live",
            cls="assistant live",
            aria_busy="true",
            **({"hx_swap_oob": "true"} if oob else {}),
        )

    def item(self, row: Row, oob: bool = False) -> FT:
        """One message."""
        kind, _, what = row["about"].partition(" ")
        swap = {"hx_swap_oob": "true"} if oob else {}
        named = {"id": f"m{row['id']}", **swap}
        if kind == "page":
            return Li(
                Details(Summary(f"You opened “{what}”"), P(row["content"])),
                cls="note page",
                **named,
            )
        if kind == "proposal":
            return Li(self.card(int(what), row["content"]), cls="note proposal", **named)
        if row["role"] == "user":
            acts = Details(
                Summary("Edit", aria_label="Edit this message"),
                _post(
                    f"/chat/edit/{row['id']}",
                    "Send again",
                    Textarea(
                        row["content"], name="text", rows="2", aria_label="Edited message", id=None
                    ),
                ),
            )
            return Li(P(row["content"]), acts, cls="user", **named)
        body = Div(NotStr(render(row["content"])), cls="markdown")
        if row["role"] == "assistant":
            label = Small(f"On “{what}”") if kind == "step" else None
            return Li(
                label,
                body,
                _post(f"/chat/again/{row['id']}", "Answer again"),
                cls="assistant",
                **named,
            )
        return Li(body, cls="note problem" if kind == "problem" else "note said", **named)

    def card(self, id: int, words: str) -> FT:
        """A proposed change: what exactly will happen, and Yes, No, edit; later Undo."""
        try:
            found = proposals.get(self.store, id)
        except Unknown:
            return Div(P(words), Small("No longer there."))
        said = Pre(found.words) if "\n" in found.words else P(Strong(found.words))
        if found.state == "open":
            fields = [
                Label(key, Input(name=key, value=value, id=None))
                for key, value in found.arguments.items()
            ]
            return Div(
                said,
                Div(
                    _post(f"/chat/yes/{id}", "Yes, do it", cls=""),
                    _post(f"/chat/no/{id}", "No"),
                    cls="row",
                ),
                Details(Summary("Edit first"), _post(f"/chat/yes/{id}", "Do it so", *fields))
                if fields
                else None,
            )
        told = {"done": "Done.", "refused": "Not done.", "undone": "Undone."}[found.state]
        return Div(
            said,
            Div(
                Small(told),
                _post(f"/chat/undo/{id}", "Undo")
                if found.state == "done" and found.undoable
                else None,
                cls="row",
            ),
        )

    async def state(self) -> FT:
        """Which model answers, and what can be done about it."""
        found = await self.models()
        busy = bool(self.answering and not self.answering.done())
        if found:
            chosen = Form(
                Select(
                    *[
                        Option(f"{m.name} · {m.place}", value=m.name, selected=i == 0)
                        for i, m in enumerate(found)
                    ],
                    name="name",
                    aria_label="Model",
                    id=None,
                ),
                hx_post="/chat/model",
                hx_trigger="change",
                hx_swap="none",
            )
        else:
            chosen = Div(
                P(
                    "No model yet. All works without one; with one the panel explains, answers and remembers.",
                    cls="hint",
                ),
                None
                if self.getting
                else _post(f"/chat/get/{SMALL}", "Get a small model, 491 MB", cls=""),
            )
        return Div(
            chosen,
            self.getting_line(),
            _post("/chat/stop", "Stop") if busy else None,
            id="chat-state",
            cls="chat-state",
            hx_swap_oob="true",
        )

    def getting_line(self, oob: bool = False) -> FT:
        """The progress of a download."""
        inside = (
            ()
            if not self.getting
            else (
                Progress(value=f"{self.getting[1]:.3f}", max="1", aria_label=self.getting[0]),
                Small(f"{self.getting[0]}: {self.getting[1]:.0%}"),
            )
        )
        return Div(*inside, id="chat-getting", **({"hx_swap_oob": "true"} if oob else {}))

    def list(self, search: str = "") -> tuple[FT, ...]:
        """The conversations, or the messages that contain `search`."""
        looking = Input(
            type="search",
            name="q",
            value=search,
            placeholder="Search messages",
            aria_label="Search messages",
            id=None,
            hx_get="/chat/conversations",
            hx_trigger="input changed delay:200ms, search",
            hx_target="#conversations",
        )
        if search:
            rows = [
                Li(_post(f"/chat/open/{r['conversation_id']}", r["content"][:80]))
                for r in self.conversations.search(search, 20)
            ]
            return looking, Ul(*rows or [Li("No message has that.", cls="empty")])
        rows = [
            Li(
                _post(f"/chat/open/{r['id']}", r["title"]),
                _post(f"/chat/delete/{r['id']}", "×", label=f"Delete {r['title']}"),
                aria_current="true" if r["id"] == self.conversation else None,
            )
            for r in self.conversations.all()[:30]
        ]
        return (
            looking,
            Div(_post("/chat/new", "New"), _post("/chat/new?temporary=1", "Temporary"), cls="row"),
            Ul(*rows),
        )


def _post(
    url: str, label_text: str, *inside: Any, cls: str = "quiet", label: str | None = None
) -> FT:
    return Form(
        *inside,
        Button(label_text, type="submit", cls=cls, aria_label=label),
        hx_post=url,
        hx_swap="none",
        action=url,
        method="post",
        enctype="application/x-www-form-urlencoded",
    )


def routes(app: FastHTML) -> None:
    """Add the panel to the app: its voice, its place in the shell, its addresses."""
    panel = Panel(app)
    state = app.state
    state.offer(panel)
    state.voice = panel
    state.explain, state.chat_panel = panel.explain, panel.panel
    state.end.append(panel.close)

    def act(path: str, function: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        async def handler(request: Request) -> Response:
            try:
                await function(request)
            except PipulateError as error:
                return fragment(
                    P(str(error), cls="error"),
                    status=409,
                    hx_retarget="#alert",
                    hx_reswap="innerHTML",
                )
            return Response(status_code=204, headers={"HX-Trigger": "chat-changed"})

        app.route(path, methods=["POST"], name=path)(handler)

    async def field(request: Request, name: str) -> str:
        return str((await request.form()).get(name, "")).strip()

    async def send(request: Request) -> None:
        if said := (await field(request, "text"))[:20_000]:
            await panel.send(said)

    async def again(request: Request) -> None:
        await panel.stop()
        rows = await asyncio.to_thread(
            panel.conversations.truncate, panel.conversation, request.path_params["id"]
        )
        asked = [
            row for row in panel.conversations.messages(panel.conversation) if row["role"] == "user"
        ]
        await panel.show_all()
        if rows and asked:
            panel.answering = panel.background(panel.react(asked[-1]["content"]))

    async def edit(request: Request) -> None:
        said = await field(request, "text")
        await panel.stop()
        await asyncio.to_thread(
            panel.conversations.truncate, panel.conversation, request.path_params["id"]
        )
        await panel.show_all()
        if said:
            await panel.send(said)

    async def decide(request: Request, function: Callable[[int, dict[str, str]], Proposal]) -> None:
        id = request.path_params["id"]
        given = {key: str(value) for key, value in (await request.form()).items()}
        await asyncio.to_thread(function, id, given)
        for row in panel.conversations.messages(panel.conversation):
            if row["about"] == f"proposal {id}":
                await panel.push(panel.item(row, oob=True))

    async def yes(request: Request) -> None:
        await decide(request, lambda id, given: proposals.confirm(panel.desk(), id, given or None))

    async def no(request: Request) -> None:
        await decide(request, lambda id, given: proposals.refuse(panel.store, id))

    async def undo(request: Request) -> None:
        await decide(request, lambda id, given: proposals.undo(panel.store, id))

    async def new(request: Request) -> None:
        await panel.stop()
        panel._temporary = (
            panel.conversations.new(temporary=True) if request.query_params.get("temporary") else 0
        )
        if not panel._temporary:
            panel.store["conversation"] = panel.conversations.new()
        await panel.show_all()

    async def open_(request: Request) -> None:
        await panel.stop()
        panel.store["conversation"] = panel.conversations.get(request.path_params["id"])["id"]
        panel._temporary = 0
        await panel.show_all()

    async def delete(request: Request) -> None:
        await panel.stop()
        seq = await asyncio.to_thread(panel.conversations.delete, request.path_params["id"])
        await panel.show_all()
        if seq:
            await panel.push(
                Div(
                    P("Conversation deleted."),
                    _post(f"/chat/restore/{seq}", "Undo"),
                    id="alert",
                    hx_swap_oob="innerHTML",
                )
            )

    async def restore(request: Request) -> None:
        panel.store["conversation"] = await asyncio.to_thread(
            panel.conversations.restore, request.path_params["id"]
        )
        await panel.push(Div(id="alert", hx_swap_oob="innerHTML"))
        await panel.show_all()

    async def model(request: Request) -> None:
        panel.store["model"] = await field(request, "name")
        await panel.push(await panel.state())

    async def get(request: Request) -> None:
        name = weights.named(request.path_params["name"]).name
        panel.background(panel.get(name))
        await panel.push(await panel.state())

    async def stop(request: Request) -> None:
        await panel.stop()

    for path, function in {
        "send": send,
        "stop": stop,
        "again/{id:int}": again,
        "edit/{id:int}": edit,
        "yes/{id:int}": yes,
        "no/{id:int}": no,
        "undo/{id:int}": undo,
        "new": new,
        "open/{id:int}": open_,
        "delete/{id:int}": delete,
        "restore/{id:int}": restore,
        "model": model,
        "get/{name}": get,
    }.items():
        act(f"/chat/{path}", function)

    @app.route("/chat/conversations", methods=["GET"], name="chat_conversations")
    def conversations(request: Request) -> Any:
        return fragment(*panel.list(request.query_params.get("q", "")))

    async def listen(socket: WebSocket) -> None:
        if len(panel.sockets) > 200:
            raise HTTPException(429)
        await socket.accept()
        panel.sockets.add(socket)
        try:
            await panel.visit(socket.query_params.get("page", ""))
            await socket.send_text(
                to_xml((panel.messages(oob=True), await panel.state()), indent=False)
            )
            while True:
                await socket.receive_text()  # pages send nothing: their acts are posts
        except (WebSocketDisconnect, RuntimeError, OSError, KeyError):
            pass
        finally:
            panel.sockets.discard(socket)

    app.router.routes.append(WebSocketRoute("/chat/ws", listen))
