"""The command line as a whole; what each command does is tested in tests/commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipulate import commands
from pipulate.cli import COMMANDS, main


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
