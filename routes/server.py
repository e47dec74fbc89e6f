"""What we need of uvicorn, Streamlit's server, and Streamlit has no settings for. It reads them as it starts. And where
it is to be found."""

from __future__ import annotations

import asyncio
import socket

import streamlit as st
import uvicorn.config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

EVERYWHERE = ("", "0.0.0.0", "::")


def addresses(public_url: str | None) -> list[str]:
    """Where a browser finds what `streamlit run` has started: at this machine, and under its public name."""
    scheme = "https" if st.get_option("server.sslCertFile") else "http"
    given = str(st.get_option("server.address") or "")
    host = "localhost" if given in EVERYWHERE else f"[{given}]" if ":" in given else given
    return [f"{scheme}://{host}:{st.get_option('server.port')}", *([public_url] if public_url else [])]


def see_the_real_peer() -> None:
    """uvicorn would take what X-Forwarded-For says for the address of who asks; the guard decides whom to believe."""
    uvicorn.config.ProxyHeadersMiddleware = lambda app, trusted_hosts: app  # type: ignore[attr-defined, assignment, misc]


def send_at_once() -> None:
    """Nagle's algorithm off, by TCP_NODELAY, for HTTP and for the WebSocket that a connection becomes.

    A body would else leave when the browser has acknowledged the headers, which it delays by 40 ms. asyncio sees to it
    only where the listening socket names its protocol, as Streamlit's does not (Kludex/uvicorn#3149).
    """
    as_it_is = AutoHTTPProtocol.connection_made

    def connection_made(self: asyncio.Protocol, transport: asyncio.BaseTransport) -> None:
        connection = transport.get_extra_info("socket")
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        as_it_is(self, transport)

    AutoHTTPProtocol.connection_made = connection_made  # type: ignore[method-assign, assignment]
