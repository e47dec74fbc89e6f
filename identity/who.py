"""Tells who a request comes from, by every source that is configured."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from data_sources.config import Access
from identity import oidc, proxy
from identity.connections import Connections
from identity.local import is_local, parse_address
from identity.oidc import Claims
from identity.passwords import Passwords
from identity.person import How, Person
from identity.sessions import Sessions
from identity.tokens import holder

LOCAL = "local operator"
SIGN_IN = "/login"
OIDC_SIGN_OUT = "/auth/logout"  # Streamlit's own


class Identity:
    """`claims` reads the cookie in which Streamlit keeps an ID token's claims; empty when there is none."""

    def __init__(
        self,
        access: Access,
        public_url: str | None = None,
        claims: Callable[[Mapping[str, str]], Claims] = lambda cookies: {},
    ) -> None:
        self.access = access
        self.sessions = Sessions(access, secure=(public_url or "").startswith("https:"))
        self.connections = Connections(access.session_life)
        self._passwords = Passwords(access.users)
        self._claims = claims
        self._ended: dict[str, datetime] = {}

    async def who(self, headers: Headers, peer: str) -> Person:
        """Raises GivenTwice and TooManyAttempts."""
        person = await self._named(headers, peer)
        if person is None or person.session in self._ended:
            return Person("", "nobody", reads=not self.access.identified, controls=False, address=peer)
        return person

    async def sign_in(self, name: str, password: str, headers: Headers, peer: str) -> str | None:
        """A session's cookie; None when name or password are wrong. Raises TooManyAttempts."""
        right = await self._passwords.are_right(name, password, self._counted_for(headers, peer))
        return self.sessions.issue(name) if right else None

    def turned_away(self, headers: Headers) -> bool:
        """Whether a provider has signed somebody in whom we do not let in."""
        if self.access.oidc is None:
            return False
        claims = self._claims(cookies_in(headers))
        until = oidc.ends(claims, self.access.oidc)
        return until is not None and until > datetime.now(UTC) and oidc.name_in(claims, self.access.oidc) is None

    def sign_out(self, person: Person) -> None:
        """Ends the session, and what it has open, in this process."""
        now = datetime.now(UTC)
        self._ended = {session: until for session, until in self._ended.items() if until > now}
        if person.session and person.until:
            self._ended[person.session] = person.until
            self.connections.end(person.session)

    async def _named(self, headers: Headers, peer: str) -> Person | None:
        access = self.access
        if access.proxy and (name := proxy.name_in(headers, peer, access.proxy)):
            return self._person(name, "proxy", peer, leave=access.proxy.sign_out or "")
        kind, _, shown = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and (token := holder(access.tokens, shown.strip())):
            return Person(token.name, "token", reads=True, controls=token.controls, address=peer)
        cookies = cookies_in(headers)
        if session := self.sessions.read(cookies):
            proof = cookies[self.sessions.cookie]
            return self._person(session[0], "password", peer, session[1], proof, SIGN_IN)
        if access.oidc:
            claims = self._claims(cookies)
            if found := oidc.name_in(claims, access.oidc):
                proof = json.dumps(dict(claims), sort_keys=True)
                return self._person(found[0], "oidc", peer, found[1], proof, OIDC_SIGN_OUT)
        # Not from a browser, which has the form: there, a proxy's own Basic would count as attempts.
        if kind.lower() == "basic" and access.users and "sec-fetch-site" not in headers:
            name, _, password = decode_basic(shown).partition(":")
            if await self._passwords.are_right(name, password, self._counted_for(headers, peer)):
                return self._person(name, "password", peer)
        if access.local_operator and not kind and is_local(headers, peer):
            return Person(LOCAL, "local", reads=True, controls=True, address=peer)
        return None

    def _person(
        self, name: str, how: How, peer: str, until: datetime | None = None, proof: str = "", leave: str = ""
    ) -> Person:
        session = sha256(proof.encode()).hexdigest()[:32] if proof else ""
        return Person(name, how, True, name in self.access.operators, peer, until, session, leave)

    def _counted_for(self, headers: Headers, peer: str) -> str:
        """Whose attempts they are: behind a proxy of ours, those of the address it names last."""
        address = parse_address(peer)
        is_proxy = address is not None and (
            address.is_loopback or (self.access.proxy is not None and proxy.is_trusted(peer, self.access.proxy))
        )
        forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()[:64]
        return forwarded if is_proxy and forwarded else peer


def cookies_in(headers: Headers) -> dict[str, str]:
    return cookie_parser("; ".join(headers.getlist("cookie")))


def decode_basic(text: str) -> str:
    """`name:password`; empty when it is not that (RFC 7617)."""
    try:
        return b64decode(text.strip()[:4_000], validate=True).decode()
    except ValueError:
        return ""
