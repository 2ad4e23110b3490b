"""`pipulate soul`: the model's memory travels in one file."""

from contextlib import closing

from pipulate.chat.memory import Memory
from pipulate.engine.store import Store


def test_a_soul_travels(cli, tmp_path):
    """What one data folder exports, another takes up once; a damaged file is refused in words."""
    with closing(Store(tmp_path / "data" / "pipulate.db")) as store:
        Memory(store).add("Graz", key="city")
    file = tmp_path / "me.jsonl"
    assert cli("soul", "export", str(file))[:2] == (0, "1 fact\n")
    elsewhere = ["--data", str(tmp_path / "other"), "soul", "import", str(file)]
    assert cli(*elsewhere)[:2] == (0, "1 fact\n")
    assert cli(*elsewhere)[:2] == (0, "0 fact\n")
    file.write_text(file.read_text().replace("Graz", "Linz"))
    status, _, err = cli(*elsewhere)
    assert status == 1 and "Nothing was imported" in err
