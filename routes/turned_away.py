"""Who is no operator and sends what an operator's page sends: it does nothing, and the audit tells of it."""

from __future__ import annotations

from contextlib import suppress

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from google.protobuf.message import DecodeError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

from cells.steer_state import KEY
from control import desk
from identity import Person, of_headers

LANES = CapacityLimiter(2)  # threads that wait for the audit


class TurnedAway:
    """ASGI middleware, behind the guard: that says who asks. Nothing is withheld: pages obey operators alone."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and desk.desk().enabled:
            person = of_headers(Headers(scope=scope))
            if not person.controls:
                receive = told(person, receive)
        await self.app(scope, receive, send)


def told(person: Person, receive: Receive) -> Receive:
    """`receive`, which has the audit tell of what is sent to steer."""

    async def receive_told() -> Message:
        message = await receive()
        if steers(message.get("bytes") or b""):
            await run_sync(desk.desk().deny, person, limiter=LANES)
        return message

    return receive_told


def steers(frame: bytes) -> bool:
    """Whether it is what a button, form or dialog of cells/steer.py sends."""
    if KEY.encode() not in frame:  # as nearly always
        return False
    message = BackMsg()
    with suppress(DecodeError):
        message.ParseFromString(frame)
    widgets = message.rerun_script.widget_states.widgets
    return any(KEY in one.id and one.WhichOneof("value") == "json_trigger_value" for one in widgets)
