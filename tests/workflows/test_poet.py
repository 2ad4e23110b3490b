"""The Poet: the model writes once, the user has the last word; without a model, the user writes."""

import pytest

from pipulate import Invalid
from pipulate.commands.run import Terminal
from pipulate.workflows.poet import check_poem

ANSWERS = {"subject": "A frog", "form": "haiku", "mood": "serene"}


async def test_a_model_writes_and_no_more_lines_than_the_form_has(play, monkeypatch):
    """What it writes is offered; untouched, it is the poem."""

    async def ask(self, prompt):
        assert "serene haiku of exactly 3 short lines about: A frog" in prompt
        for piece in ("An old pond\n\n", "  A frog jumps\nSpla", "sh\nAnd a fourth"):
            yield piece

    monkeypatch.setattr(Terminal, "ask", ask)
    run, result = await play("poet", **ANSWERS)
    assert run["draft"]["lines"] == ["An old pond", "A frog jumps", "Splash"]
    assert "<p>Splash</p>" in result and "a serene haiku" in result


async def test_without_a_model_the_user_writes(play):
    """The card says why it is empty, and takes what is written."""
    run, result = await play("poet", **ANSWERS, poem="Mine\nalone")
    assert run["draft"]["lines"] == [] and "No model answers" in run["draft"]["note"]
    assert "<p>Mine</p>" in result and "<p>alone</p>" in result
    assert "a serene poem" in result  # two lines are no haiku


def test_a_poem_ends():
    """Twenty lines."""
    assert check_poem(None, {"poem": "line\n" * 20})
    with pytest.raises(Invalid):
        check_poem(None, {"poem": "line\n" * 21})
