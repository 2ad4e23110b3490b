"""The choice of a small model: narrowed by examples, forced by a schema, and skipped where
it is plain.
"""

import json
from pathlib import Path

import pytest

from pipulate.chat.desk import Desk
from pipulate.chat.providers import ToolCall
from pipulate.chat.router import CHOICE, TALK, choose, examples, rank
from pipulate.chat.tools import TOOLS, schema
from pipulate.engine.settings import Settings
from tests.chat.fakes import FakeModel, make_desk

REQUESTS = [
    tuple(row)
    for row in json.loads(Path(__file__).with_name("requests.json").read_text("utf-8"))["requests"]
]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a desk."""
    return make_desk(tmp_path)


def test_the_examples_are_right() -> None:
    """Each names a tool, gives all it needs, and differs from every request of the
    measuring set.
    """
    found, weights = examples()
    asked = {text.casefold() for text, *_ in REQUESTS}
    for one in found:
        assert one.tool in TOOLS or one.tool == TALK, one
        if one.tool in TOOLS:
            needed = set(schema(TOOLS[one.tool])["required"]) - {
                "statement"
            }  # SQL is written in a second question
            assert needed <= set(one.arguments) <= set(schema(TOOLS[one.tool])["properties"]), one
        assert one.text.casefold() not in asked and one.marks <= set(weights), one
    assert {one.tool for one in found} == {*TOOLS, TALK} - {"change_prompt"}


def test_words_alone_come_near() -> None:
    """The right tool is among the few that the model chooses from, for nearly all of our
    own requests.
    """
    places = [[name for name, _ in rank(text)].index(tool or TALK) for text, tool, _ in REQUESTS]
    among = sum(place < CHOICE for place in places) / len(places)
    assert len(REQUESTS) >= 60 and among >= 0.9 and places.count(0) / len(places) >= 0.75, (
        among,
        places.count(0),
    )


@pytest.mark.parametrize(
    "text", ["hello, how are you?", "", "?!", "xyzzy", "😀", "thank you, that was helpful"]
)
async def test_small_talk_asks_nobody(text: str) -> None:
    """The answer may begin at once."""
    assert await choose(FakeModel(), text) is None


async def test_a_plain_request_without_arguments_asks_nobody() -> None:
    """It is clear what is meant, and there is nothing to fill in."""
    assert await choose(FakeModel(), "show my todo list") == ToolCall("list_tasks", {})


async def test_the_model_fills_in_the_arguments() -> None:
    """If the tool is plain, the schema allows just that one."""
    model = FakeModel('{"tool": "forget", "memory": "shoe size"}')
    assert await choose(model, "forget my shoe size") == ToolCall("forget", {"memory": "shoe size"})
    (shape,) = model.options[0]["schema"]["anyOf"]
    assert shape["properties"] == {"tool": {"const": "forget"}, "memory": {"type": "string"}}
    assert shape["required"] == ["tool", "memory"] and model.options[0]["max_tokens"]


async def test_the_model_chooses_among_three() -> None:
    """In doubt it has the likeliest few; all but the last line of the question is always
    the same.
    """
    model = FakeModel('{"tool": "recall", "about": "colour"}', '{"tool": "talk"}')
    assert await choose(model, "what is my favourite colour?") == ToolCall(
        "recall", {"about": "colour"}
    )
    assert await choose(model, "what is PageRank?") is None
    names = [
        [shape["properties"]["tool"]["const"] for shape in options["schema"]["anyOf"]]
        for options in model.options
    ]
    assert all(len(few) == CHOICE for few in names) and "recall" in names[0] and TALK in names[1]
    assert (
        model.asked[0][:-1] == model.asked[1][:-1]
        and model.asked[0][-1]["content"] == "what is my favourite colour?"
    )


@pytest.mark.parametrize(
    "said", ["", "{", "[]", "null", '{"tool": "shell", "command": "rm"}', '{"name": "x"}', '"talk"']
)
async def test_nonsense_means_talk(said: str) -> None:
    """A model that disobeys its schema chooses nothing."""
    assert await choose(FakeModel(said), "delete the task about invoices") is None


async def test_an_empty_argument_is_left_out() -> None:
    """So that what is optional stays so."""
    assert await choose(
        FakeModel('{"tool": "recall", "about": ""}'), "what do you remember of me?"
    ) == ToolCall("recall", {})


async def test_queries_are_written_with_the_tables_in_sight(desk: Desk) -> None:
    """A second question shows the tables; without a desk or a graph there is none."""
    text = "how many tasks have I finished in total?"
    model = FakeModel('{"statement": "SELECT count(*) FROM task WHERE done"}')
    assert await choose(model, text, desk) == ToolCall(
        "query_data", {"statement": "SELECT count(*) FROM task WHERE done"}
    )
    assert (
        "task (id, name, done" in model.asked[0][0]["content"]
        and model.asked[0][1]["content"] == text
    )
    assert await choose(FakeModel(), text) == ToolCall("query_data", {})
    desk.settings = Settings(downloads=desk.store.folder / "downloads")
    assert await choose(FakeModel(), "list all orphan pages", desk) == ToolCall(
        "query_links", {"statement": "?"}
    )


async def test_of_a_link_graph_only_a_filter_is_asked(desk: Desk, tmp_path: Path) -> None:
    """The schema knows this graph's columns; what comes of it is a query."""
    from pipulate.graph import edges

    (tmp_path / "links.csv").write_text(
        "source,target\nhttps://a.example/,https://a.example/x\n", "utf-8"
    )
    desk.settings = Settings(downloads=tmp_path / "downloads")
    edges.build(
        tmp_path / "links.csv",
        None,
        desk.settings.downloads / "link-graph/acme/shop/shop_20260101.graph",
    )
    model = FakeModel('{"show": "pages", "where": "orphan = 1", "order": ""}', "nonsense")
    statement = "SELECT url, orphan FROM pages WHERE orphan = 1"
    assert await choose(model, "list all orphan pages", desk) == ToolCall(
        "query_links", {"statement": statement}
    )
    assert "dead_end" in model.options[0]["schema"]["properties"]["where"]["pattern"]
    assert await choose(model, "list all orphan pages", desk) == ToolCall(
        "query_links", {"statement": "?"}
    )


@pytest.mark.model
async def test_the_real_small_model_chooses_right() -> None:
    """Of the requests that nothing was tuned on, at least five of six get the right tool
    and arguments.
    """
    from bench.bench_tools import lists, measure
    from pipulate.chat.embedded import Embedded
    from tests.chat.test_real_model import file

    model = Embedded(file("qwen-0.5b"))
    try:
        counts = await measure(model, lists()["held_out"])
    finally:
        await model.stop()
    print(counts)
    assert counts["with arguments"] >= counts["requests"] * 5 / 6
