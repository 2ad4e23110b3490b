"""A report's plots as SVG and tables: numbers in, HTML out, no script.

KINDS    bars (lying when names are long), curve, scatter (both axes
         logarithmic), heat (a table, which screen readers read out).
COLOURS  classes of static/graph/report.css, so that both themes fit;
         nothing is said by colour alone.
SIZE     a view box of WIDTH units; the page decides how large that is.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from fastcore.xml import FT, Div, NotStr, P, Table, Tbody, Td, Th, Thead, Tr

WIDTH = 720
LONG = 9  # characters; with longer names bars lie
CROWD = 24  # bars; of more, not each has room for its name
LYING = 290  # units on the left of lying bars, for their names
ROW = 20  # units from one lying bar to the next
NAME = 44  # characters of a lying bar's name
FAINTEST = 0.06  # heat: hardly any flow is still told from none
LITTLE = 0.0005  # of all PageRank; less would round to 0.0
SHARES = (0, 0.25, 0.5, 0.75, 1)  # ticks of an axis of shares


def draw(plot: dict[str, Any], title: str) -> FT | NotStr:
    """Draw a `Finding.plot`; `title` tells those who cannot see it."""
    kinds = {"bars": _bars, "curve": _curve, "scatter": _scatter, "heat": _heat}
    return kinds[plot["kind"]](plot, title)


def compact(value: float) -> str:
    """1234567 -> 1.23M; small numbers as they are."""
    for least, unit, sign in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / unit:.3g}{sign}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


# --- SVG ---


@dataclass(frozen=True)
class _Frame:
    """The field that two axes enclose; `x` and `y` place shares of it."""

    height: float
    top: float
    left = 46.0
    right = WIDTH - 14.0

    @property
    def bottom(self) -> float:
        return self.height - 40

    def x(self, share: float) -> float:
        return self.left + share * (self.right - self.left)

    def y(self, share: float) -> float:
        return self.bottom - share * (self.bottom - self.top)

    def across(self, share: float, text: str) -> str:
        return _text(self.x(share), self.bottom + 15, text)

    def up(self, share: float, text: str) -> str:
        return _text(self.left - 6, self.y(share) + 4, text, "end")

    def svg(self, plot: dict[str, Any], title: str, parts: Iterable[str]) -> NotStr:
        names = [
            _text(self.x(0.5), self.height - 4, plot["x_label"], cls="name"),
            _text(4, 11, plot["y_label"], "start", "name"),
        ]
        return _svg(self.height, title, [*parts, *names])


def _svg(height: float, title: str, parts: Iterable[str]) -> NotStr:
    return NotStr(
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", cls: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{cls}">{escape(text)}</text>'


def _bar(x: float, y: float, width: float, height: float, told: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
        f"<title>{escape(told)}</title></rect>"
    )


def _line(cls: str, start: tuple[float, float], end: tuple[float, float], told: str) -> str:
    x1, y1 = start
    x2, y2 = end
    return (
        f'<line class="{cls}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}">'
        f"<title>{told}</title></line>"
    )


# --- the kinds ---


def _bars(plot: dict[str, Any], title: str) -> NotStr:
    names = [str(name) for name in plot["x"]]
    values = plot["y"]
    if not names:
        return _svg(30, title, [_text(WIDTH / 2, 20, "Nothing to show")])
    if max(map(len, names)) > LONG:
        return _lying_bars(names, values, title)
    frame = _Frame(210, top=30)
    most = max(1, *values)
    step = 1 / len(names)
    width = frame.x(0.76 * step) - frame.left
    named = math.ceil(len(names) / CROWD)  # each, or each second, third, ...
    parts = []
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        share = (place + 0.5) * step
        middle = frame.x(share)
        top = frame.y(value / most)
        told = f"{name}: {value:,}"
        parts.append(_bar(middle - width / 2, top, width, frame.bottom - top, told))
        if named == 1:
            parts.append(_text(middle, top - 5, compact(value), cls="value"))
        if place % named == 0:
            parts.append(frame.across(share, name))
    return frame.svg(plot, title, parts)


def _lying_bars(names: Sequence[str], values: Sequence[float], title: str) -> NotStr:
    most = max(1, *values)
    parts = []
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        y = place * ROW
        width = (WIDTH - LYING - 60) * value / most
        parts += [
            _text(LYING - 8, y + 14, _shortened(name), "end"),
            _bar(LYING, y + 3, width, ROW - 6, f"{name}: {value:,}"),
            _text(LYING + width + 6, y + 14, compact(value), "start", "value"),
        ]
    return _svg(ROW * len(names) + 4, title, parts)


def _shortened(name: str) -> str:
    if len(name) <= NAME:
        return name
    return f"{name[:14]}…{name[-29:]}"


def _curve(plot: dict[str, Any], title: str) -> NotStr:
    frame = _Frame(230, top=24)
    points = [(0.0, 0.0), *zip(plot["x"], plot["y"], strict=True)]
    line = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
    end = frame.x(points[-1][0])
    half = next((x for x, y in points if y >= 0.5), 1.0)
    mark = frame.x(half)
    middle = frame.y(0.5)
    floor = frame.bottom
    told = f"half is held by {half:.1%} of the pages"
    parts = [
        f'<polygon class="area" points="{line} {end:.1f},{floor} {frame.left},{floor}"/>',
        f'<polyline class="line" points="{line}"/>',
        _line(
            "even",
            (frame.left, floor),
            (frame.right, frame.top),
            "If all were equal",
        ),
        _line("mark", (mark, floor), (mark, middle), told),
        _text(mark + 6, middle + 4, told, "start", "value"),
        *[frame.across(share, f"{share:.0%}") for share in SHARES],
        *[frame.up(share, f"{share:.0%}") for share in SHARES],
    ]
    return frame.svg(plot, title, parts)


def _scatter(plot: dict[str, Any], title: str) -> NotStr:
    frame = _Frame(300, top=24)
    across = _Logarithm(max([1.0, *plot["x"]]))
    up = _Logarithm(max([1.0, *plot["y"]]))
    dots = sorted(zip(plot["picked"], plot["x"], plot["y"], strict=True))  # the picked ones on top
    parts = [
        *[_dot(frame.x(across.share(x)), frame.y(up.share(y)), picked) for picked, x, y in dots],
        *[frame.across(share, text) for share, text in across.ticks()],
        *[frame.up(share, text) for share, text in up.ticks()],
    ]
    return frame.svg(plot, title, parts)


def _dot(x: float, y: float, picked: bool) -> str:
    cls, radius = ("picked", 3.2) if picked else ("other", 2)
    return f'<circle class="{cls}" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'


@dataclass(frozen=True)
class _Logarithm:
    """A logarithmic axis from zero to `most`; a share is how far along it."""

    most: float

    def share(self, value: float) -> float:
        return math.log1p(max(0.0, value)) / math.log1p(self.most)

    def ticks(self) -> list[tuple[float, str]]:
        powers = [10**power for power in range(int(math.log10(self.most) + 1e-9) + 1)]
        return [(self.share(tick), compact(tick)) for tick in (0, *powers)]


def _heat(plot: dict[str, Any], title: str) -> FT:
    names = plot["labels"]
    most = max(map(max, plot["flow"])) or 1.0
    head = Tr(Td(""), *[Th(name, scope="col", title=name) for name in names])
    rows = []
    for name, flows, counts in zip(names, plot["flow"], plot["links"], strict=True):
        fields = [
            _field(f"{name} to {to}", count, share, most)
            for to, count, share in zip(names, counts, flows, strict=True)
        ]
        rows.append(Tr(Th(name, scope="row", title=name), *fields))
    hint = "Rows: from; columns: to. "
    hint += "Figures: percent of all PageRank that flows that way in one click; "
    hint += "· is less than 0.05, and an empty field has no link."
    grid = Table(Thead(head), Tbody(*rows), aria_label=title)
    heat = Div(grid, cls="heat", tabindex="0", role="region", aria_label=title)
    return Div(P(hint, cls="hint"), heat)


def _field(way: str, count: int, share: float, most: float) -> FT:
    if not count:
        return Td("", title=f"{way}: no link")
    text = f"{share * 100:.1f}" if share >= LITTLE else "·"
    heat = max(FAINTEST, (share / most) ** 0.4)
    told = f"{way}: {count:,} links, {share:.2%} of all PageRank"
    return Td(text, title=told, style=f"--heat:{heat:.2f}")
