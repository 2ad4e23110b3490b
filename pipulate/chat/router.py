"""For models too small to call tools natively: one constrained choice of a tool and its arguments, or none: just talk.

The model answers a JSON object whose schema allows only tools that exist; a few examples show the manner.
"""

import json
from contextlib import aclosing

from pipulate.chat.providers import Message, Model, ModelError, ToolCall
from pipulate.chat.tools import TOOLS, check, schema
from pipulate.errors import PipulateError

NONE = "just_talk"
EXAMPLES = [
    ("add a task to call the client", "add_task", "call the client"),
    ("what's on my list?", "list_tasks", ""),
    ("hello, how are you?", NONE, ""),
    ("delete the task about invoices", "delete_task", "invoices"),
    ("remember that I prefer short answers", "remember", "I prefer short answers"),
    ("what do you know about me?", "recall", ""),
    ("open the run arthur", "open_run", "arthur"),
]


async def choose(model: Model, said: str) -> ToolCall | None:
    """Return the tool that `said` asks for, or None; raises ModelError if the model cannot answer at all."""
    listed = "\n".join(f"- {name}: {(function.__doc__ or '').split('.')[0].strip()}" for name, function in TOOLS.items())
    system = f"Choose the one tool for the user's request and its argument, or {NONE} if none fits.\n{listed}"
    messages: list[Message] = [{"role": "system", "content": system}]
    for asked, tool, argument in EXAMPLES:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": json.dumps({"tool": tool, "argument": argument})}]
    wanted = {
        "type": "object", "properties": {"tool": {"enum": [NONE, *TOOLS]}, "argument": {"type": "string", "maxLength": 300}},
        "required": ["tool", "argument"],
    }  # fmt: skip
    pieces: list[str] = []
    async with aclosing(model.stream([*messages, {"role": "user", "content": said}], schema=wanted, max_tokens=120)) as stream:
        async for piece in stream:
            pieces.append(piece if isinstance(piece, str) else "")
    try:
        choice = json.loads("".join(pieces))
        name, argument = choice["tool"], choice["argument"]
        if name == NONE:
            return None
        first = next(iter(schema(TOOLS[name])["properties"]), None)
        return ToolCall(name, check(name, {first: argument} if first and argument else {}))
    except (ValueError, KeyError, TypeError, PipulateError):
        return None


__all__ = ["ModelError", "choose"]
