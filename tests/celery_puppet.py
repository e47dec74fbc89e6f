"""A remote-control node whose answers the test decides: for replies that no honest worker gives."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from typing import Any, Self

import kombu
import kombu.pidbox

Request = dict[str, Any]
Send = Callable[..., None]  # send(body, content_type=..., ticket=...)


class Puppet:
    """Listens as `name` on a real broker and hands each request to `answer(request, send)`.

    `requests` are those that were meant for it, by kombu's own rules (pidbox.Node.handle_message).
    """

    def __init__(
        self,
        url: str,
        name: str,
        answer: Callable[[Request, Send], None] | None = None,
        transport_options: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.requests: list[Request] = []
        self._answer = answer or self.pong
        self._ending = threading.Event()
        self._connection = kombu.Connection(
            url, transport_options={"ack_emulation": False, **(transport_options or {})}
        )
        self._channel = self._connection.channel()
        node = kombu.pidbox.Mailbox("celery", type="fanout", connection=self._connection).Node(
            name, channel=self._channel
        )
        node.dispatch = self._dispatch
        self._consumer = node.listen(callback=lambda body, message: node.handle_message(body, message))
        self._drain_once()  # Redis subscribes at the first read
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def pong(self, request: Request, send: Send) -> None:
        """What an idle worker of this name says."""
        stats = {"pid": id(self) % 2**20, "total": {}}
        values: dict[str, Any] = {"ping": {"ok": "pong"}, "active": [], "stats": stats, "conf": {}}
        send({self.name: values.get(request["method"], [])})

    def _dispatch(self, method: str, arguments: Any = None, **rest: Any) -> None:
        request = {"method": method, "arguments": arguments, **rest}
        self.requests.append(request)

        def send(body: Any, content_type: str = "application/json", ticket: str | None = None) -> None:
            kombu.Producer(self._channel).publish(
                body if isinstance(body, str | bytes) else json.dumps(body),
                exchange=kombu.Exchange(request["reply_to"]["exchange"], "direct", durable=False),
                routing_key=request["reply_to"]["routing_key"],
                declare=[kombu.Exchange(request["reply_to"]["exchange"], "direct", durable=False, delivery_mode=1)],
                content_type=content_type,
                content_encoding="binary" if isinstance(body, bytes) else "utf-8",
                headers={"ticket": request["ticket"] if ticket is None else ticket},
            )

        self._answer(request, send)

    def _drain_once(self) -> None:
        with contextlib.suppress(TimeoutError):
            self._connection.drain_events(timeout=0.05)

    def _run(self) -> None:
        while not self._ending.is_set():
            self._drain_once()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        self._thread.join(5)
        self._connection.release()
