"""One conversation, whichever model answers: what is said, and who is told.

TURNS    What the user sends is a command, or words for the model;
         `answering` is the reaction.  One model call at a time, and one
         act of the user's: what an act has seen holds until it ends.
STREAM   The answer at hand is `live`; whole, stopped or cut, it becomes a
         stored message.  It goes on whoever listens.
KNOWING  What the open page is about becomes a note, stored with what is said
         next: looking writes nothing.
"""

import asyncio
import json
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing, suppress
from typing import Any

from loguru import logger

from pipulate.chat import prompts, proposals, router, weights
from pipulate.chat.conversation import Conversations, Row
from pipulate.chat.desk import Desk
from pipulate.chat.embedder import Embedder
from pipulate.chat.memory import Memory, text
from pipulate.chat.models import Models
from pipulate.chat.proposals import Proposal
from pipulate.chat.providers import Message, Model, ModelError, ToolCall
from pipulate.chat.tools import offered
from pipulate.engine import profiles
from pipulate.engine.errors import PipulateError, Refused, Unknown
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store
from pipulate.engine.workflow import Run, Workflow

ROUNDS = 4  #: of native tool calls in one answer
LONGEST = 700  #: tokens of a small model's answer, which may ramble
LONGEST_MESSAGE = 20_000  #: characters of what the user says at once
PAGE = 0  #: id of the note on the page that is open, until it is stored
NO_MODEL = (
    "No model answers yet. Get a small one in the chat panel, start Ollama, or name "
    "a server in Settings. The panel's commands work without one: /help lists them."
)
GO_ON = "Say it now."
FAILED = "Something in the chat failed; the log has the details. Try again."


class Listener:
    """Is told what changes."""

    async def said(self, row: Row) -> None:
        """A message was added."""

    async def unsaid(self, id: int) -> None:
        """A message was taken back."""

    async def decided(self, row: Row) -> None:
        """What the message proposed was decided."""

    async def thinking(self) -> None:
        """An answer begins."""

    async def live(self, text: str) -> None:
        """The answer has got so far."""

    async def over(self) -> None:
        """The answer ends; it is `said` next."""

    async def turned(self) -> None:
        """Other messages are shown."""

    async def state(self) -> None:
        """Another model answers, or begins or ends."""

    async def getting(self) -> None:
        """More of a model's weights is here."""

    async def deleted(self, seq: int) -> None:
        """A conversation is in the trash: `restore(seq)`."""


class Talk:
    """The conversation of one app; it is the app's `voice`."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        flows: Callable[[], Mapping[str, Workflow]] = dict,
        secrets: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """No model reads what `secrets` returns."""
        self.store = store
        self.settings = settings
        self.flows = flows
        self.listener = Listener()
        self.conversations = Conversations(store)
        self.models = Models(store, settings)
        self.memory = Memory(store, Embedder(self.models.folder))
        self.answering: asyncio.Task[None] | None = None
        self.live: str | None = None
        self._coming = False  # words of the answer, after those that are told
        self._given_secrets = secrets
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._act = asyncio.Lock()
        self._temporary = 0
        self._page: Row | None = None

    @property
    def conversation(self) -> int:
        """The id of the one shown; 0 if the next message begins one."""
        current = self._temporary or int(self.store.get("conversation", 0))
        with suppress(Unknown):
            return int(self.conversations.get(current)["id"])
        return 0

    def messages(self) -> list[Row]:
        """What is shown, oldest first."""
        rows = self.conversations.messages(self.conversation)
        return [*rows, self._page] if self._page else rows

    @property
    def busy(self) -> bool:
        """Whether an answer is coming."""
        return self.answering is not None and not self.answering.done()

    def desk(self) -> Desk:
        """What the tools work on."""
        profile = profiles.shown(self.store)
        return Desk(self.store, self.memory, self.flows(), self.settings, profile)

    def secrets(self) -> list[str]:
        """What no model may read."""
        return [*self._given_secrets(), self.store.get("model_key", "")]

    # --- what is said

    async def add(self, role: str, content: str, about: str = "") -> None:
        """Store a message, after the note on the open page, and tell it."""
        if page := self._page:
            await self._take_page_back()
            await self._add("note", page["content"], page["about"])
        await self._add(role, content, about)

    async def _add(self, role: str, content: str, about: str) -> None:
        id = await asyncio.to_thread(self._store, role, content, about)
        await self.listener.said({"id": id, "role": role, "content": content, "about": about})

    def _store(self, role: str, content: str, about: str) -> int:
        with self.store.transaction():
            current = self.conversation
            if not current:
                current = self.conversations.new()
                self.store["conversation"] = current
            return self.conversations.append(current, role, content, about)

    async def visit(self, title: str, about: str) -> None:
        """The user opened a page.  Of those passed through, nothing stays."""
        label = f"page {title}"
        if not about or (self._page and self._page["about"] == label):
            return
        await self._take_page_back()
        if await asyncio.to_thread(self._last_page) != label:
            self._page = {
                "id": PAGE,
                "role": "note",
                "content": about,
                "about": label,
            }
            await self.listener.said(self._page)

    def _last_page(self) -> str:
        rows = reversed(self.conversations.messages(self.conversation))
        return next((row["about"] for row in rows if row["about"].startswith("page ")), "")

    async def _take_page_back(self) -> None:
        if self._page:
            self._page = None
            await self.listener.unsaid(PAGE)

    # --- the voice of workflows

    async def say(self, text: str) -> None:
        """A workflow's remark."""
        await self.add("note", text, "said")

    def ask(self, prompt: str) -> AsyncIterator[str]:
        """Stream an answer to a workflow; raises ModelError."""
        return self.answer([{"role": "user", "content": prompt}])

    async def answer(self, messages: Sequence[Message], model: str = "") -> AsyncIterator[str]:
        """Stream the answer of the model so named; raises ModelError."""
        asked = await self._model(model)
        struck = prompts.strike([*messages], self.secrets())
        async with self._turn, aclosing(asked.stream(struck)) as stream:
            async for piece in stream:
                if isinstance(piece, str):
                    yield piece

    async def remark(self, prompt: str, role: str = "user") -> None:
        """Let the model say something about `prompt`, if one answers."""
        if not self.models.none:
            self.background(self._remark(prompt, role))

    async def _remark(self, prompt: str, role: str) -> None:
        found = await self.models.found()
        if not found:
            return
        system = prompts.current(self.store)
        if role != "user":  # some templates take one such message, and want a user's
            system = f"{system}\n\n{prompt}"
            role, prompt = "user", GO_ON
        messages = [
            {"role": "system", "content": system},
            {"role": role, "content": prompt},
        ]
        async with self._turn:
            struck = prompts.strike(messages, self.secrets())
            await self._stream(found[0], struck, max_tokens=LONGEST)

    def explain(self, run: Run) -> None:
        """Let the model say a sentence about the open card."""
        if self.models.none or not self.store.get("explain", True):
            return
        ahead = run.flow.steps[run.open_index :]
        if ahead and ahead[0].explain:
            self.background(self._explain(run, ahead[0].label))

    async def _explain(self, run: Run, label: str) -> None:
        found = await self.models.found()
        if not found:
            return
        system = prompts.current(self.store)
        prompt = (
            f"{prompts.note(run.flow.about, run.flow.title)}\n\n"
            f"Answers so far:\n{run.summary() or '(none)'}\n\n"
            f"The next card asks: “{label}”\n"
            f"Tell the user what this card is for. {prompts.LIMITER}"
        )
        messages = [
            {"role": "system", "content": system},
            {"role": "user", "content": prompt},
        ]
        async with self._turn:
            struck = prompts.strike(messages, self.secrets())
            await self._stream(found[0], struck, f"step {label}", max_tokens=120)

    def background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start work; a failure is told to the user."""
        task = asyncio.get_running_loop().create_task(self._watched(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except PipulateError as error:
            await self.add("note", str(error), "problem")
        except Exception:
            logger.exception("the chat failed")
            await self.add("note", FAILED, "problem")

    async def settled(self) -> None:
        """Wait until nothing is said any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- turns

    async def send(self, said: str) -> None:
        """The user said something.  Refused while an answer is coming."""
        async with self._act:
            if self._coming:
                raise Refused("The last answer is still coming. Stop it, or wait for it.")
            if self.answering:
                await asyncio.wait([self.answering])  # all is told: it ends now
            await self._send(said)

    async def _send(self, said: str) -> None:
        if said := said.strip()[:LONGEST_MESSAGE]:
            await self.add("user", said)
            await self._begin(said)

    async def _begin(self, said: str) -> None:
        self._coming = not said.startswith("/")
        self.answering = self.background(self._react(said))
        await self.listener.state()

    async def _react(self, said: str) -> None:
        try:
            if said.lower() in ("/help", "/"):
                await self.add("note", proposals.help_text(), "tool help")
            elif said.startswith("/"):
                await self._use(*proposals.parse(said))
            else:
                await self._answer(said)
        finally:
            if self.answering is asyncio.current_task():
                self.answering = None
                self._coming = False
            await self.listener.state()

    async def _use(self, name: str, arguments: dict[str, Any]) -> str:
        made = await proposals.called(self.desk(), name, arguments)
        if isinstance(made, Proposal):
            await self.propose(made)
            return f"A card now asks the user: {made.words} Nothing has been done yet."
        await self.add("note", made, f"tool {name}")
        return made

    async def propose(self, proposal: Proposal) -> None:
        """Ask the user for a Yes."""
        await self.add("note", proposal.words, f"proposal {proposal.id}")

    async def _model(self, name: str = "") -> Model:
        """The model that answers, or the one so named; raises ModelError."""
        found = await self.models.found()
        for model in found:
            if name in ("", model.name):
                return model
        if not found:
            raise ModelError(NO_MODEL)
        known = ", ".join(model.name for model in found)
        raise ModelError(
            f"There is no model {name!r} here, so it was not asked. "
            f"Name one of these, or none for whichever answers: {known}."
        )

    async def _answer(self, said: str) -> None:
        model = await self._model()
        async with self._turn:
            choice = None if model.tools else await self._choose(model, said)
            if choice:
                self._coming = False
                await self._use(choice.name, choice.arguments)
            else:
                await self._speak(model, said)

    async def _choose(self, model: Model, said: str) -> ToolCall | None:
        self.live = ""
        await self.listener.thinking()
        try:
            return await router.choose(model, said, self.desk())
        finally:
            self.live = None
            await self.listener.over()

    async def _speak(self, model: Model, said: str) -> None:
        # A model that calls tools natively gets their results and goes on.
        messages = await self._prompt(model, said)
        ask: dict[str, Any] = {"max_tokens": LONGEST}
        if model.tools:
            ask = {"tools": offered()}
        for _ in range(ROUNDS):
            calls = await self._stream(model, messages, **ask)
            if not calls:
                return
            results = [await self._result(call) for call in calls]
            messages = [
                *messages,
                _called(calls),
                *prompts.strike(results, self.secrets()),
            ]

    async def _prompt(self, model: Model, said: str) -> list[Message]:
        pinned = await asyncio.to_thread(self.memory.pinned)
        beginning = prompts.system(prompts.current(self.store), [text(row) for row in pinned])
        recalled = [text(row) for row in await asyncio.to_thread(self.memory.recall, said)]
        return await self.conversations.for_model(
            self.conversation, model, beginning, recalled, self.secrets()
        )

    async def _result(self, call: ToolCall) -> Message:
        try:
            result = await self._use(call.name, call.arguments)
        except PipulateError as error:
            result = f"Error: {error}"
        content = prompts.note(result, call.name)
        id = call.id or call.name
        return {
            "role": "tool",
            "tool_call_id": id,
            "name": call.name,
            "content": content,
        }

    async def _stream(
        self,
        model: Model,
        messages: Sequence[Message],
        about: str = "",
        **ask: Any,
    ) -> list[ToolCall]:
        calls: list[ToolCall] = []
        problem = ""
        self.live = ""
        await self.listener.thinking()
        try:
            async with aclosing(model.stream(messages, **ask)) as stream:
                async for piece in stream:
                    if isinstance(piece, ToolCall):
                        calls.append(piece)
                        continue
                    self.live += piece
                    await asyncio.sleep(0)  # a fast model must not keep the loop to itself
                    await self.listener.live(self.live)
        except ModelError as error:
            problem = str(error)
        finally:  # also when stopped: what came is kept
            if asyncio.current_task() is self.answering:
                self._coming = bool(calls)
            await asyncio.shield(asyncio.ensure_future(self._keep(about, problem)))
        return calls

    async def _keep(self, about: str, problem: str) -> None:
        whole = (self.live or "").strip()
        self.live = None
        await self.listener.over()
        if whole:
            await self.add("assistant", whole, about)
        if problem:
            await self.add("note", problem, "problem")

    async def stop(self) -> None:
        """Stop the answer at hand; what came is kept."""
        if self.answering and self.busy:
            self.answering.cancel()
            with suppress(asyncio.CancelledError):
                await self.answering

    async def close(self) -> None:
        """End what runs."""
        for task in self._tasks:
            task.cancel()
        await self.settled()
        await self.models.stop()

    # --- what the user decides

    async def again(self, message: int) -> None:
        """Take an answer back, and answer its question anew."""
        async with self._act:
            await self._back_to(message)
            rows = await asyncio.to_thread(self.messages)
            asked = [row["content"] for row in rows if row["role"] == "user"]
            if asked:
                await self._begin(asked[-1])

    async def edit(self, message: int, said: str) -> None:
        """Take a message and all after it back; say it otherwise."""
        if not said.strip():
            raise Refused("An edited message needs words. Nothing was changed.")
        async with self._act:
            await self._back_to(message)
            await self._send(said)

    async def _back_to(self, message: int) -> None:
        await self.stop()
        await asyncio.to_thread(self.conversations.truncate, self.conversation, message)
        await self.listener.turned()

    async def confirm(self, proposal: int, arguments: dict[str, str]) -> None:
        """The user said Yes, perhaps to edited arguments."""
        await self._decide(proposal, proposals.confirm, self.desk(), proposal, arguments or None)

    async def refuse(self, proposal: int) -> None:
        """The user said No."""
        await self._decide(proposal, proposals.refuse, self.store, proposal)

    async def undo(self, proposal: int) -> None:
        """The user takes their Yes back."""
        await self._decide(proposal, proposals.undo, self.store, proposal)

    async def _decide(self, proposal: int, act: Callable[..., Proposal], *given: Any) -> None:
        await asyncio.to_thread(act, *given)
        for row in await asyncio.to_thread(self.messages):
            if row["about"] == f"proposal {proposal}":
                await self.listener.decided(row)

    async def begin(self) -> None:
        """Begin another; it is stored with its first message."""
        await self._turn_to(0)

    async def begin_temporary(self) -> None:
        """Begin a conversation that is never stored."""
        await self._turn_to(self.conversations.new(temporary=True))

    async def open(self, conversation: int) -> None:
        """Go on with a conversation; raises Unknown."""
        await self._turn_to(self.conversations.get(conversation)["id"])

    async def delete(self, conversation: int) -> None:
        """Put a conversation into the trash."""
        async with self._act:
            await self.stop()
            seq = await asyncio.to_thread(self.conversations.delete, conversation)
            await self.listener.turned()
        if seq:
            await self.listener.deleted(seq)

    async def restore(self, seq: int) -> None:
        """Go on with a conversation from the trash."""
        await self._turn_to(await asyncio.to_thread(self.conversations.restore, seq))

    async def _turn_to(self, conversation: int) -> None:
        async with self._act:
            await self.stop()
            self._page = None
            self._temporary = min(conversation, 0)
            if not self._temporary:
                await asyncio.to_thread(self.store.__setitem__, "conversation", conversation)
            await self.listener.turned()

    async def choose(self, model: str) -> None:
        """Let the model of this name answer from now on."""
        await asyncio.to_thread(self.store.__setitem__, "model", model)
        await self.listener.state()

    async def get(self, name: str) -> None:
        """Begin to fetch weights, unless some come; raises Unknown."""
        recipe = weights.named(name)
        if not self.models.getting:
            self.background(self._get(recipe))
        await self.listener.state()

    async def _get(self, recipe: weights.Recipe) -> None:
        try:
            await self.models.get(recipe, self.listener.getting)
        finally:
            await self.listener.getting()
            await self.listener.state()
        await self.say(f"{recipe.title} is here and answers from now on.")


def _called(calls: Sequence[ToolCall]) -> Message:
    called = []
    for call in calls:
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        called.append({"id": call.id or call.name, "type": "function", "function": function})
    return {"role": "assistant", "content": "", "tool_calls": called}
