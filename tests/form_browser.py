"""What a browser would submit, for tests of forms."""

from html.parser import HTMLParser
from typing import Any

from fasthtml.common import to_xml


class Browser(HTMLParser):
    """Reads HTML and submits its form untouched, as a browser would: our independent opinion."""

    def __init__(self, form: Any) -> None:
        super().__init__()
        self.submitted: dict[str, list[str]] = {}
        self.select: dict[str, Any] | None = None
        self.options: list[tuple[str | None, bool, list[str]]] = []
        self.text: list[str] | None = None
        self.feed(to_xml(form, indent=False))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        attrs = dict(attributes)
        name, kind = attrs.get("name") or "", attrs.get("type") or "text"
        if tag == "input" and name and "disabled" not in attrs:
            if kind in ("radio", "checkbox"):
                if "checked" in attrs:
                    self.submitted.setdefault(name, []).append(attrs.get("value", "on") or "")
            elif kind not in ("submit", "button", "reset", "image", "file"):
                self.submitted.setdefault(name, []).append(attrs.get("value") or "")
        elif tag == "select":
            self.select, self.options = attrs, []
        elif tag == "option":
            self.text = []
            value = attrs.get("value", "") or "" if "value" in attrs else None
            if "disabled" not in attrs:
                self.options.append((value, "selected" in attrs, self.text))
        elif tag == "textarea":
            self.select, self.text = attrs, []

    def handle_data(self, data: str) -> None:
        if self.text is not None:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("select", "textarea") and self.select is not None:
            name = self.select.get("name") or ""
            if tag == "textarea":
                self.submitted.setdefault(name, []).append(
                    "".join(self.text or ()).removeprefix("\n")
                )
            else:
                chosen = [option for option in self.options if option[1]]
                if "multiple" not in self.select:
                    chosen = chosen[-1:] or self.options[:1]
                for value, _, text in chosen:
                    self.submitted.setdefault(name, []).append(
                        " ".join("".join(text).split()) if value is None else value
                    )
            self.select = self.text = None
