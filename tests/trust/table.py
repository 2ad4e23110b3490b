"""`make trust` as a table: promise, trials, failures, seconds.

MARK    `@pytest.mark.trust("promise")` is the long form of a test, in the row of that
        name; several tests may share one.
TRIALS  `tried()` counts one kill, request, run, ... of the test that runs now.
SEED    `chance(name)` is random by SEED (environment; 1), as Hypothesis is by its option.
LONG    `times(n)` is n, and ten times n with TRUST=long.
WRITTEN `--table FILE` writes the table at the end, with date, commit and seed.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

SEED = int(os.environ.get("SEED", "1"))
LONG = os.environ.get("TRUST") == "long"
HEAD = ("Promise", "Trials", "Failures", "Seconds")
LEAD = """\
# Proof

What `make trust` found: each promise, how often it was tried, how often it failed.

| {} | {} | {} | {} |
| --- | ---: | ---: | ---: |
"""
TAIL = """
Made {} at commit {} with seed {}. `make trust` makes it anew; `SEED=7` takes other chances,
`TRUST=long` ten times as many.
What is promised, and what is not, is told in [Security](security.md).
"""


@dataclass
class Row:
    """One promise."""

    trials: int = 0
    failures: int = 0
    seconds: float = 0.0

    def cells(self, promise: str) -> tuple[str, str, str, str]:
        return promise, f"{self.trials:,}", f"{self.failures:,}", f"{self.seconds:,.0f}"


_count = 0


def tried(trials: int = 1) -> None:
    """Count trials of the test that runs."""
    global _count
    _count += trials


def chance(name: object = "") -> random.Random:
    """Return a source of chance that the seed and the name decide."""
    return random.Random(f"{SEED} {name}")


def times(number: int) -> int:
    """Return how often something is tried in a long form."""
    return number * 10 if LONG else number


class Table:
    """Collects reports, also of other processes, and tells the rows."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.rows: dict[str, Row] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        global _count
        _count = 0
        try:
            return (yield)
        finally:
            for mark in item.iter_markers("trust"):
                item.user_properties += [("promise", *mark.args), ("trials", max(1, _count))]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told: dict[str, Any] = dict(report.user_properties)
        if report.when != "call" or "promise" not in told:
            return
        row = self.rows.setdefault(told["promise"], Row())
        row.trials += told["trials"]
        row.failures += report.failed
        row.seconds += report.duration
        self.say(told["promise"], row)

    def say(self, promise: str, row: Row) -> None:
        terminal: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        cells = row.cells(promise)
        terminal.write_line("{:<74} {:>9} {:>8} {:>7}".format(*cells))

    def pytest_sessionfinish(self) -> None:
        file = self.config.getoption("table")
        if file and self.rows and not hasattr(self.config, "workerinput"):
            rows = [f"| {' | '.join(row.cells(name))} |" for name, row in self.rows.items()]
            text = LEAD.format(*HEAD) + "\n".join(rows) + "\n" + TAIL.format(*_when())
            Path(file).write_text(text, encoding="utf-8")


def _when() -> tuple[str, str, int]:
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
