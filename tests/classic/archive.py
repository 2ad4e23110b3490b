# ruff: noqa
import json
from fasthtml.common import *


class Archive:
    """The runs of this workflow, by the table of runs."""

    APP_NAME = "archive"
    DISPLAY_NAME = "Archive of notes"

    def __init__(self, app, pipulate, pipeline, db):
        self.pipulate, self.pipeline, self.db = pipulate, pipeline, db
        app.add_route("/archive/note", self.note, methods=["POST"])
        app.add_route("/archive/open", self.open, methods=["POST"])
        app.add_route("/archive/delete", self.delete, methods=["POST"])
        app.add_route("/archive/forget", self.forget, methods=["POST"])

    async def landing(self, request):
        return (
            H1("Notes"),
            Form(
                Input(name="url", aria_label="Note", required=True),
                Input(name="text", aria_label="Text", required=True),
                Button("Keep"),
                hx_post="/archive/note",
                hx_target="#notes",
            ),
            self.notes(),
            Button("Forget which", hx_post="/archive/forget", hx_target="#opened"),
            Div(id="opened"),
        )

    def notes(self):
        recent = self.pipeline(
            where="url NOT LIKE ?", where_args=["draft-%"], order_by="url", limit=20
        )
        rows = [
            Li(
                f"{record.url}: {json.loads(record.data)['step_01']['text']}",
                Form(
                    Hidden(name="url", value=record.url),
                    Button(f"Open {record.url}"),
                    hx_post="/archive/open",
                    hx_target="#opened",
                ),
                Form(
                    Hidden(name="url", value=record.url),
                    Button(f"Delete {record.url}"),
                    hx_post="/archive/delete",
                    hx_target="#notes",
                ),
            )
            for record in recent
        ]
        return Ul(*rows, id="notes")

    async def note(self, request):
        form = await request.form()
        url = form["url"]
        self.db["pipeline_id"] = url
        now = datetime.now().isoformat()
        try:
            record = self.pipeline[url]
            state = json.loads(record.data)
            state["step_01"] = {"text": form["text"]}
            self.pipeline.update({"url": url, "data": json.dumps(state), "updated": now})
        except NotFoundError:
            data = json.dumps({"step_01": {"text": form["text"]}})
            self.pipeline.insert(url=url, data=data, created=now, updated=now)
        return self.notes()

    async def open(self, request):
        form = await request.form()
        self.db["pipeline_id"] = form["url"]
        self.db["archive_opened"] = self.db.get("archive_opened", 0) + 1
        keys = [key for key, _ in self.db.items()]
        assert "archive_opened" in self.db and "archive_opened" in self.db.keys() and keys
        assert self.pipeline[form["url"]].created
        return P(f"Open: {self.db['pipeline_id']}, number {self.db['archive_opened']}")

    async def delete(self, request):
        form = await request.form()
        self.pipeline.delete(form["url"])
        return self.notes()

    async def forget(self):
        if "pipeline_id" in self.db:
            del self.db["pipeline_id"]
        return P(f"Open: {self.db.get('pipeline_id', 'none')}, {'pipeline_id' in db}")
