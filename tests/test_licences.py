"""What we are made of may be given away with us, and is what the lock files say.

The list itself is `scripts/make_sbom.py`'s; `make sbom` writes it.
"""

from importlib.metadata import version
from typing import Any

import pytest

from scripts.make_sbom import VENDORED, components, licence

#: What asks for no more than a notice, or (MPL) for its own files' sources.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT", "MIT-0"),
    *("MPL-2.0", "PSF-2.0", "Zlib"),
}
#: Used unmodified, and installed by who asks for an extra.
EXTRAS = {
    "zeroconf": "LGPL-2.1-or-later",  # lan: the machine's name in the network
    "text-unidecode": "Artistic-1.0",  # portable: of ibis
}
PARTS = components()
LIBRARIES = [one for one in PARTS if one["type"] == "library"]


def test_every_part_is_listed_once() -> None:
    """Two lock files and the vendored files, no part twice."""
    names = [one["bom-ref"] for one in PARTS]
    assert len(names) == len(set(names))
    files = [one["name"] for one in PARTS if one["type"] == "file"]
    there = [path.name for path in VENDORED.parent.iterdir()]
    assert sorted([*files, "vendor.json", "LICENSES.txt"]) == sorted(there)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: str(part["bom-ref"]))
def test_its_licence_is_allowed(part: dict[str, Any]) -> None:
    """All of "A AND B", one of "A OR B"."""
    for said in part["licenses"]:
        choices = [set(choice.split(" AND ")) for choice in said["expression"].split(" OR ")]
        allowed = ALLOWED | {EXTRAS.get(part["name"], "MIT")}
        assert any(choice <= allowed for choice in choices), said


@pytest.mark.parametrize("part", LIBRARIES, ids=lambda part: str(part["bom-ref"]))
def test_it_is_pinned_by_hash_and_is_what_runs_here(part: dict[str, Any]) -> None:
    """The version that this test runs with is one that a lock file pins."""
    assert part["properties"]
    if licence(part["name"]):
        pinned = [one["version"] for one in LIBRARIES if one["name"] == part["name"]]
        assert version(part["name"]) in pinned
