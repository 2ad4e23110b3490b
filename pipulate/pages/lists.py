"""What Profiles and Tasks share: a list in which one adds, edits in place, toggles, sorts, deletes and undoes.

GET  /tasks                 the page             POST /tasks             add
POST /tasks/3               change fields        POST /tasks/3/delete    delete (kept in the trash)
POST /tasks/3/move?by=-1    up or down           POST /tasks/undo/7      bring back from the trash
POST /tasks/sort            the order after a drag: ids=3&ids=1…

Rows are dictionaries of the table; only the columns named in `fields` can be written.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fasthtml.common import FT, Button, Div, FastHTML, Form, Input, Li, P, Script, Span, Ul
from starlette.exceptions import HTTPException
from starlette.requests import Request

from pipulate.engine.errors import Invalid
from pipulate.engine.store import Store, now
from pipulate.web.components import fragment, page

Row = dict[str, Any]
MOST = 300  #: characters of a text field


@dataclass
class ListApp:
    """One table shown as an editable list."""

    table: str
    path: str
    title: str
    noun: str
    fields: dict[
        str, str
    ]  #: text columns and their labels; "name" is the first and must not be empty
    toggle: tuple[str, str]  #: the yes/no column and its label
    about: str
    scope: Callable[[Store], Row] = field(
        default=lambda store: {}
    )  #: columns that rows of this list share (xtra)
    check_delete: Callable[[Store, Row], None] = field(default=lambda store, row: None)

    def rows(self, store: Store) -> list[Row]:
        """Return the list's rows in their order."""
        scope = self.scope(store)
        where = " AND ".join([f"{key} = ?" for key in scope] or ["1"])
        sql = f"SELECT * FROM {self.table} WHERE {where} ORDER BY priority, id"  # noqa: S608 - names are ours
        return store.read(sql, *scope.values())

    def one(self, store: Store, id: int) -> Row:
        """Return a row of this list; 404 if it is in no list, or in another profile's."""
        found = next((row for row in self.rows(store) if row["id"] == id), None)
        if found is None:
            raise HTTPException(404)
        return found

    def add(self, store: Store, values: Row) -> Row:
        """Insert a row at the end of the list; raises Invalid for an empty name."""
        with store.transaction():
            last = max((row["priority"] for row in self.rows(store)), default=0)
            new = {**self.clean({"name": "", **values}), **self.scope(store), "priority": last + 1}
            return dict(store.db.table(self.table).insert(**new))

    def change(self, store: Store, id: int, values: Row) -> Row:
        """Change some fields of a row."""
        with store.transaction():
            self.one(store, id)
            return dict(store.db.table(self.table).update(id=id, **self.clean(values)))

    def clean(self, values: Row) -> Row:
        """Return the writable fields, trimmed and checked."""
        kept: Row = {}
        for name, label in self.fields.items():
            if name in values:
                text = str(values[name]).strip()
                if len(text) > MOST:
                    raise Invalid(f"{label} has {len(text)} characters; {MOST} are allowed.", name)
                if name == "name" and not text:
                    raise Invalid(f"A {self.noun} needs a name.", name)
                kept[name] = text
        if (column := self.toggle[0]) in values:
            kept[column] = int(values[column] in (True, 1, "1", "on", "true"))
        return kept

    def delete(self, store: Store, id: int) -> int:
        """Move a row to the trash; returns the number to undo with."""
        with store.transaction() as db:
            row = self.one(store, id)
            self.check_delete(store, row)
            seq = store.write(
                "INSERT INTO trash (at, kind, data) VALUES (?, ?, ?)",
                now(),
                self.table,
                json.dumps(row),
            )
            db.execute(f"DELETE FROM {self.table} WHERE id = ?", (id,))  # noqa: S608
        return seq

    def undo(self, store: Store, seq: int) -> Row:
        """Bring a row back from the trash."""
        with store.transaction() as db:
            found = store.one("SELECT data FROM trash WHERE seq = ? AND kind = ?", seq, self.table)
            if found is None:
                raise HTTPException(404)
            db.execute("DELETE FROM trash WHERE seq = ?", (seq,))
            return dict(store.db.table(self.table).insert(**json.loads(found["data"])))

    def sort(self, store: Store, ids: list[int]) -> None:
        """Give the rows the order of `ids`; rows that are not named keep theirs, after them."""
        with store.transaction() as db:
            known = [row["id"] for row in self.rows(store)]
            order = [id for id in dict.fromkeys(ids) if id in known]
            for priority, id in enumerate(order + [id for id in known if id not in order], 1):
                db.execute(f"UPDATE {self.table} SET priority = ? WHERE id = ?", (priority, id))  # noqa: S608

    def move(self, store: Store, id: int, by: int) -> None:
        """Move a row up (-1) or down (+1)."""
        with store.transaction():
            ids = [row["id"] for row in self.rows(store)]
            self.one(store, id)
            at = ids.index(id)
            ids.insert(min(max(at + by, 0), len(ids)), ids.pop(at))
            self.sort(store, ids)

    # ---------------------------------------------------------------- HTML

    def item(self, row: Row) -> FT:
        """Return one row as an editable list item."""
        url, column = f"{self.path}/{row['id']}", self.toggle[0]
        inputs = [
            Input(
                name=name,
                value=row.get(name) or "",
                aria_label=f"{label} of {row['name']}",
                placeholder=label,
                id=None,
                maxlength=str(MOST),
                required=name == "name",
                hx_post=url,
                hx_trigger="change",
                hx_target="closest li",
                hx_swap="outerHTML",
                autocomplete="off",
                cls="inline",
            )
            for name, label in self.fields.items()
        ]
        tick = Input(
            type="checkbox",
            checked=bool(row.get(column)),
            aria_label=f"{self.toggle[1]}: {row['name']}",
            id=None,
            name="on",
            hx_post=f"{url}?field={column}",
            hx_trigger="change",
            hx_target="closest li",
            hx_swap="outerHTML",
        )
        acts = [
            Button(
                sign,
                type="button",
                cls="quiet",
                aria_label=f"{word} {row['name']}",
                hx_post=f"{url}/{tail}",
                hx_swap="outerHTML",
                hx_target=target,
            )
            for sign, word, tail, target in (
                ("↑", "Move up", "move?by=-1", f"#{self.table}-list"),
                ("↓", "Move down", "move?by=1", f"#{self.table}-list"),
                ("Delete", "Delete", "delete", "closest li"),
            )
        ]
        return Li(
            Span("⠿", cls="handle", aria_hidden="true"),
            tick,
            *inputs,
            Span(*acts, cls="acts"),
            id=f"{self.table}-{row['id']}",
            data_id=row["id"],
            cls="done" if self.table == "task" and row.get("done") else "",
        )

    def list(self, store: Store) -> FT:
        """Return the whole list."""
        rows = self.rows(store)
        return Ul(
            *[self.item(row) for row in rows],
            Li(f"No {self.noun}s yet. Add the first one above.", cls="empty") if not rows else None,
            id=f"{self.table}-list",
            cls="editable",
            data_sort=f"{self.path}/sort",
        )

    def form(self, error: str = "", typed: str = "") -> FT:
        """Return the form that adds a row."""
        return Form(
            Input(
                name="name",
                value=typed,
                placeholder=f"New {self.noun}",
                aria_label=f"Name of the new {self.noun}",
                maxlength=str(MOST),
                autofocus=True,
                autocomplete="off",
                id=f"new-{self.noun}",
                aria_invalid="true" if error else None,
            ),
            Button("Add", type="submit"),
            P(error, role="alert", cls="error") if error else None,
            hx_post=self.path,
            hx_target=f"#{self.table}-list",
            hx_swap="outerHTML",
            action=self.path,
            method="post",
            id=f"add-{self.noun}",
            cls="joined",
            enctype="application/x-www-form-urlencoded",
        )

    def routes(self, app: FastHTML) -> None:
        """Add the list's page, acts and menu entry."""
        store: Store = app.state.store
        app.state.add_page(self.title, self.path, group="Apps")
        scripts = (
            Script(src="/static/vendor/sortable.min.js", defer=True),
            Script(src="/static/lists.js", defer=True),
        )

        def whole(status: int = 200, error: str = "", typed: str = "") -> Any:
            form = self.form(error, typed)
            form.attrs["hx-swap-oob"] = "true"
            return fragment(self.list(store), form, menu(), status=status)

        def menu() -> FT | None:
            """The choice of a profile in the menu, which may have changed as well."""
            return (
                Div(app.state.profile_switcher(app), id="switcher", hx_swap_oob="true")
                if self.table == "profile"
                else None
            )

        @app.route(self.path, methods=["GET"], name=f"{self.table}_page")
        def show(request: Request) -> Any:
            return page(
                request,
                self.title,
                P(self.about.split(". ")[0] + ".", cls="lead"),
                self.form(),
                self.list(store),
                *scripts,
                about=self.about,
            )

        @app.route(self.path, methods=["POST"], name=f"{self.table}_add")
        async def add(request: Request) -> Any:
            form = await request.form()
            try:
                self.add(store, {key: form[key] for key in form})
            except Invalid as error:
                return whole(422, str(error), str(form.get("name", ""))[: 2 * MOST])
            return whole()

        @app.route(f"{self.path}/sort", methods=["POST"], name=f"{self.table}_sort")
        async def sort(request: Request) -> Any:
            form = await request.form()
            self.sort(
                store,
                [
                    int(str(id))
                    for id in form.getlist("ids")
                    if str(id).isdecimal() and len(str(id)) < 18
                ],
            )
            return fragment(self.list(store))

        @app.route(f"{self.path}/undo/{{seq:int}}", methods=["POST"], name=f"{self.table}_undo")
        def undo(seq: int) -> Any:
            return fragment(self.item(self.undo(store, seq)), menu())

        @app.route(f"{self.path}/{{id:int}}", methods=["POST"], name=f"{self.table}_change")
        async def change(request: Request, id: int) -> Any:
            form, field_name = await request.form(), request.query_params.get("field")
            values: Row = (
                {field_name: form.get("on", "")} if field_name else {key: form[key] for key in form}
            )
            try:
                return fragment(self.item(self.change(store, id, values)), menu())
            except Invalid as error:
                return fragment(
                    self.item(self.one(store, id))(P(str(error), role="alert", cls="error")),
                    status=422,
                )

        @app.route(f"{self.path}/{{id:int}}/move", methods=["POST"], name=f"{self.table}_move")
        def move(request: Request, id: int) -> Any:
            self.move(store, id, -1 if request.query_params.get("by") == "-1" else 1)
            return fragment(self.list(store))

        @app.route(f"{self.path}/{{id:int}}/delete", methods=["POST"], name=f"{self.table}_delete")
        def delete(id: int) -> Any:
            name = self.one(store, id)["name"]
            url = f"{self.path}/undo/{self.delete(store, id)}"
            back = Button(
                "Undo", cls="quiet", hx_post=url, hx_target="closest li", hx_swap="outerHTML"
            )
            return fragment(Li(Span(f"Deleted “{name}”."), back, cls="note"), menu())
