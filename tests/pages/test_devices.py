"""Other devices: nothing for strangers, work for paired ones, settings for nobody but the machine itself."""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn

from pipulate import create_app
from pipulate.chat.talk import Talk
from pipulate.cli import main
from pipulate.engine.errors import Unknown
from pipulate.engine.settings import PACKAGE, Settings
from pipulate.engine.store import Store
from pipulate.pages import devices as lan

SERVER, PHONE = "http://192.168.1.5:5001", "192.168.1.7"
CANARY = "Call the secret client"  # a task: it stands on the page /tasks


class Clock:
    """Time that passes when told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Give a function that builds the app on one data folder, with a task in it."""
    made = []

    def make(**settings: Any) -> Any:
        app = create_app(
            Settings(
                data=tmp_path,
                downloads=tmp_path / "d",
                workflows=(PACKAGE / "workflows",),
                **{"lan": True, "host": "127.0.0.2", **settings},
            )
        )
        made.append(app)
        app.state.part(lan.Lan).pairing.delay = 0
        if not app.state.store.read("SELECT id FROM task"):
            app.state.store.db.t.task.insert({"name": CANARY, "profile_id": 1})
        return app

    yield make
    for app in made:
        app.state.store.close()


@pytest.fixture
def app(build: Callable[..., Any]) -> Any:
    """Give the app as `pipulate --lan` serves it."""
    return build()


def device(app: Any, address: str = PHONE, url: str = SERVER) -> httpx2.AsyncClient:
    """Return a browser on another machine."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app, client=(address, 50000)),
        base_url=url,
        headers={"User-Agent": "Mozilla/5.0 (iPhone)"},
    )


async def paired(app: Any) -> httpx2.AsyncClient:
    """Return a browser on another machine that has paired."""
    client = device(app)
    reply = await client.get("/pair", params={"token": app.state.part(lan.Lan).pairing.make().code})
    assert reply.status_code == 303
    return client


def is_pairing_page(reply: httpx2.Response, status: int = 403) -> bool:
    """Say whether nothing but the pairing page came."""
    return (
        reply.status_code == status
        and "<h1>Pair this device</h1>" in reply.text
        and CANARY not in reply.text
        and "/static" not in reply.text
    )


async def websocket(
    app: Any, cookie: str = "", address: str = PHONE
) -> tuple[list[str], Callable[[], Any]]:
    """Open the panel's WebSocket: what the server sent (types), and a function that sends a message as the app would."""
    headers = [
        (b"host", b"192.168.1.5:5001"),
        (b"origin", SERVER.encode()),
        (b"cookie", cookie.encode()),
    ]
    scope = {
        "type": "websocket",
        "scheme": "ws",
        "path": "/chat/ws",
        "raw_path": b"/chat/ws",
        "root_path": "",
        "query_string": b"",
        "headers": headers,
        "client": (address, 50000),
        "server": ("192.168.1.5", 5001),
        "subprotocols": [],
        "extensions": {},
    }
    sent: list[str] = []
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})

    async def send(message: Any) -> None:
        sent.append(message["type"])

    task = asyncio.create_task(app(scope, incoming.get, send))

    async def end() -> None:
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(task, 5)

    while not task.done() and len(sent) < 2:
        await asyncio.sleep(0)
    return sent, end


# -------------------------------------------------------------------- strangers


async def test_a_stranger_gets_the_pairing_page_and_nothing_else(app: Any) -> None:
    """Whatever address and method: every route of the app, and some that do not exist."""
    paths = {
        re.sub(r"{[^}]*}", "1", getattr(route, "path", "")) or "/" for route in app.router.routes
    }
    assert len(paths) > 50
    async with device(app) as client:
        for path in sorted(
            (paths | {"/static/app.css", "/bridge", "/nothing", "/pair/x", "/pair/", "/PAIR"})
            - {"/pair"}
        ):
            assert is_pairing_page(await client.get(path)), path
            for method in ("POST", "PUT", "DELETE"):
                reply = await client.request(
                    method, path, headers={"Origin": SERVER, "HX-Request": "true"}
                )
                assert (
                    reply.status_code == (415 if path == "/mcp" else 403)
                    and CANARY not in reply.text
                ), path
            assert (await client.head(path)).status_code == 403
        assert is_pairing_page(await client.get("/pair"), 200)
        assert is_pairing_page(await client.post("/pair", headers={"Origin": SERVER}))
        mcp = await client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
        assert is_pairing_page(mcp)


@pytest.mark.parametrize(
    ("address", "home"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        (PHONE, False),
        ("::ffff:192.168.1.7", False),
        ("192.168.1.5", False),
        ("0.0.0.0", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("1270.0.1", False),
        ("localhost", False),
        ("", False),
        (None, False),
    ],
)
async def test_the_address_of_the_socket_decides(app: Any, address: str | None, home: bool) -> None:
    """Who connects over loopback is at home; nothing else is."""
    assert lan.here({"type": "http", "client": address and (address, 1)}) == home
    if address is not None:
        async with device(app, address) as client:
            assert (CANARY in (await client.get("/tasks")).text) == home


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Host": "127.0.0.1:5001"},
        {"Host": "localhost"},
        {"Cookie": "pipulate_5001="},
        {"Cookie": "pipulate_5001=x"},
        {"Cookie": "pipulate_5001=\xff"},
        {"Authorization": "Bearer x"},
        {"HX-Request": "true"},
    ],
)
async def test_nothing_that_a_request_says_makes_it_local(
    app: Any, headers: dict[str, str]
) -> None:
    """Headers are the stranger's own words."""
    await paired(app)
    async with device(app) as client:
        assert is_pairing_page(
            await client.get(
                "/tasks", headers={k.encode(): v.encode("latin-1") for k, v in headers.items()}
            )
        )


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("192.168.1.5:5001", 403),
        ("192.168.1.5", 403),
        (f"{lan.local_name()}:5001", 403),
        (lan.local_name().upper(), 403),
        ("192.168.1.6:5001", 421),
        ("evil.example", 421),
        ("pipulate.local.evil.example", 421),
        ("192.168.1.5.evil.example", 421),
        ("0.0.0.0:5001", 421),
        ("", 421),
    ],
)
async def test_only_our_own_names_are_answered(app: Any, host: str, status: int) -> None:
    """The address that was connected to, and the name on the network; a name that another site made point here is none."""
    async with device(app) as client:
        reply = await client.get("/tasks", headers={"Host": host})
        assert reply.status_code == status and is_pairing_page(reply) == (status == 403)


async def test_a_stranger_hears_nothing(app: Any) -> None:
    """A WebSocket is closed before it opens."""
    await paired(app)
    for cookie in ("", "pipulate_5001=x"):
        sent, _ = await websocket(app, cookie)
        assert sent == ["websocket.close"]


# -------------------------------------------------------------------- pairing


async def test_a_code_pairs_one_device_once(app: Any) -> None:
    """The cookie is strict and out of reach of scripts, and the store holds only its digest."""
    code = app.state.part(lan.Lan).pairing.make().code
    async with device(app) as client, device(app, "192.168.1.8") as other:
        reply = await client.get("/pair", params={"token": code})
        assert (reply.status_code, reply.headers["location"], reply.headers["cache-control"]) == (
            303,
            "/",
            "no-store",
        )
        cookie = reply.headers["set-cookie"]
        value = re.match(
            r"pipulate_5001=([\w-]{43}); HttpOnly; Max-Age=31536000; Path=/; SameSite=strict$",
            cookie,
        )
        assert value, cookie
        assert CANARY in (await client.get("/tasks")).text
        assert (await client.get("/pair")).headers["location"] == "/"
        assert is_pairing_page(await other.get("/pair", params={"token": code}))
        assert is_pairing_page(await other.get("/tasks"))
    (kept,) = app.state.store["devices"].items()
    assert (
        value[1] not in str(kept) and len(kept[0]) == 64 and kept[1]["name"] == f"iPhone at {PHONE}"
    )


@pytest.mark.parametrize(
    "spell",
    [
        str.lower,
        lan.spelled,
        lambda code: f" {lan.spelled(code).lower()} ",
        lambda code: code.replace("0", "o").replace("1", "l"),
    ],
)
def test_a_code_is_taken_as_people_type_it(tmp_path: Path, spell: Callable[[str], str]) -> None:
    """Small letters, dashes and blanks do not matter, and letters that look like digits are read as digits."""
    pairing = lan.Pairing(Store(tmp_path / "pipulate.db"))
    for _ in range(20):
        assert pairing.take(spell(pairing.make().code))


def test_a_code_grows_old_and_is_replaced(tmp_path: Path) -> None:
    """It is good for ten minutes, and a newer one makes it void."""
    clock = Clock()
    pairing = lan.Pairing(Store(tmp_path / "pipulate.db"), clock)
    first, second = pairing.make().code, pairing.make().code
    assert (
        first != second
        and re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{10}", second)
        and not pairing.take(first)
    )
    clock.now += 599
    assert pairing.offer
    clock.now += 1
    assert pairing.offer is None and not pairing.take(second)


async def test_ten_wrong_tries_make_the_code_void(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrong try is answered late; after the tenth the right code is refused as well, until the user makes a new one."""
    pairing = app.state.part(lan.Lan).pairing
    pairing.delay, delays, sleep = lan.Pairing(app.state.store).delay, [], asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: delays.append(seconds) or sleep(0))
    code = pairing.make().code
    async with device(app) as client:
        replies = await asyncio.gather(
            *(client.get("/pair", params={"token": secrets.token_hex(5)}) for _ in range(10))
        )
        assert all(is_pairing_page(reply) for reply in replies) and delays == [1.0] * 10
        assert is_pairing_page(await client.get("/pair", params={"token": code}))
        code = pairing.make().code
        for wrong in (
            "",
            "é",
            "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
            code[:-1],
            code + "0",
            "%00",
            "x" * 5000,
            "' OR 1=1",
            "token",
        ):
            assert is_pairing_page(await client.get("/pair", params={"token": wrong}))
        assert (await client.get("/pair", params={"token": code})).status_code == 303


async def test_a_preview_does_not_use_the_code_up(app: Any) -> None:
    """Neither HEAD nor a browser that fetches ahead pairs anything."""
    code = app.state.part(lan.Lan).pairing.make().code
    async with device(app) as client:
        assert (await client.head("/pair", params={"token": code})).status_code == 200
        assert is_pairing_page(
            await client.get(
                "/pair", params={"token": code}, headers={"Sec-Purpose": "prefetch;prerender"}
            ),
            200,
        )
        assert (
            not app.state.part(lan.Lan).pairing.devices
            and (await client.get("/pair", params={"token": code})).status_code == 303
        )


async def test_a_disk_that_is_full_pairs_nobody(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be stored is not believed, and told without a page of ours."""
    from pipulate.engine.errors import NotSaved

    def full(*_: Any) -> None:
        raise NotSaved("full")

    code = app.state.part(lan.Lan).pairing.make().code
    monkeypatch.setattr(Store, "__setitem__", full)
    async with device(app) as client:
        assert is_pairing_page(await client.get("/pair", params={"token": code}), 503)
        assert not app.state.part(lan.Lan).pairing.devices and is_pairing_page(
            await client.get("/tasks")
        )


# -------------------------------------------------------------------- guests


async def test_a_guest_works(app: Any) -> None:
    """Pages, tasks and workflows act as at home, with the guard's rules."""
    client = await paired(app)
    own = {"Origin": SERVER}
    assert CANARY in (await client.get("/tasks")).text
    assert (
        await client.post("/bridge/open", data={"id": "arthur"}, headers=own)
    ).status_code == 303
    page = (await client.get("/bridge", params={"id": "arthur"})).text
    rev = re.search(r'value="(\d+)"', re.search(r'<input[^>]*id="rev"[^>]*>', page)[0])[1]
    reply = await client.post(
        "/bridge/card1",
        params={"id": "arthur"},
        data={"name": "Arthur", "rev": rev},
        headers={**own, "HX-Request": "true"},
    )
    assert reply.status_code == 200 and "quest" in reply.text
    for foreign in (
        "http://evil.example",
        "null",
        "http://127.0.0.1:5001",
        f"http://{lan.local_name()}:5001",
    ):
        assert (
            await client.post("/bridge/open", data={"id": "x"}, headers={"Origin": foreign})
        ).status_code == 403
    name = f"{lan.local_name()}:5001"
    assert (
        await client.post(
            "/bridge/open", data={"id": "x"}, headers={"Host": name, "Origin": f"http://{name}"}
        )
    ).status_code == 303


async def test_what_configures_stays_at_home(app: Any) -> None:
    """Every route of settings, Connect, memory and MCP, and every act of the chat, is refused to a guest, and told why."""
    client = await paired(app)
    seen = 0
    for route in app.router.routes:
        path = re.sub(r"{[^}]*}", "1", getattr(route, "path", ""))
        for method in set(getattr(route, "methods", None) or ()) - {"HEAD", "OPTIONS"}:
            if path.split("/")[1:2][0] in ("settings", "connect", "memory", "mcp") or (
                path.startswith("/chat/") and method == "POST"
            ):
                kind = {"Content-Type": "application/json"} if path == "/mcp" else {}
                reply = await client.request(method, path, headers={"Origin": SERVER, **kind})
                assert (
                    reply.status_code == 403
                    and lan.REFUSED in reply.text
                    and CANARY not in reply.text
                ), path
                seen += 1
    assert seen > 30
    for path in ("/settings", "/%73ettings", "/settings/", "/connect", "/memory/soul.jsonl"):
        assert lan.REFUSED in (await client.get(path)).text
    reply = await client.post(
        "/chat/yes/1", data={}, headers={"Origin": SERVER, "HX-Request": "true"}
    )
    assert reply.text.strip().startswith('<p class="error">') and reply.status_code == 403
    async with device(app, "127.0.0.1", "http://127.0.0.1:5001") as home:
        assert "Other devices" in (await home.get("/settings")).text


async def test_a_device_is_listed_and_removed(app: Any) -> None:
    """Settings shows each device; a removed one is a stranger at once, and its open panel hears no more."""
    client, other = await paired(app), await paired(app)
    (key, _), (other_key, _) = app.state.part(lan.Lan).pairing.devices.items()
    sent, end = await websocket(app, f"pipulate_5001={client.cookies['pipulate_5001']}")
    still, end_still = await websocket(app, f"pipulate_5001={other.cookies['pipulate_5001']}")
    assert sent == still == ["websocket.accept", "websocket.send"]
    home = device(app, "127.0.0.1", "http://127.0.0.1:5001")
    page = (await home.get("/settings")).text
    assert page.count(f"iPhone at {PHONE}") >= 2 and f"/settings/devices/{key}/remove" in page
    assert (
        await home.post(
            f"/settings/devices/{key}/remove", headers={"Origin": "http://127.0.0.1:5001"}
        )
    ).status_code == 303
    assert (
        is_pairing_page(await client.get("/tasks")) and CANARY in (await other.get("/tasks")).text
    )
    await app.state.part(Talk).say("news")
    assert sent == ["websocket.accept", "websocket.send", "websocket.close"] and still[2:] == [
        "websocket.send"
    ]
    await end()
    await end_still()
    assert (
        await home.post(
            f"/settings/devices/{key}/remove", headers={"Origin": "http://127.0.0.1:5001"}
        )
    ).status_code == 404
    with pytest.raises(Unknown):
        app.state.part(lan.Lan).pairing.remove(key)
    assert list(app.state.store["devices"]) == [other_key]


async def test_a_device_stays_paired_across_restarts(app: Any, build: Callable[..., Any]) -> None:
    """What was paired is stored; a code is not."""
    client = await paired(app)
    app.state.part(lan.Lan).pairing.make()
    again = build()
    assert again.state.part(lan.Lan).pairing.offer is None
    async with device(again) as same:
        same.cookies = client.cookies
        assert CANARY in (await same.get("/tasks")).text


# -------------------------------------------------------------------- at home


async def test_settings_offers_a_code(app: Any) -> None:
    """A new code is made by a button, and shown as picture and text while it is good."""
    clock = app.state.part(lan.Lan).pairing.clock = Clock()
    home = device(app, "127.0.0.1", "http://127.0.0.1:5001")
    assert "Pair a device" in (await home.get("/settings")).text
    await home.post("/settings/devices", headers={"Origin": "http://127.0.0.1:5001"})
    code = app.state.part(lan.Lan).pairing.offer.code
    page = (await home.get("/settings")).text
    assert lan.spelled(code) in page and "data:image/svg+xml" in page and "10 more minutes" in page
    assert (await home.get("/pair", params={"token": code})).headers[
        "location"
    ] == "/" and app.state.part(lan.Lan).pairing.offer
    clock.now += 600
    assert lan.spelled(code) not in (await home.get("/settings")).text


async def test_without_lan_there_is_no_gate(build: Callable[..., Any]) -> None:
    """Settings says how to begin; no code can be made, no LAN name is answered."""
    app = build(lan=False, host="127.0.0.1")
    async with device(app, "127.0.0.1", "http://127.0.0.1:5001") as home:
        assert "pipulate --lan" in (await home.get("/settings")).text
        await home.post("/settings/devices", headers={"Origin": "http://127.0.0.1:5001"})
        assert app.state.part(lan.Lan).pairing.offer is None
    async with device(app) as client:
        assert (await client.get("/tasks")).status_code == 421
        assert (await client.get("/tasks", headers={"Host": lan.local_name()})).status_code == 421


async def test_the_terminal_shows_a_code(
    app: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start: the address, the code, and both as a QR code; a network without multicast is only a warning."""

    def fails(*_: Any) -> None:
        raise OSError("no multicast here")

    monkeypatch.setattr(lan, "announce", fails)
    await app.state.part(lan.Lan).begin()
    await app.state.part(lan.Lan).end()
    shown = capsys.readouterr().out
    assert (
        "http://127.0.0.2:5001" in shown
        and lan.spelled(app.state.part(lan.Lan).pairing.offer.code) in shown
    )
    assert shown.count("█") > 100


@pytest.mark.parametrize(
    ("arguments", "listens", "is_lan"),
    [
        ([], "127.0.0.1", False),
        (["--lan"], "0.0.0.0", True),
        (["--lan", "--host", "127.0.0.3"], "127.0.0.3", True),
        (["--host", "127.0.0.3"], "127.0.0.3", True),
    ],
)
def test_the_command_listens_where_it_should(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    free_port: int,
    arguments: list[str],
    listens: str,
    is_lan: bool,
) -> None:
    """Only --lan, or another address asked for by name, opens the door; and then with the gate."""
    seen: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server: seen.append(server.config))
    assert (
        main(
            [
                "--data",
                str(tmp_path),
                "--workflows",
                str(tmp_path),
                "--port",
                str(free_port),
                "--no-browser",
                *arguments,
            ]
        )
        == 0
    )
    (config,) = seen
    assert (config.host, config.proxy_headers) == (listens, False)
    app: Any = config.app
    assert (lan.Gate in [layer.cls for layer in app.user_middleware]) == is_lan
    app.state.store.close()


def test_the_name_is_on_the_network_until_it_is_withdrawn() -> None:
    """Another program finds the address by multicast DNS (here on loopback), and not after the end."""
    from zeroconf import AddressResolverIPv4, IPVersion, Zeroconf

    name = f"pipulate-test-{secrets.token_hex(4)}.local"
    withdraw = lan.announce(name, "127.0.0.1", 5999)
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
        assert lan.local_name() == f"pipulate-{name}.local"


# -------------------------------------------------------------------- a whole afternoon
