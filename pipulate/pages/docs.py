"""The manual in the app: its pages at /docs, and a search over all of them.

Its Markdown is ours, so pictures show and links are plain; a model's goes
through `markdown`.
"""

import re
from functools import cache
from urllib.parse import urljoin

from fasthtml.common import (
    FT,
    A,
    FastHTML,
    FileResponse,
    Form,
    HTTPException,
    Input,
    Li,
    NotStr,
    P,
    Request,
    Response,
    Small,
    Ul,
)

from pipulate import docs
from pipulate.docs import Page, Section
from pipulate.web.components import page

PICTURES = frozenset(docs.FOLDER.rglob("*.png"))  #: nothing else is served as it is
EXCERPT = 160  #: characters of a found section


@cache
def _html(shown: Page) -> FT:
    from markdown_it import MarkdownIt  # not before somebody reads the manual

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(shown.text)[3:]  # the shell shows the first heading
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrs["id"] = docs.anchor(tokens[index + 1].content)
        for inline in token.children or []:
            for attribute in inline.attrs.keys() & {"href", "src"}:
                target = str(inline.attrs[attribute])
                inline.attrs[attribute] = _address(target, shown.name)
    body = markdown.renderer.render(tokens, markdown.options, {})
    return NotStr(f'<div class="manual">{body}</div>')


def _address(target: str, name: str) -> str:
    here = urljoin(f"/docs/{name}", target)
    return re.sub(r"^(/docs/[^#]*)\.md(?=#|$)", r"\1", here)


def _search_field(words: str) -> FT:
    label = "Search the manual"
    field = Input(type="search", name="q", value=words, placeholder=label, aria_label=label)
    return Form(field, action="/docs", method="get", role="search")


def _found(section: Section) -> FT:
    plain = re.sub(r"[`*|#]|\]\([^)]*\)|\[", "", section.text)
    excerpt = plain[:EXCERPT].replace("\n", " ")
    where = docs.pages()[section.page].title
    return Li(
        A(section.title, href=section.address),
        P(Small(f"{where}. "), excerpt, "…"),
    )


def _results(words: str) -> FT:
    found = docs.search(words, limit=10)
    if not found:
        return P("The manual has nothing on that.", role="status")
    return Ul(*map(_found, found), cls="found")


def routes(app: FastHTML) -> None:
    """Add the manual."""
    app.state.add_page("Manual", "/docs")

    @app.get("/docs")
    def manual(request: Request) -> Response:
        words = request.query_params.get("q", "").strip()
        index = docs.pages()["index"]
        content = _html(index)
        if words:
            content = _results(words)
        return page(request, index.title, _search_field(words), content, about=index.lead)

    @app.get("/docs/{name:path}")
    def manual_page(request: Request, name: str) -> Response:
        if (picture := docs.FOLDER / name) in PICTURES:
            return FileResponse(picture)
        shown = docs.pages().get(name)
        if shown is None:
            raise HTTPException(404)
        back = P(A("‹ Manual", href="/docs"), cls="hint")
        return page(request, shown.title, back, _html(shown), about=shown.text[:2000])
