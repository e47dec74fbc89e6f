"""What a desk answers, as files, and what it may be told to change: its routes, served by a real server."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import orjson
import pytest
import uvicorn
from starlette.applications import Starlette

import control.desk
import data_sources.ask
from data_sources.ask import Desk
from data_sources.query import Query
from data_sources.scope import Range
from demo.servers import accepts, free_port, wait_until
from identity import HEADER, NOBODY, Person, to_header
from routes import control as control_routes
from routes import export, health, metrics
from workspace.store import workspace

Row = dict[str, str]  # unknown is ""
LIVE = Range.live("15m")
READER = Person("reader", "token", reads=True, controls=False)


@dataclass(frozen=True)
class Exports:
    port: int

    def get(self, path: str) -> str:
        """As somebody who may read. Raises HTTPError for what is no 200."""
        request = Request(f"http://127.0.0.1:{self.port}{path}", headers={HEADER: to_header(READER)})
        with urlopen(request, timeout=60) as response:
            return str(response.read().decode())

    def headers(self, path: str) -> Message:
        request = Request(f"http://127.0.0.1:{self.port}{path}", headers={HEADER: to_header(READER)}, method="HEAD")
        with urlopen(request, timeout=60) as response:
            return response.headers  # type: ignore[no-any-return]

    def post(self, order: str, body: Mapping[str, Any], person: Person = NOBODY) -> tuple[int, Any]:
        """What /api/control/ answers to `person`: its status and its JSON."""
        headers = {"Content-Type": "application/json", HEADER: to_header(person)}
        request = Request(f"http://127.0.0.1:{self.port}/api/control/{order}", orjson.dumps(body), headers)
        try:
            with urlopen(request, timeout=60) as response:
                return response.status, orjson.loads(response.read())
        except HTTPError as error:
            return error.code, orjson.loads(error.read())

    def rows(self, query: Query, range: Range = LIVE, **more: str) -> list[Row]:
        return list(csv.DictReader(io.StringIO(self.get(address("csv", query, range, more)), newline="")))

    def json(self, query: Query, range: Range = LIVE, **more: str) -> Any:
        return orjson.loads(self.get(address("json", query, range, more)))


def address(kind: str, query: Query, range: Range, more: Mapping[str, str]) -> str:
    return f"/export.{kind}?{urlencode([*query.to_params(), *range.to_params().items(), *more.items()])}"


@contextmanager
def exports_of(desk: Desk) -> Iterator[Exports]:
    """`desk` answers for this process meanwhile."""
    app = Starlette(routes=[*export.routes, *metrics.routes, *health.routes, *control_routes.routes])
    steering = control.desk.Desk(desk, workspace(desk.settings.history_url))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=free_port(), log_level="critical"))
    thread = threading.Thread(target=server.run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_sources.ask, "_desk", desk)
        patch.setattr(control.desk, "_desk", steering)
        thread.start()
        try:
            wait_until(lambda: accepts(server.config.port), "the server")
            yield Exports(server.config.port)
        finally:
            server.should_exit = True
            thread.join()
            steering.workspace.close()
