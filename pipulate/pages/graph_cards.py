"""Link graphs in a card or a page: picture, files, lists, choices.

Also a workflow may use these.  `pages.graphs` serves what is below a
graph's address.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fasthtml.common import (
    FT,
    H3,
    A,
    Code,
    Details,
    Div,
    Fieldset,
    Input,
    Label,
    Legend,
    Li,
    Option,
    P,
    Pre,
    Script,
    Select,
    Small,
    Span,
    Summary,
    Table,
    Tbody,
    Td,
    Th,
    Thead,
    Tr,
    Ul,
    ft_hx,
)

from pipulate.engine.errors import Unknown
from pipulate.graph.shelf import Place


def address(place: Place) -> str:
    """Where the picture is seen."""
    return f"/graph/{place.org}/{place.project}/{place.analysis}"


def picture(address: str, **attributes: Any) -> tuple[FT, ...]:
    """The element that draws the graph at this address, and its script."""
    drawn = ft_hx("link-graph", src=f"{address}/data/", **attributes)
    return Script(src="/static/graph/link-graph.js", type="module"), drawn


def whole_picture(address: str) -> tuple[FT, ...]:
    """The picture for a page of its own."""
    return picture(address, force=f"{address}/force")


def preview(address: str) -> tuple[FT, ...]:
    """The small picture for a card, and what leads to picture and report.

    Raises Unknown for what is no graph's address: an imported run may name any.
    """
    if not re.fullmatch(r"/graph(/\w[\w.-]*){3}", address, re.ASCII):
        raise Unknown(f"{address!r} is the address of no graph.")
    leads = Div(
        A("Open the picture", href=address, role="button"),
        A(
            "Read the report",
            href=f"{address}/report",
            role="button",
            cls="quiet",
        ),
        cls="row",
    )
    return *picture(address, small=True, href=address), leads


def chosen(place: Place) -> str:
    """Say what was chosen of the analysis, if that is known."""
    choice = place.choice()
    if choice is None:
        return ""
    return f"depth {choice['depth']}, {', '.join(choice['columns']) or 'links only'}"


def contents(place: Place) -> str:
    """Say which files there are."""
    return "links & meta" if place.pages else "links only"


def files(place: Place) -> list[FT | str]:
    """The links to a graph's CSVs, and the one that opens Cosmograph."""
    kinds = ("links", "meta") if place.pages else ("links",)
    parts: list[FT | str] = []
    for kind in kinds:
        name = f"{place.project}_{place.analysis}_{kind}.csv"
        href = f"/download/{place.org}/{place.project}/{name}"
        parts += [A(name, href=href, download=name), " · "]
    cosmograph = f"/cosmograph/{place.org}/{place.project}/{place.analysis}"
    return [
        *parts,
        A("Open in Cosmograph", href=cosmograph, target="_blank", rel="noopener"),
    ]


def downloads(place: Place, remark: str) -> tuple[FT, ...]:
    """The files with their heading and what there is to say of them."""
    cosmograph = (
        "Cosmograph is a web site that reads both files from this machine; "
        "if it cannot, press Allow when the browser asks, or drag them in."
    )
    return H3("Files"), P(*files(place)), P(f"{remark} {cosmograph}", cls="hint")


def program(label: str, text: str) -> FT:
    """A program that is folded away."""
    return Details(Summary(label), Pre(Code(text)))


def project(address: str, known: Iterable[Any], demo: bool) -> list[FT]:
    """The inside of a card that asks for a `project`."""
    asked = Input(name="project", value=address, required=True, maxlength=500)
    card = [Label("Any address of the project in Botify", asked)]
    links = [A(f"{p.org} / {p.project}", href=f"/link_graph?id={p.url}") for p in known]
    if links:
        card.append(Details(Summary("Or pick one of yours"), Ul(*map(Li, links))))
    if demo:
        card.append(Small("This is demo data: made-up sites, nothing is spent."))
    return card


def columns(
    groups: Mapping[str, Iterable[Any]], depths: Mapping[int, str], depth: int
) -> tuple[FT, ...]:
    """The inside of a card that asks for `fields` and a `depth`."""

    def box(column: Any) -> FT:
        button = Input(type="checkbox", name="fields", value=column.name, checked=True)
        return Label(button, column.label)

    ticks = [Fieldset(Legend(label), *map(box, group)) for label, group in groups.items()]
    choices = [Option(text, value=str(n), selected=n == depth) for n, text in depths.items()]
    asked = Select(*choices, name="depth")
    return (
        *ticks,
        Label("How deep? Rows and export credits are upper bounds", asked),
        Small(
            "Nothing has been spent so far. The links are every link tag, repeats "
            "included; the export has each pair of pages once. The pages are those "
            "that clicks from the home page reach; crawl and graph know others, too. "
            "“Export” asks for the files; without a tick, for the links alone."
        ),
    )


def on_disk(places: Iterable[Place]) -> FT | None:
    """The list of graphs that are there, if any is."""
    rows = [
        Li(
            place.analysis,
            " ",
            A("View", href=address(place)),
            " · ",
            *files(place),
            " ",
            Small(chosen(place)),
        )
        for place in places
    ]
    return Details(Summary(f"{len(rows)} on disk already"), Ul(*rows)) if rows else None


def choice(
    analyses: Iterable[Any],
    known: Mapping[str, Place],
    wanted: str,
    latest: str,
    own: str = "",
) -> tuple[FT | None, ...]:
    """The inside of a card that asks for the `analysis`, newest first.

    Those not finished or `known` to be on disk cannot be chosen, but for
    `own`, which the run had; `latest` stands for the newest finished one,
    chosen unless `wanted` can be.
    """
    found = list(analyses)
    done = [analysis.slug for analysis in found if analysis.done]
    free = [name for name in done if name == own or name not in known]
    if wanted not in free:
        wanted = latest

    def radio(value: str, text: str, *more: Any, disabled: bool = False) -> FT:
        chosen = value == wanted
        button = Input(
            type="radio",
            name="analysis",
            value=value,
            checked=chosen,
            disabled=disabled,
            required=True,
        )
        return Label(button, text, *more)

    def row(analysis: Any) -> FT:
        name = analysis.slug
        status = analysis.status
        if name in known:
            status = A(f"({contents(known[name])})", href=address(known[name]))
        pages = f"{analysis.urls:,}" if analysis.urls else ""
        asked = radio(name, name, disabled=name not in free)
        return Tr(*map(Td, (asked, analysis.date.isoformat(), pages, status)))

    newest = "".join(done[:1])
    remark = None
    if newest in known:
        remark = Span(f" ({contents(known[newest])}, on disk)", cls="hint")
    heads = Thead(Tr(*map(Th, ("Analysis", "Date", "Pages", "Status"))))
    return (
        radio(latest, f"The latest one, {newest}", remark),
        Table(heads, Tbody(*map(row, found))),
        on_disk(known.values()),
    )
