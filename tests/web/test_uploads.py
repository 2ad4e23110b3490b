"""Uploaded files: whole on disk under their content's hash, whatever they are called."""

import hashlib
import io
from pathlib import Path

import pytest
from starlette.datastructures import FormData, UploadFile

from pipulate.engine.errors import CannotWrite
from pipulate.web.uploads import plain_name, received, save

TEXT = b"source,target\n" * 10_000


def upload(content: bytes = TEXT, name: str = "links.csv") -> UploadFile:
    """Return a file as a form brings it."""
    return UploadFile(io.BytesIO(content), filename=name)


def test_a_file_is_kept_and_described(tmp_path: Path) -> None:
    """The description is what a step's answer holds."""
    told = save(upload(), tmp_path)
    path = Path(told["path"])
    assert path.read_bytes() == TEXT and path.is_relative_to(tmp_path)
    sha256 = hashlib.sha256(TEXT).hexdigest()
    assert told == {"file": "links.csv", "path": str(path), "size": len(TEXT), "sha256": sha256}


def test_the_same_file_twice_is_one_and_another_of_its_name_is_another(tmp_path: Path) -> None:
    """No upload replaces an earlier answer's file."""
    first, again, other = (save(upload(text), tmp_path) for text in (TEXT, TEXT, b"other"))
    assert first == again and other["path"] != first["path"] and other["file"] == first["file"]
    assert sorted(Path(told["path"]) for told in (first, other)) == sorted(tmp_path.rglob("*.csv"))


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


async def test_a_form_is_values_and_files(tmp_path: Path) -> None:
    """A field without a file is None, the revision is the page's own, a name may repeat."""
    form = FormData(
        [
            ("pipulate-rev", "3"),
            ("rev", "9"),
            ("goal", "a"),
            ("goal", "b"),
            ("file", upload()),
            ("none", upload(b"", "")),
        ]
    )
    values = await received(form, tmp_path)
    assert values["goal"] == ["a", "b"] and values["none"] == [None] and values["rev"] == ["9"]
    assert values["file"][0]["size"] == len(TEXT)


def test_a_disk_that_refuses_is_told_in_words(tmp_path: Path) -> None:
    """And nothing half-written is left."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(CannotWrite):
        save(upload(), blocked)
    assert list(tmp_path.iterdir()) == [blocked]
