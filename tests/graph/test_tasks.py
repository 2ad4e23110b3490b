"""Things made in processes of their own: progress, the end, failures, cancelling."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipulate.graph import shelf as folders
from pipulate.graph.tasks import Background
from tests.graph.sites import export, site


@pytest.fixture
async def background() -> AsyncIterator[Background]:
    made = Background()
    yield made
    await made.close()


async def test_what_is_cancelled_can_be_made_later_and_twice_is_once(
    tmp_path: Path, background: Background
) -> None:
    """A cancelled task says so; started again it ends well; asking meanwhile is joining in."""
    order = export(site("1k"), tmp_path, "20261101")
    folder = Path(order["folder"])
    task = background.start("picture", folder, **order)
    await asyncio.sleep(0)
    await background.cancel("picture", folder)
    assert (task.state, task.text) == ("failed", "It was cancelled. Start it again when you like.")

    task = background.start("picture", folder, **order)
    assert task.state == "running"
    assert background.start("picture", folder, **order) is task
    await background.wait("picture", folder)
    assert (task.state, task.share) == ("done", 1)
    assert folders.picture_is_readable(folder)


async def test_a_bad_file_is_explained(tmp_path: Path, background: Background) -> None:
    """The process's own error is the task's text; it is told once: looking again tries again."""
    links = tmp_path / "shop_20261101_links.csv"
    links.write_text("a,b,c\n1,2,3\n")
    folder = tmp_path / "shop_20261101.graph"
    task = background.start(
        "picture", folder, folder=str(folder), links=str(links), pages=None, title=""
    )
    await background.wait("picture", folder)
    assert task.state == "failed"
    assert "lacks source and target columns" in task.text
    assert background.task("picture", folder) is task
    assert background.task("picture", folder) is None


async def test_a_crash_is_a_failure_with_its_last_words(
    tmp_path: Path, background: Background
) -> None:
    """A process that ends without an answer leaves a failed task that says why."""
    task = background.start("force", tmp_path, folder=str(tmp_path))
    await background.wait("force", tmp_path)
    assert task.state == "failed"
    assert "stopped unexpectedly" in task.text
    assert "FileNotFoundError" in task.text
