"""One run of a workflow is one JSON record.  This file is its only home.

FORMAT    {"step_01": {"name": "Sir Lancelot"},
           "created": "2026-11-23T19:10:00+00:00",
           "updated": "2026-11-23T19:11:02+00:00"}

          step_NN    a step's answers by field name, or its work's result
          asked      {"step_02": {"key": "budget", ...}}: which question each
                     id held when it was answered (see `answers`)
          was        answers that a revert took back, offered again, by id
          gone       answers of steps that the file has no more, by key
          version    of the workflow that wrote it (missing = 1)
          once       outward acts of jobs:
                     {"export:links:<hash>": {"begun": time, "result": any}}
          finalized  the time at which the run was locked
          created, updated   UTC

DONE      A step is done if and only if its id is a key *and* it was asked,
          or its value holds something: without `asked`, {} and {"color": ""}
          are emptied steps, not done ones.  There is no "current step".
REVERT    moves the step and all later ones from the top level to "was".
          "once" is never reverted, undone or cleared: what was done to the
          world stays done.
ID        A run is named by what the user typed, as a `Normalise` function
          reads it: `normalise_id`, or one that the workflow brings.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pipulate.engine.errors import Corrupt, Invalid

Record = dict[str, Any]
Steps = Sequence[Sequence[Any]]  #: of (key, step_id, label, ...)
Change = Callable[[Record], Record]
Places = Mapping[str, str]  #: the ids of a file's steps, by key
Normalise = Callable[[str], str]  #: to the run ID a text names; may raise Invalid

RESERVED = "pipulate-"  #: begins the names of the app's own fields
MAX_ID = 500  #: characters of a run ID
#: The keys that are no step's id.
NOT_STEPS = (
    "version",
    "asked",
    "was",
    "gone",
    "once",
    "finalized",
    "created",
    "updated",
)
_KINDS = {
    "asked": dict,
    "was": dict,
    "gone": dict,
    "once": dict,
    "version": int,
}
_QUESTION = {"key": str, "fields": dict, "files": list, "kinds": dict}
_UNSEEN = r"[\s\u200b\u200e\u200f\u2060\ufeff]+"
_PADDING = re.compile(f"^{_UNSEEN}|{_UNSEEN}$")
_encoder = json.JSONEncoder(
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,  # it ends as RecursionError
    separators=(",", ":"),
)
encode = _encoder.encode  #: to the one text of a value
_decode = json.JSONDecoder().raw_decode  # half as long as `json.loads`


@lru_cache
def normalise_id(text: str) -> str:
    """Return the run ID that `text` names, its case kept; raises Invalid."""
    named = trimmed(text)
    if not named:
        raise Invalid("A run needs an ID: any name you will remember, or an address.", "id")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in named):
        raise Invalid("The ID holds an invisible control character. Type it again.", "id")
    if len(named) > MAX_ID:
        raise Invalid(f"The ID has {len(named)} characters; {MAX_ID} are allowed.", "id")
    return named


def trimmed(text: str) -> str:
    """Return the text composed, without what copying leaves around it."""
    if not isinstance(text, str):
        return ""  # a notebook's None, say, is no ID
    return _PADDING.sub("", unicodedata.normalize("NFC", text))


def dumps(record: Record) -> str:
    """Return the record as stored; raises Invalid if JSON cannot hold it."""
    try:
        text = encode(record)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"The answer is not plain JSON, so nothing was stored ({error}).") from error
    return text


def _is_question(entry: Any) -> bool:
    if not isinstance(entry, dict):
        return False
    parts = {"files": [], "kinds": {}, **entry}
    return all(isinstance(parts.get(name), kind) for name, kind in _QUESTION.items())


def loads(text: str) -> Record:
    """Return the record in `text`; raises Corrupt if it is not of the FORMAT."""
    text = text.strip()
    try:
        record, end = _decode(text)
        if end < len(text):
            raise ValueError("more follows its end")
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"The record is not readable JSON ({error}).") from error
    if not isinstance(record, dict):
        raise Corrupt(f"The record is a JSON {type(record).__name__}, not an object.")
    for key, kind in _KINDS.items():
        if key in record and not isinstance(record[key], kind):
            got = type(record[key]).__name__
            raise Corrupt(f"Its {key!r} is a JSON {got}, not what the format says.")
    for key in ("asked", "gone"):
        if not all(map(_is_question, record.get(key, {}).values())):
            raise Corrupt(f"Its {key!r} does not say which questions were answered.")
    return record


def fingerprint(value: Any) -> str:
    """Return what differs if the value does, whatever the order of keys."""
    text = json.dumps(value, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def is_done(record: Record, step_id: str) -> bool:
    """Say whether the step is done (an emptied one is not)."""
    value = record.get(step_id)
    if step_id in record and step_id in record.get("asked", ()):
        return True
    if isinstance(value, dict):
        return any(item not in ("", None, [], {}) for item in value.values())
    return value not in (None, "", [])


def knows(record: Record, places: Places) -> bool:
    """Say whether each answer stands where the file has its question."""
    asked: Record = record.get("asked", {})
    if any(places.get(entry["key"]) != place for place, entry in asked.items()):
        return False
    known = {entry["key"] for entry in asked.values()}
    return not (places.keys() & record.get("gone", {}).keys()) - known


def answer(data: Any, key: str) -> Any:
    """Return the field named like the step's key, or else all its data."""
    return data[key] if isinstance(data, dict) and key in data else data


def clear_from(record: Record, step_id: str, steps: Steps) -> Record:
    """Return the record with this and all later steps moved to `was`."""
    ids = [step[1] for step in steps]
    later = ids[ids.index(step_id) :]
    kept = without(record, *later)
    undone = {key: record[key] for key in later if is_done(record, key)}
    was = {**record.get("was", {}), **undone}
    return {**kept, "was": was} if was else kept


def without(record: Mapping[str, Any], *keys: str) -> Record:
    """Return the record without these keys."""
    return {key: value for key, value in record.items() if key not in keys}


def restore(snapshot: Record, current: Record) -> Record:
    """Return `snapshot` with the outward acts, never undone, of `current`."""
    kept = without(snapshot, "once")
    return {**kept, "once": current["once"]} if current.get("once") else kept


def step_ids(record: Record) -> list[str]:
    """Return the ids of the steps that the record holds, in order."""
    ids = [key for key in record if re.fullmatch(r"step_\d+", key)]
    return sorted(ids, key=lambda key: int(key[5:]))
