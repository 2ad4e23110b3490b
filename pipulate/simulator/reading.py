"""The endpoints that show what an account has, down to the data."""

from collections.abc import Sequence
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from pipulate.simulator import answers
from pipulate.simulator.errors import Json, Refusal
from pipulate.simulator.projects import Analysis, Project
from pipulate.simulator.visit import Visit


async def profile(visit: Visit) -> Response:
    data = answers.profile_json(visit.user, names=visit.options.profile_names)
    return JSONResponse({"success": True, "data": data})


async def list_projects(visit: Visit) -> Response:
    """Of an organisation, or a user."""
    owner = visit.named["org"]
    known = [each for each in visit.service.projects if owner in (each.org, visit.user.username)]
    if not known:
        raise Refusal(code=1007)
    seen = [project for project in known if visit.user.may_see(project.org)]
    if not seen:
        raise Refusal(code=1002)
    word = visit.wanted.get("name", "").lower()
    found = [project for project in seen if word in project.name.lower() or word in project.slug]
    return await visit.page(found, answers.project_json)


async def list_analyses(visit: Visit) -> Response:
    project = visit.project()
    fields = set(visit.wanted.get("fields", "").split(",")) - {""}

    def full(analysis: Analysis) -> Json:
        body = answers.analysis_json(project, analysis, visit.options.export_limit)
        return {key: body[key] for key in body if key in fields or not fields}

    return await visit.page(_wanted(visit, project), full)


async def list_light_analyses(visit: Visit) -> Response:
    project = visit.project()
    to_json = partial(answers.light_analysis_json, project)
    return await visit.page(_wanted(visit, project), to_json)


def _wanted(visit: Visit, project: Project) -> Sequence[Analysis]:
    if visit.wanted.get("only_success", "true").lower() in ("false", "0"):
        return project.analyses
    return project.finished


async def one_analysis(visit: Visit) -> Response:
    project = visit.project()
    limit = visit.options.export_limit
    for analysis in project.analyses:
        if analysis.slug == visit.named["slug"]:
            body = await run_in_threadpool(answers.analysis_json, project, analysis, limit)
            return JSONResponse(body)
    raise Refusal(code=1004)


async def list_collections(visit: Visit) -> Response:
    project = visit.project()
    crawls = {visit.service.collection_id(each.slug): each for each in project.finished}
    return JSONResponse(answers.collections_json(project, crawls))


async def one_collection(visit: Visit) -> Response:
    name = visit.named["id"]
    open_collection = visit.project().collection
    collection = await run_in_threadpool(open_collection, name, visit.service.collection_id)
    if collection is None:
        raise Refusal(f'Unknown collection "{name}".', 1000)
    return JSONResponse(answers.datamodel_json(collection))


async def run_query(visit: Visit) -> Response:
    project = visit.project()
    body = await visit.json()
    options = visit.options
    page = visit.number("page", 1)
    size = min(visit.number("size", options.query_size), options.query_size_limit)
    counted = options.always_count or "count" in visit.wanted

    def run() -> tuple[list[Json], dict[str, int]]:
        query = visit.service.compile(project, body)
        rows = query.results((page - 1) * size, size + 1)
        return rows, {"count": query.count()} if counted else {}

    rows, count = await run_in_threadpool(run)
    links = visit.links(page, more=len(rows) > size)
    return JSONResponse({**links, "page": page, "size": size, "results": rows[:size], **count})
