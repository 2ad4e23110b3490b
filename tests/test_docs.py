"""The documentation cannot rot: what it names exists, what exists is named."""

import ast
import json
import re
import runpy
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import pipulate
from pipulate import Invalid, Settings, create_app, docs
from pipulate.commands import run
from pipulate.engine.jobs import Jobs
from pipulate.engine.store import Store
from tests.chat.fakes import make_desk

DOCS = Path("pipulate/docs")


def test_the_reference_is_what_the_code_says():
    """`make docs` would change nothing."""
    made = runpy.run_path("scripts/make_reference.py")["reference"]()
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == made, "run `make docs`"


def test_signatures_in_the_reference_are_python():
    """What a reader copies from there can be written in a file; defaults are told as they are."""
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    signatures = re.findall(r"^- `(\w+\(.*?)`:", text, re.MULTILINE)
    for line in signatures:
        ast.parse(f"def {line}: ...")
    assert "progress(fraction: float | None, message: str = '') -> None" in signatures


def test_every_public_name_has_a_docstring():
    """What a workflow file may import says what it is."""
    for name in pipulate.__all__:
        thing = getattr(pipulate, name)
        assert thing.__doc__, name
        for method, function in vars(thing).items() if isinstance(thing, type) else ():
            if callable(function) and not method.startswith("_"):
                assert function.__doc__, f"{name}.{method}"


def test_links_of_the_readme_lead_somewhere():
    """Those within the manual are followed in tests/pages/test_docs.py."""
    for target in re.findall(r"\]\(([^)#:\s]+)", Path("README.md").read_text(encoding="utf-8")):
        assert Path(target).exists(), target


def test_a_page_is_cut_at_its_headings(tmp_path):
    """A # inside a block of code is none; the first heading is the title."""
    text = "# Guide\nHello,\nyou.\n\nMore.\n## Back up `now`\n```\n# a comment\n```\nDaily.\n"
    (tmp_path / "guide.md").write_text(text, "utf-8")
    page = docs.pages(tmp_path)["guide"]
    assert (page.title, page.lead) == ("Guide", "Hello, you.")
    assert [section.title for section in page.sections] == ["Guide", "Back up now"]
    assert page.sections[1].text == "```\n# a comment\n```\nDaily."
    assert page.sections[1].address == "/docs/guide#back-up-now"


def test_titles_count_more_than_words_and_stems_are_one(tmp_path):
    """What a section is about comes first."""
    text = "# A\nIt restores.\n## Restoring\nx\n## Other\nnothing\n"
    (tmp_path / "a.md").write_text(text, "utf-8")
    found = docs.search("how do I restore", folder=tmp_path)
    assert [section.title for section in found] == ["Restoring", "A"]
    assert docs.search('"*^', folder=tmp_path) == []


def test_the_manual_answers_newcomers():
    """Words of their questions lead to the page that has the answer."""
    for words, page in {
        "undo": "record",
        "port is taken": "troubleshooting",
        "phone": "howto/lan",
        "ollama": "howto/own-model",
        "forget memory": "howto/memory",
        "parquet links": "graph-folder",
    }.items():
        assert page in [section.page for section in docs.search(words)], words


def test_the_changelog_has_the_version():
    """A release without a word to its users is none."""
    assert f"## {pipulate.__version__} " in Path("CHANGELOG.md").read_text(encoding="utf-8")


def blocks(page):
    """Return the Python of a page of the manual."""
    return re.findall(r"```python\n(.*?)```", docs.pages()[page].text, re.DOTALL)


def test_the_page_that_the_manual_adds_works(tmp_path):
    """It is served, stands in the menu, and the model is told of it."""
    names = {}
    exec(blocks("howto/extend")[0], names)
    app = create_app(Settings(data=tmp_path, downloads=tmp_path), parts=[names["routes"]])
    with TestClient(app, base_url="http://127.0.0.1") as client:
        shown = client.get("/hello").text
    assert "Nothing leaves this machine." in shown
    assert 'href="/hello"' in shown
    assert app.state.about["/hello"] == ("Hello", "It says hello.")


def test_the_tools_that_the_manual_adds_work(tmp_path):
    """One reads; one says what will happen, does it at Yes, and can be undone."""
    names = {}
    exec("\n".join(blocks("howto/extend")[1:]), names)
    desk = make_desk(tmp_path)
    assert names["count_words"](desk, "one two") == "2 words."
    change = names["add_reminder"](desk, "call Bob")
    assert next(change) == "Add the task “🔔 call Bob”."
    assert desk.store.read("SELECT * FROM task") == []
    with pytest.raises(StopIteration) as done:
        next(change)
    ((table, key, before, after),) = done.value.value
    assert (table, key, before) == ("task", 1, None)
    assert after == desk.store.one("SELECT * FROM task")
    desk.store.close()


def test_places_that_the_manual_names_are_there():
    """A file that moved takes its mentions along."""
    folders = "web|pages|engine|botify|simulator|chat|graph|commands|static|tests|scripts"
    for page in docs.pages().values():
        for name in re.findall(rf"`((?:pipulate/)?(?:{folders})/[\w./-]+\.\w+)`", page.text):
            assert Path(name).exists() or Path("pipulate", name).exists(), f"{page.name}: {name}"


@pytest.mark.parametrize("file", ["Makefile", "AGENTS.md", "README.md", "CHANGELOG.md"])
def test_places_that_the_project_names_are_there(file):
    """Also where no backticks show them."""
    for name in re.findall(
        r"\b(?:tests|bench|scripts|pipulate)/[\w./-]+\.\w+", Path(file).read_text()
    ):
        assert Path(name).exists(), f"{file}: {name}"


def triage(folder):
    """Return the workflow of the manual, saved as it says."""
    (text,) = blocks("howto/triage")
    assert len(text.splitlines()) <= 45
    path = folder / "workflows" / "triage.py"
    path.parent.mkdir()
    path.write_text(text)
    return path.parent


def test_the_triage_of_the_manual_works(tmp_path, capsys):
    """Without a browser: it asks about redirects only if there are any."""
    workflows = triage(tmp_path)
    links = tmp_path / "links.csv"
    links.write_text("source,target,status\n/,/a,404\n/b,/a,404\n/,/c,200\n")
    settings = Settings(data=tmp_path / "data", workflows=(workflows,))
    run.main(["triage", "--id", "shop", f"links={links}", "limit=1"], settings)
    made = json.loads(capsys.readouterr().out)
    assert made["answers"]["check"] == {"found": [["/a", 2]]} and made["answers"]["limit"] == 1
    assert "strict" not in made["answers"]
    links.write_text("source,target,status\n/,/a,404\n/,/d,301\n")
    run.main(["triage", "--id", "more", f"links={links}", "strict=on"], settings)
    made = json.loads(capsys.readouterr().out)
    assert made["answers"]["check"] == {"found": [["/d", 1], ["/a", 1]]}
    with pytest.raises(Invalid, match="needs the columns"):
        links.write_text("a,b\n1,2\n")
        run.main(["triage", "--id", "bad", f"links={links}"], settings)


async def test_the_long_work_of_the_manual_works(tmp_path):
    """Each letter is written and sent once, though one is not written until the second try."""
    names = {}
    exec(blocks("howto/long-work")[0], names)
    flow, acts, troubles = names["flow"], [], ["Bob"] * 3

    async def written(name):
        if name in troubles:
            troubles.remove(name)
            raise TimeoutError(name)
        acts.append(name)
        return f"Dear {name},"

    async def send(text):
        acts.append(text)

    names |= {"written": written, "send": send}
    engine = flow.engine(Store(tmp_path / "pipulate.db"))
    engine.initialize_if_missing("r")
    engine.set_step_data("r", "step_01", {"names": "Ann Bob"})
    jobs = Jobs(engine.store, Settings(data=tmp_path))
    for end in ("failed", "done"):
        await jobs.start(flow, "r", flow.steps[1])
        await jobs.wait(("letters", "r", "sent"))
        assert jobs.row(("letters", "r", "sent"))["state"] == end
    assert acts == ["Ann", "Bob", "Dear Ann,", "Dear Bob,"]
    assert engine.get_step_data("r", "step_02") == {"letters": 2}
    await jobs.close()
    engine.store.close()
