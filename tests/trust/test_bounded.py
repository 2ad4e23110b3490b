"""Memory is bounded: whatever a stranger sends is read, or refused, in so many MB.

CHILD    Each reader runs in a process of its own, which tells how much more it held at its
         peak than before, and what it said.
INPUTS   A cell, line, run, page, answer without an end, packed and plain, hundreds of MB long
         (SIZE); a million rows; an upload, and a model that speaks for ever, to the real server.
"""

import asyncio
import gzip
import json
import subprocess
import sys
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import httpx2
import pytest

from pipulate.botify.client import Botify
from pipulate.botify.ingest import Raw
from pipulate.botify.normalise import normalise
from pipulate.chat import agents, soul
from pipulate.chat.conversation import Conversations
from pipulate.chat.providers import LONGEST_ANSWER, OPENAI, Remote
from pipulate.engine.errors import PipulateError
from pipulate.engine.exchange import import_file
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store
from pipulate.engine.values import File
from pipulate.graph import edges, htmlsite, spreadsheets
from pipulate.workflows import petite
from tests.chat.scripted import Reply, ScriptedModel
from tests.endless import HEAD, Endless
from tests.server import LOOKS, PATIENCE, Server, free_port
from tests.trust.table import tried

ROW = "Memory is bounded: cells, lines, runs, answers without an end"
MB = 1 << 20
SHORT = 24  #: MB of an input
SIZE = 200
PLENTY = 96  #: MB more, for a reader of tables; it keeps arenas
LITTLE = 64


def peak() -> int:
    """Return how many MB this process held at most."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) // 1024


# ---------------------------------------------------------------- inputs


def fill(file: IO[bytes], piece: bytes, size: int) -> None:
    """Write so many MB of the same."""
    for _ in range(size):
        file.write(piece * (MB // len(piece)))


def table(path: Path, size: int, piece: bytes = b"x", before: bytes = b"") -> Path:
    """Write links of which the second has a cell without an end."""
    packed = path.suffix == ".gz"
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        file.write(b"source,target\nhttps://a.example/1,https://a.example/2\n" + before)
        fill(file, piece, size)
        file.write(before + b",https://a.example/3\n")
    return path


# ---------------------------------------------------------------- readers, each in a child


def packed_cell(folder: Path, size: int) -> object:
    """Any crawler's links, packed."""
    return edges.build(table(folder / "links.csv.gz", size), None, folder / "graph")


def quoted_cell(folder: Path, size: int) -> object:
    """A quotation mark without a partner."""
    path = table(folder / "links.csv", size, b"x\n", b'"')
    return edges.build(path, None, folder / "graph")


def exported_cell(folder: Path, size: int) -> object:
    """Botify's export."""
    return normalise(Raw(table(folder / "raw.gz", size), folder / "links.csv"))


def exported_quotes(folder: Path, size: int) -> object:
    """The same, in quotes."""
    path = table(folder / "raw.gz", size, b"x\n", b'"')
    return normalise(Raw(path, folder / "links.csv"))


def spreadsheet(folder: Path, size: int) -> object:
    """The copy of such a file for a spreadsheet."""
    path = table(folder / "links.csv", size)
    *_, last = (piece[-200:] for piece in spreadsheets.of_file(path))
    return last.decode()


def template_rows(folder: Path, size: int) -> object:
    """What authors copy: many rows, of which none is taken."""
    path = folder / "names.csv"
    with path.open("wb") as file:
        fill(file, b"name,a word\n", max(size // 16, 8))
    return petite.rows(File("names.csv", 0, "", path))


def template_cell(folder: Path, size: int) -> object:
    """The same, with one row without an end."""
    return petite.rows(File("names.csv", 0, "", table(folder / "names.csv", size)))


def imported(folder: Path, file: Path) -> object:
    """Import runs from a file."""
    with closing(Store(folder / "pipulate.db")) as store, file.open("rb") as source:
        return import_file(Pipulate(store, ""), source)


def import_of_one(folder: Path, size: int) -> object:
    """A run without an end."""
    path = folder / "runs.jsonl"
    with path.open("wb") as file:
        fill(file, b"[1],", size)
    return imported(folder, path)


def import_of_many(folder: Path, size: int) -> object:
    """Runs that are passed over, and at last one that is nested too deep."""
    path = folder / "runs.jsonl"
    run = json.dumps({"id": "x", "damaged": "x" * 1000}).encode() + b"\n"
    with path.open("wb") as file:
        fill(file, run, size)
        file.write(b"[" * 100_000)
    return imported(folder, path)


def import_of_a_zip(folder: Path, size: int) -> object:
    """A run without an end, packed."""
    path = folder / "runs.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
        packed.open("runs.jsonl", "w") as file,
    ):
        fill(file, b"[1],", size)
    return imported(folder, path)


def import_of_a_soul(folder: Path, size: int) -> object:
    """A memory without an end."""
    path = folder / "soul.jsonl"
    with path.open("wb") as file:
        fill(file, b"[1],", min(size, 200))
    with closing(Store(folder / "pipulate.db")) as store:
        return soul.import_(store, path)


def page_of_html(folder: Path, size: int) -> object:
    """A page without an end: its beginning is read."""
    site = folder / "site"
    site.mkdir()
    with (site / "index.html").open("wb") as file:
        fill(file, b"words ", size)
    return htmlsite.read_html_site(site).name


def answer_of_the_api(folder: Path, size: int) -> object:
    """One that unpacks to a thousand times its size."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    piece = b"".join(packer.compress(b"[" * MB) for _ in range(size)) + packer.flush()

    async def body() -> AsyncIterator[bytes]:
        for at in range(0, len(piece), 16_384):
            yield piece[at : at + 16_384]

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=body(), headers={"content-encoding": "gzip"})

    async def ask() -> object:
        async with Botify("0" * 40, transport=httpx2.MockTransport(answer)) as api:
            return await api.profile()

    return asyncio.run(ask())


def message_of_an_agent(folder: Path, size: int) -> object:
    """Nested too deep."""
    try:
        return agents.parse(b"[" * 100_000)
    except agents.RpcError as error:
        return str(error.body)


def answer_of_a_model(head: bytes, piece: bytes) -> Callable[[Path, int], object]:
    """One that does not end."""

    async def ask(url: str) -> int:
        return len([_ async for _ in Remote(OPENAI, url, "x").stream([])])

    def answer(folder: Path, size: int) -> object:
        with Endless(head, piece) as server:
            return asyncio.run(ask(server.url))

    return answer


WORD = b'data: {"choices": [{"delta": {"content": "word"}}]}\n\n'
CASES: dict[str, tuple[Callable[[Path, int], object], int, str]] = {
    "a cell, packed": (packed_cell, PLENTY, "more than 8 MB in one line"),
    "a cell, quoted": (quoted_cell, PLENTY, "has a cell of more than 1,048,576"),
    "an export's cell": (exported_cell, PLENTY, "more than 1 MB"),
    "an export's quotes": (exported_quotes, PLENTY, "no partner"),
    "a spreadsheet's row": (spreadsheet, LITTLE, "This copy stops here: line 3"),
    "a template's rows": (template_rows, 8, "[]"),
    "a template's cell": (template_cell, LITTLE, "line 3 has more than 8,388,608"),
    "a run": (import_of_one, 2 * PLENTY, "has more than 33,554,432"),
    "runs": (import_of_many, LITTLE, "nested more than 200 deep"),
    "a run, packed": (import_of_a_zip, 2 * PLENTY, "has more than 33,554,432"),
    "a soul's line": (import_of_a_soul, 2 * PLENTY, "has more than 33,554,432"),
    "a page of HTML": (page_of_html, 2 * PLENTY, ""),
    "an answer of the API": (answer_of_the_api, LITTLE, "more than 16 MB"),
    "an agent's message": (message_of_an_agent, 8, "no JSON"),
    "a model's words": (answer_of_a_model(HEAD, WORD * 20), LITTLE, "200,000 characters"),
    "a model's silence": (
        answer_of_a_model(HEAD, (b":" * 999 + b"\n") * 60),
        LITTLE,
        "33,554,432 bytes",
    ),
    "a model's line": (answer_of_a_model(HEAD, b"data: " * 9000), LITTLE, "unexpected"),
    "a model's head": (answer_of_a_model(HEAD[:-2], b"X: y\r\n" * 999), LITTLE, "broke off"),
}


def child(name: str, folder: Path, size: int) -> None:
    """Print how much more was held, and what was said."""
    read = CASES[name][0]
    before = peak()
    try:
        said = str(read(folder, size))
    except PipulateError as error:
        said = str(error)
    print(json.dumps([peak() - before, said[-1000:]]))


def measured(name: str, folder: Path, size: int) -> tuple[int, str]:
    """Read in a child: (MB more, what was said)."""
    command = [sys.executable, "-m", __name__, name, str(folder), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10 * PATIENCE)
    assert done.returncode == 0, done.stderr[-3000:]
    grown, said = json.loads(done.stdout.splitlines()[-1])
    return grown, said


def hold(name: str, folder: Path, size: int) -> None:
    """Read so large an input, within the bound, with that sentence."""
    _, bound, words = CASES[name]
    tried()
    grown, said = measured(name, folder, size)
    assert words in said, said
    assert grown <= bound, f"{name}: {grown} MB more, of {bound}"


@pytest.mark.parametrize("name", CASES)
def test_what_has_no_end_is_refused_in_words(name: str, tmp_path: Path) -> None:
    """Large enough for every bound of size; what is held is measured below."""
    read, _, words = CASES[name]
    try:
        said = str(read(tmp_path, 2 * SHORT))
    except PipulateError as error:
        said = str(error)
    assert words in said, said


@pytest.mark.trust(ROW)
@pytest.mark.parametrize("name", CASES)
def test_what_has_no_end_fills_no_memory(name: str, tmp_path: Path) -> None:
    """Two hundred MB."""
    hold(name, tmp_path, SIZE)


def test_a_reader_that_holds_all_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound that is too small stands for a reader that holds too much."""
    read, _, words = CASES["a page of HTML"]
    monkeypatch.setitem(CASES, "a page of HTML", (read, 1, words))
    with pytest.raises(AssertionError, match="MB more, of 1"):
        hold("a page of HTML", tmp_path, SHORT)


# ---------------------------------------------------------------- the server


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Give one that never ends."""
    with ScriptedModel(Reply("word" * 50, endless=True)) as scripted:
        yield scripted


def held(server: Server) -> int:
    """Return how many MB the server held at most."""
    assert server.process
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) // 1024


def told(folder: Path) -> list[str]:
    """Return what stands in the conversation."""
    with closing(Store(folder / "data" / "pipulate.db")) as store:
        rows = Conversations(store).messages(1)
    return [row["content"] for row in rows]


@pytest.mark.trust(ROW)
def test_the_server_outlives_a_model_that_does_not_end(
    model: ScriptedModel, tmp_path: Path
) -> None:
    """What came is kept as far as the bound, a sentence says so, the connection is closed."""
    server = Server(tmp_path, free_port(), "--model", f"{model.url}/v1").start()
    tried()
    with server.client() as client:
        client.get("/tasks")
        before = held(server)
        assert client.post("/chat/send", data={"text": "Hello"}).status_code == 204
        assert model.hung_up.wait(2 * PATIENCE)
        for _ in range(LOOKS):
            if len(said := told(tmp_path)) == 3:
                break
            client.get("/tasks")
        assert client.get("/tasks").status_code == 200
    assert [len(said[1]) <= LONGEST_ANSWER, "ended after 200,000 characters" in said[2]] == [1, 1]
    assert held(server) - before <= LITTLE
    server.stop()


if __name__ == "__main__":
    child(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
