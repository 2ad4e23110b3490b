"""The command line as a whole; what each command does is tested in tests/commands."""

import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipulate import commands
from pipulate.cli import COMMANDS, main
from pipulate.engine.pipeline import Pipulate
from tests.server import PATIENCE, Server, free_port


def test_the_module_is_the_command(tmp_path):
    """`python -m pipulate --help` lists every command."""
    command = [sys.executable, "-m", "pipulate", "--help"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert [name for name in COMMANDS if f"    {name}" not in out] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_takes(name, capsys):
    """`--help` begins with the command's own name and has a sentence, and touches nothing."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0 and out.startswith(f"usage: pipulate {name} ")
    assert len(out.split("\n\n")[1]) > 30


def test_every_file_of_commands_is_one() -> None:
    """The table and the folder say the same."""
    files = {path.stem for path in Path(commands.__path__[0]).glob("[a-z]*.py")}
    assert files == {name.replace("-", "_") for name in COMMANDS} | {"serve"}


def test_an_unknown_option_or_command_is_refused(capsys):
    """Nothing is served by mistake."""
    for argv in (["--prot=5002"], ["rnu"]):
        with pytest.raises(SystemExit) as ended:
            main(argv)
        assert ended.value.code == 2 and argv[0] in capsys.readouterr().err


# --- what the machine or its user gets wrong is told in words

WRONG = {
    "--port 80000": "--port 80000 is none",
    "--port -1": "--port -1 is none",
    "--data FILE": "--data FILE is a file; expected a folder",
    "--data FILE runs": "--data FILE is a file",
    "--data FILE doctor": "--data FILE is a file",
    "--downloads FILE": "--downloads FILE is a file",
    "--workflows FILE run bridge --id x": "--workflows FILE is a file",
    "--host 192.0.2.7 --no-browser": "--host 192.0.2.7 is no address of this machine",
    "--host nowhere.invalid --no-browser": "--host nowhere.invalid is no address",
    "runs import .": ". is a folder; expected a file",
    "runs export --to FILE/x": "x could not be written",
    "backup FILE/x": "x could not be written",
    "soul export FILE/x": "x could not be written",
    "--workflows wild run exits --id x": "SystemExit: 3",
    "--workflows wild run stops --id x": "KeyboardInterrupt",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_cannot_be_is_told_in_words(tmp_path, monkeypatch, capsys, line):
    """In a sentence or two, with a status that says so."""
    monkeypatch.chdir(tmp_path)
    Path("FILE").touch()
    Path("wild").mkdir()
    Path("wild", "exits.py").write_text("raise SystemExit(3)")
    Path("wild", "stops.py").write_text("raise KeyboardInterrupt")
    assert main(line.split()) == 1
    err = capsys.readouterr().err
    assert err.startswith("pipulate: ") and WRONG[line] in err
    assert "cli.py" not in err  # an author's traceback at most


def test_what_the_machine_fails_at_is_told_in_words(tmp_path, monkeypatch, capsys):
    """Wherever in a command that is."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "big.csv")

    monkeypatch.setattr("pipulate.commands.context.main", full)
    assert main(["--data", str(tmp_path), "context"]) == 1
    err = capsys.readouterr().err
    assert err == (
        "pipulate: The disk is full. Make room, then try again. "
        "(big.csv: No space left on device)\n"
    )


@pytest.mark.parametrize(
    "line", ["context", "runs list", "run bridge --id ☃😀 name=☃ quest=→ color=red"]
)
def test_any_code_page_can_be_printed_to(tmp_path, line):
    """What it lacks is written as JSON writes it, so JSON stays JSON."""
    engine = Pipulate.open(tmp_path, "bridge")
    engine.initialize_if_missing("❤😀")
    engine.store.close()
    command = [sys.executable, "-m", "pipulate", "--data", str(tmp_path), *line.split()]
    page = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, env=page, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    text = done.stdout.decode("cp1252")
    if line == "runs list":
        assert "\\u2764\\ud83d\\ude00" in text
    if line.startswith("run "):
        assert json.loads(text)["id"] == "☃😀"


def test_who_reads_may_stop(tmp_path):
    """As `head` does; nobody gets a traceback for that."""
    command = [sys.executable, "-m", "pipulate", "--data", str(tmp_path), "context"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    "line", [["runs", "export"], ["doctor"], ["graph", "links.csv"], ["--help"]]
)
def test_a_launcher_may_give_no_streams(tmp_path, line):
    """What has no terminal, and closed streams, works all the same."""
    (tmp_path / "links.csv").write_text("source,target\nhttps://a.example/,https://a.example/b\n")
    command = shlex.join([sys.executable, "-m", "pipulate", *line])
    done = subprocess.run(["sh", "-c", f"{command} <&- >&- 2>&-"], cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 0


def test_a_server_may_have_no_streams(tmp_path):
    """It has no terminal to show a log to; the log's file has it."""
    server = Server(tmp_path, free_port())
    command = shlex.join([sys.executable, "-m", "pipulate", "--port", str(server.port)])
    line = f"exec {command} --no-browser <&- >&- 2>&-"
    server.process = subprocess.Popen(["sh", "-c", line], cwd=tmp_path)
    try:
        server.ready()
    finally:
        server.process.kill()
        server.process.wait()


def test_what_is_nobodys_fault_but_ours_has_its_traceback(tmp_path, monkeypatch):
    """Or nobody could mend it."""

    def wrong(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pipulate.commands.context.main", wrong)
    with pytest.raises(ZeroDivisionError):
        main(["--data", str(tmp_path), "context"])


def test_few_open_files_are_made_more_where_that_is_allowed(tmp_path, monkeypatch):
    """Else it is said before anything begins, and so fails half-way."""
    resource = pytest.importorskip("resource")
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: asked.append(limits))
    monkeypatch.setattr(resource, "getrlimit", lambda what: (256, 100_000))
    assert main(["--data", str(tmp_path), "runs"]) == 0
    monkeypatch.setattr(resource, "getrlimit", lambda what: (20, 20))
    assert main(["--data", str(tmp_path), "runs"]) == 1
    assert asked == [(1024, 100_000), (20, 20)]
