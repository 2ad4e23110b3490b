"""The vendored browser files are the ones we listed: whole, unchanged, freely licensed,
and silent on the network.
"""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
FOLDERS = [HERE.parent / "pipulate" / "static" / "vendor", HERE / "vendor"]
ABOUT = {"vendor.json", "LICENSES.txt"}
SHIPPED_LICENCES = {"0BSD", "MIT"}
TEST_LICENCES = SHIPPED_LICENCES | {"MPL-2.0"}  # axe-core, unmodified and not shipped

# What would make a browser fetch: CSS imports and url(), script and module loads, a source map.
FETCHES = re.compile(
    r"""sourceMappingURL
      | @import\s*(?:url\(|["'][^"'])     # but not a script's `'@import "' + a sheet of the page`
      | url\((?!\s*["']?(?:data:|\#))     # data: pictures and fragment references stay on the page
      | \b(?:fetch|import|importScripts|open|sendBeacon|Worker|WebSocket|EventSource)
        \(\s*["'`](?:https?:|wss?:|//)
      | \.(?:src|href)\s*=\s*["'`](?:https?:|//)""",
    re.VERBOSE,
)


def listed(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((folder / "vendor.json").read_text())
    return rows


def fingerprint(data: bytes) -> str:
    """Return the hash as browsers write it in `integrity` attributes."""
    return "sha384-" + base64.b64encode(hashlib.sha384(data).digest()).decode()


@pytest.mark.parametrize("folder", FOLDERS, ids=["shipped", "tests"])
def test_the_list_names_exactly_the_files_that_are_there(folder: Path) -> None:
    """No vendored file is unlisted, none is missing, none is listed twice."""
    there = sorted(path.name for path in folder.iterdir() if path.name not in ABOUT)
    assert there == sorted(row["file"] for row in listed(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=["shipped", "tests"])
def test_each_file_is_byte_for_byte_the_published_one(folder: Path) -> None:
    """Each file's sha384 is the listed one, and the list says where the file came from,
    to the version.
    """
    for row in listed(folder):
        assert fingerprint((folder / row["file"]).read_bytes()) == row["sha384"], row["file"]
        assert row["source"].startswith(f"npm {row['name']}@{row['version']} "), row["file"]


@pytest.mark.parametrize(
    ("folder", "allowed"), [(FOLDERS[0], SHIPPED_LICENCES), (FOLDERS[1], TEST_LICENCES)]
)
def test_each_licence_is_allowed_and_its_text_is_here(folder: Path, allowed: set[str]) -> None:
    """Only licences that ask for no more than a notice are shipped,
    and the notice is beside the file.
    """
    texts = (folder / "LICENSES.txt").read_text()
    for row in listed(folder):
        assert row["licence"] in allowed, row["file"]
        assert f"{row['name']} {row['version']} ({row['licence']})" in texts


@pytest.mark.parametrize("folder", FOLDERS, ids=["shipped", "tests"])
def test_no_file_loads_anything_from_the_network(folder: Path) -> None:
    """Names of standards and home pages in comments are fine;
    an address that the browser would fetch is not.
    """
    for row in listed(folder):
        found = FETCHES.search((folder / row["file"]).read_text())
        assert found is None, f"{row['file']} would fetch: {found and found.group()!r}"


@pytest.mark.parametrize(
    "text",
    [
        "a{background:url(https://cdn.example/x.png)}",
        "a{background:url('//cdn.example/x.png')}",
        '@import "other.css";',
        'fetch("https://cdn.example/x.js")',
        's.src="//cdn.example/x.js"',
        "//# sourceMappingURL=x.map",
    ],
)
def test_the_search_for_loads_finds_them(text: str) -> None:
    """The check above can fail: it sees the usual ways of loading something."""
    assert FETCHES.search(text)


def test_the_search_for_loads_lets_inline_pictures_pass() -> None:
    """Pico's icons are data: addresses, which no server is asked for."""
    assert not FETCHES.search(
        """a{background:url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'")}"""
    )
