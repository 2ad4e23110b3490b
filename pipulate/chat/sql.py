"""Read-only SQL over the user's own tables, safe to hand to a model: see
`graph.select`.
"""

from pathlib import Path

from pipulate.graph.select import Answer, select

TABLES = {
    "pipeline",
    "history",
    "job",
    "profile",
    "client",
    "task",
    "conversation",
    "message",
}
ROWS = 50
SECONDS = 2.0
CELL = 300  # characters
MORE = "\n\nThese are the first {} rows; there are more."


def query(database: Path, statement: str, rows: int = ROWS, seconds: float = SECONDS) -> str:
    """A Markdown table, which says if it is cut.  Raises Invalid."""
    return table(select(database, statement, TABLES, rows=rows, seconds=seconds))


def table(answer: Answer) -> str:
    """Return an answer as a Markdown table; long cells end in an ellipsis."""
    if not answer.rows:
        return "No rows."
    lines = [
        answer.columns,
        ["---"] * len(answer.columns),
        *([_cell(value) for value in row] for row in answer.rows),
    ]
    more = MORE.format(len(answer.rows)) if answer.more else ""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + more


def _cell(value: object) -> str:
    if value is None:
        return ""
    shown = " ".join(str(value).split()).replace("|", "\\|")
    return shown if len(shown) <= CELL else shown[:CELL] + "…"
