"""A state machine against a model, through HTTP: three tabs in two windows with profiles of their
own, three runs, two processes on one folder, restarts, in any order.

The model is plain Python and knows nothing of records, history or requests.  A tab sends what it
shows: its run, its revision, its window's profile.  Bugs planted into the server must be found, or
the machine is blind.
"""

import asyncio
import re
import shutil
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pipulate.app import create_app
from pipulate.engine import profiles as of_windows
from pipulate.engine import record as rec
from pipulate.engine.settings import Settings
from pipulate.pages import profiles, tasks
from pipulate.web.windows import CARRIER
from tests.server import revision
from tests.trust.table import MEMORY, SEED, times, tried

HERE = "http://127.0.0.1:5001"
IDS = ("arthur", "lancelot", "galahad")
KEYS = ("a", "b", "c")
THREE = """
from fasthtml.common import Input
from pipulate import Workflow

flow = Workflow("three")

@flow.step("a", "A")
def a(run):
    return Input(name="a", required=True)

@flow.step("b", "B")
def b(run):
    return Input(name="b", required=True)

@flow.step("c", "C")
def c(run):
    return Input(name="c", required=True)
"""


# --- the model


class Refused(Exception):
    """The request is refused, with this status."""


@dataclass
class State:
    """What undo brings back: answers, and those that were reverted."""

    done: dict[int, str] = field(default_factory=dict)
    was: dict[int, str] = field(default_factory=dict)


@dataclass
class Model:
    """One run, as its user understands it."""

    profile: int = 0  #: 0: there is none
    born: int = 0  #: its profile, also while it is deleted
    rev: int = 0
    finalized: bool = False
    state: State = field(default_factory=State)
    undoes: list[State] = field(default_factory=list)

    def begin(self, profile: int) -> None:
        if not self.profile:
            self.profile = self.born = profile
            self.rev += 1
            self.state, self.undoes, self.finalized = State(), [], False

    def there(self) -> None:
        if not self.profile:
            raise Refused(404)

    def act(self, rev: int) -> State:
        self.there()
        if rev != self.rev or self.finalized:
            raise Refused(409)
        self.undoes.append(deepcopy(self.state))
        self.rev += 1
        return self.state

    def submit(self, step: int, text: str, rev: int) -> None:
        self.there()
        if self.finalized or step > len(self.state.done) + 1:
            raise Refused(409)
        if step <= len(self.state.done):
            if self.state.done[step] != text:
                raise Refused(409)
            return  # the second click
        state = self.act(rev)
        state.done[step] = text
        state.was.pop(step, None)
        while (later := len(state.done) + 1) in state.was:
            state.done[later] = state.was.pop(later)

    def revert(self, step: int, rev: int) -> None:
        state = self.act(rev)
        for later in [number for number in state.done if number >= step]:
            state.was[later] = state.done.pop(later)

    def lock(self, closed: bool, rev: int) -> None:
        self.there()
        if rev != self.rev or (closed and len(self.state.done) < len(KEYS)):
            raise Refused(409)
        if self.finalized != closed:
            self.finalized = closed
            self.rev += 1

    def undo(self, rev: int) -> None:
        self.there()
        if rev != self.rev or self.finalized or not self.undoes:
            raise Refused(409)
        self.state = self.undoes.pop()
        self.rev += 1

    def delete(self) -> None:
        self.there()
        self.profile = 0
        self.rev += 1

    def undelete(self) -> None:
        if self.profile or not self.rev:
            raise Refused(404)
        self.profile = self.born
        self.rev += 1


# --- bugs that must be found


def global_run_id(app: Any) -> Any:
    """Let a server keep which run is the current one."""
    current = [""]

    async def served(scope: Any, receive: Any, send: Any) -> None:
        query = parse_qs(scope.get("query_string", b"").decode())
        if scope.get("path") == "/three" and "id" in query:
            current[0] = query["id"][0]
        elif "id" in query and current[0]:
            query["id"] = [current[0]]
            scope = {**scope, "query_string": urlencode(query, doseq=True).encode()}
        await app(scope, receive, send)

    return served


def no_revision(app: Any) -> Any:
    """Let the last tab win."""

    async def served(scope: Any, receive: Any, send: Any) -> None:
        async def without() -> Any:
            message = await receive()
            body = re.sub(rb"pipulate-rev=\d+", b"pipulate-none=1", message.get("body", b""))
            return {**message, "body": body}

        if scope["type"] == "http":
            length = [(k, v) for k, v in scope["headers"] if k != b"content-length"]
            scope = {**scope, "headers": length}
        await app(scope, without, send)

    return served


# --- the machine

tabs, ids, sides = st.integers(0, 2), st.sampled_from(IDS), st.integers(0, 1)
windows, persons = st.integers(0, 1), st.integers(1, 3)
steps, texts = st.integers(1, len(KEYS)), st.sampled_from(["blue", "red", "<i>&"])


class Gone(Exception):
    """The window's profile was deleted in another one."""


def in_window(act: Callable[..., None]) -> Callable[..., None]:
    """Let an act end where its window is refused."""

    @wraps(act)
    def acted(*given: Any, **named: Any) -> None:
        try:
            act(*given, **named)
        except Gone:
            pass

    return acted


class Machine(RuleBasedStateMachine):
    """Each rule is one click, or one thing that happens to the server."""

    spoilt: Callable[[Any], Any] = staticmethod(lambda app: app)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pipulate-http-", dir=MEMORY))
        (self.folder / "workflows").mkdir()
        (self.folder / "workflows" / "three.py").write_text(THREE)
        self.runner = asyncio.Runner()
        self.doors: dict[Any, Any] = {}  #: as they are served
        self.apps = [self._app(), self._app()]
        self.models = {id: Model() for id in IDS}
        self.shown = [1, 1]  #: the profile of each window
        self.chosen = 1
        self.people = {1, 2, 3}
        self.trash: dict[int, int] = {}  #: where a deleted profile lies
        self.tabs: list[tuple[str, int, int]] = []  #: run, revision, window
        self.tasks: list[tuple[str, int]] = []

    def _app(self) -> Any:
        made = Settings(self.folder / "data", workflows=(self.folder / "workflows",))
        app = create_app(made, [profiles.routes, tasks.routes])
        self.doors[app] = type(self).spoilt(app)
        return app

    def teardown(self) -> None:
        tried()
        try:
            store = self.apps[0].state.store
            assert store.connection.pragma("integrity_check") == "ok"
        finally:
            for app in self.apps:
                self._close(app)
            self.runner.close()
            shutil.rmtree(self.folder)

    def _close(self, app: Any) -> None:
        self.runner.run(app.state.jobs.close())
        app.state.store.close()

    def _ask(self, side: int, window: int, method: str, path: str, **sent: Any) -> Any:
        """Send what a window sends; the answer.  Raises Gone."""
        headers = {"Origin": HERE, "HX-Request": "true", CARRIER: str(self.shown[window])}

        async def ask() -> Any:
            transport = httpx2.ASGITransport(self.doors[self.apps[side]])
            async with httpx2.AsyncClient(transport=transport, base_url=HERE) as client:
                return await client.request(method, path, headers=headers, **sent)

        reply = self.runner.run(ask())
        if self.shown[window] not in self.people:
            assert reply.status_code == 409
            assert "deleted meanwhile" in reply.text
            self.shown[window] = self.chosen  # what the page offers to go on with
            raise Gone
        return reply

    @initialize()
    def more_profiles_and_three_tabs(self) -> None:
        for name in ("Camelot plc", "Round Table Ltd"):
            sent = {"name": name, "menu_name": name[0]}
            assert self._ask(0, 0, "POST", "/profiles", data=sent).status_code == 200
        self.choose(window=1, side=0, profile=2)
        for number, id in enumerate(IDS):
            self.tabs.append((id, 0, number % 2))
            self.open(number, id, 0)

    # --- what a user does

    @rule(tab=tabs, id=ids, side=sides)
    @in_window
    def open(self, tab: int, id: str, side: int) -> None:
        window = self.tabs[tab][2]
        assert self._ask(side, window, "POST", "/three/open", data={"id": id}).status_code == 303
        self.models[id].begin(self.shown[window])
        self.look(tab, id, side)

    def look(self, tab: int, id: str, side: int) -> None:
        """Open a run's page: it shows what the run holds."""
        window = self.tabs[tab][2]
        page = self._ask(side, window, "GET", "/three", params={"id": id})
        rev = int(revision(page.text))
        model = self.models[id]
        assert rev == model.rev
        for text in model.state.done.values():
            assert escape(text) in page.text
        self.tabs[tab] = id, rev, window

    def _click(self, tab: int, side: int, act: str, ideal: Callable[[Model, int], None]) -> None:
        """Do what a tab asks for, with what it shows; it shows what it is answered."""
        self._send(tab, side, act, {}, ideal)

    def _send(
        self,
        tab: int,
        side: int,
        act: str,
        data: dict[str, str],
        ideal: Callable[[Model, int], None],
    ) -> None:
        id, rev, window = self.tabs[tab]
        sent = {**data, "pipulate-rev": str(rev)}
        reply = self._ask(side, window, "POST", f"/three/{act}", params={"id": id}, data=sent)
        expected = 200
        try:
            ideal(self.models[id], rev)
        except Refused as refused:
            (expected,) = refused.args
        assert reply.status_code == expected, (act, id)
        if expected == 200:
            assert int(revision(reply.text)) == self.models[id].rev
            self.tabs[tab] = id, self.models[id].rev, window

    @rule(tab=tabs, side=sides, step=steps, text=texts)
    @in_window
    def submit(self, tab: int, side: int, step: int, text: str) -> None:
        data = {KEYS[step - 1]: text}
        self._send(tab, side, f"card{step}", data, lambda model, rev: model.submit(step, text, rev))

    @rule(tab=tabs, side=sides, text=texts)
    def answer(self, tab: int, side: int, text: str) -> None:
        """The open card, as most clicks are."""
        step = min(len(self.models[self.tabs[tab][0]].state.done) + 1, len(KEYS))
        self.submit(tab, side, step, text)

    @rule(tab=tabs, side=sides, step=steps)
    @in_window
    def revert(self, tab: int, side: int, step: int) -> None:
        self._click(tab, side, f"revert{step}", lambda model, rev: model.revert(step, rev))

    @rule(tab=tabs, side=sides)
    @in_window
    def undo(self, tab: int, side: int) -> None:
        self._click(tab, side, "undo", Model.undo)

    @rule(tab=tabs, side=sides, closed=st.booleans())
    @in_window
    def lock(self, tab: int, side: int, closed: bool) -> None:
        act = "finalize" if closed else "unfinalize"
        self._click(tab, side, act, lambda model, rev: model.lock(closed, rev))

    @rule(id=ids, side=sides, window=windows, back=st.booleans())
    @in_window
    def delete(self, id: str, side: int, window: int, back: bool) -> None:
        """In the list of runs, where no revision is known."""
        act = "undelete" if back else "delete"
        reply = self._ask(side, window, "POST", f"/three/{act}", params={"id": id})
        expected = 200
        try:
            getattr(self.models[id], act)()
        except Refused as refused:
            (expected,) = refused.args
        assert reply.status_code == expected

    @rule(window=windows, side=sides, profile=persons)
    @in_window
    def choose(self, window: int, side: int, profile: int) -> None:
        """In one window's menu; the other goes on with its own."""
        reply = self._ask(side, window, "POST", f"/profiles/{profile}/choose")
        assert reply.status_code == (303 if profile in self.people else 404)
        if profile in self.people:
            self.shown[window] = self.chosen = profile

    @rule(window=windows, side=sides, profile=persons)
    @in_window
    def delete_profile(self, window: int, side: int, profile: int) -> None:
        """In one window; the other may show it."""
        reply = self._ask(side, window, "POST", f"/profiles/{profile}/delete")
        if profile not in self.people:
            assert reply.status_code == 404
        elif profile in (self.shown[window], self.chosen):
            assert reply.status_code == 409
        else:
            assert reply.status_code == 200
            self.trash[profile] = int(re.findall(r"/profiles/undo/(\d+)", reply.text)[0])
            self.people.remove(profile)

    @precondition(lambda self: self.trash)
    @rule(window=windows, side=sides, profile=persons)
    @in_window
    def bring_back_a_profile(self, window: int, side: int, profile: int) -> None:
        """With all that belongs to it."""
        place = self.trash.get(profile, 1000)
        reply = self._ask(side, window, "POST", f"/profiles/undo/{place}")
        assert reply.status_code == (404 if profile in self.people else 200)
        self.people.add(profile)

    @rule(window=windows, side=sides)
    @in_window
    def add_task(self, window: int, side: int) -> None:
        name = f"Task {len(self.tasks)}"
        assert self._ask(side, window, "POST", "/tasks", data={"name": name}).status_code == 200
        self.tasks.append((name, self.shown[window]))
        page = self._ask(side, window, "GET", "/tasks").text
        mine = {name for name, profile in self.tasks if profile == self.shown[window]}
        assert set(re.findall(r'value="(Task \d+)"', page)) == mine

    @rule(side=sides, now=st.integers(0, 4))
    def restart(self, side: int, now: int) -> None:
        """Now and then: it takes as long as many clicks."""
        if now == 0:
            self._close(self.apps[side])
            self.apps[side] = self._app()

    @invariant()
    def nothing_differs(self) -> None:
        read = self.apps[0].state.store.read
        rows = {row["id"]: row for row in read("SELECT id, data, rev, profile_id FROM pipeline")}
        assert rows.keys() == {id for id, model in self.models.items() if model.profile}
        for id, row in rows.items():
            model, record = self.models[id], rec.loads(row["data"])
            assert row["profile_id"] == model.profile, id
            assert row["rev"] == model.rev, id
            assert ("finalized" in record) == model.finalized, id
            assert answers(record) == model.state.done, id
            assert answers(record.get("was", {})) == model.state.was, id
        kept = read("SELECT name, profile_id FROM task ORDER BY id")
        assert [(row["name"], row["profile_id"]) for row in kept] == self.tasks
        assert of_windows.chosen(self.apps[1].state.store) == self.chosen
        assert {row["id"] for row in read("SELECT id FROM profile")} == self.people


def answers(record: rec.Record) -> dict[int, str]:
    """Return the text of each step that there is."""
    return {int(id[5:]): record[id][KEYS[int(id[5:]) - 1]] for id in rec.step_ids(record)}


COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))


def test_the_server_does_what_the_model_does() -> None:
    """Short form."""
    run_state_machine_as_test(
        Machine, settings=settings(COMMON, max_examples=6, stateful_step_count=25)
    )


@pytest.mark.trust(
    "Tabs, windows, profiles, runs, restarts, processes over HTTP: as the model says"
)
@pytest.mark.parametrize("part", range(4))
def test_the_server_does_what_the_model_does_at_length(part: int) -> None:
    """Long form: 500 times 50 acts, in four parts that two processes may share."""
    run_state_machine_as_test(
        seed(4 * SEED + part)(type("Part", (Machine,), {})),
        settings=settings(COMMON, max_examples=times(125), stateful_step_count=50),
    )


def find(machine: type[Machine]) -> None:
    """Let a machine with a bug run until it is found."""
    tried()
    seeking = settings(
        COMMON,
        max_examples=100,
        stateful_step_count=30,
        phases=[Phase.generate],
        derandomize=True,
        print_blob=False,
    )
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(machine, settings=seeking)


@pytest.mark.trust("Planted bug found: a global run ID")
def test_a_global_run_id_is_found() -> None:
    """One server, one current run: tab A's answer in run B."""
    find(type("Planted", (Machine,), {"spoilt": staticmethod(global_run_id)}))


@pytest.mark.trust("Planted bug found: the last tab wins")
def test_a_missing_revision_is_found() -> None:
    """An answer to what another tab has changed meanwhile."""
    find(type("Planted", (Machine,), {"spoilt": staticmethod(no_revision)}))


@pytest.mark.trust("Planted bug found: an act for the chosen profile, not the shown one")
def test_an_act_for_another_profile_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the window before the choice in another one would."""
    monkeypatch.setattr(of_windows, "shown", of_windows.chosen)
    find(Machine)
