"""`pipulate backup`: a copy that is whole, where it was asked for."""

from contextlib import closing

from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store


def test_the_copy_stands_where_it_was_asked_for(cli, tmp_path):
    """It opens as a data folder's database does, with every run in it."""
    cli("run", "bridge", "--id", "arthur", "name=A", "quest=B", "color=red")
    target = tmp_path / "elsewhere" / "copy.db"
    target.parent.mkdir()
    status, out, _ = cli("backup", str(target))
    assert (status, out.strip()) == (0, str(target))
    with closing(Store(target)) as store:
        assert [row["id"] for row in Pipulate(store).runs()] == ["arthur"]


def test_without_a_name_it_stands_among_the_backups(cli, tmp_path):
    """Where `restore` looks for it."""
    path = cli("backup")[1].strip()
    assert path.startswith(str(tmp_path / "data" / "backups" / "pipulate-"))
