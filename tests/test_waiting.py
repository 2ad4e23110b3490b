"""Tests wait for what they ask, never for a time: green on a busy machine, or red for a reason.

SLEEP     Nothing sleeps for a while.  Only a test whose point is the moment, as when a server is
          killed, may.
LOOK      After an act in the browser the page is asked by `expect`, which waits, and not by a look
          that sees what is there by chance.
DEADLINE  What is waited for in a browser may take as long as tests/conftest.py says, or longer.
END       What a child prints is read to its end, too: `iter(readline, line)` waits for a line
          of one that has died.
OVERTAKEN With --dev a page in front draws itself anew when a workflow file was saved: who saves one
          and goes elsewhere at once keeps the page `behind`.
POLICY    `wait_for_function` evaluates a text as soon as it looks twice, which our pages forbid.

A planted breach of each kind proves that it is found.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PATIENCE

HERE = Path(__file__).parent
MOMENTS = {"trust/test_crash_server.py", "trust/test_template.py"}
ACTS = {
    "check",
    "click",
    "dblclick",
    "dispatch_event",
    "fill",
    "press",
    "select_option",
    "set_input_files",
    "type",
    "uncheck",
}
MOVES = {"goto", "reload", "go_back"}
LOOKS = {
    "all",
    "all_inner_texts",
    "all_text_contents",
    "count",
    "get_attribute",
    "inner_html",
    "inner_text",
    "input_value",
    "is_checked",
    "is_disabled",
    "is_enabled",
    "is_hidden",
    "is_visible",
    "text_content",
}


def name(call: ast.Call) -> str:
    """Return the last part of what is called."""
    match call.func:
        case ast.Attribute(attr=found) | ast.Name(id=found):
            return found
    return ""


def calls(node: ast.AST) -> list[ast.Call]:
    """Return the calls in it."""
    return [part for part in ast.walk(node) if isinstance(part, ast.Call)]


def breaches(code: str, browser: bool = True) -> Iterator[tuple[int, str]]:
    """Yield line and kind of each."""
    tree = ast.parse(code)
    for call in calls(tree):
        if ast.unparse(call.func) == "time.sleep":
            yield call.lineno, "SLEEP"
        if name(call) == "wait_for_timeout":
            yield call.lineno, "SLEEP"
        if name(call) == "wait_for_function":
            yield call.lineno, "POLICY"
        if name(call) == "iter" and "readline" in ast.unparse(call):
            yield call.lineno, "END"
        if browser and any(map(short, call.keywords)):
            yield call.lineno, "DEADLINE"
    if browser:
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                yield from looks(function)
                if "behind(" not in code:
                    yield from overtaken(function)


def short(keyword: ast.keyword) -> bool:
    """Say whether this is a deadline that a busy machine may miss."""
    match keyword:
        case ast.keyword(arg="timeout", value=ast.Constant(value=int() | float() as given)):
            return given < PATIENCE * 1000
    return False


def looks(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    """Yield the assertions that look at the page before anything was waited for after an act."""
    acted = False
    for part in in_order(function.body):
        found = {name(call) for call in calls(part)}
        if isinstance(part, ast.Assert) and acted and found & LOOKS:
            yield part.lineno, "LOOK"
        if found & ACTS:
            acted = True
        elif found and not isinstance(part, ast.Assert):
            acted = False  # whatever it is: `expect`, a helper that waits, a question


def overtaken(function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    """Yield the moves right after a workflow file was saved under an open page."""
    is_open = saved = False
    for part in in_order(function.body):
        if saved and {name(call) for call in calls(part)} & MOVES:
            yield part.lineno, "OVERTAKEN"
        text = ast.unparse(part)
        saved = is_open and ("save(" in text or ".py').write_text(" in text)
        is_open |= bool(re.search(r"\b(page|card)\b", text))


def in_order(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that have no others in them, in the order of the text."""
    for part in body:
        inside = [getattr(part, field, []) for field in ("body", "orelse", "finalbody")]
        if any(inside):
            for block in inside:
                yield from in_order(block)
        else:
            yield part


FILES = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_every_test_waits_for_what_it_asks(file: str) -> None:
    """No breach in any file of tests."""
    found = list(breaches((HERE / file).read_text(encoding="utf-8"), file.startswith("browser/")))
    if file in MOMENTS:
        found = [(line, kind) for line, kind in found if kind != "SLEEP"]
    assert not found, f"{file}: {found}; see {Path(__file__).name}"


PLANTED = {
    "time.sleep(1)": "SLEEP",
    "page.wait_for_timeout(1)": "SLEEP",
    "page.wait_for_function('x')": "POLICY",
    "list(iter(process.stdout.readline, 'Ready'))": "END",
    "expect(page).to_have_url('/', timeout=5_000)": "DEADLINE",
    "page.click('a')\n    assert page.locator('b').count() == 1": "LOOK",
    "page.goto('/')\n    (folder / 'x.py').write_text('')\n    page.reload()": "OVERTAKEN",
    "begin(page)\n    save(step())\n    page.goto('/')": "OVERTAKEN",
    "with it:\n        it.press('Enter')\n    assert it.is_visible()": "LOOK",
}
HARMLESS = (
    "page.click('a')\n    expect(it).to_be_visible()\n    assert it.count() == 1",
    "page.goto('/')\n    assert page.locator('b').count() == 1",
    "expect(page).to_have_url('/', timeout=60_000)",
    "assert model.wait(PATIENCE)",
    "(folder / 'x.py').write_text('')\n    page.goto('/')",
    "begin(page)\n    save(step())\n    expect(it).to_be_visible()\n    page.goto('/')",
)


@pytest.mark.parametrize("body", PLANTED)
def test_planted_breaches_are_found(body: str) -> None:
    """Each by its kind."""
    assert [kind for _, kind in breaches(f"def test(page):\n    {body}")] == [PLANTED[body]]


@pytest.mark.parametrize("body", HARMLESS)
def test_what_waits_is_none(body: str) -> None:
    """Nor is a look after waiting."""
    assert not list(breaches(f"def test(page):\n    {body}"))
