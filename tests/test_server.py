"""What is changed of Streamlit's server."""

from __future__ import annotations

import asyncio
import socket
import urllib.request

import pytest
import streamlit as st
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from routes.server import addresses, send_at_once


def test_an_answer_does_not_wait_for_the_browser_to_acknowledge_its_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a listening socket made as Streamlit makes it."""
    monkeypatch.setattr(AutoHTTPProtocol, "connection_made", AutoHTTPProtocol.connection_made)
    send_at_once()
    options: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        (connection,) = server.server_state.connections
        peer = connection.transport.get_extra_info("socket")
        options.append(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
        server.should_exit = True

    async def answer_one() -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            url = "http://{}:{}/".format(*listening.getsockname())
            reading = asyncio.to_thread(urllib.request.urlopen, url, timeout=60)
            await asyncio.gather(server.serve([listening]), reading)

    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
    asyncio.run(answer_one())

    assert options == [1]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "http://127.0.0.1:8502"),
        ({"server.address": "0.0.0.0"}, "http://localhost:8502"),
        ({"server.address": None}, "http://localhost:8502"),
        ({"server.address": "::1"}, "http://[::1]:8502"),
        ({"server.sslCertFile": "cert.pem"}, "https://127.0.0.1:8502"),
    ],
)
def test_its_address_is_one_that_a_browser_can_open(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str | None], told: str
) -> None:
    options = {"server.address": "127.0.0.1", "server.port": 8502, **given}
    monkeypatch.setattr(st, "get_option", options.get)
    assert addresses(None) == [told]
    assert addresses("https://celery.example.com") == [told, "https://celery.example.com"]
