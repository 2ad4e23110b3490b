"""What is stored of a run, and what history tells of it, for the tests of `history` and `past`."""

from typing import Any

from pipulate.engine import past
from pipulate.engine.pipeline import Pipulate

STEPS = [(f"key{number}", f"step_{number:02d}", f"Step {number}") for number in range(1, 6)]
LONG = "I seek the Grail. " * 100  # longer than a record that is always told whole


def stored(engine: Pipulate, id: str = "arthur") -> str:
    """Return the record as it is stored."""
    row = engine.row(id)
    assert row
    return str(row["data"])


def told(engine: Pipulate, id: str = "arthur") -> list[str | None]:
    """Return what history gives as the record after each act."""
    select = "SELECT data, crc FROM history WHERE id = ? ORDER BY seq"
    rows = [(row["data"], row["crc"]) for row in engine.store.read(select, id)]
    return list(past.texts(rows))


def rows(engine: Pipulate, id: str = "arthur") -> list[dict[str, Any]]:
    """Return the rows of history as they are."""
    return engine.store.read("SELECT * FROM history WHERE id = ? ORDER BY seq", id)


def damage(engine: Pipulate) -> None:
    """Overwrite the record of `arthur` as no code of ours would."""
    engine.store.write("UPDATE pipeline SET data = '{' WHERE id = 'arthur'")
