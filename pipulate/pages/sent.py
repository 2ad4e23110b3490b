"""A page's form as it was sent.

THREAD  What takes it is a plain function: it does its work in a thread, where
        the disk and the database may be waited for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request


class Sent(FormData):
    """The values of a form, its files among them."""

    @classmethod
    async def __from_request__(cls, req: Request) -> "Sent":
        return cls(await req.form())

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """Give the file of a field, an empty one without; then close all."""
        given = self.get(name)
        try:
            yield given.file if isinstance(given, UploadFile) else BytesIO()
        finally:
            for _, item in self.multi_items():
                if isinstance(item, UploadFile):
                    item.file.close()
