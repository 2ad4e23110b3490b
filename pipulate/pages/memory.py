"""What the model knows of the user: memories, its prompt, the soul file."""

import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fastcore.xml import (
    FT,
    A,
    Button,
    Details,
    Div,
    Input,
    Label,
    Li,
    P,
    Pre,
    Small,
    Summary,
    Textarea,
    Ul,
)
from fasthtml.common import (
    BackgroundTask,
    FastHTML,
    FileResponse,
    HTTPException,
    RedirectResponse,
    Request,
    Response,
)

from pipulate.chat import prompts, soul
from pipulate.chat.memory import Memory
from pipulate.engine.errors import PipulateError
from pipulate.engine.store import Store
from pipulate.pages.lists import Row, sent
from pipulate.pages.sent import Sent
from pipulate.pages.settings import card
from pipulate.web.components import (
    ago,
    button,
    failure,
    form,
    fragment,
    page,
    search_field,
)

ABOUT = """The memory page lists what is remembered about the user. Each memory can be edited,
pinned, switched off or forgotten for good."""
LEAD = (
    "Everything a model may be told about you, whichever model answers. It stays on this machine."
)
SOUL = (
    "Facts, memories, conversations and prompts in one readable file, for another "
    "machine or another model. A secret never is in it."
)
FORGET = "Forget this for good? It is removed everywhere and cannot be undone."
LONGEST = "2000"  # characters of a memory
THIS = "this memory"


# --- the list


def _memories(memory: Memory, search: str = "") -> FT:
    items = [_item(row) for row in memory.all(search)]
    nothing = Li("Nothing is remembered.", cls="empty")
    return Ul(*items or [nothing], id="memory-list", cls="editable")


def _item(row: Row) -> FT:
    notes = [row["source"], ago(row["at"])]
    pin = _act(row, "Pin", "pin?on=1")
    switch = _act(row, "Switch off", "switch?on=0")
    forget = _act(row, "Forget", "forget")(cls="quiet danger", hx_confirm=FORGET)
    kind = ""
    if row["pinned"]:
        notes.append("in every prompt")
        pin = _act(row, "Unpin", "pin?on=0")
    if row["state"] == "off":
        notes.append("off: told to no model")
        switch = _act(row, "Switch on", "switch?on=1")
        kind = "done"
    key = Small(row["key"], cls="label") if row["key"] else None
    hint = Small(" · ".join(filter(None, notes)), cls="hint")
    body = Div(key, _text(row), hint, cls="body")
    return Li(body, Div(pin, switch, forget, cls="acts"), cls=kind)


def _text(row: Row) -> FT:
    label = f"Text of {row['key'] or THIS}"
    return Input(
        name="content",
        value=row["content"],
        aria_label=label,
        maxlength=LONGEST,
        autocomplete="off",
        cls="inline",
        hx_trigger="change",
        **sent(f"/memory/{row['id']}"),
    )


def _act(row: Row, word: str, tail: str) -> FT:
    label = f"{word} {row['key'] or THIS}: {row['content'][:60]}"
    url = f"/memory/{row['id']}/{tail}"
    return Button(word, type="button", cls="quiet", aria_label=label, **sent(url))


# --- the page


def _content(store: Store, error: str = "") -> FT:
    memory = Memory(store)
    search = search_field("/memory/list", "#memory-list", "Search memories")
    head = (
        P(LEAD, cls="lead"),
        failure(error),
        _enabling(memory.enabled),
        _adding(),
        search,
    )
    return Div(*head, _memories(memory), _prompt_card(store), _soul_card())


def _enabling(on: bool) -> FT:
    url = "/memory/enabled"
    send = {"hx_post": url, "hx_trigger": "change", "hx_swap": "none"}
    switch = Input(type="checkbox", role="switch", name="on", checked=on, **send)
    return form(url, Label(switch, "Use memories in conversations"))


def _adding() -> FT:
    hint = "Key (optional), such as city"
    key = Input(
        name="key",
        placeholder=hint,
        aria_label="Key of a fact, optional",
        maxlength="100",
    )
    what = "Something to remember"
    text = Input(
        name="content",
        placeholder=what,
        aria_label=what,
        required=True,
        maxlength=LONGEST,
    )
    return form("/memory", key, text, Button("Remember", type="submit"), cls="joined")


def _prompt_card(store: Store) -> FT:
    newest, *older = prompts.versions(store)
    text = Textarea(newest["text"], name="text", rows="8", aria_label="System prompt")
    save = Button("Save as a new version", type="submit")
    versions = [_version(newest)]
    for row in older:
        again = button(f"/memory/prompt/{row['version']}", "Use this again")
        versions.append(_version(row)(again))
    count = f"{len(versions)} version{'s' * bool(older)}"
    change = form("/memory/prompt", text, save)
    kept = Details(Summary(count), *versions)
    return card("System prompt", change, kept)


def _version(row: Row) -> FT:
    made = f"Version {row['version']} by {row['author']} {ago(row['at'])}"
    return Div(P(made), Pre(row["text"]))


def _soul_card() -> FT:
    name = "soul.jsonl"
    export = A(
        "Export",
        href=f"/memory/{name}",
        role="button",
        cls="quiet",
        download=name,
    )
    file = Input(type="file", name="file", accept=".jsonl", required=True)
    send = Button("Import", type="submit", cls="quiet")
    import_ = form("/memory/soul/upload", Label("Import a soul file", file), send, files=True)
    return card("Soul", P(SOUL), Div(export, cls="row"), import_)


# --- addresses


def routes(app: FastHTML) -> None:
    """Add the page."""
    app.state.add_page("Memory", "/memory")
    _page_routes(app)
    _prompt_and_soul_routes(app)
    _memory_routes(app)


def _show(request: Request, error: PipulateError | None = None) -> Any:
    body = _content(request.app.state.store, str(error or ""))
    return page(request, "Memory", body, about=ABOUT)


def _back() -> Response:
    return RedirectResponse("/memory", 303)


def _do(request: Request, act: Callable[[], Any]) -> Any:
    try:
        act()
    except PipulateError as error:
        return _show(request, error)
    return _back()


def _page_routes(app: FastHTML) -> None:
    memory = Memory(app.state.store)

    @app.get("/memory")
    def memory_page(request: Request) -> Any:
        return _show(request)

    @app.post("/memory")
    def add(request: Request, sent: Sent) -> Any:
        text, key = (str(sent.get(name, "")) for name in ("content", "key"))
        return _do(request, partial(memory.add, text, key=key, source="you"))

    @app.get("/memory/list")
    def listed(request: Request) -> Response:
        return fragment(_memories(memory, request.query_params.get("q", "")))

    @app.post("/memory/enabled")
    def enabled(sent: Sent) -> Response:
        memory.enabled = bool(sent.get("on"))
        return _back()


def _prompt_and_soul_routes(app: FastHTML) -> None:
    store = app.state.store

    @app.post("/memory/prompt")
    def prompt(request: Request, sent: Sent) -> Any:
        text = str(sent.get("text", ""))
        return _do(request, partial(prompts.accept, store, text))

    @app.post("/memory/prompt/{version:int}")
    def roll_back(version: int) -> Response:
        prompts.roll_back(store, version)
        return _back()

    @app.get("/memory/soul.jsonl")
    def export() -> Response:
        folder = tempfile.TemporaryDirectory()
        path = Path(folder.name) / "soul.jsonl"
        soul.export(store, path)
        gone = BackgroundTask(folder.cleanup)
        return FileResponse(path, 200, None, "application/jsonl", gone, path.name)

    @app.post("/memory/soul/upload")
    def import_(request: Request, sent: Sent) -> Any:
        with sent.file("file") as file, tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "soul.jsonl"
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
            return _do(request, partial(soul.import_, store, path))


def _memory_routes(app: FastHTML) -> None:
    memory = Memory(app.state.store)

    @app.post("/memory/{id}")
    def edit(id: str, sent: Sent) -> Response:
        text = str(sent.get("content", ""))
        kept = memory.get(id)
        try:
            return fragment(_item(memory.edit(id, text)))
        except PipulateError as error:
            return fragment(_item(kept)(failure(error)), status=422)

    @app.post("/memory/{id}/forget")
    def forget(id: str) -> Response:
        memory.forget(id)
        return fragment(Li("Forgotten.", cls="note"))

    @app.post("/memory/{id}/{act}")
    def act(request: Request, id: str, act: str) -> Response:
        acts = {"pin": memory.pin, "switch": memory.switch}
        if act not in acts:
            raise HTTPException(404)
        acts[act](id, request.query_params.get("on") == "1")
        return fragment(_item(memory.get(id)))
