"""Files are kept by what is in them: whole, once, and found by every answer that names them."""

import hashlib
import io
import os
from pathlib import Path

import pytest

from pipulate.engine import files
from pipulate.engine.errors import CannotWrite, PipulateError
from pipulate.engine.kept import LARGE, Desk, files_in, keep, plain_name, small
from pipulate.engine.values import File, decode, encode

TEXT = b"source,target\n" * 10_000


def test_a_file_is_kept_and_described(tmp_path: Path) -> None:
    """By name, size and content, in the data folder."""
    file = keep(io.BytesIO(TEXT), "links.csv", tmp_path)
    assert file.read_bytes() == TEXT and file.path.is_relative_to(tmp_path / "uploads")
    sha256 = hashlib.sha256(TEXT).hexdigest()
    assert file == File("links.csv", len(TEXT), sha256, file.path)


def test_the_same_file_twice_is_one_and_another_of_its_name_is_another(tmp_path: Path) -> None:
    """No file replaces an earlier answer's."""
    first, again, other = (keep(io.BytesIO(x), "a.csv", tmp_path) for x in (TEXT, TEXT, b"other"))
    assert first == again and first.path == again.path != other.path
    assert sorted(tmp_path.rglob("*.csv")) == sorted([first.path, other.path])


def test_what_is_kept_again_is_young_and_whole(tmp_path: Path) -> None:
    """So nothing collects it; a half one, of a power cut before 0.2.0, say, is written anew."""
    file = keep(io.BytesIO(TEXT), "a.csv", tmp_path)
    os.utime(file.path, (0, 0))
    keep(io.BytesIO(TEXT), "a.csv", tmp_path)
    assert file.path.stat().st_mtime > 0
    file.path.write_bytes(TEXT[:100])
    assert keep(io.BytesIO(TEXT), "a.csv", tmp_path).read_bytes() == TEXT


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("links.csv", "links.csv"),
        ("../../etc/passwd", "passwd"),
        ("a b-c.tar.gz", "a b-c.tar.gz"),
        (".hidden", "hidden"),
        ("..", "file"),
        ("", "file"),
        ("Zürich?.csv", "Zürich_.csv"),
        ("x\x00<script>.csv", "x__script_.csv"),
        ("n" * 300 + ".csv", "n" * 96 + ".csv"),
    ],
)
def test_a_name_leads_nowhere_else(sent: str, kept: str) -> None:
    """Its folder, its odd characters and its leading dots go; its ending stays."""
    assert plain_name(sent) == kept


# --- a desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk in a data folder."""
    return Desk(tmp_path)


def test_what_lies_on_a_desk_is_kept_and_the_desk_is_gone(desk: Desk, tmp_path: Path) -> None:
    """With size and content; clearing twice is clearing once."""
    desk.file("broken.csv").write_bytes(TEXT)
    desk.file("note.txt").write_text("x")
    desk.file("never-written.txt")
    made = desk.clear()
    assert list(made) == ["broken.csv", "note.txt"]
    assert made["broken.csv"].read_bytes() == TEXT and made["broken.csv"].size == len(TEXT)
    assert made["broken.csv"].path.is_relative_to(tmp_path / "files")
    assert desk.clear() == made and not desk.path.exists()


def test_each_try_has_a_desk_of_its_own(desk: Desk, tmp_path: Path) -> None:
    """An answer that comes back finds the content it had."""
    desk.file("a.csv").write_text("old")
    old = desk.clear()["a.csv"]
    other = Desk(tmp_path)
    assert not other.file("a.csv").exists()
    other.file("a.csv").write_text("new")
    assert other.clear()["a.csv"].read_text() == "new" and old.read_text() == "old"


def test_the_data_name_kept_files(desk: Desk) -> None:
    """Where they named the paths on the desk."""
    path = desk.file("a.csv")
    path.write_text("a")
    data = desk.put({"n": 1, "file": path, "files": [path, None], "elsewhere": Path("/x")})
    file = desk.clear()["a.csv"]
    assert data == {"n": 1, "file": file, "files": [file, None], "elsewhere": Path("/x")}


@pytest.mark.parametrize("deep", [False, True])
def test_a_path_that_would_be_dead_is_refused(desk: Desk, deep: bool) -> None:
    """Rather now than when it is opened."""
    path = desk.file("a.csv")
    path.write_text("a")
    with pytest.raises(PipulateError, match=r"what run\.file\(\) returned"):
        desk.put({"x": {"deep": path} if deep else str(path)})


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "a/b", "a\\b", "/a", "a\x00", "a\n", "C:a", 'a"b', "n" * 151],
)
def test_a_name_that_leads_elsewhere_is_refused(desk: Desk, name: str) -> None:
    """Or that not every disk can hold."""
    with pytest.raises(PipulateError, match="cannot be a file's name"):
        desk.file(name)
    assert desk.file("Größe (1) – b.csv").parent == desk.path


def test_only_files_are_kept(desk: Desk, tmp_path: Path) -> None:
    """Nothing hidden or half, no folder."""
    path = desk.file("a.csv")
    path.write_text("a")
    (desk.path / ".a.csv.1.part").write_text("half")
    (desk.path / "folder").mkdir()
    assert list(desk.clear()) == ["a.csv"]


def test_files_are_on_the_disk_before_they_are_named(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the names in their folders, and of these: a power cut then takes none."""
    synced = []
    monkeypatch.setattr(files, "sync", synced.append)
    desk.file("a.csv").write_text("a")
    made = [desk.clear()["a.csv"].path, keep(io.BytesIO(TEXT), "b.csv", tmp_path).path]
    assert (desk.path / "a.csv") in synced
    for path in made:
        assert {path.parent, path.parent.parent, tmp_path} <= set(synced)


# --- large data


def test_large_data_lie_in_a_file(tmp_path: Path) -> None:
    """And come back as they were; small ones stay in the record."""
    assert small({"a": 1}, "check", tmp_path) == {"a": 1}
    rows = {"rows": ["ä" * 100] * (LARGE // 100)}
    held = small(rows, "check", tmp_path)
    assert len(str(held)) < 500 and decode(held, {}, tmp_path) == rows
    assert [path.name for path in tmp_path.rglob("*.json")] == ["check.json"]


def test_the_record_names_every_file_all_the_same(tmp_path: Path) -> None:
    """Who exports a run, or looks which files are needed, finds them there."""
    file = keep(io.BytesIO(TEXT), "links.csv", tmp_path)
    data, kinds = encode({"links": [file], "rows": ["x" * 100] * (LARGE // 100)}, tmp_path)
    held = small(data, "check", tmp_path)
    assert [item["file"] for item in files_in(held)] == ["check.json", "links.csv"]
    assert decode(held, kinds, tmp_path) == {"rows": data["rows"], "links": [file]}


def test_a_disk_that_refuses_is_told_in_words(tmp_path: Path) -> None:
    """And nothing half-written is left."""
    (tmp_path / "uploads").write_text("a file where a folder should be")
    (tmp_path / "files").write_text("a file where a folder should be")
    with pytest.raises(CannotWrite):
        keep(io.BytesIO(TEXT), "a", tmp_path)
    desk = Desk(tmp_path)
    desk.file("a").write_bytes(TEXT)
    with pytest.raises(CannotWrite):
        desk.clear()
    assert desk.file("a").read_bytes() == TEXT
