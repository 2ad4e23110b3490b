"""The template for work that takes long: killed anywhere, it goes on by itself to the right end.

WORK    A copy of *work*, as `pipulate new` makes it, counts the words of a folder.
KILLS   Of the server, at any moment; it starts again, and nobody looks at the page.
NEVER   may its work be unsure, wait for a button, or end with other numbers: what it does is
        local and may be repeated (`job.each`); only what must happen once is `job.once`.
"""

import random
import time
from pathlib import Path

import pytest

from pipulate.commands.new import main
from pipulate.engine.settings import Settings
from tests.server import LOOKS, Server, answer, begin, free_port
from tests.trust.table import chance, times, tried

FILES = 30
PAUSE = "0.1"
UNSURE = "Do it again"
EACH = """
    async for path in each:
        each.keep(await words(path))
        await asyncio.sleep(answers["pause"] or 0)
"""
ONCE = """
    async def endlessly(path):
        path.with_suffix(".begun").touch()
        await asyncio.sleep(3600)

    async for path in each:
        each.keep(await job.once(path.name, lambda path=path: endlessly(path)))
"""


def prepared(folder: Path) -> Server:
    """Return a server with the copied template, and texts beside it."""
    workflows = folder / "workflows"
    workflows.mkdir()
    main(["mine", "--from", "work"], Settings(data=folder / "data", workflows=(workflows,)))
    texts = folder / "texts"
    texts.mkdir()
    for number in range(FILES):
        (texts / f"{number}.txt").write_text("grail " * number + "bridge")
    return Server(folder, free_port()).start()


def work(server: Server, id: str, kills: int, by: random.Random) -> str:
    """Begin a run, kill the server so often while it works, and return what is shown in the end."""
    started(server, id)
    for _ in range(kills):
        time.sleep(by.uniform(0, 0.6))
        tried()
        server.kill()
        server.start()
    return ended(server, id)


def started(server: Server, id: str) -> None:
    """Begin a run; its work begins."""
    with server.client() as client:
        rev = begin(client, "mine", id)
        folder = str(server.folder / "texts")
        answer(client, "mine", id, 1, rev, folder=folder, pause=PAUSE)


def ended(server: Server, id: str) -> str:
    """Return what is shown when the work has ended, or is unsure."""
    with server.client() as client:
        for _ in range(LOOKS):
            shown = client.get("/mine/card2/progress", params={"id": id}).text
            if UNSURE in shown or "The most frequent words" in shown:
                return shown
            time.sleep(0.05)
    raise AssertionError(shown)


def killed(server: Server, kills: int, name: str) -> None:
    """Let runs be killed four times each, until it were so many times."""
    by = chance(name)
    words = FILES + sum(range(FILES))
    for number in range(kills // 4):
        shown = work(server, f"{name} {number}", 4, by)
        assert UNSURE not in shown
        assert f"{words} words in {FILES} files" in shown, shown
        assert f"grail: {sum(range(FILES))}" in shown
    assert "Traceback" not in server.log()


def test_the_copied_template_goes_on(tmp_path: Path) -> None:
    """Four kills."""
    server = prepared(tmp_path)
    killed(server, 4, "short")
    server.stop()


@pytest.mark.trust("Copied template killed: its work goes on by itself, 0 unsure")
def test_the_copied_template_goes_on_at_length(tmp_path: Path) -> None:
    """Twenty-four kills."""
    server = prepared(tmp_path)
    killed(server, times(24), "long")
    server.stop()


def test_local_work_that_is_done_once_is_found(tmp_path: Path) -> None:
    """A planted bug: what could be repeated is unsure after a kill."""
    server = prepared(tmp_path)
    file = tmp_path / "workflows" / "mine.py"
    planted = file.read_text().replace(EACH, ONCE)
    assert ONCE in planted
    file.write_text(planted)
    server.kill()
    server.start()
    started(server, "planted")
    for _ in range(LOOKS):
        if list((tmp_path / "texts").glob("*.begun")):
            break
        time.sleep(0.05)
    server.kill()  # in the midst of it
    server.start()
    assert UNSURE in ended(server, "planted")
    server.stop()
