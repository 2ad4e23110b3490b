"""A page's form as it was sent."""

from io import BytesIO

import httpx2
from fasthtml.common import FastHTML
from starlette.datastructures import UploadFile

from pipulate.pages.sent import Sent


async def test_a_plain_function_takes_the_form() -> None:
    """By its type alone: all values of a field, and its files."""
    app = FastHTML(secret_key="x")  # else it writes one into the folder
    taken: list[Sent] = []

    @app.post("/")
    def take(sent: Sent) -> str:
        taken.append(sent)
        with sent.file("file") as file:
            return f"{sent.getlist('name')} {file.read()!r}"

    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
        plain = await client.post("/", data={"name": ["Ann", "Bob"]})
        assert "['Ann', 'Bob'] b''" in plain.text
        with_file = await client.post("/", data={"name": "Ann"}, files={"file": b"words"})
        assert "['Ann'] b'words'" in with_file.text
    assert isinstance(taken[1].get("file"), UploadFile)


def test_all_its_files_are_closed() -> None:
    """Those that nobody asked for, too; a field without one gives an empty one."""
    files = {name: UploadFile(BytesIO(b"words")) for name in ("asked", "other")}
    sent = Sent({**files, "text": "words"})
    with sent.file("asked") as file:
        assert file.read() == b"words"
    assert all(file.file.closed for file in files.values())
    with sent.file("text") as nothing:
        assert nothing.read() == b""
