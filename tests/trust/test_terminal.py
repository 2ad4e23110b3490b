"""Every command on a machine that fails: told in words, with a status, never a traceback.

COMMANDS  holds a line or more of each command, on a data folder that has runs, files and a backup.
FAILURES  is what may be wrong with a machine; each is real, and a process's own.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipulate import commands
from pipulate.engine.settings import PACKAGE
from tests.server import free_port
from tests.trust.table import tried

LINKS = b"source,target\nhttps://a.example/,https://a.example/b\n" * 3
COMMANDS = """
    serve --no-browser --port {port}
    new mine
    run explore_csv --id → links=links.csv
    run bridge --id new name=❤ quest=grail color=blue
    runs list
    runs export --to out/runs
    runs export
    runs import runs.zip
    runs delete bridge ❤
    model list
    model get --file links.csv
    soul export out/soul.jsonl
    soul import soul.jsonl
    mcp
    graph report links.csv --out out/report
    botify-simulator --port {port}
    context
    backup out/copy.db
    restore
    doctor""".strip().splitlines()
READY = ("Pipulate serves", "Stop it with Ctrl+C")
ENDS = {0, 1, 130}  #: done, told, interrupted


@dataclass
class Failure:
    """What is wrong with a machine."""

    before: Callable[[], None] = lambda: None  #: done in the process, before it is ours
    world: Callable[[Path], None] = lambda folder: None  #: done to its folder
    page: str = "utf-8"
    out: str = ""
    must: tuple[str, ...] = ()  #: words of which one is told, wherever it ends with 1
    ends: set[int] = field(default_factory=lambda: ENDS)


def _limit(name: str, most: int) -> Callable[[], None]:
    def limit() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(getattr(resource, name), (most, most))

    return limit


def _as_others() -> None:
    """Give up what root may more than others: to read and write what is forbidden."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


def _forbid(folder: Path) -> None:
    for path in (folder, folder / "out", *(folder / "data").rglob("*"), folder / "data"):
        path.chmod(0o500 if path.is_dir() else 0o400)


def _forbid_reading(folder: Path) -> None:
    for path in (*(folder / "data").iterdir(), *folder.glob("*.*")):
        path.chmod(0)


FAILURES = {
    "few open files": Failure(_limit("RLIMIT_NOFILE", 20), must=("files open",), ends={1}),
    "no large file": Failure(_limit("RLIMIT_FSIZE", 3000)),
    "no right to write": Failure(_as_others, _forbid),
    "no right to read": Failure(_as_others, _forbid_reading),
    "stdout is full": Failure(out="/dev/full", must=("disk is full", "pipulate: ")),
    "code page 1252": Failure(page="cp1252"),
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder in which something was done."""
    folder = tmp_path_factory.mktemp("origin")
    (folder / "out").mkdir()
    (folder / "links.csv").write_bytes(LINKS)
    for line in (
        "run bridge --id ❤ name=❤ quest=grail color=blue",
        "run explore_csv --id site links=links.csv",
        "backup",
        "soul export soul.jsonl",
        "runs export --to runs.zip",
    ):
        assert tell(folder, line, Failure())[0] == 0
    return folder


def tell(folder: Path, line: str, failure: Failure) -> tuple[int, str]:
    """Run a command; one that serves is interrupted as it does.  Return its status and words."""
    words = [] if line.startswith("serve") else [line.split()[0]]
    command = [sys.executable, "-m", "pipulate", *words, *line.split()[1:]]
    page = {"PYTHONIOENCODING": failure.page, "PYTHONUNBUFFERED": "1"}
    page["PYTHONDONTWRITEBYTECODE"] = "1"  # it would be cut, for all that come after
    with (
        Path(failure.out or os.devnull).open("w") as full,
        subprocess.Popen(
            command,
            stdout=full if failure.out else subprocess.PIPE,
            stderr=subprocess.PIPE if failure.out else subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **page, "PYTHONPATH": str(PACKAGE.parent)},
            preexec_fn=failure.before,
        ) as process,
    ):
        pipe = process.stderr or process.stdout
        assert pipe
        told = ""
        for came in pipe:
            told += came.decode(failure.page, "replace")
            if any(ready in came.decode(failure.page, "replace") for ready in READY):
                process.send_signal(signal.SIGINT)
        return process.wait(), told


def wrong(status: int, told: str, failure: Failure) -> str:
    """Return what is wrong with how a command ended; "" if nothing."""
    for sign in ("Traceback", "Exception ignored", "Warning:", "Fatal Python"):
        if sign in told:
            return sign
    if status not in failure.ends:
        return f"status {status}"
    if status == 1 and not any(words in told for words in failure.must or ("pipulate: ", "above")):
        return "no words"
    return ""


def fails(origin: Path, folder: Path, line: str, name: str) -> str:
    """Run a command on a machine that fails, on a copy; return what is wrong with its end."""
    tried()
    shutil.copytree(origin, folder)
    failure = FAILURES[name]
    failure.world(folder)
    status, told = tell(folder, line.strip().format(port=free_port()), failure)
    found = wrong(status, told, failure)
    return f"{line.strip()} ({name}): {found}: {told[-600:]}" if found else ""


def test_every_command_is_tried() -> None:
    """Whoever adds one adds its line."""
    there = {path.stem for path in Path(commands.__path__[0]).glob("[a-z]*.py")}
    assert {line.split()[0].replace("-", "_") for line in COMMANDS} == there


@pytest.mark.skipif(sys.platform != "linux", reason="the failures are Linux's")
@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_machine_is_told_in_words(origin: Path, tmp_path: Path, name: str) -> None:
    """Short form: one command a failure."""
    line = COMMANDS[len(name) % len(COMMANDS)]
    assert fails(origin, tmp_path / "copy", line, name) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the failures are Linux's")
@pytest.mark.trust("Terminal: every command on a machine that fails says so in words")
@pytest.mark.parametrize("name", FAILURES)
def test_every_command_tells_it_in_words(origin: Path, tmp_path: Path, name: str) -> None:
    """Long form: all commands times all failures."""
    found = [
        fails(origin, tmp_path / f"{number}", line, name) for number, line in enumerate(COMMANDS)
    ]
    assert [told for told in found if told] == []


@pytest.mark.trust("Planted bug found: a traceback, no words, a death")
@pytest.mark.parametrize(
    ("status", "told", "found"),
    [
        (1, "pipulate: x\nTraceback (most recent call last):", "Traceback"),
        (1, "Killed", "no words"),
        (-6, "", "status -6"),
        (120, "Exception ignored in: <stdout>", "Exception ignored"),
    ],
)
def test_what_is_no_word_is_found(status: int, told: str, found: str) -> None:
    """What those commands did before it was mended."""
    assert wrong(status, told, Failure()) == found
