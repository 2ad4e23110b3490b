"""The engine against raw SQLite: durable step commits a second, and taking up a run of 100 steps.

LIMIT  The same bytes written in the same way (one transaction a step: the record's new text, one
       row of history; WAL, synchronous=FULL) by prepared statements alone: no JSON, no checks, no
       revision.
Engine and limit take turns, run by run, on the same disk (the working folder's, never one in
memory); a ratio is of their total times, so whatever else the machine does weighs on both.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fasthtml.common import Input

from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.store import SCHEMA, connect
from pipulate.engine.workflow import Run, Workflow

RUNS, STEPS = 60, 10
AT = "2026-11-23T19:10:00+00:00"
UPDATE = "UPDATE pipeline SET data = ?, rev = ?, updated = ? WHERE workflow = 'bench' AND id = ?"
INSERT = "INSERT INTO history (workflow, id, rev, at, act, data) VALUES ('bench', ?, ?, ?, ?, ?)"
TEXT = "I seek the Grail, and if it is not here, I shall go on to seek it elsewhere."


def timed(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def row(name: str, ours: str, limit: str, ratio: float, goal: float | None = None) -> None:
    """Print one line of the table."""
    verdict = "" if goal is None else f">= {goal}  {'ok' if ratio >= goal else 'MISSED'}"
    print(f"  {name:<46} {ours:>16} {limit:>16} {ratio:>7.2f}  {verdict}")


def commits(folder: Path) -> None:
    """Compare the time of durable steps."""
    engine = Pipulate.open(folder / "ours", "bench")
    (folder / "raw").mkdir()
    raw = connect(folder / "raw" / "pipulate.db")
    raw.pragma("journal_mode", "wal")
    raw.pragma("synchronous", "FULL")
    raw.execute(SCHEMA[0])
    assert engine.store.connection.pragma("synchronous") == raw.pragma("synchronous") == 2

    def one_of_ours(id: str) -> None:
        for number in range(1, STEPS + 1):
            engine.set_step_data(id, f"step_{number:02d}", {"answer": TEXT}, rev=number)

    def one_of_raw(id: str, texts: list[str]) -> None:
        for number, text in enumerate(texts, 1):
            raw.execute("BEGIN IMMEDIATE")
            raw.execute(UPDATE, (text, number, AT, id))
            raw.execute(INSERT, (id, number, AT, "set step_01", text))
            raw.execute("COMMIT")

    ours, limit = [], []
    for number in range(RUNS + 5):
        id = f"run {number}"
        engine.initialize_if_missing(id)
        raw.execute("INSERT INTO pipeline VALUES ('bench', ?, '{}', 0, 1, '', '')", (id,))
        ours.append(timed(lambda id=id: one_of_ours(id)))
        texts = [act["data"] for act in engine.history(id)[1:]]
        limit.append(timed(lambda id=id, texts=texts: one_of_raw(id, texts)))
    mine, best = sum(ours[5:]), sum(limit[5:])
    steps = RUNS * STEPS
    row(
        "durable step commits a second",
        f"{steps / mine:,.0f}",
        f"{steps / best:,.0f}",
        best / mine,
        0.8,
    )
    extra = (statistics.median(ours[5:]) - statistics.median(limit[5:])) / STEPS * 1e6
    print(f"  {'  what the engine adds to a step (median)':<46} {f'{extra:,.0f} µs':>16}")
    engine.store.close()
    raw.close()


def resume(folder: Path) -> None:
    """Compare taking up a run of 100 steps with reading its text and nothing more."""
    flow = Workflow("hundred")
    for number in range(100):
        flow.step(f"key{number}", f"Question {number}")(lambda run, n=number: Input(name=f"key{n}"))
    engine = Pipulate.open(folder / "resume", flow.name)
    engine.initialize_if_missing("arthur")
    for number, step in enumerate(flow.steps):
        engine.set_step_data("arthur", step.id, {f"key{number}": TEXT})
    raw = connect(engine.store.path)

    def ours() -> object:
        run = Run(flow, engine, "arthur", *flow.open(engine, "arthur"), Settings())
        return run.open_index, run.answers()

    def limit() -> object:
        return json.loads(
            raw.execute(
                "SELECT data FROM pipeline WHERE workflow = 'hundred' AND id = 'arthur'"
            ).get
        )

    mine, best = (
        statistics.median(timed(function) for _ in range(400)) * 1e6 for function in (ours, limit)
    )
    row("a run of 100 steps taken up, µs", f"{mine:,.0f}", f"{best:,.0f}", best / mine)
    size = len(engine.history("arthur")[-1]["data"])
    whole = sum(len(act["data"]) for act in engine.history("arthur"))
    sizes = f"{f'{size / 1024:.0f} KB':>16} {f'{whole / 1024:,.0f} KB':>16}"
    print(f"  {'  its record, its history':<46} {sizes}")
    last = [
        timed(lambda: engine.set_step_data("arthur", "step_100", {"key99": TEXT}))
        for _ in range(40)
    ]
    median = f"{statistics.median(last) * 1e6:,.0f} µs"
    print(f"  {'  a step of it committed (median)':<46} {median:>16}")
    raw.close()
    engine.store.close()


def opening(folder: Path) -> None:
    """Measure making a database and opening an existing one."""

    def open_and_close(name: str) -> None:
        Pipulate.open(folder / name, "bench").store.close()

    new = statistics.median(timed(lambda n=n: open_and_close(f"new {n}")) for n in range(9)) * 1e3
    old = statistics.median(timed(lambda: open_and_close("ours")) for _ in range(9)) * 1e3
    print(f"  {'database made / opened (median)':<46} {f'{new:.1f} ms':>16} {f'{old:.1f} ms':>16}")


def main() -> None:
    """Print the table."""
    print(f"  {'':<46} {'engine':>16} {'raw SQLite':>16} {'ratio':>7}")
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        commits(Path(name))
        resume(Path(name))
        opening(Path(name))


if __name__ == "__main__":
    main()
