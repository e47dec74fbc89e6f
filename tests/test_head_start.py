"""The page gets what our cells need beside its own files; every other answer passes as it is."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from cells import assets
from routes.head_start import HeadStart

INLINE = "<script>\n  window.x = false\n</script>"
PAGE = f'<html><head>{INLINE}<script type="module" src="/own.js"></script></head><body>Grüße</body></html>'


def page(request: Request) -> Response:
    return HTMLResponse(PAGE, headers={"etag": '"as-it-was"', "last-modified": "Mon, 01 Jun 2026 10:00:00 GMT"})


def streamed(request: Request) -> Response:
    return StreamingResponse(iter([PAGE[:30], PAGE[30:]]), media_type="text/html")


def file(request: Request) -> Response:
    return HTMLResponse(PAGE, headers={"Content-Disposition": 'attachment; filename="notebook.html"'})


def numbers(request: Request) -> Response:
    return JSONResponse({"html": "</head>"})


asked_for: list[tuple[str, bytes]] = []

APP = Starlette(
    routes=[Route("/", page), Route("/streamed", streamed), Route("/numbers", numbers), Route("/file", file)],
    middleware=[
        Middleware(
            HeadStart,
            tags=lambda path: f'<link href="/{path}.css">',
            begin=lambda path, params: asked_for.append((path, params)),
        ),
        Middleware(GZipMiddleware, minimum_size=0),  # as Streamlit does with all pages but the first
    ],
)


@dataclass(frozen=True)
class Reply:
    headers: Headers
    content: bytes


def get(path: str, accept: str = "", encoding: str = "identity") -> Reply:
    """One request, given to the application by hand."""
    sent: list[Message] = []
    headers = [(b"accept-encoding", encoding.encode()), *([(b"accept", accept.encode())] if accept else [])]
    scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b""}
    scope["root_path"] = ""

    async def receive() -> Message:
        await asyncio.Event().wait()  # no body follows, and nobody hangs up
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(APP(scope, receive, send))
    start, *parts = sent
    return Reply(Headers(raw=start["headers"]), b"".join(part.get("body", b"") for part in parts))


def test_the_page_names_what_it_needs_after_its_own_and_no_script_that_the_policy_refuses() -> None:
    answer = get("/")

    assert answer.content.decode() == PAGE.replace(INLINE, "").replace("</head>", '<link href="/.css"></head>')
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert not {"etag", "last-modified"} & {*answer.headers}


def test_a_page_that_a_browser_opens_is_told_and_none_that_is_only_checked() -> None:
    asked_for.clear()
    for accept in ("", "*/*", "application/json"):  # load balancers, curl, scripts
        get("/", accept)
    assert asked_for == []
    get("/numbers", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")  # Firefox and Chromium alike
    assert asked_for == [("/numbers", b"")]


def test_a_page_sent_in_parts_gets_the_same() -> None:
    assert '<link href="/streamed.css"></head>' in get("/streamed").content.decode()


@pytest.mark.parametrize("path", ["/", "/streamed"])
def test_a_page_that_comes_compressed_gets_the_same(path: str) -> None:
    answer, plain = get(path, encoding="gzip, deflate, br"), get(path)

    assert answer.content == plain.content
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-length"] == str(len(answer.content))


def test_other_answers_pass_as_they_are() -> None:
    answer = get("/numbers")

    assert json.loads(answer.content) == {"html": "</head>"}
    assert get("/file").content.decode() == PAGE  # with its own scripts, and no other
    assert gzip.decompress(get("/file", encoding="gzip").content).decode() == PAGE


PAGES = sorted(path.stem for path in (Path(__file__).parents[1] / "pages").glob("*.py"))


@pytest.mark.parametrize("page", ["", *PAGES])
def test_what_a_page_is_told_to_load_is_there(page: str) -> None:
    paths = re.findall('(?:href|src)="(.*?)"', assets.tags(page))
    own = {path.rsplit("/", 1)[1] for path in paths if path.startswith("/assets/")}
    assert {"draw.js", "cell.js", "style.css"} <= own <= assets.FILES.keys()
    assert len([path for path in paths if path.startswith("/static/js/BidiComponent.")]) == 1
    assert ("plotly.js" in own) == ("plotly-start.js" in own)


def test_only_a_page_that_draws_none_does_without_plots() -> None:
    for page in PAGES:
        text = (Path(__file__).parents[1] / "pages" / f"{page}.py").read_text()
        assert page not in assets.WITHOUT_PLOTS or "plot(" not in text


def test_what_is_fetched_when_it_is_wanted_is_not_preloaded_on_all_pages() -> None:
    for name in ("export.js", "explore.js", "notebook.js", "picture.js", "steer.js"):
        assert name not in assets.tags("")
    assert "family.js" in assets.tags("task")  # which picture.js imports
