"""Backups while serving: one before anything changes, then by the clock."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from pipulate.app import lifespan
from pipulate.web import backups

served = asynccontextmanager(lifespan)


@pytest.fixture
def backed_up(tmp_path):
    """Give a function that counts the backups."""
    return lambda: len(list((tmp_path / "backups").glob("pipulate-*.db")))


async def test_the_first_is_made_at_the_start(visit, backed_up):
    """And not again at the next start of the same day."""
    for _ in range(2):
        async with visit(backups.routes) as client, served(client.app):
            assert backed_up() == 1


async def test_the_next_is_made_when_a_day_is_over(visit, backed_up, monkeypatch):
    """Looked after every hour; nothing is looked after once the server has ended."""
    monkeypatch.setattr(backups, "HOUR", 0.01)
    async with visit(backups.routes) as client:
        async with served(client.app):
            client.app.state.store["backed_up"] = "2026-01-01T00:00:00+00:00"
            async with asyncio.timeout(5):
                while backed_up() < 2:
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        assert "daily" not in str(asyncio.all_tasks())
