"""The link graph's viewer in a real browser: what one sees, points at, types and presses."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from pipulate.graph import measures
from tests.conftest import PATIENCE, Serve
from tests.graph.sites import Pages, picture_files, site

Open = Callable[..., None]

STAGE = "document.querySelector('link-graph').viewer.stage"


@pytest.fixture(scope="module")
def pictures() -> dict[str, dict[str, bytes]]:
    """Pictures of 1k and 100k links, made once."""
    return {"1k": picture_files(site("1k"), force=True), "100k": picture_files(site("100k"))}


@pytest.fixture
def view(page: Page, serve: Serve, pictures: dict[str, dict[str, bytes]]) -> Open:
    """Give `view(name, hash="", **query)`: open a picture and wait until all of it is drawn."""
    address = serve(Pages(pictures).app())

    def open_(name: str = "1k", hash: str = "", **query: str) -> None:
        page.goto(f"{address}/{name}?{'&'.join(f'{k}={v}' for k, v in query.items())}#{hash}")
        drawn(page)

    return open_


def drawn(page: Page) -> None:
    """Wait until every layer shows the present view, and it was painted."""
    page.locator("link-graph[data-state=drawn]").wait_for()
    page.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


UNTIL = """(late) => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error("it did not come true")), late);
  const look = () => (TRUE) ? resolve() : requestAnimationFrame(look);
  look();
})"""


def until(page: Page, expression: str) -> None:
    """Wait until this is true (`wait_for_function` evaluates texts, which our policy forbids)."""
    page.evaluate(UNTIL.replace("TRUE", expression), 1000 * PATIENCE)


def stage(page: Page, expression: str) -> Any:
    """Return an expression of the stage's state."""
    return page.evaluate(f"(() => {{ const stage = {STAGE}; return {expression} }})()")


def camera(page: Page) -> dict[str, float]:
    return stage(page, "({x: stage.camera.x, y: stage.camera.y, zoom: stage.camera.zoom})")


def at(page: Page, number: int) -> tuple[float, float]:
    """Where a page of the graph is in the window."""
    x, y = stage(page, f"stage.onScreen({number})")
    return x, y


PIXELS = """async ([canvas, blob, step]) => {
  const bytes = Uint8Array.from(atob(blob), (letter) => letter.charCodeAt(0));
  const image = blob ? await createImageBitmap(new Blob([bytes])) : canvas;
  const pen = new OffscreenCanvas(image.width, image.height).getContext("2d");
  pen.drawImage(image, 0, 0);
  const { data, width, height } = pen.getImageData(0, 0, image.width, image.height);
  let text = "";
  for (let y = 0; y < height; y += step)
    for (let x = 0, at = 4 * y * width; x < width; x += step, at += 4 * step)
      text += String.fromCharCode(data[at], data[at + 1], data[at + 2]);
  return [Math.ceil(height / step), Math.ceil(width / step), btoa(text)];
}"""


def pixels(page: Page, png: bytes = b"", step: int = 2) -> np.ndarray:
    """Return every `step`-th pixel of the picture on the page (or in a PNG): (height, width, 3)."""
    canvas = page.evaluate_handle(f"{STAGE}.canvas")
    height, width, text = page.evaluate(PIXELS, [canvas, base64.b64encode(png).decode(), step])
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 3).astype(int)


BLUE = np.array([0, 0x72, 0xB2])  # the most frequent class, in the light theme


def share_of(image: np.ndarray, colour: np.ndarray) -> float:
    """Share of the pixels that have (almost) this colour."""
    return float((np.abs(image - colour).sum(axis=2) < 12).mean())


def differ(one: np.ndarray, other: np.ndarray) -> float:
    """Share of the pixels that clearly differ."""
    return float((np.abs(one - other).sum(axis=2) > 30).mean())


def area(page: Page) -> Locator:
    return page.get_by_role("application")


def entry(page: Page, label: str) -> Locator:
    """A class's button in the legend."""
    return page.get_by_role("list", name="Legend").get_by_role("button", name=label)


def number_of(page: Page, label: str) -> int:
    """The count that the legend shows beside a class."""
    return int(entry(page, label).inner_text().split()[-1].replace(",", ""))


# --- drawing ---


@pytest.mark.parametrize("name", ["1k", "100k"])
def test_a_picture_is_drawn(page: Page, view: Open, name: str) -> None:
    """Pages are dots of the legend's colours, links are lines, and the counts are said."""
    view(name)
    expect(page.locator(".told")).to_have_text(f"{site(name).n:,} pages · {site(name).m:,} links")
    image = pixels(page)
    assert 0.05 < differ(image, image[2, 2]) < 0.9
    assert share_of(image, BLUE) > 0.002, "dots of the most frequent page type"


def test_the_dark_picture_is_dark(page: Page, view: Open) -> None:
    """In the app's dark theme the ground is dark; switching recolours the picture at once."""
    view(theme="dark")
    assert pixels(page)[0, 0].max() < 60
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    drawn(page)
    assert pixels(page)[0, 0].min() > 200


def test_the_system_s_theme_counts_when_the_app_has_none(page: Page, view: Open) -> None:
    """Without a chosen theme the picture follows the system's."""
    page.emulate_media(color_scheme="dark")
    view()
    assert pixels(page)[0, 0].max() < 60


def test_filtered_links_are_not_drawn(page: Page, view: Open) -> None:
    """Site-wide links appear when asked for: the home page's star makes more ink."""
    view()
    before = stage(page, "stage.layers.links.view.id")
    box = page.get_by_role("checkbox", name="Site-wide links")
    without = pixels(page)
    box.check()
    drawn(page)
    assert stage(page, "stage.layers.links.view.id") > before
    assert differ(pixels(page), without) > 0.005


# --- moving and pointing ---


def test_dragging_pans(page: Page, view: Open) -> None:
    """The picture follows the pointer, pixel for pixel."""
    view("100k")
    before = camera(page)
    page.mouse.move(700, 400)
    page.mouse.down()
    page.mouse.move(800, 450, steps=4)
    page.mouse.up()
    after = camera(page)
    assert after["x"] - before["x"] == pytest.approx(100, abs=0.01)
    assert after["y"] - before["y"] == pytest.approx(50, abs=0.01)
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_hidden()


def test_the_wheel_zooms_where_the_pointer_is(page: Page, view: Open) -> None:
    """The wheel enlarges; the place under the pointer stays."""
    view()
    page.mouse.move(600, 300)
    before = camera(page)["zoom"]
    place = stage(page, "stage.camera.toPlace(600, 300)")
    page.mouse.wheel(0, -240)
    until(page, f"{STAGE}.camera.zoom > {before * 1.3}")
    assert stage(page, "stage.camera.toPlace(600, 300)") == pytest.approx(place, abs=0.01)


def test_two_fingers_zoom(page: Page, view: Open) -> None:
    """Two pointers that move apart enlarge the picture."""
    view()
    before = camera(page)["zoom"]
    area(page).evaluate("""(target) => {
      const send = (type, id, x) => {
        const button = type === "pointermove" ? -1 : 0;
        const more = {pointerId: id, clientX: x, clientY: 400, button, bubbles: true};
        target.dispatchEvent(new PointerEvent(type, more));
      };
      target.setPointerCapture = () => {};
      send("pointerdown", 1, 600); send("pointerdown", 2, 700);
      for (let x = 700; x <= 900; x += 20) send("pointermove", 2, x);
      send("pointerup", 1, 600); send("pointerup", 2, 900);
    }""")
    assert camera(page)["zoom"] == pytest.approx(before * 3, rel=0.1)


def test_pointing_shows_a_label(page: Page, view: Open) -> None:
    """The page under the pointer is named beside it, with its type and its inlinks."""
    view("100k")
    hub = stage(page, "stage.ranking[3]")
    page.mouse.move(*at(page, hub))
    url = site("100k").urls[hub]
    expect(page.locator(".tip b")).to_have_text(url.rsplit("/", 1)[1])
    expect(page.locator(".tip")).to_contain_text("inlinks")
    page.mouse.move(1260, 20)
    expect(page.locator(".tip")).to_be_hidden()


def test_keys_move_and_zoom(page: Page, view: Open) -> None:
    """Arrows pan, plus and minus zoom, 0 shows the whole, the slash goes to the search field."""
    view()
    area(page).focus()
    start = camera(page)
    page.keyboard.press("ArrowLeft")
    assert camera(page)["x"] == pytest.approx(start["x"] + 80)
    page.keyboard.press("+")
    assert camera(page)["zoom"] == pytest.approx(1.4 * start["zoom"])
    page.keyboard.press("-")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("0")
    assert camera(page) == pytest.approx(start)


def test_slash_searches_wherever_one_is(page: Page, view: Open) -> None:
    """As the field says; but where one writes it is a letter."""
    field = page.get_by_role("combobox", name="Find a page")
    view()
    page.keyboard.press("/")
    expect(field).to_be_focused()
    page.keyboard.press("/")
    expect(field).to_have_value("/")
    page.keyboard.press("Escape")
    area(page).focus()
    page.keyboard.press("/")
    expect(field).to_be_focused()
    expect(field).to_have_value("")


def test_tab_goes_through_the_hubs(page: Page, view: Open) -> None:
    """After the picture come the most linked pages; Enter chooses one, Escape goes back."""
    view()
    area(page).focus()
    page.keyboard.press("Tab")
    first = stage(page, "stage.hovered")
    assert first == stage(page, "stage.ranking[0]")
    page.keyboard.press("Tab")
    assert stage(page, "stage.hovered") not in (-1, first)
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="The chosen page")
    expect(panel).to_be_visible()
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(area(page)).to_be_focused()


# --- one page's data ---


def test_a_click_opens_all_about_a_page(page: Page, view: Open) -> None:
    """The panel has title, URL, columns, click path, inlinks and outlinks, equal to the graph's."""
    graph = site("100k")
    view("100k")
    hub = stage(page, "stage.ranking[5]")
    page.mouse.click(*at(page, hub))
    panel = page.get_by_role("complementary", name="The chosen page")
    expect(panel.get_by_role("heading", level=2)).to_have_text(graph.pages["title"][hub])
    expect(panel.get_by_role("link")).to_have_attribute("href", graph.urls[hub])
    links_in = int((graph.target == hub).sum())
    links_out = int((graph.source == hub).sum())
    expect(panel.get_by_role("heading", name="Inlinks")).to_have_text(f"Inlinks{links_in:,}")
    expect(panel.get_by_role("heading", name="Outlinks")).to_have_text(f"Outlinks{links_out:,}")
    names = panel.locator("dt").all_inner_texts()
    columns = dict(zip(names, panel.locator("dd").all_inner_texts(), strict=True))
    assert columns["Page type"] == graph.pages["pagetype"][hub]
    assert columns["Impressions"] == f"{graph.pages['impressions'][hub]:,}"
    home = measures.home(graph)
    way = panel.locator(".path li").all_inner_texts()
    assert len(way) == len(measures.click_path(graph, home, hub))
    assert graph.urls[hub].endswith(way[-1])


def test_links_in_the_panel_lead_on(page: Page, view: Open) -> None:
    """An inlink's button chooses that page and brings it to the middle; more can be asked for."""
    view("100k")
    hub = stage(page, "stage.ranking[1]")
    page.mouse.click(*at(page, hub))
    panel = page.get_by_role("complementary", name="The chosen page")
    inlinks = panel.locator("section", has=page.get_by_role("heading", name="Inlinks"))
    expect(inlinks.get_by_role("listitem")).to_have_count(20)
    inlinks.get_by_role("button", name="Show more").click()
    expect(inlinks.get_by_role("listitem")).to_have_count(220)
    inlinks.get_by_role("listitem").first.get_by_role("button").click()
    expect(panel.get_by_role("heading", level=2)).not_to_have_text(site("100k").pages["title"][hub])
    chosen = stage(page, "stage.chosen")
    assert chosen != hub
    assert at(page, chosen) == pytest.approx(tuple(stage(page, "stage.camera.middle")), abs=1)


def test_a_chosen_page_s_neighbours_stand_out(page: Page, view: Open) -> None:
    """Choosing fades the rest and draws the page's links; closing brings all back."""
    view()
    before = pixels(page)
    page.mouse.click(*at(page, stage(page, "stage.ranking[2]")))
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_visible()
    drawn(page)
    assert differ(pixels(page), before) > 0.03
    page.get_by_role("button", name="Close").click()
    page.mouse.move(1260, 20)
    drawn(page)
    assert differ(pixels(page), before) < 0.002


def test_finding_a_page(page: Page, view: Open) -> None:
    """Typing lists pages whose URL or title has all words, best linked first; Enter goes there."""
    view("100k")
    field = page.get_by_role("combobox", name="Find a page")
    field.fill("KITCHEN product")
    options = page.get_by_role("listbox").get_by_role("option")
    expect(options).to_have_count(11)
    urls = site("100k").urls
    wanted = urls.str.contains("kitchen") & urls.str.contains("product")
    expect(options.last).to_have_text(f"{wanted.sum():,} pages")
    degrees = np.bincount(site("100k").target, minlength=len(urls))
    best = max(np.flatnonzero(wanted), key=lambda i: degrees[i])
    assert urls[int(best)].endswith(options.first.inner_text())
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_visible()
    assert stage(page, "stage.chosen") == best
    field.fill("no such page")
    expect(options).to_have_text(["No page has this in its URL"])


def test_the_page_that_is_pointed_at_is_the_one_found(page: Page, view: Open) -> None:
    """Enter goes to where the arrows came, not to the first of the list."""
    view()
    field = page.get_by_role("combobox", name="Find a page")
    field.fill("kitchen")
    second = page.get_by_role("listbox").get_by_role("option").nth(1)
    wanted = second.get_attribute("title")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(second).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="The chosen page")
    expect(panel.get_by_role("link").first).to_have_attribute("href", wanted or "")


SLOW = """() => {
  const stage = document.querySelector("link-graph").viewer.stage;
  const { receive, texts } = stage;
  const [urls, late] = [texts.urls.bind(texts), {}];
  const held = (name) => new Promise((resolve) => (late[name] = resolve));
  const [points, names] = [held("points"), held("names")];
  stage.receive = async function (name, data) {
    if (name === "points") await points;
    receive.call(stage, name, data);
  };
  texts.urls = async (pages) => (await names, urls(pages));
  window.arrive = (name) => late[name]();
}"""


@pytest.mark.parametrize("last", ["points", "names"])
def test_all_layers_and_names_are_there_when_it_is_drawn(page: Page, view: Open, last: str) -> None:
    """The links alone are not the picture; of an earlier view nothing counts."""
    view()
    page.evaluate(SLOW)
    page.get_by_role("checkbox", name="Site-wide links").check()
    until(page, f"!{STAGE}.owed.has('links')")
    state = page.locator("link-graph")
    page.evaluate("arrive", "names" if last == "points" else "points")
    until(page, f"{STAGE}.owed.size === 1")
    expect(state).to_have_attribute("data-state", "drawing")
    page.evaluate("arrive", last)
    drawn(page)


def test_names_of_an_earlier_view_are_not_taken_for_the_later_one_s(page: Page, view: Open) -> None:
    """Of two views at once, the list of hubs is the later one's, when its names are known."""
    view()
    page.evaluate(
        f"""() => {{
          const stage = {STAGE};
          stage.texts.known.clear();
          stage.nameHubs();
          stage.camera.zoomAt(300, 300, 6);
          stage.nameHubs();
          stage.texts.known.clear();
        }}"""
    )
    drawn(page)
    listed = page.get_by_role("list", name="Most linked pages in view")
    assert listed.get_by_role("button").count() == stage(page, "Math.min(24, stage.hubs.length)")


# --- colours, filters ---


def test_the_legend_filters(page: Page, view: Open) -> None:
    """A click on a class hides its pages and says what is left; with Shift only it stays."""
    graph = site("100k")
    view("100k")
    products = int((graph.pages["pagetype"] == "product").sum())
    assert number_of(page, "product") == products
    entry(page, "product").click()
    expect(entry(page, "product")).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".told")).to_contain_text(f"{graph.n - products:,} of {graph.n:,} pages")
    drawn(page)
    assert share_of(pixels(page), BLUE) < 0.0005, "no dot of that colour is left"
    entry(page, "product").click(modifiers=["Shift"])
    expect(page.locator(".told")).to_contain_text(f"{products:,} of {graph.n:,} pages")


def test_the_depth_slider_filters(page: Page, view: Open) -> None:
    """Pages more clicks away from home than the slider says are left out, in picture and legend."""
    graph = site("1k")
    view()
    depth = measures.depths(graph, measures.home(graph))
    page.get_by_role("slider").fill("1")
    near = int(((depth >= 0) & (depth <= 1)).sum())
    expect(page.locator(".told")).to_contain_text(f"{near} of {graph.n} pages")
    page.get_by_role("slider").fill(str(depth.max()))
    expect(page.locator(".told")).to_have_text(f"{graph.n} pages · {graph.m:,} links")


def test_colours_can_show_any_column(page: Page, view: Open) -> None:
    """Numbers become steps from low to high, texts classes; the legend's counts are all pages."""
    graph = site("1k")
    view()
    page.get_by_label("Colour").select_option("http_code")
    expect(entry(page, "301")).to_be_visible()
    assert number_of(page, "404") == int((graph.pages["http_code"] == 404).sum())
    page.get_by_label("Colour").select_option("impressions")
    expect(entry(page, "301")).to_be_hidden()
    counts = page.locator(".legend .count").all_inner_texts()
    assert len(counts) > 4
    assert sum(int(count.replace(",", "")) for count in counts) == graph.n


def test_sizes_can_show_any_number(page: Page, view: Open) -> None:
    """With another size column another page is the largest dot."""
    view()
    page.get_by_label("Size").select_option("impressions")
    best = int(site("1k").pages["impressions"].arg_max() or 0)
    until(page, f"{STAGE}.ranking[0] === {best}")
    assert stage(page, f"stage.radius[{best}]") == pytest.approx(stage(page, "stage.largest"))


LATE = """() => {
  const { graph } = document.querySelector("link-graph").viewer;
  const layout = graph.layout.bind(graph);
  const late = new Promise((resolve) => (window.arrive = resolve));
  graph.layout = (name) => (name === "force" ? late.then(() => layout(name)) : layout(name));
}"""


def test_what_is_not_there_yet_is_not_drawn(page: Page, view: Open) -> None:
    """From the choice until its numbers are there and shown, the picture is "drawing"."""
    view()
    before = at(page, 17)
    page.evaluate(LATE)
    page.get_by_label("Layout").select_option("force")
    expect(page.locator("link-graph")).to_have_attribute("data-state", "drawing")
    page.evaluate("arrive()")
    drawn(page)
    assert at(page, 17) != before


def test_the_later_of_two_choices_counts(page: Page, view: Open) -> None:
    """Also when what the earlier one asked for comes last."""
    view()
    before = at(page, 17)
    page.evaluate(LATE)
    page.get_by_label("Layout").select_option("force")
    page.get_by_label("Layout").select_option("sections")
    page.evaluate("arrive()")
    drawn(page)
    assert at(page, 17) == before
    assert page.get_by_label("Layout").input_value() == "sections"


def test_layouts_can_be_switched(page: Page, view: Open) -> None:
    """Force puts pages elsewhere and has no discs; Sections brings them back."""
    view()
    before = at(page, 17)
    page.get_by_label("Layout").select_option("force")
    drawn(page)
    assert at(page, 17) != before
    assert stage(page, "stage.discs.length") == 0
    page.get_by_label("Layout").select_option("sections")
    drawn(page)
    assert at(page, 17) == before


@pytest.mark.console("status of 404")
def test_a_force_layout_that_is_not_there_is_said(page: Page, view: Open) -> None:
    """Where nothing can compute Force, the message says so and Sections stays chosen."""
    view("100k")
    page.get_by_label("Layout").select_option("force")
    expect(page.locator(".told")).to_have_text("There is no Force layout of this graph.")
    expect(page.get_by_label("Layout")).to_have_value("sections")


# --- address, files, table, sizes ---


def test_the_address_brings_the_view_back(page: Page, view: Open) -> None:
    """What is set, chosen and zoomed to stands in the address; opening it shows the same."""
    view()
    page.get_by_label("Colour").select_option("http_code")
    entry(page, "404").click()
    page.get_by_label("Layout").select_option("force")
    drawn(page)
    page.get_by_role("slider").fill("2")
    field = page.get_by_role("combobox", name="Find a page")
    field.fill("category")
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_visible()
    page.wait_for_url("**/*page=https*")
    drawn(page)
    before = camera(page)
    chosen = stage(page, "stage.chosen")
    page.reload()
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_visible()
    drawn(page)
    assert stage(page, "stage.chosen") == chosen
    assert camera(page)["zoom"] == pytest.approx(before["zoom"], rel=0.01)
    assert camera(page)["x"] == pytest.approx(before["x"], abs=2)
    expect(page.get_by_label("Layout")).to_have_value("force")
    expect(entry(page, "404")).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("slider")).to_have_value("2")


def test_a_page_s_address_leads_to_it(page: Page, view: Open) -> None:
    """With only a page in the address, as in the report's links, that page is chosen."""
    view("100k", hash="page=" + quote(site("100k").urls[1234], safe=""))
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_visible()
    assert at(page, 1234) == pytest.approx(tuple(stage(page, "stage.camera.middle")), abs=1)


def test_a_senseless_address_is_harmless(page: Page, view: Open) -> None:
    """Unknown columns, pages and numbers in the address are passed over."""
    senseless = "colour=nothing&size=title&layout=spiral&depth=-3&at=a,b,c"
    view(hash=f"{senseless}&page=https://elsewhere.example/")
    expect(page.get_by_label("Colour")).to_have_value("pagetype")
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_hidden()


def test_saving_a_png(page: Page, view: Open, tmp_path: Path) -> None:
    """The PNG shows what the window shows, twice as fine."""
    view()
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert download.value.suggested_filename == "example.com.png"
    image = pixels(page, Path(download.value.path()).read_bytes(), step=4)
    assert image.shape[:2] == (400, 640)
    assert np.abs(image - pixels(page)).mean() < 6


@pytest.mark.parametrize(("name", "lines"), [("1k", True), ("100k", False)])
def test_saving_an_svg(page: Page, view: Open, name: str, lines: bool) -> None:
    """The SVG has a circle for each page; links are lines when few, an image when many."""
    view(name)
    with page.expect_download() as download:
        page.get_by_role("button", name="SVG").click()
    text = Path(download.value.path()).read_text()
    assert text.count("<circle") == site(name).n
    assert ("<path" in text, "<image" in text) == (lines, not lines)
    assert "<script" not in text


def test_the_table_shows_the_same(page: Page, view: Open) -> None:
    """The table lists the pages that the filter shows; it sorts by any column and turns."""
    graph = site("1k")
    view()
    page.get_by_role("button", name="Show the pages as a table").click()
    table = page.get_by_role("table")
    expect(table).to_be_visible()
    inlinks = np.bincount(graph.target, minlength=graph.n)
    column = table.get_by_role("columnheader").all_inner_texts().index("Inlinks ▾")
    shown = [
        int(row.get_by_role("cell").nth(column - 1).inner_text())
        for row in table.get_by_role("row").all()[1:]
    ]
    assert shown == sorted(inlinks, reverse=True)[:50]
    table.get_by_role("button", name="URL").click()
    paths = [f"/{url.split('/', 3)[3]}" for url in sorted(graph.urls)]  # of one host
    expect(table.get_by_role("rowheader").first).to_have_text(paths[0])
    page.get_by_role("button", name="Next").click()
    expect(table.get_by_role("rowheader").first).to_have_text(paths[50])
    entry(page, "product").click(modifiers=["Shift"])
    products = int((graph.pages["pagetype"] == "product").sum())
    expect(page.locator(".table p")).to_have_text(f"Pages 1 to {min(50, products)} of {products}")
    table.get_by_role("rowheader").first.get_by_role("button").click()
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_pressed_button_can_be_read_while_pointed_at(page: Page, view: Open, theme: str) -> None:
    """What a button tells by its colours, the pointer does not take away."""
    view(theme=theme)
    page.get_by_role("button", name="Show the pages as a table").click()
    page.mouse.move(1, 1)
    table = page.get_by_role("button", name="Show the pages as a table")
    colours = "(button) => { const c = getComputedStyle(button); return c.color + c.background; }"
    pressed = table.evaluate(colours)
    table.hover()
    assert table.evaluate(colours) == pressed


def test_the_choices_do_not_cover_the_table(page: Page, view: Open) -> None:
    """In a narrow column they stand above it, folded or open."""
    page.set_viewport_size({"width": 620, "height": 800})
    view()
    page.get_by_role("button", name="Show the pages as a table").click()
    expect(page.get_by_role("table")).to_be_visible()
    settings = page.locator(".settings")
    settings.locator("summary").click()
    expect(settings).to_have_attribute("open", "")
    table = page.locator(".table")
    box, below = settings.bounding_box(), table.bounding_box()
    assert box and below
    assert box["height"] > 200
    assert box["y"] + box["height"] <= below["y"]
    assert below["height"] > 150


def test_a_phone_sees_the_picture_first(page: Page, view: Open) -> None:
    """On a small screen the choices are folded away, nothing is too wide, a tap opens a page."""
    page.set_viewport_size({"width": 390, "height": 780})
    view()
    expect(page.get_by_label("Layout")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.mouse.click(*at(page, stage(page, "stage.ranking[0]")))
    expect(page.get_by_role("complementary", name="The chosen page")).to_be_visible()
    expect(page.get_by_role("button", name="Close")).to_be_in_viewport()


@pytest.mark.console("status of 404", "meta.json: the server answered 404")  # where it leads
def test_a_small_picture_leads_to_the_big_one(page: Page, view: Open) -> None:
    """The card's picture has no controls, names what is pointed at, and opens on a click."""
    view(small="1")
    expect(page.get_by_role("img", name="Picture of 220 pages")).to_be_visible()
    expect(page.get_by_role("combobox")).to_have_count(0)
    x, y = at(page, stage(page, "stage.ranking[1]"))
    page.mouse.move(x, y)
    expect(page.locator(".tip")).to_contain_text("inlinks")
    page.mouse.click(x, y)
    page.wait_for_url("**/elsewhere")


@pytest.mark.console("status of 404", "links.u32: the server answered 404")
def test_a_missing_picture_is_said(
    page: Page, serve: Serve, pictures: dict[str, dict[str, bytes]]
) -> None:
    """When the server has no such data, the message says what failed."""
    broken = {"1k": {key: value for key, value in pictures["1k"].items() if key != "links.u32"}}
    page.goto(f"{serve(Pages(broken).app())}/1k")
    expect(page.get_by_role("status")).to_have_text(
        "The picture cannot be shown: links.u32: the server answered 404"
    )


def test_data_are_asked_for_when_needed(page: Page, view: Open) -> None:
    """The first picture takes links, places and the columns shown; others come when asked for."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[1]))
    view("100k")
    files = {
        c["name"]: c["file"]
        for c in json.loads(picture_files(site("100k"))["meta.json"])["columns"]
    }
    assert files["inlinks"] in asked
    assert files["impressions"] not in asked
    page.get_by_label("Colour").select_option("impressions")
    drawn(page)
    assert files["impressions"] in asked


@pytest.mark.trust("A million links drawn, without a GPU", alone=True)
def test_a_million_links_in_a_browser_without_a_gpu(page: Page, serve: Serve) -> None:
    """A million links are drawn, found and panned; the limits leave room for a busy machine."""
    graph = site("1M")
    page.goto(f"{serve(Pages({'1M': picture_files(graph)}).app())}/1M")
    page.locator("link-graph[data-state=drawn]").wait_for(timeout=60_000)
    image = pixels(page)
    assert differ(image, image[2, 2]) > 0.2
    assert stage(page, "stage.timings.first") < 10_000
    gaps = page.evaluate(f"""async () => {{
      const stage = {STAGE}, gaps = [];
      for (let k = 0, before = performance.now(); k < 40; k++) {{
        stage.camera.pan(6, 3);
        stage.moved();
        await new Promise(requestAnimationFrame);
        gaps.push(performance.now() - before);
        before = performance.now();
      }}
      return gaps.sort((a, b) => a - b);
    }}""")
    assert gaps[20] < 150
    drawn(page)
    hub = stage(page, "stage.ranking[3]")
    assert stage(page, f"stage.pageAt(...stage.onScreen({hub}))") == hub
    assert stage(page, "stage.timings.pick") < 25
    field = page.get_by_role("combobox", name="Find a page")
    field.fill(graph.urls[hub].rsplit("/", 1)[1])
    expect(page.get_by_role("listbox").get_by_role("option").first).to_contain_text(
        graph.urls[hub][25:]
    )
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="The chosen page")
    expect(panel.get_by_role("heading", name="Inlinks")).to_have_text(
        f"Inlinks{int((graph.target == hub).sum()):,}"
    )
