"""What passes over remote control: requests to workers, whom they are meant for, and answers, read without trust."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from data_sources.fields import MAX_NAME
from data_sources.mask import mask_text

MAX_REPLY_BYTES = 16 * 2**20  # clusters with long task lists sent 16 to 112 MB; an honest reply is some kilobytes


@dataclass(frozen=True)
class Request:
    method: str
    arguments: Mapping[str, Any]
    ticket: str = field(default_factory=lambda: secrets.token_hex(16))  # comes back with each reply


class Audience(NamedTuple):
    """Who is meant: `only` these, or all `but` these."""

    only: Sequence[str] | None = None
    but: Sequence[str] = ()

    def address(self) -> dict[str, Any]:
        """The fields by which a worker decides whether it is meant. It takes an empty destination for everyone."""
        if self.only is not None:
            assert self.only, "an empty destination would reach everyone"
            return {"destination": list(self.only), "pattern": None, "matcher": None}
        if self.but:
            names = "|".join(re.escape(name) for name in self.but)
            return {"destination": None, "pattern": rf"(?!(?:{names})\Z)", "matcher": "pcre"}
        return {"destination": None, "pattern": None, "matcher": None}


class Answer(NamedTuple):
    """One reply. `worker` is None when it could not be read; `value` is then the reason."""

    ticket: str
    worker: str | None
    value: Any


STRAY = Answer("", None, "not a message of kombu's")


def decode(message: Any) -> Answer:
    """JSON and nothing else: a pickle runs code when it is read."""
    ticket = message.headers.get("ticket")
    ticket = ticket if isinstance(ticket, str) else ""
    if message.content_type != "application/json":
        return Answer(ticket, None, f"not JSON but {str(message.content_type)[:60]}")
    if len(message.body) > MAX_REPLY_BYTES:
        return Answer(ticket, None, f"a reply of {len(message.body):,} bytes, over {MAX_REPLY_BYTES:,}")
    try:
        [(worker, value)] = json.loads(message.body).items()
    except (ValueError, AttributeError, TypeError, RecursionError):
        return Answer(ticket, None, "not a reply of remote control")
    if not 0 < len(worker) <= MAX_NAME:
        return Answer(ticket, None, "a worker's name that is no name")
    return Answer(ticket, mask_text(worker), value)
