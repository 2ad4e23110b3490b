"""The peer of bench_click: the least that answers a step, of Python's own library and htmx.

One page of the same three questions, kept in memory; each answer comes back as one response, the
card just done and the next one, which takes the focus.  No shell, no style sheet, no disk.

python bench/bare.py PORT
"""

import sys
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

HTMX = Path(__file__).parents[1] / "pipulate" / "static" / "vendor" / "htmx.min.js"
QUESTIONS = ("name", "quest", "color")
answers: dict[str, str] = {}


def card(number: int) -> str:
    """Return the card that asks, or the result."""
    if number > len(QUESTIONS):
        return '<article id="result"><h2 tabindex="-1" autofocus>Right. Off you go.</h2></article>'
    name = QUESTIONS[number - 1]
    return f"""<article id="card{number}" data-current="1"><h2>What... is your {name}?</h2>
<form hx-post="/card{number}" hx-target="#card{number}" hx-swap="outerHTML">
<input name="{name}" required autofocus><button type="submit">Next</button></form></article>"""


class Handler(BaseHTTPRequestHandler):
    """A page, htmx, and an answer to each card."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Send the page with its first card, or htmx."""
        if self.path == "/htmx.js":
            self.send(HTMX.read_text(), "text/javascript")
            return
        head = '<meta charset="utf-8"><title>Bridge</title><script src="/htmx.js"></script>'
        self.send(f"<!doctype html><html><head>{head}</head><body>{card(1)}</body></html>")

    def do_POST(self) -> None:
        """Keep the answer; send what it was, and the next card."""
        number = int(self.path.removeprefix("/card"))
        name = QUESTIONS[number - 1]
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        answers[name] = form[name][0]
        done = f'<article id="card{number}">{name}: {escape(answers[name])}</article>'
        self.send(done + card(number + 1))

    def send(self, text: str, kind: str = "text/html; charset=utf-8") -> None:
        """Answer."""
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
