"""Daily care while serving: a backup, then the files that nothing needs.

The first at the start, before anything changes.  What cannot be done, as on a
full disk, is told: to read and to export is possible all the same.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from fasthtml.common import FastHTML
from loguru import logger

from pipulate.engine.collecting import collect, tidy
from pipulate.engine.errors import PipulateError
from pipulate.engine.fault import in_words
from pipulate.engine.store import Store, now

HOUR = 3600  #: seconds between two looks whether a day is over


def routes(app: FastHTML) -> None:
    """Add the backups."""
    store: Store = app.state.store

    def care() -> None:
        try:
            backup_daily(store)
            tidy(app.state.settings.downloads)
        except (PipulateError, OSError) as error:
            logger.warning("No daily backup and care: {}", in_words(error))

    tasks: list[asyncio.Task[None]] = []
    over = asyncio.Event()

    async def daily() -> None:
        while True:
            try:
                await asyncio.wait_for(over.wait(), HOUR)
                return
            except TimeoutError:
                await asyncio.to_thread(care)

    async def begin() -> None:
        await asyncio.to_thread(care)  # before anything changes
        tasks.append(asyncio.create_task(daily()))

    async def end() -> None:
        over.set()
        await tasks.pop()  # one that is being made needs the store

    app.state.begin.append(begin)
    app.state.end.append(end)


def backup_daily(store: Store) -> Path | None:
    """Make a backup unless one was made in the last 24 hours."""
    last = datetime.fromisoformat(store.get("backed_up", "1970-01-01T00:00:00Z"))
    if (datetime.now(UTC) - last).days == 0:  # negative if the clock went back
        return None
    made: Path = store.backup("daily")
    store["backed_up"] = now()
    collect(store)
    return made
