"""Where the answers of a run stand: a changed file moves them by their keys.

PLACES    Each answer goes where the file now has the step of its key.  What
          has no place is kept in `gone`, by key, and comes back with its
          step.  New steps are open.  A form that has become work is
          another question, and so the other way.
VERSIONS  `upgrade` gets the record as the older version laid it out.  What it
          moves belongs to the steps that it moved it to.
"""

from collections.abc import Callable
from typing import Any

from pipulate.engine import record as rec
from pipulate.engine.errors import Incompatible
from pipulate.engine.record import Places, Record, knows

Upgrade = Callable[[Record, int], Record]


def fitted(record: Record, places: Places) -> Record:
    """Return the record as a file has its steps."""
    if knows(record, places):
        return record
    fit = Fit(record)
    for old, entry in record.get("asked", {}).items():
        held = {name: kept[old] for name, kept in fit.kept.items() if old in kept}
        if entry["key"] in places:
            fit.put(places[entry["key"]], entry, held)
        elif held:
            fit.gone[entry["key"]] = {**entry, **held}
    for key in [key for key in fit.gone if key in places]:
        if places[key] not in fit.asked:
            fit.put(places[key], *parted(fit.gone.pop(key)))
    return fit.record()


def turned(record: Record, others: list[str]) -> Record:
    """Return the record, where questions are others now with keys of their own for them."""
    if not others:
        return record
    asked = {**record["asked"]}
    for place in others:
        entry = asked[place]
        kind = "work"
        if "sent" in entry:
            kind = "form"
        key = f"{entry['key']} ({kind})"
        asked[place] = {**entry, "key": key}
    return {**record, "asked": asked}


class Fit:
    """A record's answers, on their way to other places."""

    def __init__(self, record: Record) -> None:
        asked = record.get("asked", {})
        was = record.get("was", {})
        self.kept = {"answer": record, "was": was}
        self.rest = rec.without(record, *asked)
        self.was = rec.without(was, *asked)
        self.gone = {**record.get("gone", {})}
        self.asked: Record = {}

    def put(self, place: str, entry: Record, held: Record) -> None:
        """Let an answer, or what was one, stand at a place."""
        if place in self.rest:  # written there by hand
            self.gone[place] = unknown(place, self.rest.pop(place))
        self.asked[place] = entry
        if "answer" in held:
            self.rest[place] = held["answer"]
        if "was" in held:
            self.was[place] = held["was"]

    def record(self) -> Record:
        """Return it as it is now."""
        parts = {"asked": self.asked, "was": self.was, "gone": self.gone}
        full = {key: part for key, part in parts.items() if part}
        return rec.without(self.rest, *parts) | full


def unknown(place: str, data: Any, name: str = "answer") -> Record:
    fields = dict.fromkeys(data, "") if isinstance(data, dict) else {}
    return {"key": place, "fields": fields, name: data}


def parted(entry: Record) -> tuple[Record, Record]:
    held = {str(name): entry[name] for name in ("answer", "was") if name in entry}
    return rec.without(entry, *held), held


def upgraded(record: Record, places: Places, version: int, upgrade: Upgrade | None) -> Record:
    """Return the record as this version has it; raises Incompatible."""
    wrote = record.get("version", 1)
    if wrote == version:
        return record  # another tab was first
    if wrote > version or upgrade is None:
        raise Incompatible(
            f"This run was written by version {wrote} of its workflow; installed is "
            f"version {version}, which has no way to convert it. Its answers are safe: "
            "export the run, or begin a new one under another ID."
        )
    asked = {**record.get("asked", {})}
    new = {**upgrade(rec.without(record, "asked"), wrote), "version": version}
    if asked:
        keys = {place: key for key, place in places.items()}
        stood = [record[place] for place in asked if place in record]
        for place in rec.step_ids(new):
            converted = place in asked and new[place] not in stood
            if not converted and new[place] != record.get(place):
                asked[place] = {"key": keys.get(place, place), "fields": {}}
        new["asked"] = asked
    return rec.restore(new, record)
