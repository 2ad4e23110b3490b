"""One request to a service: who asks, what it names, the faults it meets."""

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipulate.engine import foreign
from pipulate.engine.errors import Invalid
from pipulate.simulator.errors import Json, Refusal
from pipulate.simulator.faults import LIST, Fault, Faults
from pipulate.simulator.options import User
from pipulate.simulator.projects import Project
from pipulate.simulator.service import Service

FOREIGN = "https://elsewhere.example"  # a host that is not the simulator's

Item = TypeVar("Item")


class Visit:
    """One request.  Raises Refusal for an unknown fault in its header."""

    def __init__(self, service: Service, request: Request) -> None:
        self.service = service
        self.options = service.options
        self.request = request
        self.named: dict[str, str] = request.path_params
        self.wanted = request.query_params
        header = request.headers.get("authorization", "")
        found = re.fullmatch(r"token\s+(\S+)\s*", header, re.IGNORECASE)
        self.token = found[1] if found else ""
        self.user = User()
        try:
            self.own_faults = Faults(request.headers.get("x-simulate", ""))
        except Invalid as error:
            raise Refusal(str(error), 1020) from error

    def committed(self, moment: str) -> list[Fault]:
        """The request's own faults, then those in force."""
        here = (moment, self.request.method, self.request.url.path, self.token)
        return self.own_faults.take(*here) + self.service.faults.take(*here)

    def enter(self) -> None:
        """Raises Refusal: unknown, or too often."""
        if self.token not in self.service.tokens:
            raise Refusal(code=1001)
        self.user = self.service.tokens[self.token]
        rate = self.options.rate
        if rate is None:
            return
        recent = self.service.recent.setdefault(self.token, deque())
        now = self.service.clock()
        while recent and now - recent[0] >= 1:
            recent.popleft()
        if len(recent) >= rate:
            raise Refusal(code=1053)
        recent.append(now)

    def project(self) -> Project:
        """Of the address."""
        return self.service.project(self.named["org"], self.named["project"], self.user)

    async def json(self) -> Json:
        """The posted object."""
        try:
            body = foreign.loads(await self.request.body())
        except ValueError as error:
            raise Refusal(code=1020) from error
        if not isinstance(body, dict):
            raise Refusal(code=1020)
        return body

    def number(self, name: str, default: int) -> int:
        """A count."""
        text = self.wanted.get(name, str(default))
        if not text.isdecimal() or not 0 < int(text) < 10**9:
            raise Refusal(f"{name}: a whole number above 0 was expected.", 1020)
        return int(text)

    def links(self, page: int, *, more: bool) -> dict[str, str | None]:
        """As the options and faults have them."""
        links: dict[str, str | None] = {
            "next": self._address(page + 1) if more else None,
            "previous": self._address(page - 1) if page > 1 else None,
        }
        for fault in self.committed(LIST):
            links["next"] = f"{FOREIGN}{self.request.url.path}?page={page + 1}"
            if fault.kind == "next-repeats":
                links["next"] = self._address(page)
        if links["next"] is None and self.options.last_next == "absent":
            del links["next"]
        return links

    def _address(self, page: int) -> str:
        url = self.request.url.include_query_params(page=page)
        return str(url if self.options.next_keeps_size else url.remove_query_params("size"))

    async def page(self, items: Sequence[Item], to_json: Callable[[Item], Json]) -> Response:
        """In the lists' envelope."""
        page = self.number("page", 1)
        size = self.number("size", self.options.list_size)
        shown = items[(page - 1) * size : page * size]
        if page > 1 and not shown and self.options.past_end == "missing":
            raise Refusal("Invalid page.", 1000)
        results = await run_in_threadpool(lambda: [to_json(item) for item in shown])
        links = self.links(page, more=page * size < len(items))
        return JSONResponse(
            {
                **links,
                "count": len(items),
                "results": results,
                "page": page,
                "size": size,
            }
        )
