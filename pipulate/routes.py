"""The addresses of every workflow.  Each handler: find the run, change it through the engine, answer with cards.

GET  /bridge                    ID card and recent runs          POST /bridge/open       begin or open a run
GET  /bridge?id=arthur          the run                          POST /bridge/card2      answer a step
GET  /bridge/card2?id=arthur    the same, at that card           POST /bridge/revert2    go back to a step
GET  /bridge/card4/progress     a working card's progress        POST /bridge/start4 cancel4 repeat4
GET  /bridge/runs?q=            the recent runs                  POST /bridge/undo finalize unfinalize delete undelete repair

A GET changes nothing.  A refused change answers 409 with the chain as it stands, an invalid answer 422 with
the card and what was typed; without HTMX, a form post ends in a redirect to the run's page.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fasthtml.common import FT, A, Button, Details, Div, Form, Li, P, Pre, Summary, to_xml
from loguru import logger
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipulate import components, forms
from pipulate import record as rec
from pipulate.discovery import Broken
from pipulate.errors import Corrupt, Incompatible, Invalid, OutOfOrder, PipulateError, Refused, Stale, Unknown
from pipulate.jobs import Jobs
from pipulate.pipeline import Pipulate
from pipulate.store import Store
from pipulate.workflow import Run, Step, Workflow, call

Answer = Any
_ACT = re.compile(r"(card|revert|start|cancel|repeat)(\d{1,3})")


def fragment(*parts: Any, status: int = 200, **headers: Any) -> Response:
    """Return components as an HTML fragment; `hx_retarget="#x"` becomes the HX-Retarget header."""
    named = {key.replace("_", "-"): str(value) for key, value in headers.items()}
    return HTMLResponse(to_xml(tuple(part for part in parts if part is not None), indent=False), status, named)


class Pages:
    """The handlers, with what they share: the store, the jobs and the workflows found."""

    def __init__(self, app: Any) -> None:
        self.app, self.store, self.jobs = app, app.state.store, app.state.jobs
        assert isinstance(self.store, Store) and isinstance(self.jobs, Jobs)

    def add(self) -> None:
        """Add the routes; they take any first path segment, so they come after all others."""
        route = self.app.route
        route("/{name}", methods=["GET"], name="workflow")(self.show)
        route("/{name}/runs", methods=["GET"], name="workflow_runs")(self.runs)
        route("/{name}/{act}", methods=["GET"], name="workflow_card")(self.show)
        route("/{name}/{act}/progress", methods=["GET"], name="workflow_progress")(self.progress)
        route("/{name}/{act}", methods=["POST"], name="workflow_act")(self.act)
        route("/{name}/{act}/upload", methods=["POST"], name="workflow_upload")(self.act)

    def flow(self, request: Request) -> Workflow | Broken:
        """Return the workflow that the address names; 404 if there is none."""
        found = self.app.state.found.get(request.path_params["name"])
        if not isinstance(found, (Workflow, Broken)):
            raise HTTPException(404)
        return found

    def run(self, flow: Workflow, id: str) -> Run:
        """Return the run as it is stored now.  On the event loop: one indexed read, which in WAL no writer delays."""
        engine = Pipulate(self.store, flow.name)
        record, rev = flow.open(engine, id)
        return Run(flow, engine, rec.normalise_id(id), record, rev, self.app.state.settings)

    # ---------------------------------------------------------------- pages

    async def show(self, request: Request) -> Answer:
        """A workflow's page: the ID card, and the run if the address names one."""
        flow, id = self.flow(request), request.query_params.get("id", "")
        if isinstance(flow, Broken):
            return await broken_page(request, flow)
        at = 0
        if act := request.path_params.get("act"):
            match = _ACT.fullmatch(act)
            if not match or match[1] != "card" or not 1 <= (at := int(match[2])) <= len(flow.steps) + 1 or not id:
                raise HTTPException(404)
        lead = P(flow.about.split("\n\n")[0].replace("\n", " "), cls="lead")
        engine = Pipulate(self.store, flow.name)
        if not id:
            recent = await asyncio.to_thread(components.recent, engine, flow)
            return components.page(request, flow.title, lead, components.id_card(flow), recent, about=flow.about)
        try:
            run = self.run(flow, id)
            body = await components.chain(run, self.jobs, at=at)
            return components.page(request, flow.title, components.id_card(flow, run.id), body, about=flow.about)
        except Unknown:
            card = components.id_card(flow, id, missing=True)
        except Invalid as error:
            card = components.id_card(flow, id[:600], error=str(error))
        except (Corrupt, Incompatible) as error:
            card = Div(components.id_card(flow, id), _repair(flow, id, error))
        recent = await asyncio.to_thread(components.recent, engine, flow)
        return components.page(request, flow.title, lead, card, recent, about=flow.about)

    async def runs(self, request: Request) -> Answer:
        """The list of recent runs, searched."""
        flow = self.flow(request)
        engine = Pipulate(self.store, flow.name)
        rows = await asyncio.to_thread(engine.runs, request.query_params.get("q", ""))
        known = {flow.name: flow} if isinstance(flow, Workflow) else {}
        return fragment(components.run_list(rows, known, empty="No run has that in its ID."))

    async def progress(self, request: Request) -> Answer:
        """A working card's progress; when the job has ended, the cards that follow from it."""
        flow = self.flow(request)
        match = _ACT.fullmatch(request.path_params["act"])
        if isinstance(flow, Broken) or not match or not 1 <= int(match[2]) <= len(flow.steps):
            raise HTTPException(404)
        run = self.run(flow, request.query_params.get("id", ""))
        step = flow.steps[int(match[2]) - 1]
        if self.jobs.running((flow.name, run.id, step.id)):
            return fragment(components.progress(run, self.jobs, step))
        if rec.is_done(run.record, step.id) and run.open_index == step.number:
            await self._proceed(run)
            return await self._advance(run, step.number - 1, hx_retarget=f"#card{step.number}", hx_reswap="outerHTML")
        return fragment(await components.chain(run, self.jobs), hx_retarget="#chain", hx_reswap="outerHTML")

    # ---------------------------------------------------------------- acts

    async def act(self, request: Request) -> Answer:
        """Do what the address says to the run, and show the outcome where it happened."""
        flow, act = self.flow(request), request.path_params["act"]
        if isinstance(flow, Broken):
            raise HTTPException(404)
        form = await request.form()
        if act == "open":
            return await self._begin(request, flow, str(form.get("id", "")))
        id = request.query_params.get("id", "")
        match = _ACT.fullmatch(act)
        plain: dict[str, Callable[..., Awaitable[Answer]]] = {
            "undo": self._undo, "finalize": self._finalize, "unfinalize": self._unfinalize,
            "delete": self._delete, "undelete": self._undelete, "repair": self._repair,
        }  # fmt: skip
        numbered: dict[str, Callable[..., Awaitable[Answer]]] = {
            "card": self._submit, "revert": self._revert, "start": self._start, "cancel": self._cancel, "repeat": self._repeat,
        }  # fmt: skip
        if not (act in plain or match) or (match and not 1 <= int(match[2]) <= len(flow.steps)):
            raise HTTPException(404)
        shown = form.get("rev")
        rev = int(shown) if isinstance(shown, str) and re.fullmatch(r"\d{1,15}", shown) else None
        step = flow.steps[int(match[2]) - 1] if match else None
        try:
            if step and match:
                answer = await numbered[match[1]](request, flow, id, step, rev, form)
            else:
                answer = await plain[act](request, flow, id, rev)
        except Refused as error:
            answer = await self._refused(flow, id, str(error), step, form)
        if request.headers.get("hx-request") != "true" and answer.status_code < 400:
            return RedirectResponse(f"/{flow.name}?{urlencode({'id': id})}", 303)
        return answer

    async def _refused(self, flow: Workflow, id: str, message: str, step: Step | None, form: Any) -> Response:
        """409: the run as it stands, the reason above it, what was typed still in its card."""
        run = self.run(flow, id)
        typed = None
        if step and not step.work and run.open_index == step.number - 1:
            typed = {key: values if len(values := form.getlist(key)) > 1 else values[0] for key in form}
        body = await components.chain(run, self.jobs, message=message, typed=typed)
        return fragment(body, status=409, hx_retarget="#chain", hx_reswap="outerHTML")

    async def _begin(self, request: Request, flow: Workflow, id: str) -> Answer:
        engine = Pipulate(self.store, flow.name)
        initial = {"version": flow.version} if flow.version != 1 else {}
        try:
            id = rec.normalise_id(id)
            await asyncio.to_thread(engine.initialize_if_missing, id, initial)
        except Invalid as error:
            return components.page(
                request, flow.title, components.id_card(flow, id[:600], error=str(error)), about=flow.about
            )
        except Corrupt:
            pass  # the page says so, and offers the repair
        return RedirectResponse(f"/{flow.name}?{urlencode({'id': id})}", 303)

    async def _submit(
        self, request: Request, flow: Workflow, id: str, step: Step, rev: int | None, form: Any
    ) -> Response:
        run = self.run(flow, id)
        if step.work:
            raise OutOfOrder("This step is the machine's work; it takes no answer.")
        inside = await call(step.function, run)
        submitted = {key: [await self._received(item) for item in form.getlist(key)] for key in form if key != "rev"}
        values: forms.Values = {}
        index = step.number - 1
        try:
            values = forms.read(forms.fields(inside), submitted)
            if run.open_index != index:
                if (
                    rec.is_done(run.record, step.id)
                    and _same(run.record[step.id], values)
                    and not run.record.get("finalized")
                ):
                    return await self._advance(run, index)  # a double submit: show what the first one led to
                raise Stale(
                    f"“{step.label}” is {'already answered' if run.open_index > index else 'not reached yet'}; nothing was changed. "
                    "This page was probably open in another tab. Below is how the run stands now."
                )
            if step.accept_function:
                accepted = await call(step.accept_function, run, values)
                values = accepted if isinstance(accepted, dict) else values
            data = values if rec.is_done({step.id: values}, step.id) else {**values, "answered": True}
            run.record, run.rev = await asyncio.to_thread(
                run.engine.change, id, f"set {step.id}", lambda record: {**record, step.id: data}, rev=rev
            )
        except Invalid as error:
            return await self._invalid(run, index, error, submitted)
        except PipulateError as error:
            if isinstance(error, Refused):
                raise
            return await self._invalid(run, index, Invalid(str(error)), submitted)
        except Exception as error:  # an author's `accept` failed: say so in the card, keep what was typed
            logger.exception("accept of {} in {} failed", step.key, flow.name)
            problem = Invalid(f"This step's check failed, so nothing was stored. {type(error).__name__}: {error}")
            return await self._invalid(run, index, problem, submitted)
        await self._proceed(run)
        return await self._advance(run, index)

    async def _invalid(self, run: Run, index: int, error: Invalid, submitted: dict[str, list[Any]]) -> Response:
        typed = {key: values if len(values) > 1 else values[0] for key, values in submitted.items()}
        return fragment(await components.card(run, self.jobs, index, error, typed), status=422)

    async def _proceed(self, run: Run) -> None:
        """A step was just done: begin the next one's work, and let the model say a sentence about what is next."""
        if run.open_index < len(run.flow.steps):
            step = run.flow.steps[run.open_index]
            if step.work and step.auto:
                await self.jobs.start(run.flow, run.id, step)
        if self.app.state.explain:
            self.app.state.explain(run)

    async def _advance(self, run: Run, index: int, **headers: Any) -> Response:
        """Answer with the done card and the one after it."""
        parts = [await components.card(run, self.jobs, i) for i in (index, index + 1)]
        parts += [components.revision(run, oob=True), components.undo(run, oob=True)]
        number = index + 2
        url = components.address(run, f"card{number}") if number <= len(run.flow.steps) else components.address(run)
        return fragment(*parts, **({"hx_push_url": url} | headers))

    async def _received(self, item: Any) -> Any:
        """Return a form's value; a file is put on disk whole and described by a dictionary."""
        if not isinstance(item, UploadFile):
            return item
        if not item.filename:
            return None
        return await asyncio.to_thread(save_upload, item, self.store.folder / "uploads")

    async def _changed(
        self, flow: Workflow, id: str, function: Callable[..., Any], *args: Any, tail: str = "", **named: Any
    ) -> Response:
        await asyncio.to_thread(function, id, *args, **named)
        run = self.run(flow, id)
        return fragment(
            await components.chain(run, self.jobs), hx_retarget="#chain", hx_push_url=components.address(run, tail)
        )

    async def _revert(
        self, request: Request, flow: Workflow, id: str, step: Step, rev: int | None, form: Any
    ) -> Response:
        for later in flow.steps[step.number - 1 :]:
            await self.jobs.cancel((flow.name, rec.normalise_id(id), later.id))
        engine = Pipulate(self.store, flow.name)
        return await self._changed(
            flow, id, engine.clear_steps_from, step.id, flow.tuples, rev, tail=f"card{step.number}"
        )

    async def _undo(self, request: Request, flow: Workflow, id: str, rev: int | None) -> Response:
        return await self._changed(flow, id, Pipulate(self.store, flow.name).undo, rev)

    async def _finalize(self, request: Request, flow: Workflow, id: str, rev: int | None) -> Response:
        run = self.run(flow, id)
        if run.open_index < len(flow.steps):
            raise OutOfOrder("Only a complete run can be finalized; answer the open card first.")
        return await self._changed(flow, id, run.engine.finalize, rev)

    async def _unfinalize(self, request: Request, flow: Workflow, id: str, rev: int | None) -> Response:
        return await self._changed(flow, id, Pipulate(self.store, flow.name).unfinalize, rev)

    async def _delete(self, request: Request, flow: Workflow, id: str, rev: int | None) -> Response:
        for step in flow.steps:
            await self.jobs.cancel((flow.name, rec.normalise_id(id), step.id))
        await asyncio.to_thread(Pipulate(self.store, flow.name).delete, id)
        url = f"/{flow.name}/undelete?{urlencode({'id': id})}"
        undo = Form(
            Button("Undo", type="submit", cls="quiet"),
            hx_post=url,
            hx_target="closest li",
            hx_swap="outerHTML",
            action=url,
            method="post",
        )
        return fragment(Li(P(f"Deleted “{id}”."), undo, cls="note"))

    async def _undelete(self, request: Request, flow: Workflow, id: str, rev: int | None) -> Response:
        engine = Pipulate(self.store, flow.name)
        await asyncio.to_thread(engine.undelete, id)
        row = await asyncio.to_thread(engine.row, id)
        return fragment(components.run_row(row or {}, flow))

    async def _repair(self, request: Request, flow: Workflow, id: str, rev: int | None) -> Response:
        return await self._changed(flow, id, Pipulate(self.store, flow.name).repair)

    async def _start(
        self, request: Request, flow: Workflow, id: str, step: Step, rev: int | None, form: Any
    ) -> Response:
        return await self._job(flow, id, step, self.jobs.start)

    async def _repeat(
        self, request: Request, flow: Workflow, id: str, step: Step, rev: int | None, form: Any
    ) -> Response:
        return await self._job(flow, id, step, self.jobs.repeat)

    async def _job(self, flow: Workflow, id: str, step: Step, function: Callable[..., Awaitable[None]]) -> Response:
        run = self.run(flow, id)
        if run.record.get("finalized") or not step.work or run.open_index != step.number - 1:
            raise OutOfOrder(
                f"“{step.label}” is not the step that comes next, so nothing was started. Below is how the run stands now."
            )
        await function(flow, id, step)
        return fragment(components.working(run, self.jobs, step))

    async def _cancel(
        self, request: Request, flow: Workflow, id: str, step: Step, rev: int | None, form: Any
    ) -> Response:
        await self.jobs.cancel((flow.name, rec.normalise_id(id), step.id))
        run = self.run(flow, id)
        if run.open_index != step.number - 1 or not step.work:
            return fragment(await components.chain(run, self.jobs), hx_retarget="#chain")
        return fragment(components.working(run, self.jobs, step))


def _same(stored: Any, values: forms.Values) -> bool:
    return isinstance(stored, dict) and {k: v for k, v in stored.items() if k != "answered"} == values


def _repair(flow: Workflow, id: str, error: PipulateError) -> FT:
    """The card of a run whose record cannot be shown."""
    url = f"/{flow.name}/repair?{urlencode({'id': id})}"
    mend = (
        Form(Button("Restore the last good state", type="submit"), action=url, method="post")
        if isinstance(error, Corrupt)
        else None
    )
    return Div(P(str(error), role="alert", cls="error"), mend, cls="card")


async def broken_page(request: Request, broken: Broken) -> Answer:
    """The page of a workflow file that does not load."""
    card = Div(
        P(f"{broken.path.name} could not be loaded, so this workflow is out of order. Everything else works.", role="alert", cls="error"),
        P("Mend the file. With ", A("--dev", href="/introduction"), " it is read again at the next click; otherwise restart Pipulate."),
        Details(Summary("Traceback"), Pre(broken.traceback), open=True),
        cls="card broken",
    )  # fmt: skip
    return components.page(
        request, broken.title, card, about=f"The workflow file {broken.path.name} is broken:\n{broken.traceback[-600:]}"
    )


def save_upload(upload: UploadFile, folder: Path) -> dict[str, Any]:
    """Put an uploaded file on disk whole (temporary file, fsync, rename); returns file, path, size and sha256."""
    name = re.sub(r"[^\w.\- ]", "_", Path(upload.filename or "file").name)[-100:].lstrip(".") or "file"
    folder.mkdir(parents=True, exist_ok=True)
    part, digest, size = folder / f".{os.urandom(8).hex()}.part", hashlib.sha256(), 0
    with part.open("wb") as out:
        while chunk := upload.file.read(1 << 20):
            out.write(chunk)
            digest.update(chunk)
            size += len(chunk)
        out.flush()
        os.fsync(out.fileno())
    target = folder / digest.hexdigest()[:16] / name
    target.parent.mkdir(exist_ok=True)
    part.replace(target)
    return {"file": name, "path": str(target), "size": size, "sha256": digest.hexdigest()}
