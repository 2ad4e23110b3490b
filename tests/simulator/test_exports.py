"""Jobs and their files, through the wire: from POST to the last byte, and all faults."""

import gzip
import io
import json
import zipfile
from dataclasses import replace

import httpx2
import pytest

from pipulate.simulator.options import Options
from tests.simulator.examples import (
    EDGES,
    EDGES_QUERY,
    QUICK,
    SLOW,
    TOKEN,
    Api,
    X,
    body,
    csv_rows,
    refused,
)

# --- the life of a job ----------------------------------------------------------------------------


async def test_a_job_is_created():
    """201, a number, a relative address, and the payload without username and project."""
    api = Api(SLOW)
    created = await api.job(export_job_name="label", export_size=1000)
    job = created.json()
    assert created.status_code == 201
    assert isinstance(job["job_id"], int)
    assert job["job_url"] == f"/v1/jobs/{job['job_id']}"
    assert (job["job_status"], job["user"]) == ("CREATED", "first.last")
    assert job["results"] is job["metadata"] is None
    assert "username" not in job["payload"] and "project" not in job["payload"]
    assert job["payload"]["query"] == EDGES_QUERY


async def test_a_job_from_post_to_file():
    """CREATED, PROCESSING, DONE; then a gzip file of data rows only; all of it counted."""
    api = Api(SLOW)
    created = await api.job(export_job_name="label")
    looks = [await api.look(created) for _ in range(3)]
    assert [look["job_status"] for look in looks] == ["CREATED", "PROCESSING", "DONE"]
    assert set(looks[2]["results"]) == {"download_url"}
    file = await api.http.get(looks[2]["results"]["download_url"])
    assert file.content[:2] == b"\x1f\x8b" and "content-encoding" not in file.headers
    assert int(file.headers["content-length"]) == len(file.content)
    assert csv_rows(file.content) == EDGES
    assert api.state.jobs.posts == api.state.jobs.created == {"label": 1}
    assert api.state.calls.count("POST", "/v1/jobs") == 1
    assert api.state.calls.count("GET", r"/v1/jobs/\d+") == 3
    assert api.state.calls.tokens_at_file_host == 0


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ("job_type=export", ["three", "two", "one"]),
        ("project=shop&size=1", ["two"]),
        ("analysis=20240301&project=shop", ["two", "one"]),
        ("analysis=20240201", []),
        ("job_type=logs_urls_export", []),
    ],
)
async def test_jobs_are_listed_newest_first_and_filtered(api, parameters, names):
    """To find a lost job by its name."""
    for name, project in (("one", "shop"), ("two", "shop"), ("three", "empty")):
        await api.job(export_job_name=name, project=project)
    listed = (await api.get(f"/jobs?{parameters}")).json()["results"]
    assert [job["payload"]["export_job_name"] for job in listed] == names


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("job-fails", ["CREATED", "PROCESSING", "FAILED"]),
        ("job-fails-silently", ["CREATED", "PROCESSING", "FAILED"]),
        ("job-stuck", ["CREATED", "PROCESSING", "PROCESSING"]),
        ("job-no-processing", ["CREATED", "CREATED", "DONE"]),
    ],
)
async def test_faults_of_jobs(fault, statuses):
    """A fault in the header of POST /jobs stays with that job."""
    api = Api(SLOW)
    job = await api.job(fault=fault)
    looks = [await api.look(job) for _ in range(3)]
    assert [look["job_status"] for look in looks] == statuses
    assert ("error" in looks[2]) == (fault == "job-fails")


async def test_a_job_that_is_gone_and_one_on_another_host(api):
    """404 while polling; an absolute job_url elsewhere."""
    job = (await api.job(fault="job-gone")).json()
    assert refused(await api.get(f"/jobs/{job['job_id']}")) == (404, "1059")
    job = (await api.job(fault="job-url-foreign")).json()
    assert job["job_url"].startswith("https://elsewhere.example/")


@pytest.mark.parametrize("place", ["error", "failure_reason", "results", "metadata", "nowhere"])
async def test_the_reason_of_a_failed_job_may_stand_anywhere(place):
    """Or nowhere."""
    api = Api(replace(QUICK, failure_in=place))
    failed = await api.look(await api.job(body(["nope"])))
    assert failed["job_status"] == "FAILED"
    assert ("does not exist" in json.dumps(failed)) == (place != "nowhere")
    assert place == "nowhere" or failed[place]


async def test_bad_jobs_may_be_refused_at_once():
    """400 at POST in place of FAILED later; the attempt counts, no job is made."""
    api = Api(Options(refuse_bad_jobs=True))
    assert refused(await api.job(body(["nope"]), export_job_name="n")) == (400, "1029")
    assert refused(await api.job(export_size=0)) == (400, "1020")
    assert refused(await api.job(project="nothing")) == (404, "1010")
    assert not api.state.jobs.created
    assert api.state.jobs.posts == {"n": 1, "": 2}


async def test_limits_of_exports():
    """Too large a size is cut or refused; too many jobs at once are refused."""
    api = Api(replace(QUICK, export_limit=2))
    assert (await api.job(export_size=10)).json()["payload"]["export_size"] == 2
    assert csv_rows((await api.file()).content) == EDGES[:2]
    api = Api(Options(export_limit=2, refuse_over_limit=True))
    assert refused(await api.job(export_size=10)) == (400, "1020")
    assert refused(await Api(Options(running_jobs=0)).job()) == (400, "1058")


# --- the file -------------------------------------------------------------------------------------


async def test_a_file_can_be_fetched_in_parts(api):
    """Ranges work as on a content network."""
    whole = await api.file()
    part = await api.http.get(str(whole.request.url), headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])


async def test_a_file_is_found_only_by_its_address(api):
    """A guess is refused, as on a content network."""
    url = str((await api.file()).request.url)
    guess = "http://simulated/cdn/collection_exports/0/shop.csv.gz"
    for wrong, status in ((url.replace("shop-", "x-"), 403), (guess, 403), (url[:-40], 404)):
        assert (await api.http.get(wrong)).status_code == status


async def test_a_token_at_the_file_host_is_noticed(api):
    """It is tolerated, as in reality, but counted."""
    url = str((await api.file()).request.url)
    with_token = {"Authorization": f"Token {TOKEN}"}
    assert (await api.http.get(url, headers=with_token)).status_code == 200
    assert api.state.calls.tokens_at_file_host == 1


async def test_the_file_is_as_the_formatter_config_says(api):
    """A header only when asked for; cut at export_size."""
    asked = {"print_header": True, "print_delimiter": True, "header_format": "slug"}
    file = await api.file(formatter_config=asked, export_size=1)
    assert gzip.decompress(file.content).decode().splitlines() == [
        "sep=,",
        "url,outlinks_internal.graph.url",
        "https://x/,https://x/a",
    ]


async def test_a_zip_when_asked_for(api):
    """An archive of one member."""
    file = await api.file(extra_config={"compression": "zip"})
    assert str(file.request.url).endswith(".csv.zip")
    assert len(zipfile.ZipFile(io.BytesIO(file.content)).namelist()) == 1


@pytest.mark.parametrize(
    ("fault", "head"),
    [
        ("plain", b"https://x/,https://x/a\n"),
        ("zip", b"PK"),
        ("sep", b"sep=,\nhttps://x/,"),
        ("v1-header", b"sep=,\nFull URL,Internal Outlinks Graph\nhttps://x/,"),
        ("empty", b""),
    ],
)
async def test_faults_of_files(api, fault, head):
    """Another packing, other first lines, no rows."""
    content = (await api.file(fault=fault)).content
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    assert content.startswith(head)
    assert bool(content) == (fault != "empty")


@pytest.mark.parametrize(("fault", "error"), [("truncated", EOFError), ("corrupt", Exception)])
async def test_damaged_files_do_not_unpack(api, fault, error):
    """They come as if all were well."""
    url = str((await api.file()).request.url)
    file = await api.http.get(url, headers={"X-Simulate": fault})
    with pytest.raises(error):
        gzip.decompress(file.content)


async def test_a_cut_file_breaks_off(api):
    """The connection drops in its midst."""
    url = str((await api.file()).request.url)
    with pytest.raises(httpx2.RemoteProtocolError):
        await api.http.get(url, headers={"X-Simulate": "cut"})


async def test_an_expired_file_has_a_new_address_at_the_next_look(api):
    """The old one is gone for good."""
    job = await api.job()
    url = (await api.look(job))["results"]["download_url"]
    good = (await api.http.get(url)).content
    assert (await api.http.get(url, headers={"X-Simulate": "expired"})).status_code == 403
    assert (await api.http.get(url)).status_code == 403
    fresh = (await api.look(job))["results"]["download_url"]
    assert fresh != url
    assert (await api.http.get(fresh)).content == good


async def test_files_may_be_spelt_and_placed_otherwise():
    """Booleans as True and False; another file host; more keys in results."""
    options = replace(QUICK, booleans=("True", "False"), results_extra=True)
    file = await Api(options).file(request=body([f"{X}.sitemaps.present"], sort=[0]))
    assert csv_rows(file.content)[:2] == [["False"], ["True"]]
    api = Api(replace(options, file_base="https://files.example/x/"))
    results = (await api.look(await api.job()))["results"]
    assert results["download_url"].startswith("https://files.example/x/collection_exports/")
    assert results["file_size"] > 0
