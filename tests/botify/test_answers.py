"""Any answer becomes a value or one of our errors, never a traceback."""

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipulate.botify import answers
from pipulate.botify.answers import Analysis, AnalysisDetail, Collection, Job, Profile, Project, Row
from pipulate.botify.errors import BotifyError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["20240301", "2024-03-01T00:00Z"])
)
READERS: dict[str, Callable[[Any], Any]] = {
    "success data username first_name": Profile.read,
    "slug user login organization name": lambda a: Project.read(a, "me"),
    "slug status urls_done name": lambda a: Analysis.read(a, "success"),
    "features links links_graph config export_limit": lambda a: AnalysisDetail.read(a, "20240301"),
    "id date_start date_end timestamped": Collection.read,
    "datasets fields id": lambda a: answers.read_fields(a, "crawl.20240301"),
    "dimensions metrics": Row.read,
    (
        "job_id job_status payload export_job_name results download_url "
        "error failure_reason message metadata"
    ): Job.read,
}


def json_of(words: list[str]) -> st.SearchStrategy[Any]:
    """Any JSON, whose objects have these keys."""
    keys = st.sampled_from(words)
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6),
        max_leaves=20,
    )


@pytest.mark.parametrize("words", READERS)
@settings(max_examples=50)
@given(st.data())
def test_any_json_is_a_value_or_an_error_of_ours(words: str, data: st.DataObject) -> None:
    """Whatever the server says."""
    try:
        READERS[words](data.draw(json_of(words.split())))
    except BotifyError as e:
        assert len(str(e)) < 500


JSON = json_of(["error", "error_code", "message", "error_detail", "detail"])


@given(
    st.sampled_from([301, 400, 401, 402, 403, 404, 409, 429, 500, 599]),
    JSON.map(json.dumps).map(str.encode) | st.binary(),
    st.text(),
)
def test_any_refusal_is_an_error_of_ours(status: int, body: bytes, retry: str) -> None:
    """With a text of bearable length: what was asked for, or what to do about the token."""
    error = answers.refusal(status, body, {"retry-after": retry}, "the thing")
    assert isinstance(error, BotifyError)
    assert ("the thing" in str(error) or "token" in str(error)) and len(str(error)) < 900


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2024-03-01", date(2024, 3, 1)),
        ("20240301", date(2024, 3, 1)),
        ("2024-03-01T02:00:25.879995Z", date(2024, 3, 1)),
        ("2024-13-01", None),
        ("soon", None),
        (None, None),
        (20240301, date(2024, 3, 1)),
        ([], None),
    ],
)
def test_days_in_all_forms_seen(value: Any, day: date | None) -> None:
    """With dashes, without, with a time behind."""
    assert answers.day(value) == day
