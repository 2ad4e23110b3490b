"""The engine against raw SQLite: durable step commits a second, and taking up a run of 100 steps.

LIMIT  What one would write by hand on the same library: a table of JSON records; a step is one
       transaction (WAL, synchronous=FULL) that reads the record, changes it and writes it. There is
       no history, no revision, no check.
TURNS  Engine and limit take turns, run by run, on the same disk (the working folder's, never one in
       memory); a ratio is of their median runs, so what else the machine does weighs on neither.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import apsw
from fasthtml.common import Input

from bench.outcome import verdict
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import connect
from pipulate.engine.workflow import Run, Workflow

RUNS = 500
WARM = 200  # further runs, before those that count: both logs have their size then
STEPS = 5
TEXT = "I seek the Grail, and if it is not here, I shall go on to seek it elsewhere."

TABLE = "CREATE TABLE run (id TEXT PRIMARY KEY, data TEXT NOT NULL)"
BEGIN = "INSERT INTO run VALUES (?, '{}')"
SELECT = "SELECT data FROM run WHERE id = ?"
UPDATE = "UPDATE run SET data = ? WHERE id = ?"
READ = "SELECT data FROM pipeline WHERE workflow = 'hundred' AND id = 'arthur'"


def timed(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def median(function: Callable[[], object], times: int) -> float:
    """Return the microseconds that a call takes, the median of so many."""
    return statistics.median(timed(function) for _ in range(times)) * 1e6


def row(name: str, ours: str, limit: str = "", ratio: float | None = None, more: str = "") -> None:
    """Print one line of the table."""
    told = "" if ratio is None else f"{ratio:.2f}"
    print(f"  {name:<46} {ours:>16} {limit:>16} {told:>7}  {more}")


def commits(folder: Path) -> None:
    """Compare the time of durable steps."""
    engine = Pipulate.open(folder / "ours", "bench")
    raw = raw_database(folder / "raw")
    assert engine.store.connection.pragma("synchronous") == raw.pragma("synchronous") == 2
    ours = []
    limit = []
    for number in range(WARM + RUNS):
        id = f"run {number}"
        engine.initialize_if_missing(id)
        raw.execute(BEGIN, (id,))
        ours.append(timed(partial(steps_of_ours, engine, id)))
        limit.append(timed(partial(steps_of_raw, raw, id)))
    engine.store.close()
    raw.close()
    tell_commits(ours[WARM:], limit[WARM:])


def tell_commits(ours: list[float], limit: list[float]) -> None:
    """Print what the runs took."""
    mine = statistics.median(ours) / STEPS
    best = statistics.median(limit) / STEPS
    goal = f">= 0.85  {verdict(best / mine >= 0.85)}"
    rates = f"{1 / mine:,.0f}", f"{1 / best:,.0f}"
    row("durable step commits a second (median)", *rates, best / mine, goal)
    row("  what the engine adds to a step", f"{(mine - best) * 1e6:,.0f} µs")


def raw_database(folder: Path) -> apsw.Connection:
    """Make a database of records."""
    folder.mkdir()
    raw = connect(folder / "pipulate.db")
    raw.pragma("journal_mode", "wal")
    raw.pragma("synchronous", "FULL")
    raw.execute(TABLE)
    return raw


def steps_of_ours(engine: Pipulate, id: str) -> None:
    """Answer the steps of a run."""
    for number in range(1, STEPS + 1):
        engine.set_step_data(id, f"step_{number:02d}", {"answer": TEXT}, rev=number)


def steps_of_raw(raw: apsw.Connection, id: str) -> None:
    """Answer the steps of a record."""
    for number in range(1, STEPS + 1):
        raw.execute("BEGIN IMMEDIATE")
        record = json.loads(raw.execute(SELECT, (id,)).get)
        record[f"step_{number:02d}"] = {"answer": TEXT}
        raw.execute(UPDATE, (json.dumps(record), id))
        raw.execute("COMMIT")


def resume(folder: Path) -> None:
    """Compare taking up a run of 100 steps with reading its text and nothing more."""
    flow = hundred_steps()
    engine = Pipulate.open(folder / "resume", flow.name)
    engine.initialize_if_missing("arthur")
    for number, step in enumerate(flow.steps):
        engine.set_step_data("arthur", step.id, {f"key{number}": TEXT})
    raw = connect(engine.store.path)

    def ours() -> object:
        run = Run(flow, engine, "arthur", *flow.open(engine, "arthur"), Settings())
        return run.open_index, run.answers()

    def limit() -> object:
        return json.loads(raw.execute(READ).get)

    mine = median(ours, 400)
    best = median(limit, 400)
    row("a run of 100 steps taken up, µs", f"{mine:,.0f}", f"{best:,.0f}", best / mine)
    record = len(raw.execute(READ).get) / 1024
    history = raw.execute("SELECT sum(length(data)) FROM history").get / 1024
    row("  its record, its history", f"{record:.0f} KB", f"{history:.0f} KB")
    commit = partial(engine.set_step_data, "arthur", "step_100", {"key99": TEXT})
    row("  a step of it committed (median)", f"{median(commit, 40):,.0f} µs")
    raw.close()
    engine.store.close()


def hundred_steps() -> Workflow:
    """Return a workflow of a hundred questions."""
    flow = Workflow("hundred")
    for number in range(100):

        def ask(run: Run, key: str = f"key{number}") -> Any:
            return Input(name=key)

        flow.step(f"key{number}", f"Question {number}")(ask)
    return flow


def opening(folder: Path) -> None:
    """Measure making a database and opening an existing one."""
    names = iter(range(9))

    def make() -> None:
        Pipulate.open(folder / f"new {next(names)}", "bench").store.close()

    def open_again() -> None:
        Pipulate.open(folder / "ours", "bench").store.close()

    new = median(make, 9) / 1000
    old = median(open_again, 9) / 1000
    row("database made / opened (median)", f"{new:.1f} ms", f"{old:.1f} ms")


def main() -> None:
    """Print the table."""
    print(f"  {'':<46} {'engine':>16} {'raw SQLite':>16} {'ratio':>7}")
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        commits(Path(name))
        resume(Path(name))
        opening(Path(name))


if __name__ == "__main__":
    main()
