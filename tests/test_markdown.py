"""Whatever a model says becomes harmless HTML that still shows it: taken apart tag by tag."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.markdown import LONGEST, render
from tests.chat.payloads import PAYLOADS

VOID = {"br", "hr"}
ALLOWED: dict[str, set[str]] = {
    "a": {"href", "target", "rel"},
    "code": {"class"},
    "div": {"class"},
    "button": {"type", "data-copy"},
    "ol": {"start"},
    "th": {"class"},
    "td": {"class"},
    **{
        tag: set()
        for tag in (
            "p",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "em",
            "strong",
            "s",
            "pre",
            "ul",
            "li",
            "blockquote",
            "hr",
            "br",
            "table",
            "thead",
            "tbody",
            "tr",
        )
    },
}


class Taken(HTMLParser):
    """The parts of a document; anything not on the list above fails."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.links, self.classes, self.open = "", [], set(), []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Check a tag and its attributes."""
        assert tag in ALLOWED and {name for name, _ in attrs} <= ALLOWED[tag], (tag, attrs)
        found = dict(attrs)
        self.classes |= set((found.get("class") or "").split())
        if tag == "a":
            href = found["href"] or ""
            self.links.append(href)
            assert "a" not in self.open
            assert href[0] in "/#" or found["rel"] == "noopener noreferrer nofollow"
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that tags nest."""
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect what can be read."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """A comment could hide something."""
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def check(markdown: str) -> Taken:
    """Render and take apart; every link goes where links may go, and shows its address."""
    taken = Taken(render(markdown))
    for link in taken.links:
        parts = urlsplit(link)
        away = parts.scheme in ("http", "https") and parts.netloc
        assert (
            away
            or link.startswith("#")
            or (link.startswith("/") and not link.startswith(("//", "/\\")))
        ), link
        assert link in taken.text and not set(link) & set('\\\t\n\r <>"')
    return taken


class TestSafety:
    @pytest.mark.parametrize("payload", PAYLOADS)
    def test_payloads_are_harmless_whole_and_half(self, payload: str) -> None:
        """No script, handler, style, form, image or frame comes out while the text arrives."""
        for end in range(0, len(payload), max(1, len(payload) // 40)):
            check(payload[:end])
        check(f"Before {payload} after\n\n{payload}\n\n- {payload}\n\n> {payload}")

    def test_there_are_enough(self) -> None:
        """The promise says a hundred payloads."""
        assert len(set(PAYLOADS)) >= 120

    @settings(deadline=None)  # a busy machine is no failure
    @given(st.text())
    def test_any_text_is_harmless(self, text: str) -> None:
        """Any Unicode renders to the tags on the list."""
        check(text)

    @settings(deadline=None)  # a busy machine is no failure
    @given(
        st.lists(
            st.sampled_from(
                [
                    "<",
                    ">",
                    "[",
                    "]",
                    "(",
                    ")",
                    "!",
                    "`",
                    "*",
                    "_",
                    "\\",
                    "&",
                    ";",
                    "#",
                    '"',
                    "'",
                    "\n",
                    " ",
                    "    ",
                    "|",
                    "-",
                    "javascript:",
                    "https://evil.example",
                    "//",
                    "/",
                    "onload=",
                    "<script>",
                    "```",
                    "~~",
                    "&#106;",
                    "\t",
                    "data:",
                    "1. ",
                    "> ",
                ]
            ),
            max_size=40,
        )
    )
    def test_any_mix_of_signs_is_harmless(self, parts: list[str]) -> None:
        """So does any mixture of what Markdown and HTML are made of."""
        check("".join(parts))

    @pytest.mark.parametrize(
        "text",
        [
            "[" * 50_000,
            "*a " * 10_000,
            ">" * 50_000,
            "![" * 10_000,
            "[a](" * 10_000,
            "`" * 50_000,
            "<" * 90_000,
            "|a" * 3000 + "\n" + "|-" * 3000 + "\n|b",
        ],
    )
    def test_no_text_takes_long(self, text: str) -> None:
        """Signs in their tens of thousands neither hang nor overflow the parser."""
        check(text)

    def test_a_very_long_text_is_shown_plain(self) -> None:
        """Past the limit everything is still there, unrendered."""
        text = "<b>*x* " * (LONGEST // 7 + 1)
        assert check(text).text == text


class TestLinks:
    def test_a_link_shows_its_whole_address(self) -> None:
        """What it would carry away stands beside it, even if the text pretends another address."""
        assert (
            check("[home](https://evil.example/?q=secret)").text
            == "home (https://evil.example/?q=secret)\n"
        )
        assert (
            check("[https://bank.example](https://evil.example)").text
            == "https://bank.example (https://evil.example)\n"
        )
        assert check("[](https://evil.example)").text == " (https://evil.example)\n"

    def test_an_address_is_not_repeated(self) -> None:
        """A link whose text is its address shows it once."""
        assert check("<https://a.example/x>").text == "https://a.example/x\n"

    def test_look_alikes_are_unmasked(self) -> None:
        """A host in foreign letters is shown as it is asked for."""
        assert "xn--bnk-6cd.example" in check("<https://bаnk.example>").text

    def test_links_of_this_app(self) -> None:
        """An address of ours opens here; a host in disguise does not pass for one."""
        assert check("[run](/bridge?id=arthur)").links == ["/bridge?id=arthur"]
        assert (
            check("[x](//evil.example) [y](javascript:alert) [z](mailto:a@b.example)").links == []
        )

    def test_other_schemes_stay_text(self) -> None:
        """Nothing is lost: what is not a link can be read."""
        assert check("[x](javascript:alert(1))").text == "[x](javascript:alert(1))\n"


class TestShown:
    def test_images_are_text(self) -> None:
        """An image is told, not loaded, also in a link."""
        assert (
            check("![a *cat*](https://evil.example/c.png)").text
            == "[image: a *cat*] (https://evil.example/c.png)\n"
        )
        assert check("[![a](https://e.example/a)](https://e.example/b)").links == [
            "https://e.example/b"
        ]

    def test_html_is_shown(self) -> None:
        """Tags in the text can be read."""
        assert check("a <b>c</b>").text == "a <b>c</b>\n"

    def test_code_can_be_copied(self) -> None:
        """A fence has its language as a class, a button for the page's script, its own text."""
        html = render("```python\nprint('<b>')\n```")
        assert html == (
            '<div class="code"><button type="button" data-copy>Copy</button>'
            '<pre><code class="language-python">'
            "print(&#x27;&lt;b&gt;&#x27;)\n</code></pre></div>\n"
        )
        assert "class" not in render("    plain").split("<pre>")[1]

    def test_tables(self) -> None:
        """Cells are aligned by class, for our pages allow no styles in attributes."""
        taken = check("|left|right|\n|:-|-:|\n|1|2|")
        assert taken.classes == {"align-left", "align-right"} and "left" in taken.text

    def test_half_received(self) -> None:
        """An open fence is already code; an open link is still text."""
        assert (
            "<pre><code" in render("Look:\n```py\nx = 1")
            and check("see [the docs](https://a.exam").links == []
        )

    def test_the_usual(self) -> None:
        """Headings, emphasis, lists and quotes come out as such."""
        html = render("# A\n\n**b** *c* ~~d~~ `e`\n\n1. f\n2. g\n\n> h")
        for part in (
            "<h1>A</h1>",
            "<strong>b</strong>",
            "<em>c</em>",
            "<s>d</s>",
            "<code>e</code>",
            "<ol>",
            "<blockquote>",
        ):
            assert part in html
