"""The API calls of an export as a short program that the user can run, read and change.  Pure; it holds no token."""

import json
from collections.abc import Mapping
from typing import Any

from pipulate.botify import queries
from pipulate.botify.urls import Place

TEMPLATE = '''"""Export the internal links of {org}/{project}, analysis {slug}, from Botify's API."""
import json, os, time, urllib.request

API = "https://api.botify.com/v1"
HEADERS = {{"Authorization": f"Token {{os.environ['BOTIFY_TOKEN']}}", "Content-Type": "application/json"}}
EXPORTS = {exports}


def call(method, path, body=None):
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(urllib.request.Request(f"{{API}}/{{path}}", data, HEADERS, method=method), timeout=60) as answer:
        return json.load(answer)


for name, body in EXPORTS.items():
    job = call("POST", "jobs", body)  # this costs export credits, each time it is run
    while job["job_status"] not in ("DONE", "FAILED"):
        time.sleep(5)
        job = call("GET", f"jobs/{{job['job_id']}}")
    if job["job_status"] == "FAILED":
        raise SystemExit(f"{{name}}: the export failed")
    urllib.request.urlretrieve(job["results"]["download_url"], f"{{name}}.csv.gz")  # no token goes to the file host
    print(f"{{name}}.csv.gz")
'''


def snippet(place: Place, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return the program; `found` and `wanted` are the answers of the steps "analysis" and "fields"."""
    asked = queries.both(
        found["crawl"], int(wanted["depth"]), wanted.get("fields") or [], found["period"]
    )
    bodies = {
        kind: queries.export_body(
            place.org, place.project, query, f"by-hand-{kind}-{found['analysis']}", found["limit"]
        )
        for kind, query in asked.items()
    }
    literal = (
        json.dumps(bodies, indent=4)
        .replace(": true", ": True")
        .replace(": false", ": False")
        .replace(": null", ": None")
    )
    return TEMPLATE.format(
        org=place.org, project=place.project, slug=found["analysis"], exports=literal
    )
