"""What an author's function raises, whatever it is, is told as a failure of the code."""

import asyncio
import time
from collections.abc import Callable

import pytest

from pipulate.engine.calls import call, in_thread
from pipulate.engine.errors import Invalid
from pipulate.engine.fault import fault

WILD = [
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    StopIteration(),
    asyncio.CancelledError(),
    BaseException("odd"),
]


def plain(error: BaseException) -> Callable[[], object]:
    def function() -> object:
        raise error

    return function


def on_loop(error: BaseException) -> Callable[[], object]:
    async def function() -> object:
        raise error

    return function


@pytest.mark.parametrize("way", [plain, on_loop])
@pytest.mark.parametrize("error", WILD, ids=lambda error: type(error).__name__)
async def test_what_is_no_exception_becomes_one(
    way: Callable[[BaseException], Callable[[], object]], error: BaseException
) -> None:
    """Nothing ends the process, and nothing is waited for without end; the line is known."""
    with pytest.raises(RuntimeError) as raised:
        await asyncio.wait_for(call(way(error)), 30)
    told = fault(raised.value)
    if way is plain or not isinstance(error, StopIteration):  # which Python itself tames
        assert type(error).__name__ in told.what and told.code == "raise error"


@pytest.mark.parametrize("way", [plain, on_loop])
async def test_an_exception_stays_what_it_is(
    way: Callable[[BaseException], Callable[[], object]],
) -> None:
    """With its field and words."""
    with pytest.raises(Invalid, match="no number"):
        await call(way(Invalid("no number", "n")))


async def test_who_is_cancelled_is_cancelled() -> None:
    """A request that goes away, work that is stopped."""
    task = asyncio.create_task(call(asyncio.Event().wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_plain_function_does_not_hold_the_loop() -> None:
    """And gets its arguments."""
    assert await call(lambda a, b: a + b, 1, 2) == 3
    assert in_thread(max, 1, 2) == 2
    waiting = asyncio.create_task(call(time.monotonic))
    assert not waiting.done()
    await waiting
