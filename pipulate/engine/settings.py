"""Every path and knob, frozen.  Only flags of the command line set them."""

from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
#: This machine's names for itself.
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Settings:
    """Where things are and how the server behaves."""

    data: Path = Path("data")  #: the SQLite file, runs' files, token, logs, backups, models
    downloads: Path = Path("downloads")  #: exported CSVs
    workflows: tuple[Path, ...] = (PACKAGE / "workflows", Path("workflows"))
    host: str = "127.0.0.1"
    port: int = 5001
    browser: bool = True  #: it is opened when serving begins
    demo: bool = False  #: Botify is the simulator, plainly labelled
    dev: bool = False  #: workflow files are read again when they change
    lan: bool = False  #: other machines may pair
    fast_jobs: bool = False  #: no waiting between polls
    botify: str = "https://api.botify.com/v1"  #: the API's base, or a stand-in's
    model_url: str = ""  #: a model endpoint that speaks OpenAI's protocol
    model_name: str = ""
    hosts: frozenset[str] = frozenset()  #: further names of this server

    @property
    def listen(self) -> str:
        """The address to serve on: with `lan` all, unless `host` is another."""
        every = self.lan and self.host in LOCAL
        return "0.0.0.0" if every else self.host  # noqa: S104 - what --lan is for

    @property
    def url(self) -> str:
        """The address at which this machine's browser finds the server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def log(self) -> Path:
        """The log, while serving."""
        return self.data / "log" / "pipulate.log"

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.data / "pipulate.db"
