"""The command line as a whole; what each command does is tested in tests/commands."""

import subprocess
import sys

import pytest

from pipulate.cli import COMMANDS, main

NAMES = [name for name, *_ in COMMANDS]


def test_the_module_is_the_command(tmp_path):
    """`python -m pipulate --help` lists every command."""
    command = [sys.executable, "-m", "pipulate", "--help"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert [name for name in NAMES if f"    {name}" not in out] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_does_and_takes(name, capsys):
    """`--help` begins with the command's own name and has a sentence, and touches nothing."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    out = capsys.readouterr().out
    assert ended.value.code == 0 and out.startswith(f"usage: pipulate {name} ")
    assert len(out.split("\n\n")[1]) > 30


def test_an_unknown_option_or_command_is_refused(capsys):
    """Nothing is served by mistake."""
    for argv in (["--prot=5002"], ["rnu"]):
        with pytest.raises(SystemExit) as ended:
            main(argv)
        assert ended.value.code == 2 and argv[0] in capsys.readouterr().err
