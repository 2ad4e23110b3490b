"""The second browser: Firefox, driven over WebDriver BiDi by a client of our own.

Debian packs no geckodriver, and none is needed: Firefox itself speaks BiDi, as JSON over a
WebSocket.  Keys and pointer come from the browser's own input, not from scripts.

FIREFOX  A browser process with a profile of its own; the environment's FIREFOX wins, else the
         first of the usual names on PATH.
TAB      A page with storage of its own.  It keeps what its console told (errors, warnings,
         exceptions, what the content security policy refused) and which addresses it asked for.
WAITING  `until` waits inside the page, and again when the page was left for another one.
"""

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("firefox-esr", "firefox")
MISSING = "there is no Firefox (Debian: apt install firefox-esr; or set FIREFOX to its path)"
PATIENCE = 60  #: seconds that anything may take: the machine may be busy
KEYS = {
    **{"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Control": "\ue009"},
    **{"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015"},
}
EVENTS = ["log.entryAdded", "network.beforeRequestSent", "browsingContext.downloadEnd"]
REFUSED = """() => addEventListener("securitypolicyviolation", (event) =>
  console.error("Content Security Policy", event.violatedDirective, event.blockedURI))"""
UNTIL = """(late, ...given) => new Promise((resolve) => {
  const asked = ASKED;
  setTimeout(resolve, late);
  (function look() {
    const found = asked(...given);
    found ? resolve(found) : setTimeout(look, 20);
  })();
})"""
FIND = """(selector, text) => {
  const VISIBLE = { visibilityProperty: true };
  const named = (e) => [e.innerText, e.ariaLabel, e.labels?.[0]?.innerText].join(" ");
  const roots = [...document.querySelectorAll(":defined")].map((e) => e.shadowRoot);
  const found = [document, ...roots]
    .flatMap((root) => [...(root?.querySelectorAll(selector) ?? [])])
    .find((e) => (e.checkVisibility(VISIBLE) || e.type === "file") && named(e).includes(text));
  found?.scrollIntoView({ block: "nearest", behavior: "instant" });
  return found;
}"""


def find_firefox() -> str | None:
    """Return the browser's path, if there is one."""
    named = os.environ.get("FIREFOX")
    found = map(shutil.which, [named] if named else NAMES)
    return next(filter(None, found), None)


class Refused(Exception):
    """The browser did not carry out a command."""


@contextmanager
def running(path: str, home: Path) -> Iterator["Firefox"]:
    """Give the browser, with an empty profile in `home`, where all that it writes is."""
    (profile := home / "profile").mkdir(parents=True)
    process = subprocess.Popen(
        [path, "--headless", "--remote-debugging-port=0", f"--profile={profile}"],
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr
            told = (line.partition(" listening on ") for line in process.stderr)
            address = next(where.strip() for _, said, where in told if said)
            with connect(f"{address}/session", max_size=None, open_timeout=PATIENCE) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()


class Firefox:
    """The browser, by its socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.asked = 0
        self.tabs: dict[str, Tab] = {}
        self.downloads: list[dict[str, Any]] = []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=EVENTS)
        self.ask("script.addPreloadScript", functionDeclaration=REFUSED)

    def ask(self, method: str, **params: Any) -> Any:
        """Send a command and return its result; what the browser tells meanwhile is kept."""
        self.asked += 1
        self.socket.send(json.dumps({"id": self.asked, "method": method, "params": params}))
        while True:
            told = self.hear()
            if told.get("id") == self.asked:
                if told["type"] == "error":
                    raise Refused(f"{method}: {told['error']}: {told['message']}")
                return told["result"]

    def hear(self) -> dict[str, Any]:
        """Take the next message."""
        told: dict[str, Any] = json.loads(self.socket.recv(2 * PATIENCE))
        params = told.get("params", {})
        match told.get("method"):
            case "log.entryAdded":
                where = params["source"].get("context")
                if where in self.tabs and params["level"] in ("error", "warn"):
                    self.tabs[where].said.append(params["text"])
            case "network.beforeRequestSent":
                if params["context"] in self.tabs:
                    self.tabs[params["context"]].requested.append(params["request"]["url"])
            case "browsingContext.downloadEnd":
                self.downloads.append(params)
        return told

    def download(self) -> Path:
        """Wait for the next file that was saved."""
        while not self.downloads:
            self.hear()
        saved = self.downloads.pop(0)
        assert saved["status"] == "complete", saved
        return Path(saved["filepath"])

    @contextmanager
    def tab(self) -> Iterator["Tab"]:
        """Give a page of a person who was never here."""
        person = self.ask("browser.createUserContext")["userContext"]
        made = self.ask("browsingContext.create", type="tab", userContext=person)
        tab = self.tabs[made["context"]] = Tab(self, made["context"])
        try:
            yield tab
        finally:
            self.ask("browser.removeUserContext", userContext=person)


class Tab:
    """A page."""

    def __init__(self, firefox: Firefox, context: str) -> None:
        self.firefox, self.context = firefox, context
        self.said: list[str] = []
        self.requested: list[str] = []

    def ask(self, method: str, **params: Any) -> Any:
        """Send a command about this page."""
        return self.firefox.ask(method, context=self.context, **params)

    def goto(self, url: str) -> None:
        """Open an address and wait until it is loaded."""
        self.ask("browsingContext.navigate", url=url, wait="complete")

    def reload(self) -> None:
        """Open the same address again."""
        self.ask("browsingContext.reload", wait="complete")

    def size(self, width: int, height: int) -> None:
        """Make the window as large as this."""
        self.ask("browsingContext.setViewport", viewport={"width": width, "height": height})

    def picture(self) -> bytes:
        """Return the window as PNG."""
        return b64decode(self.ask("browsingContext.captureScreenshot")["data"])

    def call(self, function: str, *given: Any) -> dict[str, Any]:
        """Call a function in the page and return its (remote) value."""
        told = self.firefox.ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[_local(value) for value in given],
            target={"context": self.context},
            awaitPromise=True,
            userActivation=True,
            serializationOptions={"maxDomDepth": 0},
        )
        if told["type"] == "exception":
            raise AssertionError(told["exceptionDetails"]["text"])
        found: dict[str, Any] = told["result"]
        return found

    def get(self, expression: str, *given: Any) -> Any:
        """Return an expression's value; `given` are its `a`, `b` and `c`."""
        told = self.call(f"async (a, b, c) => JSON.stringify(await ({expression}))", *given)
        return json.loads(told["value"]) if "value" in told else None

    def wait(self, function: str, *given: Any) -> dict[str, Any]:
        """Return what a function gives in the page, as soon as it gives anything."""
        end = monotonic() + PATIENCE
        while (late := end - monotonic()) > 0:
            with suppress(Refused):  # the page was left meanwhile
                found = self.call(UNTIL.replace("ASKED", function), 1000 * late, *given)
                if found["type"] != "undefined":
                    return found
        raise AssertionError(f"it did not come true: {function} {given}")

    def until(self, expression: str, *given: Any) -> None:
        """Wait until this is true, on this page or the next; `given` are its `a`, `b`, `c`."""
        self.wait(f"(a, b, c) => ({expression})", *given)

    def sees(self, selector: str, text: str = "") -> None:
        """Wait until such a thing with this text is shown."""
        self.wait(FIND, selector, text)

    def misses(self, selector: str) -> None:
        """Wait until there is no such thing to be seen."""
        self.wait(f"(...given) => !({FIND})(...given)", selector, "")

    def click(self, selector: str, text: str = "") -> None:
        """Press and release the pointer in the middle of such a thing."""
        element = {"sharedId": self.wait(FIND, selector, text)["sharedId"]}
        origin = {"type": "element", "element": element}
        self.point(0, 0, origin, press=True)

    def focus(self, selector: str, text: str = "") -> None:
        """Bring the focus to such a thing."""
        self.wait(
            f"(...given) => {{ const e = ({FIND})(...given); e?.focus(); return e; }}",
            selector,
            text,
        )

    def point(self, x: float, y: float, origin: Any = "viewport", press: bool = False) -> None:
        """Move the pointer, and press its button."""
        move = {"type": "pointerMove", "x": round(x), "y": round(y), "origin": origin}
        button = [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._act("pointer", [move, *(button if press else [])])

    def press(self, *keys: str) -> None:
        """Press keys together, by their names, as in ("Control", "k")."""
        codes = [KEYS.get(key, key) for key in keys]
        down = [{"type": "keyDown", "value": code} for code in codes]
        self._act("key", [*down, *[{"type": "keyUp", "value": code} for code in reversed(codes)]])

    def write(self, text: str) -> None:
        """Type a text."""
        kinds = ("keyDown", "keyUp")
        self._act("key", [{"type": kind, "value": letter} for letter in text for kind in kinds])

    def fill(self, selector: str, text: str, name: str = "") -> None:
        """Click into a field, replace what stands there."""
        self.click(selector, name)
        self.press("Control", "a")
        self.write(text)

    def upload(self, selector: str, *files: Path) -> None:
        """Choose files."""
        element = {"sharedId": self.wait(FIND, selector, "")["sharedId"]}
        self.ask("input.setFiles", element=element, files=[str(path) for path in files])

    def _act(self, kind: str, actions: list[dict[str, Any]]) -> None:
        source = {"type": kind, "id": kind, "actions": actions}
        self.ask("input.performActions", actions=[source])


def _local(value: Any) -> dict[str, Any]:
    """Say a value as BiDi does."""
    match value:
        case bool():
            return {"type": "boolean", "value": value}
        case int() | float():
            return {"type": "number", "value": value}
    return {"type": "string", "value": str(value)}
