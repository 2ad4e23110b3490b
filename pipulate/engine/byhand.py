"""What workflows written by hand ask of the engine and a model, and seldom others.

`Pipulate` has these methods, too: it takes them from here when one is first
asked for.  `steps` is a list of (key, step_id, label).
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from fastcore.xml import FT, Div

from pipulate.engine import record as rec
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.record import Record, Steps
from pipulate.engine.voice import Message, voice


class ByHand(Pipulate):
    """The engine, with all its methods."""

    def get_all_step_data(
        self, id: str, steps: Steps, exclude_final: bool = True
    ) -> dict[str, Any]:
        """Return {key: answer}, "???" where a step is not done.

        Without the last step, which finalizes.
        """
        wanted = steps[:-1] if exclude_final else steps
        done = _answered(self.get_state(id), wanted)
        unknown = {key: "???" for key, *_ in wanted}
        return unknown | {key: value for key, _, _, value in done}

    def get_last_completed_step_number(self, id: str, steps: Steps) -> int:
        """Return the 1-based number of the highest done step, or 0."""
        state = self.get_state(id)
        done = (number for number, step in enumerate(steps, 1) if rec.is_done(state, step[1]))
        return max(done, default=0)

    def should_advance(self, id: str, step_id: str, condition: dict[str, Any]) -> bool:
        """Say whether the step is done and has all values of `condition`.

        The value "*" stands for any that is there.
        """
        state = self.get_state(id)
        data = state.get(step_id)
        held = data if isinstance(data, dict) else {}
        for key, wanted in condition.items():
            found = held.get(key)
            if wanted == "*" and found not in (None, ""):
                continue
            if found != wanted:
                return False
        return rec.is_done(state, step_id)

    def get_step_summary(
        self, id: str, step_id: str, steps: Steps
    ) -> tuple[dict[str, Any], list[str]]:
        """Return {key: answer} up to the step, and lines of those before it."""
        ids = [step[1] for step in steps]
        count = ids.index(step_id) + 1 if step_id in ids else len(ids)
        done = _answered(self.get_state(id), steps[:count])
        lines = [f"- {label}: {value}" for _, other, label, value in done if other != step_id]
        return {key: value for key, _, _, value in done}, lines

    def _save_state(self, id: str, state: Record) -> Record:
        """Replace the record, or begin one; its outward acts stay.

        A state without `finalized` unlocks a run that is finalized.
        """

        def put(record: Record) -> Record:
            times = {key: record[key] for key in ("created", "updated")}
            new = rec.restore({**state, **times}, record)
            return record if new == record else new

        with self.store.transaction():
            self.initialize_if_missing(id, state)
            locked = not state.get("finalized")
            return self.change(id, "save", put, locked=locked)[0]

    def generate_step_placeholders(
        self, steps: Steps, prefix: str, start_from: int = 0
    ) -> list[FT]:
        """Return an empty Div a step; up to index `start_from` they load.

        A later one waits for the event `{step_id before it}-done` on the
        body, or for the handler of the step before it to return it filled.
        """
        base = "/" + prefix.strip("/")
        ids = [step[1] for step in steps]
        waits = [f"{step_id}-done from:body" for step_id in ids]
        triggers = ["load"] * (start_from + 1) + waits[start_from:]
        swap = {"hx_swap": "outerHTML", "hx_target": "this"}
        return [
            Div(id=step_id, hx_get=f"{base}/{step_id}", hx_trigger=trigger, **swap)
            for step_id, trigger in zip(ids, triggers, strict=False)
        ]

    def generate_step_chain(self, prefix: str, id: str, steps: Steps) -> FT:
        """Return the placeholders of a run up to its first open card."""
        last = self.get_last_completed_step_number(id, steps)
        cards = self.generate_step_placeholders(steps, prefix, last)
        return Div(*cards, id=f"{prefix.strip('/')}-chain")


def _answered(record: Record, steps: Steps) -> list[tuple[str, str, str, Any]]:
    """Return (key, id, label, answer) of each step that is done."""
    return [
        (key, step_id, label, rec.answer(record[step_id], key))
        for key, step_id, label, *_ in steps
        if rec.is_done(record, step_id)
    ]


# --- the model


class Whichever(str):
    """The name of the model that answers, standing for whichever will."""


async def chatq(prompt: str, role: str = "user") -> None:
    """Have the model say something about `prompt` in the chat panel.

    Returns at once; while no model answers, nothing is said.  The prompt
    itself is not shown; with the role "system" it is an instruction.
    """
    await voice.get().remark(prompt, role)


async def chat_with_llm(model: str, messages: Sequence[Message]) -> AsyncIterator[str]:
    """Stream the answer of the model of that name to `messages`.

    "" is whichever model answers, and so is the `model` that the app gives.
    Raises PipulateError if that model is not there.
    """
    turns = [{"role": "user", "content": "", **message} for message in messages]
    wanted = "" if isinstance(model, Whichever) else model
    if turns:
        async for text in voice.get().answer(turns, wanted):
            yield text
