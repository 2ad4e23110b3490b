"""The settings of the model: a server of the user's own, and whether it explains each card."""

from typing import Any

from fasthtml.common import FT, H2, Button, FastHTML, Form, Input, Label, P, Section
from starlette.requests import Request
from starlette.responses import RedirectResponse

from pipulate.chat.talk import Talk
from pipulate.engine.store import Store


def section(app: FastHTML) -> FT:
    """Return the card."""
    store: Store = app.state.store
    kept = (
        "kept; leave empty to keep it" if store.get("model_key") else "only if the server wants one"
    )
    return Section(
        H2("Model"),
        Form(
            Label(
                "A server that speaks OpenAI's protocol",
                Input(
                    name="url",
                    type="url",
                    value=store.get("model_url", ""),
                    placeholder="http://127.0.0.1:8080/v1",
                    id=None,
                ),
            ),
            Label(
                "Its model",
                Input(
                    name="name",
                    value=store.get("model_name", ""),
                    placeholder="any it has",
                    id=None,
                ),
            ),
            Label(
                "Its key",
                Input(name="key", type="password", placeholder=kept, autocomplete="off", id=None),
            ),
            Label(
                Input(
                    type="checkbox",
                    role="switch",
                    name="explain",
                    checked=store.get("explain", True),
                    id=None,
                ),
                "Explain each card in a sentence or two",
            ),
            Button("Save", type="submit"),
            method="post",
            action="/settings/model",
            enctype="application/x-www-form-urlencoded",
        ),
        P(
            "Without an address, a running Ollama is used, or the small embedded model. Prompts go to the server you name here and nowhere else.",
            cls="hint",
        ),
        cls="card open",
    )


def routes(app: FastHTML) -> None:
    """Add the card to the settings page."""
    app.state.add_settings("Model", section)

    @app.route("/settings/model", methods=["POST"], name="settings_model")
    async def save(request: Request) -> Any:
        store, form = app.state.store, await request.form()
        url = str(form.get("url", "")).strip().rstrip("/")
        store["model_url"] = url if url.startswith(("http://", "https://")) else ""
        store["model_name"] = str(form.get("name", "")).strip()[:200]
        if (key := str(form.get("key", "")).strip()) or not url:
            store["model_key"] = key
        store["explain"] = bool(form.get("explain"))
        await app.state.part(Talk).models.found(fresh=True)
        return RedirectResponse("/settings", 303)
