"""What is out of order, shown where it stands: an author's code, a file, a run."""

import html
from pathlib import Path

import pytest
from fastcore.xml import to_xml

from pipulate.engine.errors import Corrupt, Incompatible, PipulateError
from pipulate.engine.workflow import Workflow
from pipulate.web.faults import MEND, damaged, fault, faulty

CODE = """
def card(run):
    return 1 / 0
"""


def told(error: BaseException) -> str:
    """Return what is shown of an error, as text."""
    return html.unescape(to_xml(faulty(fault(error)), indent=False))


def test_an_authors_code_is_shown_by_its_line_with_the_way_on(tmp_path: Path) -> None:
    """What, where, what stands there, what to do; the whole way to it on demand."""
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    names: dict[str, object] = {}
    exec(compile(CODE, str(path), "exec"), names)
    with pytest.raises(ZeroDivisionError) as caught:
        names["card"](None)  # type: ignore[operator]
    text = told(caught.value)
    for part in ("ZeroDivisionError", "mine.py, line 3", "return 1 / 0", MEND, "Where it failed"):
        assert part in text


def test_what_is_no_authors_is_shown_in_words_alone() -> None:
    """No line of ours is theirs to mend."""
    text = told(PipulateError("Botify is down."))
    assert "Botify is down." in text
    assert MEND not in text and "Traceback" not in text


@pytest.mark.parametrize(
    ("error", "mends"), [(Corrupt("It is damaged."), True), (Incompatible("It is newer."), False)]
)
def test_only_a_damaged_run_offers_its_last_good_state(error: PipulateError, mends: bool) -> None:
    """One of a newer version is whole."""
    text = to_xml(damaged(Workflow("bridge"), "arthur", error), indent=False)
    assert str(error) in text
    assert ("/bridge/repair?id=arthur" in text) == mends
