"""What a model is told: versions of the system prompt, order in a prompt.

VERSIONS  0 is DEFAULT (prompt.txt); each accepted change is a row of
          `prompt`, the newest in force.
ORDER     What stays the same comes first, for a model need not read that
          again: system prompt, pinned memories, the conversation; what was
          recalled comes before the last question.
NOTES     What the app adds is data, fenced.  Questions and notes in a row
          become one message: some templates take turns.
"""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipulate.chat.providers import Message
from pipulate.engine.errors import Invalid, Unknown
from pipulate.engine.store import Store, now

Row = dict[str, Any]

DEFAULT = Path(__file__).with_name("prompt.txt").read_text("utf-8").strip()

LIMITER = "Answer in one or two short, plain sentences. No lists, no greeting."
LONGEST = 8000  # characters; a small model's window holds about four times that
STRUCK = "[secret]"


def versions(store: Store) -> list[Row]:
    """Return rows (version, text, at, author), newest first."""
    default = {"version": 0, "text": DEFAULT, "at": "", "author": "Pipulate"}
    return [
        *store.read("SELECT * FROM prompt ORDER BY at DESC, version DESC"),
        default,
    ]


def current(store: Store) -> str:
    """The system prompt in force."""
    row = store.one("SELECT text FROM prompt ORDER BY at DESC, version DESC LIMIT 1")
    return str(row["text"]) if row else DEFAULT


def check(text: str) -> str:
    """The trimmed text; raises Invalid if it is no system prompt."""
    text = text.strip()
    if 1 <= len(text) <= LONGEST:
        return text
    expected = f"A system prompt has between 1 and {LONGEST:,} characters"
    raise Invalid(f"{expected}, this has {len(text):,}.", "text")


def accept(store: Store, text: str, author: str = "user") -> int:
    """Put a new version in force; returns its number."""
    insert = "INSERT INTO prompt (text, at, author) VALUES (?, ?, ?)"
    return store.write(insert, check(text), now(), author)


def roll_back(store: Store, version: int) -> int:
    """Put an old version in force again; returns the new number."""
    for row in versions(store):
        if row["version"] == version:
            return accept(store, row["text"], f"version {version}")
    raise Unknown(f"The system prompt has no version {version}.")


def diff(old: str, new: str) -> str:
    """The lines: "- " gone, "+ " new, "  " as before."""
    lines = difflib.ndiff(old.splitlines(), new.splitlines())
    return "\n".join(line for line in lines if not line.startswith("?"))


def note(content: str, about: str = "") -> str:
    """Fence what the app adds: it must not pass for the user's words."""
    label = f' about="{about}"' if about else ""
    return f"<note{label}>\n{content.replace('</note', '<∕note')}\n</note>"


def system(prompt: str, pinned: Sequence[str]) -> str:
    """The stable beginning of every prompt."""
    if not pinned:
        return prompt
    return "\n- ".join([f"{prompt}\n\nWhat you know about the user:", *pinned])


def assemble(
    beginning: str,
    rows: Sequence[Row],
    recalled: Sequence[str] = (),
    secrets: Iterable[str] = (),
) -> tuple[list[Message], list[int]]:
    """The messages for a model, and each's last row but the first's."""
    last = max(
        (place for place, row in enumerate(rows) if row["role"] == "user"),
        default=-1,
    )
    messages: list[Message] = [{"role": "system", "content": beginning}]
    ends: list[int] = []
    for place, row in enumerate(rows):
        role, said = _told(row)
        if place == last and recalled:
            before = note("\n".join(recalled), "what the user told you before")
            said = f"{before}\n\n{said}"
        if messages[-1]["role"] == role:
            messages[-1]["content"] += "\n\n" + said
            ends[-1] = row["id"]
        else:
            messages.append({"role": role, "content": said})
            ends.append(row["id"])
    return strike(messages, secrets), ends


def _told(row: Row) -> tuple[str, str]:
    if row["role"] == "note":
        return "user", note(row["content"], row["about"])
    return row["role"], row["content"]


def strike(messages: list[Message], secrets: Iterable[str]) -> list[Message]:
    """The messages without any of the secrets."""
    struck = [dict(message) for message in messages]
    for secret in filter(None, secrets):
        for message in struck:
            message["content"] = message["content"].replace(secret, STRUCK)
    return struck
