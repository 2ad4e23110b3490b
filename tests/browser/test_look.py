"""How every page looks and sounds: accessible in both themes, still while it loads, whole on a
phone, small.

The list of pages is the app's own (its menu and its workflows), so that a new page is looked at
without being named here.  `faults` says what is wrong with the page that the browser shows; a
planted fault of each kind proves it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from pipulate.app import create_app
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from tests.conftest import Serve

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}

WATCH = """window.shifts = [];
const named = (node) => node && (node.id || node.className || node.nodeName);
new PerformanceObserver((list) => {
  for (const { hadRecentInput, value, sources } of list.getEntries())
    if (!hadRecentInput) shifts.push(value.toFixed(4) + " " + sources.map((s) => named(s.node)));
}).observe({ type: "layout-shift", buffered: true });"""
PAINTED = "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))"
IDS = """[...document.querySelectorAll("[id]")].map((e) => e.id)
  .filter((id, at, all) => all.indexOf(id) !== at)"""
SPILL = """(() => {
  const { clientWidth, scrollWidth } = document.documentElement;
  const spills = (e) => e.getBoundingClientRect().right > clientWidth + 1
    && getComputedStyle(e).visibility === "visible";
  return scrollWidth <= clientWidth ? [] : [...document.querySelectorAll("body *")]
    .filter(spills).slice(0, 3).map((e) => e.outerHTML.slice(0, 90));
})()"""
LEFTOVERS = """(() => {
  const value = /^\\s*(\\[\\]|\\(\\)|\\{\\}|None|True|False|undefined|NaN|<.* at 0x.*>)\\s*$/;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  for (let text; (text = texts.nextNode()); )
    if (value.test(text.data) && !text.parentElement.closest("code, pre, script"))
      found.push(text.parentElement.outerHTML.slice(0, 90));
  return found;
})()"""
RUN_AXE = """async ([part, rules]) => {
  const only = rules.length && { runOnly: rules };
  const { violations } = await axe.run(part, { resultTypes: ["violations"], ...only });
  const reason = (node) => node.failureSummary.split("\\n").slice(1).join(";").trim();
  const shown = (node) => `${node.target} (${reason(node)})`;
  return violations.map((v) => v.id + " " + v.nodes.map(shown).slice(0, 4).join(" | "));
}"""


def violations(page: Page, *rules: str, part: str = "html") -> list[str]:
    """Return what axe-core finds wrong with (a part of) the page,
    by all of its rules or by the named ones.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(RUN_AXE, [part, list(rules)])
    return found


def faults(page: Page, part: str = "html") -> list[str]:
    """Return what is wrong with the page (axe: a part of it) as shown: for axe in either theme,
    on a phone, in its ids.
    """
    found = [f"axe: {text}" for text in violations(page, part=part)]
    page.emulate_media(color_scheme="dark")
    found += [f"axe, dark: {text}" for text in violations(page, "color-contrast", part=part)]
    page.emulate_media(color_scheme="light")
    found += [f"id twice: {id}" for id in page.evaluate(IDS)]
    found += [f"a value, not words: {text}" for text in page.evaluate(LEFTOVERS)]
    page.set_viewport_size(PHONE)
    found += [f"wider than a phone: {text}" for text in page.evaluate(SPILL)]
    page.set_viewport_size(DESK)
    return found


@pytest.fixture
def watched(page: Page) -> Iterator[tuple[Page, list[str]]]:
    """Give the page, and the list that its console's errors and warnings are added to."""
    said: list[str] = []
    page.on(
        "console",
        lambda message: said.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.add_init_script(WATCH)
    yield page, said


@pytest.fixture
def site(tmp_path: Path, serve: Serve) -> tuple[str, Any]:
    """Serve the whole app with some content in it; give its address and the app."""
    app = create_app(Settings(data=tmp_path / "data", downloads=tmp_path / "downloads"))
    base = serve(app)
    engine = Pipulate(app.state.store, "bridge")
    engine.initialize_if_missing("lancelot")
    engine.set_step_data(
        "lancelot", "step_01", {"name": "Sir Lancelot of Camelot, son of King Ban of Benwick"}
    )
    return base, app


def paths(app: Any) -> list[str]:
    """Return the address of every page: those in the menu, and the workflows."""
    menu = [href for group in app.state.menu.values() for _, href in group]
    return list(dict.fromkeys(["/introduction", *menu, *(f"/{name}" for name in app.state.found)]))


@pytest.mark.console("status of 404")
def test_every_page_is_without_fault(
    watched: tuple[Page, list[str]], site: tuple[str, Any]
) -> None:
    """No page of the app has an axe violation, a repeated id, a layout shift, a console message,
    or spills on a phone.
    """
    (page, said), (base, app) = watched, site
    for name in ("/tasks", "/profiles"):
        if name in paths(app):
            new = {"name": "Mend the orphans of Example & Sons"}
            assert page.request.post(base + name, form=new, headers={"Origin": base}).ok
    found: list[str] = []
    for path in [*paths(app), "/bridge?id=lancelot", "/bridge?id=nobody", "/nowhere"]:
        page.goto(base + path)
        found += [f"{path}  {fault}" for fault in faults(page)]
        found += [f"{path}  shift: {shift}" for shift in page.evaluate("shifts")]
        found += [f"{path}  console: {text}" for text in said if path != "/nowhere"]
        said.clear()
    assert not found, "\n".join(found)


@pytest.mark.console("status of 422")
def test_every_state_of_a_run_is_without_fault(
    watched: tuple[Page, list[str]], site: tuple[str, Any]
) -> None:
    """An error, a job at work, an offered undo, a result, a locked run, the finder, open drawers:
    none has a fault.
    """
    (page, said), (base, _) = watched, site
    found: list[str] = []

    def look(state: str, part: str = "#main") -> None:
        found.extend(f"{state}: {fault}" for fault in faults(page, part))

    page.goto(f"{base}/bridge?id=lancelot")
    page.evaluate("document.querySelector('#card2 form').noValidate = true")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#card2 .error")).to_be_visible()
    look("an error")
    said.clear()  # the browser itself reports the status 422
    page.locator("#card2 input[name=quest]").fill("I seek the Grail")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#result")).to_be_visible()  # else what is shown is older than the run
    page.get_by_role("button", name="Change: What... is your quest?").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    look("an undo offered")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#result")).to_be_visible()
    look("a result")
    page.get_by_role("button", name="Finalize").click()
    expect(page.get_by_role("button", name="Unlock")).to_be_visible()
    look("a locked run")

    page.goto(f"{base}/work")
    page.get_by_label("Run ID").fill("count")
    page.keyboard.press("Enter")
    expect(
        page.locator("#card1 [name=folder]")
    ).to_be_focused()  # the page has arrived: it will not move the focus again
    page.locator("#card1 [name=pause]").fill("10")
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    look("a job at work")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
    look("a cancelled job")

    page.keyboard.press("Control+k")
    expect(page.locator("#found a").first).to_be_visible()
    look("the finder", "#finder")
    page.keyboard.press("Escape")
    page.set_viewport_size(PHONE)
    for side in ("menu", "chat"):
        page.locator(f"[data-toggle={side}]").click()
        found += [f"{side}, a drawer: {text}" for text in violations(page, part=f"#{side}")]
        page.keyboard.press("Escape")
    assert not found + said, "\n".join(found + said)


def test_the_picture_and_the_report_of_a_link_graph_are_without_fault(
    watched: tuple[Page, list[str]], site: tuple[str, Any]
) -> None:
    """The drawn graph with its controls, and the report with its tables and plots,
    have no fault either.
    """
    (page, said), (base, app) = watched, site
    folder = app.state.settings.downloads / "link-graph" / "acme" / "shop"
    folder.mkdir(parents=True)
    url = "https://www.shop.example/"
    links = [
        f"{url},{url}p/{n}\n{url}p/{n},{url}p/{n // 2}\n{url}p/{n},{url}about" for n in range(40)
    ]
    (folder / "shop_20261102_links.csv").write_text("source,target\n" + "\n".join(links))
    (folder / "shop_20261102_meta.csv").write_text(
        "id,pagetype\n" + "\n".join(f"{url}p/{n},product" for n in range(42))
    )
    found: list[str] = []
    for address, sign in (("", "link-graph canvas"), ("/report", ".wide section table")):
        page.goto(f"{base}/graph/acme/shop/20261102{address}")
        expect(page.locator(sign).first).to_be_attached(timeout=60_000)
        found += [f"{sign}: {fault}" for fault in faults(page)]
    assert not found + said, "\n".join(found + said)


@pytest.mark.console("hm")
def test_the_checks_find_planted_faults(watched: tuple[Page, list[str]]) -> None:
    """Each kind of fault that the tests above look for is found when it is there."""
    page, said = watched
    page.goto("about:blank")  # where the watching script begins
    page.set_content("""<html lang="en"><title>t</title>
        <style>:root{color-scheme:light dark}</style><main><h1>t</h1>
        <p id="a" style="color:#bbb;background:#fff">pale</p>
        <p style="color:light-dark(#000, #333);background:light-dark(#fff, #222)">dark</p>
        <p id="a" style="width:30rem">wide</p><p>[]</p><img src="data:,"></main>""")
    page.evaluate("""console.warn("hm");
        setTimeout(() => document.querySelector("h1").style.marginTop = "200px", 50)""")
    page.evaluate("new Promise((seen) => { shifts.push = seen; if (shifts.length) seen(); })")
    found = "\n".join(faults(page))
    for kind in (
        "axe: color-contrast p",
        "axe: image-alt",
        "axe, dark: color-contrast",
        "id twice: a",
        "wider than a phone: <p",
        "a value, not words: <p>[]",
    ):
        assert kind in found, found
    assert "hm" in said


STYLE_OF_FOCUS = """() => {
  const e = document.activeElement, style = getComputedStyle(e);
  if (e === document.body) return null;
  const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
    && style.visibility === "visible";
  const name = (e.ariaLabel || e.name || e.innerText || e.id).trim().slice(0, 40);
  return (seen ? "" : "no outline: ") + e.tagName.toLowerCase() + " " + name;
}"""


def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    page: Page, site: tuple[str, Any]
) -> None:
    """Tab goes from the skip link through the menu to the cards,
    and each stop has a visible outline.
    """
    page.goto(f"{site[0]}/bridge?id=lancelot")
    page.evaluate(
        "document.body.tabIndex = -1, document.body.focus()"
    )  # the place before the first stop
    stops: list[str] = []
    while (stop := (page.keyboard.press("Tab"), page.evaluate(STYLE_OF_FOCUS))[1]) and len(
        stops
    ) < 60:
        stops.append(stop)
    assert not [stop for stop in stops if stop.startswith("no outline")], stops
    assert stops[0] == "a Skip to content"
    wanted = [
        "button Find anything",
        "a The Bridge of Death",
        "input id",
        "button Change: What... is your name?",
        "input quest",
        "button Next",
    ]
    places = [next(i for i, stop in enumerate(stops) if stop.startswith(name)) for name in wanted]
    assert places == sorted(places), stops


def test_the_first_page_is_small(page: Page, site: tuple[str, Any]) -> None:
    """All of the first page is at most 150 KB as sent, at most 80 KB of it script."""
    page.goto(site[0])
    size = """(kind) => ["navigation", "resource"]
      .flatMap((type) => performance.getEntriesByType(type))
      .filter((e) => !kind || e.initiatorType === kind)
      .reduce((sum, e) => sum + e.transferSize, 0)"""
    assert 20_000 < page.evaluate(size, "") <= 150_000
    assert 10_000 < page.evaluate(size, "script") <= 80_000


def test_menu_and_chat_are_drawers_on_a_phone(page: Page, site: tuple[str, Any]) -> None:
    """A drawer takes the focus, keeps it off the page behind,
    and gives it back on Escape or a tap beside it.
    """
    page.set_viewport_size(PHONE)
    page.goto(f"{site[0]}/introduction")
    menu, button = (
        page.get_by_role("navigation", name="Main"),
        page.get_by_role("button", name="Menu"),
    )
    expect(menu).to_be_hidden()
    button.click()
    expect(menu).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    assert page.evaluate("document.querySelector('#menu').contains(document.activeElement)")
    assert page.locator("main").evaluate("main => main.inert")
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    page.mouse.click(PHONE["width"] - 10, PHONE["height"] - 10)
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Chat").click()
    expect(page.get_by_role("complementary", name="Chat")).to_be_visible()


def test_the_chat_can_be_put_away_and_stays_so(
    watched: tuple[Page, list[str]], site: tuple[str, Any]
) -> None:
    """On a wide screen the chat stands beside the page; put away, it is so on the next page too,
    which does not jump.
    """
    page, _ = watched
    page.goto(f"{site[0]}/introduction")
    chat, button = (
        page.get_by_role("complementary", name="Chat"),
        page.get_by_role("button", name="Chat"),
    )
    expect(chat).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    button.click()
    expect(chat).to_be_hidden()
    page.goto(f"{site[0]}/bridge")
    expect(chat).to_be_hidden()
    expect(button).to_have_attribute("aria-expanded", "false")
    assert page.evaluate("shifts") == []


def test_the_chosen_theme_wins_over_the_systems(page: Page, site: tuple[str, Any]) -> None:
    """Without a choice the page follows the system; data-theme on the root overrides it,
    both ways.
    """
    page.goto(f"{site[0]}/introduction")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    for theme, shown in (("light", light), ("dark", dark)):
        page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
        assert page.evaluate(ground) == shown


def test_motion_is_short_and_can_be_declined(page: Page, site: tuple[str, Any]) -> None:
    """The arriving card moves for less than a fifth of a second,
    and not at all for who prefers less motion.
    """
    running = """document.getAnimations().filter((a) => a.animationName)
      .map((a) => a.effect.getTiming().duration)"""
    page.goto(f"{site[0]}/bridge?id=lancelot")
    assert page.evaluate(running) == []
    devtools = page.context.new_cdp_session(page)
    devtools.send("Animation.enable")
    devtools.send("Animation.setPlaybackRate", {"playbackRate": 0})  # it does not end unseen
    page.emulate_media(reduced_motion="no-preference")
    assert 0 < page.evaluate(running)[0] <= 200


def test_a_slider_says_its_number(page: Page, site: tuple[str, Any]) -> None:
    """Also on a card that has just come, and while it is moved."""
    base, app = site
    engine = Pipulate(app.state.store, "petite")
    engine.initialize_if_missing("arthur")
    page.goto(f"{base}/petite?id=arthur")
    page.get_by_label("Site").fill("https://example.com")
    page.get_by_label("Contact").fill("robin@example.com")
    page.get_by_role("button", name="Next").click()
    expect(page.locator("#card1 .answer")).to_contain_text("Contact: robin@example.com")
    slider = page.get_by_role("slider", name="Effort, from 1 to 10", exact=True)
    expect(page.locator("label > .at")).to_have_text("5")
    slider.press("ArrowRight")
    expect(page.locator("label > .at")).to_have_text("6")


def test_a_button_keeps_its_distance(page: Page, site: tuple[str, Any]) -> None:
    """Whatever stands above it: a tick, small print, a field."""
    distance = """() => [...document.querySelectorAll("form:not(.joined) > :is(button, footer)")]
      .filter((end) => end.closest("main"))
      .filter((end) => end.previousElementSibling?.offsetHeight)
      .map((end) => [end.getBoundingClientRect().top, end.previousElementSibling])
      .map(([top, above]) => top - (above.querySelector("input") ?? above)
        .getBoundingClientRect().bottom)"""
    base, app = site
    for name in ("petite", "explore_csv"):
        Pipulate(app.state.store, name).initialize_if_missing("arthur")
    for path in ("/settings", "/memory", "/petite?id=arthur", "/explore_csv?id=arthur"):
        page.goto(base + path)
        found = page.evaluate(distance)
        assert found and min(found) >= 14, (path, found)


def test_a_long_word_bursts_no_notice(page: Page, site: tuple[str, Any]) -> None:
    """What was deleted is told within its place, with the way back in it."""
    base, _ = site
    long = "x" * 180
    new = {"name": long}
    assert page.request.post(f"{base}/tasks", form=new, headers={"Origin": base}).ok
    page.set_viewport_size(PHONE)
    page.goto(f"{base}/tasks")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").first.click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert page.evaluate(SPILL) == []


def test_what_is_wider_than_its_column_fades(page: Page, site: tuple[str, Any]) -> None:
    """At the edge behind which there is more, and at no other."""
    page.goto(f"{site[0]}/docs/reference")
    edges = """(block) => ["--before", "--after"].map((edge) =>
      parseFloat(getComputedStyle(block).getPropertyValue(edge)))"""
    block = page.locator("pre").first
    page.set_viewport_size(PHONE)
    page.evaluate(PAINTED)
    assert block.evaluate(edges) == [0, 48]
    block.evaluate("(block) => { block.scrollLeft = 9999; }")
    page.evaluate(PAINTED)
    assert block.evaluate(edges) == [48, 0]
    page.goto(f"{site[0]}/docs/record")
    page.set_viewport_size({"width": 2000, "height": 800})
    page.evaluate(PAINTED)
    assert page.locator("pre").first.evaluate(edges) == [0, 0]
