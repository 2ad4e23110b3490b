"""What the model knows of the user: memories to edit, pin, switch off and forget; its prompt's versions; the soul file."""

import tempfile
from pathlib import Path
from typing import Any

from fasthtml.common import (
    FT,
    H2,
    A,
    Button,
    Details,
    Div,
    FastHTML,
    Form,
    Input,
    Label,
    Li,
    P,
    Pre,
    Section,
    Small,
    Summary,
    Textarea,
    Ul,
)
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse

from pipulate.chat import prompts, soul
from pipulate.chat.memory import Memory
from pipulate.engine.errors import PipulateError
from pipulate.engine.store import Store
from pipulate.web.components import ago, fragment, page

ABOUT = "The memory page lists what is remembered about the user. Each memory can be edited, pinned, switched off or forgotten for good."
Row = dict[str, Any]


def _form(action: str, *inside: Any, **named: Any) -> FT:
    named = {
        "enctype": "application/x-www-form-urlencoded",
        "method": "post",
        "action": action,
    } | named
    return Form(*inside, **named)


def item(row: Row) -> FT:
    """Return one memory as an editable list item."""
    url, off = f"/memory/{row['id']}", row["state"] == "off"
    name = row["key"] or "this memory"

    def button(sign: str, word: str, tail: str, cls: str = "quiet") -> FT:
        return Button(
            sign,
            type="button",
            cls=cls,
            aria_label=f"{word} {name}: {row['content'][:60]}",
            hx_post=f"{url}/{tail}",
            hx_target="closest li",
            hx_swap="outerHTML",
        )

    return Li(
        Div(
            Small(row["key"], cls="label") if row["key"] else None,
            Input(
                name="content",
                value=row["content"],
                aria_label=f"Text of {name}",
                id=None,
                maxlength="2000",
                hx_post=url,
                hx_trigger="change",
                hx_target="closest li",
                hx_swap="outerHTML",
                autocomplete="off",
                cls="inline",
            ),
            Small(
                " · ".join(
                    filter(
                        None,
                        (
                            row["source"],
                            ago(row["at"]),
                            "in every prompt" if row["pinned"] else "",
                            "off: told to no model" if off else "",
                        ),
                    )
                ),
                cls="hint",
            ),
            cls="body",
        ),
        Div(
            button(
                "Unpin" if row["pinned"] else "Pin",
                "Unpin" if row["pinned"] else "Pin",
                f"pin?on={int(not row['pinned'])}",
            ),
            button(
                "Switch on" if off else "Switch off",
                "Switch on" if off else "Switch off",
                f"switch?on={int(off)}",
            ),
            Button(
                "Forget",
                type="button",
                cls="quiet danger",
                aria_label=f"Forget {name}: {row['content'][:60]}",
                hx_post=f"{url}/forget",
                hx_target="closest li",
                hx_swap="outerHTML",
                hx_confirm="Forget this for good? It is removed everywhere and cannot be undone.",
            ),
            cls="acts",
        ),
        cls="done" if off else "",
    )


def memories(memory: Memory, search: str = "") -> FT:
    """Return the list."""
    rows = memory.all(search)
    return Ul(
        *[item(row) for row in rows] or [Li("Nothing is remembered.", cls="empty")],
        id="memory-list",
        cls="editable",
    )


def content(app: FastHTML, error: str = "") -> FT:
    """Return the page's body."""
    store: Store = app.state.store
    memory = Memory(store)
    versions = prompts.versions(store)
    return Div(
        P(
            "Everything a model may be told about you, whichever model answers. It stays on this machine.",
            cls="lead",
        ),
        P(error, role="alert", cls="error") if error else None,
        _form(
            "/memory/enabled",
            Label(
                Input(
                    type="checkbox",
                    role="switch",
                    name="on",
                    checked=memory.enabled,
                    hx_post="/memory/enabled",
                    hx_trigger="change",
                    hx_swap="none",
                    id=None,
                ),
                "Use memories in conversations",
            ),
        ),
        _form(
            "/memory",
            Input(
                name="key",
                placeholder="Key (optional), such as city",
                aria_label="Key of a fact, optional",
                id=None,
                maxlength="100",
            ),
            Input(
                name="content",
                placeholder="Something to remember",
                aria_label="Something to remember",
                required=True,
                id=None,
                maxlength="2000",
            ),
            Button("Remember", type="submit"),
            cls="joined",
        ),
        Input(
            type="search",
            name="q",
            placeholder="Search",
            aria_label="Search memories",
            id=None,
            hx_get="/memory/list",
            hx_trigger="input changed delay:150ms, search",
            hx_target="#memory-list",
            hx_swap="outerHTML",
        ),
        memories(memory),
        Section(
            H2("System prompt"),
            _form(
                "/memory/prompt",
                Textarea(
                    prompts.current(store),
                    name="text",
                    rows="8",
                    aria_label="System prompt",
                    id=None,
                ),
                Button("Save as a new version", type="submit"),
            ),
            Details(
                Summary(f"{len(versions)} version{'s' if len(versions) > 1 else ''}"),
                *[
                    Div(
                        P(f"Version {row['version']} by {row['author']} {ago(row['at'])}"),
                        Pre(row["text"]),
                        _form(
                            f"/memory/prompt/{row['version']}",
                            Button("Use this again", type="submit", cls="quiet"),
                        )
                        if number
                        else None,
                    )
                    for number, row in enumerate(versions)
                ],
            ),
            cls="card open",
        ),
        Section(
            H2("Soul"),
            P(
                "Facts, memories, conversations and prompts in one readable file, for another machine or another model. A secret never is in it."
            ),
            Div(
                A(
                    "Export",
                    href="/memory/soul.jsonl",
                    role="button",
                    cls="quiet",
                    download="soul.jsonl",
                ),
                cls="row",
            ),
            _form(
                "/memory/soul/upload",
                Label(
                    "Import a soul file",
                    Input(type="file", name="file", accept=".jsonl", required=True, id=None),
                ),
                Button("Import", type="submit", cls="quiet"),
                enctype="multipart/form-data",
            ),
            cls="card open",
        ),
    )


def routes(app: FastHTML) -> None:
    """Add the page."""
    store: Store = app.state.store
    memory = Memory(store)
    app.state.add_page("Memory", "/memory")

    def show(request: Request, error: str = "") -> Any:
        return page(request, "Memory", content(app, error), about=ABOUT)

    @app.route("/memory", methods=["GET"], name="memory_page")
    def memory_page(request: Request) -> Any:
        return show(request)

    @app.route("/memory", methods=["POST"], name="memory_add")
    async def add(request: Request) -> Any:
        form = await request.form()
        try:
            memory.add(str(form.get("content", "")), key=str(form.get("key", "")), source="you")
        except PipulateError as error:
            return show(request, str(error))
        return RedirectResponse("/memory", 303)

    @app.route("/memory/list", methods=["GET"], name="memory_list")
    def listed(request: Request) -> Any:
        return fragment(memories(memory, request.query_params.get("q", "")))

    @app.route("/memory/enabled", methods=["POST"], name="memory_enabled")
    async def enabled(request: Request) -> Any:
        memory.enabled = bool((await request.form()).get("on"))
        return RedirectResponse("/memory", 303)

    @app.route("/memory/prompt", methods=["POST"], name="memory_prompt")
    async def prompt(request: Request) -> Any:
        try:
            prompts.accept(store, str((await request.form()).get("text", "")))
        except PipulateError as error:
            return show(request, str(error))
        return RedirectResponse("/memory", 303)

    @app.route("/memory/prompt/{version:int}", methods=["POST"], name="memory_roll_back")
    def roll_back(version: int) -> Any:
        prompts.roll_back(store, version)
        return RedirectResponse("/memory", 303)

    @app.route("/memory/soul.jsonl", methods=["GET"], name="memory_export")
    def export() -> Any:
        folder = tempfile.TemporaryDirectory()
        path = Path(folder.name) / "soul.jsonl"
        soul.export(store, path)
        return FileResponse(
            path,
            filename="soul.jsonl",
            media_type="application/jsonl",
            background=BackgroundTask(folder.cleanup),
        )

    @app.route("/memory/soul/upload", methods=["POST"], name="memory_import")
    async def import_(request: Request) -> Any:
        upload = (await request.form()).get("file")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "soul.jsonl"
            path.write_bytes(await upload.read() if isinstance(upload, UploadFile) else b"")
            try:
                soul.import_(store, path)
            except PipulateError as error:
                return show(request, str(error))
        return RedirectResponse("/memory", 303)

    @app.route("/memory/{id}", methods=["POST"], name="memory_edit")
    async def edit(request: Request, id: str) -> Any:
        text = str((await request.form()).get("content", ""))
        try:
            return fragment(item(memory.edit(id, text)))
        except PipulateError as error:
            if error.status == 404:
                raise
            return fragment(
                item(memory.get(id))(P(str(error), role="alert", cls="error")), status=422
            )

    @app.route("/memory/{id}/{act}", methods=["POST"], name="memory_act")
    def act(request: Request, id: str, act: str) -> Any:
        on = request.query_params.get("on") == "1"
        if act == "forget":
            memory.get(id)
            memory.forget(id)
            return fragment(Li("Forgotten.", cls="note"))
        if act not in ("pin", "switch"):
            raise HTTPException(404)
        getattr(memory, act)(id, on)
        return fragment(item(memory.get(id)))
