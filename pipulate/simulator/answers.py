"""The bodies of the simulator's answers: projects, analyses, collections and errors as the API's JSON.

Key sets are those of the API's own description of itself and of answers seen in the wild; a key whose value the
simulator has no use for is there with a harmless value, so that a client meets the real shape.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from pipulate.simulator.projects import Analysis, Project

MESSAGES = {
    1000: "Unknown error",
    1001: "Not Authorized",
    1002: "Permission denied",
    1004: "Analysis was not found",
    1007: "User was not found",
    1010: "Project was not found",
    1020: "Badly formatted request",
    1022: "Badly formatted queries",
    1039: "Method not allowed",
    1053: "Too many requests",
    1058: "An advanced export is already running",
    1059: "Advanced export was not found",
}


def error_json(code: int, message: str | None = None) -> dict[str, Any]:
    """The error envelope.  The code is a text, as the API describes it."""
    return {
        "error": {"error_code": str(code), "message": message or MESSAGES[code], "error_detail": {}}
    }


def instant(moment: datetime) -> str:
    """A time as the API writes it: UTC with microseconds and Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def project_json(project: Project) -> dict[str, Any]:
    """A project as lists show it."""
    owner = {
        "login": project.org,
        "email": f"{project.org}@example.com",
        "is_organization": True,
        "url": "",
    }
    return {
        "pk": _number(project.org, project.slug),
        "id": _number(project.org, project.slug),
        "name": project.name,
        "slug": project.slug,
        "user": owner,
        "organization": {
            "name": project.org,
            "slug": project.org,
            "is_organization": True,
            "email": owner["email"],
        },
        "current_settings": {
            "allowed_domains": [],
            "blacklisted_domains": [],
            "pk": _number(project.slug),
        },
        "active": True,
        "date_created": "2022-01-10T09:00:00.000000Z",
        "url": project.url,
        "has_crawl": True,
        "has_logs": False,
        "has_keywords": project.search_days is not None,
    }


def light_analysis_json(project: Project, analysis: Analysis, urls: int | None) -> dict[str, Any]:
    """A LightAnalysis; `urls` is the number of URLs it fetched, None while it is not known."""
    start = datetime.combine(analysis.day, time(2), UTC) + timedelta(
        hours=12 * (analysis.number - 1)
    )
    end = start + timedelta(hours=1, minutes=12)
    finished = analysis.status == "success"
    return {
        "pk": _number(project.org, project.slug, analysis.slug),
        "slug": analysis.slug,
        "name": analysis.name,
        "friendly_name": None,
        "url": f"{project.url}{analysis.slug}/",
        "status": analysis.status,
        "urls_done": urls if urls is not None else 0,
        "urls_in_queue": 1200 if analysis.status == "crawling" else 0,
        "date_launched": instant(start),
        "date_finished": instant(end) if finished else None,
        "date_last_modified": instant(end),
        "date_created": instant(start - timedelta(minutes=1)),
        "to_be_deleted_at": None,
        "comparable": True,
        "excluded_from_trends": False,
        "has_raw_pages": finished,
    }


def analysis_json(
    project: Project, analysis: Analysis, urls: int | None, export_limit: int
) -> dict[str, Any]:
    """A full Analysis: the light one, and what was crawled and how."""
    days = project.search_days
    light = light_analysis_json(project, analysis, urls)
    return {
        **light,
        "id": light["pk"],
        "user": {"login": project.org, "is_organization": True},
        "owner": {"login": project.org, "is_organization": True},
        "failures": [{"message": "The crawl was stopped."}] if analysis.status == "failed" else [],
        "crawl_launch_type": "MANUAL",
        "date_crawl_done": light["date_finished"],
        "features": {
            "links": {
                "chains": True,
                "page_rank": False,
                "prev_next": False,
                "links_graph": analysis.links_graph,
                "top_anchors": False,
                "top_domains": False,
                "links_to_noindex": False,
                "links_segment_graph": False,
                "links_to_non_canonical": False,
            },
            "segments": {
                "flags": [],
                "names": ["pagetype"],
                "values": [],
                "date_created": light["date_created"],
            },
            "search_console": {"date_start": days[0].isoformat(), "date_end": days[1].isoformat()}
            if days
            else None,
            "semantic_metadata": {},
        },
        "config": {
            "max_urls": 10_000_000,
            "max_urls_per_sec": 10,
            "max_depth": 100,
            "virtual_robots_txt": None,
            "allowed_domains": [],
            "blacklisted_domains": [],
            "start_urls": [],
            "start_urls_url": None,
            "export_limit": export_limit,
        },
    }


def collections_json(project: Project, crawls: Mapping[str, Analysis]) -> list[dict[str, Any]]:
    """The project's collections; `crawls` are its finished analyses by collection id."""

    def item(id: str, name: str, **more: Any) -> dict[str, Any]:
        nothing = {
            "date": None,
            "timestamped": False,
            "date_start": None,
            "date_end": None,
            "generic_name": None,
        }
        return {"id": id, "name": name, **nothing, **more}

    listed = [
        item(id, analysis.name, date=analysis.day.isoformat()) for id, analysis in crawls.items()
    ]
    if project.search_days is not None:
        first, last = (day.isoformat() for day in project.search_days)
        listed.append(
            item(
                "search_console",
                "Search Console",
                timestamped=True,
                date_start=first,
                date_end=last,
            )
        )
    return [*listed, item("global", "URL Scheme and Segmentation")]


def _number(*names: str) -> int:
    """A stable number for an id."""
    value = 0
    for letter in "/".join(names):
        value = (value * 31 + ord(letter)) % 1_000_003
    return value
