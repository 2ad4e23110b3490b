"""Take the pictures in pictures: the real app on a scratch folder, in a real browser.

Run by `make screens`.  Each function below is one walk through the app, as a user would take it,
with one picture or several; a picture is as wide as the screen it was taken on, and named after
what it shows.
"""

import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.chromium import LAUNCH_ARGS, find_chromium  # noqa: E402

IMAGES = ROOT / "pictures"
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 760}
START = 30  # seconds that the app may take to start
NOTE = "On {} the swallow carried a coconut over the field.\n"
TASKS = (
    "Mend the orphans below /guides",
    "Ask for the crawl of November",
    "Write to Ada about the report",
)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the app with `folder` as its working folder; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--data", "data", "--port", str(port), "--no-browser"]
    command = [sys.executable, "-m", "pipulate", *options]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START
    try:
        while not serves(base):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("The app did not start, so no picture was taken.")
            time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait()


def serves(base: str) -> bool:
    """Say whether the app serves already."""
    try:
        urlopen(f"{base}/static/icon.svg", timeout=1).close()
    except URLError:
        return False
    return True


def shoot(page: Page, name: str) -> None:
    """Save what the browser shows as pictures/NAME.png, and say so."""
    # The chat comes a moment after the page.
    page.locator("#chat-state > *").first.wait_for(state="attached")
    page.screenshot(path=IMAGES / f"{name}.png", animations="disabled", caret="hide")
    print(f"pictures/{name}.png")


def begin(page: Page, base: str, workflow: str, id: str) -> None:
    """Begin a run of a workflow and wait for its first card."""
    page.goto(f"{base}/{workflow}")
    page.locator("#run-id").fill(id)
    page.keyboard.press("Enter")
    expect(page.locator("#chain [data-current]")).to_be_visible()


def answer(page: Page, card: int, value: str) -> None:
    """Answer a card that has one field, by keyboard or choice, and wait for the card after it."""
    field = page.locator(f"#card{card} form :is(input, select):not([type=hidden])")
    if field.evaluate("e => e.tagName") == "SELECT":
        field.select_option(value)
    else:
        field.fill(value)
    page.locator(f"#card{card} footer button").click()
    expect(page.locator(f"#card{card}.done")).to_be_visible()


# --- the walks ---


def introduction(page: Page, base: str) -> None:
    """The first page."""
    page.goto(f"{base}/introduction")
    shoot(page, "introduction")


def bridge(page: Page, base: str) -> None:
    """A run from its first card to its end, and a step back; in the dark, on a phone."""
    begin(page, base, "bridge", "arthur")
    answer(page, 1, "Sir Lancelot of Camelot")
    answer(page, 2, "I seek the Grail")
    shoot(page, "run-half-done")
    page.emulate_media(color_scheme="dark")
    shoot(page, "dark")
    page.set_viewport_size(PHONE)
    shoot(page, "phone-dark")
    page.emulate_media(color_scheme="light")
    shoot(page, "phone")
    page.get_by_role("button", name="Menu").click()
    shoot(page, "phone-menu")
    page.keyboard.press("Escape")
    page.set_viewport_size(DESK)
    answer(page, 3, "blue")
    expect(page.locator("#result")).to_be_visible()
    page.mouse.move(0, 0)
    shoot(page, "run-finished")
    page.get_by_role("button", name="Change: What... is your quest?").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    page.mouse.move(0, 0)
    shoot(page, "undo")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#result")).to_be_visible()
    page.goto(f"{base}/bridge")
    shoot(page, "recent-runs")


def petite(page: Page, base: str) -> None:
    """An answer that is refused, and the card of choices after it was mended."""
    begin(page, base, "petite", "example-and-sons")
    page.get_by_label("Site").fill("https://example.invalid/")
    page.get_by_label("Contact").fill("ada@example.com")
    page.get_by_label("The brief").fill(
        "**Goal:** twice the visits.\n\n- Mend the orphans\n- Shorter paths to products"
    )
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("alert").filter(has_text="can never exist")).to_be_visible()
    shoot(page, "error")
    page.get_by_label("Site").fill("https://www.example.com/")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("More sales").check()
    page.get_by_label("Calm").check()
    page.get_by_label("Send a weekly report").check()
    shoot(page, "form")


def work(page: Page, base: str) -> None:
    """A job in the background."""
    begin(page, base, "work", "field-notes")
    page.get_by_label("Folder on this machine").fill("notes")
    page.get_by_label("Pause").fill("0.6")
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_role("progressbar")).to_have_attribute(
        "value", re.compile(r"0\.[4-9]"), timeout=20_000
    )
    page.wait_for_timeout(600)  # the bar arrives
    shoot(page, "job")


def finder(page: Page, base: str) -> None:
    """Ctrl+K."""
    page.goto(f"{base}/introduction")
    page.keyboard.press("Control+k")
    page.keyboard.type("t")
    expect(page.locator("#found").get_by_text("arthur")).to_be_visible()
    shoot(page, "finder")


def tasks(page: Page, base: str) -> None:
    """The tasks of a profile, and a change that the chat proposes."""
    page.goto(f"{base}/tasks")
    for name in TASKS:
        page.get_by_label("Name of the new task").fill(name)
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_role("checkbox", name=f"Done: {name}")).to_be_visible()
    page.get_by_role("textbox", name="Message").fill(
        "/add_task Link the lanterns from the home page"
    )
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Yes, do it")).to_be_visible()
    page.mouse.move(0, 0)
    shoot(page, "tasks")


def link_graph(page: Page, base: str) -> None:
    """The flagship with demo data, from the first page to the drawn graph and its report."""
    page.goto(f"{base}/introduction")
    page.get_by_role("button", name="Try it without an account").click()
    page.get_by_role("button", name="Check it").click()
    page.get_by_role("button", name="Choose").click()
    page.get_by_role("button", name="Export").wait_for()
    shoot(page, "link-graph-fields")
    page.get_by_role("button", name="Export").click()
    page.locator("#result").wait_for(timeout=60_000)
    drawn(page)
    page.locator("#result").evaluate("card => card.scrollIntoView({ block: 'end' })")
    shoot(page, "link-graph-result")
    page.get_by_role("button", name="Chat", exact=True).click()  # room for the picture
    page.get_by_role("button", name="Open the picture").click()
    drawn(page)
    shoot(page, "link-graph")
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(1000)  # the canvas takes up the other colours
    shoot(page, "link-graph-dark")
    page.emulate_media(color_scheme="light")
    page.get_by_role("link", name="Report").click()
    page.get_by_role("heading", name="Communities").wait_for(timeout=60_000)
    shoot(page, "link-graph-report")


def drawn(page: Page) -> None:
    """Wait until the picture of a link graph is there and has come to rest."""
    page.locator("link-graph canvas").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1500)


WALKS: tuple[Callable[[Page, str], None], ...] = (
    introduction,
    bridge,
    petite,
    work,
    finder,
    tasks,
    link_graph,
)


def write_notes(folder: Path) -> None:
    """Write a few files for the workflow that counts words."""
    folder.mkdir()
    for day in ("monday", "tuesday", "wednesday", "thursday", "friday"):
        (folder / f"{day}.txt").write_text(NOTE.format(day) * 40)


def main() -> None:
    """Take all pictures anew, or those of the walks named on the command line."""
    wanted = [walk for walk in WALKS if walk.__name__ in sys.argv[1:]] or WALKS
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        write_notes(Path(scratch, "notes"))
        with served(Path(scratch)) as base:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=LAUNCH_ARGS)
            for walk in wanted:
                context = browser.new_context(
                    viewport=DESK,
                    locale="en-US",
                    timezone_id="UTC",
                    reduced_motion="reduce",
                    color_scheme="light",
                )
                walk(context.new_page(), base)
                context.close()
            browser.close()


if __name__ == "__main__":
    main()
