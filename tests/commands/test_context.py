"""`pipulate context`: the core, whole, and small enough to be read so."""

from pipulate.commands.context import tokens


def test_context_counts_the_core(cli):
    """The core is small enough to be read whole: 40,000 tokens."""
    status, out, _ = cli("context", "--counts")
    *files, total = out.splitlines()
    counts = [int(line.split()[0].replace(",", "")) for line in files]
    assert status == 0 and 10_000 < sum(counts) <= 40_000
    assert total.split()[0] == f"{sum(counts):,}"


def test_context_prints_engine_and_web_and_nothing_else(cli):
    """The text goes to stdout, its length to stderr."""
    status, out, err = cli("context")
    assert status == 0 and "tokens in all" in err and "tokens in all" not in out
    names = [line.split()[2] for line in out.splitlines() if line.startswith("# ====")]
    assert {name.split("/")[1] for name in names} == {"engine", "web"}
    assert "pipulate/engine/record.py" in names and "pipulate/web/guard.py" in names


def test_indentation_costs_nothing():
    """What blanks at the beginning of a line say, a reader sees at once."""
    assert tokens("def f():\n    return 1234\n") == (9 + 12) // 4
