"""A model's Markdown as safe HTML: a model repeats what strangers wrote.

HTML    in the text is shown, not used.  Only the tags of CommonMark, tables
        and strikethrough come out, without ids, styles or handlers.
LINKS   lead to http, https and addresses of this app ("/runs"); other schemes
        stay text.  Each is followed by its whole address, so that no text
        hides where it leads and what it carries away; no referrer goes along.
IMAGES  are never loaded, as that alone could tell a stranger something: their
        text and address are shown.
CODE    comes with a button for the page's script: <button data-copy>.
HALF    an answer renders: an open fence runs to the end, an open link is
        text.
"""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

# "//x", "/\x" and blanks are out: browsers would read another host into them.
GOOD = re.compile(r"https?://[^\s\\]+|/(?![/\\])[^\s\\]*|#[\w-]*", re.IGNORECASE)
LONGEST = 100_000  #: characters that are rendered, as that takes time


def render(text: str) -> str:
    """Return safe HTML for a Markdown text, received in whole or half."""
    if len(text) > LONGEST:
        return f"<pre>{escape(text)}</pre>"
    markdown = _markdown()
    tokens = markdown.parse(text)
    for token in tokens:
        if style := token.attrs.pop("style", ""):  # of a table's cell
            token.attrs["class"] = str(style).replace("text-align:", "align-")
        token.children = _tame(token.children or [])
    return str(markdown.renderer.render(tokens, markdown.options, {}))


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.validateLink = lambda url: bool(GOOD.fullmatch(url))  # type: ignore[method-assign]
    for rule in ("fence", "code_block"):
        markdown.add_render_rule(rule, _code)
    return markdown


def _tame(inline: list[Token]) -> list[Token]:
    tamed: list[Token] = []
    href = ""
    for token in inline:
        if token.type == "image":
            token = _text(f"[image: {token.content}] ({token.attrs['src']})")
        tamed.append(token)
        if token.type == "link_open":
            href = str(token.attrs["href"])
            token.attrs = {"href": href}
            if not href.startswith(("/", "#")):
                token.attrs |= {
                    "target": "_blank",
                    "rel": "noopener noreferrer nofollow",
                }
        elif token.type == "link_close" and tamed[-2].content != href:
            tamed.append(_text(f" ({href})"))
    return tamed


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _code(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    language = re.sub(r"[^\w+#.-].*", "", tokens[index].info.strip())
    name = language and f' class="language-{language}"'
    return (
        f'<div class="code"><button type="button" data-copy>Copy</button>'
        f"<pre><code{name}>{escape(tokens[index].content)}</code></pre></div>\n"
    )
