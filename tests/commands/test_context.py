"""`pipulate context`: the core, whole, and small enough to be read so."""

from pipulate.commands.context import tokens


def test_context_counts_the_core(cli):
    """A line for each file, and what the engine, and then the web, add up to."""
    status, out, _ = cli("context", "--counts")
    lines = [(int(line.split()[0].replace(",", "")), line) for line in out.splitlines()]
    sums = [count for count, line in lines if "tokens of" in line]
    assert status == 0 and len(sums) == 2
    assert sums[-1] == sum(count for count, line in lines if "tokens of" not in line)


def test_context_prints_engine_and_web_and_nothing_else(cli):
    """The text goes to stdout, its length to stderr."""
    status, out, err = cli("context")
    assert status == 0 and "tokens of" in err and "tokens of the engine" not in out
    names = [line.split()[2] for line in out.splitlines() if line.startswith("# ====")]
    assert {name.split("/")[1] for name in names} == {"engine", "web"}
    assert "pipulate/engine/record.py" in names and "pipulate/web/cards.py" in names


def test_indentation_costs_nothing():
    """What blanks at the beginning of a line say, a reader sees at once."""
    assert tokens("def f():\n    return 1234\n") == (9 + 12) // 4
