"""The chat panel in a real browser, with a scripted model behind real HTTP."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from pipulate import create_app
from pipulate.chat.talk import Talk
from pipulate.engine.settings import PACKAGE, Settings
from tests.chat.payloads import PAYLOADS
from tests.chat.scripted import HOSTILE, Reply, ScriptedModel
from tests.conftest import PATIENCE

CANARY = "canary0123456789abcdef0123456789abcdef01"


@pytest.fixture
def start(tmp_path: Path, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch):
    """Give a function that serves the app with a scripted model: (address, app)."""
    monkeypatch.setattr("pipulate.chat.providers.OLLAMA_URL", "http://127.0.0.1:9")

    def begin(model: ScriptedModel | None, **settings: object):
        url = f"{model.url}/v1" if model else ""
        app = create_app(
            Settings(
                data=tmp_path,
                downloads=tmp_path / "d",
                workflows=(PACKAGE / "workflows",),
                model_url=url,
                **settings,
            )
        )
        return serve(app), app

    return begin


def say(page: Page, text: str) -> None:
    """Type a message and send it."""
    page.fill("#chat-text", text)
    page.press("#chat-text", "Enter")


def test_an_answer_streams_is_kept_and_can_be_had_again(page: Page, start):
    """Tokens appear as they come; Markdown is rendered; a reload shows the same; Answer
    again replaces it.
    """
    with ScriptedModel(Reply("One **two** three `four`.", hold=2), "Another answer.") as model:
        url, _ = start(model)
        page.goto(f"{url}/introduction")
        say(page, "Count")
        expect(page.locator("#m-live")).to_contain_text("One")
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        model.release()
        expect(page.locator("li.assistant strong")).to_have_text("two")
        page.goto(f"{url}/tasks")
        expect(page.locator("li.assistant").first).to_contain_text("One two three four.")
        page.get_by_role("button", name="Answer again").first.click()
        expect(page.locator("li.assistant")).to_have_text(re.compile("Another answer."))
        expect(page.locator("#messages")).not_to_contain_text("One two three")


def test_a_stopped_answer_keeps_what_came_and_ends_the_generation(page: Page, start):
    """Stop closes the model's connection."""
    with ScriptedModel(Reply("word ", endless=True)) as model:
        url, _ = start(model)
        page.goto(f"{url}/introduction")
        say(page, "Talk")
        expect(page.locator("#m-live")).to_contain_text("word word")
        page.get_by_role("button", name="Stop").click()
        assert model.hung_up.wait(PATIENCE)
        expect(page.locator("li.assistant:not(.live)")).to_contain_text("word")


def test_a_tool_changes_nothing_without_a_yes_and_can_be_undone(page: Page, start):
    """A proposal shows what exactly will happen; No does nothing, Yes does it once, Undo
    takes it back.
    """
    calls = Reply(calls=[("add_task", {"name": "Call the client"})])
    with ScriptedModel(calls, "I have asked you.", calls, "Again.") as model:
        url, app = start(model)

        def tasks() -> list[str]:
            return [row["name"] for row in app.state.store.read("SELECT name FROM task")]

        page.goto(f"{url}/introduction")
        say(page, "Add a task")
        expect(page.locator(".proposal").first).to_contain_text("Add the task “Call the client”.")
        assert tasks() == []
        page.get_by_role("button", name="No", exact=True).click()
        expect(page.locator(".proposal").first).to_contain_text("Not done.")
        expect(page.locator("li.assistant")).to_contain_text("I have asked you.")
        say(page, "Add it")
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.locator(".proposal").last).to_contain_text("Done.")
        assert tasks() == ["Call the client"]
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".proposal").last).to_contain_text("Undone.")
        assert tasks() == []


def test_what_is_typed_while_a_message_is_sent_stays(page: Page, start):
    """Only what was sent leaves the field."""
    url, _ = start(None)
    held: list[Route] = []
    page.route("**/chat/send*", lambda route: held.append(route))
    page.goto(f"{url}/introduction")
    with page.expect_request("**/chat/send*"):
        say(page, "/help")
    page.fill("#chat-text", "The next one")
    with page.expect_response("**/chat/send*"):
        held.pop().continue_()
    expect(page.locator("#messages")).to_contain_text(re.compile("/add task name", re.IGNORECASE))
    expect(page.locator("#chat-text")).to_have_value("The next one")
    with page.expect_request("**/chat/send*"):
        page.press("#chat-text", "Enter")
    held.pop().continue_()
    expect(page.locator("#chat-text")).to_have_value("")


def test_commands_work_without_a_model(page: Page, start):
    """The panel says that there is none and how to get one; slash commands act all the same."""
    url, _ = start(None)
    page.goto(f"{url}/introduction")
    expect(page.locator("#chat-state")).to_contain_text("No model yet")
    expect(page.get_by_role("button", name="Get a small model, 491 MB")).to_be_visible()
    say(page, "/help")
    expect(page.locator("#messages")).to_contain_text(re.compile("/add task name", re.IGNORECASE))
    say(page, "/add task Water the plants")
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.locator(".proposal")).to_contain_text("Done.")
    say(page, "/tasks")
    expect(page.locator("#messages .said").last).to_contain_text("Water the plants")
    say(page, "/nonsense")
    expect(page.locator(".problem").last).to_contain_text("There is no command")
    say(page, "Hello?")
    expect(page.locator(".problem").last).to_contain_text("No model answers yet")


def test_two_tabs_see_one_conversation_and_a_new_page_takes_up_the_stream(page: Page, start):
    """Both tabs get every word; a tab that opens in mid-stream shows what came so far and
    goes on.
    """
    with ScriptedModel(Reply("alpha beta gamma delta", hold=2)) as model:
        url, _ = start(model)
        page.goto(f"{url}/introduction")
        other = page.context.new_page()
        other.goto(f"{url}/tasks")
        say(page, "Go")
        expect(other.locator("li.user")).to_contain_text("Go")
        expect(other.locator("#m-live")).to_contain_text("alpha")
        third = page.context.new_page()
        third.goto(f"{url}/runs")
        expect(third.locator("#m-live")).to_contain_text("alpha")
        model.release()
        for tab in (page, other, third):
            expect(tab.locator("li.assistant")).to_contain_text("alpha beta gamma delta")
            expect(tab.locator("#m-live")).to_have_count(0)


def test_the_model_is_told_the_page_the_memory_and_never_a_secret(page: Page, start, tmp_path):
    """The prompt holds the page's training text and pinned facts; the token is struck out
    wherever it stands.
    """
    (tmp_path / "botify_token").write_text(CANARY + "\n")
    (tmp_path / "botify_token").chmod(0o600)
    with ScriptedModel(otherwise=lambda body: "Understood.") as model:
        url, app = start(model)
        app.state.part(Talk).memory.add("Graz", key="city")
        page.goto(f"{url}/bridge")
        expect(page.locator("#messages .page")).to_have_count(1)
        say(page, f"My token is {CANARY}, is it safe?")
        expect(page.locator("li.assistant")).to_contain_text("Understood.")
        sent = json.dumps(model.requests)
        assert "bridgekeeper asks three questions" in sent and "city: Graz" in sent
        assert CANARY not in sent and "[secret]" in sent
        assert CANARY not in "".join(log.read_text() for log in tmp_path.rglob("*.log"))


def test_each_step_is_explained_once_and_not_again_on_resume(page: Page, start):
    """Answering a card lets the model say a sentence about the next one; opening the run
    again does not.
    """
    with ScriptedModel(otherwise=lambda body: "This card asks for your quest.") as model:
        url, _ = start(model)
        page.goto(f"{url}/bridge")
        page.fill("#run-id", "explained")
        page.press("#run-id", "Enter")
        page.fill("[name=name]", "Arthur")
        page.press("[name=name]", "Enter")
        expect(page.locator("li.assistant")).to_contain_text("This card asks for your quest.")
        count = len([body for body in model.requests if "next card asks" in json.dumps(body)])
        page.goto(f"{url}/bridge?id=explained")
        page.reload()
        expect(page.locator("li.assistant")).to_have_count(1)
        assert (
            len([body for body in model.requests if "next card asks" in json.dumps(body)])
            == count
            == 1
        )


def test_the_poet_gets_its_poem_from_whatever_model_answers(page: Page, start):
    """The draft is the model's, the poem is the user's, and it is not written anew when the
    page is opened.
    """
    with ScriptedModel(
        otherwise=lambda body: (
            "An old silent pond\nA frog jumps into the pond\nSplash! Silence again"
        )
    ) as model:
        url, _ = start(model)
        page.goto(f"{url}/poet")
        page.fill("#run-id", "frog")
        page.press("#run-id", "Enter")
        page.fill("[name=subject]", "a frog")
        page.press("[name=subject]", "Enter")
        for card in (2, 3):
            page.locator(f"#card{card}[data-current] [type=submit]").click()
        expect(page.locator("#card5 textarea")).to_have_value(
            re.compile("An old silent pond\nA frog jumps")
        )
        asked = len(model.requests)
        page.locator("#card5 [type=submit]").click()
        expect(page.locator("#result")).to_contain_text("Splash! Silence again")
        page.reload()
        expect(page.locator("#result")).to_contain_text("Splash! Silence again")
        assert not [body for body in model.requests[asked:] if "Write a serene" in json.dumps(body)]


def test_no_hostile_text_of_a_model_runs_or_loads_anything(page: Page, start):
    """A hundred payloads through the panel: no script runs, nothing is requested from elsewhere."""
    outside: list[str] = []
    page.on(
        "request", lambda request: outside.append(request.url) if "evil" in request.url else None
    )
    page.on("dialog", lambda dialog: outside.append(dialog.message))
    said = [HOSTILE, *PAYLOADS]
    assert len(said) >= 100
    chunks = ["\n\n".join(said[start_ : start_ + 25]) for start_ in range(0, len(said), 25)]
    with ScriptedModel(*chunks) as model:
        url, _ = start(model)
        page.goto(f"{url}/introduction")
        for number in range(len(chunks)):
            say(page, f"Say it {number}")
            expect(page.locator("li.assistant:not(.live)")).to_have_count(number + 1)
        page.reload()
        expect(page.locator("li.assistant:not(.live)")).to_have_count(len(chunks))
        for link in page.locator("#messages .assistant a").all()[:10]:
            assert re.match(r"https?://|/|#", link.get_attribute("href") or "")
        assert page.evaluate("window.pwned") is None and not outside
        assert (
            page.locator(
                "#messages .assistant :is(img, script, iframe, style, object, embed, input)"
            ).count()
            == 0
        )


def test_a_broken_model_is_told_in_words(page: Page, start):
    """A cut stream, an error status and garbage end in a sentence that says what to do."""
    with ScriptedModel(
        Reply("Half an ans", cut=120), Reply(status=500), Reply(raw=b"garbage\n")
    ) as model:
        url, _ = start(model)
        page.goto(f"{url}/introduction")
        for number in range(3):
            say(page, f"Try {number}")
            expect(page.locator("li.problem")).to_have_count(number + 1)
        assert "Traceback" not in page.locator("#messages").inner_text()


def test_conversations_are_kept_apart_searched_and_a_temporary_one_is_not_stored(page: Page, start):
    """New, open, search, delete with undo; a temporary conversation leaves nothing."""
    with ScriptedModel(otherwise=lambda body: "Yes.") as model:
        url, app = start(model)
        page.goto(f"{url}/introduction")
        say(page, "First talk about turnips")
        expect(page.locator("li.assistant")).to_have_count(1)
        page.get_by_text("Conversations").click()
        page.get_by_role("button", name="Temporary").click()
        expect(page.locator("li.assistant")).to_have_count(0)
        say(page, "Nobody will know about leeks")
        expect(page.locator("li.assistant")).to_have_count(1)
        assert not app.state.store.read("SELECT 1 FROM message WHERE content LIKE '%leeks%'")
        page.get_by_role("searchbox", name="Search messages").fill("turnips")
        page.get_by_role("button", name="First talk about turnips", exact=True).click()
        expect(page.locator("li.user")).to_contain_text("turnips")


def test_switching_the_model_in_mid_conversation_keeps_everything(page: Page, start):
    """The other model gets the same history, memory and prompt."""
    with ScriptedModel(
        otherwise=lambda body: f"I am {body['model']}.", models=("first:1b", "second:1b")
    ) as model:
        url, app = start(model)
        app.state.part(Talk).memory.add("Graz", key="city")
        page.goto(f"{url}/introduction")
        say(page, "My cat is called Tom")
        expect(page.locator("li.assistant")).to_have_text(re.compile("I am first:1b."))
        page.get_by_role("combobox", name="Model").select_option("second:1b")
        say(page, "And who are you?")
        expect(page.locator("li.assistant").last).to_contain_text("I am second:1b.")
        sent = json.dumps(model.requests[-1])
        assert "My cat is called Tom" in sent and "I am first:1b." in sent and "city: Graz" in sent
