"""The calls of an export as a short program to run, read and change.

It holds no token.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipulate.botify import queries

if TYPE_CHECKING:
    from pipulate.botify.export import Plan, Wanted
    from pipulate.botify.urls import Address

TEMPLATE = '''"""Export the internal links of {org}/{project}, analysis {analysis}, from Botify."""
import json, os, time, urllib.request

API = "https://api.botify.com/v1"
HEADERS = {{
    "Authorization": f"Token {{os.environ['BOTIFY_TOKEN']}}",
    "Content-Type": "application/json",
}}
EXPORTS = json.loads(r"""{exports}""")


def call(method, path, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(f"{{API}}/{{path}}", data, HEADERS, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


for name, body in EXPORTS.items():
    job = call("POST", "jobs", body)  # this costs export credits, each time it is run
    while job["job_status"] not in ("DONE", "FAILED"):
        time.sleep(5)
        job = call("GET", f"jobs/{{job['job_id']}}")
    if job["job_status"] == "FAILED":
        raise SystemExit(f"{{name}}: the export failed")
    # No token goes to the file host.
    urllib.request.urlretrieve(job["results"]["download_url"], f"{{name}}.csv.gz")
    print(f"{{name}}.csv.gz")
'''


def snippet(address: Address, plan: Plan, wanted: Wanted) -> str:
    """The program that asks for what an export asks for."""
    org, project, _ = address
    bodies = {}
    for kind, query in plan.asked(wanted).items():
        name = f"by-hand-{kind}-{plan.analysis}"
        bodies[kind] = queries.export_body(org, project, query, name, plan.limit)
    exports = json.dumps(bodies, indent=2)
    return TEMPLATE.format(org=org, project=project, analysis=plan.analysis, exports=exports)
