"""The exported CSVs, and only those; also for Cosmograph, which may read
them.

Whatever else is asked for, the 404 is the same.  With ?spreadsheet=1 comes a
copy for a spreadsheet.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fasthtml.common import (
    FastHTML,
    FileResponse,
    HTTPException,
    RedirectResponse,
    Request,
    Response,
    Route,
    StreamingResponse,
)

from pipulate.engine.errors import Unknown
from pipulate.graph.shelf import Shelf

COSMOGRAPH = "https://cosmograph.app"
_FOR_COSMOGRAPH = {
    "access-control-allow-origin": COSMOGRAPH,
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-private-network": "true",
    "access-control-allow-local-network": "true",
}


def find(home: Shelf, org: str, project: str, name: str) -> Path:
    """An exported CSV; HTTPException(404) for any other name."""
    try:
        return home.csv(org, project, name)
    except Unknown:
        raise HTTPException(404) from None


def routes(app: FastHTML) -> None:
    """Add the downloads, before the routes that take any first segment."""
    home = Shelf(app.state.settings.downloads)

    async def download(request: Request) -> Response:
        return _answer(request, find(home, **request.path_params))

    methods = ["GET", "HEAD", "OPTIONS"]
    app.router.routes.append(Route("/download/{org}/{project}/{name}", download, methods=methods))

    @app.get("/cosmograph/{org}/{project}/{analysis}")
    async def cosmograph(request: Request, org: str, project: str, analysis: str) -> Any:
        links = find(home, org, project, f"{project}_{analysis}_links.csv")
        base = f"{request.url.scheme}://{request.headers['host']}/download/{org}/{project}"
        wanted = {"data": f"{base}/{links.name}", "link-spring": ".1"}
        if pages := home.place(org, project, analysis).pages:
            wanted |= {"meta": f"{base}/{pages.name}", "nodeColor": "pagetype"}
        return RedirectResponse(f"{COSMOGRAPH}/run/?{urlencode(wanted)}", 302)


def _answer(request: Request, found: Path) -> Response:
    headers = {"vary": "Origin"}
    trusted = request.headers.get("origin") == COSMOGRAPH
    if trusted:
        headers |= _FOR_COSMOGRAPH
    if request.method == "OPTIONS":
        if trusted:
            headers["access-control-allow-methods"] = "GET"
        return Response(status_code=204, headers=headers)
    if request.query_params.get("spreadsheet"):
        from pipulate.graph import spreadsheets  # here: it brings polars

        name = f"{found.stem}_spreadsheet.csv"
        headers["content-disposition"] = f'attachment; filename="{name}"'
        return StreamingResponse(
            spreadsheets.of_file(found),
            media_type="text/csv",
            headers=headers,
        )
    return FileResponse(found, media_type="text/csv", headers=headers, filename=found.name)
