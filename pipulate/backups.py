"""Daily care while serving: a backup, then the files that nothing needs.

The first at the start, before anything changes.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from fasthtml.common import FastHTML
from loguru import logger

from pipulate.engine.store import Store, now

HOUR = 3600  #: seconds between two looks whether a day is over


def routes(app: FastHTML) -> None:
    """Add the backups."""
    store: Store = app.state.store
    tasks: list[asyncio.Task[None]] = []
    over = asyncio.Event()

    async def daily() -> None:
        while True:
            try:
                await asyncio.wait_for(over.wait(), HOUR)
                return
            except TimeoutError:
                await asyncio.to_thread(backup_daily, store)

    async def begin() -> None:
        await asyncio.to_thread(backup_daily, store)  # before anything changes
        tasks.append(asyncio.create_task(daily()))

    async def end() -> None:
        over.set()
        await tasks.pop()  # one that is being made needs the store

    app.state.begin.append(begin)
    app.state.end.append(end)


def backup_daily(store: Store) -> Path | None:
    """Make a backup unless one was made in the last 24 hours."""
    from pipulate.engine.collecting import collect

    last = datetime.fromisoformat(store.get("backed_up", "1970-01-01T00:00:00Z"))
    if (datetime.now(UTC) - last).days == 0:  # negative if the clock went back
        return None
    made: Path = store.backup("daily")
    store["backed_up"] = now()
    with logger.catch(OSError, message="unneeded files could not be put aside"):
        collect(store)
    return made
