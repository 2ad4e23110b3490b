"""The manual in the app: its pages at /docs, and a search over all of them.

Its Markdown is ours, so pictures show and links are plain; a model's goes through `web.markdown`.
"""

import posixpath
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from fasthtml.common import FT, A, FastHTML, Form, Input, Li, NotStr, P, Small, Ul
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse

from pipulate import docs
from pipulate.docs import Page, Section
from pipulate.web.components import page

if TYPE_CHECKING:
    from markdown_it.token import Token

PICTURES = {
    path.relative_to(docs.FOLDER).as_posix(): path for path in docs.FOLDER.rglob("*.png")
}  #: what is served as it is; nothing else of the folder
EXCERPT = 160  #: characters of a found section


@cache
def html(shown: Page) -> NotStr:
    """Return a page's HTML without its title, which the shell shows."""
    from markdown_it import MarkdownIt  # not needed before somebody reads the manual

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(shown.text)[3:]  # after the first heading's three
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrs["id"] = docs.anchor(tokens[index + 1].content)
        for inline in token.children or []:
            _lead_here(inline, shown.name)
    body = markdown.renderer.render(tokens, markdown.options, {})
    return NotStr(f'<div class="manual">{body}</div>')


def _lead_here(inline: "Token", name: str) -> None:
    """Have links and pictures that are relative to the file lead to the app's addresses."""
    for attribute in ("href", "src"):
        target = str(inline.attrs.get(attribute, ""))
        if target and not re.match(r"[a-z]+:|/", target):
            inline.attrs[attribute] = _address(target, name)


def _address(target: str, name: str) -> str:
    path, hash_sign, part = target.partition("#")
    folder = posixpath.dirname(f"/docs/{name}")
    here = posixpath.normpath(posixpath.join(folder, path)) if path else f"/docs/{name}"
    return here.removesuffix(".md") + hash_sign + part


def _search_field(words: str) -> FT:
    field = Input(
        type="search",
        name="q",
        value=words,
        placeholder="Search the manual",
        aria_label="Search the manual",
    )
    return Form(field, action="/docs", method="get", role="search")


def _found(section: Section) -> FT:
    excerpt = re.sub(r"[`*|#]|\]\([^)]*\)|\[", "", section.text)[:EXCERPT].replace("\n", " ")
    where = docs.pages()[section.page].title
    return Li(A(section.title, href=section.address), P(Small(f"{where}. "), excerpt, "…"))


def _results(words: str) -> FT:
    found = docs.search(words, limit=10)
    if not found:
        return P("The manual has nothing on that.", role="status")
    return Ul(*map(_found, found), cls="found")


def routes(app: FastHTML) -> None:
    """Add the manual."""
    app.state.add_page("Manual", "/docs")

    @app.route("/docs", methods=["GET"])
    def manual(request: Request) -> Any:
        words = request.query_params.get("q", "").strip()
        index = docs.pages()["index"]
        content = _results(words) if words else html(index)
        return page(request, index.title, _search_field(words), content, about=index.lead)

    @app.route("/docs/{name:path}", methods=["GET"])
    def manual_page(request: Request, name: str) -> Any:
        if name in PICTURES:
            return FileResponse(PICTURES[name])
        shown = docs.pages().get(name)
        if shown is None:
            raise HTTPException(404)
        back = P(A("‹ Manual", href="/docs"), cls="hint")
        body = html(shown)
        return page(request, shown.title, back, body, about=shown.text[:2000])
