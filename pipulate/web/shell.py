"""The shell around every page: head, menu, main column, chat, finder.

What is the same on every page is text; the menu is rendered once for each
state of it.
"""

from functools import lru_cache
from html import escape
from string import Template
from typing import Any
from urllib.parse import quote

from fastcore.xml import (
    FT,
    A,
    Div,
    Li,
    NotStr,
    Section,
    Small,
    Ul,
    to_xml,
)
from starlette.requests import Request

from pipulate.engine import profiles
from pipulate.engine.settings import PACKAGE
from pipulate.web.state import State
from pipulate.web.windows import carrying, note

HEAD = (PACKAGE / "web" / "head.html").read_text(encoding="utf-8").strip()


_BODY = Template((PACKAGE / "web" / "body.html").read_text(encoding="utf-8").strip())
_NO_CHAT = """<aside id="chat" aria-label="Chat">
<p class="hint">No model yet.</p></aside>"""


def _text(*parts: Any) -> str:
    return str(to_xml(parts, indent=False))


def document(request: Any, title: str, content: Any) -> str:
    """Return a whole page as text."""
    theme = "".join(f' {name}="{escape(value)}"' for name, value in request.app.state.theme.items())
    return (
        f"<!doctype html><html{theme}><head><title>{escape(title)} · "
        f"Pipulate</title>{HEAD}</head><body>{_body(request, content)}</body></html>"
    )


def shell(content: Any, request: Any) -> tuple[Any, ...]:
    """Return the body around an author's page (FastHTML's `body_wrap`)."""
    mains = [part for part in content if getattr(part, "tag", "") == "main"]
    for part in mains:  # FastHTML's Titled brings one of its own
        part.tag = "div"
        part.attrs["class"] = "page"
    column = content if mains else Div(*content, cls="page")
    return (NotStr(_body(request, column)),)


def frame(request: Request) -> dict[str, str]:
    """Read what stands around a page."""
    state: State = request.app.state
    parts = {"note": escape(note(state.store)), "switcher": "", "chat": _NO_CHAT}
    if state.profile_switcher:
        parts["switcher"] = _text(state.profile_switcher(request.app))
    if state.chat_panel:
        parts["chat"] = _text(state.chat_panel(request))
    return parts


def _body(request: Any, content: Any) -> str:
    state: State = request.app.state
    profile = profiles.shown(state.store)
    parts = {
        "profile": profile,
        "menu": menu(state, request.url.path),
        "content": _text(content),
        "main": request.scope.get("main", str)(),  # what a page written by hand says
        **(request.scope.get("frame") or frame(request)),
    }
    return carrying(_BODY.substitute(parts), profile)


Links = tuple[tuple[str, str], ...]  #: titles and addresses


def menu(state: State, path: str) -> str:
    """Return the menu; the entry is marked that leads to `path` or above."""
    groups = {"Workflows": [(flow.title, f"/{flow.name}") for flow in state.workflows]}
    groups |= state.menu
    here = ""
    for links in groups.values():
        for _, address in links:
            if path == address or path.startswith(f"{address}/"):
                here = address
    # Not by the path, which may be anything.
    return _menu(tuple((group, tuple(links)) for group, links in groups.items()), here)


@lru_cache(maxsize=100)
def _menu(groups: tuple[tuple[str, Links], ...], here: str) -> str:
    return _text(*[_group(title, links, here) for title, links in groups if links])


def _group(title: str, links: Links, here: str) -> FT:
    me = f"menu-{title.lower()}"
    items = []
    for text, address in links:
        current = address == here and "page"
        items.append(Li(A(text, href=quote(address, safe="/?=&"), aria_current=current)))
    return Section(Small(title, id=me), Ul(*items, aria_labelledby=me))
