"""Lists in which one adds, edits in place, toggles, sorts, deletes.

A `Table` is the rows, a `ListPage` shows and serves them.  A drag sends the
new order: ids=3&ids=1…
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastcore.xml import FT, Button, Input, Li, P, Script, Span, Ul
from fasthtml.common import FastHTML, HTTPException, Request, Response

from pipulate.engine.errors import Invalid
from pipulate.engine.store import Store, now
from pipulate.pages.sent import Sent
from pipulate.web.components import failure, form, fragment, page

Row = dict[str, Any]
MOST = 300  #: characters of a text field


@dataclass(frozen=True)
class Table:
    """Rows in an order; only `fields` and `toggle` can be written."""

    name: str
    noun: str  #: what a row is called
    fields: dict[str, str]  #: text columns, with labels; "name" is first
    toggle: tuple[str, str]  #: the yes/no column and its label
    scope: Callable[[Store], Row] = lambda store: {}  #: what all rows share
    #: Raises Refused.
    check_delete: Callable[[Store, Row], None] = lambda store, row: None

    def rows(self, store: Store, **more: Any) -> list[Row]:
        """The rows in their order; `more` narrows the choice."""
        wanted = {**self.scope(store), **more}
        where = " AND ".join(f"{column} = ?" for column in wanted) or "1"
        rows = f"SELECT * FROM {self.name} WHERE {where}"  # noqa: S608 - ours
        return store.read(f"{rows} ORDER BY priority, id", *wanted.values())

    def one(self, store: Store, id: int) -> Row:
        """A row; 404 if it is not in this list."""
        for row in self.rows(store, id=id):
            return row
        raise HTTPException(404)

    def add(self, store: Store, values: Row) -> Row:
        """Add a row at the end; raises Invalid."""
        with store.transaction():
            places = [row["priority"] for row in self.rows(store)]
            new = self._clean({"name": "", **values}) | self.scope(store)
            new["priority"] = max(places, default=0) + 1
            return dict(store.db.table(self.name).insert(**new))

    def change(self, store: Store, id: int, values: Row) -> Row:
        """Change some fields of a row; raises Invalid."""
        with store.transaction():
            self.one(store, id)
            new = self._clean(values)
            return dict(store.db.table(self.name).update(id=id, **new))

    def _clean(self, values: Row) -> Row:
        names = [name for name in self.fields if name in values]
        kept: Row = {name: self._text(name, values[name]) for name in names}
        column, _ = self.toggle
        if column in values:
            kept[column] = int(values[column] in (True, "1", "on", "true"))
        return kept

    def _text(self, name: str, value: Any) -> str:
        text = str(value).strip()
        if len(text) > MOST:
            told = f"{self.fields[name]} has {len(text)} characters"
            raise Invalid(f"{told}; {MOST} are allowed.", name)
        if name == "name" and not text:
            raise Invalid(f"A {self.noun} needs a name.", name)
        return text

    def delete(self, store: Store, id: int) -> int:
        """Move a row to the trash; returns its number there."""
        with store.transaction():
            row = self.one(store, id)
            self.check_delete(store, row)
            store.db.table(self.name).delete(id)
            trash = "INSERT INTO trash (at, kind, data) VALUES (?, ?, ?)"
            return store.write(trash, now(), self.name, json.dumps(row))

    def undelete(self, store: Store, seq: int) -> Row:
        """Bring a row back from the trash; 404 if it is back already."""
        taken = "DELETE FROM trash WHERE seq = ? AND kind = ? RETURNING data"
        with store.transaction():
            found = store.one(taken, seq, self.name)
            if found is None:
                raise HTTPException(404)
            row = json.loads(found["data"])
            return dict(store.db.table(self.name).insert(**row))

    def sort(self, store: Store, ids: list[int]) -> None:
        """Order the rows by `ids`; others keep their order, after them."""
        with store.transaction():
            known = [row["id"] for row in self.rows(store)]
            named = [id for id in ids if id in known]
            rows = store.db.table(self.name)
            for place, id in enumerate(dict.fromkeys(named + known), 1):
                rows.update(id=id, priority=place)

    def move(self, store: Store, id: int, by: int) -> None:
        """Move a row up (-1) or down (+1)."""
        with store.transaction():
            self.one(store, id)
            ids = [row["id"] for row in self.rows(store)]
            place = ids.index(id)
            ids.insert(max(place + by, 0), ids.pop(place))
            self.sort(store, ids)


def sent(url: str, target: str = "closest li") -> Row:
    """What posts by HTMX and puts the answer in `target`'s place."""
    return {"hx_post": url, "hx_target": target, "hx_swap": "outerHTML"}


@dataclass(frozen=True)
class ListPage:
    """A table as a page of an app."""

    app: FastHTML
    table: Table
    path: str
    title: str
    about: str  #: for the model; its first sentence leads the page
    #: What else shows the rows.
    redrawn: Callable[[FastHTML], FT | None] = lambda app: None

    def add_routes(self) -> None:
        """Add the page to the app and to its menu."""
        self.app.state.add_page(self.title, self.path, group="Apps")
        self.app.get(self.path)(self._show)
        acts: dict[str, Callable[..., Any]] = {
            "": self._add,
            "/sort": self._sort,
            "/undo/{seq:int}": self._undo,
            "/{id:int}": self._change,
            "/{id:int}/move": self._move,
            "/{id:int}/delete": self._delete,
        }
        for tail, act in acts.items():
            self.app.post(self.path + tail)(act)

    @property
    def _store(self) -> Store:
        return self.app.state.store

    def _show(self, request: Request) -> Response:
        return page(
            request,
            self.title,
            P(self.about.partition(". ")[0] + ".", cls="lead"),
            self._form(),
            self._list(),
            Script(src="/static/vendor/sortable.min.js", defer=True),
            Script(src="/static/lists.js", defer=True),
            about=self.about,
        )

    def _add(self, sent: Sent) -> Response:
        values = dict(sent)
        try:
            self.table.add(self._store, values)
        except Invalid as error:
            typed = str(values.get("name", ""))[: 2 * MOST]
            again = self._form(str(error), typed)(hx_swap_oob="true")
            return fragment(again, self._list(), status=422)
        empty = self._form()(hx_swap_oob="true")
        return fragment(empty, self._list(), self.redrawn(self.app))

    def _change(self, request: Request, id: int, sent: Sent) -> Response:
        values = dict(sent)
        if ticked := request.query_params.get("field"):
            values = {ticked: values.get("on", "")}
        try:
            row = self.table.change(self._store, id, values)
        except Invalid as error:
            kept = self._item(self.table.one(self._store, id))
            return fragment(kept(failure(error)), status=422)
        return fragment(self._item(row), self.redrawn(self.app))

    def _sort(self, sent: Sent) -> Response:
        named = map(str, sent.getlist("ids"))
        ids = [int(id) for id in named if id.isdecimal() and len(id) < 18]
        self.table.sort(self._store, ids)
        return fragment(self._list())

    def _move(self, request: Request, id: int) -> Response:
        by = 1
        if request.query_params.get("by") == "-1":
            by = -1
        self.table.move(self._store, id, by)
        return fragment(self._list())

    def _delete(self, id: int) -> Response:
        name = self.table.one(self._store, id)["name"]
        seq = self.table.delete(self._store, id)
        back = Button("Undo", cls="quiet", **sent(f"{self.path}/undo/{seq}"))
        note = Li(Span(f"Deleted “{name}”."), back, cls="note")
        return fragment(note, self.redrawn(self.app))

    def _undo(self, seq: int) -> Response:
        row = self.table.undelete(self._store, seq)
        return fragment(self._item(row), self.redrawn(self.app))

    # --- HTML

    def _item(self, row: Row) -> FT:
        url = f"{self.path}/{row['id']}"
        return Li(
            Span("⠿", cls="handle", aria_hidden="true"),
            self._tick(row, url),
            *[self._field(row, url, name) for name in self.table.fields],
            Span(*self._acts(row["name"], url), cls="acts"),
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

    def _field(self, row: Row, url: str, column: str) -> FT:
        label = self.table.fields[column]
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

    def _acts(self, name: str, url: str) -> Iterator[FT]:
        whole = f"#{self._list_id}"
        for sign, act, tail, target in (
            ("↑", "Move up", "move?by=-1", whole),
            ("↓", "Move down", "move?by=1", whole),
            ("Delete", "Delete", "delete", "closest li"),
        ):
            post = sent(f"{url}/{tail}", target)
            label = f"{act} {name}"
            yield Button(sign, type="button", cls="quiet", aria_label=label, **post)

    @property
    def _list_id(self) -> str:
        return f"{self.table.name}-list"

    def _list(self) -> FT:
        items = [self._item(row) for row in self.table.rows(self._store)]
        if not items:
            text = f"No {self.table.noun}s yet. Add the first one above."
            items = [Li(text, cls="empty")]
        return Ul(
            *items,
            id=self._list_id,
            cls="editable",
            data_sort=f"{self.path}/sort",
        )

    def _form(self, error: str = "", typed: str = "") -> FT:
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
            **sent(self.path, f"#{self._list_id}"),
        )
