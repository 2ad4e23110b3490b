"""The progress bar in parts: whatever goes on beside it, what each part did adds up."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipulate.engine.bar import Part
from pipulate.engine.errors import PipulateError

Told = list[tuple[float | None, str]]


def bar() -> tuple[Part, Told]:
    """Return a whole bar, and what it tells."""
    told: Told = []
    return Part(None, lambda fraction, message: told.append((fraction, message))), told


def test_a_part_moves_the_bar_through_its_share() -> None:
    """The next one goes on where it ended; its words stand until there are others."""
    whole, told = bar()
    with whole.part(0.35, "Reading") as reading:
        reading.progress(0.5)
        reading.progress(None, "a name")
    with whole.part(0.65) as rest:
        rest.progress(1.0, "all")
    assert [(round(fraction or 0, 3), words) for fraction, words in told] == [
        (0.0, "Reading"),
        (0.175, "Reading"),
        (0.175, "a name"),
        (0.35, ""),
        (1.0, "all"),
    ]


def test_parts_are_nested_and_found_by_where_the_code_is() -> None:
    """What is reported belongs to the innermost part, and to the one around it after its end."""
    whole, told = bar()
    with whole.part(0.5, "Half"):
        with whole.present().part(0.5):
            whole.present().progress(0.5)
        whole.present().progress(1.0)
    whole.present().progress(0.9)
    assert [fraction for fraction, _ in told] == [0.0, 0.0, 0.125, 0.5, 0.9]


def test_nothing_is_known_of_a_bar_that_says_so() -> None:
    """None leaves the whole bar unknown; in a part only the words change."""
    whole, told = bar()
    whole.progress(0.5)
    whole.progress(None, "who knows")
    assert told == [(0.5, ""), (None, "who knows")]


def test_a_share_is_no_percentage() -> None:
    """35 for 35 % is told at once."""
    with pytest.raises(PipulateError, match=r"such as 0\.35"):
        bar()[0].part(35)


async def test_tasks_report_to_their_own_parts() -> None:
    """At once, without a word of which: each task is in the part that it entered."""
    whole, told = bar()
    both = asyncio.Barrier(2)

    async def half() -> None:
        with whole.present().part(0.5):
            await both.wait()
            await asyncio.to_thread(lambda: whole.present().progress(0.5))
            await both.wait()

    await asyncio.gather(half(), half())
    assert max(fraction or 0 for fraction, _ in told) == 0.5
    assert whole.rest() == 1.0  # it is full, so what follows begins anew


@pytest.fixture
def eager() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager")
def test_threads_report_at_once() -> None:
    """Nothing is lost between threads: what they did adds up exactly."""
    whole, told = bar()
    start = threading.Barrier(8)

    def work(_: int) -> None:
        start.wait()
        for _ in range(500):
            with whole.part(1 / 4000) as part:
                part.progress(0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    whole.tell()
    assert told[-1][0] == pytest.approx(1.0)


Tree = st.recursive(
    st.lists(st.floats(0, 1), max_size=4),
    lambda inner: st.lists(inner, min_size=1, max_size=4),
    max_leaves=12,
)


@given(Tree)
def test_the_bar_never_goes_back(tree: list[object]) -> None:
    """However parts are nested: within them it only grows, and it ends at 1."""
    whole, told = bar()

    def walk(items: list[object]) -> None:
        here = whole.present()
        if all(isinstance(item, float) for item in items):
            for fraction in sorted(items):  # type: ignore[type-var]
                here.progress(fraction)  # type: ignore[arg-type]
            here.progress(1.0)
            return
        for item in items:
            with here.part(1 / len(items)):
                walk(item)  # type: ignore[arg-type]

    walk(tree)
    whole.tell()
    places = [fraction or 0.0 for fraction, _ in told]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(places))
    assert places[-1] == pytest.approx(1.0)
