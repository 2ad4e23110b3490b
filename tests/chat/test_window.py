"""What fits a window: turns go whole and oldest first, nothing is lost, the estimate is not
too low.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.chat.providers import Message, ModelError
from pipulate.chat.window import fit, summarise, tokens
from tests.chat.fakes import FakeModel

SYSTEM: Message = {"role": "system", "content": "You help."}


def conversation(turns: int, words: int = 20) -> list[Message]:
    """Return a system prompt and so many turns."""
    said = "word " * words
    return [SYSTEM] + [
        message
        for turn in range(turns)
        for message in (
            {"role": "user", "content": f"{turn}: {said}"},
            {"role": "assistant", "content": said},
        )
    ]


def test_what_fits_stays() -> None:
    """A short conversation is sent whole."""
    messages = conversation(3)
    assert fit(messages, 4096) == (messages, [])


def test_the_oldest_turns_go_and_are_returned() -> None:
    """Nothing is lost between what is sent and what is left out, and what is sent begins
    with a question.
    """
    messages = conversation(40)
    sent, left = fit(messages, 1000)
    assert left and [SYSTEM, *left, *sent[1:]] == messages
    assert sent[0] == SYSTEM and sent[1]["role"] == "user" and sent[-1] == messages[-1]


def test_the_summary_stands_after_the_prompt() -> None:
    """With a summary the same turns stay, and the system prompt still begins the same."""
    messages = conversation(40)
    _, left = fit(messages, 1000)
    again, left_again = fit(messages, 1000, "They greeted.")
    assert len(left_again) <= len(left)
    assert again[0]["content"].startswith("You help.") and again[0]["content"].endswith(
        "They greeted."
    )
    assert again[1:] == messages[1 + len(left_again) :]


def test_a_tools_result_keeps_its_question() -> None:
    """Turns go whole: the first message after the prompt is never a result or an answer."""
    call = {"id": "1", "type": "function", "function": {"name": "list", "arguments": "{}"}}
    turn = [
        {"role": "user", "content": "x" * 300},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "y" * 600, "name": "list"},
        {"role": "assistant", "content": "z" * 100},
    ]
    sent, left = fit([SYSTEM, *turn * 10], 2000)
    assert left and sent[1]["role"] == "user" and len(left) % 4 == 0


def test_too_long_is_said() -> None:
    """A last message longer than the window is an error with a way out, never a cut."""
    with pytest.raises(ModelError, match="Shorten the message"):
        fit([*conversation(2), {"role": "user", "content": "x " * 5000}], 2048)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.integers(0, 30),
    st.integers(0, 60),
    st.integers(300, 3000),
    st.sampled_from(["", "A summary."]),
)
def test_never_over_the_window(turns: int, words: int, window: int, summary: str) -> None:
    """Whatever is sent leaves a quarter of the window free, by the estimate."""
    messages = [*conversation(turns, words), {"role": "user", "content": "And?"}]
    sent, left = fit(messages, window, summary)
    assert sum(tokens(message["content"]) for message in sent) <= window * 3 / 4
    assert sent[-1] == messages[-1] and len(sent) + len(left) == len(messages)


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("The quick brown fox jumps over the lazy dog.", 10),
        ("https://www.example.com/shop/shoes?id=12345", 15),
        ("1,234,567 impressions", 10),
        ("def add(a, b):\n    return a + b", 11),
        ("Grüße aus Österreich", 5),
        ("北京大学是一所大学", 4),
        ("", 0),
    ],
)
def test_the_estimate_is_not_too_low(text: str, real: int) -> None:
    """Against counts of Qwen's own tokenizer: hardly less, at most 2.3 times as many."""
    assert real * 0.9 <= tokens(text) <= real * 2.3


@settings(deadline=None)  # a busy machine is no failure
@given(st.text())
def test_any_text_has_an_estimate(text: str) -> None:
    """Any Unicode is counted; more text never counts less."""
    assert 0 <= tokens(text) <= tokens(text + "x")


async def test_summarise_reads_everything_in_pieces() -> None:
    """However long the text and small the window, each part is read, and no question
    exceeds the window.
    """
    model = FakeModel(*["", *["short"] * 200], window=600)
    text = " ".join(f"word{n}" for n in range(1500)) + "日本" * 300
    assert await summarise(model, [{"role": "user", "content": text}]) == "short"
    assert all(tokens(asked[0]["content"]) < 600 for asked in model.asked)
    assert all(option["max_tokens"] == 60 for option in model.options)
    read = "".join(
        asked[0]["content"].split("goes on:\n")[1].split("\n\nWrite the")[0]
        for asked in model.asked
    )
    assert read == f"user: {text}"
