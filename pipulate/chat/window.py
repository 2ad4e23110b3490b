"""What fits a model's window: tokens of prompt and answer together.

Each model has its own vocabulary, so `tokens` counts rather too many.
What `fit` leaves out, `summarise` condenses: nothing is cut in silence.
"""

import itertools
import json
import math
import re
from collections.abc import Sequence

from pipulate.chat.prompts import LIMITER
from pipulate.chat.providers import Message, Model, ModelError, whole

MARKS = 8  # tokens of the template around a message
NO_SUMMARY = "(An earlier part of the conversation could not be summarised.)"


def tokens(text: str) -> int:
    """Estimate: 0.8 to 1.7 times Qwen's own count, 2.2 for CJK and Cyrillic."""
    prose = len(re.findall(r"[a-z\s]", text, re.ASCII))
    digits = len(re.findall(r"[0-9]", text))
    plain = sum(map(str.isascii, text))
    rest = len(text.encode("utf-8", "replace")) - plain
    return math.ceil(prose / 3.8 + digits + (plain - prose - digits) * 0.6 + rest / 3)


def fit(
    messages: Sequence[Message], window: int, summary: str = ""
) -> tuple[list[Message], list[Message]]:
    """Split a conversation into (what to send, what had to be left out).

    Sent are the leading system messages and the newest whole turns, in three
    quarters of the window.  If any are left out, call `fit` again with their
    `summary`.  Raises ModelError if the last turn alone is too long.
    """
    leading = itertools.takewhile(lambda message: message["role"] == "system", messages)
    system = list(leading)
    rest = list(messages[len(system) :])
    if summary:  # in one message: several models' templates refuse a second
        texts = [message["content"] for message in system]
        texts.append(f"Summary of the earlier conversation:\n{summary}")
        system = [{"role": "system", "content": "\n\n".join(texts)}]
    room = window - window // 4 - sum(map(_cost, system))
    reserve = 0 if summary else window // 8  # for the summary to come
    costs = [*map(_cost, rest)]
    if sum(costs) <= room:
        return [*system, *rest], []
    for turn, message in enumerate(rest):
        begins = turn > 0 and message["role"] == "user"
        if begins and sum(costs[turn:]) <= room - reserve:
            return [*system, *rest[turn:]], rest[:turn]
    raise ModelError(
        f"This is too long for the model: its window is {window} tokens, prompt "
        "and answer together. Shorten the message, or choose a model with a larger "
        "window."
    )


def _cost(message: Message) -> int:
    text = message.get("content") or ""
    if called := message.get("tool_calls"):
        text += json.dumps(called)
    return MARKS + tokens(text)


async def summarise(model: Model, messages: Sequence[Message], summary: str = "") -> str:
    """A summary of both, in a tenth of the model's window."""
    text = "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
    half_a_window = max(1, len(text) * (model.window // 2) // tokens(text))  # in characters
    for start in range(0, len(text), half_a_window):
        part = text[start : start + half_a_window]
        ask = (
            f"Summary so far: {summary or '(nothing)'}\n\nThe conversation goes "
            f"on:\n{part}\n\nWrite the new summary: who wants what, what was found "
            f"and decided. {LIMITER}"
        )
        question = [{"role": "user", "content": ask}]
        said = await whole(model, question, max_tokens=model.window // 10)
        summary = said.strip() or summary or NO_SUMMARY
    return summary
