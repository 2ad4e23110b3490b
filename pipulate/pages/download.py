"""The exported CSVs, and only those; also for Cosmograph, the one web site that may read them.

GET /download/{org}/{project}/{file}                  the file; every miss is the same 404
GET /download/{org}/{project}/{file}?spreadsheet=1    a copy in which no cell begins like a formula
GET /cosmograph/{org}/{project}/{analysis}            opens Cosmograph with both files
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fasthtml.common import FastHTML
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from pipulate.botify import urls
from pipulate.botify.errors import NotBotifyUrl

COSMOGRAPH = "https://cosmograph.app"


def find(downloads: Path, org: str, project: str, name: str) -> Path:
    """Return the file of that name; raises HTTPException(404) for anything but an exported CSV that is there."""
    match = re.fullmatch(r"(.+)_(\d{8}(?:-[1-9]\d{0,3})?)_(links|meta)\.csv", name)
    try:
        if not match or match[1] != project:
            raise HTTPException(404)
        path = getattr(urls.paths(downloads, org, project, match[2]), match[3])
        inside = path.resolve().is_relative_to((downloads / "link-graph").resolve())
    except (NotBotifyUrl, OSError, ValueError):
        raise HTTPException(404) from None
    if not inside or path.is_symlink() or not path.is_file():
        raise HTTPException(404)
    return path


def harmless(path: Path) -> Iterator[str]:
    """Yield the CSV with an apostrophe before every cell that a spreadsheet would take for a formula."""
    with path.open(encoding="utf-8", newline="") as file:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        for row in csv.reader(file):
            writer.writerow(
                f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell for cell in row
            )
            if buffer.tell() > 65_536:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()


def routes(app: FastHTML) -> None:
    """Add the downloads, before the routes that take any first segment."""
    settings = app.state.settings

    async def download(request: Request) -> Response:
        origin = request.headers.get("origin", "")
        headers = {"vary": "Origin"}
        if origin == COSMOGRAPH:
            headers |= {
                "access-control-allow-origin": COSMOGRAPH,
                "cross-origin-resource-policy": "cross-origin",
                "access-control-allow-private-network": "true",
                "access-control-allow-local-network": "true",
            }
        found = find(
            settings.downloads, *(request.path_params[key] for key in ("org", "project", "file"))
        )
        if request.method == "OPTIONS":
            return Response(
                status_code=204,
                headers={**headers, "access-control-allow-methods": "GET"}
                if origin == COSMOGRAPH
                else headers,
            )
        if request.query_params.get("spreadsheet"):
            name = f"{found.stem}_spreadsheet.csv"
            return StreamingResponse(
                harmless(found),
                media_type="text/csv",
                headers={**headers, "content-disposition": f'attachment; filename="{name}"'},
            )
        return FileResponse(found, media_type="text/csv", headers=headers, filename=found.name)

    app.router.routes.append(
        Route("/download/{org}/{project}/{file}", download, methods=["GET", "HEAD", "OPTIONS"])
    )

    @app.route("/cosmograph/{org}/{project}/{analysis}", methods=["GET"])
    async def cosmograph(request: Request, org: str, project: str, analysis: str) -> Any:
        find(settings.downloads, org, project, f"{project}_{analysis}_links.csv")
        base = f"{request.url.scheme}://{request.headers['host']}/download/{org}/{project}/{project}_{analysis}"
        wanted = {
            "data": f"{base}_links.csv",
            "meta": f"{base}_meta.csv",
            "nodeColor": "pagetype",
            "link-spring": ".1",
        }
        try:
            find(settings.downloads, org, project, f"{project}_{analysis}_meta.csv")
        except HTTPException:
            wanted = {key: wanted[key] for key in ("data", "link-spring")}
        return RedirectResponse(f"{COSMOGRAPH}/run/?{urlencode(wanted)}", 302)
