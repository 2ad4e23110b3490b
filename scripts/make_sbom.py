"""Write what Pipulate is made of as a bill of materials: CycloneDX 1.6, as JSON.

    make sbom

LISTED   Every library that a lock file pins, with the hashes of its files,
         and every vendored browser file.  Those of `requirements.lock` are
         what is installed to run; the others ("excluded") only test.
LICENCE  As the installed library says it: SPDX expression, else classifier,
         else the old field.  NAMED turns the latter two into SPDX.  A library
         of another system's is listed without one: it is not here to ask.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent
VENDORED = HOME / "pipulate" / "static" / "vendor" / "vendor.json"
PINNED = re.compile(r"^([\w.-]+)==([^\s;\\]+)((?:[^\n]*\\\n)+[^\n]*)", re.MULTILINE)
HASH = re.compile(r"sha256:([0-9a-f]{64})")
#: How libraries spell licences that SPDX spells otherwise.
NAMED = {
    "any-OSI": "MIT",  # apsw: any licence that the Open Source Initiative approved
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Artistic License": "Artistic-1.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


def components() -> list[dict[str, Any]]:
    """Return the parts, what runs before what tests."""
    runs = dict(_pinned("requirements.lock"))
    tests = dict(_pinned("requirements-dev.lock"))
    return [
        *runs.values(),
        *_vendored(),
        *({**one, "scope": "excluded"} for key, one in tests.items() if key not in runs),
    ]


def _pinned(lock: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, version, rest in PINNED.findall((HOME / lock).read_text()):
        said = licence(name)
        address = f"pkg:pypi/{name}@{version}"
        yield (
            address,
            {
                "type": "library",
                "bom-ref": address,
                "name": name,
                "version": version,
                "purl": address,
                "licenses": [{"expression": said}] if said else [],
                "properties": [
                    {"name": "pipulate:sha256", "value": value} for value in HASH.findall(rest)
                ],
            },
        )


def _vendored() -> Iterator[dict[str, Any]]:
    for row in json.loads(VENDORED.read_text()):
        kind, _, value = row["sha384"].partition("-")
        assert kind == "sha384"
        yield {
            "type": "file",
            "bom-ref": f"pkg:npm/{row['name']}@{row['version']}#{row['file']}",
            "name": row["file"],
            "version": row["version"],
            "purl": f"pkg:npm/{row['name']}@{row['version']}",
            "licenses": [{"expression": row["licence"]}],
            "hashes": [{"alg": "SHA-384", "content": base64.b64decode(value).hex()}],
        }


def licence(name: str) -> str:
    """Return an installed library's licence as SPDX; "" for one that is not here."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return ""
    classifiers = said.get_all("Classifier") or []
    classified = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License")]
    told = said.get("License-Expression") or next(iter(classified), said.get("License", ""))
    return NAMED.get(told, told) or "NOASSERTION"


def main() -> None:
    """Write the list to the file that is named."""
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "pipulate"}},
        "components": components(),
    }
    Path(sys.argv[1]).write_text(json.dumps(bill, indent=1) + "\n")


if __name__ == "__main__":
    main()
