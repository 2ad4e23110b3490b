"""Runs as JSON: what an exported run becomes elsewhere, and what is refused."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.botify.urls import run_id
from pipulate.engine import exchange
from pipulate.engine.errors import CannotWrite, Corrupt, Invalid, OutOfOrder, Unknown
from pipulate.engine.exchange import (
    exact,
    export,
    export_file,
    export_lines,
    import_file,
    import_run,
    readable,
    stored,
)
from pipulate.engine.kept import keep, small
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.record import Normalise, normalise_id
from pipulate.engine.store import Store
from pipulate.engine.values import File, decode, encode

ACT = {"export:job:1": {"begun": "2026-11-23T19:10:00+00:00", "result": {"url": "/jobs/1"}}}


def import_lines(engine: Pipulate, text: str) -> list[str]:
    """Import what is no zip; return the IDs."""
    return import_file(engine, io.BytesIO(text.encode())).ids


@pytest.fixture
def engine(engine: Pipulate) -> Pipulate:
    """An engine on a fresh data folder, with one answered run."""
    engine.set_step_data("arthur", "step_01", {"name": "Arthur"})
    return engine


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Pipulate]:
    """An engine on another data folder."""
    engine = Pipulate.open(tmp_path / "elsewhere")
    yield engine
    engine.store.close()


def test_export_and_import(engine: Pipulate, elsewhere: Pipulate) -> None:
    """An exported run, through a JSON file, is the same run in another data folder."""
    engine.checkpoint("arthur", lambda record: {**record, "once": ACT})
    file = json.dumps(export(stored(engine, "arthur")))
    assert import_run(elsewhere, json.loads(file)) == "arthur"
    there = elsewhere.for_workflow("bridge")
    assert there.get_state("arthur") == engine.get_state("arthur")
    assert import_run(elsewhere, json.loads(file)) == "arthur" and len(there.history("arthur")) == 1
    with pytest.raises(OutOfOrder):
        there.undo("arthur")
    there.set_step_data("arthur", "step_01", {"name": "Galahad"})
    with pytest.raises(Invalid, match=r"different run .*Delete it first"):
        import_run(elsewhere, json.loads(file))


def test_an_old_export_forgets_no_outward_act(engine: Pipulate) -> None:
    """An import over a deleted run keeps both sides' outward acts, the local result first."""
    old = export(stored(engine, "arthur"))
    old["record"]["once"] = {
        "export:job:1": {"begun": "?"},
        "export:job:2": {"begun": "?", "result": 2},
    }
    engine.checkpoint("arthur", lambda record: {**record, "once": ACT})
    engine.delete("arthur")
    before = engine.history("arthur")[-1]["rev"]
    import_run(engine, old)
    assert engine.get_state("arthur")["once"] == {
        **ACT,
        "export:job:2": {"begun": "?", "result": 2},
    }
    assert engine.load("arthur")[1] == before + 1


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "arthur",
        {},
        {"id": "arthur"},
        {"id": "arthur", "record": []},
        {"id": 7, "record": {}},
        {"id": "", "record": {}},
        {"id": "x", "record": {"step_01": float("nan")}},
        {"id": "x" * 501, "record": {}},
        {"pipulate": 2, "id": "x", "record": {}},
    ],
    ids=repr,
)
def test_what_is_no_exported_run(engine: Pipulate, data: Any) -> None:
    """Anything else than an exported run is refused in words."""
    with pytest.raises(Invalid):
        import_run(engine, data)
    assert [row["id"] for row in engine.runs()] == ["arthur"]


def test_an_import_needs_a_workflow(engine: Pipulate) -> None:
    """A run that names no workflow is refused by an engine that has none either, and taken by
    one that has."""
    with pytest.raises(Invalid):
        import_run(engine.for_workflow(""), {"id": "x", "record": {}})
    assert import_run(engine, {"id": "x", "record": {}}) == "x" and engine.row("x")


def test_an_import_in_a_wrong_format(engine: Pipulate) -> None:
    """A record whose `once` or `was` is not of the format is refused before it can do harm."""
    with pytest.raises(Corrupt, match="once"):
        import_run(engine, {"id": "x", "record": {"once": [1]}})


# --- several


def test_all_runs_travel_as_lines(engine: Pipulate, elsewhere: Pipulate) -> None:
    """One a line, whatever characters their answers hold; imported, they are what they were."""
    words = "one\u2028two\x85three\r\nfour \U0001f3f0"
    engine.initialize_if_missing("lancelot", {"step_01": {"name": words}})
    engine.for_workflow("petite").initialize_if_missing("arthur")
    every = engine.for_workflow("")
    lines, damaged = export_lines(every.runs())
    assert not damaged
    assert lines.count("\n") == 3 and sorted(import_lines(elsewhere, lines)) == [
        "arthur",
        "arthur",
        "lancelot",
    ]
    for row in every.runs():
        there = elsewhere.for_workflow(row["workflow"])
        assert there.get_state(row["id"]) == json.loads(row["data"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ("id,record", "not JSON"),
        ("{}\n{", "not JSON"),
        ("[" * 100_000, "not JSON .line 1: its lists and objects are nested more than 200 deep"),
        ("{}\n" + '{"record":' * 100_000, "line 2: its lists and objects are nested"),
    ],
)
def test_what_is_no_file_of_runs(engine: Pipulate, text: str, says: str) -> None:
    """It is said what is wrong with it."""
    with pytest.raises(Invalid, match=says):
        import_lines(engine, text)


def test_a_run_without_an_end_is_refused(engine: Pipulate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether others stand before it, or none."""
    monkeypatch.setattr(exchange, "LONGEST", 1000)
    for before, line in {"": 1, "{}\n\n": 3}.items():
        with pytest.raises(Invalid, match=f"line {line} has more than 1,000 characters"):
            import_lines(engine, before + "[" + "1," * 1000)


def test_a_run_may_stand_on_several_lines(engine: Pipulate) -> None:
    """As a person writes it; blank lines are none."""
    run = {"id": "lancelot", "record": {"step_01": {"name": "x"}}}
    assert import_lines(engine, json.dumps(run, indent=2)) == ["lancelot"]
    assert import_lines(engine, "\n" + json.dumps(run) + "\n\n") == ["lancelot"]


def test_all_or_none(engine: Pipulate) -> None:
    """One line that cannot be taken keeps the others from being taken."""
    good = json.dumps({"id": "lancelot", "record": {}})
    with pytest.raises(Invalid, match="not an exported run"):
        import_lines(engine, f"{good}\n{{}}\n")
    assert engine.row("lancelot") is None


def test_a_damaged_run_keeps_no_other_from_travelling(
    engine: Pipulate, elsewhere: Pipulate
) -> None:
    """It is named, its text goes along, and looking changes nothing."""
    engine.initialize_if_missing("robin")
    engine.store.write("UPDATE pipeline SET data = '{' WHERE id = 'robin'")
    lines, damaged = export_lines(engine.runs())
    assert [row["id"] for row in damaged] == ["robin"]
    told = [json.loads(line) for line in lines.splitlines()]
    assert {run["id"]: run.get("damaged") for run in told} == {"robin": "{", "arthur": None}
    assert import_lines(elsewhere, lines) == ["arthur"]
    assert engine.store.read("SELECT * FROM quarantine") == []


@given(text=st.text(max_size=12), read=st.sampled_from([normalise_id, str, str.swapcase, run_id]))
def test_an_id_is_what_it_is(text: str, read: Normalise) -> None:
    """However a workflow reads IDs: its runs travel, and are found as they stand, first."""
    with TemporaryDirectory() as folder, closing(Store(Path(folder) / "here.db")) as store:
        engine = Pipulate(store, "mine", read)
        try:
            normalise_id(text)
            id = read(text)
        except Invalid:
            return
        exact(engine).initialize_if_missing(id, {"step_01": id})
        exact(engine).initialize_if_missing("other")
        assert stored(engine, id)["id"] == id
        lines, _ = export_lines(engine.runs())
        before = engine.runs()
        exact(engine).delete(id)
        import_lines(engine, lines)
        assert {row["id"] for row in engine.runs()} == {row["id"] for row in before}
        assert stored(engine, id)["data"] == next(r["data"] for r in before if r["id"] == id)


def test_a_run_is_found_by_what_its_workflow_makes_of_an_id(engine: Pipulate) -> None:
    """As it stands, or else as typed."""
    engine.normalise = str.lower
    assert stored(engine, "ARTHUR")["id"] == "arthur"
    exact(engine).initialize_if_missing("ARTHUR")
    assert stored(engine, "ARTHUR")["id"] == "ARTHUR"
    with pytest.raises(Unknown, match="no run 'Robin'"):
        stored(engine, "Robin")


# --- files


def kept(engine: Pipulate, text: str, name: str = "links.csv", room: str = "uploads") -> File:
    """Return a file in the engine's data folder."""
    return keep(io.BytesIO(text.encode()), name, engine.store.folder, room)


def answered(engine: Pipulate, **files: File) -> None:
    """Answer a step with files."""
    data, _ = encode({**files, "n": 1}, engine.store.folder)
    engine.set_step_data("arthur", "step_02", data)


def packed(engine: Pipulate) -> io.BytesIO:
    """Return all runs as `export_file` writes them."""
    out = io.BytesIO()
    export_file(engine.for_workflow("").runs(), engine.store.folder, out)
    out.seek(0)
    return out


def test_files_travel_with_their_runs(engine: Pipulate, elsewhere: Pipulate) -> None:
    """What was uploaded, what steps made, what was large: all of it is there."""
    rows = {"rows": ["x" * 100] * 4000}
    large = small(rows, {}, "check", engine.store.folder)
    engine.set_step_data("arthur", "step_03", large)
    answered(engine, table=kept(engine, "a"), made=kept(engine, "b", "broken.csv", "files"))
    done = import_file(elsewhere, packed(engine))
    assert done == (["arthur"], [])
    there = elsewhere.for_workflow("bridge").get_state("arthur")
    assert there == engine.get_state("arthur")
    folder = elsewhere.store.folder
    files = decode(there["step_02"], {}, folder)
    assert (files["table"].read_text(), files["made"].read_text()) == ("a", "b")
    assert readable(there, folder)["step_03"] == rows
    assert import_file(elsewhere, packed(engine)).ids == ["arthur"]  # the same one


def test_without_files_an_export_is_plain_lines(engine: Pipulate, elsewhere: Pipulate) -> None:
    """That other programs can read."""
    out = packed(engine)
    assert out.getvalue().decode() == export_lines(engine.runs())[0]
    assert import_file(elsewhere, out) == (["arthur"], [])


def test_records_of_before_travel_with_their_files(engine: Pipulate, elsewhere: Pipulate) -> None:
    """Their paths were of a working directory; imported where they came from, they are the same."""
    file = kept(engine, "a")
    answered(engine, table=file)
    record = json.loads(json.dumps(engine.get_state("arthur")))
    record["step_02"]["table"]["path"] = f"/srv/data/uploads/{file.sha256[:16]}/links.csv"
    engine.set_step_data("arthur", "step_02", record["step_02"])
    assert import_file(engine, packed(engine)).ids == ["arthur"]
    import_file(elsewhere, packed(engine))
    data = elsewhere.for_workflow("bridge").get_step_data("arthur", "step_02")
    assert decode(data, {}, elsewhere.store.folder)["table"].read_text() == "a"


def test_a_file_that_is_gone_keeps_nothing_from_travelling(
    engine: Pipulate, elsewhere: Pipulate
) -> None:
    """It is named on both sides."""
    lost = kept(engine, "a")
    answered(engine, table=lost, other=kept(engine, "b", "b.csv"))
    lost.path.unlink()
    rows = engine.runs()
    assert export_file(rows, engine.store.folder, io.BytesIO()).missing == ["links.csv"]
    assert import_file(elsewhere, packed(engine)).missing == ["links.csv"]


def repacked(engine: Pipulate, **members: bytes) -> io.BytesIO:
    """Return the export with members replaced or added."""
    with zipfile.ZipFile(packed(engine)) as old:
        content = {name: old.read(name) for name in old.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in {**content, **members}.items():
            new.writestr(name, data)
    return out


def nothing_came(engine: Pipulate) -> bool:
    """Say whether there is neither a run nor a file."""
    folder = engine.store.folder
    rooms = [path for room in ("uploads", "files") for path in folder.glob(f"{room}/*/*")]
    return engine.runs() == [] and rooms == []


@pytest.mark.parametrize(
    "name", ["../evil", "uploads/../../evil", "/etc/evil", "C:\\evil", "uploads\\..\\evil", "c:x"]
)
def test_a_zip_that_leads_elsewhere_is_refused(
    engine: Pipulate, elsewhere: Pipulate, name: str
) -> None:
    """Whole."""
    answered(engine, table=kept(engine, "a"))
    with pytest.raises(Invalid, match="leads elsewhere"):
        import_file(elsewhere, repacked(engine, **{name: b"x"}))
    assert nothing_came(elsewhere)


def test_what_no_run_names_is_left_in_the_zip(engine: Pipulate, elsewhere: Pipulate) -> None:
    """Also if it has a place among files."""
    answered(engine, table=kept(engine, "a"))
    more = {"uploads/0123456789abcdef/x": b"x", "botify_token": b"x", "__MACOSX/.x": b"x"}
    import_file(elsewhere, repacked(engine, **more))
    folder = elsewhere.store.folder
    assert [path.name for path in folder.glob("uploads/*/*")] == ["links.csv"]
    assert not (folder / "botify_token").exists()


@pytest.mark.parametrize("content", [b"b", b"aa", b""])
def test_a_file_that_is_not_what_its_run_names_is_refused(
    engine: Pipulate, elsewhere: Pipulate, content: bytes
) -> None:
    """By its size, or its content."""
    file = kept(engine, "a")
    answered(engine, table=file)
    path = f"uploads/{file.sha256[:16]}/links.csv"
    with pytest.raises(Invalid, match="not what its run names"):
        import_file(elsewhere, repacked(engine, **{path: content}))
    assert nothing_came(elsewhere)


def test_bombs_are_not_unpacked(
    engine: Pipulate, elsewhere: Pipulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither lines without end, nor files that would fill the disk."""
    answered(engine, table=kept(engine, "a" * 5000))
    monkeypatch.setattr(exchange, "MOST", 1000)
    with pytest.raises(Invalid, match="too large"):
        import_file(elsewhere, repacked(engine, **{"runs.jsonl": b" " * 2000}))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=9000))
    with pytest.raises(CannotWrite, match="fill the disk"):
        import_file(elsewhere, packed(engine))
    assert nothing_came(elsewhere)


def test_a_damaged_zip_is_refused_in_words(engine: Pipulate, elsewhere: Pipulate) -> None:
    """Wherever it is damaged."""
    answered(engine, table=kept(engine, "a" * 5000))
    whole = packed(engine).getvalue()
    with zipfile.ZipFile(out := io.BytesIO(), "w") as empty:
        empty.writestr("x", "x")
    for damaged in (out.getvalue(), *(_spoilt(whole, at) for at in range(0, len(whole), 7))):
        try:
            import_file(elsewhere, io.BytesIO(damaged))
        except (Invalid, Corrupt):
            continue
        assert elsewhere.for_workflow("bridge").get_state("arthur") == engine.get_state("arthur")


def test_a_zip_that_came_in_part_is_called_damaged(engine: Pipulate) -> None:
    """A download that broke off."""
    answered(engine, table=kept(engine, "a" * 5000))
    part = packed(engine).getvalue()[:-50]
    with pytest.raises(Invalid, match="The zip is damaged: its end is missing"):
        import_file(engine, io.BytesIO(part))


def _spoilt(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
