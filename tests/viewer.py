"""A viewer without a browser: it sends what Streamlit's page sends over its WebSocket, and keeps all that comes back.

The protocol is Streamlit's own (streamlit.proto): BackMsg to the server, ForwardMsg from it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from demo.servers import PATIENCE_SECONDS

FULL_RUNS = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_WITH_COMPILE_ERROR)


class Viewer:
    """One tab. It ticks as the page does: what asks for it is run again on its own timer, until the next full run.

    `url` is the dashboard's, `page` the path below it, `query` the query string; `headers` are more of the handshake's.
    `session` is one to go on with, as a page does after its connection was cut.
    """

    def __init__(
        self, url: str, query: str = "", page: str = "", headers: Mapping[str, str] | None = None, session: str = ""
    ) -> None:
        self.frames: list[bytes] = []
        self.errors: list[str] = []  # exceptions that the page shows
        self.ids: dict[str, str] = {}  # of components, by the name they are drawn under
        self.open = True
        self.session = ""
        self.runs = 0  # full runs that are done
        self._page, self._query = page, query
        self._data: dict[str, str] = {}
        self._timers: dict[str, tuple[float, float]] = {}  # fragment -> interval, next due
        self._changed = threading.Condition()
        host = urlsplit(url).netloc
        words = ("streamlit", "none", session) if session else ("streamlit",)
        self._socket = connect(
            f"ws://{host}/_stcore/stream",
            origin=Origin(f"http://{host}"),
            additional_headers=headers,
            subprotocols=[Subprotocol(word) for word in words],
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=PATIENCE_SECONDS,
            close_timeout=1,
            legacy=True,
        )
        threading.Thread(target=self._live, name="viewer", daemon=True).start()
        self.rerun()

    def rerun(self, query: str | None = None) -> None:
        """Asks for a full run, as loading the page does."""
        self._query = self._query if query is None else query
        self.send(self._message())

    def send(self, message: BackMsg | bytes) -> None:
        self._socket.send(message if isinstance(message, bytes) else message.SerializeToString())

    def cell(self, name: str) -> dict[str, Any]:
        """The data that the component `name` draws now; empty when it is not on the page."""
        with self._changed:
            text = self._data.get(name)
        return dict(json.loads(text)) if text else {}

    def wait_for(self, condition: Callable[[], object], what: str, timeout_seconds: float = PATIENCE_SECONDS) -> float:
        """Waits until a message has made `condition` true; how many seconds that took. TimeoutError names `what`."""
        began = time.monotonic()
        with self._changed:
            if not self._changed.wait_for(condition, timeout_seconds):
                raise TimeoutError(f"{what} was not seen within {timeout_seconds:g} s")
        return time.monotonic() - began

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _message(self, fragment: str = "") -> BackMsg:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_name = self._query, self._page
        state.fragment_id, state.is_auto_rerun = fragment, bool(fragment)
        return message

    def _live(self) -> None:
        try:
            while True:
                due = min((at for _, at in self._timers.values()), default=time.monotonic() + 60)
                try:
                    frame = self._socket.recv(max(0.0, due - time.monotonic()))
                except TimeoutError:
                    self._tick()
                else:
                    assert isinstance(frame, bytes)
                    self._take(frame)
        except ConnectionClosed:
            with self._changed:
                self.open = False
                self._changed.notify_all()

    def _tick(self) -> None:
        now = time.monotonic()
        for fragment, (interval, at) in self._timers.items():
            if at <= now:
                self._timers[fragment] = interval, at + interval
                self.send(self._message(fragment))

    def _take(self, frame: bytes) -> None:
        message = ForwardMsg.FromString(frame)
        with self._changed:
            self.frames.append(frame)
            match message.WhichOneof("type"):
                case "new_session" if not message.metadata.run.fragment_ids:
                    self._timers.clear()
                    self.session = message.new_session.initialize.session_id
                case "auto_rerun":
                    asked = message.auto_rerun
                    if self._timers.get(asked.fragment_id, (0.0, 0.0))[0] != asked.interval:
                        self._timers[asked.fragment_id] = asked.interval, time.monotonic() + asked.interval
                case "stop_auto_rerun":
                    for fragment in message.stop_auto_rerun.fragment_ids:
                        self._timers.pop(fragment, None)
                case "script_finished":
                    self.runs += message.script_finished in FULL_RUNS
                case "page_info_changed":
                    self._query = message.page_info_changed.query_string
                case "delta":
                    self._draw(message.delta.new_element)
            self._changed.notify_all()

    def _draw(self, element: Any) -> None:
        match element.WhichOneof("type"):
            case "bidi_component":
                name = element.bidi_component.id.rpartition("-")[2].removeprefix("cn_")
                self.ids[name] = element.bidi_component.id
                self._data[name] = element.bidi_component.json or element.bidi_component.mixed.json
            case "exception":
                self.errors.append(f"{element.exception.type}: {element.exception.message}")
