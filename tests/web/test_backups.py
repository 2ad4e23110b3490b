"""Backups while serving: one before anything changes, then by the clock."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipulate.app import lifespan
from pipulate.engine.store import KEEP_BACKUPS, Store
from pipulate.engine.store import backups as kept
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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    store = Store(tmp_path / "pipulate.db")
    yield store
    store.close()


def test_a_clock_set_back_costs_no_backup(store: Store) -> None:
    """Backups that seem to be of the future neither push the new one out nor keep the daily one
    from being made."""
    for number in range(KEEP_BACKUPS):
        store.backup("old").rename(
            store.folder / "backups" / f"pipulate-2099010{number + 1}T000000.000000Z-future.db"
        )
    store["backed_up"] = "2099-01-01T00:00:00+00:00"
    made = backups.backup_daily(store)
    assert made in kept(store.folder) and len(kept(store.folder)) == KEEP_BACKUPS


@pytest.mark.parametrize(("hours", "again"), [(1, False), (23, False), (25, True), (240, True)])
def test_daily(store: Store, hours: int, again: bool) -> None:
    """A day after the last backup, and not before, the next one is due."""
    assert backups.backup_daily(store)
    store["backed_up"] = (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")
    assert (backups.backup_daily(store) is not None) is again


def test_with_it_go_the_files_that_nothing_needs(store: Store) -> None:
    """Once a day is enough."""
    lost = store.folder / "uploads" / "0123456789abcdef" / "a.csv"
    lost.parent.mkdir(parents=True)
    lost.write_text("a")
    os.utime(lost, (0, 0))
    assert backups.backup_daily(store) and not lost.exists()
    assert (store.folder / "trash" / lost.relative_to(store.folder)).exists()
