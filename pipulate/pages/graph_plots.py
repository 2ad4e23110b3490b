"""A report's plots as SVG and tables, drawn here: numbers in, HTML out, no script.

KINDS    bars (upright, or lying when names are long), curve, scatter (both axes logarithmic), heat (a table: each field
         is read out by a screen reader, too).  `draw` takes what `Finding.plot` says.
COLOURS  classes of static/graph/report.css, so that both themes fit; nothing is said by colour alone.
SIZE     a view box of WIDTH units; the page decides how large that is.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from fasthtml.common import FT, Div, NotStr, P, Table, Tbody, Td, Th, Thead, Tr

WIDTH = 720
LONG = 9  # characters; with longer names bars lie
EDGE = (46.0, 14.0, 40.0)  # left, right, bottom: room for the axes


def draw(plot: dict[str, Any], title: str) -> FT | NotStr:
    """Return the plot as an element; `title` tells those who cannot see it what it shows."""
    kinds = {"bars": _bars, "curve": _curve, "scatter": _scatter, "heat": _heat}
    return kinds[plot["kind"]](plot, title)


def compact(value: float) -> str:
    """1234567 -> 1.2M; small numbers as they are."""
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            base = 1e3 if sign == "k" else size
            return f"{value / base:.3g}{sign}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def _svg(height: float, title: str, parts: Sequence[str]) -> NotStr:
    return NotStr(
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _axis_names(plot: dict[str, Any], height: float) -> list[str]:
    left, right, _ = EDGE
    return [
        _text((left + WIDTH - right) / 2, height - 4, plot["x_label"], more='class="name"'),
        _text(4, 11, plot["y_label"], "start", 'class="name"'),
    ]


def _bars(plot: dict[str, Any], title: str) -> NotStr:
    names, values = [str(name) for name in plot["x"]], plot["y"]
    if not names:
        return _svg(30, title, [_text(WIDTH / 2, 20, "Nothing to show")])
    if max(map(len, names)) > LONG:
        return _lying_bars(names, values, title)
    height, (left, right, bottom) = 210.0, EDGE
    top, most = 30.0, max(max(values), 1)
    step = (WIDTH - left - right) / len(names)
    tall = height - bottom - top
    parts = []
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        x, size = left + k * step, tall * value / most
        parts.append(
            f'<rect x="{x + step * 0.12:.1f}" y="{height - bottom - size:.1f}" width="{step * 0.76:.1f}" height="{size:.1f}">'
            f"<title>{escape(name)}: {value:,}</title></rect>"
        )
        if len(names) <= 24:
            parts.append(
                _text(
                    x + step / 2, height - bottom - size - 5, compact(value), more='class="value"'
                )
            )
        if len(names) <= 24 or k % math.ceil(len(names) / 24) == 0:
            parts.append(_text(x + step / 2, height - bottom + 15, name))
    return _svg(height, title, [*parts, *_axis_names(plot, height)])


def _lying_bars(names: list[str], values: Sequence[float], title: str) -> NotStr:
    row, most, left = 20.0, max(*values, 1), 290.0
    parts = []
    for k, (name, value) in enumerate(zip(names, values, strict=True)):
        y, size = k * row, (WIDTH - left - 60) * value / most
        short = name if len(name) <= 44 else f"{name[:14]}…{name[-29:]}"
        parts += [
            _text(left - 8, y + 14, short, "end"),
            f'<rect x="{left:.1f}" y="{y + 3:.1f}" width="{size:.1f}" height="{row - 6:.1f}">'
            f"<title>{escape(name)}: {value:,}</title></rect>",
            _text(left + size + 6, y + 14, compact(value), "start", 'class="value"'),
        ]
    return _svg(row * len(names) + 4, title, parts)


def _curve(plot: dict[str, Any], title: str) -> NotStr:
    height, (left, right, bottom), top = 230.0, EDGE, 24.0

    def x_of(value: float) -> float:
        return left + value * (WIDTH - left - right)

    def y_of(value: float) -> float:
        return height - bottom - value * (height - bottom - top)

    points = [(0.0, 0.0), *zip(plot["x"], plot["y"], strict=True)]
    line = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
    half = next((x for x, y in points if y >= 0.5), 1.0)
    parts = [
        f'<polygon class="area" points="{line} {x_of(points[-1][0]):.1f},{y_of(0):.1f} {x_of(0):.1f},{y_of(0):.1f}"/>',
        f'<polyline class="line" points="{line}"/>',
        f'<line class="even" x1="{x_of(0)}" y1="{y_of(0):.1f}" x2="{x_of(1)}" y2="{y_of(1):.1f}"><title>If all were equal</title></line>',
        f'<line class="mark" x1="{x_of(half):.1f}" y1="{y_of(0):.1f}" x2="{x_of(half):.1f}" y2="{y_of(0.5):.1f}"/>',
        _text(
            x_of(half) + 6,
            y_of(0.5) + 4,
            f"half is held by {half:.1%} of the pages",
            "start",
            'class="value"',
        ),
    ]
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts += [
            _text(x_of(share), height - bottom + 15, f"{share:.0%}"),
            _text(left - 6, y_of(share) + 4, f"{share:.0%}", "end"),
        ]
    return _svg(height, title, [*parts, *_axis_names(plot, height)])


def _scatter(plot: dict[str, Any], title: str) -> NotStr:
    height, (left, right, bottom), top = 300.0, EDGE, 24.0
    across, up = _Log(plot["x"], left, WIDTH - right), _Log(plot["y"], height - bottom, top)
    dots = sorted(zip(plot["picked"], plot["x"], plot["y"], strict=True))  # the picked ones on top
    parts = [
        f'<circle class="{"picked" if picked else "other"}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="{3.2 if picked else 2}"/>'
        for picked, x, y in dots
    ]
    parts += [_text(across(tick), height - bottom + 15, compact(tick)) for tick in across.ticks]
    parts += [_text(left - 6, up(tick) + 4, compact(tick), "end") for tick in up.ticks]
    return _svg(height, title, [*parts, *_axis_names(plot, height)])


class _Log:
    """A logarithmic axis that has room for zero: values from `start` to `stop`, ticks at 0, 1, 10, 100, ..."""

    def __init__(self, values: Sequence[float], start: float, stop: float) -> None:
        self.most = math.log1p(max([1.0, *values]))
        self.start, self.stop = start, stop
        self.ticks = [
            0.0,
            *(10.0**k for k in range(int(math.log10(math.expm1(self.most) + 1e-9)) + 1)),
        ]

    def __call__(self, value: float) -> float:
        return self.start + (self.stop - self.start) * math.log1p(max(0.0, value)) / self.most


def _heat(plot: dict[str, Any], title: str) -> FT:
    names, flow, links = plot["labels"], plot["flow"], plot["links"]
    most = max(max(row) for row in flow) or 1.0

    def field(row: int, column: int) -> FT:
        share, count = flow[row][column], links[row][column]
        if not count:
            return Td("", title=f"{names[row]} to {names[column]}: no link")
        heat = max(0.06, (share / most) ** 0.4)
        told = f"{names[row]} to {names[column]}: {count:,} links, {share:.2%} of all PageRank"
        return Td(
            f"{share * 100:.1f}" if share >= 0.0005 else "·", title=told, style=f"--heat:{heat:.2f}"
        )

    head = Tr(Td(""), *[Th(name, scope="col", title=name) for name in names])
    rows = [
        Tr(Th(name, scope="row", title=name), *[field(row, column) for column in range(len(names))])
        for row, name in enumerate(names)
    ]
    return Div(
        P(
            "Rows: from; columns: to. Figures: percent of all PageRank that flow that way in one click.",
            cls="hint",
        ),
        Div(
            Table(Thead(head), Tbody(*rows), aria_label=title),
            cls="heat",
            tabindex="0",
            role="region",
            aria_label=title,
        ),
    )
