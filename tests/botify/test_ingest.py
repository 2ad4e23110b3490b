"""The process that reads downloads: its answers, its errors, its end."""

import asyncio
import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.botify.errors import IngestStopped
from pipulate.botify.ingest import Ingested, Order, Raw, Table, ingest
from pipulate.botify.queries import COLUMNS, page_columns
from pipulate.engine import child
from pipulate.graph import edges
from pipulate.graph.errors import BadFile, GraphError
from tests.trust.table import chance, tried

A = "https://example.com/a"


def raw_links(folder: Path, rows: int = 3) -> Raw:
    """A plain download of so many links."""
    file = folder / "raw"
    file.write_text("url,target\n" + "".join(f"{A}/{n},{A}/{n + 1}\n" for n in range(rows)))
    return Raw(file, folder / "links.csv", export_size=rows)


async def test_an_order_is_carried_out_in_a_process(tmp_path: Path) -> None:
    """Two downloads become two CSVs and a columnar copy; progress is told on the way."""
    file = tmp_path / "raw pages"
    file.write_text(f"{A}/0,home,True,7\n{A}/1,,,0\n,,,5\n")
    columns = page_columns(["clicks", "compliant", "pagetype"])
    pages = Raw.pages(file, tmp_path / "meta.csv", columns, 100)
    told: list[dict[str, Any]] = []
    done = await ingest(
        Order(raw_links(tmp_path), pages, tmp_path / "graph"), lambda **line: told.append(line)
    )
    assert isinstance(done.links, Table) and isinstance(done.pages, Table)
    assert (done.links.rows, done.links.possibly_truncated) == (3, True)
    assert (done.graph_links, done.graph_pages) == (3, 4)
    assert (done.pages.rows, done.pages.incomplete, done.pages.possibly_truncated) == (2, 1, False)
    with pages.target.open(newline="") as csv_file:
        assert list(csv.reader(csv_file)) == [
            ["id", "pagetype", "compliant", "clicks"],
            [f"{A}/0", "home", "true", "7"],
            [f"{A}/1", "", "", "0"],
        ]
    assert edges.load(tmp_path / "graph").m == 3
    assert list(dict.fromkeys(line["stage"] for line in told)) == ["links", "pages", "graph"]
    assert told[-1] == {"stage": "graph", "share": 1.0, "rows": 3}


async def test_errors_come_back_as_what_they_are(tmp_path: Path) -> None:
    """With their own words, also those of the graph."""
    raw = raw_links(tmp_path)
    raw.file.write_text(f"{A},{A}/b,{A}/c\n")
    with pytest.raises(BadFile, match="row 1 of the export has 3 cells"):
        await ingest(Order(raw))
    (tmp_path / "links.csv").write_text("no,columns,of,links\n")
    with pytest.raises(GraphError, match=r"links\.csv"):
        await ingest(Order(links=tmp_path / "links.csv", graph=tmp_path / "graph"))


async def test_process_that_dies_is_a_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory, or killed: what to do, and the last of what it said; nothing half-written."""
    order = Order(raw_links(tmp_path))

    async def die(function: str, order: dict[str, Any], told: child.Tell) -> None:
        (tmp_path / ".links.csv.1234.part").write_text("half")
        raise child.Died("It stopped unexpectedly (exit code 1). MemoryError: no more")

    monkeypatch.setattr(child, "work", die)
    with pytest.raises(IngestStopped, match=r"are still there: try again.* MemoryError: no more"):
        await ingest(order)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


async def test_cancelling_kills_the_process_and_leaves_nothing(tmp_path: Path) -> None:
    """In the middle of a file that does not end."""
    pipe = tmp_path / "raw"
    os.mkfifo(pipe)
    task = asyncio.create_task(ingest(Order(Raw(pipe, tmp_path / "links.csv"))))
    # This returns when the process has opened the other end.
    descriptor = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(BrokenPipeError):
        os.write(descriptor, b"x")  # nobody reads any more
    os.close(descriptor)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


async def killed_at_random(folder: Path, kills: int) -> tuple[int, int]:
    """Kill the process at random moments: (how often the file was there, how often it was bad)."""
    raw = raw_links(folder, 150_000)
    expected = "source,target\n" + raw.file.read_text().partition("\n")[2]
    rng = chance()
    present = bad = 0
    for _ in range(kills):
        tried()
        begun = asyncio.Event()
        task = asyncio.create_task(ingest(Order(raw), lambda begun=begun, **told: begun.set()))
        await begun.wait()
        await asyncio.sleep(rng.random() * 0.2)  # the moment is the point of it
        task.cancel()  # which is SIGKILL to the process
        await asyncio.wait([task])
        if raw.target.exists():
            present += 1
            bad += raw.target.read_text() != expected
            raw.target.unlink()
    return present, bad


async def test_killing_leaves_whole_files_only(tmp_path: Path) -> None:
    """Whenever it is killed: the CSV is there whole, or not at all."""
    assert (await killed_at_random(tmp_path, 3))[1] == 0


@pytest.mark.trust("Unpacking killed: the file is whole, or not there")
async def test_killing_sixty_times_leaves_whole_files_only(tmp_path: Path) -> None:
    """The long form; both outcomes must have been seen."""
    present, bad = await killed_at_random(tmp_path, 60)
    assert bad == 0 and 0 < present < 60


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("normalise", {"fasthtml", "starlette", "httpx2", "pipulate.app"}),
        ("ingest", {"polars", "numpy"}),
    ],
)
def test_neither_side_loads_what_the_other_needs(module: str, heavy: set[str]) -> None:
    """The process needs no web framework, a second of imports; the server no Polars."""
    code = f"import json, sys, pipulate.botify.{module}; print(json.dumps(list(sys.modules)))"
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert not heavy & set(json.loads(shown.stdout))


PATHS = st.text(min_size=1, max_size=10).filter(lambda t: "\0" not in t and t not in ".").map(Path)
RAWS = st.builds(
    Raw, PATHS, PATHS, st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)), st.integers(0)
)
PARTS = st.none() | RAWS | PATHS


@given(st.builds(Order, PARTS, PARTS, st.none() | PATHS))
def test_orders_survive_the_way_into_the_process(order: Order) -> None:
    """Any names."""
    assert Order.read(**json.loads(json.dumps(order.as_json()))) == order


def test_columns_of_pages_know_their_booleans() -> None:
    """As the catalogue says."""
    raw = Raw.pages(Path("a"), Path("b"), COLUMNS)
    assert raw.columns[0] == "id" and not raw.of_links and Raw(Path("a"), Path("b")).of_links
    assert set(raw.booleans) == {"compliant", "canonical", "sitemap", "js_executed", "js_succeeded"}
    assert Ingested().links is None
