"""A person, and the one header in which the guard passes it on, signed with a key of this process alone."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from itsdangerous import BadData, URLSafeSerializer

from data_sources.access import OWN_HEADER

HEADER = OWN_HEADER

How = Literal["oidc", "proxy", "password", "token", "local", "nobody"]

_signed = URLSafeSerializer(secrets.token_bytes(32), salt=HEADER)


@dataclass(frozen=True)
class Person:
    """Who asks, told by `how`. `address`: of the socket's other end. `until`: when this has to be told anew.

    `session` stands for what was shown to prove it, so that it can be ended; `leave` is where one goes to sign out.
    Both are empty where there is nothing to sign out of.
    """

    name: str
    how: How
    reads: bool
    controls: bool
    address: str = ""
    until: datetime | None = None
    session: str = ""
    leave: str = ""

    @property
    def over(self) -> bool:
        return self.until is not None and self.until <= datetime.now(UTC)


NOBODY = Person("", "nobody", reads=False, controls=False)


def to_header(person: Person) -> str:
    """The same text for the same person, so that Streamlit gives a session back to nobody else."""
    until = person.until and person.until.timestamp()
    words = [person.name, person.how, person.reads, person.controls, person.address, until]
    return str(_signed.dumps([*words, person.session, person.leave]))


def of_headers(headers: Mapping[str, str]) -> Person:
    """The person the guard put into the headers of a request or a page; NOBODY when it did not, or is over."""
    try:
        match _signed.loads(headers.get(HEADER, "")):
            case [name, how, reads, controls, address, until, *rest]:  # signed, so it is as we wrote it
                ends = None if until is None else datetime.fromtimestamp(until, UTC)
                person = Person(name, how, reads, controls, address, ends, *rest)
                return NOBODY if person.over else person
    except BadData:
        pass
    return NOBODY
