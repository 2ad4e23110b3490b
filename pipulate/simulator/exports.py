"""The endpoints of export jobs, and the file host."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from pipulate.simulator.answers import filled, instant
from pipulate.simulator.damage import damaged
from pipulate.simulator.errors import Json, Refusal
from pipulate.simulator.faults import FILE, JOB
from pipulate.simulator.jobs import Job
from pipulate.simulator.payload import read_request
from pipulate.simulator.visit import FOREIGN, Visit

MEDIA_TYPES = {
    "gzip": "application/gzip",
    "zip": "application/zip",
    "plain": "text/csv",
}
GONE = "<Error><Code>AccessDenied</Code></Error>"


async def create_job(visit: Visit) -> Response:
    """Counted by label before any check, as an attempt to spend."""
    body = await visit.json()
    service = visit.service
    jobs = service.jobs
    options = visit.options
    posted = body.get("payload")
    label = posted.get("export_job_name") if isinstance(posted, dict) else None
    jobs.posts[str(label or "")] += 1
    org, slug, payload = read_request(body, options.export_limit, options.refuse_over_limit)
    project = service.project(org, slug, visit.user)
    if options.refuse_bad_jobs:
        await run_in_threadpool(service.compile, project, payload["query"])
    if options.running_jobs is not None and jobs.running >= options.running_jobs:
        raise Refusal(code=1058)
    faults = [fault.kind for fault in visit.committed(JOB)]
    job = jobs.create(visit.user.username, org, slug, payload, faults)
    return JSONResponse(_job_json(visit, job, "CREATED"), 201)


async def list_jobs(visit: Visit) -> Response:
    """Newest first."""
    jobs = visit.service.jobs
    found = [
        job
        for job in reversed(jobs.all.values())
        if _may_see(visit, job) and _is_wanted(visit, job)
    ]
    status = {job.id: await jobs.look(job, poll=False) for job in found}
    return await visit.page(found, lambda job: _job_json(visit, job, status[job.id]))


async def one_job(visit: Visit) -> Response:
    jobs = visit.service.jobs
    number = visit.named["id"]
    job = jobs.all.get(int(number)) if number.isdecimal() else None
    if job is None or not _may_see(visit, job):
        raise Refusal(code=1059)
    status = await jobs.look(job, poll=True)
    return JSONResponse(_job_json(visit, job, status))


def _may_see(visit: Visit, job: Job) -> bool:
    return visit.user.may_see(job.org) and "job-gone" not in job.faults


def _is_wanted(visit: Visit, job: Job) -> bool:
    wanted = visit.wanted
    if wanted.get("job_type", "export") != "export":
        return False
    if wanted.get("project", job.project) != job.project:
        return False
    if "analysis" not in wanted:
        return True
    collection = visit.service.collection_id(wanted["analysis"])
    return collection in job.payload["query"].get("collections", [])


def _job_json(visit: Visit, job: Job, status: str) -> Json:
    base = FOREIGN if "job-url-foreign" in job.faults else ""
    answer = filled(
        "job",
        job_id=job.id,
        job_url=f"{base}/v1/jobs/{job.id}",
        job_status=status,
        payload=job.payload,
        date_created=instant(job.born),
        user=job.user,
    )
    if status == "DONE":
        answer["results"] = _results(visit, job)
    if status == "FAILED" and job.failure is not None:
        answer |= _reason(visit.options.failure_in, job.failure)
    return answer


def _results(visit: Visit, job: Job) -> Json:
    base = visit.options.file_base or f"{visit.request.base_url}cdn"
    path = f"collection_exports/{job.secret}/{job.file_name}"
    results: Json = {"download_url": f"{base.rstrip('/')}/{path}"}
    if visit.options.results_extra:
        results["file_size"] = visit.service.jobs.path(job).stat().st_size
    return results


def _reason(place: str, failure: str) -> Json:
    reason = {"message": failure, "type": "ExportError"}
    match place:
        case "nowhere":
            return {}
        case "error":
            return {place: reason}
        case "failure_reason":
            return {place: failure}
        case _:
            return {place: {"error": reason}}


async def send_file(visit: Visit) -> Response:
    """Like a content network it answers 403 for what it does not have."""
    jobs = visit.service.jobs
    job = jobs.by_secret(visit.named["secret"])
    gone = HTMLResponse(GONE, 403, media_type="application/xml")
    if job is None or job.file_name != visit.named["name"]:
        return gone
    media_type = MEDIA_TYPES[job.packing]
    for fault in visit.committed(FILE):
        if fault.kind == "expired":
            job.stale = True
            return gone
        return await run_in_threadpool(damaged, jobs.path(job), fault.kind, media_type)
    return FileResponse(jobs.path(job), media_type=media_type)
