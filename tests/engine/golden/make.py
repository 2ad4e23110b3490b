"""Write the golden record of the present version: `python -m tests.engine.golden.make`, once
for every release.

A golden record is one JSON file: the SQL that made that version's tables, all rows of a data
folder in which every kind of thing has happened, and what an engine must make of them.  Files
of released versions are never written again.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from pipulate import __version__
from pipulate.botify.urls import run_id
from pipulate.engine.exchange import export, import_run, stored
from pipulate.engine.pipeline import Kind, Pipulate
from pipulate.engine.schema import SCHEMA
from pipulate.engine.store import Store

STEPS = [("name", "step_01", "Name"), ("quest", "step_02", "Quest"), ("color", "step_03", "Color")]
#: Tables that hold rows of their own; the others are kept by triggers, or are caches.
TABLES = (
    "pipeline",
    "history",
    "quarantine",
    "store",
    "job",
    "profile",
    "task",
    "trash",
    "conversation",
    "message",
    "memory",
    "prompt",
    "proposal",
)


def happen(store: Store) -> None:
    """Let happen in a data folder all that may."""
    bridge = Pipulate(store, "bridge", run_id)
    texts = ("Arthur", "I seek the Grail", "blue")

    def run(id: str, done: int, **named: Any) -> None:
        bridge.initialize_if_missing(id, **named)
        for (key, step_id, _), text in list(zip(STEPS, texts, strict=True))[:done]:
            bridge.set_step_data(id, step_id, {key: text})

    run("begun", 0)
    run("half done", 2, profile_id=2)
    run("done", 3)
    run("Zoë 🏰 \"quoted\" 'id'", 1)
    run("https://app.botify.com/acme/shop/overview", 1)
    run("finalized", 3)
    bridge.finalize("finalized")
    run("unlocked", 3)
    bridge.finalize("unlocked")
    bridge.unfinalize("unlocked")
    run("reverted", 3)
    bridge.clear_steps_from("reverted", "step_02", STEPS)
    run("undone", 3)
    bridge.clear_steps_from("undone", "step_01", STEPS)
    bridge.undo("undone")
    run("emptied", 2)
    bridge.set_step_data("emptied", "step_02", {"quest": ""})
    run("version 2", 1, initial={"version": 2})
    run("upgraded", 1)
    version = {"version": 2}
    bridge.change("upgraded", "upgrade to 2", lambda r: {**r, **version}, kind=Kind.UPGRADE)
    run("acted", 2)
    begun = {"begun": "2026-11-23T19:10:00+00:00", "nonce": "1234abcd"}
    acts = {
        "export:links:0123456789ab": {**begun, "result": {"id": 7}},
        "export:pages:0123456789ab": begun,
    }
    bridge.checkpoint("acted", lambda record: {**record, "once": acts})
    run("deleted", 3, profile_id=2)
    bridge.delete("deleted")
    run("damaged and repaired", 2)
    store.write("UPDATE pipeline SET data = '{\"step_01\"' WHERE id = 'damaged and repaired'")
    bridge.repair("damaged and repaired")
    import_run(bridge, {**export(stored(bridge, "done")), "id": "imported"})
    Pipulate(store, "petite").initialize_if_missing("done", {"step_01": {"other": "workflow"}})
    store["pipeline_id"], store["profile_id"] = "done", 2
    store.write(
        """INSERT INTO job (workflow, id, step_id, state, owner)
           VALUES ('bridge', 'acted', 'step_03', 'running', 'x')"""
    )
    tables, at = store.db.t, "2026-11-23T19:10:00+00:00"
    tables.profile.insert(
        id=2, name="Client", menu_name="C", address="https://example.com", code="GB", priority=1
    )
    tables.task.insert(name="Find the Grail", done=1, priority=3, profile_id=2)
    store.write("INSERT INTO trash (at, kind, data) VALUES (?, 'task', '{}')", at)
    tables.conversation.insert(title="Grail", created=at)
    tables.message.insert(conversation_id=1, role="user", content="Where is it?", at=at)
    store.write(
        """INSERT INTO memory (id, kind, key, content, at)
           VALUES ('m1', 'fact', 'color', 'He likes blue', ?)""",
        at,
    )
    store.write("INSERT INTO prompt (text, at, author) VALUES ('Be brief.', ?, 'user')", at)


def expected(store: Store) -> dict[str, Any]:
    """Return what the engine makes of it."""
    bridge = Pipulate(store, "bridge")
    ids = [row["id"] for row in bridge.runs(limit=99)]
    return {
        "states": {id: bridge.get_state(id) for id in ids},
        "summaries": {id: bridge.get_step_summary(id, "result", STEPS)[1] for id in ids},
        "undoable": {id: _undoable(bridge, id) for id in ids},
    }


def _undoable(engine: Pipulate, id: str) -> str | None:
    act = engine.undoable(id)
    return act.words if act else None


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name) / "pipulate.db")
        happen(store)
        golden = {
            "version": __version__,
            "schema": SCHEMA,
            "expected": expected(store),
            "rows": {table: store.read(f"SELECT * FROM {table}") for table in TABLES},
        }
        store.close()
    path = Path(__file__).with_name(f"{__version__}.json")
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
