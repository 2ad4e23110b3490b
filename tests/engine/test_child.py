"""Work in a child process: its answers, its errors, its end."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipulate.engine.child import Died, work
from pipulate.engine.errors import CannotWrite, Invalid

HERE = "tests.engine.child_work"


async def test_an_order_is_carried_out_and_progress_told() -> None:
    """The function's result comes back, and on the way what it tells."""
    told: list[dict[str, Any]] = []
    assert await work(f"{HERE}:add", {"numbers": [1, 2]}, lambda **line: told.append(line)) == 3
    assert told == [{"share": 1.0, "text": "1 so far"}, {"share": 1.0, "text": "3 so far"}]


async def test_errors_come_back_as_what_they_are() -> None:
    """With their class and their own words."""
    with pytest.raises(Invalid, match="Not that one"):
        await work(f"{HERE}:refuse", {})


async def test_a_child_that_dies_leaves_its_last_words() -> None:
    """Out of memory, or killed: the exit code, and the last of what it said."""
    with pytest.raises(Died, match=r"exit code 1\)\. MemoryError: no more"):
        await work(f"{HERE}:break_down", {})


async def test_what_the_machine_fails_at_comes_back_in_words() -> None:
    """It is no death, and nobody's traceback."""
    with pytest.raises(CannotWrite, match=r"disk is full\. Make room.*big\.csv"):
        await work(f"{HERE}:fill", {})


async def test_what_is_printed_is_no_answer() -> None:
    """A library that prints does not disturb the protocol."""
    assert await work(f"{HERE}:chatter", {}) == "right"


async def test_a_long_answer_arrives() -> None:
    """Longer than what a pipe or a reader holds at once."""
    assert len(await work(f"{HERE}:large", {"size": 1_000_000})) == 1_000_000


async def test_a_child_loads_no_web_framework() -> None:
    """It would be a second of imports."""
    assert await work(f"{HERE}:loaded", {}) == []


async def test_cancelling_kills_the_child(tmp_path: Path) -> None:
    """In the middle of work that does not end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    task = asyncio.create_task(work(f"{HERE}:wait_for", {"pipe": str(pipe)}))
    descriptor = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)  # returns when it is read
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(BrokenPipeError):
        os.write(descriptor, b"x")
    os.close(descriptor)


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """It notices the end of its standard input, so that no orphan goes on."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        [sys.executable, "-m", "pipulate.engine.child", f"{HERE}:wait_for"], stdin=subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write(json.dumps({"pipe": str(pipe)}).encode() + b"\n")
    process.stdin.flush()
    descriptor = os.open(pipe, os.O_WRONLY)
    process.stdin.close()
    assert process.wait(timeout=60) == 1
    os.close(descriptor)
