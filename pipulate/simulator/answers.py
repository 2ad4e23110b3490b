"""The bodies of answers: projects, analyses, collections as the API's JSON.

Key sets are those of the API's own description of itself and of answers seen
in the wild; they stand in `shapes.json`, each with a harmless value.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pipulate.simulator import constants
from pipulate.simulator.datamodel import (
    GLOBAL,
    NUMBERS,
    UNPREFIXED,
    Collection,
    Field,
)
from pipulate.simulator.errors import Json
from pipulate.simulator.options import User
from pipulate.simulator.projects import Analysis, Project

_SHAPES = constants("shapes")
_GROUP_NAMES = constants("datamodel")["group_names"]


def filled(shape: str, **values: Any) -> Json:
    """A shape with these values in it, at any depth."""
    return _merged(_SHAPES[shape], values)


def _merged(shape: Json, values: Json) -> Json:
    merged = {**shape, **values}
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(shape.get(key), dict):
            merged[key] = _merged(shape[key], value)
    return merged


def instant(moment: datetime) -> str:
    """A time as the API writes it: UTC with microseconds and Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _period(first: date, last: date) -> dict[str, str]:
    return {"date_start": first.isoformat(), "date_end": last.isoformat()}


def _number(*names: str) -> int:
    value = 0
    for letter in "/".join(names):
        value = (value * 31 + ord(letter)) % 1_000_003
    return value


def profile_json(user: User, *, names: bool) -> Json:
    """Without `names` only the username."""
    name = user.username
    if not names:
        return {"username": name}
    return filled("profile", username=name, email=f"{name}@example.com")


def project_json(project: Project) -> Json:
    """As lists show it."""
    org = project.org
    number = _number(org, project.slug)
    email = f"{org}@example.com"
    return filled(
        "project",
        pk=number,
        id=number,
        name=project.name,
        slug=project.slug,
        user={"login": org, "email": email},
        organization={"name": org, "slug": org, "email": email},
        current_settings={"pk": _number(project.slug)},
        url=project.url,
        has_keywords=project.search_days is not None,
    )


def light_analysis_json(project: Project, analysis: Analysis) -> Json:
    """May make the site: call in a thread."""
    start = datetime.combine(analysis.day, time(2), UTC)
    start += timedelta(hours=12) * (analysis.number - 1)
    end = instant(start + timedelta(hours=1, minutes=12))
    finished = analysis.status == "success"
    return filled(
        "light_analysis",
        pk=_number(project.org, project.slug, analysis.slug),
        slug=analysis.slug,
        name=analysis.name,
        url=f"{project.url}{analysis.slug}/",
        status=analysis.status,
        urls_done=project.fetched(analysis),
        urls_in_queue=1200 if analysis.status == "crawling" else 0,
        date_launched=instant(start),
        date_finished=end if finished else None,
        date_last_modified=end,
        date_created=instant(start - timedelta(minutes=1)),
        has_raw_pages=finished,
    )


def analysis_json(project: Project, analysis: Analysis, export_limit: int) -> Json:
    """The light one, and more."""
    light = light_analysis_json(project, analysis)
    owner = {"login": project.org}
    days = project.search_days
    failures = []
    if analysis.status == "failed":
        failures.append({"message": "The crawl was stopped."})
    return light | filled(
        "analysis",
        id=light["pk"],
        user=owner,
        owner=owner,
        failures=failures,
        date_crawl_done=light["date_finished"],
        features={
            "links": {"links_graph": analysis.links_graph},
            "segments": {"date_created": light["date_created"]},
            "search_console": days and _period(*days),
        },
        config={"export_limit": export_limit},
    )


def collections_json(project: Project, crawls: Mapping[str, Analysis]) -> list[Json]:
    """`crawls`: finished analyses by their id."""
    listed = []
    for name, analysis in crawls.items():
        day = analysis.day.isoformat()
        listed.append(filled("collection", id=name, name=analysis.name, date=day))
    if project.search_days is not None:
        search = {
            "id": "search_console",
            "name": "Search Console",
            "timestamped": True,
        }
        listed.append(filled("collection", **search, **_period(*project.search_days)))
    return [*listed, filled("collection", id=GLOBAL.id, name=GLOBAL.name)]


def datamodel_json(collection: Collection) -> Json:
    """As .../collections/{id} answers."""
    dimensions = collection.fields.values()
    groups = [
        {"id": group, "name": _GROUP_NAMES.get(group, group.capitalize())}
        for group in dict.fromkeys(item.group for item in dimensions)
    ]
    fields = [*map(_dimension_json, dimensions)]
    for item in collection.metrics.values():
        fields.append(filled("field", id=item.id, name=item.name, type=item.type, kind="metric"))
    days = collection.days
    return {
        "datasets": [filled("dataset", groups=groups, fields=fields)],
        "metadata": filled("metadata", **(_period(*days) if days else {})),
    }


def _dimension_json(item: Field) -> Json:
    kind = "numerical" if item.type in NUMBERS else "categorical"
    return filled(
        "field",
        id=item.id,
        name=item.name,
        type=item.type,
        kind="dimension",
        multiple=item.multiple,
        group=item.group,
        permissions=["select", "filters", "filters_exist", "sort", f"agg:{kind}"],
        global_field=item.id in UNPREFIXED or item.id.startswith("segments."),
    )
