"""A phone in a real browser: paired by a code, a guest from then on, sent away again."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from pipulate import pairing
from pipulate.pages import devices
from tests import phone


@pytest.mark.console("status of 403", "status of 404")
def test_a_phone_pairs_works_and_is_sent_away(
    page: Page, tmp_path: Path, serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real browser, treated as another machine's: code, card, refusals that say why, removal."""
    monkeypatch.setattr(pairing, "here", lambda scope: False)
    monkeypatch.setattr(devices, "announce", lambda *_: lambda: None)
    app = phone.lan_app(tmp_path)
    codes = phone.pairing(app)
    url = serve(app)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{url}/bridge?id=arthur")
    expect(page.get_by_role("heading", name="Pair this device")).to_be_visible()
    page.get_by_label("Code").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    page.get_by_label("Code").fill(codes.make().spelled.lower())
    page.get_by_role("button", name="Pair this device").click()
    expect(page).to_have_url(re.compile(f"{url}/(introduction)?$"))
    page.goto(f"{url}/bridge")
    page.fill("#run-id", "arthur")
    page.keyboard.press("Enter")
    page.fill("[name=name]", "Arthur")
    page.keyboard.press("Enter")
    expect(page.locator("[name=quest]")).to_be_focused()
    assert not page.locator("#chat-form").count()
    page.goto(f"{url}/settings")
    expect(page.get_by_role("heading", name="Not on this device")).to_be_visible()
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_role("heading", name="Welcome to Pipulate")).to_be_visible()
    page.wait_for_load_state()
    (key,) = codes.devices
    codes.remove(key)
    page.reload()
    expect(page.get_by_role("heading", name="Pair this device")).to_be_visible()
