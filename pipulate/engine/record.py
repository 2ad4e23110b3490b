"""One run of a workflow is one JSON record.  This file is the format's only home; it is pure.

FORMAT   {"step_01": {"name": "Sir Lancelot"}, "created": "2026-11-23T19:10:00+00:00", "updated": "2026-11-23T19:11:02+00:00"}

          step_NN     a step's answers by field name, or the result of its work
          version     of the workflow that wrote it (missing = 1)
          was         answers that a revert took back, offered again as prefilled values
          once        outward acts of jobs: {"export:links_job:<hash>": {"begun": time, "result": any}}
          finalized   the time at which the run was locked
          created, updated   UTC

DONE      A step is done if and only if its id is a key *and* its value holds something: {} and {"color": ""} are emptied
          steps, not done ones.  There is no "current step".
REVERT    moves the step and all later ones from the top level to "was".  "once" is never reverted, undone or cleared:
          what was done to the world stays done.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from pipulate.engine.errors import Corrupt, Invalid

Record = dict[str, Any]
StepTuple = Sequence[Any]  #: (key, step_id, label, ...)

MAX_ID = 500  #: characters of a run ID
NOT_STEPS = (
    "version",
    "was",
    "once",
    "finalized",
    "created",
    "updated",
)  #: the keys that are no step's id
_STEP = re.compile(r"step_\d+")
_UNSEEN = (
    r"[\s\u200b\u200e\u200f\u2060\ufeff]+"  # what web pages and editors leave around a copied text
)
_PADDING = re.compile(f"^{_UNSEEN}|{_UNSEEN}$")
_PROJECT = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:www\.)?app\.botify\.com/+([^/?#]+)/+([^/?#]+)",
    re.ASCII | re.IGNORECASE,
)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def normalise_id(text: str) -> str:
    """Return the run ID that `text` names: trimmed, NFC; a Botify project URL cleaned.

    `https://app.botify.com/acme/shop/20240301/crawl?x=1` and `app.botify.com/acme/shop` are the same run,
    `https://app.botify.com/acme/shop/`.  Case is kept.  Raises Invalid when nothing is left, or control characters.
    """
    text = _PADDING.sub("", unicodedata.normalize("NFC", text)) if isinstance(text, str) else ""
    if not text:
        raise Invalid(
            "A run needs an ID: any name you will remember, or a Botify project URL.", "id"
        )
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise Invalid("The ID holds an invisible control character. Type it again.", "id")
    if project := _PROJECT.match(text):
        text = f"https://app.botify.com/{project[1]}/{project[2]}/"
    if len(text) > MAX_ID:
        raise Invalid(f"The ID has {len(text)} characters; {MAX_ID} are allowed.", "id")
    return text


def dumps(record: Record) -> str:
    """Return the record as the JSON text that is stored; raises Invalid if JSON or UTF-8 cannot hold it."""
    try:
        text = _encode(record)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"The answer is not plain JSON, so nothing was stored ({error}).") from error
    return text


def loads(text: str) -> Record:
    """Return the record in `text`; raises Corrupt if it is not a JSON object of the FORMAT above."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"The record is not readable JSON ({error}).") from error
    if not isinstance(record, dict):
        raise Corrupt(f"The record is a JSON {type(record).__name__}, not an object.")
    for key, kind in (("was", dict), ("once", dict), ("version", int)):
        if not isinstance(record.get(key, kind()), kind):
            raise Corrupt(
                f"Its {key!r} is a JSON {type(record[key]).__name__}, not what the format says."
            )
    return record


def is_done(record: Record, step_id: str) -> bool:
    """Say whether the step's value says that it is done (an emptied step is not)."""
    value = record.get(step_id)
    if isinstance(value, dict):
        return any(item not in ("", None, [], {}) for item in value.values())
    return value not in (None, "", [])


def answer(data: Any, key: str) -> Any:
    """Return a step's answer: the field named like its key when there is one, else all its data."""
    return data[key] if isinstance(data, dict) and key in data else data


def last_done(record: Record, steps: Sequence[StepTuple]) -> int:
    """Return the 1-based number of the highest done step, 0 when none is."""
    return max(
        (number for number, step in enumerate(steps, 1) if is_done(record, step[1])), default=0
    )


def first_open(record: Record, steps: Sequence[StepTuple]) -> int:
    """Return the 0-based index of the first step that is not done; len(steps) when all are."""
    return next(
        (index for index, step in enumerate(steps) if not is_done(record, step[1])), len(steps)
    )


def clear_from(record: Record, step_id: str, steps: Sequence[StepTuple]) -> Record:
    """Return a record in which `step_id` and all later steps are undone, their answers kept in `was`."""
    ids = [step[1] for step in steps]
    later = ids[ids.index(step_id) :]
    was = {**record.get("was", {}), **{key: record[key] for key in later if is_done(record, key)}}
    kept = {key: value for key, value in record.items() if key not in later and key != "was"}
    return {**kept, "was": was} if was else kept


def restore(snapshot: Record, current: Record) -> Record:
    """Return `snapshot`, but with what can never be taken back: the outward acts as `current` knows them."""
    kept = {key: value for key, value in snapshot.items() if key != "once"}
    return {**kept, "once": current["once"]} if current.get("once") else kept


def step_ids(record: Record) -> list[str]:
    """Return the ids of the steps that the record holds, in order."""
    return sorted((key for key in record if _STEP.fullmatch(key)), key=lambda key: int(key[5:]))
