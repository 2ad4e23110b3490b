"""`make trust` as a table: promise, trials, failures, seconds.

MARK    `@pytest.mark.trust("promise")` is the long form of a test, in the row of that
        name; several tests may share one.
TRIALS  `tried()` counts one kill, request, run, ... of the test that runs now; `found(words)`
        tells what it measured.
SEED    `chance(name)` is random by SEED (environment; 1), as Hypothesis is by its option.
FAILS   What fails before a test, or after it, is a failure too; what was not tried
        says why.
LONG    `times(n)` is n, and ten times n with TRUST=long.
SHARED  by two processes (pytest -n 2).  What measures time has the machine to itself:
        `trust("promise", alone=True)` waits for the tests at work, and others for it.
WRITTEN `--table FILE` writes the table at the end, with date, commit and seed.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest

SEED = int(os.environ.get("SEED", "1"))
LONG = os.environ.get("TRUST") == "long"
HEAD = ("Promise", "Trials", "Failures", "Seconds")
#: A folder in memory, if there is one: for what tries neither a disk nor a power cut.
MEMORY = next((path for path in ("/dev/shm",) if Path(path).is_dir()), None)
LEAD = """\
# Proof

What `make trust` found: each promise, how often it was tried, how often it failed.

| {} | {} | {} | {} |
| --- | ---: | ---: | ---: |
"""
TAIL = """
Made {} at commit {} with seed {}, in {:.0f} minutes by {} at once. `make trust` makes it anew;
`SEED=7` takes other chances, `TRUST=long` ten times as many.
What is promised, and what is not, is told in [Security](security.md).
"""


@dataclass
class Row:
    """One promise."""

    trials: int = 0
    failures: int = 0
    seconds: float = 0.0
    lacking: str = ""
    found: str = ""

    def cells(self, promise: str) -> tuple[str, str, str, str]:
        if self.found:
            promise += f" ({self.found})"
        if self.lacking:
            promise += f" (not tried: {self.lacking})"
        return promise, f"{self.trials:,}", f"{self.failures:,}", f"{self.seconds:,.0f}"


_count = 0
_found = ""


def tried(trials: int = 1) -> None:
    """Count trials of the test that runs."""
    global _count
    _count += trials


def found(words: str) -> None:
    """Tell, beside the promise, what was measured by the test that runs."""
    global _found
    _found = words


def chance(name: object = "") -> random.Random:
    """Return a source of chance that the seed and the name decide."""
    return random.Random(f"{SEED} {name}")


def times(number: int) -> int:
    """Return how often something is tried in a long form."""
    return number * 10 if LONG else number


@contextmanager
def machine(alone: bool) -> Iterator[None]:
    """Have the machine, with the tests of other processes of this run or without any."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if not run or sys.platform == "win32":
        yield
        return
    folder = Path(tempfile.gettempdir())
    with (folder / f"turn-{run}").open("w") as turn, (folder / f"room-{run}").open("w") as room:
        lock(turn, True)  # whoever waits to be alone is not overtaken
        lock(room, alone)
        turn.close()
        yield


def lock(file: IO[str], alone: bool) -> None:
    """Wait for a file, until it is closed."""
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


def is_alone(item: pytest.Item) -> bool:
    """Say whether a test measures time."""
    mark = item.get_closest_marker("trust")
    return bool(mark and mark.kwargs.get("alone"))


class Table:
    """Collects reports, also of other processes, and tells the rows."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.began = time.time()
        self.rows: dict[str, Row] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        for mark in item.iter_markers("trust"):
            item.user_properties.append(("promise", *mark.args))

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=is_alone)  # nobody waits long for it

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        with machine(is_alone(item)):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        global _count, _found
        _count, _found = 0, ""
        try:
            return (yield)
        finally:
            item.user_properties.append(("trials", max(1, _count)))
            item.user_properties.append(("found", _found))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told: dict[str, Any] = dict(report.user_properties)
        if report.failed:  # a process that died takes with it what its test would have told
            told.setdefault("promise", report.nodeid)
            told.setdefault("trials", 0)
        if "promise" not in told:
            return
        row = self.rows.setdefault(told["promise"], Row())
        row.failures += report.failed
        row.seconds += report.duration
        if report.skipped and isinstance(report.longrepr, tuple):
            row.lacking = report.longrepr[2].removeprefix("Skipped: ")
        elif report.when == "call":
            row.trials += told["trials"]
            row.found = told.get("found") or row.found
        if report.when == "teardown":
            self.say(told["promise"], row)

    def say(self, promise: str, row: Row) -> None:
        terminal: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        cells = row.cells(promise)
        terminal.write_line("{:<74} {:>9} {:>8} {:>7}".format(*cells))

    def pytest_sessionfinish(self) -> None:
        file = self.config.getoption("table")
        if file and self.rows and not hasattr(self.config, "workerinput"):
            rows = [f"| {' | '.join(row.cells(name))} |" for name, row in sorted(self.rows.items())]
            text = LEAD.format(*HEAD) + "\n".join(rows) + "\n" + TAIL.format(*self._when())
            Path(file).write_text(text, encoding="utf-8")

    def _when(self) -> tuple[str, str, int, float, int]:
        minutes = (time.time() - self.began) / 60
        return *_which(), minutes, self.config.getoption("numprocesses", 0) or 1


def _which() -> tuple[str, str, int]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return f"{datetime.now(UTC):%Y-%m-%d}", commit.stdout.strip() or "unknown", SEED


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer to write the table."""
    parser.addoption("--table", default="", help="where to write the table of promises")


def pytest_configure(config: pytest.Config) -> None:
    """Make the table where long forms run."""
    if "not trust" not in config.option.markexpr:
        config.pluginmanager.register(Table(config))
