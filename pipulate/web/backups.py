"""Backups while serving: one at the start, before anything changes, then one a day."""

import asyncio

from fasthtml.common import FastHTML

from pipulate.engine.care import backup_daily
from pipulate.engine.store import Store

HOUR = 3600  # seconds between two looks whether a day is over


def routes(app: FastHTML) -> None:
    """Add no page, but the backups."""
    store: Store = app.state.store
    tasks: list[asyncio.Task[None]] = []

    async def daily() -> None:
        while True:
            await asyncio.sleep(HOUR)
            await asyncio.to_thread(backup_daily, store)

    async def begin() -> None:
        await asyncio.to_thread(backup_daily, store)
        tasks.append(asyncio.create_task(daily()))

    async def end() -> None:
        tasks.pop().cancel()

    app.state.begin.append(begin)
    app.state.end.append(end)
