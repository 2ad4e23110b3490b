"""The addresses of every workflow: read, changed by the engine, drawn.

/bridge?id=arthur is a run, /bridge/card2?id=arthur the same, at that card.  A
POST there answers the step; others go to /bridge/revert2, /bridge/undo, …

A GET changes nothing.  A refused change answers 409 with the chain as it
stands, an invalid answer 422 with the card and what was typed; without HTMX
a form post ends in a redirect to the run.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fastcore.xml import (
    FT,
    Div,
    NotStr,
    P,
)
from fasthtml.common import FastHTML
from loguru import logger
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from pipulate.engine import errors
from pipulate.engine import record as rec
from pipulate.engine.answers import (
    answer,
    is_known,
    is_stored,
    question,
)
from pipulate.engine.calls import call
from pipulate.engine.errors import (
    Invalid,
    OutOfOrder,
    PipulateError,
    Refused,
)
from pipulate.engine.forms import Values
from pipulate.engine.found import Broken, Helper
from pipulate.engine.pipeline import STALE, Pipulate
from pipulate.engine.store import OnLoop, saved
from pipulate.engine.workflow import (
    Run,
    Step,
    Workflow,
)
from pipulate.web import cards, uploads
from pipulate.web.components import (
    address,
    failure,
    fragment,
    of_htmx,
    page,
)
from pipulate.web.faults import (
    MEND,
    damaged,
    fault,
    idle_page,
)
from pipulate.web.runs import (
    RECENT,
    deleted_row,
    id_card,
    recent,
    run_list,
    run_row,
)
from pipulate.web.state import State

Kind = TypeVar("Kind")

OF_REVISION = ("undo", "finalize", "unfinalize")  #: acts on a run
OF_RUN = (*OF_REVISION, "delete", "undelete", "repair")


@dataclass(frozen=True)
class Order:
    """What a POST asks for, as read at the door."""

    flow: Workflow
    id: str  #: the run's
    run: Callable[[], Awaitable[Run]]  #: as it is stored now
    kind: str  #: "card", "undo", …
    form: FormData
    rev: int | None  #: the revision that the page shows
    htmx: bool


class Pages:
    """The handlers, with what they share."""

    def __init__(self, app: FastHTML) -> None:
        self.app = app
        self.state: State = app.state
        self.store = self.state.store
        self.jobs = self.state.jobs
        self.jobs.finished = self._proceed
        self.on_step = {
            "card": self._submit,
            "revert": self._revert,
            "start": self._start,
            "repeat": self._start,
            "cancel": self._cancel,
            "take": self._take,
        }

    def add(self) -> None:
        """Add the routes, last: they take any first path segment."""
        for method, path, handler in (
            ("GET", "", self.show),
            ("GET", "/runs", self.runs),
            ("GET", "/{act}", self.show),
            ("GET", "/file/{file}", self.file),
            ("GET", "/{act}/progress", self.progress),
            ("POST", "/open", self.open),
            ("POST", "/{act}", self.act),
            ("POST", "/{act}/upload", self.act),
        ):
            # Starlette's: FastHTML's care for parameters takes time.
            route = Route("/{name}" + path, handler, methods=[method])
            self.app.router.routes.append(route)

    def _flow(self, request: Request) -> Workflow:
        found = self.state.found.get(request.path_params["name"])
        if isinstance(found, Broken | Helper):
            raise errors.Unknown(f"{found} {MEND}")
        if not isinstance(found, Workflow):
            raise HTTPException(404)
        return found

    async def _run(self, flow: Workflow, id: str) -> Run:
        return await _soon(flow.load, self.store, id, self.state.settings)

    async def _engine(self, flow: Workflow) -> Pipulate:
        return await _soon(flow.engine, self.store)

    async def _opened(self, flow: Workflow, id: str) -> Run:
        run = await self._run(flow, id)
        if is_known(run):
            return run
        from pipulate.engine.changed import opened  # seldom: a record of 0.1.0

        return await opened(flow, self.store, id, self.state.settings)

    # --- looking

    async def show(self, request: Request) -> Response:
        """Show the run, else the ID card and recent runs."""
        act = request.path_params.get("act", "")
        found = self.state.found.get(request.path_params["name"])
        if isinstance(found, Broken | Helper) and re.fullmatch(r"(card\d{1,3})?", act, re.ASCII):
            return idle_page(request, found)
        flow = self._flow(request)
        id = request.query_params.get("id", "")
        at = 0
        if act:
            kind, at = split(request, flow, more=1)
            if kind != "card" or not at or not id:
                raise HTTPException(404)
        if not id:
            return await self._landing(request, flow, id_card(flow))
        try:
            run = await self._opened(flow, id)
        except errors.Unknown:
            card = id_card(flow, id, missing=True)
        except Invalid as error:
            card = id_card(flow, id, error=str(error))
        except (errors.Corrupt, errors.Incompatible) as error:
            card = Div(id_card(flow, id), damaged(flow, id, error))
        else:
            card = id_card(flow, run.id, here=True)
            chain = await cards.chain(run, self.jobs, at=at)
            return page(request, flow.title, card, chain, about=flow.about)
        return await self._landing(request, flow, card)

    async def _landing(self, request: Request, flow: Workflow, card: FT) -> Response:
        lead = P(_lead(flow), cls="lead")
        runs = await asyncio.to_thread(recent, await self._engine(flow), flow)
        return page(request, flow.title, lead, card, runs, about=flow.about)

    async def runs(self, request: Request) -> Response:
        """Show the recent runs, searched."""
        flow = self._flow(request)
        engine = await self._engine(flow)
        search = request.query_params.get("q", "")
        found = await asyncio.to_thread(engine.runs, search, RECENT + 1)
        rows = [run_row(row, flow, engine) for row in found]
        return fragment(run_list(rows, empty="No run has that in its ID."))

    async def progress(self, request: Request) -> Response:
        """Show a job's progress, or the cards after its end."""
        flow = self._flow(request)
        kind, number = split(request, flow)
        if kind != "card" or not number:
            raise HTTPException(404)
        run = await self._run(flow, request.query_params.get("id", ""))
        step = flow.steps[number - 1]
        if rec.is_done(run.state, step.id):
            place = f"#card{number}"
            return await self._advance(run, step, hx_retarget=place, hx_reswap="outerHTML")
        if _is_open(run, step) and self.jobs.state(run, step)[0] in cards.AT_WORK:
            return fragment(cards.progress(run, self.jobs, step))
        return await self._chain(run)

    async def file(self, request: Request) -> Response:
        """Give a file that a step wrote, as the record names it."""
        wanted = request.query_params
        run = await self._run(self._flow(request), wanted.get("id", ""))
        name = request.path_params["file"]
        found = run.files(wanted.get("step", "")).get(name)
        if found is None or not found.path.is_file():
            raise errors.Unknown(f"The run {run.id} has no file {name!r} any more.")
        return FileResponse(found.path, media_type="application/octet-stream", filename=name)

    # --- acts on a run

    async def open(self, request: Request) -> Response:
        """Begin a run, or open it."""
        flow = self._flow(request)
        id = str((await request.form()).get("id", ""))
        try:
            id = flow.normalise(id)
            await asyncio.to_thread(flow.begin, await self._engine(flow), id)
        except Invalid as error:
            card = id_card(flow, id, error=str(error))
            return page(request, flow.title, card, about=flow.about)
        except errors.Corrupt:
            pass  # the page says so, and offers the repair
        return RedirectResponse(address(flow, id), 303)

    async def act(self, request: Request) -> Response:
        """Do to the run what the address says; show it where it happened."""
        flow = self._flow(request)
        kind, number = split(request, flow)
        query = request.query_params
        id = flow.normalise(query.get("id", ""))
        step = flow.steps[number - 1] if number else None
        async with request.form() as form:
            shown = str(form.get(cards.REV) or query.get(cards.REV))
            rev = int(shown) if re.fullmatch(r"\d{1,15}", shown, re.ASCII) else None
            load = partial(self._run, flow, id)
            order = Order(flow, id, load, kind, form, rev, of_htmx(request))
            try:
                if step and query.get("step", step.key) != step.key:
                    raise errors.Stale(STALE)  # the page is of the file before it changed
                if step and kind in self.on_step:
                    reply = await self.on_step[kind](order, step)
                elif not step and kind in OF_RUN:
                    reply = await self._on_run(order)
                else:
                    raise HTTPException(404)
                await self.jobs.mind(flow, id)
            except Refused as why:
                reply = await self._refuse(order, step, why)
        if order.htmx:
            return reply
        if reply.status_code < 400:
            return RedirectResponse(address(flow, id), 303)
        chain = NotStr(bytes(reply.body).decode())
        card = id_card(flow, id, here=True)
        return page(request, flow.title, card, chain, status=reply.status_code)

    async def _refuse(self, order: Order, step: Step | None, why: Refused) -> Response:
        run = await order.run()
        last = None
        if step and not step.work and _is_open(run, step):
            typed = {key: order.form.getlist(key) for key in order.form}
            last = await cards.card(run, self.jobs, step.number - 1, _values(typed))
        return await self._chain(run, status=409, message=str(why), last=last)

    async def _on_run(self, order: Order) -> Response:
        """Let the engine's method of that name do it."""
        flow, id = order.flow, order.id
        rev = order.rev
        if order.kind == "finalize":
            run = await order.run()
            if run.open_index < len(flow.steps):
                why = "Only a complete run can be finalized; answer the open card first."
                raise OutOfOrder(why)
            if rev is None:
                rev = run.rev  # of the run that is complete
        engine = await self._engine(flow)
        of = [rev] if order.kind in OF_REVISION else []
        await asyncio.to_thread(getattr(engine, order.kind), id, *of)
        if order.kind == "delete":
            return fragment(deleted_row(address(flow, id, "undelete"), id))
        if order.kind == "undelete":
            return fragment(run_row(engine.row(id) or {}, flow, engine))
        return await self._chain(await order.run())

    # --- acts on a step

    async def _submit(self, order: Order, step: Step) -> Response:
        if step.work:
            raise OutOfOrder("This step is the machine's work; it takes no answer.")
        run = await self._opened(order.flow, order.id)
        submitted = await uploads.received(order.form, run, step)
        if is_stored(run, step, submitted, order.rev):
            return await self._advance(run, step)
        asked = await question(run, step)
        uploads.choose(asked, order.form, submitted)
        try:
            back = await answer(asked, submitted)
        except Refused:
            now = await order.run()
            if is_stored(now, step, submitted):  # by the other click of two at once
                return await self._advance(now, step)
            raise
        except Exception as error:
            if saved.get() and not isinstance(error, Invalid):
                raise  # it may have failed after the answer was stored
            refused = cards.asking(asked, _values(submitted), _why(run, step, error))
            if not order.htmx:
                return await self._chain(run, status=422, last=refused)
            return fragment(refused, status=422)
        problem = await self._follow(run, step)
        if not back:
            return await self._advance(run, step, problem)
        held = "1 later answer still holds." if back == 1 else f"{back} later answers still hold."
        return await self._chain(run, message=problem, note=held)

    async def _take(self, order: Order, step: Step) -> Response:
        """Take the answer of a step that is gone as this one's."""
        from pipulate.engine.changed import take  # seldom: a step was renamed

        run = await order.run()
        if order.rev not in (None, run.rev):
            raise errors.Stale(STALE)
        inside = () if step.work else (await question(run, step)).inside
        former = str(order.form.get(cards.FORMER, ""))
        await asyncio.to_thread(take, run, step, inside, former)
        problem = await self._follow(run, step)
        return await self._chain(run, message=problem)

    async def _revert(self, order: Order, step: Step) -> Response:
        flow = order.flow
        engine = await self._engine(flow)
        here = (order.id, step.id, flow.tuples, order.rev)
        await asyncio.to_thread(engine.clear_steps_from, *here)
        return await self._chain(await order.run())

    async def _start(self, order: Order, step: Step) -> Response:
        """Start, repeat: the jobs' method of that name."""
        run = await order.run()
        if run.state.get("finalized") or not step.work or not _is_open(run, step):
            raise OutOfOrder(
                f"“{step.label}” is not the step that comes next, so nothing was "
                "started. Below is how the run stands now."
            )
        await getattr(self.jobs, order.kind)(order.flow, order.id, step)
        return fragment(cards.working(run, self.jobs, step))

    async def _cancel(self, order: Order, step: Step) -> Response:
        await self.jobs.cancel((order.flow.name, order.id, step.key))
        run = await order.run()
        if step.work and _is_open(run, step):
            return fragment(cards.working(run, self.jobs, step))
        return await self._chain(run)

    async def _follow(self, run: Run, step: Step) -> str:
        """Proceed after an answer; return what failed: it is stored all the same."""
        try:
            await uploads.forget(run, step)
            await self._proceed(run)
        except Exception as error:
            logger.opt(exception=error).error("what follows an answer failed")
            return f"Your answer is stored. What follows it failed: {fault(error)}"
        return ""

    async def _proceed(self, run: Run) -> None:
        """After a step: begin the work that follows, let the model speak."""
        for step in run.flow.steps[run.open_index :][:1]:
            if step.when:
                await call(step.when, run.before(step))  # what fails here begins nothing
            # One that may be another's is asked about first.
            if step.work and step.auto and not cards.offers(run, step):
                await self.jobs.start(run.flow, run.id, step)
        if self.state.explain:
            self.state.explain(run)

    # --- answers

    async def _advance(self, run: Run, step: Step, problem: str = "", **headers: Any) -> Response:
        shown = await cards.up_to_open(run, self.jobs, step.number - 1)
        # Only a revert offers to be undone, and this was none.
        undo = Div(id="undo", hx_swap_oob="true")
        alert = problem and Div(failure(problem), id="alert", hx_swap_oob="innerHTML")
        rev = cards.revision(run, oob=True)
        return fragment(*shown, rev, undo, alert, pipulate_address=_place(run), **headers)

    async def _chain(self, run: Run, status: int = 200, **what: Any) -> Response:
        chain = await cards.chain(run, self.jobs, **what)
        where = {"hx_retarget": "#chain", "hx_reswap": "outerHTML"}
        if status == 200:
            where["pipulate_address"] = _place(run)
        return fragment(chain, status=status, **where)


async def _soon(act: Callable[..., Kind], *given: Any) -> Kind:
    with suppress(OnLoop):
        return act(*given)  # it reads a row, as a rule
    return await asyncio.to_thread(act, *given)


def _place(run: Run) -> str:
    at = run.open_index + 1
    return address(run.flow, run.id, f"card{at}" if at <= len(run.flow.steps) else "")


def _lead(flow: Workflow) -> str:
    """What the file says first; not the title, which stands above it."""
    text = flow.about.split("\n\n")[0].replace("\n", " ")
    name, _, rest = text.partition(": ")
    if rest and name.lower() in flow.title.lower():
        return rest[0].upper() + rest[1:]
    return text


def split(request: Request, flow: Workflow, more: int = 0) -> tuple[str, int]:
    """Return ("card", 2) for "card2"; 404 beyond the last step and `more`."""
    act = request.path_params["act"]
    if found := re.fullmatch(r"([a-z]+)([1-9]\d{0,2})?", act, re.ASCII):
        number = int(found[2] or 0)
        if number <= len(flow.steps) + more:
            return found[1], number
    raise HTTPException(404)


def _is_open(run: Run, step: Step) -> bool:
    return run.open_index == step.number - 1


def _values(lists: dict[str, list[Any]]) -> Values:
    return {key: values if len(values) > 1 else values[0] for key, values in lists.items()}


def _why(run: Run, step: Step, error: Exception) -> Invalid:
    if isinstance(error, Invalid):
        return error
    if isinstance(error, PipulateError):
        return Invalid(str(error))
    logger.opt(exception=error).error("accept of {} in {} failed", step.key, run.flow.name)
    return Invalid(f"This step's check failed, so nothing was stored. {fault(error)}. {MEND}")
