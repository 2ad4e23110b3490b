"""What classic workflows take for granted: the global names of a one-file app.

NAMES   Each is made when a file first uses it; what is not used costs
        nothing.  `web` and others add to them what needs a page or a model.
RUN     `db["pipeline_id"]`, the current run, is that of the page which asks
        (see `Page`).  All requests of no page, of scripts, share one.
TABLES  MiniDataAPI.  A row is a dataclass, and a dictionary as well.
RUNS    `pipeline` is the table of a workflow's runs; the engine changes them,
        so each change is in the run's history.
"""

import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, make_dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from pipulate.engine import profiles
from pipulate.engine.byhand import Whichever, chat_with_llm, chatq
from pipulate.engine.errors import Invalid
from pipulate.engine.found import HandWritten
from pipulate.engine.handwritten import Given
from pipulate.engine.libraries import LIBRARIES
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.store import Row, Store
from pipulate.engine.voice import voice

RUN = "pipeline_id"  #: the key of the current run
SECRETS = ("model_key", "devices")  #: keys of `store` that no page shows
#: What a part of the app knows, if it is there.
UNKNOWN: dict[str, Callable[[], Any]] = {
    "limiter": lambda: "in under 30 words",
    "model": lambda: Whichever(""),
    "username": str,
    "api_key": str,
}


# --- the current run


@dataclass
class Page:
    """A page in a browser's tab, which keeps its own current run."""

    run: str | None  #: its ID; None for none
    chosen: bool = False  #: the present request has chosen it


#: The page that asks; None for a script's request.
asking: ContextVar[Page | None] = ContextVar("asking", default=None)


class Db(MutableMapping[str, Any]):
    """The dictionary `db`, kept on disk; the current run is the page's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _all(self) -> dict[str, Any]:
        rows = self._store.read("SELECT key, value FROM store ORDER BY rowid")
        found = {row["key"]: json.loads(row["value"]) for row in rows}
        if page := asking.get():
            found[RUN] = page.run
        unseen = [RUN] if found.get(RUN) is None else []
        return {key: value for key, value in found.items() if key not in (*SECRETS, *unseen)}

    def __getitem__(self, key: str) -> Any:
        page = asking.get()
        if key in SECRETS or (key == RUN and page and page.run is None):
            raise KeyError(key)
        if key == RUN and page:
            return page.run
        return self._store[key]

    def __setitem__(self, key: str, value: Any) -> None:
        page = asking.get()
        if key != RUN or page is None:
            self._store[key] = value
            return
        page.run = None if value is None else str(value)
        page.chosen = True

    def __delitem__(self, key: str) -> None:
        self[key]
        if key == RUN and asking.get():
            self[key] = None
        else:
            del self._store[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def set(self, key: str, value: Any) -> None:
        """The same as `db[key] = value`."""
        self[key] = value


# --- tables


class Columns:
    """A row: its columns are attributes, and keys as well."""

    def __getitem__(self, column: str) -> Any:
        if column not in self.keys():
            raise KeyError(column)
        return getattr(self, column)

    def get(self, column: str, default: Any = None) -> Any:
        """Return a column, or `default`."""
        return getattr(self, column, default)

    def keys(self) -> list[str]:
        """Return the columns' names."""
        return [column.name for column in fields(self)]  # type: ignore[arg-type]


def kind(name: str, columns: Mapping[str, type]) -> type:
    """Return the dataclass of a table's rows; what is left out is unset."""
    from fastcore.xtras import UNSET

    flags = [(column, of | None, field(default=UNSET)) for column, of in columns.items()]
    return make_dataclass(name, flags, bases=(Columns,))


def given_values(record: Any, more: Row) -> Row:
    """Return the columns of a row, a dictionary, or keywords that are set."""
    from fastcore.xtras import asdict

    return {**asdict(record or {}), **more}


class Table:
    """A table to keep: each use takes its thread's connection."""

    def __init__(self, store: Store, name: str, title: str = "") -> None:
        self._store = store
        self._name = name
        self._title = title or name.title()
        self._xtra: Row = {}

    @cached_property
    def kind(self) -> type:
        """The dataclass of its rows."""
        return kind(self._title, self._store.table(self._name).columns_dict)

    def _table(self) -> Any:
        table = self._store.table(self._name)
        table.cls = self.kind
        table.xtra(**self._xtra)
        return table

    def xtra(self, **values: Any) -> None:
        """Let all further uses see and write only rows with these values."""
        self._xtra = values

    def insert(self, record: Any = None, **more: Any) -> Any:
        """Add a row; a task belongs to the chosen profile unless it says so."""
        values = given_values(record, more) | self._xtra
        if self._name == "task":
            values.setdefault("profile_id", profiles.shown(self._store))
        return self._table().insert(values)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._table(), attribute)

    def __getitem__(self, key: Any) -> Any:
        return self._table()[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._table()

    def __call__(self, *args: Any, **named: Any) -> list[Any]:
        return self._table()(*args, **named)


class Settings(Table):
    """The table `store`, without what no page shows."""

    def __call__(self, where: str | None = None, *args: Any, **named: Any) -> list[Any]:
        seen = f"key NOT IN {SECRETS}"
        if where:
            seen = f"{seen} AND ({where})"
        return super().__call__(seen, *args, **named)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a row, or `default`."""
        found = self("key = ?", [key])
        return found[0] if found else default

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise LIBRARIES["NotFoundError"](f"There is no {key!r} in the store.")
        return self.get(key)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None


class Runs:
    """The table `pipeline`, of a workflow's runs."""

    def __init__(self, engine: Pipulate) -> None:
        self.engine = engine
        self._xtra: Row = {}

    @cached_property
    def kind(self) -> type:
        """The dataclass of its rows."""
        return kind("Pipeline", dict.fromkeys(("url", "data", "created", "updated"), str))

    def __call__(
        self,
        where: str | None = None,
        where_args: Any = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Any]:
        """Return the runs that SQL's `where` says; the oldest first."""
        quoted = self.engine.workflow.replace("'", "''")
        runs = "SELECT id AS url, rowid AS place, * FROM pipeline WHERE workflow = "
        most = -1 if limit is None else limit
        narrow = "".join(f"[{key}] = {value!r} AND " for key, value in self._xtra.items())
        sql = f"""
            SELECT url, data, created, updated FROM ({runs} '{quoted}')
            WHERE {narrow}({where or 1}) ORDER BY {order_by or "place"}
            LIMIT {most} OFFSET {offset or 0}"""  # noqa: S608 - the author's own
        found = self.engine.store.connection.execute(sql, where_args or ())
        return [self.kind(*row) for row in found]

    def xtra(self, **values: Any) -> None:
        """Let all further uses see only runs with these values."""
        self._xtra = values

    def get(self, id: str, default: Any = None) -> Any:
        """Return a run, or `default`."""
        found = self("url = ?", (self.engine.normalise(id),))
        return found[0] if found else default

    def __getitem__(self, id: str) -> Any:
        if id not in self:
            raise LIBRARIES["NotFoundError"](f"There is no run {id!r} in {self.engine.workflow!r}.")
        return self.get(id)

    def __contains__(self, id: str) -> bool:
        return bool(self.get(id))

    def insert(self, record: Any = None, **more: Any) -> Any:
        """Begin a run of the ID `url` with the record in `data`."""
        values = given_values(record, more)
        id = str(values["url"])
        if id in self:
            raise Invalid(f"There is a run {id!r} already, so none was begun.")
        self.engine.initialize_if_missing(id, _record(values.get("data")))
        return self[id]

    def update(self, record: Any = None, **more: Any) -> Any:
        """Replace the record of the run `url` by the one in `data`."""
        values = given_values(record, more)
        found = self[values["url"]]
        if "data" in values:
            self.engine._save_state(found.url, _record(values["data"]))
        return self[found.url]

    def upsert(self, record: Any = None, **more: Any) -> Any:
        """Begin the run, or replace its record."""
        values = given_values(record, more)
        act = self.update if values["url"] in self else self.insert
        return act(values)

    def delete(self, id: str) -> None:
        """Delete a run; its history brings it back."""
        self.engine.delete(self[id].url)


def _record(data: Any) -> Row:
    try:
        record = json.loads(data) if isinstance(data, str) else data or {}
    except (ValueError, RecursionError) as error:
        raise Invalid(f"A run's data are not JSON ({error}), so nothing was stored.") from error
    if not isinstance(record, dict):
        raise Invalid("A run's data are a JSON object, so nothing was stored.")
    return record


# --- all names


class Chat:
    """The chat panel, as everybody's who is connected."""

    async def broadcast(self, text: str) -> None:
        """Say something in it."""
        await voice.get().say(text)


class Names(Given):
    """The names that a file of a workflow finds, `more` among them."""

    def __init__(
        self, engine: Pipulate, more: Mapping[str, Callable[[], Any]] | None = None
    ) -> None:
        """What `more` gives is asked for at each use."""
        store = engine.store
        self.engine = engine
        self._more = {**UNKNOWN, **(more or {})}
        self._tables: dict[str, Table | Runs] = {
            "Task": Table(store, "task"),
            "Profile": Table(store, "profile"),
            "Client": Table(store, "profile", "Client"),
            "Store": Settings(store, "store"),
            "Pipeline": Runs(engine),
        }
        self._made: dict[str, Any] = {
            "pipulate": engine,
            "db": Db(store),
            "chat": Chat(),
            "chatq": chatq,
            "chat_with_llm": chat_with_llm,
            "tasks": self._tables["Task"],
            "profiles": self._tables["Profile"],
            "clients": self._tables["Client"],
            "store": self._tables["Store"],
            "pipeline": self._tables["Pipeline"],
        }

    def __getitem__(self, name: str) -> Any:
        if name in self._more:
            return self._more[name]()
        if name in self._tables:
            return self._tables[name].kind
        if name in LIBRARIES:
            return LIBRARIES[name]
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._made, *self._tables, *self._more, *LIBRARIES]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def own(self, workflow: str) -> "Names":
        """Return the same names for one workflow of several in a file."""
        return type(self)(self.engine.for_workflow(workflow), self._more)

    def call(self, workflow: str) -> None:
        """Mean the runs of this workflow from now on."""
        self.engine.workflow = workflow

    def serve(self, module: ModuleType, flows: list[HandWritten]) -> None:
        """Let `Client` be a row of `clients`, which FastHTML takes for its own."""
        client = vars(module).get("Client")
        if getattr(client, "__module__", "") == "fasthtml.core":
            del vars(module)["Client"]
