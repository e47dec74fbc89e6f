"""Sharing without a browser: what is asked for a snapshot, how one is read, and what a bundle's dashboard is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message

from cells.page_view import frozen, link_params, read
from cells.share import is_link, with_snapshot
from data_sources import ask
from data_sources.answer import Answer
from data_sources.audit_query import Audit
from data_sources.config import Access, Cluster, Secret, Settings
from data_sources.errors import ConfigError, QueryRejected
from data_sources.failure import Failure
from data_sources.query import Depths, PromQL, Query, Workers
from data_sources.scope import Scope
from data_sources.sealed import bundle, sealing
from data_sources.sealed import file as sealed_file
from data_sources.sealed.answers import Sealed
from exports.about import file_link
from routes import bundle as bundle_route
from routes.front_page import FrontPage
from tests.test_sealed import AT, DEPTH, SCOPE, WINDOW, sealed_page
from workspace import opened as workspace_opened
from workspace import snapshots
from workspace.sealed_reader import SealedReader
from workspace.store import Workspace, workspace

NOW = datetime.now(UTC)


class Desk:
    """Answers a question at the third time of asking, or never, or with a failure."""

    def __init__(self) -> None:
        self.asked: list[Query] = []

    def ask(self, query: Query, scope: Scope, wait_seconds: float = 0.0) -> Answer:
        self.asked.append(query)
        blank = Answer(sealed_page().answer(query, scope).frame, query, origin="Redis")
        if query == Workers():
            return blank
        if query == DEPTH:
            return blank.failed(Failure("unreachable", "Prometheus", "does not answer", "", NOW, NOW))
        return replace(blank, measured_at=NOW)

    def cluster(self, name: str) -> Cluster:
        return Cluster(name)

    def window(self, scope: Scope) -> object:
        return WINDOW


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Workspace]:
    one = workspace(Secret(f"sqlite://{tmp_path}"))
    yield one
    one.close()


def keep(to: Workspace, page: Sealed, life: timedelta = timedelta(days=7)) -> str:
    body = sealed_file.write(page)
    more = {"title": page.title, "made_by": "ann", "link": page.link, "answers": 3, "identified": True}
    return snapshots.keep(to, body, life=life, **more).id  # type: ignore[arg-type]


def get(app: Starlette, path: str, method: str = "GET") -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.request(method, path)

    return asyncio.run(ask())


def test_all_that_a_page_asked_is_asked_once_and_what_could_not_be_had_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, told = Desk(), []
    monkeypatch.setattr(ask, "_desk", desk)
    asked = [(query, SCOPE) for query in (Depths(), Workers(), DEPTH, Depths(), Audit())]

    found = sealing.entries(asked, lambda done, total: told.append((done, total)), seconds=0.2)

    assert [entry.query for entry in found] == [Depths(), Workers(), DEPTH]  # never the audit
    assert not any(entry.answer.pending for entry in found)
    assert sealing.missing(found) == ["Redis: gave no answer within 0.2 s", "Prometheus: does not answer"]
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert desk.asked[:3] == [Depths(), Workers(), DEPTH]  # all are under way before any is waited for


def test_a_snapshot_is_read_once_and_gone_when_it_is_deleted(kept: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, id = SealedReader(kept), keep(kept, sealed_page())

    first = reader(id)
    assert reader(id) is first
    assert first.answer(Depths(), SCOPE).failure is None
    monkeypatch.setattr("workspace.sealed_reader.SURE_SECONDS", 0.0)
    assert reader(id) is first  # its frames stay the same objects, or all cells would be drawn anew
    snapshots.delete_snapshot(kept, id, "ben")
    with pytest.raises(QueryRejected, match="no such snapshot"):
        reader(id)
    with pytest.raises(QueryRejected, match="no such snapshot"):
        reader("guessed")


def test_only_so_many_snapshots_stay_open(kept: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workspace.sealed_reader.MOST_OPEN", 2)
    reader = SealedReader(kept)
    ids = [keep(kept, sealed_page()) for _ in range(3)]
    opened = [reader(id) for id in ids]

    assert reader(ids[2]) is opened[2]
    assert reader(ids[0]) is not opened[0]


def test_while_one_snapshot_is_opened_all_others_are_read(kept: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workspace.sealed_reader.SURE_SECONDS", 0.0)
    reader, ids = SealedReader(kept), [keep(kept, sealed_page()) for _ in range(2)]
    first = reader(ids[0])
    begun, goes_on, opened = Event(), Event(), []

    def read_slowly(body: bytes) -> Sealed:
        begun.set()
        assert goes_on.wait(60)
        opened.append(body)
        return sealed_file.read(body)

    monkeypatch.setattr("workspace.sealed_reader.read", read_slowly)
    with ThreadPoolExecutor(3) as three:
        both = [three.submit(reader, ids[1]) for _ in range(2)]
        assert begun.wait(60)
        try:
            assert three.submit(reader, ids[0]).result(60) is first
        finally:
            goes_on.set()
        assert both[0].result() is both[1].result()
    assert len(opened) == 1


def test_what_was_kept_and_cannot_be_read_is_a_failure_and_no_error(kept: Workspace) -> None:
    id = snapshots.keep(
        kept, b"no zip", title="", made_by="", link="/", answers=0, life=timedelta(days=1), identified=True
    ).id

    with pytest.raises(QueryRejected, match="what was kept is no zip file"):
        SealedReader(kept)(id)


def test_a_question_of_a_snapshot_reaches_no_source(kept: Workspace, tmp_path: Path) -> None:
    desk = ask.Desk(Settings(history_url=Secret(f"sqlite://{tmp_path}/none")))  # never started: it could not answer
    desk.read_sealed = SealedReader(kept)
    scope = replace(SCOPE, snapshot=keep(kept, sealed_page()))

    assert desk.ask(DEPTH, scope).measured_at == AT
    assert desk.window(scope) == WINDOW
    for query, other in ((Workers(), scope), (Audit(), scope), (DEPTH, replace(scope, snapshot="gone"))):
        answer = desk.ask(query, other)
        assert answer.failure
        assert answer.failure.source == "Snapshot"
    assert desk.window(replace(scope, snapshot="gone")).end > AT  # a page without its snapshot still has a window


def test_a_desk_of_a_bundle_asks_nobody(tmp_path: Path) -> None:
    settings = bundle.settings_for(
        sealed_page(), Settings(access=Access(operators=("ann",), local_operator=True)), str(tmp_path)
    )
    desk = ask.Desk(settings, sealed_page())
    desk.start()

    assert desk.ask(DEPTH, SCOPE).measured_at == AT
    assert desk.ask(Depths(), replace(SCOPE, snapshot="whatever")).measured_at == AT
    assert desk.ask(PromQL("up"), SCOPE).failure
    assert not settings.access.control
    assert [cluster.name for cluster in settings.clusters] == ["default"]
    assert not (tmp_path / "default").exists()


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("missing.zip", None, "cannot be read: No such file or directory"),
        ("text.zip", b"not a zip", "is no zip file"),
        ("", None, "cannot be read: Is a directory"),
    ],
)
def test_a_bundle_that_is_none_is_named_with_the_reason(
    tmp_path: Path, name: str, body: bytes | None, why: str
) -> None:
    if body:
        (tmp_path / name).write_bytes(body)

    with pytest.raises(ConfigError) as refused:
        bundle.named([str(tmp_path / name)])

    assert str(refused.value) == f"{tmp_path / name}: {why}"


def test_a_bundle_is_named_by_one_argument_or_none(tmp_path: Path) -> None:
    (tmp_path / "page.zip").write_bytes(sealed_file.write(sealed_page()))

    assert bundle.named([]) is None
    found = bundle.named([str(tmp_path / "page.zip")])
    assert found
    assert found.title == "Queues"
    with pytest.raises(ConfigError, match="may name one bundle"):
        bundle.named(["one.zip", "other.zip"])


def test_a_snapshot_is_downloaded_as_the_bundle_it_is(kept: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_opened, "_opened", kept)
    id = keep(kept, replace(sealed_page(), title='../Queue · "mail"\r\n'))
    app = Starlette(routes=bundle_route.routes)

    answer = get(app, f"/bundle.zip?snapshot={id}")
    assert answer.content == snapshots.body(kept, id)
    assert answer.headers["content-disposition"].startswith('attachment; filename="queue-mail-2')
    assert answer.headers["cache-control"] == "no-store"
    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "body", None)  # nobody reads it for its size
        head = get(app, f"/bundle.zip?snapshot={id}", "HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", str(len(answer.content)))
    missing = get(app, "/bundle.zip?snapshot=../../etc/passwd")
    assert missing.status_code == 404
    assert json.loads(missing.content)["error"]["what"] == "there is no such snapshot"


def test_of_a_bundle_a_slow_reader_holds_a_piece_and_keeps_nobody_from_theirs(
    kept: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace_opened, "_opened", kept)
    monkeypatch.setattr(bundle_route, "PIECE_BYTES", 100)
    id = keep(kept, sealed_page())
    whole, app = snapshots.body(kept, id), Starlette(routes=bundle_route.routes)
    monkeypatch.setattr(snapshots, "body", None)  # nobody reads it whole
    assert len(whole) > 300
    fields = {"path": "/bundle.zip", "query_string": f"snapshot={id}".encode(), "headers": [], "root_path": ""}

    async def receive() -> Message:
        await asyncio.Event().wait()  # nobody hangs up
        raise AssertionError

    async def read(taken: list[bytes], begun: asyncio.Event, goes_on: asyncio.Event) -> None:
        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                taken.append(message["body"])
                begun.set()
                await goes_on.wait()

        await app({"type": "http", "method": "GET", **fields}, receive, send)

    async def readers() -> list[list[bytes]]:
        taken: list[list[bytes]] = [[] for _ in range(5)]
        begun, goes_on = [asyncio.Event() for _ in taken], asyncio.Event()
        slow = [asyncio.create_task(read(*one, goes_on)) for one in zip(taken, begun, strict=True)]
        for one in begun:
            await asyncio.wait_for(one.wait(), 120)
        assert taken == [[whole[:100]]] * 5
        goes_on.set()
        await asyncio.gather(*slow)
        return taken

    for parts in asyncio.run(readers()):
        assert b"".join(parts) == whole


def test_the_front_page_of_a_bundle_is_the_page_it_was_made_of() -> None:
    async def page(request: object) -> PlainTextResponse:
        return PlainTextResponse("a page")

    def leads(link: str, path: str) -> str:
        answer = get(Starlette(routes=[Route("/", page)], middleware=[Middleware(FrontPage, link=link)]), path)
        return str(answer.headers.get("location", answer.text))

    assert leads("/queues?range=6h", "/") == "/queues?range=6h"
    assert leads("/?range=6h", "/") == "/?range=6h"
    assert leads("/?range=6h", "/?range=6h") == "a page"
    assert leads("/", "/") == "a page"


@pytest.mark.parametrize(
    ("text", "leads"),
    [
        ("/", True),
        ("/queues?range=6h&name=%C3%A9", True),
        ("/notebook?text=aX-_", True),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("https://evil.example/", False),
        ("javascript:alert(1)", False),
        ("/queues?x=<script>\n", False),
        ("/queues#there", False),
        ("/../etc/passwd", False),
        ("/queues?" + "x" * 40_000, False),
        ("", False),
    ],
)
def test_a_snapshots_link_leads_to_a_page_of_ours_and_nowhere_else(text: str, leads: bool) -> None:
    assert is_link(text) is leads


def test_a_link_to_a_snapshot_is_the_pages_own_and_its_id() -> None:
    assert with_snapshot("/queues?range=6h", "ID") == "/queues?range=6h&snapshot=ID"
    assert with_snapshot("/", "ID") == "/?snapshot=ID"


def test_in_a_snapshot_time_stands_still_and_its_files_are_its_own() -> None:
    view = read({"range": "6h", "refresh": "5s", "snapshot": "ID"}, ("default",))

    assert view.refresh is None
    assert frozen(view) == view
    assert link_params(view)["snapshot"] == "ID"
    link = file_link("csv", Answer(sealed_page().entries[0].answer.frame, DEPTH, window=WINDOW), view.scope)
    assert parse_qs(urlsplit(link).query)["snapshot"] == ["ID"]
    hostile = read({"snapshot": "<script>"}, ("default",))
    assert (hostile.scope.snapshot, hostile.notices) == (
        "",
        ("snapshot is no id of one. Showing what is now instead.",),
    )
