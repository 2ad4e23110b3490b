"""Answers have types in code and are plain JSON in the record, files relative to their folder."""

import hashlib
import json
import shutil
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.engine.errors import Invalid, Unknown
from pipulate.engine.values import LARGE, File, decode, encode, whole

CONTENT = "source,target\n/,/a\n"
SHA = hashlib.sha256(CONTENT.encode()).hexdigest()
ANYWHERE = Path("/anywhere").absolute()


def kept(folder: Path, room: str = "uploads", name: str = "links.csv") -> File:
    """Return a file that lies in a data folder."""
    path = folder / room / SHA[:16] / name
    path.parent.mkdir(parents=True)
    path.write_text(CONTENT, encoding="utf-8")
    return File(name, len(CONTENT), SHA, path.absolute())


def files_at(path: str, name: str = "links.csv") -> dict[str, Any]:
    """Return what a record holds of a file."""
    return {"file": name, "path": path, "size": len(CONTENT), "sha256": SHA}


# --- both ways

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
) | st.text()
files = st.builds(
    lambda room, name: File(name, 3, SHA, ANYWHERE / room / SHA[:16] / name),
    st.sampled_from(["uploads", "files"]),
    st.from_regex(r"[a-z][a-z0-9 .]{0,9}", fullmatch=True),
)
typed = st.one_of(st.dates(), st.datetimes(), st.times(), files)
lists = st.one_of(
    *[st.lists(kind | st.none(), max_size=4) for kind in (st.dates(), st.datetimes(), files)],
    st.lists(scalars, max_size=4),
)


@given(st.dictionaries(st.text(max_size=8), scalars | typed | lists, max_size=6))
def test_what_the_record_holds_is_json_and_comes_back_as_it_was(values: dict[str, Any]) -> None:
    """Also lists, and whatever the fields are called; only what needs it has a kind."""
    data, kinds = encode(values, ANYWHERE)
    back = decode(json.loads(json.dumps(data)), kinds, ANYWHERE)
    assert back == values
    assert [type(value) for value in back.values()] == [type(value) for value in values.values()]
    assert set(kinds.values()) <= {"date", "datetime", "time", "file"}


def test_the_record_has_iso_texts_and_relative_paths(tmp_path: Path) -> None:
    """So others can read it."""
    values = {
        "day": date(2026, 11, 23),
        "at": datetime(2026, 11, 23, 19, 10),
        "hour": time(7, 30),
        "table": kept(tmp_path),
        "days": [date(2026, 1, 1), None],
        "n": 7,
    }
    data, kinds = encode(values, tmp_path)
    assert data == {
        "day": "2026-11-23",
        "at": "2026-11-23T19:10:00",
        "hour": "07:30:00",
        "table": files_at(f"uploads/{SHA[:16]}/links.csv"),
        "days": ["2026-01-01", None],
        "n": 7,
    }
    assert kinds == {
        "day": "date",
        "at": "datetime",
        "hour": "time",
        "table": "file",
        "days": "date",
    }


def test_what_another_program_wrote_stays_as_it_is() -> None:
    """No page fails at a text that is no date."""
    data = {"day": "soon", "days": ["2026-01-01", 7], "at": None}
    kinds = {"day": "date", "days": "date", "at": "datetime"}
    back = decode(data, kinds, ANYWHERE)
    assert back == {"day": "soon", "days": [date(2026, 1, 1), 7], "at": None}


# --- files


def test_a_file_is_read_as_authors_expect(tmp_path: Path) -> None:
    """By its methods, and wherever a path is taken."""
    file = kept(tmp_path)
    assert file.read_text() == CONTENT and file.read_bytes() == CONTENT.encode()
    with file.open(newline="") as opened:
        assert opened.readline() == "source,target\n"
    assert Path(file) == file.path and Path(file).is_absolute()
    assert Path(shutil.copy(file, tmp_path / "copy")).read_text(encoding="utf-8") == CONTENT


def test_a_spreadsheets_mark_at_the_beginning_is_none_of_the_text(tmp_path: Path) -> None:
    """Spreadsheets write one before UTF-8."""
    file = kept(tmp_path)
    file.path.write_bytes(b"\xef\xbb\xbfname\n")
    assert file.read_text() == "name\n"
    file.path.write_bytes(b"Z\xfcrich")
    with pytest.raises(Invalid, match=r"links\.csv is not text in UTF-8"):
        file.read_text()
    assert file.read_text("latin-1") == "Zürich"


def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    """And what to do."""
    file = kept(tmp_path)
    file.path.unlink()
    with pytest.raises(Unknown, match=r"links\.csv is not in the data folder any more"):
        file.read_text()


def test_files_go_with_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moved, or opened from another working directory."""
    monkeypatch.chdir(tmp_path)
    data, kinds = encode({"table": kept(Path("data"))}, Path("data"))
    shutil.move("data", "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert decode(data, kinds, Path("../moved"))["table"].read_text() == CONTENT


@pytest.mark.parametrize(
    "path",
    [
        f"data/uploads/{SHA[:16]}/links.csv",
        f"/srv/old/data/uploads/{SHA[:16]}/links.csv",
        f"C:\\data\\uploads\\{SHA[:16]}\\links.csv",
    ],
)
def test_records_of_before_find_their_files(tmp_path: Path, path: str) -> None:
    """Their paths were relative to a working directory, or absolute, and they have no kinds."""
    file = kept(tmp_path)
    assert decode({"table": files_at(path)}, {}, tmp_path)["table"].read_text() == CONTENT
    both = decode({"tables": [files_at(path), files_at(path)]}, {}, tmp_path)["tables"]
    assert both == [file, file]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "botify_token",
        "uploads/../botify_token",
        "uploads",
        "uploads\\..\\botify_token",
        "",
    ],
)
def test_no_record_leads_out_of_the_rooms_of_files(path: str) -> None:
    """An imported one may say anything."""
    file = decode({"x": files_at(path)}, {"x": "file"}, ANYWHERE)["x"]
    assert file.path == ANYWHERE / "uploads" / SHA[:16] / "links.csv"
    inside = decode({"x": files_at("files/../../botify_token")}, {}, ANYWHERE)["x"]
    assert inside.path == ANYWHERE / "files" / SHA[:16] / "links.csv"


@pytest.mark.parametrize(
    "odd",
    [
        files_at("uploads/a/x") | {"sha256": "../../../../../../x"},
        files_at("uploads/a/x", "../x"),
        files_at("uploads/a/x", ".."),
        files_at("uploads/a/x") | {"path": 7},
        files_at("uploads/a/x") | {"more": 1},
        {"file": "x"},
    ],
)
def test_what_does_not_look_like_a_file_is_none(odd: dict[str, Any]) -> None:
    """It stays what it is."""
    assert decode({"x": odd}, {"x": "file"}, ANYWHERE) == {"x": odd}


@pytest.mark.parametrize("path", ["token", "uploads/../token", "uploads", "", "../uploads/x"])
def test_a_file_from_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    """It could change behind the record's back."""
    with pytest.raises(Invalid, match=r"run\.file\(\)"):
        encode({"x": File("x", 1, SHA, tmp_path / path)}, tmp_path)


def test_large_data_are_read_from_their_file(tmp_path: Path) -> None:
    """As if they stood in the record."""
    file = kept(tmp_path, "files", "check.json")
    file.path.write_text(json.dumps({"rows": [1, 2], "day": "2026-11-23"}), encoding="utf-8")
    data = {LARGE: files_at(f"files/{SHA[:16]}/check.json", "check.json")}
    data = whole({**data, "n": 1}, tmp_path)
    day = date(2026, 11, 23)
    assert decode(data, {"day": "date"}, tmp_path) == {"rows": [1, 2], "day": day, "n": 1}
    assert whole({LARGE: "typed by hand"}, tmp_path) == {LARGE: "typed by hand"}
