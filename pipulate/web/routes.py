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
import re
from typing import Any

from fasthtml.common import Div, P
from loguru import logger
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from pipulate.engine import forms
from pipulate.engine import record as rec
from pipulate.engine.discovery import Broken
from pipulate.engine.errors import (
    Corrupt,
    Incompatible,
    Invalid,
    OutOfOrder,
    PipulateError,
    Refused,
    Unknown,
)
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.workflow import Run, Step, Workflow, answer, call
from pipulate.web import cards
from pipulate.web.components import address, fragment, page
from pipulate.web.failures import broken_page, damaged
from pipulate.web.runs import deleted_row, id_card, recent, run_list, run_row
from pipulate.web.uploads import received


class Pages:
    """The handlers, with what they share: the store, the jobs and the workflows found."""

    def __init__(self, app: Any) -> None:
        self.app, self.store, self.jobs = app, app.state.store, app.state.jobs

    def add(self) -> None:
        """Add the routes; they take any first path segment, so they come after all others."""
        for method, path, name, handler in (
            ("GET", "", "workflow", self.show),
            ("GET", "/runs", "workflow_runs", self.runs),
            ("GET", "/{act}", "workflow_card", self.show),
            ("GET", "/{act}/progress", "workflow_progress", self.progress),
            ("POST", "/open", "workflow_open", self.open),
        ):
            self.app.route("/{name}" + path, methods=[method], name=name)(handler)
        # An act takes and returns what Starlette does: without FastHTML's care for parameters a step is a tenth faster.
        acts = [
            Route("/{name}/{act}" + tail, self.act, methods=["POST"]) for tail in ("", "/upload")
        ]
        self.app.router.routes.extend(acts)

    def found(self, request: Request) -> Workflow | Broken:
        """Return what the address names; 404 if there is nothing."""
        found = self.app.state.found.get(request.path_params["name"])
        if not isinstance(found, (Workflow, Broken)):
            raise HTTPException(404)
        return found

    def run(self, flow: Workflow, id: str) -> Run:
        """Return the run as it is stored now.  On the event loop: one indexed read, which in WAL no writer delays."""
        return flow.load(self.store, id, self.app.state.settings)

    async def show(self, request: Request) -> Any:
        """A workflow's page: the ID card, and the run if the address names one."""
        flow, id = self.found(request), request.query_params.get("id", "")
        if isinstance(flow, Broken):
            return broken_page(request, flow)
        at = 0
        if act := request.path_params.get("act"):
            kind, at = split(act)
            if kind != "card" or not 1 <= at <= len(flow.steps) + 1 or not id:
                raise HTTPException(404)
        try:
            if id:
                run = self.run(flow, id)
                body = await cards.chain(run, self.jobs, at=at)
                return page(request, flow.title, id_card(flow, run.id), body, about=flow.about)
            card = id_card(flow)
        except Unknown:
            card = id_card(flow, id, missing=True)
        except Invalid as error:
            card = id_card(flow, id, error=str(error))
        except (Corrupt, Incompatible) as error:
            card = Div(id_card(flow, id), damaged(flow, id, error))
        lead = P(flow.about.split("\n\n")[0].replace("\n", " "), cls="lead")
        runs = await asyncio.to_thread(recent, Pipulate(self.store, flow.name), flow)
        return page(request, flow.title, lead, card, runs, about=flow.about)

    async def runs(self, request: Request) -> Any:
        """The list of recent runs, searched."""
        flow = self.found(request)
        search = request.query_params.get("q", "")
        rows = await asyncio.to_thread(Pipulate(self.store, flow.name).runs, search)
        known = flow if isinstance(flow, Workflow) else None
        shown = [run_row(row, known) for row in rows]
        return fragment(run_list(shown, empty="No run has that in its ID."))

    async def progress(self, request: Request) -> Any:
        """A working card's progress; when the job has ended, the cards that follow from it."""
        flow, (kind, number) = self.found(request), split(request.path_params["act"])
        if isinstance(flow, Broken) or kind != "card" or not 1 <= number <= len(flow.steps):
            raise HTTPException(404)
        run, step = self.run(flow, request.query_params.get("id", "")), flow.steps[number - 1]
        if self.jobs.running((flow.name, run.id, step.id)):
            return fragment(cards.progress(run, self.jobs, step))
        if rec.is_done(run.record, step.id) and run.open_index == number:
            await self._proceed(run)
            return await self._advance(
                run, step, hx_retarget=f"#card{number}", hx_reswap="outerHTML"
            )
        return await self._chain(run)

    async def act(self, request: Request) -> Response:
        """Do what the address says to the run, and show the outcome where it happened."""
        flow, act, form = self.found(request), request.path_params["act"], await request.form()
        if isinstance(flow, Broken):
            raise HTTPException(404)
        kind, number = split(act)
        if number > len(flow.steps):
            raise HTTPException(404)
        id = flow.normalise(request.query_params.get("id", ""))
        step = flow.steps[number - 1] if number else None
        shown = str(form.get("rev", ""))
        rev = int(shown) if re.fullmatch(r"\d{1,15}", shown, re.ASCII) else None
        try:
            reply = await (
                self._on_step(flow, id, kind, step, rev, form)
                if step
                else self._on_run(flow, id, kind, rev)
            )
        except (
            Refused
        ) as error:  # the run as it stands, the reason above it, what was typed still in its card
            run = self.run(flow, id)
            kept = (
                _typed({key: form.getlist(key) for key in form})
                if step and not step.work and run.open_index == number - 1
                else None
            )
            reply = await self._chain(run, status=409, message=str(error), typed=kept)
        if request.headers.get("hx-request") != "true" and reply.status_code < 400:
            return RedirectResponse(address(flow, id), 303)
        return reply

    async def open(self, request: Request) -> Any:
        """Begin a run, or open it."""
        flow, id = self.found(request), str((await request.form()).get("id", ""))
        if isinstance(flow, Broken):
            raise HTTPException(404)
        try:
            id = flow.normalise(id)
            await asyncio.to_thread(flow.begin, flow.engine(self.store), id)
        except Invalid as error:
            card = id_card(flow, id, error=str(error))
            return page(request, flow.title, card, about=flow.about)
        except Corrupt:
            pass  # the page says so, and offers the repair
        return RedirectResponse(address(flow, id), 303)

    async def _on_run(self, flow: Workflow, id: str, kind: str, rev: int | None) -> Response:
        engine = flow.engine(self.store)
        match kind:
            case "finalize" if self.run(flow, id).open_index < len(flow.steps):
                raise OutOfOrder(
                    "Only a complete run can be finalized; answer the open card first."
                )
            case "undo" | "finalize" | "unfinalize":
                await asyncio.to_thread(getattr(engine, kind), id, rev)
            case "repair":
                await asyncio.to_thread(engine.repair, id)
            case "delete":
                await self._stop(flow, id, flow.steps)
                await asyncio.to_thread(engine.delete, id)
                return fragment(deleted_row(address(flow, id, "undelete"), id))
            case "undelete":
                await asyncio.to_thread(engine.undelete, id)
                return fragment(run_row(engine.row(id) or {}, flow))
            case _:
                raise HTTPException(404)
        return await self._chain(self.run(flow, id), tail="")

    async def _on_step(
        self, flow: Workflow, id: str, kind: str, step: Step, rev: int | None, form: FormData
    ) -> Response:
        match kind:
            case "card":
                return await self._submit(self.run(flow, id), step, rev, form)
            case "revert":
                await self._stop(flow, id, flow.steps[step.number - 1 :])
                engine = flow.engine(self.store)
                await asyncio.to_thread(engine.clear_steps_from, id, step.id, flow.tuples, rev)
                return await self._chain(self.run(flow, id), tail=f"card{step.number}")
            case "start" | "repeat":
                run, why = (
                    self.run(flow, id),
                    "is not the step that comes next, so nothing was started.",
                )
                if run.record.get("finalized") or not _works(run, step):
                    raise OutOfOrder(f"“{step.label}” {why} Below is how the run stands now.")
                await (self.jobs.start if kind == "start" else self.jobs.repeat)(flow, id, step)
                return fragment(cards.working(run, self.jobs, step))
            case "cancel":
                await self._stop(flow, id, [step])
                run = self.run(flow, id)
                return (
                    fragment(cards.working(run, self.jobs, step))
                    if _works(run, step)
                    else await self._chain(run)
                )
        raise HTTPException(404)

    async def _submit(self, run: Run, step: Step, rev: int | None, form: FormData) -> Response:
        if step.work:
            raise OutOfOrder("This step is the machine's work; it takes no answer.")
        inside = await call(step.function, run)
        submitted = await received(form, self.store.folder / "uploads")
        try:
            stored = await answer(run, step, inside, submitted, rev)
        except Refused:
            raise
        except PipulateError as error:
            problem = error if isinstance(error, Invalid) else Invalid(str(error))
        except (
            Exception
        ) as error:  # an author's `accept` failed: say so in the card, keep what was typed
            logger.exception("accept of {} in {} failed", step.key, run.flow.name)
            problem = Invalid(
                f"This step's check failed, so nothing was stored. {type(error).__name__}: {error}"
            )
        else:
            if stored:
                await self._proceed(run)
            return await self._advance(run, step)
        card = cards.open_card(run, step, inside, _typed(submitted), problem)
        return fragment(card, status=422)

    async def _stop(self, flow: Workflow, id: str, steps: list[Step]) -> None:
        for step in steps:
            await self.jobs.cancel((flow.name, id, step.id))

    async def _proceed(self, run: Run) -> None:
        """A step was just done: begin the next one's work, and let the model say what is next."""
        following = run.flow.steps[run.open_index] if run.open_index < len(run.flow.steps) else None
        if following and following.work and following.auto:
            await self.jobs.start(run.flow, run.id, following)
        if self.app.state.explain:
            self.app.state.explain(run)

    async def _advance(self, run: Run, step: Step, **headers: Any) -> Response:
        """Answer with the card of the step that is done and the one after it."""
        shown = [
            await cards.card(run, self.jobs, index) for index in (step.number - 1, step.number)
        ]
        tail = f"card{step.number + 1}" if step.number < len(run.flow.steps) else ""
        headers = {"hx_push_url": address(run.flow, run.id, tail), **headers}
        nothing_to_undo = Div(
            id="undo", hx_swap_oob="true"
        )  # only a revert offers that, and this was none
        return fragment(*shown, cards.revision(run, oob=True), nothing_to_undo, **headers)

    async def _chain(
        self, run: Run, status: int = 200, tail: str | None = None, **what: Any
    ) -> Response:
        """Answer with the whole chain; `tail` is put in the address bar."""
        headers = {"hx_retarget": "#chain", "hx_reswap": "outerHTML"}
        if tail is not None:
            headers["hx_push_url"] = address(run.flow, run.id, tail)
        return fragment(await cards.chain(run, self.jobs, **what), status=status, **headers)


def split(act: str) -> tuple[str, int]:
    """Return ("card", 2) for "card2", ("undo", 0) for "undo"; 404 for anything else."""
    found = re.fullmatch(r"([a-z]+)([1-9]\d{0,2})?", act, re.ASCII)
    if not found:
        raise HTTPException(404)
    return found[1], int(found[2] or 0)


def _works(run: Run, step: Step) -> bool:
    return step.work and run.open_index == step.number - 1


def _typed(lists: dict[str, list[Any]]) -> forms.Values:
    return {key: values if len(values) > 1 else values[0] for key, values in lists.items()}
