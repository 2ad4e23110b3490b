"""A wheel has all of the package: installed elsewhere it serves, with its manual,
pictures and scripts.
"""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from pipulate.engine.settings import PACKAGE
from tests.server import Server

ROOT = PACKAGE.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder into which a freshly built wheel was unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
    source = copied(folder / "source")
    command = [*build, "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "installed")
    yield folder / "installed"


def copied(target: Path) -> Path:
    """Copy what is committed, since building leaves folders behind."""
    target.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    names = [name for name in listed.stdout.decode().split("\0") if is_built_from(name)]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((ROOT / name).read_bytes())
    return target


def is_built_from(name: str) -> bool:
    """Say whether a wheel is made of this file."""
    return name.startswith("pipulate/") or name in ("pyproject.toml", "README.md", "LICENSE")


def test_it_has_every_file_of_the_package(installed: Path) -> None:
    """A kind of file that the build leaves out is found here, not by a user."""
    here = {path.relative_to(ROOT) for path in PACKAGE.rglob("*") if belongs(path)}
    there = {path.relative_to(installed) for path in installed.rglob("*") if path.is_file()}
    assert here - there == set()


def belongs(path: Path) -> bool:
    """Say whether a file is the package's, not a cache."""
    return path.is_file() and "__pycache__" not in path.parts


def test_it_serves_and_explains_itself(installed: Path, tmp_path: Path, free_port: int) -> None:
    """From another folder: the first page, the manual with a picture, the viewer's script."""
    server = Server(tmp_path, free_port, package=installed).start()
    try:
        with httpx2.Client(base_url=server.url) as client:
            for path, word in {
                "/": "Welcome to Pipulate",
                "/docs": "Manual",
                "/docs?q=undo": "History and undo",
                "/static/graph/viewer.js": "class",
            }.items():
                assert word in client.get(path, follow_redirects=True).text, path
            assert client.get("/docs/img/chat.png").content.startswith(b"\x89PNG")
    finally:
        server.stop()


def test_its_model_finds_undo(installed: Path, tmp_path: Path) -> None:
    """`search_docs` reads the manual of the wheel."""
    code = (
        "from pipulate import docs\n"
        f"assert docs.FOLDER.is_relative_to({str(installed)!r})\n"
        "from pipulate.chat.tools import search_docs\n"
        "class Desk: docs = docs.FOLDER\n"
        "print(search_docs(Desk, 'undo'))\n"
    )
    command = [sys.executable, "-P", "-c", code]
    said = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "record, History and undo" in said.stdout
