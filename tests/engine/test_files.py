"""A file appears whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from pipulate.engine import files as module
from pipulate.engine.errors import CannotWrite
from pipulate.engine.files import begin, finish, sweep, whole, whole_folder
from pipulate.engine.private import FILE, FOLDER


def test_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    """Not before; the folder is made; nothing else is left."""
    target = tmp_path / "deep" / "result.csv"
    with whole(target) as file:
        file.write(b"all of it")
        assert not target.exists()
    assert target.read_bytes() == b"all of it"
    assert list(target.parent.iterdir()) == [target]


def test_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """And no leftover."""
    target = tmp_path / "result.csv"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), whole(target) as file:
        file.write(b"new")
        raise RuntimeError
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_disk_trouble_is_explained_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whichever call meets the full disk: the message names file and reason."""
    target = tmp_path / "result.csv"
    target.write_bytes(b"old")

    def full(*args: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path if call == "replace" else module.os, call, full)
    with (
        pytest.raises(CannotWrite, match=r"result\.csv could not be written: No space left"),
        whole(target) as file,
    ):
        file.write(b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_contents_are_on_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsync of the file, then the rename, then fsync of the folder."""
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(module.os, "fsync", lambda fd: order.append("fsync") or fsync(fd))
    monkeypatch.setattr(
        Path, "replace", lambda self, to: order.append("rename") or replace(self, to)
    )
    with whole(tmp_path / "result.csv") as file:
        file.write(b"x")
    assert order == ["fsync", "rename", "fsync"]


def test_leftovers_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    """Its own only, also when the name holds characters that mean something to a search."""
    target = tmp_path / "a[1]_links.csv"
    mine, other = tmp_path / ".a[1]_links.csv.0123.part", tmp_path / ".b_links.csv.0123.part"
    mine.touch()
    other.touch()
    sweep(target)
    assert not mine.exists() and other.exists()


def test_of_two_writers_one_wins_whole(tmp_path: Path) -> None:
    """The one that began last; the other is told, and never do both write into one file."""
    target = tmp_path / "result.csv"
    with pytest.raises(CannotWrite), whole(target) as older:
        older.write(b"older")
        part, newer = begin(target)
        newer.write(b"newer")
    newer.close()
    finish(part, target)
    assert target.read_bytes() == b"newer" and list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    """It replaces the older one; nothing else is left beside it."""
    target = tmp_path / "graph"
    for content in ("old", "new"):
        with whole_folder(target) as part:
            (part / "inner").mkdir()
            (part / "inner" / "file").write_text(content)
    assert (target / "inner" / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_replaced_also_where_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an older system, or another."""
    monkeypatch.delattr(module.ctypes, "CDLL")
    test_a_folder_appears_whole(tmp_path)


def test_a_folder_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """And no leftover."""
    target = tmp_path / "graph"
    with whole_folder(target) as part:
        (part / "file").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(target) as part:
        (part / "file").write_text("new")
        raise RuntimeError
    assert (target / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_leftovers_of_a_killed_writer_of_a_folder_are_swept(tmp_path: Path) -> None:
    """What it had filled when the next begins; what it had put aside once there is a new one."""
    target = tmp_path / "graph"
    part, old = tmp_path / ".graph.0123abcd.part", tmp_path / ".graph.0123abcd.old"
    for leftover in (part, old, tmp_path / ".other.0123abcd.part"):
        leftover.mkdir()
        (leftover / "links").touch()
    with whole_folder(target):
        assert not part.exists() and old.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.0123abcd.part", "graph"]


def test_of_two_writers_of_a_folder_one_wins_whole(tmp_path: Path) -> None:
    """The one that began last; the other is told, and never is a half taken for the whole."""
    target = tmp_path / "graph"
    with pytest.raises(CannotWrite), whole_folder(target) as older:
        (older / "links").write_text("older")
        with whole_folder(target) as newer:
            (newer / "links").write_text("newer")
    assert (target / "links").read_text() == "newer"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_a_file_is_the_users_alone_from_its_first_byte(tmp_path: Path) -> None:
    """The temporary file and the folders that are made have the mode, too."""
    target = tmp_path / "deep" / "secret"
    with whole(target) as file:
        (part,) = target.parent.iterdir()
        assert part.stat().st_mode & 0o777 == FILE
        file.write(b"x")
    with whole_folder(tmp_path / "more" / "folder"):
        pass
    assert target.stat().st_mode & 0o777 == FILE
    for name in ("deep", "more", "more/folder"):
        assert (tmp_path / name).stat().st_mode & 0o777 == FOLDER
