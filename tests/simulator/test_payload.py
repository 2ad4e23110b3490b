"""POST /jobs: what its body must hold, and how the server echoes it."""

import pytest

from pipulate.simulator.errors import Refusal
from pipulate.simulator.jobs import Job
from pipulate.simulator.payload import read_request
from tests.simulator.examples import export_body


def post(**changes) -> dict:
    """A POST /jobs body; a key set to None is left out."""
    full = export_body(**{"query": {"collections": []}, **changes})
    full["payload"] = {key: value for key, value in full["payload"].items() if value is not None}
    return full


def test_the_echo_has_the_servers_defaults():
    """As the real server echoed a job without formatter_config: no header, no sep line, gzip."""
    org, project, echo = read_request(post(), 1000, False)
    assert (org, project) == ("acme", "shop")
    assert echo == {
        "query": {"collections": []},
        "export_size": 1000,
        "connector": "direct_download",
        "formatter": "csv",
        "formatter_config": {
            "delimiter": ",",
            "print_header": False,
            "header_format": "verbose",
            "print_delimiter": False,
        },
        "extra_config": {"compression": "gzip"},
        "sort_url_id": False,
        "export_job_name": None,
    }


def test_a_size_above_the_limit_is_cut_or_refused():
    """Which of the two is an option."""
    assert read_request(post(export_size=5000), 1000, False)[2]["export_size"] == 1000
    with pytest.raises(Refusal, match="at most 1000"):
        read_request(post(export_size=5000), 1000, True)


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ([], "object"),
        ({"payload": {}}, '"job_type" is mandatory'),
        ({"job_type": "export"}, '"payload" is mandatory'),
        ({**post(), "username": "o"}, '"username" is not a valid field'),
        ({**post(), "job_type": "logs_urls_export"}, "not simulated"),
        (post(username=None), '"username" is mandatory'),
        (post(query=None), '"query" is mandatory'),
        (post(project=3), "text"),
        (post(connector="s3"), "not simulated"),
        (post(formatter="xml"), "not simulated"),
        (post(query=[]), "object"),
        (post(export_size="10"), "whole number"),
        (post(export_size=0), "whole number"),
        (post(export_job_name=3), "text"),
        (post(header=True), '"header" is not a valid field'),
        (post(formatter_config={"header": True}), '"header" is not a valid field'),
        (post(formatter_config={"print_header": 1}), "not possible"),
        (post(formatter_config={"header_format": "loud"}), "not possible"),
        (post(formatter_config={"delimiter": ",,"}), "not possible"),
        (post(formatter_config={"append_columns": [{"value": "x"}]}), "not possible"),
        (post(extra_config={"compression": "bz2"}), "not possible"),
    ],
)
def test_a_wrong_request_is_refused_by_key(posted, words):
    """The message names what is wrong."""
    with pytest.raises(Refusal, match=words):
        read_request(posted, 1000, False)


@pytest.mark.parametrize("extra", [{"compression": "zip"}, {"filetype": "zip"}])
def test_zip_can_be_asked_for_in_two_ways(extra):
    """As the documents show."""
    job = Job(1, "u", "o", "p", read_request(post(extra_config=extra), 10, False)[2], 0.0)
    assert job.packing == "zip"
    assert job.file_name == "p-1970-01-01.csv.zip"
