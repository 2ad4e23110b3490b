"""The process that reads downloads: its answers, its errors, its end."""

import asyncio
import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.botify import ingest as module
from pipulate.botify.errors import BadFile, IngestStopped
from pipulate.botify.ingest import Ingested, Order, Raw, Table, ingest
from pipulate.botify.queries import COLUMNS, page_columns
from pipulate.engine.errors import PipulateError
from pipulate.graph import edges

A = "https://example.com/a"


def raw_links(folder: Path, rows: int = 3) -> Raw:
    """A plain download of so many links."""
    file = folder / "raw"
    file.write_text("url,target\n" + "".join(f"{A}/{n},{A}/{n + 1}\n" for n in range(rows)))
    return Raw(file, folder / "links.csv", export_size=rows)


async def test_an_order_is_carried_out_in_a_process(tmp_path: Path) -> None:
    """Two downloads become two CSVs and a columnar copy; progress is told on the way; the loop stays free."""
    file = tmp_path / "raw pages"
    file.write_text(f"{A}/0,home,True,7\n{A}/1,,,0\n,,,5\n")
    pages = Raw.pages(
        file, tmp_path / "meta.csv", page_columns(["clicks", "compliant", "pagetype"]), 100
    )
    stages: list[str] = []
    done = await ingest(
        Order(raw_links(tmp_path), pages, tmp_path / "graph"),
        lambda stage, share, rows: stages.append(stage),
    )
    assert isinstance(done.links, Table) and isinstance(done.pages, Table)
    assert (done.links.rows, done.links.possibly_truncated, done.graph_links, done.graph_pages) == (
        3,
        True,
        3,
        4,
    )
    assert (done.pages.rows, done.pages.incomplete, done.pages.possibly_truncated) == (2, 1, False)
    with pages.target.open(newline="") as csv_file:
        assert list(csv.reader(csv_file)) == [
            ["id", "pagetype", "compliant", "clicks"],
            [f"{A}/0", "home", "true", "7"],
            [f"{A}/1", "", "", "0"],
        ]
    assert edges.load(tmp_path / "graph").m == 3
    assert list(dict.fromkeys(stages)) == ["links", "pages", "graph"]


async def test_errors_come_back_as_what_they_are(tmp_path: Path) -> None:
    """With their own words; a class of another package as its base."""
    raw = raw_links(tmp_path)
    raw.file.write_text(f"{A},{A}/b,{A}/c\n")
    with pytest.raises(BadFile, match="row 1 of the export has 3 cells"):
        await ingest(Order(raw))
    (tmp_path / "links.csv").write_text("no,columns,of,links\n")
    with pytest.raises(PipulateError, match=r"links\.csv"):
        await ingest(Order(links=tmp_path / "links.csv", graph=tmp_path / "graph"))


async def test_process_that_dies_is_a_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory, or killed: the last of what it said, and what to do."""
    monkeypatch.setattr(module, "_START", "raise MemoryError('no more')")
    with pytest.raises(
        IngestStopped, match=r"exit code 1\). MemoryError: no more The downloads are still there"
    ):
        await ingest(Order(raw_links(tmp_path)))


async def test_cancelling_kills_the_process_and_leaves_nothing(tmp_path: Path) -> None:
    """In the middle of a file that does not end."""
    pipe = tmp_path / "raw"
    os.mkfifo(pipe)
    order = Order(Raw(pipe, tmp_path / "links.csv"))
    task = asyncio.create_task(ingest(order))
    descriptor = await asyncio.to_thread(
        os.open, pipe, os.O_WRONLY
    )  # returns when the process has opened the other end
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(BrokenPipeError):
        os.write(descriptor, b"x")  # nobody reads any more
    os.close(descriptor)
    assert [p.name for p in tmp_path.iterdir()] == ["raw"]


def start(order: Order) -> subprocess.Popen[bytes]:
    """The process, as `ingest` starts it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", module._START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    process.stdin.write(order.to_json().encode() + b"\n")
    process.stdin.flush()
    return process


def test_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """It notices the end of its standard input, so that no orphan goes on writing."""
    pipe = tmp_path / "raw"
    os.mkfifo(pipe)
    process = start(Order(Raw(pipe, tmp_path / "links.csv")))
    descriptor = os.open(pipe, os.O_WRONLY)
    assert process.stdin and process.stdout
    process.stdin.close()
    assert process.wait(timeout=10) == 1
    process.stdout.close()
    os.close(descriptor)
    assert not (tmp_path / "links.csv").exists()


def killed_at_random(folder: Path, kills: int) -> tuple[int, int]:
    """Kill the process at random moments of its work: (how often the file was there, how often it was bad)."""
    raw = raw_links(folder, 150_000)
    expected = "source,target\n" + raw.file.read_text().partition("\n")[2]
    rng, present, bad = random.Random(7), 0, 0
    for _ in range(kills):
        process = start(Order(raw))
        assert process.stdout and process.stdin
        process.stdout.readline()  # it has begun
        time.sleep(rng.random() * 0.2)  # the moment is the point of it
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stdin.close()
        if raw.target.exists():
            present += 1
            bad += raw.target.read_text() != expected
            raw.target.unlink()
    return present, bad


def test_killing_leaves_whole_files_only(tmp_path: Path) -> None:
    """Whenever it is killed: the CSV is there whole, or not at all."""
    assert killed_at_random(tmp_path, 3)[1] == 0


@pytest.mark.trust
def test_killing_sixty_times_leaves_whole_files_only(tmp_path: Path) -> None:
    """The long form; both outcomes must have been seen."""
    present, bad = killed_at_random(tmp_path, 60)
    assert bad == 0 and 0 < present < 60


def test_process_loads_no_web_framework() -> None:
    """It starts from a bare package; a second of imports would be lost otherwise.  The server, in turn, needs no Polars."""
    ask = "; import sys; print([m for m in ('fasthtml', 'starlette', 'httpx2', 'pipulate.app') if m in sys.modules])"
    code = module._START.removesuffix("; main()") + ask
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
    assert "polars" not in Path(module.__file__).read_text().partition('"""\n')[2].replace(
        "polars.py", ""
    )


PATHS = st.text(min_size=1, max_size=10).filter(lambda t: "\0" not in t and t not in ".").map(Path)
RAWS = st.builds(
    Raw, PATHS, PATHS, st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)), st.integers(0)
)


@given(st.builds(Order, st.none() | RAWS | PATHS, st.none() | RAWS | PATHS, st.none() | PATHS))
def test_orders_survive_the_way_into_the_process(order: Order) -> None:
    """Any names, in one line."""
    text = order.to_json()
    assert "\n" not in text and Order.from_json(text) == order


def test_columns_of_pages_know_their_booleans() -> None:
    """As the catalogue says."""
    raw = Raw.pages(Path("a"), Path("b"), COLUMNS)
    assert raw.columns[0] == "id" and not raw.of_links and Raw(Path("a"), Path("b")).of_links
    assert set(raw.booleans) == {"compliant", "canonical", "sitemap", "js_executed", "js_succeeded"}
    assert Ingested().links is None
