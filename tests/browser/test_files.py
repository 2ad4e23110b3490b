"""Files in a real browser: sent once, saved from the card, there after the folder was moved."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipulate.app import create_app
from pipulate.engine.settings import Settings
from tests.conftest import Serve

CODE = '''"""Upper case."""

from fasthtml.common import Input, Label, P

from pipulate import Invalid, Workflow
from pipulate.web.components import download, file_link

flow = Workflow("upper", title="Upper case")


@flow.step("table", "Which table?")
def table(run):
    return (
        Label("Table", Input(name="table", type="file", required=True)),
        Label("Copies", Input(name="copies", type="number", value=1)),
    )


@table.accept
def check(run, form):
    if form["copies"] == 13:
        raise Invalid("Not thirteen.", "copies")
    return form


@flow.work("upper", "Make it upper case")
def upper(run, job):
    given = run.fields("table")
    path = run.file("upper.csv")
    path.write_text(given["table"].read_text().upper() * given["copies"])
    return {"made": path}


@flow.result
def result(run):
    text = run["upper"]["made"].read_text()
    return P(text[:9]), file_link(run, "upper", "upper.csv", "Again"), download(
        "Much", "much.txt", text * 20_000
    )
'''


def app(folder: Path) -> Any:
    """Return the app on a data folder that is named from where the server was started."""
    return create_app(Settings(Path("data"), workflows=(folder / "workflows",)))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder of a workflow."""
    (tmp_path / "first" / "workflows").mkdir(parents=True)
    (tmp_path / "first" / "workflows" / "upper.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path / "first")
    return tmp_path


@pytest.mark.console("status of 422")
def test_a_file_is_sent_once_and_goes_with_its_folder(
    page: Page, serve: Serve, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept when another field is refused, on Change, and when the server starts elsewhere."""
    base = serve(app(home / "first"))
    page.goto(f"{base}/upper")
    page.get_by_label("Run ID").fill("x")
    page.get_by_role("button", name="Begin").click()
    page.get_by_label("Table", exact=True).set_input_files(
        {"name": "links.csv", "mimeType": "text/csv", "buffer": b"a,b\n"}
    )
    page.get_by_label("Copies").fill("13")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#card-error")).to_be_visible()
    expect(page.get_by_text("links.csv is kept")).to_be_visible()
    page.reload()
    page.get_by_label("Copies").fill("2")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#result")).to_contain_text("A,B")
    with page.expect_download() as saved:
        page.locator("#card2").get_by_role("link", name="upper.csv").click()
    assert saved.value.suggested_filename == "upper.csv"
    assert Path(saved.value.path()).read_text() == "A,B\nA,B\n"
    with page.expect_download() as much:
        page.get_by_role("button", name="Much").click()
    assert Path(much.value.path()).stat().st_size == 160_000
    (home / "second").mkdir()
    monkeypatch.chdir(home / "second")
    (home / "first" / "data").rename(home / "second" / "data")
    page.goto(f"{serve(app(home / 'first'))}/upper?id=x")
    expect(page.locator("#result")).to_contain_text("A,B")
    page.get_by_role("button", name="Change: Which table?").click()
    expect(page.get_by_text("links.csv is kept")).to_be_visible()
    page.get_by_label("Copies").fill("1")
    page.get_by_role("button", name="Next").click()
    with page.expect_download() as again:
        page.get_by_role("link", name="Again").click()
    assert Path(again.value.path()).read_text() == "A,B\n"
