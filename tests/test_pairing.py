"""Who may come in from other devices: nothing for strangers, work, but no settings, for guests."""

import asyncio
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pipulate import pages
from pipulate.chat.talk import Talk
from pipulate.engine import host
from pipulate.engine.errors import NotSaved, Unknown
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Store
from pipulate.pages import devices
from pipulate.pairing import AT_HOME, GUESTS, REFUSED, Offer, Pairing, here
from tests.phone import (
    CANARY,
    HOME,
    PHONE,
    SERVER,
    Clock,
    at_home,
    device,
    is_pairing_page,
    lan_app,
    paired,
    pairing,
    websocket,
)

VOICE = "/bridge/voice"


def spelled(code: str) -> str:
    """Return a code as Settings shows it."""
    return Offer(code, 0).spelled


@pytest.fixture
def app(build_lan: Callable[..., Any]) -> Any:
    """Give the app as `pipulate --lan` serves it."""
    return build_lan()


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
    assert here({"type": "http", "client": address and (address, 1)}) == home
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
        (f"{devices.local_name()}:5001", 403),
        (devices.local_name().upper(), 403),
        ("192.168.1.6:5001", 421),
        ("evil.example", 421),
        ("pipulate.local.evil.example", 421),
        ("192.168.1.5.evil.example", 421),
        ("0.0.0.0:5001", 421),
        ("", 421),
    ],
)
async def test_only_our_own_names_are_answered(app: Any, host: str, status: int) -> None:
    """The address connected to, and the name on the network; not what others have point here."""
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
    code = pairing(app).make().code
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
        spelled,
        lambda code: f" {spelled(code).lower()} ",
        lambda code: code.replace("0", "o").replace("1", "l"),
    ],
)
def test_a_code_is_taken_as_people_type_it(tmp_path: Path, spell: Callable[[str], str]) -> None:
    """Small letters, dashes and blanks do not matter; letters that look like digits are these."""
    made = Pairing(Store(tmp_path / "pipulate.db"))
    for _ in range(20):
        assert made.take(spell(made.make().code))


def test_a_code_grows_old_and_is_replaced(tmp_path: Path) -> None:
    """It is good for ten minutes, and a newer one makes it void."""
    clock = Clock()
    made = Pairing(Store(tmp_path / "pipulate.db"), clock=clock)
    first = made.make().code
    second = made.make().code
    assert first != second and re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{10}", second)
    assert not made.take(first)
    clock.now += 599
    assert made.offer
    clock.now += 1
    assert made.offer is None and not made.take(second)


NOT_UTF_8 = "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")


async def test_ten_wrong_tries_make_the_code_void(
    app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is answered late; after the tenth the right code is refused until there is a new one."""
    codes = pairing(app)
    codes.delay = Pairing(app.state.store).delay
    delays: list[float] = []
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: delays.append(seconds) or sleep(0))
    async with device(app) as client:

        async def tried(code: str) -> httpx2.Response:
            return await client.get("/pair", params={"token": code})

        code = codes.make().code
        replies = await asyncio.gather(*(tried(secrets.token_hex(5)) for _ in range(10)))
        assert all(is_pairing_page(reply) for reply in replies) and delays == [1.0] * 10
        assert is_pairing_page(await tried(code))
        code = codes.make().code
        others = ("", "é", NOT_UTF_8, "%00", "x" * 5000, "' OR 1=1", "token")
        for wrong in (*others, code[:-1], code + "0"):
            assert is_pairing_page(await tried(wrong))
        assert (await tried(code)).status_code == 303


async def test_a_preview_does_not_use_the_code_up(app: Any) -> None:
    """Neither HEAD nor a browser that fetches ahead pairs anything."""
    code = pairing(app).make().code
    async with device(app) as client:
        assert (await client.head("/pair", params={"token": code})).status_code == 200
        assert is_pairing_page(
            await client.get(
                "/pair", params={"token": code}, headers={"Sec-Purpose": "prefetch;prerender"}
            ),
            200,
        )
        assert (
            not pairing(app).devices
            and (await client.get("/pair", params={"token": code})).status_code == 303
        )


async def test_a_disk_that_is_full_pairs_nobody(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be stored is not believed, and told without a page of ours."""

    def full(*_: Any) -> None:
        raise NotSaved("full")

    code = pairing(app).make().code
    monkeypatch.setattr(Store, "__setitem__", full)
    async with device(app) as client:
        assert is_pairing_page(await client.get("/pair", params={"token": code}), 503)
        assert not pairing(app).devices and is_pairing_page(await client.get("/tasks"))


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
        data={"name": "Arthur", "pipulate-rev": rev},
        headers={**own, "HX-Request": "true"},
    )
    assert reply.status_code == 200 and "quest" in reply.text
    for foreign in (
        "http://evil.example",
        "null",
        HOME,
        f"http://{devices.local_name()}:5001",
    ):
        assert (
            await client.post("/bridge/open", data={"id": "x"}, headers={"Origin": foreign})
        ).status_code == 403
    name = f"{devices.local_name()}:5001"
    assert (
        await client.post(
            "/bridge/open", data={"id": "x"}, headers={"Host": name, "Origin": f"http://{name}"}
        )
    ).status_code == 303


async def test_what_configures_stays_at_home(app: Any) -> None:
    """Settings, Connect, memory, MCP, the chat, imports: each refused, and told why."""
    client = await paired(app)
    seen = 0
    for route in app.router.routes:
        path = re.sub(r"{[^}]*}", "1", getattr(route, "path", ""))
        for method in set(getattr(route, "methods", None) or ()) - {"HEAD", "OPTIONS"}:
            if path.split("/")[1] in AT_HOME or path.startswith("/runs/import/"):
                kind = {"Content-Type": "application/json"} if path == "/mcp" else {}
                reply = await client.request(method, path, headers={"Origin": SERVER, **kind})
                assert (
                    reply.status_code == 403 and REFUSED in reply.text and CANARY not in reply.text
                ), path
                seen += 1
    assert seen > 30
    sent, end = await websocket(app, f"pipulate_5001={client.cookies['pipulate_5001']}")
    assert sent == ["websocket.close"]
    await end()
    for path in (
        "/settings",
        "/%73ettings",
        "/settings/",
        "/connect",
        "/memory/soul.jsonl",
        "/chat",
    ):
        assert REFUSED in (await client.get(path)).text
    reply = await client.post(
        "/chat/yes/1", data={}, headers={"Origin": SERVER, "HX-Request": "true"}
    )
    assert reply.text.strip().startswith('<p class="error">') and reply.status_code == 403
    async with at_home(app) as home:
        assert "Other devices" in (await home.get("/settings")).text


def add_voice(app: Any) -> list[WebSocket]:
    """Give a workflow an address at which it sends something; return who listens there."""
    listeners: list[WebSocket] = []

    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        listeners.append(socket)
        await socket.send_text("here")
        with suppress(WebSocketDisconnect):
            await socket.receive_text()

    app.router.routes.append(WebSocketRoute(VOICE, listen))
    return listeners


async def test_a_device_is_listed_and_removed(app: Any) -> None:
    """A removed one is a stranger at once, and what it has open hears no more."""
    listeners = add_voice(app)
    client, other = await paired(app), await paired(app)
    (key, _), (other_key, _) = pairing(app).devices.items()
    cookie, other_cookie = (
        f"pipulate_5001={it.cookies['pipulate_5001']}" for it in (client, other)
    )
    sent, end = await websocket(app, cookie, path=VOICE)
    still, end_still = await websocket(app, other_cookie, path=VOICE)
    assert sent == still == ["websocket.accept", "websocket.send"]
    home = at_home(app)
    page = (await home.get("/settings")).text
    assert page.count(f"iPhone at {PHONE}") >= 2 and f"/settings/devices/{key}/remove" in page
    assert (
        await home.post(f"/settings/devices/{key}/remove", headers={"Origin": HOME})
    ).status_code == 303
    assert (
        is_pairing_page(await client.get("/tasks")) and CANARY in (await other.get("/tasks")).text
    )
    for listener in listeners:
        with suppress(WebSocketDisconnect):
            await listener.send_text("news")
    assert sent == ["websocket.accept", "websocket.send", "websocket.close"] and still[2:] == [
        "websocket.send"
    ]
    await end()
    await end_still()
    assert (
        await home.post(f"/settings/devices/{key}/remove", headers={"Origin": HOME})
    ).status_code == 404
    with pytest.raises(Unknown):
        pairing(app).remove(key)
    assert list(app.state.store["devices"]) == [other_key]


async def test_a_device_stays_paired_across_restarts(
    app: Any, build_lan: Callable[..., Any]
) -> None:
    """What was paired is stored; a code is not."""
    client = await paired(app)
    pairing(app).make()
    again = build_lan()
    assert pairing(again).offer is None
    async with device(again) as same:
        same.cookies = client.cookies
        assert CANARY in (await same.get("/tasks")).text


async def test_whether_guests_reach_it_is_decided_of_every_route(app: Any) -> None:
    """Each first segment of the app's own addresses is in one table, and no table has others."""
    home = {segment.partition("/")[0] for segment in AT_HOME}
    own = app.state.reserved | {""}
    assert own <= GUESTS | home, f"say in pipulate/pairing.py who reaches {own - GUESTS - home}"
    assert own >= GUESTS | home and not GUESTS & AT_HOME
    paths = [getattr(route, "path", "") for route in app.router.routes]
    for segment in AT_HOME:
        assert any(f"{path}/".startswith(f"/{segment}/") for path in paths), segment


async def test_an_address_that_nobody_decided_about_stays_at_home(tmp_path: Path) -> None:
    """A part that is new, and in no table, is reached by no guest."""

    def new_part(app: Any) -> None:
        @app.get("/plan")
        def plan() -> str:
            return CANARY

    app = lan_app(tmp_path, parts=[*pages.parts(), new_part])
    client = await paired(app)
    async with at_home(app) as home:
        assert CANARY in (await home.get("/plan")).text
    reply = await client.get("/plan")
    assert reply.status_code == 403 and CANARY not in reply.text
    app.state.store.close()


async def test_a_guest_sees_no_chat(app: Any) -> None:
    """Neither its words nor its form, on any page; the owner does."""
    client = await paired(app)
    await app.state.part(Talk).say("a word for the owner")
    for path in ("/", "/tasks", "/bridge", "/byhand", "/runs", "/nothing"):
        shown = (await client.get(path, follow_redirects=True)).text
        assert "a word for the owner" not in shown and "chat-form" not in shown, path
        async with at_home(app) as home:
            page = (await home.get(path, follow_redirects=True)).text
            assert "a word for the owner" in page, path


@pytest.mark.parametrize(
    ("workflow", "field", "more"),
    [("work", "folder", {"pause": "0"}), ("explore_csv", "links_path", {"pages_path": ""})],
)
async def test_a_guest_names_no_path_of_this_machine(
    app: Any, tmp_path: Path, workflow: str, field: str, more: dict[str, str]
) -> None:
    """Whatever is there, the answer is the same; the owner may."""
    (tmp_path / "links.csv").write_text("source,target\nhttps://a.example/,https://a.example/b\n")
    there = {"work": [tmp_path, "/etc", "~"], "explore_csv": [tmp_path / "links.csv"]}[workflow]
    client = await paired(app)
    for asking, url, status in ((client, SERVER, 422), (at_home(app), HOME, 200)):
        own = {"Origin": url, "HX-Request": "true"}
        await asking.post(f"/{workflow}/open", data={"id": "x"}, headers=own)
        for path in [*there, "/etc/passwd", "/nothing/there"]:
            reply = await asking.post(
                f"/{workflow}/card1?id=x", data={field: str(path), **more}, headers=own
            )
            if asking is client:
                assert reply.status_code == 422 and host.AWAY in reply.text, path
                assert "There is no" not in reply.text
            elif path in there[:1]:
                assert reply.status_code == status, reply.text
                break


async def test_a_guest_imports_no_runs(app: Any) -> None:
    """At home the same file is taken."""
    client = await paired(app)
    line = b'{"workflow": "bridge", "id": "from elsewhere", "record": {"step_01": {"name": "A"}}}'
    for asking, url, status in ((client, SERVER, 403), (at_home(app), HOME, 303)):
        reply = await asking.post(
            "/runs/import/upload", files={"file": ("runs.jsonl", line)}, headers={"Origin": url}
        )
        assert reply.status_code == status
        assert bool(Pipulate(app.state.store, "bridge").row("from elsewhere")) == (status == 303)
