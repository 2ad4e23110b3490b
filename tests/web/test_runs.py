"""Choosing a run: the card that asks for its ID, and the list that says how far each is."""

from fastcore.xml import to_xml

from pipulate.engine.discovery import load
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import PACKAGE
from pipulate.engine.store import Store
from pipulate.engine.workflow import Workflow
from pipulate.web.runs import deleted_row, id_card, recent, run_row, run_state

(FLOW,) = load(PACKAGE / "workflows" / "bridge.py")


def test_the_card_asks_for_an_id():
    """A known one can be opened, a new one begun; what is missing or wrong is said."""
    assert ">Begin<" in to_xml(id_card(FLOW))
    assert ">Open<" in to_xml(id_card(FLOW, "arthur"))
    missing = to_xml(id_card(FLOW, "arthur", missing=True))
    assert ">Begin<" in missing and "There is no run “arthur” yet." in missing
    wrong = to_xml(id_card(FLOW, "x" * 9000, error="Too long."))
    assert 'role="alert"' in wrong and 'aria-invalid="true"' in wrong and len(wrong) < 3000


def test_how_far_a_run_is(tmp_path):
    """In a few words, whatever state its record is in."""
    engine = Pipulate(Store(tmp_path / "pipulate.db"), "bridge")
    engine.initialize_if_missing("arthur")

    def state(flow=FLOW):
        return run_state(flow, engine, engine.row("arthur"))

    assert state() == "0 of 3 · next: What... is your name?"
    for number, key in enumerate(("name", "quest", "color"), 1):
        engine.set_step_data("arthur", f"step_{number:02d}", {key: "x"})
    assert state() == "complete" and state(None) == "3 steps"
    engine.finalize("arthur")
    assert state() == "finalized"
    assert run_state(FLOW, engine, {"id": "arthur", "data": "{oops", "rev": 1}) == "damaged"
    engine.store.close()


def test_steps_that_are_not_there_are_not_counted(tmp_path):
    """Nor are answers of a changed file taken for others'."""
    flow = Workflow("some")
    flow.step("a", "A")(lambda run: None)
    flow.step("b", "B", when=lambda run: False)(lambda run: None)
    flow.step("c", "C")(lambda run: None)
    engine = flow.engine(Store(tmp_path / "pipulate.db"))
    engine.initialize_if_missing("x")
    assert run_state(flow, engine, engine.row("x")) == "0 of 3 · next: A"
    engine.set_step_data("x", "step_01", {"a": 1})
    assert run_state(flow, engine, engine.row("x")) == "1 of 2 · next: C"
    engine.store.close()


def test_a_row_leads_to_its_run_whatever_the_id(tmp_path):
    """The address is spelled as one, the words as text."""
    row = {"id": "a&b <c>", "workflow": "bridge", "data": "{}", "rev": 1, "updated": "2026-01-01"}
    engine = Pipulate(Store(tmp_path / "pipulate.db"), "bridge")
    shown = to_xml(run_row(row, FLOW, engine, workflow="bridge", profile="C."))
    engine.store.close()
    assert "/bridge?id=a%26b+%3Cc%3E" in shown and "a&amp;b &lt;c&gt;" in shown
    assert "bridge · " in shown and " · C." in shown
    gone = to_xml(deleted_row("/bridge/undelete?id=x", "<c>"))
    assert "Deleted “&lt;c&gt;”." in gone and 'hx-post="/bridge/undelete?id=x"' in gone


def test_the_newest_runs_are_listed(tmp_path):
    """With a field that searches the others."""
    engine = Pipulate(Store(tmp_path / "pipulate.db"), "bridge")
    assert "No runs yet." in to_xml(recent(engine, FLOW))
    for id in ("first", "second"):
        engine.initialize_if_missing(id)
    shown = to_xml(recent(engine, FLOW))
    assert shown.index("second") < shown.index("first") and 'hx-get="/bridge/runs"' in shown
    engine.store.close()
