"""Paths of this machine in answers: nothing is opened but what was typed here."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipulate.engine import discovery, host
from pipulate.engine.errors import Invalid
from pipulate.engine.exchange import import_run
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Workflow


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """Give a store on a fresh data folder."""
    with closing(Store(Settings(data=tmp_path / "data").database)) as made:
        yield made


def run_of(store: Store, id: str, record: dict[str, Any] | None = None) -> Run:
    """Return a run of the workflow `work`, imported if there is a record."""
    (flow,) = discovery.load(PACKAGE / "workflows" / "work.py")
    assert isinstance(flow, Workflow)
    engine = Pipulate(store, "work")
    if record is None:
        engine.initialize_if_missing(id)
    else:
        import_run(engine, {"workflow": "work", "id": id, "record": record})
    return flow.load(store, id, Settings(data=store.folder))


def test_a_path_of_an_own_run_is_opened(store: Store, tmp_path: Path) -> None:
    """Whoever wrote it there: a form, a notebook, an older version."""
    run = run_of(store, "mine")
    assert host.named(run, str(tmp_path)) == tmp_path.resolve()
    assert host.typed(run, f" {tmp_path} ") == tmp_path.resolve()
    assert not host.is_imported(run)


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc", "../..", "~", "link"])
def test_a_path_of_an_imported_run_is_a_claim(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """It is refused with a sentence, until it is typed here: that path, and no other."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("/etc/passwd")
    run = run_of(store, "theirs", {"step_01": {"folder": path}})
    with pytest.raises(Invalid, match=r"came from elsewhere .* nobody typed here"):
        host.named(run, path)
    host.typed(run, path)
    assert host.named(run, path) == Path(path).expanduser().resolve()
    with pytest.raises(Invalid):
        host.named(run, "/usr")


def test_a_run_that_was_imported_before_this_version_is_known(store: Store) -> None:
    """The history tells it, after changes and after a deletion, too."""
    run = run_of(store, "theirs", {"step_01": {"folder": "/etc"}})
    run.engine.set_step_data("theirs", "step_01", {"folder": "/usr"})
    run.engine.delete("theirs")
    run.engine.undelete("theirs")
    with pytest.raises(Invalid):
        host.named(run, "/usr")


@pytest.mark.parametrize("text", ["~nobody-of-that-name/x", "a\0b", None, 7, ["/etc"], {}])
def test_what_is_no_path_is_refused_with_a_sentence(store: Store, text: Any) -> None:
    """Also what a record from elsewhere holds in its place."""
    run = run_of(store, "mine")
    for take in (host.typed, host.named):
        with pytest.raises(Invalid, match="cannot be a path of this machine"):
            take(run, text)


def test_a_path_that_the_system_refuses_is_no_fault_of_a_card(store: Store) -> None:
    """Whoever typed it reads why."""
    with pytest.raises(Invalid, match=r"cannot be a path of this machine \(File name too long\)"):
        host.typed(run_of(store, "mine"), f"/tmp/{'a' * 300}")


def test_another_device_names_nothing(store: Store) -> None:
    """Not even what is typed already."""
    run = run_of(store, "mine")
    token = host.away.set(True)
    with pytest.raises(Invalid, match="named there"):
        host.typed(run, "/etc")
    host.away.reset(token)
