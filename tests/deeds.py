"""What is killed at every change of a file: how it is prepared, done, and looked at.

A deed works in one folder.  `look` says what its user would find there: where a deed was killed,
that is what was there before or what is there afterwards, and nothing in between.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipulate.botify import token as tokens
from pipulate.chat import soul, weights
from pipulate.commands import runs
from pipulate.engine.care import backups
from pipulate.engine.kept import files_in, keep
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.record import loads
from pipulate.engine.settings import Settings
from pipulate.engine.store import Store, connect
from pipulate.engine.values import encode, file_of
from pipulate.graph import edges, making, sql
from tests.chat.test_weights import HUB_ONLY
from tests.engine.test_migrations import older
from tests.graph.sites import export, site


@dataclass(frozen=True)
class Deed:
    """One thing that Pipulate does to files."""

    prepare: Callable[[Path], None]
    act: Callable[[Path], Any]
    look: Callable[[Path], Any]


def digests(folder: Path) -> dict[str, str]:
    """Return what each file of a folder holds, without leftovers."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part[0] == "." for part in path.relative_to(folder).parts)
    }


def data(folder: Path) -> Path:
    """Return the data folder."""
    return folder / "data"


def store(folder: Path) -> Store:
    """Open the database."""
    return Store(data(folder) / "pipulate.db")


# --- database


def value(path: Path) -> Any:
    """Return what stands under `x` in a sound database."""
    with closing(connect(path)) as db:
        assert db.pragma("integrity_check") == "ok"
        return db.execute("SELECT value FROM store WHERE key = 'x'").get


def with_backups(folder: Path) -> None:
    with closing(store(folder)) as opened:
        for number in range(8):
            opened["x"] = number
            if number < 7:
                opened.backup()


def back_up(folder: Path) -> None:
    with closing(store(folder)) as opened:
        opened.backup()


def backed_up(folder: Path) -> Any:
    values = [value(path) for path in backups(data(folder))]
    assert len(values) >= 7
    assert values == sorted(values, reverse=True)
    return value(data(folder) / "pipulate.db"), values[0]


def of_before(folder: Path) -> None:
    older(data(folder) / "pipulate.db", 1)


def migrate(folder: Path) -> None:
    store(folder).close()


def migrated(folder: Path) -> Any:
    """Return the rows: of every table that there is, in whichever state."""
    with closing(connect(data(folder) / "pipulate.db")) as db:
        assert db.pragma("integrity_check") == "ok"
        rows = db.execute("SELECT workflow, id, data, rev FROM pipeline").fetchall()
        return rows, db.execute("SELECT name, priority FROM task").fetchall()


# --- runs and their files

RUNS = ("arthur", "lancelot")


def with_runs(folder: Path) -> None:
    """Make runs with files, and an export of them; none is in the data folder."""
    source = folder / "source"
    with closing(Store(source / "pipulate.db")) as opened:
        engine = Pipulate(opened, "bridge")
        for id in RUNS:
            text = folder / f"{id}.csv"
            text.write_text(f"{id},1\n" * 5000)
            engine.initialize_if_missing(id)
            with text.open("rb") as file:
                held, _ = encode({"table": keep(file, text.name, source)}, source)
            engine.set_step_data(id, "step_01", held)
    runs.main(["export", "--to", str(folder / "runs.zip")], Settings(source))
    store(folder).close()


def import_runs(folder: Path) -> None:
    runs.main(["import", str(folder / "runs.zip")], Settings(data(folder)))


def imported(folder: Path) -> Any:
    """Return runs, and what is in their files."""
    found = {}
    with closing(store(folder)) as opened:
        assert opened.connection.pragma("integrity_check") == "ok"
        for row in opened.read("SELECT id, data FROM pipeline"):
            (item,) = files_in(loads(row["data"]))
            file = file_of(item, data(folder))
            assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256
            found[row["id"]] = row["data"]
    return found


def with_an_export(folder: Path) -> None:
    with_runs(folder)
    (folder / "out.zip").write_bytes(b"an older export")


def export_runs(folder: Path) -> None:
    runs.main(["export", "--to", str(folder / "out.zip")], Settings(folder / "source"))


def exported(folder: Path) -> Any:
    content = (folder / "out.zip").read_bytes()
    return content if content == b"an older export" else len(content)


def upload(folder: Path) -> None:
    with (folder / "arthur.csv").open("rb") as file:
        keep(file, "arthur.csv", data(folder))


def uploaded(folder: Path) -> Any:
    return digests(data(folder) / "uploads") if (data(folder) / "uploads").exists() else {}


# --- small files


def with_small_files(folder: Path) -> None:
    tokens.save(data(folder), tokens.Token("0123456789abcdef"))
    with closing(store(folder)) as opened:
        soul.export(opened, folder / "soul.jsonl")


def connect_anew(folder: Path) -> None:
    tokens.save(data(folder), tokens.Token("fedcba9876543210"))


def connected(folder: Path) -> Any:
    token = tokens.load(data(folder))
    return token and token.reveal()


# --- the model


def with_a_hub(folder: Path) -> None:
    data(folder).mkdir()
    (folder / "address").write_text(weights.HUB)


def get_model(folder: Path) -> None:
    weights.HUB = (folder / "address").read_text()
    weights.get(HUB_ONLY, data(folder) / "models")


def got_model(folder: Path) -> Any:
    path = weights.find(HUB_ONLY, data(folder) / "models")
    return path and hashlib.sha256(path.read_bytes()).hexdigest()


# --- graphs


def quiet(share: float = 0, text: str = "") -> None:
    """Tell nobody."""


def order(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "order.json").read_text())
    return {name: str(folder / path) for name, path in found.items()}


def with_a_graph(folder: Path) -> None:
    """Make two graphs; the later has picture, report, comparison, all of yesterday."""
    for slug in ("20261101", "20261102"):
        made = export(site("1k", int(slug[-1])), folder, slug)
        edges.build(Path(made["links"]), Path(made["pages"]), Path(made["folder"]))
    names = {key: Path(made[key]).name for key in ("folder", "links", "pages")}
    (folder / "order.json").write_text(json.dumps({**names, "earlier": "shop_20261101.graph"}))
    making.make_picture(quiet, made["folder"] and made["links"], made["pages"], made["folder"], "A")
    making.make_report(quiet, made["folder"])
    graph = Path(made["folder"])
    for old in ("picture/meta.json", "report/report.json"):
        (graph / old).write_text("{}")


def with_other_links(folder: Path) -> None:
    """Let the links be others than those of the graph."""
    with_a_graph(folder)
    links = folder / "shop_20261102_links.csv"
    rows = links.read_text().splitlines(keepends=True)
    links.write_text("".join(rows[:500]))


def build(folder: Path) -> None:
    asked = order(folder)
    edges.build(Path(asked["links"]), Path(asked["pages"]), Path(asked["folder"]))


def draw(folder: Path) -> None:
    asked = order(folder)
    making.make_picture(quiet, asked["links"], asked["pages"], asked["folder"], "A")


def report(folder: Path) -> None:
    making.make_report(quiet, order(folder)["folder"])


def compare(folder: Path) -> None:
    asked = order(folder)
    making.make_comparison(quiet, asked["folder"], asked["earlier"], "A")


def ask(folder: Path) -> None:
    sql.prepare(Path(order(folder)["folder"]))


def graph(folder: Path) -> Any:
    return digests(Path(order(folder)["folder"]))


def asked(folder: Path) -> Any:
    path = Path(order(folder)["folder"]) / "query.db"
    if not path.exists():
        return None
    with closing(connect(path)) as db:
        assert db.pragma("integrity_check") == "ok"
        return db.execute("SELECT count(*) FROM edges").get


DEEDS = {
    "backup": Deed(with_backups, back_up, backed_up),
    "migration": Deed(of_before, migrate, migrated),
    "import of runs": Deed(with_runs, import_runs, imported),
    "export of runs": Deed(with_an_export, export_runs, exported),
    "upload": Deed(with_runs, upload, uploaded),
    "key file": Deed(with_small_files, connect_anew, connected),
    "model": Deed(with_a_hub, get_model, got_model),
    "graph": Deed(with_other_links, build, graph),
    "picture": Deed(with_a_graph, draw, graph),
    "report": Deed(with_a_graph, report, graph),
    "comparison": Deed(with_a_graph, compare, graph),
    "graph for questions": Deed(with_a_graph, ask, asked),
}
