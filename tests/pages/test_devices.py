"""Other devices at home: the code in Settings and in the terminal, the name on the network."""

import secrets
import sys
from collections.abc import Callable
from typing import Any

import pytest

from pipulate.engine.errors import PipulateError
from pipulate.pages import devices
from pipulate.pages.devices import Lan
from tests.phone import HOME, Clock, at_home, device, pairing


@pytest.fixture
def app(build_lan: Callable[..., Any]) -> Any:
    """Give the app as `pipulate --lan` serves it."""
    return build_lan()


async def test_settings_offers_a_code(app: Any) -> None:
    """A new code is made by a button, and shown as picture and text while it is good."""
    clock = pairing(app).clock = Clock()
    home = at_home(app)
    assert "Pair a device" in (await home.get("/settings")).text
    await home.post("/settings/devices", headers={"Origin": HOME})
    offer = pairing(app).offer
    page = (await home.get("/settings")).text
    assert offer.spelled in page and "data:image/svg+xml" in page and "10 more minutes" in page
    reply = await home.get("/pair", params={"token": offer.code})
    assert reply.headers["location"] == "/" and pairing(app).offer
    clock.now += 600
    assert offer.spelled not in (await home.get("/settings")).text


@pytest.mark.parametrize("name", devices.EXTRA)
def test_without_its_libraries_the_lan_is_refused_before_it_is_served(
    build_lan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: Any, name: str
) -> None:
    """With the way to get them; without `--lan` nobody misses them."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(PipulateError, match=rf"{name}.*pip install 'pipulate\[lan\]'"):
        build_lan()
    assert not capsys.readouterr().out
    build_lan(lan=False)


async def test_without_lan_there_is_no_gate(build_lan: Callable[..., Any]) -> None:
    """Settings says how to begin; no code can be made, no LAN name is answered."""
    app = build_lan(lan=False, host="127.0.0.1")
    async with at_home(app) as home:
        assert "pipulate --lan" in (await home.get("/settings")).text
        await home.post("/settings/devices", headers={"Origin": HOME})
        assert pairing(app).offer is None
    async with device(app) as client:
        assert (await client.get("/tasks")).status_code == 421
        assert (
            await client.get("/tasks", headers={"Host": devices.local_name()})
        ).status_code == 421


async def test_the_terminal_shows_a_code(
    app: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Address and code, as a QR code too; a network without multicast is only a warning."""

    def fails(*_: Any) -> None:
        raise OSError("no multicast here")

    monkeypatch.setattr(devices, "announce", fails)
    await app.state.part(Lan).begin()
    await app.state.part(Lan).end()
    shown = capsys.readouterr().out
    assert "http://127.0.0.2:5001" in shown and pairing(app).offer.spelled in shown
    assert shown.count("█") > 100


def test_the_name_is_on_the_network_until_it_is_withdrawn() -> None:
    """Another program finds the address by multicast DNS (on loopback), and not after the end."""
    from zeroconf import AddressResolverIPv4, IPVersion, Zeroconf

    name = f"pipulate-test-{secrets.token_hex(4)}.local"
    withdraw = devices.announce(name, "127.0.0.1", 5999)
    seeker = Zeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
    try:
        found = AddressResolverIPv4(f"{name}.")
        assert found.request(seeker, 5000) and found.parsed_addresses() == ["127.0.0.1"]
        withdraw()
        withdrawn = AddressResolverIPv4(f"{name}.")
        assert not withdrawn.request(seeker, 300)
    finally:
        withdraw()
        seeker.close()


def test_the_name_fits_a_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine is called."""
    for host, name in (
        ("Bob's MacBook.local", "bob-s-macbook"),
        ("ÄÖ", "here"),
        ("x" * 70, "x" * 40),
        ("srv01.example.com", "srv01"),
    ):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        assert devices.local_name() == f"pipulate-{name}.local"
