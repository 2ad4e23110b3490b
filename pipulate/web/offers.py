"""Texts that a page offers to be saved and that are too long to stand in it.

They lie by their content in `offered` of the data folder, and in no record:
so a page's link outlives the server.  The oldest give way to new ones.
"""

import hashlib
import re
import time
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import quote, urlencode

from fasthtml.common import FastHTML
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from pipulate.engine.errors import Unknown

INLINE = 32 * 1024  #: characters that may stand in a page, escaped
KEPT = 50  #: texts, and those of the last hour
HOUR = 3600
#: The data folder of the present request's app; None where nobody serves.
folder: ContextVar[Path | None] = ContextVar("folder", default=None)


def address(name: str, text: str) -> str:
    """Return where a browser gets `text` to save it as `name`."""
    inline = "data:text/plain;charset=utf-8," + quote(text)
    data = folder.get()
    if data is None or len(inline) <= INLINE:
        return inline
    from pipulate.engine import files  # seldom: a text that is too long for a page

    content = text.encode(errors="replace")
    digest = hashlib.sha256(content).hexdigest()
    kept = data / "offered" / digest
    if kept.exists():
        kept.touch()  # it is wanted still
    else:
        _sweep(kept.parent)
        files.write(kept, content)
    return f"/offered/{digest}?{urlencode({'name': name})}"


def _sweep(room: Path) -> None:
    ages = sorted((time.time() - path.stat().st_mtime, path) for path in room.glob("*"))
    for age, path in ages[KEPT - 1 :]:
        if age > HOUR:
            path.unlink(missing_ok=True)


def routes(app: FastHTML) -> None:
    """Add the address of the texts."""
    room = app.state.settings.data / "offered"

    async def offered(request: Request) -> Response:
        digest = request.path_params["digest"]
        if not re.fullmatch("[0-9a-f]{64}", digest) or not (room / digest).is_file():
            why = "This text is no longer kept. Open its page anew, then save it from there."
            raise Unknown(why)
        name = request.query_params.get("name") or "text.txt"
        return FileResponse(room / digest, media_type="text/plain", filename=name)

    app.router.routes.append(Route("/offered/{digest}", offered))
