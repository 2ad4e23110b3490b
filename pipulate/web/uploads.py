"""Files that come with a form: kept under their content's hash, or not at all."""

import asyncio
import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from pipulate.engine import files
from pipulate.engine.forms import RESERVED


async def received(form: FormData, folder: Path) -> dict[str, list[Any]]:
    """Return a form's values, files as `save` tells them; no revision."""

    async def value(item: str | UploadFile) -> Any:
        if isinstance(item, str):
            return item
        if item.filename:
            return await asyncio.to_thread(save, item, folder)
        return None

    given = [key for key in form if not key.startswith(RESERVED)]
    return {key: [await value(item) for item in form.getlist(key)] for key in given}


async def content(request: Request) -> bytes:
    """Return the whole of a form's `file`; b"" for none."""
    async with request.form() as sent:  # which closes it
        file = sent.get("file")
        return await file.read() if isinstance(file, UploadFile) else b""


def save(upload: UploadFile, folder: Path) -> dict[str, Any]:
    """Keep an uploaded file; returns file, path, size and sha256.  Raises CannotWrite."""
    sha256 = hashlib.file_digest(upload.file, "sha256").hexdigest()  # type: ignore[arg-type]
    target = folder / sha256[:16] / plain_name(upload.filename or "")
    if not target.exists():  # the same file twice is one
        upload.file.seek(0)
        with files.whole(target) as out:
            shutil.copyfileobj(upload.file, out)
    size = target.stat().st_size
    return {
        "file": target.name,
        "path": str(target),
        "size": size,
        "sha256": sha256,
    }


def plain_name(sent: str) -> str:
    """Return a name that leads to no other folder and hides from nobody."""
    plain = re.sub(r"[^\w.\- ]", "_", Path(sent).name)
    return plain[-100:].lstrip(".") or "file"
