"""The settings of the model: the user's own server, remarks on cards."""

import asyncio

from fastcore.xml import FT, Button, Input, Label, P
from fasthtml.common import FastHTML, RedirectResponse, Request, Response

from pipulate.chat.talk import Talk
from pipulate.engine.store import Store
from pipulate.pages.settings import card
from pipulate.web.components import form

LIKE = "http://127.0.0.1:8080/v1"
WHERE = (
    "Without an address, a running Ollama is used, or the small embedded model. "
    "Prompts go to the server you name here and nowhere else."
)


def section(app: FastHTML) -> FT:
    """The card."""
    store = app.state.store
    address = Input(name="url", value=store.get("model_url", ""), type="url", placeholder=LIKE)
    model = Input(name="name", value=store.get("model_name", ""), placeholder="any it has")
    kept = "only if the server wants one"
    if store.get("model_key"):
        kept = "kept; leave empty to keep it"
    key = Input(
        name="key",
        value="",
        type="password",
        autocomplete="off",
        placeholder=kept,
    )
    explain = store.get("explain", True)
    explains = Input(type="checkbox", role="switch", name="explain", checked=explain)
    fields = (
        Label("A server that speaks OpenAI's protocol", address),
        Label("Its model", model),
        Label("Its key", key),
        Label(explains, "Explain each card in a sentence or two"),
    )
    save = form("/settings/model", *fields, Button("Save", type="submit"))
    return card("Model", save, P(WHERE, cls="hint"))


def keep(store: Store, url: str, name: str, key: str, explain: bool) -> None:
    """Remember what was chosen.  An empty key keeps the one there is."""
    if not url.startswith(("http://", "https://")):
        url = ""
    store["model_url"] = url
    store["model_name"] = name[:200]
    if key or not url:
        store["model_key"] = key
    store["explain"] = explain


def routes(app: FastHTML) -> None:
    """Add the card to the settings page."""
    app.state.add_settings("Model", section)

    @app.post("/settings/model")
    async def save(request: Request) -> Response:
        sent = await request.form()
        url, name, key = (str(sent.get(field, "")).strip() for field in ("url", "name", "key"))
        explain = bool(sent.get("explain"))
        await asyncio.to_thread(keep, app.state.store, url.rstrip("/"), name, key, explain)
        await app.state.part(Talk).models.found(fresh=True)
        return RedirectResponse("/settings", 303)
