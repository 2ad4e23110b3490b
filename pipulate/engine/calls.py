"""An author's function, called: whatever it raises is a failure of its own.

OFF THE LOOP  A plain function runs in a thread.
TAMED         A SystemExit or KeyboardInterrupt of the code ends neither the
              server nor the terminal's process; a StopIteration, which no
              future takes, would be waited for without end; a CancelledError
              that nobody cancelled is none.  Each is told as a RuntimeError,
              at the author's line.
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


async def call(function: Function, *args: Any) -> Any:
    """Call a workflow's function without blocking the event loop."""
    if inspect.iscoroutinefunction(function):
        return await on_loop(function, *args)
    return await on_loop(asyncio.to_thread, in_thread, function, *args)


async def on_loop(function: Function, *args: Any) -> Any:
    """Await an author's coroutine; a cancelled task ends as that."""
    try:
        return await function(*args)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise _tamed(error) from None
    except Exception:
        raise
    except BaseException as error:
        raise _tamed(error) from None


def in_thread(function: Function, *args: Any) -> Any:
    """Call an author's plain function, in a thread."""
    try:
        return function(*args)
    except StopIteration as error:
        raise _tamed(error) from None
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as error:
        raise _tamed(error) from None


def _tamed(error: BaseException) -> RuntimeError:
    return RuntimeError(repr(error)).with_traceback(error.__traceback__)
