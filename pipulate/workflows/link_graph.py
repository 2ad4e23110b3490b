"""Link graph: export a site's internal links from Botify, checked and whole,
and see them drawn.

The run ID is the project's address. Five cards: the project, one of its
analyses (crawls), the columns of the page table, the export, the result. What
an export costs is shown before it is asked for; what is on disk already is
never downloaded again; an export that was interrupted goes on by itself.
"""

from fasthtml.common import P, Small

from pipulate import Workflow
from pipulate.botify import export, urls
from pipulate.botify.connection import DEMO_ORG, connected, demo_is_on
from pipulate.botify.export import LATEST, Plan, Wanted
from pipulate.botify.snippet import snippet
from pipulate.pages import graph_cards
from pipulate.web.components import failure

flow = Workflow(
    "link_graph",
    title="Link graph",
    id_label="Botify project",
    id_hint=f"Paste the project's address, {urls.APP}/organisation/project/",
    normalise=urls.run_id,
)


def site(run):
    return urls.parse(run["project"])


def chosen(run):
    return Plan.read(run.fields("analysis")), Wanted.read(run.fields("fields"))


def botify(run, site):
    return connected(run.settings, run.engine.store, site.org)


def is_demo(run, address):
    return f"/{DEMO_ORG}/" in address and demo_is_on(run.settings, run.engine.store)


@flow.step("project", "Which project?", button="Check it")
def project(run):
    address = run.id if "botify.com" in run.id else ""
    known = export.candidates(run.settings)
    return graph_cards.project(address, known, is_demo(run, run.id))


@project.accept
async def check_project(run, form):
    found = urls.parse(form["project"])
    async with botify(run, found) as api:
        return await export.check(api, found)


@project.show
def show_project(run):
    name = f"{site(run).org} / {site(run).project}"
    return (name, Small(" demo data")) if is_demo(run, run["project"]) else name


@flow.step("analysis", "Which analysis?", button="Choose")
async def analysis(run):
    here = site(run)
    async with botify(run, here) as api:
        found = await api.analyses(here.org, here.project, only_success=False)
    named = run.fields("project").get("analysis") or LATEST
    own = run.was("analysis").get("analysis", "")
    return graph_cards.choice(found, export.on_disk(run.settings, here), named, LATEST, own)


@analysis.accept
async def check_analysis(run, form):
    async with botify(run, site(run)) as api:
        found = await export.plan(api, site(run), form["analysis"])
    await run.say(f"Depth {found.depth}: {found.links:,} links.")
    return found.fields()


@analysis.show
def show_analysis(run):
    return Plan.read(run.fields("analysis")).summary()


@flow.step("fields", "What shall be known of each page?", button="Export")
def fields(run):
    found = Plan.read(run.fields("analysis"))
    return graph_cards.columns(found.groups(), found.depths(), found.depth)


@fields.show
def show_fields(run):
    return Wanted.read(run.fields("fields")).summary()


@flow.work("export", "Export, download and check")
async def export_links(run, job):
    """Each file is asked for, and paid, once: `export` says what happens after a crash."""
    made = await export.carry_out(job, site(run), *chosen(run))
    where = f"The link graph of {site(run).project}, {made['analysis']}, is on disk"
    await run.say(f"{where}: {export.counted(made)}.")
    return made


@export_links.show
def show_export(run):
    return export.counted(run["export"])


@flow.result
def result(run):
    made = run["export"]
    place = export.place(run.settings, site(run), made["analysis"])
    drawn = graph_cards.preview(graph_cards.address(place))
    if not made["graph_links"]:
        drawn = P("The export has no links. Choose another analysis or a greater depth.")
    program = snippet(site(run), *chosen(run))
    return (
        P(f"{export.counted(made)} of {place.project}, down to depth {made['depth']}."),
        failure(export.cut_off(made["tables"])),
        drawn,
        *graph_cards.downloads(place, export.left_out(made["tables"])),
        graph_cards.program("The API calls, as a program", program),
    )
