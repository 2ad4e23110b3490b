"""What other processes do to the database in the tests of the engine.

Children are forked from a server process that has imported the engine once, so that a test can
afford dozens of them.  Each acknowledges on a pipe, one message for one durable act, as a browser
would get the next card.
"""

import asyncio
import itertools
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import apsw

from pipulate.engine import store as stores
from pipulate.engine.care import serving
from pipulate.engine.errors import PipulateError, Unsure
from pipulate.engine.fault import in_words
from pipulate.engine.job import Job
from pipulate.engine.jobs import Jobs
from pipulate.engine.pipeline import Pipulate
from pipulate.engine.settings import Settings
from pipulate.engine.workflow import Run, Workflow
from tests.faulty_disk import Disk
from tests.trust.table import tried


class Child:
    """A process that runs `function(pipe, *args)` until it ends or is killed;
    its pipe says what it has done.
    """

    preload: tuple[str, ...] = ()  #: modules that the server process imports once
    context: ForkServerContext = multiprocessing.get_context("forkserver")

    def __init__(self, function: Callable[..., None], *args: Any) -> None:
        self.context.set_forkserver_preload([__name__, *self.preload])
        self.pipe, theirs = self.context.Pipe(duplex=False)
        self.process: ForkServerProcess = self.context.Process(
            target=function, args=(theirs, *args), daemon=True
        )
        self.process.start()
        theirs.close()

    def heard(self, timeout: float = 120) -> Any:
        """Return the child's next message; EOFError once it has died and said all."""
        assert self.pipe.poll(timeout), "the other process said nothing"
        return self.pipe.recv()

    def rest(self) -> list[Any]:
        """Wait for the child's end and return all that it said and was not heard yet."""
        said = []
        try:
            while True:
                said.append(self.heard())
        except EOFError:
            self.process.join(timeout=60)
            return said

    def kill(self) -> list[Any]:
        """Kill it (SIGKILL, at once) and return what it had acknowledged by then."""
        tried()
        self.process.kill()
        return self.rest()


def answer(say: Connection, folder: Path, id: str, count: int, first: int = 0) -> None:
    """Answer `count` steps of a run, acknowledging each."""
    engine = Pipulate.open(folder, "crash")
    engine.initialize_if_missing(id)
    for number in range(first, first + count):
        engine.set_step_data(
            id, f"step_{number:04d}", {"answer": number, "text": "x" * (number * 37 % 3000)}
        )
        say.send(number)


def append(say: Connection, folder: Path, id: str, name: str, count: int) -> None:
    """Add `count` words to one list of one answer, reading before each write:
    the classic lost update.
    """
    engine = Pipulate.open(folder, "shared")
    for number in range(count):
        word = f"{name}{number}"

        def add(record: dict[str, Any], word: str = word) -> dict[str, Any]:
            return {
                **record,
                "step_01": {"words": [*record.get("step_01", {}).get("words", []), word]},
            }

        engine.change(id, "set step_01", add)
        say.send(word)


def open_store(say: Connection, path: Path, together: Barrier) -> None:
    """Open the database at the same moment as others do, and say its schema or the error."""
    together.wait()
    try:
        say.send(stores.Store(path).connection.pragma("user_version"))
    except Exception as error:
        say.send(repr(error))


def hold_lock(say: Connection, path: Path) -> None:
    """Take a lock and keep it until killed."""
    lock = stores.Lock(path)
    say.send(lock.acquire())
    multiprocessing.Event().wait()


def hold_database(say: Connection, path: Path, listen: Connection) -> None:
    """Hold SQLite's write lock until told to let go."""
    with stores.Store(path).transaction():
        say.send("held")
        listen.poll(30)


def work_alone(say: Connection, path: Path) -> None:
    """Have the database open, as a notebook has, until killed."""
    store = stores.Store(path)
    store["x"] = 2
    say.send("open")
    multiprocessing.Event().wait()
    store.close()  # never reached: until then the name keeps it open


class Dying(Disk):
    """A disk that tells of each change."""

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """Delete."""
        self.called()
        super().xDelete(filename, syncdir)


def end_at(say: Connection, moment: int, function: Callable[..., Any], *args: Any) -> None:
    """Call the function, and end (SIGKILL) at the `moment`-th change of a file: a file or folder
    that is made, written, synced, renamed, removed, by Python or by SQLite.
    """

    def end(_: bool) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    say.send(changed(moment, end, function, *args))


def fail_at(
    say: Connection, moment: int, error: int, function: Callable[..., Any], *args: Any
) -> None:
    """Call the function, whose `moment`-th change of a file fails; say what is told of that."""

    def fail(is_sqlite: bool) -> None:
        if is_sqlite:
            raise apsw.FullError("the test's disk is full")
        raise OSError(error, os.strerror(error))

    try:
        say.send(changed(moment, fail, function, *args))
    except (PipulateError, OSError) as told:
        say.send(in_words(told))
    except apsw.FullError as error:  # SQLite passes over that; apsw hands on what a test raises
        assert "close" in {frame.name for frame in traceback.extract_tb(error.__traceback__)}
        say.send(0)


def changed(
    moment: int, act: Callable[[bool], None], function: Callable[..., Any], *args: Any
) -> int:
    """Call the function, and act at its `moment`-th change of a file (of SQLite?); return how
    many there were.
    """
    changes = itertools.count(1)
    is_over = False

    def change(is_sqlite: bool = False) -> None:
        if not is_over and next(changes) == moment:
            act(is_sqlite)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        made = event == "open" and arguments[2] & os.O_CREAT
        if event in CHANGES or (made and arguments[0] != os.devnull):
            change()

    def called(_: object, event: str, what: Any) -> None:
        if event == "c_call" and getattr(what, "__name__", "") in ("write", "fsync"):
            change()

    with Dying() as disk:
        disk.called = lambda: change(is_sqlite=True)  # type: ignore[method-assign]
        sys.addaudithook(audit)
        sys.setprofile(called)
        try:
            function(*args)
        finally:
            sys.setprofile(None)
            is_over = True
    return next(changes) - 1


CHANGES = ("os.link", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")


def serve(say: Connection, folder: Path) -> None:
    """Be the server of a data folder until killed."""
    lock = serving(folder, "http://127.0.0.1:5001")
    say.send(os.getpid())
    multiprocessing.Event().wait()
    lock.release()


def post(say: Connection, folder: Path, id: str, count: int) -> None:
    """Do `count` outward acts of a job, each leaving a line in a file; acknowledge each result,
    or that it is unsure.
    """
    flow = Workflow("crash")
    step = flow.work("posts", "Posts")(lambda run, job: None)
    engine = Pipulate.open(folder, "crash")
    record = engine.initialize_if_missing(id)
    job = Job(Run(flow, engine, id, record, 1, Settings()), step, lambda fraction, message: None)

    async def acts() -> None:
        for number in range(count):

            async def act(number: int = number) -> int:
                with (folder / f"{id}.posts").open("a") as world:
                    world.write(f"{number}\n")
                return number

            try:
                say.send((number, await job.once("post", act, params=number)))
            except Unsure:
                say.send((number, "unsure"))

    asyncio.run(acts())


def loop(say: Connection, folder: Path, count: int, plain: bool) -> None:
    """Begin, or resume, a job that loops over `count` items, does an outward act for each, and
    leaves a line of either in a file; acknowledge each, and in the end what the step holds.
    """
    flow = Workflow("crash")

    def line(name: str, item: int) -> int:
        with (folder / name).open("a") as world:
            world.write(f"{item}\n")
        return item

    def lines(name: str) -> list[str]:
        path = folder / name
        return path.read_text().split() if path.exists() else []

    def found(item: int) -> int | None:
        return item if str(item) in lines("acts") else None

    def plainly(run: Run, job: Job) -> dict[str, Any]:
        each = job.each(range(count))
        for item in each:
            line("items", item)
            each.keep(job.once("act", partial(line, "acts", item), partial(found, item), item))
            say.send(item)
        return {"kept": each.kept}

    async def work(run: Run, job: Job) -> dict[str, Any]:
        each = job.each(range(count))
        async for item in each:
            line("items", item)
            act = partial(line, "acts", item)
            each.keep(await job.once("act", act, partial(found, item), item))
            say.send(item)
        return {"kept": each.kept}

    step = flow.work("loop", "Loop")(plainly if plain else work)
    key = ("crash", "arthur", "loop")
    engine = Pipulate.open(folder, "crash")
    engine.initialize_if_missing("arthur")

    async def go_on() -> None:
        jobs = Jobs(engine.store, Settings(data=folder))
        await jobs.resume({"crash": flow})
        await jobs.start(flow, "arthur", step)
        await jobs.wait(key)
        while (jobs.row(key) or {})["state"] == "unsure":  # begun, and not in the world's list
            await jobs.repeat(flow, "arthur", step)
            await jobs.wait(key)
        await jobs.close()

    asyncio.run(go_on())
    say.send(engine.get_step_data("arthur", "step_01"))
