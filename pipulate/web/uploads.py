"""Files that come with a form: kept in the data folder under their content's hash, never half-written."""

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from starlette.datastructures import FormData, UploadFile


async def received(form: FormData, folder: Path) -> dict[str, list[Any]]:
    """Return a form's values, without the page's revision; each file is put into `folder` and described by `save`."""

    async def value(item: str | UploadFile) -> Any:
        if isinstance(item, UploadFile):
            return await asyncio.to_thread(save, item, folder) if item.filename else None
        return item

    return {key: [await value(item) for item in form.getlist(key)] for key in form if key != "rev"}


def save(upload: UploadFile, folder: Path) -> dict[str, Any]:
    """Put an uploaded file on disk whole (temporary file, fsync, rename); returns file, path, size and sha256."""
    name = (
        re.sub(r"[^\w.\- ]", "_", Path(upload.filename or "file").name)[-100:].lstrip(".") or "file"
    )
    folder.mkdir(parents=True, exist_ok=True)
    part, digest, size = folder / f".{os.urandom(8).hex()}.part", hashlib.sha256(), 0
    with part.open("wb") as out:
        while chunk := upload.file.read(1 << 20):
            out.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        out.flush()
        os.fsync(out.fileno())
    target = folder / digest.hexdigest()[:16] / name
    target.parent.mkdir(exist_ok=True)
    part.replace(target)
    return {"file": name, "path": str(target), "size": size, "sha256": digest.hexdigest()}
