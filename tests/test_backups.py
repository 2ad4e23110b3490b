"""Backups while serving: one before anything changes, then by the clock."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fasthtml.common import FastHTML

from pipulate import backups
from pipulate.app import create_app, lifespan
from pipulate.engine.care import KEEP_BACKUPS
from pipulate.engine.care import backups as kept
from pipulate.engine.errors import CannotWrite
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store

served = asynccontextmanager(lifespan)


@pytest.fixture
def app(tmp_path: Path) -> FastHTML:
    """An app that makes backups, and nothing else."""
    return create_app(Settings(tmp_path, tmp_path / "downloads", workflows=()), [backups.routes])


def count(app: FastHTML) -> int:
    """How many backups there are."""
    return len(kept(app.state.store.folder))


async def test_the_first_is_made_at_the_start(app: FastHTML) -> None:
    """And not again at the next start of the same day."""
    async with served(app):
        assert count(app) == 1
    again = create_app(app.state.settings, [backups.routes])
    async with served(again):
        assert count(again) == 1


async def test_the_next_is_made_when_a_day_is_over(
    app: FastHTML, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked after every hour; nothing is looked after once the server has ended."""
    monkeypatch.setattr(backups, "HOUR", 0.01)
    async with served(app):
        app.state.store["backed_up"] = "2026-01-01T00:00:00+00:00"
        async with asyncio.timeout(60):
            while count(app) < 2:
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


async def test_a_full_disk_keeps_nobody_from_reading(
    app: FastHTML, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server starts without a backup, and says so."""
    told: list[str] = []
    number = backups.logger.add(told.append, format="{message}")
    monkeypatch.setattr(Store, "backup", full)
    async with served(app):
        assert count(app) == 0
    backups.logger.remove(number)
    assert told == ["No daily backup and care: The disk is full.\n"]


def full(*_: object) -> None:
    """Fail as on a full disk."""
    raise CannotWrite("The disk is full.")


async def test_what_killed_commands_left_is_looked_after(app: FastHTML) -> None:
    """Among the downloads, too: a graph that had stepped aside comes back."""
    aside = app.state.settings.downloads / ".shop.graph.0123abcd.old"
    aside.mkdir(parents=True)
    async with served(app):
        assert [path.name for path in aside.parent.iterdir()] == ["shop.graph"]
