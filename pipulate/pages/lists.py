"""What Profiles and Tasks share: a list in which one adds, edits in place, toggles, sorts, deletes.

GET  /tasks                 the page             POST /tasks             add
POST /tasks/3               change fields        POST /tasks/3/delete    delete (kept in the trash)
POST /tasks/3/move?by=-1    up or down           POST /tasks/undo/7      bring back from the trash
POST /tasks/sort            the order after a drag: ids=3&ids=1…

A `Table` is the rows, without HTML; a `ListPage` shows and serves one.  Only the columns that a
table names in `fields` and `toggle` can be written.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastcore.xml import FT, Button, Input, Li, P, Script, Span, Ul
from fasthtml.common import FastHTML
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pipulate.engine.errors import Invalid
from pipulate.engine.store import Store, now
from pipulate.web.components import failure, form, fragment, page

Row = dict[str, Any]
MOST = 300  #: characters of a text field
SCRIPTS = ("/static/vendor/sortable.min.js", "/static/lists.js")


@dataclass(frozen=True)
class Table:
    """Rows in an order; what is deleted goes to the trash."""

    name: str
    noun: str  #: what a row is called
    fields: dict[str, str]  #: text columns and their labels; the first is "name", never empty
    toggle: tuple[str, str]  #: the yes/no column and its label
    scope: Callable[[Store], Row] = lambda store: {}  #: columns that all rows of a list share
    check_delete: Callable[[Store, Row], None] = lambda store, row: None  #: raises Refused

    def rows(self, store: Store, **more: Any) -> list[Row]:
        """Return the list's rows in their order; `more` narrows the choice."""
        wanted = {**self.scope(store), **more}
        where = " AND ".join(f"{column} = ?" for column in wanted) or "1"
        sql = f"SELECT * FROM {self.name} WHERE {where} ORDER BY priority, id"  # noqa: S608 - ours
        return store.read(sql, *wanted.values())

    def one(self, store: Store, id: int) -> Row:
        """Return a row; 404 if there is none, or it is in another profile's list."""
        for row in self.rows(store, id=id):
            return row
        raise HTTPException(404)

    def add(self, store: Store, values: Row) -> Row:
        """Insert a row at the end; raises Invalid for an empty name."""
        with store.transaction():
            last = max((row["priority"] for row in self.rows(store)), default=0)
            new = self.clean({"name": "", **values})
            return self._insert(store, {**new, **self.scope(store), "priority": last + 1})

    def change(self, store: Store, id: int, values: Row) -> Row:
        """Change some fields of a row; raises Invalid."""
        with store.transaction():
            self.one(store, id)
            return dict(store.db.table(self.name).update(id=id, **self.clean(values)))

    def clean(self, values: Row) -> Row:
        """Return the columns that can be written, trimmed; raises Invalid."""
        kept = {name: self._text(name, values[name]) for name in self.fields if name in values}
        column, _ = self.toggle
        if column in values:
            kept[column] = int(values[column] in (True, 1, "1", "on", "true"))
        return kept

    def _text(self, name: str, value: Any) -> Any:
        text = str(value).strip()
        if len(text) > MOST:
            label = self.fields[name]
            raise Invalid(f"{label} has {len(text)} characters; {MOST} are allowed.", name)
        if name == "name" and not text:
            raise Invalid(f"A {self.noun} needs a name.", name)
        return text

    def delete(self, store: Store, id: int) -> int:
        """Move a row to the trash; returns the number to bring it back with."""
        with store.transaction() as db:
            row = self.one(store, id)
            self.check_delete(store, row)
            trash = "INSERT INTO trash (at, kind, data) VALUES (?, ?, ?)"
            seq = store.write(trash, now(), self.name, json.dumps(row))
            db.execute(f"DELETE FROM {self.name} WHERE id = ?", (id,))  # noqa: S608 - ours
        return seq

    def undelete(self, store: Store, seq: int) -> Row:
        """Bring a row back from the trash; 404 if it is back already."""
        with store.transaction() as db:
            found = store.one("SELECT data FROM trash WHERE seq = ? AND kind = ?", seq, self.name)
            if found is None:
                raise HTTPException(404)
            db.execute("DELETE FROM trash WHERE seq = ?", (seq,))
            return self._insert(store, json.loads(found["data"]))

    def _insert(self, store: Store, row: Row) -> Row:
        return dict(store.db.table(self.name).insert(**row))

    def sort(self, store: Store, ids: list[int]) -> None:
        """Give the rows the order of `ids`; rows that are not named keep theirs, after them."""
        with store.transaction() as db:
            known = [row["id"] for row in self.rows(store)]
            named = [id for id in ids if id in known]
            sql = f"UPDATE {self.name} SET priority = ? WHERE id = ?"  # noqa: S608 - ours
            for priority, id in enumerate(dict.fromkeys(named + known), 1):
                db.execute(sql, (priority, id))

    def move(self, store: Store, id: int, by: int) -> None:
        """Move a row up (-1) or down (+1)."""
        with store.transaction():
            self.one(store, id)
            ids = [row["id"] for row in self.rows(store)]
            place = ids.index(id)
            ids.remove(id)
            ids.insert(max(place + by, 0), id)
            self.sort(store, ids)


def sent(url: str, target: str = "closest li") -> Row:
    """Return the attributes that post by HTMX and put the answer in the target's place."""
    return {"hx_post": url, "hx_target": target, "hx_swap": "outerHTML"}


@dataclass(frozen=True)
class ListPage:
    """A table as a page: its HTML, and what answers its addresses."""

    table: Table
    path: str
    title: str
    about: str  #: for the model; its first sentence leads the page
    redrawn: Callable[[FastHTML], FT | None] = lambda app: None  #: what else shows the rows

    # --- HTML

    def item(self, row: Row) -> FT:
        """Return one row as an editable list item."""
        name = row["name"]
        url = f"{self.path}/{row['id']}"
        whole = f"#{self.list_id}"
        acts = (
            self._act("↑", f"Move up {name}", f"{url}/move?by=-1", whole),
            self._act("↓", f"Move down {name}", f"{url}/move?by=1", whole),
            self._act("Delete", f"Delete {name}", f"{url}/delete", "closest li"),
        )
        return Li(
            Span("⠿", cls="handle", aria_hidden="true"),
            self._tick(row, url),
            *[self._field(row, url, column, label) for column, label in self.table.fields.items()],
            Span(*acts, cls="acts"),
            id=f"{self.table.name}-{row['id']}",
            data_id=row["id"],
            cls="done" if row.get("done") else "",
        )

    def _tick(self, row: Row, url: str) -> FT:
        column, label = self.table.toggle
        return Input(
            type="checkbox",
            checked=bool(row[column]),
            aria_label=f"{label}: {row['name']}",
            name="on",
            hx_trigger="change",
            **sent(f"{url}?field={column}"),
        )

    def _field(self, row: Row, url: str, column: str, label: str) -> FT:
        return Input(
            name=column,
            value=row[column] or "",
            aria_label=f"{label} of {row['name']}",
            placeholder=label,
            maxlength=str(MOST),
            required=column == "name",
            autocomplete="off",
            cls="inline",
            hx_trigger="change",
            **sent(url),
        )

    def _act(self, sign: str, label: str, url: str, target: str) -> FT:
        return Button(sign, type="button", cls="quiet", aria_label=label, **sent(url, target))

    @property
    def list_id(self) -> str:
        """The element that holds the rows."""
        return f"{self.table.name}-list"

    def list(self, store: Store) -> FT:
        """Return the whole list."""
        items = [self.item(row) for row in self.table.rows(store)]
        empty = Li(f"No {self.table.noun}s yet. Add the first one above.", cls="empty")
        return Ul(*items or [empty], id=self.list_id, cls="editable", data_sort=f"{self.path}/sort")

    def form(self, error: str = "", typed: str = "", **attributes: Any) -> FT:
        """Return the form that adds a row."""
        noun = self.table.noun
        name = Input(
            name="name",
            value=typed,
            placeholder=f"New {noun}",
            aria_label=f"Name of the new {noun}",
            aria_invalid="true" if error else None,
            maxlength=str(MOST),
            autofocus=True,
            autocomplete="off",
            id=f"new-{noun}",
        )
        return form(
            self.path,
            name,
            Button("Add", type="submit"),
            failure(error),
            id=f"add-{noun}",
            cls="joined",
            **sent(self.path, f"#{self.list_id}"),
            **attributes,
        )

    # --- addresses

    def routes(self, app: FastHTML) -> None:
        """Add the page to the app and to its menu."""
        app.state.add_page(self.title, self.path, group="Apps")
        for handler, method, tail in (
            (self.show, "GET", ""),
            (self.add, "POST", ""),
            (self.sort, "POST", "/sort"),
            (self.undo, "POST", "/undo/{seq:int}"),
            (self.change, "POST", "/{id:int}"),
            (self.move, "POST", "/{id:int}/move"),
            (self.delete, "POST", "/{id:int}/delete"),
        ):
            name = f"{self.table.name}_{handler.__name__}"
            app.route(self.path + tail, methods=[method], name=name)(handler)

    def show(self, request: Request) -> Any:
        """Return the page."""
        lead = self.about.partition(". ")[0] + "."
        return page(
            request,
            self.title,
            P(lead, cls="lead"),
            self.form(),
            self.list(request.app.state.store),
            *[Script(src=address, defer=True) for address in SCRIPTS],
            about=self.about,
        )

    async def add(self, request: Request) -> Response:
        """Add a row; the answer is the whole list and an empty form, or the form with its fault."""
        store = request.app.state.store
        values = dict(await request.form())
        try:
            self.table.add(store, values)
        except Invalid as error:
            typed = str(values.get("name", ""))[: 2 * MOST]
            again = self.form(str(error), typed, hx_swap_oob="true")
            return fragment(self.list(store), again, status=422)
        empty = self.form(hx_swap_oob="true")
        return fragment(self.list(store), empty, self.redrawn(request.app))

    async def change(self, request: Request, id: int) -> Response:
        """Change fields of a row, or with ?field= tick that one; the answer is the row."""
        store = request.app.state.store
        values = dict(await request.form())
        if ticked := request.query_params.get("field"):
            values = {ticked: values.get("on", "")}
        try:
            row = self.table.change(store, id, values)
        except Invalid as error:
            kept = self.item(self.table.one(store, id))
            return fragment(kept(failure(error)), status=422)
        return fragment(self.item(row), self.redrawn(request.app))

    async def sort(self, request: Request) -> Response:
        """Take the order of a drag; the answer is the list."""
        named = (await request.form()).getlist("ids")
        ids = [int(str(id)) for id in named if str(id).isdecimal() and len(str(id)) < 18]
        self.table.sort(request.app.state.store, ids)
        return fragment(self.list(request.app.state.store))

    def move(self, request: Request, id: int) -> Response:
        """Move a row by one place; the answer is the list."""
        by = -1 if request.query_params.get("by") == "-1" else 1
        self.table.move(request.app.state.store, id, by)
        return fragment(self.list(request.app.state.store))

    def delete(self, request: Request, id: int) -> Response:
        """Delete a row; the answer is a line that offers to bring it back."""
        store = request.app.state.store
        name = self.table.one(store, id)["name"]
        url = f"{self.path}/undo/{self.table.delete(store, id)}"
        back = Button("Undo", cls="quiet", **sent(url))
        note = Li(Span(f"Deleted “{name}”."), back, cls="note")
        return fragment(note, self.redrawn(request.app))

    def undo(self, request: Request, seq: int) -> Response:
        """Bring a row back; the answer is the row."""
        row = self.table.undelete(request.app.state.store, seq)
        return fragment(self.item(row), self.redrawn(request.app))
