"""What commands share: help from a module's head, and one line of progress."""

import pytest

from pipulate.commands import bar, parser, progress


def test_a_modules_head_is_its_help():
    """The command's name stands in backquotes; all that follows is printed as it is written."""
    text = parser("`pipulate soul`: export it.\n\n  one   two\n").format_help()
    assert text.startswith("usage: pipulate soul ")
    assert "export it.\n\n  one   two\n" in text


@pytest.mark.parametrize(
    ("share", "blocks", "percent"), [(0, 0, "0%"), (0.5, 12, "50%"), (1, 24, "100%")]
)
def test_a_bar_has_one_width(share, blocks, percent):
    """So that what stands behind it does not move."""
    assert bar(share).count("█") == blocks and bar(share).endswith(f" {percent}")
    assert len(bar(share)) == len(bar(0))
    assert bar(None) == "…"


def test_where_nobody_looks_each_message_is_a_line(capsys):
    """A log is not filled with per cents."""
    with progress("Count") as tell:
        for share in (0, 0.1, 0.2):
            tell(share, "a.txt")
        tell(0.5, "b.txt")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[-1] for line in lines] == ["a.txt", "b.txt"]


def test_in_a_terminal_one_line_is_written_over(capsys, monkeypatch):
    """It ends when the work does, also when that fails."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with pytest.raises(ValueError, match="oops"), progress("Count") as tell:
        tell(0.1, "a.txt")
        tell(0.2, "a.txt")
        raise ValueError("oops")
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and err.endswith("\n") and err.count("\r") == 2


def test_nothing_told_is_nothing_written(capsys):
    """Work that says nothing leaves no empty line."""
    with progress("Count"):
        pass
    assert capsys.readouterr().err == ""
