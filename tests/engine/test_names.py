"""Whose a name is: whatever files there are, each name has one, and who has none is told."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.engine.errors import Invalid
from pipulate.engine.fault import Fault
from pipulate.engine.found import Broken, Helper
from pipulate.engine.names import File, check, free, settle
from pipulate.engine.workflow import Workflow

NAMES = st.sampled_from(["a", "b", "c"])
ITEMS = st.one_of(
    st.lists(st.builds(Workflow, NAMES, formerly=st.sampled_from(["", "a", "b", "old"]))),
    st.just("helper"),
    st.just("broken"),
)


def file(place: int, stem: str, found) -> File:
    """Return a file as it is read."""
    path = Path(f"/{place}/{stem}.py")
    if found == "broken":
        return File(path, place, [Broken(stem, path, Fault("bad"))], [])
    if found == "helper" or not found:
        return File(path, place, [Helper(stem, path)], [])
    items = list({flow.name: flow for flow in found}.values())
    return File(path, place, items, [flow.name for flow in items])


@st.composite
def folders(draw: st.DrawFn) -> list[File]:
    """Return the files of two folders, some of which import another's workflow."""
    made = {}
    for place, stem in draw(st.sets(st.tuples(st.integers(0, 1), NAMES), max_size=6)):
        made[place, stem] = file(place, stem, draw(ITEMS))
    return list(made.values())


@given(files=folders(), data=st.data())
@settings(max_examples=400, deadline=None)
def test_each_name_has_one_holder_and_the_others_are_told(files: list[File], data) -> None:
    """In whatever order the files were read."""
    claims, replaced = settle(files, {"c"})
    assert claims == settle(data.draw(st.permutations(files)), {"c"}).claims
    assert all(name == claim.item.name for name, claim in claims.items())
    told = {claim.item.path for claim in claims.values() if isinstance(claim.item, Broken)}
    for each in files:
        for item in each.items:
            holder = claims[item.name]
            if isinstance(item, Helper) or holder.item is item:
                continue
            assert holder.file.place <= each.place  # the later folder has the last word
            earlier = holder.file.place < each.place
            assert earlier or each.path in told
            assert earlier == any(str(each.path) in line for line in replaced) or not earlier


@given(files=folders())
@settings(max_examples=400, deadline=None)
def test_no_two_have_been_one_and_none_was_a_live_one(files: list[File]) -> None:
    """Who is served with a former name is the only one who can have its runs."""
    claims = settle(files, ()).claims
    live = {name: c.item for name, c in claims.items() if isinstance(c.item, Workflow)}
    former = [flow.formerly for flow in live.values() if flow.formerly not in ("", flow.name)]
    assert len(former) == len(set(former)) and not set(former) & set(live)


def test_a_workflow_that_is_imported_is_no_second_one() -> None:
    """It is the same; the file with its name is its home."""
    flow = Workflow("a")
    files = [File(Path(f"/0/{stem}.py"), 0, [flow], ["a"]) for stem in ("_b", "a", "z")]
    claims = settle(files, ()).claims
    assert [*claims] == ["a"] and claims["a"].file.path.stem == "a"


@pytest.mark.parametrize(
    ("names", "says"),
    [(["tasks"], "no page's name"), (["A"], "small letters"), (["a", "a"], "Two workflows")],
)
def test_a_name_that_no_file_may_give(names: list[str], says: str) -> None:
    """A page's, one that is no address, one that it gave already."""
    with pytest.raises(Invalid, match=says):
        check(names, {"tasks"})
    check(["a", "a-b_2"], {"tasks"})


def test_a_file_without_a_name_is_called_as_it_is() -> None:
    """With its ending, where it would be taken for another."""
    path = Path("/0/tasks.py")
    assert free(path, ()) == "tasks" and free(path, {"tasks"}) == "tasks.py"
